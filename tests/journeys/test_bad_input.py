"""A user's mistakes: each gives one clear message and exit code 2, never a traceback, and never costs a session."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import pytest

from tests import commands
from tests.foreign import change_text
from tests.handmade import Plan, make_run
from tests.rigs import record, write_protocol, write_rig


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    return write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all"))


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    return record(folder, write_rig(folder), write_protocol(folder, ("still", 1, "all"))).path


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _record(rig: Path, protocol: Path, *more: object, subject: str = "001") -> str:
    command = ("record", protocol, "--rig", rig, "--subject", subject, "--speed", "max", *more)
    message = commands.refused(*command, cwd=rig.parent)
    assert not list(rig.parent.glob("sessions/sub-*/ses-*"))
    return message


def test_unknown_keys_and_wrong_types_are_all_named_with_their_lines(files):
    rig, protocol = files
    _edit(rig, "rate_hz: 100", "rate_hz: '100', colour: red")
    _edit(protocol, "seconds: 1", "seconds: -1")
    message = _record(rig, protocol)
    assert f"{rig}:3: box.colour" in message
    assert f"{rig}:3: box.rate_hz: '100'" in message
    assert f"{protocol}:5: blocks.0.seconds: -1" in message


def test_a_missing_clip_is_named(files):
    rig, protocol = files
    clip = "{file: nowhere.mp4, sha256: " + "0" * 64 + ", title: t, licence: l}"
    _edit(protocol, "blocks:", f"clips:\n  film: {clip}\nblocks:\n  - {{kind: clip, name: c, clip: film}}")
    assert "nowhere.mp4" in _record(rig, protocol)


@pytest.mark.parametrize("subject", ["a/b", "../x", "", "Jane Doe", "ä", "a" * 65])
def test_a_subject_that_is_no_pseudonym_is_refused(files, subject):
    assert "letters and digits" in _record(*files, subject=subject)


def test_no_such_rig_or_protocol(files, tmp_path):
    rig, protocol = files
    assert "nosuchrig" in commands.refused("record", protocol, "--rig", "nosuchrig", "--subject", "1", cwd=tmp_path)
    assert "nosuch" in commands.refused("record", "nosuch", "--rig", rig, "--subject", "1", cwd=tmp_path)


def test_no_such_serial_port(files):
    rig, protocol = files
    _edit(rig, "sim://small", "/dev/ttyNOSUCH9")
    _edit(rig, "simulation:\n", "simulation:\n  wires: nowhere\n")
    command = ("record", protocol, "--rig", rig, "--subject", "001")
    message = commands.refused(*command, cwd=rig.parent)
    assert "/dev/ttyNOSUCH9" in message
    assert not list(rig.parent.glob("sessions/sub-*/ses-*"))


def test_an_existing_session_number_is_never_overwritten(files):
    rig, protocol = files
    recorded = record(rig.parent, rig, protocol).path
    before = recorded.read_bytes()
    command = ("record", protocol, "--rig", rig, "--subject", "001", "--speed", "max", "--session", "1")
    assert "exists already" in commands.refused(*command, cwd=rig.parent)
    assert recorded.read_bytes() == before


def test_speed_max_with_a_real_window_is_refused(files):
    rig, protocol = files
    _edit(rig, "backend: simulated, width: 960", "backend: psychopy, width: 960")
    assert "--speed" in _record(rig, protocol)


@pytest.mark.parametrize(
    ("command", "defect"),
    [
        *(("verify", defect) for defect in ("cut in half", "a text file", "empty", "missing", "a folder without runs")),
        ("info", "cut in half"),
        ("replay", "a folder without runs"),
    ],
)
def test_a_file_that_is_no_session(session, tmp_path, command, defect):
    path = tmp_path / session.name
    match defect:
        case "cut in half":
            shutil.copy(session, path)
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.truncate(session.stat().st_size // 2)
        case "a text file":
            path.write_text("this is no HDF5 file\n" * 100)
        case "empty":
            path.touch()
        case "a folder without runs":
            path.mkdir()
    more = ("--at", "0.5") if command == "replay" else ()
    assert str(path) in commands.refused(command, path, *more, cwd=tmp_path)


def test_check_lists_every_problem_of_rig_and_protocol_at_once(files, tmp_path):
    rig, protocol = files
    _edit(rig, "divisor: 4", "divisor: 3.5")
    _edit(protocol, "kind: baseline", "kind: bassline")
    message = commands.refused("check", protocol, "--rig", rig, cwd=tmp_path)
    assert "3.5" in message
    assert "bassline" in message


@pytest.mark.parametrize("command", ["record", "check", "verify", "info", "replay"])
def test_every_command_helps_with_an_example(command, tmp_path):
    done = commands.run(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Example: rig {command}" in done.stdout


@pytest.mark.parametrize("key", ["first_pulse", "last_pulse"])
def test_faults_at_pulses_that_no_session_has_are_refused_with_their_line(files, key):
    rig, protocol = files
    _edit(rig, "faults: {}", f"faults: {{lost_frames: 1, {key}: 100000000000000}}")
    assert f"{rig}:11: simulation.faults.{key}: 100000000000000 is not allowed" in _record(rig, protocol)


@pytest.mark.parametrize("place", ["rig.yaml", "rig.yaml/below", "dangling", "loop", "x" * 300])
def test_check_and_record_refuse_the_same_places_for_sessions(files, tmp_path, place):
    rig, protocol = files
    (tmp_path / "rig.yaml").touch()
    (tmp_path / "dangling").symlink_to("/nonexistent/zz")
    (tmp_path / "loop").symlink_to("loop")
    for command in (("check", "--no-devices"), ("record", "--subject", "1", "--speed", "max")):
        said = commands.refused(*command, protocol, "--rig", rig, "--out", tmp_path / place, cwd=tmp_path)
        assert str(tmp_path / place.split("/")[0]) in said


def test_behind_session_9999_another_number_must_be_given(files, tmp_path):
    (tmp_path / "sessions/sub-001/ses-9999").mkdir(parents=True)
    command = ("record", files[1], "--rig", files[0], "--subject", "001", "--speed", "max")
    assert "1 to 9999" in commands.refused(*command, cwd=tmp_path)
    assert [p.name for p in (tmp_path / "sessions/sub-001").iterdir()] == ["ses-9999"]


def test_the_same_run_twice_in_a_folder_is_refused_naming_both(session, tmp_path):
    names = session.name, session.name.replace("run-01", "run-02")
    for name in names:
        shutil.copy(session, tmp_path / name)
    for command in (["verify"], ["info"], ["replay", "--at", "0.5"]):
        said = commands.refused(*command, tmp_path, cwd=tmp_path)
        assert all(name in said for name in names)


def test_foreign_text_inside_a_run_is_told(tmp_path):
    path = make_run(tmp_path, Plan(closed=False, body_groups=8))
    with h5py.File(path, "r+") as file:
        change_text(file, "plan", lambda plan: {**plan, "period_ticks": "x"})
    told = "/config/plan: cannot be read (period_ticks cannot be 'x')"
    for command in (["info"], ["replay", "--at", "0.5"], ["replay", "--contact-sheet"]):
        assert f"{path}: {told}" in commands.refused(command[0], path, *command[1:], cwd=tmp_path)
    judged = commands.run("verify", "--json", path, cwd=tmp_path)
    assert judged.returncode == 1  # what can be judged is
    assert told in judged.stdout

"""A user's mistakes: each gives one clear message and exit code 2, never a traceback, and never costs a session."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import commands
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


@pytest.mark.parametrize("command", ["verify", "info", "replay"])
@pytest.mark.parametrize("defect", ["cut in half", "a text file", "empty", "missing", "a folder without runs"])
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

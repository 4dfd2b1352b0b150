"""`rig verify`, `rig info` and `rig replay` as a user types them: what they print, write, and end with."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from rig import host
from rig.cli.info import info
from rig.cli.replay import replay
from rig.cli.verify import verify
from rig.errors import NotASession, RigError, StorageError, Truncated, UserError
from rig.session.folder import beside
from rig.verify.report import overview
from rig.verify.report.drawing import Drawing, Shown
from tests.foreign import change_log, change_text
from tests.handmade import Plan, make_run, number_in
from tests.rights import without_root

app = typer.Typer()
for command in (verify, info, replay):
    app.command()(command)


@pytest.fixture
def drawn() -> None:
    """For who looks at the figure of a run."""


@pytest.fixture(autouse=True)
def no_figure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes most of the time of `rig verify`: for all others bytes stand for it."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(overview, "OVERVIEW", Drawing("Overview", lambda *_: Shown("a figure", b"PNG"), ""))


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(a) for a in arguments])


def error_of(*arguments: str | Path) -> RigError:
    """The error that `rig` turns into one message and exit code 2."""
    error = run(*arguments).exception
    assert isinstance(error, RigError)
    return error


@pytest.mark.parametrize("name", ["verify", "info", "replay"])
def test_help_has_an_example(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Example: rig {name} sessions/sub-001/ses-01" in result.output


# verify


@pytest.mark.usefixtures("drawn")
def test_verify_of_a_complete_session_ends_with_0_and_writes_verdict_and_figure(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    result = run("verify", path.parent)
    assert result.exit_code == 0
    assert "264 of 264 pulses have a frame" in result.output
    assert "SIMULATED" in result.output
    for name in ("verdict.json", "overview.png"):
        assert stat.S_IMODE(beside(path, name).stat().st_mode) == 0o600
    with Image.open(beside(path, "overview.png")) as figure:
        assert figure.width > 1000


def test_verify_of_a_session_with_losses_ends_with_1_and_names_them(tmp_path: Path) -> None:
    result = run("verify", make_run(tmp_path, Plan(lost={"VIS": {40}})))
    assert result.exit_code == 1
    assert "1 of 66 pulses have no frame: 40" in result.output
    assert "NOT complete: failed: frames" in result.output


def test_verify_as_json_is_json_alone_and_the_same_as_the_file(tmp_path: Path) -> None:
    paths = [make_run(tmp_path), make_run(tmp_path, Plan(number_of_session=2, lost={"HS": {4}}))]
    result = run("verify", *paths, "--json")
    assert result.exit_code == 1
    verdicts = json.loads(result.stdout)["verdicts"]
    assert [verdict["complete"] for verdict in verdicts] == [True, False]
    assert verdicts == [json.loads(beside(path, "verdict.json").read_text()) for path in paths]


def test_verify_judges_the_readable_ones_and_then_names_the_others(tmp_path: Path) -> None:
    good, bad = make_run(tmp_path), make_run(tmp_path, Plan(number_of_session=2, closed=False))
    os.truncate(bad, 9000)
    assert isinstance(error_of("verify", bad, good), Truncated)
    assert beside(good, "verdict.json").exists()


def test_verify_judges_every_run_of_a_session(tmp_path: Path) -> None:
    make_run(tmp_path)
    folder = make_run(tmp_path, Plan(run=2)).parent
    assert len(json.loads(run("verify", folder, "--json").stdout)["verdicts"]) == 2


def test_one_damaged_run_hides_no_other_from_any_command_and_each_names_it(tmp_path: Path) -> None:
    good = make_run(tmp_path)
    bad = make_run(tmp_path, Plan(run=2, closed=False, host_0=10**11))
    os.truncate(bad, 5000)
    assert isinstance(error := error_of("verify", good.parent), Truncated)
    assert bad.name in str(error)
    assert json.loads(beside(good, "verdict.json").read_text())["complete"]
    told = run("info", good.parent)
    assert (told.exit_code, "UNREADABLE" in told.output, bad.name in told.output) == (0, True, True)
    assert "complete" in told.output
    assert [bad.name in text for text in json.loads(run("info", good.parent, "--json").output)["unreadable"]] == [True]
    assert f"UNREADABLE: {bad}" in run("info", tmp_path).output
    shown = run("replay", good.parent, "--at", "1")
    assert (shown.exit_code, bad.name in shown.stderr) == (0, True)


def test_verify_of_a_run_that_is_being_recorded_shows_its_table_and_keeps_no_verdict(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False, outcome="incomplete", written=100))
    with path.open("rb") as held:
        host.hold_shared(held.fileno())
        result = run("verify", path)
        assert "is being recorded right now" in run("verify", path, "--json").stderr
    assert result.exit_code == 1
    assert "is being recorded right now" in result.output
    assert "NOT complete" in result.output
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    run("verify", path)
    assert beside(path, "verdict.json").exists()


def test_photodiode_that_the_rig_has_and_nobody_saw_stands_under_the_table(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(photodiode=False))
    result = run("verify", path)
    assert (result.exit_code, "\nNOT MEASURED: photodiode\n" in result.output) == (0, True)
    assert json.loads(run("verify", path, "--json").stdout)["verdicts"][0]["unmeasured"] == ["photodiode"]
    assert "\nNOT MEASURED" not in run("verify", make_run(tmp_path, Plan(number_of_session=2))).output


def test_texts_that_people_wrote_are_shown_as_they_are(tmp_path: Path) -> None:
    result = run("verify", make_run(tmp_path, Plan(alarm="[/bold] [red]lens[/] \x1b[31mfell off")))
    assert "[/bold] [red]lens[/] \\x1b[31mfell off" in result.output


def test_what_a_protocol_requires_steers_no_terminal(tmp_path: Path) -> None:
    result = run("verify", make_run(tmp_path, Plan(protocol_text='requires: ["\\e[2Jx"]')))
    assert (result.exit_code, "\x1b" in result.output) == (1, False)
    assert "required but not measured: \\x1b[2Jx" in result.output
    assert "\\x1b[2Jx: this version has no such check." in result.output


def test_verify_says_what_a_protocol_left_out(tmp_path: Path) -> None:
    left_out = "Usually required, and left out by the protocol: "
    path = make_run(tmp_path, Plan(protocol_text="requires: [frames]", undeclared={"VIS"}))
    (line,) = [line for line in run("verify", path).output.splitlines() if line.startswith(left_out)]
    assert {"skew", "checksums"} <= set(line.removeprefix(left_out).rstrip(".").split(", "))
    assert "frames" not in line.removeprefix(left_out).split(", ")
    assert left_out not in run("verify", make_run(tmp_path, Plan(number_of_session=2, protocol_text="a: b"))).output


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("table", ["stimulus/presentation/flips", "acquisition/VIS/frames"])
def test_a_run_that_cannot_be_drawn_has_a_verdict_all_the_same_and_no_older_figure(tmp_path: Path, table: str) -> None:
    path = make_run(tmp_path)
    beside(path, "overview.png").write_bytes(b"of an older verdict")
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        del file[table]
    shown = run("verify", path)
    assert (shown.exit_code, "cannot be drawn: " in shown.output) == (1, True)
    (only,) = json.loads(run("verify", path, "--json").stdout)["verdicts"]
    assert (only["complete"], only) == (False, json.loads(beside(path, "verdict.json").read_text()))
    assert not beside(path, "overview.png").exists()


def test_a_verdict_of_a_run_that_was_being_recorded_when_it_was_judged_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the recorder closes it meanwhile: it may fail a good run for its missing end."""
    path = make_run(tmp_path, Plan(closed=False, outcome="incomplete", has_ended=False, written=40))
    held = iter([True])
    monkeypatch.setattr(host, "is_held", lambda _: next(held, False))
    result = run("verify", path)
    assert (result.exit_code, "not kept" in result.stderr) == (1, True)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["verdict.json", "pairing.h5", "overview.png"])
def test_a_folder_in_the_way_of_what_verify_writes_is_named_and_hides_no_other_run(tmp_path: Path, name: str) -> None:
    first = make_run(tmp_path)
    second = make_run(tmp_path, Plan(number_of_session=2))
    beside(first, name).mkdir()
    result = run("verify", first, second)
    assert (result.exit_code, name in str(result.exception)) == (1, True)
    assert isinstance(result.exception, StorageError)
    assert beside(second, "verdict.json").exists()


def test_json_that_the_disk_refuses_is_no_success(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rig", "info", str(path), "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)


# info


def test_info_says_what_a_session_is(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(lost={"VIS": {40}}))
    result = run("info", path)
    assert result.exit_code == 0
    for word in (
        "SIMULATED",
        "001",
        "demo",
        "finished",
        "264 frames 96x64",
        "65 frames",
        "1 pulse lost in 1 gap",
        "not verified",
    ):
        assert word in result.output


def test_info_as_json_has_outcome_duration_size_streams_and_verdict(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    run("verify", path)
    found = json.loads(run("info", path, "--json").stdout)
    (only,) = found["runs"]
    assert (found["subject"], found["session"], found["rig"], found["simulated"]) == ("001", 1, "demo", True)
    assert (only["outcome"], only["verdict"], only["bytes"]) == ("finished", "complete", path.stat().st_size)
    assert only["duration_s"] == pytest.approx(2.88, abs=0.001)
    assert {name: stream["frames"] for name, stream in only["streams"].items()} == {"HS": 264, "VIS": 66, "NIR": 66}


def test_info_says_that_a_verdict_is_older_than_the_run_or_no_verdict(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False, written=100))
    run("verify", path)
    assert json.loads(run("info", path, "--json").stdout)["runs"][0]["verdict"] == "not complete"
    path.unlink()
    path = make_run(tmp_path)
    assert "verdict is older than the run" in run("info", path).output
    assert "verdict is older than the run" in run("info", tmp_path).output
    beside(path, "verdict.json").write_text("{}")
    assert "verdict is no verdict of ours" in run("info", path).output


def test_info_of_a_killed_run_is_the_same_command(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False, outcome="incomplete", written=120))
    result = run("info", path)
    assert result.exit_code == 0
    assert "incomplete" in result.output
    assert "120 frames" in result.output
    assert f"  next     rig recover {path.parent}\n" in result.output
    assert "rig recover" not in run("info", make_run(tmp_path / "closed", Plan())).output


def test_info_says_that_a_run_is_being_recorded_right_now(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False, outcome="incomplete", written=100))
    with path.open("rb") as held:
        host.hold_shared(held.fileno())
        for place in (path, tmp_path):
            shown = run("info", place).output
            assert ("incomplete, is being recorded right now" in shown, "rig recover" in shown) == (True, False)
        assert json.loads(run("info", path, "--json").stdout)["runs"][0]["being_recorded"] is True
    assert "right now" not in run("info", path).output


def test_info_says_loudly_that_a_file_lies_under_another_name(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    (tmp_path / "sub-002").mkdir()
    path.parent.rename(tmp_path / "sub-002" / "ses-01")
    told = "WRONG NAME: it is sub-001_ses-01_run-01 by what is in it, but lies under the name sub-002"
    assert run("info", tmp_path / "sub-002" / "ses-01").output.startswith("SIMULATED")
    assert told in run("info", tmp_path / "sub-002" / "ses-01").output
    assert told in run("info", tmp_path).output
    assert "sub-002" in json.loads(run("info", tmp_path, "--json").stdout)["sessions"][0]["misplaced"]


def test_info_of_a_folder_whose_only_subject_may_not_be_entered_says_so() -> None:
    with without_root() as (folder, take_rights):
        make_run(folder)
        take_rights(folder / "sub-001", 0)
        assert "sub-001  cannot be read: Permission denied" in run("info", folder).output


def test_info_of_a_folder_has_a_line_for_each_session_also_for_a_broken_one(tmp_path: Path) -> None:
    make_run(tmp_path)
    broken = make_run(tmp_path, Plan(closed=False), subject="002")
    os.truncate(broken, 9000)
    result = run("info", tmp_path)
    assert result.exit_code == 0
    lines = [line for line in result.output.splitlines() if "ses-01" in line]
    assert len(lines) == 2
    assert "cut off" in result.output
    assert len(result.output.splitlines()) == 3
    sessions = json.loads(run("info", tmp_path, "--json").stdout)["sessions"]
    assert [session.get("outcome") for session in sessions] == ["finished", None]


@pytest.mark.parametrize("name", ["info", "verify", "replay"])
def test_what_is_no_session_is_one_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.h5").write_text("text")
    options = ["--at", "1"] if name == "replay" else []
    assert isinstance(error_of(name, tmp_path / "x.h5", *options), NotASession)
    assert isinstance(error_of(name, tmp_path / "nowhere", *options), NotASession)
    assert isinstance(error_of(name, tmp_path, *options), NotASession)


# replay


def test_replay_at_a_moment_saves_the_pictures_and_says_their_pulses(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    result = run("replay", path, "--at", "1.234", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "run 1, pulse 111, 1.2340 s" in result.output
    assert "VIS: pulse 108, exposed 33.90 ms before" in result.output
    assert "clip1, film frame 18: film not here" in result.output
    (saved,) = (tmp_path / "out").glob("*HS_pulse-111.png")
    with Image.open(saved) as picture:
        assert number_in_image(picture) == 111


def test_replay_lets_no_name_steer_the_terminal(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(body_groups=8))
    result = run("replay", path, "--at", "0.1", "--contact-sheet", "--out", tmp_path / "a\u202eb")
    assert result.exit_code == 0
    assert "\u202e" not in result.output
    assert result.output.count("a\\x202eb") == 4


def test_replay_never_says_0_for_an_age_that_nobody_knows(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(pulses_lost_on_wire={256}, has_ended=False))
    assert "VIS: pulse 256, age unknown: " in run("replay", path, "--at", "2.82", "--out", tmp_path / "out").output


def number_in_image(picture: Image.Image) -> int:
    return number_in(np.asarray(picture))


def test_replay_of_a_clip_saves_beside_the_run_by_default(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    result = run("replay", path.parent, "--clip", "clip1", "--at", "0.5", "--contact-sheet")
    assert result.exit_code == 0
    names = sorted(p.name for p in path.parent.glob("*.png"))
    assert names[0] == "sub-001_ses-01_clip1-0.500s_run-01_HS_pulse-87.png"
    assert names[-1] == "sub-001_ses-01_clip1_contact-sheet.png"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--clip", "clip1"], "--at SECONDS"),
        (["--clips", "nowhere"], "--clips nowhere: does not exist; a folder"),
        (["--at", "99"], "0.000 to 2.880 s"),
        (["--at", "nan"], "a number of seconds"),
        (["--at", "0", "--clip", "clip9"], "clip1"),
        (["--at", "0", "--clips", "nowhere"], "--clips nowhere: does not exist; a folder"),
        (["--at", "0", "--clips", __file__], "is not a folder"),
        (["--at", "0", "--clips", "x" * 300], "cannot be looked up"),
    ],
)
def test_replay_of_what_is_not_there_names_what_is(tmp_path: Path, options: list[str], words: str) -> None:
    error = error_of("replay", make_run(tmp_path), *options)
    assert isinstance(error, UserError)
    assert words in str(error)


@pytest.mark.parametrize("name", ["x" * 300, "loop", "file/below"])
def test_replay_into_a_folder_that_cannot_be_is_an_error_for_people(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    error = error_of("replay", make_run(tmp_path), "--at", "0", "--out", tmp_path / name)
    assert isinstance(error, StorageError)


@pytest.mark.parametrize("name", ["info", "verify", "replay"])
@pytest.mark.parametrize("path", ["x" * 300, "loop"])
def test_a_path_that_cannot_be_looked_up_is_one_error(tmp_path: Path, name: str, path: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    options = ["--at", "1"] if name == "replay" else []
    assert "cannot be looked up" in str(error_of(name, tmp_path / path, *options))


# what is inside a run


def _of_kind(kind: str, **fields: Any) -> Callable[[h5py.File], None]:
    def change(entries: list[Any]) -> None:
        for entry in entries:
            entry.update(fields if entry["kind"] == kind else {})

    return lambda file: change_log(file, "log", change)


def _text(name: str, value: Any) -> Callable[[h5py.File], None]:
    return lambda file: change_text(file, name, lambda _: value)


FOREIGN = {
    "no streams": _text("streams", []),
    "streams an object": _text("streams", {}),
    "streams numbers": _text("streams", [1]),
    "streams a path": _text("streams", ["../../config"]),
    "plan a number": _text("plan", 1),
    "plan with a word for a number": _text("plan", {"period_ticks": "x", "group": 4}),
    "plan with a group that fits no memory": _text("plan", {"period_ticks": 20_000, "group": 10**15}),
    "plan without a group": _text("plan", {"period_ticks": 20_000}),
    "pulses sent null": _of_kind("ended", pulses_sent=None),
    "pulses sent a word": _of_kind("ended", pulses_sent="x"),
    "pulses sent beyond reason": _of_kind("ended", pulses_sent=2**60),
    "baseline a number": _of_kind("armed", baseline=3),
    "baseline with a delay of no length": _of_kind(
        "armed", baseline={"delays": {"exposure_start": {"us": None, "origin": "DEVICE"}}}
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("command", [["info"], ["replay", "--at", "0.5"], ["replay", "--contact-sheet"]])
def test_foreign_texts_inside_a_run_are_one_error(tmp_path: Path, name: str, command: list[str]) -> None:
    path = make_run(tmp_path, Plan(closed=False, body_groups=8))
    with h5py.File(path, "r+") as file:
        FOREIGN[name](file)
    error = error_of(command[0], path, *command[1:])
    assert isinstance(error, Truncated | NotASession)
    assert error.subject.startswith(str(path))


@pytest.mark.parametrize("name", FOREIGN)
def test_verify_of_a_run_with_foreign_texts_fails_what_it_cannot_check(tmp_path: Path, name: str) -> None:
    """Without its streams it cannot be opened, and there is nothing to judge."""
    path = make_run(tmp_path, Plan(closed=False, body_groups=8))
    with h5py.File(path, "r+") as file:
        FOREIGN[name](file)
    result = run("verify", path, "--json")
    verdicts = json.loads(result.stdout)["verdicts"]
    if "streams" in name:
        assert (verdicts, isinstance(result.exception, Truncated | NotASession)) == ([], True)
        return
    texts = [finding["text"] for finding in verdicts[0]["findings"]]
    assert isinstance(result.exception, SystemExit)
    assert any(text.startswith(f"cannot be checked: {path}") for text in texts)
    assert not [text for text in texts if "the check itself failed" in text]


def test_a_film_that_is_not_described_is_told_in_its_place(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        del file["config/clips/bunny"].attrs["sha256"]
    assert "sha256 is missing" in run("replay", path, "--at", "1", "--out", tmp_path).output

"""Commands under bad luck: a file where a folder should be, Ctrl-C at once, a full disk, a camera without frames."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig.cli.app import app
from rig.errors import RigError
from rig.record import recording
from rig.record.recording import Status
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim.faults import Fault, Truth, read_truth
from tests import commands
from tests.full_disk import fill_disk_after
from tests.rigs import record, write_protocol, write_rig

OPTIONS = "--rig", "demo", "--subject", "001", "--speed", "max"
FOLDERS = (  # every option that names a folder to write into
    ("cameras", "list", "--snapshot"),
    ("check", "--rig", "demo", "--no-devices", "--out"),
    ("record", "no-film", *OPTIONS, "--out"),
    ("replay", "session", "--contact-sheet", "--out"),
)
READ = (  # and every one that names something to read
    ("info",),
    ("verify",),
    ("replay", "--contact-sheet"),
    ("replay", "session", "--contact-sheet", "--clips"),
    ("check", "--no-devices", "--rig"),
    ("check", "--no-devices", "--rig", "demo"),
    ("record", "--rig", "demo", "--subject", "001"),
    ("record", "no-film", "--subject", "001", "--rig"),
    ("cameras", "list", "--rig"),
    ("box", "ping", "--rig"),
    ("box", "monitor", "--rig"),
    ("box", "selftest", "--rig"),
    ("box", "flash", "--rig"),
)


def refused(*arguments: str) -> str:
    """The one error of a command, run in this process; any other exception escapes."""
    with pytest.raises(RigError) as raised:
        app(arguments, standalone_mode=False)
    return str(raised.value)


@pytest.mark.parametrize("command", FOLDERS, ids=" ".join)
def test_a_file_in_the_place_of_a_folder_is_one_error(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("mine")
    for where in ("afile", "afile/below"):
        assert refused(*command, where) == f"afile: is not a folder. Choose another place with {command[-1]}"
    assert [path.name for path in tmp_path.iterdir()] == ["afile"]


@pytest.mark.parametrize("command", READ, ids=" ".join)
@pytest.mark.parametrize("what", ["afile/below.yaml", "x" * 300 + "/", "a\nb/\u202e", "./"], ids=ascii)
def test_what_cannot_be_read_is_one_error(
    command: tuple[str, ...], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("mine")
    assert refused(*command, what)
    assert [path.name for path in tmp_path.iterdir()] == ["afile"]


def test_ctrl_c_while_it_is_being_loaded_shows_no_traceback(tmp_path: Path) -> None:
    """The first library that it loads is one that presses Ctrl-C."""
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    where = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "rig", "info", "nowhere"]
    ends = {"capture_output": True, "text": True, "timeout": commands.ENDS_WITHIN_S, "check": False}
    done = subprocess.run(command, env=where, **ends)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_job_that_is_to_ignore_ctrl_c_goes_on_doing_so(tmp_path: Path) -> None:
    """As a shell starts what runs in the background; here the library says that it was loaded to its end."""
    pressed = "import os, signal, sys\nos.kill(os.getpid(), signal.SIGINT)\nprint('loaded')\nsys.exit(7)\n"
    (tmp_path / "typer.py").write_text(pressed)
    where = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "rig", "info", "nowhere"]
    ends = {"capture_output": True, "text": True, "timeout": commands.ENDS_WITHIN_S, "check": False}
    done = subprocess.run(command, env=where, **ends)
    assert (done.returncode, done.stdout) == (7, "loaded\n")


def test_a_truth_that_cannot_be_written_is_told_once_and_kept_in_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = Truth(tmp_path / "nowhere/truth.jsonl")
    for pulse in range(3):
        truth.add(Fault.LOST_FRAME, "HS", pulse)
    assert [committed.pulse for committed in truth.committed] == [0, 1, 2]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "truth.jsonl: cannot be written, and is not complete: No such file" in told[0]


def test_a_world_whose_truth_cannot_be_written_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "beside", lambda _run, name: tmp_path / "nowhere" / name)
    rig = write_rig(tmp_path, faults="lost_frames: 5, first_pulse: 40, last_pulse: 120")
    recorded = record(tmp_path, rig, write_protocol(tmp_path, ("still", 1, "all")))
    assert recorded.outcome is Outcome.FINISHED
    assert sum(counts.lost for counts in recorded.counts.values()) == 5


@pytest.mark.parametrize("virtual", [True, False])
def test_a_disk_that_is_full_while_a_camera_is_away_keeps_what_was_written(
    virtual: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = write_rig(tmp_path, faults="disconnects: 1, away_s: 0, first_pulse: 40, last_pulse: 80")

    full = list[Status]()

    def fill_once_told(status: Status) -> None:
        if not full and any("is gone" in alarm for alarm in status.alarms):
            full.append(status)
            fill_disk_after(monkeypatch, 0)

    protocol = write_protocol(tmp_path, ("still", 60, "all"))
    recorded = record(tmp_path, rig, protocol, virtual=virtual, on_status=fill_once_told)
    assert recorded.outcome is Outcome.DISK_FULL
    assert any("No space left" in alarm for alarm in recorded.alarms)
    (truth,) = recorded.path.parent.glob("*truth.jsonl")
    (away,) = {told.stream for told in read_truth(truth) if told.fault is Fault.DISCONNECTED}
    assert any(alarm.startswith(f"{away}: ") for alarm in recorded.alarms)
    with Run(recorded.path) as run:
        assert str(run.outcome) == "disk_full"
        for name, stream in run.streams.items():
            frames = stream.frames
            assert len(frames) > 5, name
            assert len({int(number) for number in stream.pulse_numbers}) == len(frames)


def test_a_camera_without_one_frame_is_not_good_though_the_run_finished(tmp_path: Path) -> None:
    rig = write_rig(tmp_path, faults="dead_line: HS")
    protocol = write_protocol(tmp_path, ("still", 1, "all"))
    options = "--rig", rig, "--subject", "001", "--speed", "max"
    done = commands.run("record", protocol, *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "outcome: finished\n" in done.stdout
    assert done.stdout.endswith("NOT ONE FRAME of HS\n")

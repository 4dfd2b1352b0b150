"""Operator's terminal and window of a real recording are killed: it is told, no frame is lost, and it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rig
from rig.channel import Client
from rig.clock import NS, HostClock
from rig.session.layout import Outcome
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.check.test_displays import SIMULATED
from tests.commands import run, started
from tests.films import make_film, sha256_of
from tests.journeys.test_closed_terminal import ENDS_WITHIN_S, wait_for
from tests.operate.test_terminal import Operator
from tests.rigs import write_rig

WINDOW = "{backend: psychopy, display: virtual, width: 480, height: 270, refresh_hz: 60, patch_px: 40}"
CLOCK = HostClock()
TRIAL = """\
schema: 1
name: one-trial
title: one film, and a long rest after it
clips: {film: {file: film.mp4, sha256: SHA256, title: t, licence: l}}
blocks:
  - {kind: trials, name: films, clips: all, each: [{kind: clip, name: film},
     {kind: wash-out, name: rest, seconds: 300, store: all}]}
  - {kind: baseline, name: after, seconds: 1, store: all}
"""


def write_trial(folder: Path) -> Path:
    """A protocol whose only trial is long enough for all that happens in it."""
    path = folder / "one-trial.yaml"
    path.write_text(TRIAL.replace("SHA256", sha256_of(make_film(folder / "film.mp4", 25))))
    return path


def stimulus_of(recorder: int) -> int:
    """The process of the window."""
    tasks = Path(f"/proc/{recorder}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    (found,) = (int(c) for c in children if "rig.stimulus.child" in Path(f"/proc/{c}/cmdline").read_text())
    return found


def heard(client: Client, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first state of which something holds."""
    until = CLOCK.now_ns() + ENDS_WITHIN_S * NS
    while CLOCK.now_ns() < until:
        for message in client.receive(1.0):
            state: dict[str, Any] = message.get("state", {})
            if state and is_it(state):
                return state
    raise AssertionError("never told")


def lead_and_kill(recorder: int, session: Path, folder: Path) -> tuple[int, int]:
    """Kill a terminal, then the window; when that was, and when the terminal of another operator said so, host ns."""
    first, second = Operator(session, cwd=folder), Operator(session, cwd=folder)
    with closing(second):
        assert first.sees("RECORDING")
        first.process.kill()
        first.close()
        assert second.sees("wash-out")
        with Client(session, "observer") as client:
            heard(client, lambda state: state["kind"] == "wash-out" and state["step_seconds"] > 0)
            killed_ns = CLOCK.now_ns()
            os.kill(stimulus_of(recorder), signal.SIGKILL)
            assert second.sees("screen: ")
            shown_ns = CLOCK.now_ns()
            told = heard(client, lambda state: any(alarm.startswith("screen") for alarm in state["alarms"]))
            heard(client, lambda state: state["streams"]["HS"]["arrived"] > told["streams"]["HS"]["arrived"] + 50)
            heard(client, lambda state: any("rig.stimulus.child" in alarm for alarm in state["alarms"]))
    return killed_ns, shown_ns


@dataclass(frozen=True)
class Beside:
    """A session whose window was killed in the only trial, and when; and what `rig record --resume` then said."""

    folder: Path
    killed_ns: int
    shown_ns: int  # at an operator's terminal
    resumed: str


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Beside:
    folder = tmp_path_factory.mktemp("beside")
    rig_file, protocol = write_rig(folder), write_trial(folder)
    simulated = rig_file.read_text()
    rig_file.write_text(simulated.replace(SIMULATED, WINDOW))
    command = ("record", protocol, "--rig", rig_file, "--subject", "001")
    session = folder / "sessions/sub-001/ses-01"
    with started(*command, cwd=folder) as recorder:
        wait_for(lambda: (session / "channel.json").exists())
        times = lead_and_kill(recorder.pid, session, folder)
        recorder.send_signal(signal.SIGINT)
        said, _ = recorder.communicate(timeout=ENDS_WITHIN_S)
    assert (recorder.returncode, "outcome: device_lost" in said) == (1, True), said
    rig_file.write_text(simulated)  # the cameras are the same; in virtual time it goes on without a window
    done = run(*command, "--speed", "max", "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    return Beside(session, *times, done.stdout)


def test_neither_costs_a_frame_and_the_dead_window_is_told(beside: Beside) -> None:
    with rig.open(beside.folder) as opened:
        log, streams = opened.runs[0].log, opened.runs[0].streams.values()
        alarms = [entry for entry in log if entry["kind"] == "alarm" and entry["stream"] == "screen"]
        assert 0 < alarms[0]["host_ns"] - beside.killed_ns < ENDS_WITHIN_S * NS, alarms
        assert beside.shown_ns - beside.killed_ns < ENDS_WITHIN_S * NS, "too late at an operator's terminal"
        assert [len(stream.gaps) for stream in streams] == [0, 0, 0]
        assert max(int(stream.frames["arrived_host_ns"].max()) for stream in streams) > alarms[0]["host_ns"]


def test_it_goes_on_behind_the_trial_whose_window_died_and_verify_names_that_trial(beside: Beside) -> None:
    assert "sub-001/ses-01, with step 3 of 3" in beside.resumed
    assert "outcome: finished" in beside.resumed
    with rig.open(beside.folder) as opened:
        first, second = opened.runs
        assert (first.outcome, second.outcome) == (Outcome.DEVICE_LOST, Outcome.FINISHED)
        assert [second.steps[row["step"]].name for row in second.trials] == ["after"]
        findings = verify_run(second).findings
        assert [found.text for found in findings if found.word is Word.FAIL] == []
        (told,) = (found for found in findings if found.text.startswith("goes on with run 1"))
        assert (told.check, told.word) == ("ending", Word.WARN)
        assert "which was cut in step trial01-rest of trial 1" in told.text

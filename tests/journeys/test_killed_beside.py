"""Operator's terminal and window of a real recording are killed: it is told, nothing else ends, and it goes on."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import rig
from rig.channel import FILE, Client
from rig.clock import HostClock
from rig.config.rig import read_rig
from rig.record.run import SCREEN_IS_LOST
from rig.session.layout import Outcome
from rig.verify.findings import Word
from rig.verify.screen.film import check_film_frames
from rig.verify.verdict import verify_run
from tests.check.test_displays import SIMULATED
from tests.commands import ENDS_WITHIN_S, run, started
from tests.films import make_film, sha256_of
from tests.journeys.accounts import assert_all_told, heard, scripted
from tests.operate.test_terminal import Operator
from tests.rigs import QUESTION, write_rig
from tests.waiting import wait_for

WINDOW = "{backend: psychopy, display: virtual, width: 480, height: 270, refresh_hz: 60, patch_px: 40}"
CLOCK = HostClock()
TRIAL = """\
schema: 1
name: one-trial
title: a question, and one film
clips: {film: {file: film.mp4, sha256: SHA256, title: t, licence: l}}
blocks:
QUESTION  - {kind: trials, name: films, clips: all, each: [{kind: clip, name: film}]}
  - {kind: baseline, name: after, seconds: 1, store: all}
""".replace("QUESTION", QUESTION)


def write_trial(folder: Path) -> Path:
    """A protocol whose only trial is long enough for all that happens in it."""
    path = folder / "one-trial.yaml"
    path.write_text(TRIAL.replace("SHA256", sha256_of(make_film(folder / "film.mp4", 300, fps=1, size=(64, 48)))))
    return path


def stimulus_of(recorder: int) -> int:
    """The process of the window."""
    tasks = Path(f"/proc/{recorder}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    (found,) = (int(c) for c in children if "rig.stimulus.child" in Path(f"/proc/{c}/cmdline").read_text())
    return found


def lead_and_kill(recorder: int, session: Path, folder: Path) -> int:
    """Kill a terminal, then the window in its film; when that was, host ns. Another operator's terminal says so."""
    first, second = Operator(session, cwd=folder), Operator(session, cwd=folder)
    with closing(second):
        assert first.sees("RECORDING")
        first.process.kill()
        first.close()
        with Client(session, "observer") as client:
            heard(client, lambda state: state["kind"] == "clip" and state["step_seconds"] > 0)
            assert second.sees("clip")
            killed_ns = CLOCK.now_ns()
            os.kill(stimulus_of(recorder), signal.SIGKILL)
            assert second.sees("screen: ")
            told = heard(client, lambda state: any(SCREEN_IS_LOST in alarm for alarm in state["alarms"]))
            heard(client, lambda state: state["streams"]["HS"]["arrived"] > told["streams"]["HS"]["arrived"] + 50)
            heard(client, lambda state: any("rig.stimulus.child" in alarm for alarm in state["alarms"]))
    return killed_ns


@dataclass(frozen=True)
class Beside:
    """A session whose window was killed in the only trial, and when; what was said of it, and on `--resume`."""

    folder: Path
    killed_ns: int
    said: str
    resumed: str


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Beside:
    folder = tmp_path_factory.mktemp("beside")
    rig_file, protocol = write_rig(folder), write_trial(folder)
    simulated = rig_file.read_text()
    windowed = folder / "windowed.yaml"
    windowed.write_text(simulated.replace(SIMULATED, WINDOW))
    command = ("record", protocol, "--subject", "001", "--participant", "scripted")
    session = folder / "sessions/sub-001/ses-01"
    with started(*command, "--rig", windowed, cwd=folder) as recorder:
        wait_for(lambda: recorder.poll() is not None or (session / FILE).exists())
        killed_ns = lead_and_kill(recorder.pid, session, folder)
        recorder.send_signal(signal.SIGINT)
        said, _ = recorder.communicate(timeout=ENDS_WITHIN_S)
    assert (recorder.returncode, "outcome: device_lost" in said) == (1, True), said
    # The cameras are the same; in virtual time it goes on without a window.
    done = run(*command, "--rig", rig_file, "--speed", "max", "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    return Beside(session, killed_ns, said, done.stdout)


def test_every_pulse_is_accounted_for_and_the_dead_window_is_told(beside: Beside) -> None:
    logs = list(beside.folder.glob("*_stimulus.log"))
    assert len(logs) == 1, "what the window printed lies beside the run"
    for words in ("rig.stimulus.child", SCREEN_IS_LOST):
        assert words in beside.said.partition("ALARM")[2], words
    assert f"log:     {logs[0].relative_to(beside.folder.parents[2])}" in beside.said
    with rig.open(beside.folder) as opened:
        first = opened.runs[0]
        (lost,) = [entry for entry in first.log if entry["kind"] == "alarm" and SCREEN_IS_LOST in entry["text"]]
        assert lost["host_ns"] > beside.killed_ns
        came = [int(stream.frames["arrived_host_ns"].max()) for stream in first.streams.values()]
        assert min(came) > lost["host_ns"], "the cameras go on"
    assert_all_told(beside.folder, "device_lost")


def test_answers_that_were_given_before_are_kept_and_what_it_showed_after_its_last_flip_is_not_known(
    beside: Beside,
) -> None:
    with rig.open(beside.folder) as opened:
        line = opened.timelines[0]
        given = {answer["question"]: answer["answer"] for answer in line.run.answers}
        window = read_rig(beside.folder.parents[2] / "windowed.yaml").rig.screen
        assert given == scripted(line.run.steps, window) != {}
        last = line.run.flips[-1]
        shown = line.on_screen(int(last["host_ns"]))
        assert (shown.clip, shown.film_frame) == ("film", last["film_frame"])
        after_ns = range(int(last["host_ns"]) + 50_000_000, line.start_host_ns + line.length_ns, 100_000_000)
        assert len(after_ns) > 1
        for host_ns in after_ns:
            after = line.on_screen(host_ns)
            assert (after.clip, after.reason) == (None, "the window was lost: what was on the screen is not known")
        (film,) = check_film_frames(line.run)
        assert (film.stream, film.word) == ("trial01-film", Word.NOT_MEASURED)
        unknown = f"the window was lost: what was shown is not known from film frame {last['film_frame'] + 1} on"
        assert unknown in film.text


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
        assert "which was cut in step trial01-film of trial 1" in told.text

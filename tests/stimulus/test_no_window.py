"""A protocol that shows nothing opens no window: its steps go by the clock, and the session is as complete as any."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from rig.check.preflight import check
from rig.clock import NS, VirtualClock
from rig.elicitation.protocol import read_protocol
from rig.elicitation.steps import Step
from rig.elicitation.unroll import unroll
from rig.errors import UserError
from rig.record.watch import SILENT_S
from rig.session.run import Run
from rig.stimulus.no_window import NoWindow
from rig.stimulus.screen import ScreenEvent, StepBegan, StepEnded
from rig.streams import ClockPair
from rig.verify.verdict import verify_run
from tests.rigs import record, write_protocol, write_rig

STEP = Step(0, "baseline", "still", "", {}, 3.0, 4.0, None, (), "")
PSYCHOPY = "screen: {backend: psychopy, display: ':97', "  # nobody answers there


def _all(screen: NoWindow, clock: VirtualClock) -> list[tuple[int, ScreenEvent]]:
    """Everything until the step is over, each with when it was told."""
    told = []
    while (due_ns := screen.next_host_ns()) is not None:
        clock.sleep_until(due_ns)
        told += [(clock.now_ns(), event) for event in screen.events(0)]
    return told


def _windowless(folder: Path) -> tuple[Path, Path]:
    """A rig whose display does not answer, and a protocol that shows nothing for two seconds."""
    rig, protocol = write_rig(folder), write_protocol(folder, ("a", 1, "all"), ("b", 1, "all"))
    rig.write_text(rig.read_text().replace("screen: {backend: simulated, ", PSYCHOPY))
    protocol.write_text(protocol.read_text().replace("blocks:", "window: false\nblocks:"))
    return rig, protocol


def test_a_step_lasts_as_long_as_it_says_and_a_sign_of_life_comes_in_time() -> None:
    clock = VirtualClock()
    screen = NoWindow(clock)
    screen.events(0)
    began_ns = clock.now_ns()
    screen.show(STEP)
    told = _all(screen, clock)
    assert [(at, event) for at, event in told if not isinstance(event, ClockPair)] == [
        (began_ns, StepBegan(0, began_ns)),
        (began_ns + 3 * NS, StepEnded(0, began_ns + 3 * NS, "time")),
    ]
    assert max(after - before for (before, _), (after, _) in pairwise(told)) < SILENT_S * NS
    assert screen.next_host_ns() is None


def test_a_step_that_is_ended_ends_at_once() -> None:
    clock = VirtualClock()
    screen = NoWindow(clock)
    screen.show(replace(STEP, seconds=None))
    screen.events(1.0)
    clock.sleep_until(clock.now_ns() + NS)
    screen.abort()
    assert StepEnded(0, clock.now_ns(), "abort") in screen.events(0)
    screen.abort()
    assert screen.events(0) == []


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    folder = tmp_path_factory.mktemp("windowless")
    done = record(folder, *_windowless(folder))
    return done.path, done.alarms


def test_a_session_without_a_window_is_complete_and_says_that_there_was_none(
    recorded: tuple[Path, tuple[str, ...]],
) -> None:
    path, alarms = recorded
    assert alarms == ()
    with Run(path) as run:
        screen = run.devices["screen"]
        assert (screen["model"], screen["simulated"], len(run.flips)) == ("no window", False, 0)
        assert [run.steps[int(row["step"])].name for row in run.trials] == ["a", "b"]
        verdict = verify_run(run)
    assert verdict.is_complete, verdict.summary
    (late,) = [finding for finding in verdict.findings if finding.check == "late flips"]
    assert late.text == "no flips: the protocol shows nothing, and no window was opened"


def test_in_real_time_no_window_is_opened_for_a_session_nor_to_check_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, protocol = _windowless(tmp_path)
    opened = []
    monkeypatch.setattr("rig.stimulus.process.Child", lambda *_, **_more: opened.append("window"))
    found = check(str(rig), str(protocol), tmp_path)
    assert found.problems == []
    assert found.screen is None
    assert found.devices is not None
    assert found.devices["screen"].model == "no window"
    done = record(tmp_path, rig, protocol, virtual=False)
    assert (str(done.outcome), opened) == ("finished", [])


def test_nothing_is_said_to_be_shown_without_a_window(tmp_path: Path) -> None:
    _, protocol = _windowless(tmp_path)
    steps = unroll(read_protocol(protocol).protocol, ("HS",), {})
    assert {step.text for step in steps} == {""}


def test_a_rig_with_a_real_screen_has_no_virtual_time_for_what_it_shows(tmp_path: Path) -> None:
    """Only the screen that is not needed may be real there."""
    rig, protocol = _windowless(tmp_path)
    protocol.write_text(protocol.read_text().replace("window: false", "window: true"))
    with pytest.raises(UserError, match="all simulated"):
        record(tmp_path, rig, protocol)

"""The recorder's core goes from state to state along the edges that run.py draws, and along no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from rig.cameras.camera import AtStop
from rig.errors import DeviceLost, DeviceNotReady, StorageError
from rig.record import run
from rig.record.messages import (
    AbortRequested,
    CloseFile,
    DeviceFailed,
    RoomRefused,
    StopBox,
    Stopped,
    StopRequested,
    Tick,
)
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import StepEnded
from rig.trigger.box import Booted, RunBegan, RunEnded, StartRefused
from tests.record.test_run import RUN, STREAMS, Rehearsal

ARMING, RECORDING, DRAINING, CLOSED = RunState.ARMING, RunState.RECORDING, RunState.DRAINING, RunState.CLOSED
DISK = DeviceFailed("disk", StorageError("run.h5", "refused a write"))
RECORDER = DeviceFailed("recorder", StorageError("run.h5", "was not written, by a fault of this program"))
Way = Callable[[Rehearsal], object]


class Remembered(Rehearsal):
    """A core whose actions are all kept."""

    def __init__(self, tmp_path) -> None:
        self.all: list[object] = []
        super().__init__(tmp_path)

    def tell(self, event: object, after_s: float = 0.001) -> list[object]:
        self.all += super().tell(event, after_s)
        return self.actions


def failed(device: str) -> DeviceFailed:
    return DeviceFailed(device, DeviceLost(device, "is gone"))


def to_arming(_: Rehearsal) -> None:
    """A core that has begun is arming."""


def to_recording(rehearsal: Rehearsal) -> None:
    rehearsal.begin()


def to_draining(rehearsal: Rehearsal) -> None:
    rehearsal.begin()
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))


REACH: dict[RunState, Way] = {ARMING: to_arming, RECORDING: to_recording, DRAINING: to_draining}


def tell(event: object) -> Way:
    return lambda rehearsal: rehearsal.tell(event)


def the_box_begins(rehearsal: Rehearsal) -> None:
    rehearsal.walk()
    rehearsal.tell(RunBegan(RUN, 0, rehearsal.now))


def a_camera_hangs(rehearsal: Rehearsal) -> None:
    rehearsal.tell(Tick())
    rehearsal.tell(Tick(), 20.1)


def a_camera_hangs_when_it_is_to_stop(rehearsal: Rehearsal) -> None:
    rehearsal.tell(RunEnded(RUN, 100, 0, rehearsal.now))
    rehearsal.tell(Tick(), 1.0)
    a_camera_hangs(rehearsal)


def the_box_does_not_answer(rehearsal: Rehearsal) -> None:
    rehearsal.arm(0)
    rehearsal.tell(Tick(), 6.0)


def no_camera_sees_the_walk(rehearsal: Rehearsal) -> None:
    rehearsal.arm(0)
    rehearsal.tell(RunEnded(11, 15, 0, rehearsal.now))
    rehearsal.tell(Tick(), 0.6)


def no_camera_comes_back(rehearsal: Rehearsal) -> None:
    for name in STREAMS:
        rehearsal.tell(failed(name))
    rehearsal.tell(Tick(), 59.0)
    assert rehearsal.run.state is RECORDING
    rehearsal.tell(Tick(), 2.0)


def the_last_step_ends(rehearsal: Rehearsal) -> None:
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    assert rehearsal.run.state is RECORDING
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))


def box_and_frames_are_gone(rehearsal: Rehearsal) -> None:
    rehearsal.tell(failed("box"))
    rehearsal.tell(Tick(), 0.6)
    rehearsal.tell(Tick(), 2.1)


def every_camera_stops(rehearsal: Rehearsal) -> None:
    rehearsal.drain(100)


def the_last_camera_is_lost(rehearsal: Rehearsal) -> None:
    for name in STREAMS:
        rehearsal.tell(failed(name))
    rehearsal.tell(RunEnded(RUN, 100, 0, rehearsal.now))
    rehearsal.tell(Tick(), 1.0)


def the_box_never_tells_its_end(rehearsal: Rehearsal) -> None:
    rehearsal.tell(Tick(), 10.0)
    for name in STREAMS:
        rehearsal.tell(Stopped(name, AtStop({})))


BOOTED = Booted(2, "brown out")
NO_ROOM = RoomRefused(StorageError("run.h5", "cannot be reserved"), Outcome.DISK_FULL)
EDGES: dict[str, tuple[RunState, Way, RunState, Outcome]] = {
    "arming to recording: the box has begun": (ARMING, the_box_begins, RECORDING, Outcome.INCOMPLETE),
    "arming to closed: a camera failed": (ARMING, tell(failed("VIS")), CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: the box failed": (ARMING, tell(failed("box")), CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: the screen failed": (ARMING, tell(failed("screen")), CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: the disk failed": (ARMING, tell(DISK), CLOSED, Outcome.DISK_FULL),
    "arming to closed: the recorder failed": (ARMING, tell(RECORDER), CLOSED, Outcome.FAILED),
    "arming to closed: a camera hangs": (ARMING, a_camera_hangs, CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: the box refused": (ARMING, tell(StartRefused(11, "busy")), CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: the box does not answer": (ARMING, the_box_does_not_answer, CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: the box restarted": (ARMING, tell(BOOTED), CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: no camera saw the walk": (ARMING, no_camera_sees_the_walk, CLOSED, Outcome.DEVICE_LOST),
    "arming to closed: a stop": (ARMING, tell(StopRequested()), CLOSED, Outcome.STOPPED),
    "arming to closed: an abort": (ARMING, tell(AbortRequested()), CLOSED, Outcome.STOPPED),
    "recording to draining: the last step is over": (RECORDING, the_last_step_ends, DRAINING, Outcome.FINISHED),
    "recording to draining: a stop": (RECORDING, tell(StopRequested()), DRAINING, Outcome.STOPPED),
    "recording to draining: the box ended": (RECORDING, tell(RunEnded(RUN, 8, 0, 0)), DRAINING, Outcome.DEVICE_LOST),
    "recording to draining: box and frames are gone": (
        RECORDING,
        box_and_frames_are_gone,
        DRAINING,
        Outcome.DEVICE_LOST,
    ),
    "recording to draining: no room is left": (RECORDING, tell(NO_ROOM), DRAINING, Outcome.DISK_FULL),
    "recording to closed: an abort": (RECORDING, tell(AbortRequested()), CLOSED, Outcome.STOPPED),
    "recording to closed: the disk failed": (RECORDING, tell(DISK), CLOSED, Outcome.DISK_FULL),
    "recording to closed: the recorder failed": (RECORDING, tell(RECORDER), CLOSED, Outcome.FAILED),
    "recording to closed: the box restarted": (RECORDING, tell(BOOTED), CLOSED, Outcome.DEVICE_LOST),
    "recording to closed: no camera for a minute": (RECORDING, no_camera_comes_back, CLOSED, Outcome.DEVICE_LOST),
    "draining to closed: every camera has stopped": (DRAINING, every_camera_stops, CLOSED, Outcome.FINISHED),
    "draining to closed: the last camera was lost": (DRAINING, the_last_camera_is_lost, CLOSED, Outcome.DEVICE_LOST),
    "draining to closed: the box never tells": (DRAINING, the_box_never_tells_its_end, CLOSED, Outcome.DEVICE_LOST),
    "draining to closed: an abort": (DRAINING, tell(AbortRequested()), CLOSED, Outcome.FINISHED),
    "draining to closed: the disk failed": (DRAINING, tell(DISK), CLOSED, Outcome.DISK_FULL),
    "draining to closed: the recorder failed": (DRAINING, tell(RECORDER), CLOSED, Outcome.FAILED),
    "draining to closed: the box restarted": (DRAINING, tell(BOOTED), CLOSED, Outcome.DEVICE_LOST),
    "draining to closed: a camera hangs": (DRAINING, a_camera_hangs_when_it_is_to_stop, CLOSED, Outcome.DEVICE_LOST),
}
STAYS: dict[str, tuple[RunState, Way, Outcome]] = {
    "recording: a camera is lost": (RECORDING, tell(failed("VIS")), Outcome.INCOMPLETE),
    "recording: a camera is not ready": (
        RECORDING,
        tell(DeviceFailed("VIS", DeviceNotReady("VIS", "is busy"))),
        Outcome.INCOMPLETE,
    ),
    "recording: the screen is lost": (RECORDING, tell(failed("screen")), Outcome.DEVICE_LOST),
    "recording: the box is lost": (RECORDING, tell(failed("box")), Outcome.DEVICE_LOST),
    "draining: a further stop": (DRAINING, tell(StopRequested()), Outcome.FINISHED),
    "draining: a camera is lost": (DRAINING, tell(failed("VIS")), Outcome.DEVICE_LOST),
    "draining: no room is left": (DRAINING, tell(NO_ROOM), Outcome.FINISHED),
}


@pytest.mark.parametrize("edge", EDGES)
def test_edge(tmp_path, edge):
    start, go, end, outcome = EDGES[edge]
    rehearsal = Remembered(tmp_path)
    REACH[start](rehearsal)
    assert rehearsal.run.state is start
    go(rehearsal)
    assert (rehearsal.run.state, rehearsal.run.outcome) == (end, outcome)
    closes = [action for action in rehearsal.all if isinstance(action, CloseFile)]
    assert closes == ([CloseFile(outcome)] if end is CLOSED else [])


@pytest.mark.parametrize("case", STAYS)
def test_no_edge(tmp_path, case):
    state, go, outcome = STAYS[case]
    rehearsal = Rehearsal(tmp_path)
    REACH[state](rehearsal)
    go(rehearsal)
    assert (rehearsal.run.state, rehearsal.run.outcome) == (state, outcome)


@pytest.mark.parametrize("start", [RECORDING, DRAINING])
def test_who_ends_at_once_stops_the_box_first(tmp_path, start):
    rehearsal = Rehearsal(tmp_path)
    REACH[start](rehearsal)
    rehearsal.tell(DISK)
    kinds = [type(action) for action in rehearsal.actions]
    assert kinds.index(StopBox) < kinds.index(CloseFile)


@pytest.mark.parametrize("late", [tell(StopRequested()), tell(DISK), tell(failed("HS")), tell(Tick()), tell(BOOTED)])
def test_closed_is_the_end(tmp_path, late):
    rehearsal = Rehearsal(tmp_path)
    rehearsal.tell(StopRequested())
    late(rehearsal)
    assert rehearsal.actions == []
    assert (rehearsal.run.state, rehearsal.run.outcome) == (CLOSED, Outcome.STOPPED)


def test_a_failure_takes_the_place_of_an_orderly_end_and_the_first_failure_stays(tmp_path):
    rehearsal = Rehearsal(tmp_path)
    rehearsal.begin()
    rehearsal.tell(StopRequested())
    assert rehearsal.run.outcome is Outcome.STOPPED
    rehearsal.tell(failed("VIS"))
    assert rehearsal.run.outcome is Outcome.DEVICE_LOST
    rehearsal.tell(DISK)
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def drawn(drawing: str) -> set[tuple[RunState, RunState]]:
    """The pairs of states that a drawing joins: each with the one below it, and by a line to the right with the one
    into which an arrow leads from the right."""
    states = re.compile(r"^    ([A-Z]+)\b", re.M)
    names = [RunState[name] for name in states.findall(drawing)]
    (target,) = (RunState[name] for name in re.findall(r"^    ([A-Z]+) <-+\+$", drawing, re.M))
    leaves = {
        name for name, below in zip(names, states.split(drawing)[2::2], strict=True) if re.search(r"\+---", below)
    }
    return {*pairwise(names), *((name, target) for name in leaves - {target})}


def test_every_edge_of_the_drawing_has_a_test():
    """Each pair of states that the drawing joins, and no other; the first is how any core begins."""
    drawing = run.__doc__.split("Why it ended")[0]
    assert set(drawn(drawing)) - {(RunState.IDLE, ARMING)} == {(start, end) for start, _, end, _ in EDGES.values()}


def test_the_drawing_names_every_outcome_of_a_recording():
    drawing = run.__doc__.split("Why it ended")[1]
    assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)?\b", drawing)) >= {o.name for o in Outcome} - {"RECOVERED"}

"""The screen of a recorded session: all that it told, and nothing of a step before that step is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from rig.clock import VirtualClock
from rig.errors import DeviceLost
from rig.session.playback import Playback
from rig.stimulus.replayed import ReplayedScreen
from rig.stimulus.screen import ScreenEvent, ScreenNote, StepBegan, StepEnded
from rig.streams import Answer, ClockPair, Flip
from tests.record.replays import clean

LATER_NS = 10**12


@pytest.fixture(scope="module")
def run_path(tmp_path_factory) -> Path:
    return clean(tmp_path_factory.mktemp("clean")).path


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(0)


@pytest.fixture
def playback(run_path: Path, clock: VirtualClock) -> Iterator[Playback]:
    made = Playback(run_path, clock, 0)
    yield made
    made.close()


def of(events: list[ScreenEvent], kind: type) -> list[ScreenEvent]:
    return [event for event in events if isinstance(event, kind)]


def test_nothing_of_a_step_is_told_before_it_is_asked_for(playback: Playback, clock: VirtualClock) -> None:
    screen = ReplayedScreen(playback)
    clock.sleep_until(LATER_NS)
    assert {type(event) for event in screen.events(0)} <= {ClockPair, ScreenNote}
    assert screen.events(0) == []
    for step in playback.run.steps:
        screen.show(step)
        told = screen.events(0)
        assert of(told, StepBegan) == [StepBegan(step.index, of(told, StepBegan)[0].host_ns)]
        assert [event.step for event in of(told, StepEnded)] == [step.index]
        assert {flip.step for flip in of(told, Flip)} == {step.index, -1}


def test_flips_and_answers_are_those_of_the_file_in_their_order(
    playback: Playback, clock: VirtualClock, run_path: Path
) -> None:
    screen, told = ReplayedScreen(playback), list[ScreenEvent]()
    clock.sleep_until(LATER_NS)
    for step in playback.run.steps:
        screen.show(step)
        told += screen.events(0)
    with h5py.File(run_path, locking=False) as file:  # as the playback has it open
        rows = file["stimulus/presentation/flips"][:]
        pairs = file["acquisition/clock_pairs"][:]
        said = bytes(file["stimulus/answers/text"][:])
    flips = of(told, Flip)
    assert [(f.flip_number, f.film_frame, f.host_ns, f.pts_s, f.patch) for f in flips] == [
        tuple(row[name] for name in ("flip_number", "film_frame", "host_ns", "pts_s", "patch")) for row in rows
    ]
    assert len(of(told, ClockPair)) == (pairs["clock"] == b"screen").sum()
    (answer,) = of(told, Answer)
    assert f'"question": "{answer.question}", "answer": "{answer.answer}"'.encode() in said


def test_it_waits_for_the_time_of_each_event(playback: Playback, clock: VirtualClock) -> None:
    screen, step = ReplayedScreen(playback), playback.run.steps[0]
    screen.show(step)
    onset_ns = int(playback.run.trials["onset_host_ns"][0])
    clock.sleep_until(onset_ns - 1)
    assert of(screen.events(0), StepBegan) == []
    assert screen.next_host_ns() == onset_ns
    told = screen.events(1)
    assert of(told, StepBegan) == [StepBegan(0, onset_ns)]
    assert clock.now_ns() == onset_ns


def all_told(run_path: Path, shift_ns: int) -> list[ScreenEvent]:
    """Everything, each step asked for when the one before was over."""
    playback, told = Playback(run_path, VirtualClock(LATER_NS + shift_ns), shift_ns), list[ScreenEvent]()
    screen = ReplayedScreen(playback)
    for step in playback.run.steps:
        screen.show(step)
        told += screen.events(0)
    playback.close()
    return told


def test_all_host_times_are_moved_by_one_shift_and_no_other_time(run_path: Path) -> None:
    then, now = all_told(run_path, 0), all_told(run_path, 12_345)
    assert [moved(event, 12_345) for event in then] == now
    assert of(then, Flip)[0].screen_s == of(now, Flip)[0].screen_s


def moved(event: ScreenEvent, shift_ns: int) -> ScreenEvent:
    names = {
        Answer: ("onset_host_ns", "first_key_host_ns", "confirmed_host_ns"),
        ClockPair: ("host_before_ns", "host_after_ns"),
    }.get(type(event), ("host_ns",))
    return replace(event, **{name: getattr(event, name) + shift_ns for name in names})


def test_where_another_step_was_shown_the_screen_is_lost_and_says_which(
    playback: Playback, clock: VirtualClock
) -> None:
    screen = ReplayedScreen(playback)
    clock.sleep_until(LATER_NS)
    screen.events(0)
    screen.show(playback.run.steps[1])
    with pytest.raises(DeviceLost, match=r"shows step 1 next in the recording, not step 2 \(clip1\)"):
        screen.events(0)
    assert screen.next_host_ns() is None  # what is lost keeps no clock waiting


def test_it_says_who_it_was_and_that_it_is_replayed(playback: Playback) -> None:
    told = ReplayedScreen(playback).describe()
    assert (told.kind, told.model, told.simulated) == ("screen", "simulated screen 960x540 px", True)
    assert told.capabilities["replayed_from"] == "sub-001_ses-01_run-01"

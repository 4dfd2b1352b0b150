"""The contract of a trigger box, taken by that of a recorded run, and proof that the contract catches a bad one."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from rig.clock import NS, VirtualClock
from rig.errors import DeviceLost, Truncated
from rig.session.playback import Playback
from rig.streams import ClockPair, Pulse
from rig.testing.trigger import Bench, TriggerBoxContract, of_kind
from rig.trigger.box import BoxEvent, PulsePlan, RunBegan, RunEnded, RunMode
from rig.trigger.replayed import ReplayedBox
from tests.trigger.replayed import Recording, recording, replayed_bench


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recording(tmp_path_factory.mktemp("recorded"))


class TestReplayedBox(TriggerBoxContract):
    @pytest.fixture(autouse=True)
    def _recorded(self, recorded: Recording) -> None:
        self.recorded = recorded

    def bench(self) -> AbstractContextManager[Bench]:
        return replayed_bench(self.recorded)


class StartsTwice(ReplayedBox):
    def start(self, plan: PulsePlan, run_id: int) -> None:
        self._runs.clear()
        self._ids.clear()
        super().start(plan, run_id)


class TakesAnyPlan(ReplayedBox):
    def __init__(self, playback: Playback) -> None:
        super().__init__(playback)
        self._recorded.objection = lambda _: ""  # type: ignore[method-assign]


class KeepsTheRecordedRunId(ReplayedBox):
    def _moved(self, event: BoxEvent) -> BoxEvent:
        recorded = {ours: theirs for theirs, ours in self._ids.items()}
        moved = super()._moved(event)
        return replace(moved, run_id=recorded[moved.run_id]) if isinstance(moved, Pulse) else moved


class LosesAPulse(ReplayedBox):
    def events(self, timeout_s: float) -> list[BoxEvent]:
        return [e for e in super().events(timeout_s) if not (isinstance(e, Pulse) and e.pulse_number == 17)]


class ShiftsTicks(ReplayedBox):
    def _moved(self, event: BoxEvent) -> BoxEvent:
        moved = super()._moved(event)
        return replace(moved, box_ticks=moved.box_ticks + moved.pulse_number % 2) if isinstance(moved, Pulse) else moved


class PlaysTheRunForTheWalk(ReplayedBox):
    def start(self, plan: PulsePlan, run_id: int) -> None:
        super().start(replace(plan, mode=RunMode.RECORD), run_id)


class TellsBeforeItIsAsked(ReplayedBox):
    def __init__(self, playback: Playback) -> None:
        super().__init__(playback)
        self.ping()


class TakesAnotherRun(ReplayedBox):
    def start(self, plan: PulsePlan, run_id: int) -> None:
        self._is_sending = None
        self._runs.clear()
        super().start(plan, run_id)


MUTANTS = [
    (StartsTwice, "test_the_same_run_id_never_starts_twice"),
    (TakesAnyPlan, "test_a_plan_out_of_its_limits_is_refused_by_name"),
    (KeepsTheRecordedRunId, "test_a_run_begins_and_ends_once_with_its_run_id"),
    (LosesAPulse, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
    (ShiftsTicks, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
    (PlaysTheRunForTheWalk, "test_the_line_walk_pulses_one_line_at_a_time"),
    (TellsBeforeItIsAsked, "test_waiting_for_nothing_ends_in_time"),
    (TakesAnotherRun, "test_another_run_is_refused_while_one_runs"),
]


@pytest.mark.parametrize(("mutant", "test"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_replayed_box_that_misbehaves_fails_the_test_that_forbids_it(
    recorded: Recording, mutant: type[ReplayedBox], test: str
) -> None:
    class Taken(TriggerBoxContract):
        def bench(self) -> AbstractContextManager[Bench]:
            return replayed_bench(recorded, mutant)

    with pytest.raises(AssertionError):
        getattr(Taken(), test)()


def test_it_tells_what_the_file_holds_all_moved_by_one_shift(recorded: Recording) -> None:
    with h5py.File(recorded.path, locking=False) as file:
        rows, pairs = file["/acquisition/pulses"][:], file["/acquisition/clock_pairs"][:]
    with replayed_bench(recorded) as bench:
        bench.box.ping()
        told = bench.run(bench.plan(), 71)
    pulses, own = of_kind(told, Pulse), [pair for pair in of_kind(told, ClockPair) if pair.clock == "box"]
    for name in ("pulse_number", "lines", "box_ticks"):
        assert [getattr(pulse, name) for pulse in pulses] == rows[name].tolist()
    assert {pulse.run_id for pulse in pulses} == {71}
    recorded_pairs = pairs[pairs["clock"] == b"box"]
    assert len(own) > 5
    assert [pair.reading for pair in own] == recorded_pairs["reading"].tolist()[: len(own)]
    times = [pulse.arrived_host_ns for pulse in pulses] + [pair.host_after_ns for pair in own]
    recorded_ns = [*rows["arrived_host_ns"], *recorded_pairs["host_after_ns"][: len(own)]]
    assert len({now - int(then) for now, then in zip(times, recorded_ns, strict=True)}) == 1


def test_where_the_recording_ends_without_the_end_of_its_run_the_box_is_lost(recorded: Recording) -> None:
    """After all that it told; then it is asked no more, and nothing of it is due."""
    with replayed_bench(recorded) as bench:
        box = bench.box
        assert isinstance(box, ReplayedBox)
        log = box._playback.run.log
        log[:] = [entry for entry in log if entry.get("kind") != "ended"]
        box.start(bench.plan(), 72)
        told = bench.collect(RunBegan)
        with pytest.raises(DeviceLost, match=r"trigger box replayed from sub-001_.* did not tell its end"):
            for _ in range(1000):
                told += box.events(0.05)
        assert len(of_kind(told, Pulse)) == len(bench.on_wires())
        assert box._playback.next_host_ns() is None
        with pytest.raises(DeviceLost):
            box.events(0.05)


def test_stopped_long_before_its_recorded_end_it_ends_with_whole_groups_and_claims_no_postamble(tmp_path: Path) -> None:
    """The contract's bench stops near the end. Nothing of later pulses is told, then or afterwards; nor is it lost."""
    with replayed_bench(recording(tmp_path, 2.0)) as bench:
        bench.box.start(bench.plan(), 73)
        told = bench.collect(RunBegan) + bench.wait(0.3)
        bench.box.stop()
        told += bench.collect(RunEnded)
        after, (ended,) = bench.wait(3.0), of_kind(told, RunEnded)
    pulses = of_kind(told, Pulse)
    assert [pulse.pulse_number for pulse in pulses] == list(range(ended.pulses_sent))
    assert (ended.run_id, ended.has_postamble, ended.box_ticks) == (73, False, pulses[-1].box_ticks)
    assert ended.pulses_sent % bench.plan().group == 0
    assert bench.group_gaps(pulses)[-2:] == [1, 1]
    assert 0.3 - 0.05 < (pulses[-1].arrived_host_ns - pulses[0].arrived_host_ns) / NS < 0.3 + 0.2
    assert not of_kind(after, Pulse)
    assert not of_kind(after, RunEnded)


def test_it_says_that_it_is_played_and_of_which_run(recorded: Recording) -> None:
    with replayed_bench(recorded) as bench:
        info = bench.box.describe()
    assert info.simulated
    assert info.capabilities["replayed_from"] == "sub-001_ses-01_run-01"
    assert (info.serial, info.capabilities["lines"]) == ("SIM1", 3)


def test_a_file_that_tells_nonsense_of_the_box_is_an_error_about_the_file(recorded: Recording) -> None:
    with closing(Playback(recorded.path, VirtualClock())) as playback:
        for entry in playback.run.log_of("began"):
            del entry["run_id"]
        with pytest.raises(Truncated, match=r"session.h5: what a device told: cannot be read \('run_id'\)"):
            ReplayedBox(playback)

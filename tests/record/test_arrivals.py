"""Streams of cameras without timestamps: the count is exact, and nothing untrue is said of any frame or loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.cameras.camera import Baseline
from rig.record.arrivals import FEW, Arrivals
from rig.record.box_times import BoxTimes
from rig.record.pairs import Placed
from rig.streams import NO_COUNTER, NO_PULSE, ClockPair, Evidence, Frame, Gap, GapCause, Pulse, Status
from rig.trigger.box import LinePlan, PulsePlan
from tests.record.test_pairing import due_ns

MS, S = 1_000_000, 1_000_000_000
PLAN = PulsePlan(20_000, (LinePlan(0, 1, 2000), LinePlan(1, 4, 2000)), 18_000)
BOX_0, HOST_0 = 777_000, 5 * S  # box ticks and host ns of pulse 0


def frame(number: int, arrived_host_ns: int) -> Frame:
    pixels = np.zeros((1, 1), np.uint8)
    return Frame("HS", 1, number, 0, NO_COUNTER, 0.0, 0, Status.OK, "", arrived_host_ns, pixels, 0)


def times_of(*, told: bool = True) -> BoxTimes:
    """What the box told by pulse 0: three clock pairs, and that pulse."""
    times = BoxTimes(PLAN)
    for n in range(3):
        at = HOST_0 - S + n * S // 5
        ticks = BOX_0 + (at - HOST_0) // 500
        times.told_pair(ClockPair("box", ticks, ticks, at - MS // 10, at + MS // 10))
    if told:
        times.told_pulse(Pulse(1, 0, 1, BOX_0, HOST_0))
    return times


@dataclass
class Run:
    """What was placed of a run of `sent` pulses, and the truth of it."""

    divisor: int
    sent: int
    came: list[int]  # pulse of each frame that came, in order; NO_PULSE for a ghost
    placed: list[Placed]
    gap: Gap | None
    missing: list[int] = field(default_factory=list)  # as said after each frame

    @property
    def lost(self) -> set[int]:
        return set(range(0, self.sent, self.divisor)) - set(self.came)

    @property
    def numbered(self) -> int:
        return sum(p.pulse != NO_PULSE for p in self.placed)

    @property
    def extras(self) -> int:
        return sum(p.pulse == NO_PULSE and p.evidence is not Evidence.NONE for p in self.placed)

    def check(self) -> None:
        """Every claim is true: numbers, interval, count, and the order of frames."""
        assert [p.frame.frame_number for p in self.placed] == list(range(len(self.came)))
        assert all(p.pulse in (NO_PULSE, true) for p, true in zip(self.placed, self.came, strict=True))
        assert all(p.evidence is Evidence.HOST_ARRIVAL for p in self.placed if p.pulse != NO_PULSE)
        ghosts = self.came.count(NO_PULSE)
        missing = self.gap.missing if self.gap else 0
        assert missing - self.extras == max(len(self.lost) - ghosts, -self.extras)
        assert self.extras <= ghosts
        if ghosts == 0:
            assert missing == len(self.lost)
        if self.gap:
            assert self.lost <= set(range(self.gap.first_pulse, self.gap.last_pulse + 1, self.divisor))


ENDED = object()


def run_through(
    late_ms: list[float],
    lost: set[int],
    *,
    divisor: int = 1,
    groups: int = 125,
    rng_seed: int = 0,
    ghosts: Iterable[int] = (),
    ghost_after_ms: float = 5.0,
) -> Run:
    """Frames of all pulses but `lost`, each as late as the list says in turn; clock pairs of up to 2 ms beside them.

    `ghosts`: pulses after which, by `ghost_after_ms`, a frame without a pulse arrives.
    """
    rng = np.random.default_rng(rng_seed)
    times = BoxTimes(PLAN)
    sent, stopped = (groups + 6) * 4, (groups + 3) * 4
    happens: list[tuple[int, int, object]] = []
    for pulse in range(stopped):
        at = HOST_0 + due_ns(pulse, groups)
        happens.append((at, 0, Pulse(1, pulse, 1, BOX_0 + due_ns(pulse, groups) // 500, at)))
    for at in range(HOST_0 - S, HOST_0 + due_ns(sent - 1, groups) + S, S // 5):
        there, back = (int(n) for n in rng.integers(0.1 * MS, 1.0 * MS, 2))
        ticks = BOX_0 + (at - HOST_0) // 500
        happens.append((at + back, 0, ClockPair("box", ticks, ticks, at - there, at + back)))
    due = [
        (HOST_0 + due_ns(p, groups) + round(late_ms[i % len(late_ms)] * MS), p)
        for i, p in enumerate(range(0, sent, divisor))
        if p not in lost
    ]
    due += [(HOST_0 + due_ns(p, groups) + round(ghost_after_ms * MS), NO_PULSE) for p in ghosts]
    arrived, came = 0, []
    for number, (at, pulse) in enumerate(sorted(due, key=lambda d: d[0]) if ghosts else due):
        arrived = max(arrived, at)  # one behind another, as out of a queue
        happens.append((arrived, 1, frame(number, arrived)))
        came.append(pulse)
    happens.append((HOST_0 + due_ns(sent - 1, groups) + MS, 0, ENDED))
    arrivals = Arrivals("HS", divisor, times)
    run = Run(divisor, sent, came, [], None)
    held = HOST_0 + due_ns((groups + 2) * 4, groups)
    for at, _, what in sorted(happens, key=lambda h: h[:2]):
        if at >= held:
            held = 1 << 62
            arrivals.hold(stopped)
        match what:
            case Pulse():
                times.told_pulse(what)
            case ClockPair():
                times.told_pair(what)
            case Frame():
                run.placed += arrivals.place(what)
                run.missing.append(arrivals.missing)
            case _:
                run.placed += arrivals.ended(sent)
    last, run.gap = arrivals.close(sent, GapCause.UNKNOWN)
    run.placed += last
    return run


lateness = st.lists(st.floats(0, 400), min_size=1, max_size=60)
losses = st.sets(st.integers(0, 523), max_size=120)


@given(lateness, losses, st.sampled_from([1, 4]))
def test_whatever_is_lost_or_late_no_frame_gets_a_wrong_pulse_and_the_count_is_exact(late_ms, lost, divisor):
    run_through(late_ms, lost, divisor=divisor).check()


@given(st.lists(st.floats(1, 7), min_size=1, max_size=60), losses, st.sets(st.integers(0, 500), max_size=40))
def test_frames_too_many_make_no_number_wrong_and_the_net_count_is_exact(late_ms, lost, ghosts):
    """A ghost in the place of a lost frame looks like that frame, late: nobody can tell."""
    run_through(late_ms, lost, ghosts=ghosts - lost, ghost_after_ms=8).check()


@pytest.mark.parametrize("ghost_after_ms", [8, 11, 14])
def test_a_ghost_and_all_after_it_have_no_number_even_where_it_comes_after_the_next_pulse(ghost_after_ms):
    """11 ms after its pulse it could be the frame of the next one; the frame that follows shows one too many."""
    run = run_through([6.0], set(), ghosts=[200], ghost_after_ms=ghost_after_ms, groups=100)
    run.check()
    assert run.numbered in (200, 201)
    assert (run.extras, run.gap) == (1, None)


def test_a_loss_and_a_ghost_after_it_balance_and_leave_all_frames_after_the_loss_without_a_number():
    run = run_through([6.0], {100}, ghosts=[150], groups=60)
    run.check()
    assert run.numbered == 100


@pytest.mark.parametrize("divisor", [1, 4])
@pytest.mark.parametrize("groups", range(200, 226, 6))
def test_a_whole_stream_has_all_its_pulses_and_no_gap_and_the_pauses_of_the_postamble_are_no_loss(divisor, groups):
    run = run_through([6.0, 7.5, 6.5], set(), divisor=divisor, groups=groups)
    run.check()
    assert run.numbered == len(run.came)
    assert run.gap is None


def test_frames_are_numbered_when_the_next_one_comes_while_nothing_is_lost():
    """Their rows must not wait for the end of the run; only the postamble does."""
    arrivals = Arrivals("HS", 1, times_of())
    assert arrivals.place(frame(0, HOST_0 + 6 * MS)) == []
    for pulse in range(1, 50):
        (placed,) = arrivals.place(frame(pulse, HOST_0 + due_ns(pulse) + 6 * MS))
        assert placed.pulse == pulse - 1


@pytest.mark.parametrize("lost", [{30}, {420, 421}])
def test_a_loss_lies_between_the_last_sure_frame_and_the_end_of_the_run(lost):
    run = run_through([6.0, 7.0], lost, groups=220)
    run.check()
    assert run.gap == Gap("HS", min(lost), run.sent - 1, GapCause.UNKNOWN, 0, len(lost))
    assert run.numbered == min(lost)


def test_the_last_frames_of_a_run_are_lost_exactly():
    run = run_through([6.0], set(range(510, 524)))
    run.check()
    assert run.gap == Gap("HS", 510, 523, GapCause.UNKNOWN, 0, 14)


@pytest.mark.parametrize("divisor,later_ms", [(1, 7), (1, 8), (1, 9), (1, 12), (4, 35)])
@pytest.mark.parametrize("frames", [70, 200, 2000])
def test_a_computer_that_gets_slower_for_seconds_or_for_good_has_lost_nothing(divisor, later_ms, frames):
    late_ms = [6.0] * (500 // divisor) + [6.0 + later_ms] * frames + [6.0] * 2000
    run = run_through(late_ms, set(), divisor=divisor, groups=320)
    run.check()
    assert run.gap is None
    assert max(run.missing) == 0


def test_frames_later_than_a_period_are_counted_and_not_numbered():
    run = run_through([25.0], {100}, groups=60)
    run.check()
    assert run.numbered == 0
    assert run.gap
    assert run.gap.missing == 1


@pytest.mark.parametrize("seed", range(20))
def test_losses_by_seed_are_counted_exactly_and_lie_in_their_interval(seed):
    rng = np.random.default_rng(seed)
    late_ms = (5 + rng.exponential(1.5, 200)).tolist()
    lost = set(rng.choice(np.arange(0, 924), rng.integers(0, 60), replace=False).tolist())
    run_through(late_ms, lost, groups=225, rng_seed=seed).check()


def test_a_stream_that_loses_every_second_frame_says_so_within_two_seconds_and_about_how_many():
    run = run_through([6.0], set(range(1, 924, 2)), groups=225)
    assert max(run.missing[:100]) > FEW  # 100 frames came in 2 s
    short = [pulse / 2 - missing for pulse, missing in zip(run.came, run.missing, strict=True)]
    assert all(0 <= s <= 101 for s in short[200:-12])  # never more than are lost, and of at most two seconds fewer


def test_a_frame_delivered_twice_is_an_extra_in_its_order_and_not_counted():
    arrivals = Arrivals("HS", 1, BoxTimes(PLAN))
    placed = [p for n in (0, 1, 1, 2) for p in arrivals.place(frame(n, HOST_0 + due_ns(n) + 6 * MS))]
    placed += arrivals.ended(3)
    more, gap = arrivals.close(3, GapCause.UNKNOWN)
    assert [p.frame.frame_number for p in placed + more] == [0, 1, 1, 2]
    assert [p.evidence is Evidence.HOST_ARRIVAL for p in placed + more] == [False, False, True, False]
    assert gap is None


def test_a_frame_delivered_twice_keeps_its_place_behind_a_frame_that_waits():
    arrivals = Arrivals("HS", 1, times_of())
    placed = [p for n in (0, 1, 1, 2, 3) for p in arrivals.place(frame(n, HOST_0 + due_ns(n) + 6 * MS))]
    assert [(p.frame.frame_number, p.pulse) for p in placed] == [(0, 0), (1, 1), (1, NO_PULSE), (2, 2)]


def test_a_frame_from_before_pulse_0_is_an_extra_and_ends_the_numbers():
    """A frame that was left over from a former arm."""
    times = times_of(told=False)
    arrivals = Arrivals("HS", 1, times)
    assert arrivals.place(frame(77, HOST_0 - 20 * MS)) == []
    times.told_pulse(Pulse(1, 0, 1, BOX_0, HOST_0))
    placed = [p for n in range(3) for p in arrivals.place(frame(n, HOST_0 + due_ns(n) + 6 * MS))]
    assert [(p.pulse, p.evidence) for p in placed] == [
        (NO_PULSE, Evidence.HOST_ARRIVAL),
        *[(NO_PULSE, Evidence.NONE)] * 3,
    ]
    assert arrivals.close(3, GapCause.UNKNOWN) == ([], None)


def test_no_frame_behind_a_damaged_one_has_a_number_and_the_gap_says_what_it_was():
    arrivals = Arrivals("HS", 1, times_of())
    frames = [frame(n, HOST_0 + due_ns(n) + 6 * MS) for n in range(6)]
    frames[3].status = Status.DAMAGED
    placed = [p for f in frames for p in arrivals.place(f)]
    placed += arrivals.ended(6)
    more, gap = arrivals.close(6, GapCause.UNKNOWN)
    assert [p.pulse for p in placed + more] == [0, 1, 2, NO_PULSE, NO_PULSE]
    assert gap == Gap("HS", 3, 5, GapCause.DAMAGED, 0, 1)


def test_a_ghost_where_a_frame_was_damaged_has_no_number():
    """It comes in time for the pulse of the damaged one."""
    arrivals = Arrivals("VIS", 4, times_of())
    frames = [frame(n, HOST_0 + due_ns(4 * n) + 6 * MS) for n in range(3)]
    frames[2].status = Status.DAMAGED
    ghost = frame(3, HOST_0 + due_ns(8) + 26 * MS)
    placed = [p for f in [*frames, ghost] for p in arrivals.place(f)] + arrivals.ended(12)
    assert [p.pulse for p in placed] == [0, 4, NO_PULSE]


def test_a_frame_of_a_former_arm_has_no_number_when_its_camera_is_back_within_a_period():
    arrivals = Arrivals("VIS", 4, times_of())
    placed = [p for n in range(3) for p in arrivals.place(frame(n, HOST_0 + due_ns(4 * n) + 6 * MS))]
    placed += arrivals.lost()
    arrivals.returns(Baseline(2, 0, 0, NO_COUNTER, "", {}))
    placed += arrivals.place(frame(2, HOST_0 + due_ns(12) + 2 * MS)) + arrivals.ended(24)
    assert [p.pulse for p in placed] == [0, 4, 8, NO_PULSE]

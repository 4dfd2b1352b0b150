"""Streams of cameras without timestamps: the count is exact, and nothing untrue is said of any frame or loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.record.arrivals import Arrivals
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


@dataclass
class Run:
    """What was placed of a run of `sent` pulses, `groups` of body, and the truth of it."""

    divisor: int
    sent: int
    kept: list[int]  # pulses whose frame came
    placed: list[Placed]
    gaps: list[Gap]

    @property
    def lost(self) -> set[int]:
        return set(range(0, self.sent, self.divisor)) - set(self.kept)

    @property
    def numbered(self) -> int:
        return sum(p.pulse != NO_PULSE for p in self.placed)

    def check(self) -> None:
        """Every claim is true: numbers, intervals, counts, and the order of frames."""
        assert [p.frame.frame_number for p in self.placed] == list(range(len(self.kept)))
        assert all(p.pulse in (NO_PULSE, true) for p, true in zip(self.placed, self.kept, strict=True))
        assert all((p.evidence is Evidence.HOST_ARRIVAL) == (p.pulse != NO_PULSE) for p in self.placed)
        for gap in self.gaps:
            assert len(self.lost & set(range(gap.first_pulse, gap.last_pulse + 1))) == gap.missing
        assert sum(gap.missing for gap in self.gaps) == len(self.lost)


def run_through(late_ms: list[float], lost: set[int], *, divisor: int = 1, groups: int = 125, rng_seed: int = 0) -> Run:
    """Frames of all pulses but `lost`, each as late as the list says in turn; clock pairs of up to 2 ms beside them."""
    rng = np.random.default_rng(rng_seed)
    times = BoxTimes(PLAN)
    sent = (groups + 6) * 4
    kept = [p for p in range(0, sent, divisor) if p not in lost]
    happens: list[tuple[int, int, object]] = [(HOST_0, 0, Pulse(1, 0, 1, BOX_0, HOST_0))]
    for at in range(HOST_0 - S, HOST_0 + due_ns(sent - 1, groups) + S, S // 5):
        there, back = (int(n) for n in rng.integers(0.1 * MS, 1.0 * MS, 2))
        ticks = BOX_0 + (at - HOST_0) // 500
        happens.append((at + back, 0, ClockPair("box", ticks, ticks, at - there, at + back)))
    arrived = 0
    for number, pulse in enumerate(kept):  # one behind another, as out of a queue
        arrived = max(arrived, HOST_0 + due_ns(pulse, groups) + round(late_ms[number % len(late_ms)] * MS))
        happens.append((arrived, 1, frame(number, arrived)))
    arrivals, placed = Arrivals("HS", divisor, PLAN, times), []
    held = HOST_0 + due_ns((groups + 2) * 4, groups)
    for at, _, what in sorted(happens, key=lambda h: h[:2]):
        if at >= held:
            arrivals.hold((groups + 3) * 4)
        match what:
            case Pulse():
                times.told_pulse(what)
            case ClockPair():
                times.told_pair(what)
            case Frame():
                placed += arrivals.place(what)
    placed += arrivals.ended(sent)
    last, gap = arrivals.close(sent, GapCause.UNKNOWN)
    placed += last
    return Run(divisor, sent, kept, placed, [p.gap for p in placed if p.gap] + ([gap] if gap else []))


lateness = st.lists(st.floats(0, 400), min_size=1, max_size=60)
losses = st.sets(st.integers(0, 523), max_size=120)


@given(lateness, losses, st.sampled_from([1, 4]))
def test_whatever_is_lost_or_late_no_frame_gets_a_wrong_pulse_and_the_count_is_exact(late_ms, lost, divisor):
    run_through(late_ms, lost, divisor=divisor).check()


@pytest.mark.parametrize("divisor", [1, 4])
def test_a_whole_stream_has_all_its_pulses_and_no_gap(divisor):
    run = run_through([6.0, 7.5, 6.5], set(), divisor=divisor)
    run.check()
    assert run.numbered == len(run.kept)
    assert run.gaps == []


def test_frames_are_numbered_as_they_come_while_nothing_is_lost():
    """Their rows must not wait for the end of the run; only the postamble does."""
    times, arrivals = BoxTimes(PLAN), Arrivals("HS", 1, PLAN, BoxTimes(PLAN))
    arrivals._times = times
    times.told_pulse(Pulse(1, 0, 1, BOX_0, HOST_0))
    for n in range(3):
        at = HOST_0 - S + n * S // 5
        ticks = BOX_0 + (at - HOST_0) // 500
        times.told_pair(ClockPair("box", ticks, ticks, at - MS // 10, at + MS // 10))
    for pulse in range(50):
        (placed,) = arrivals.place(frame(pulse, HOST_0 + due_ns(pulse) + 6 * MS))
        assert placed.pulse == pulse


def test_a_loss_that_the_quickest_frames_show_is_narrowed_to_about_two_seconds():
    """After three seconds of sure frames the lateness is measured; a later loss is then found before the end."""
    run = run_through([6.0, 7.0], {420, 421}, groups=220)
    run.check()
    (gap,) = run.gaps
    assert gap.missing == 2
    assert gap.last_pulse - gap.first_pulse < 200
    assert run.numbered > len(run.kept) - 200


def test_a_loss_before_the_lateness_was_measured_is_an_interval_to_the_end_of_the_run():
    run = run_through([6.0, 7.0], {30}, groups=60)
    run.check()
    (gap,) = run.gaps
    assert (gap.first_pulse, gap.last_pulse, gap.missing) == (30, run.sent - 1, 1)
    assert run.numbered == 30


def test_frames_later_than_a_period_are_counted_and_not_numbered_by_order_alone():
    run = run_through([25.0], {100}, groups=60)
    run.check()
    assert run.numbered < 30
    assert sum(gap.missing for gap in run.gaps) == 1


@pytest.mark.parametrize("seed", range(20))
def test_losses_by_seed_are_counted_exactly_and_lie_in_their_intervals(seed):
    rng = np.random.default_rng(seed)
    late_ms = (5 + rng.exponential(1.5, 200)).tolist()
    lost = set(rng.choice(np.arange(0, 924), rng.integers(0, 60), replace=False).tolist())
    run_through(late_ms, lost, groups=225, rng_seed=seed).check()


def test_a_frame_delivered_twice_is_an_extra_and_not_counted():
    times = BoxTimes(PLAN)
    arrivals = Arrivals("HS", 1, PLAN, times)
    placed = [p for n in (0, 1, 1, 2) for p in arrivals.place(frame(n, HOST_0 + due_ns(n) + 6 * MS))]
    more, gap = arrivals.close(3, GapCause.UNKNOWN)
    assert [p.pulse for p in placed + more] == [NO_PULSE, 0, 1, 2]
    assert gap is None


@pytest.mark.parametrize("groups", range(200, 226, 2))
def test_the_pauses_of_the_postamble_are_no_loss_wherever_a_second_ends(groups):
    run = run_through([6.0, 7.0], set(), groups=groups)
    run.check()
    assert run.numbered == len(run.kept)

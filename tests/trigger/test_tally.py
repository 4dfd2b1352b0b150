"""What a box tells adds up to the right counts, rates and jitter, and clock pairs bound its rate from both sides."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.clock import NS
from rig.streams import BoxStatus, ClockPair, Edge, Pulse
from rig.trigger.box import EventsLost, LineReport, RunEnded
from rig.trigger.tally import OffGrid, Rhythm, Tally, rate_bounds

TICK_HZ = 2_000_000
PERIOD = 20_000


def pulse(number: int, ticks: int, lines: int = 1) -> Pulse:
    return Pulse(7, number, lines, ticks, 0)


def rise(ticks: int, number: int = 5, level: int = 1) -> Edge:
    return Edge(7, number, level, 0, ticks, 0)


def tally_of(*events: object) -> Tally:
    tally = Tally(PERIOD, timed=5)
    for event in events:
        tally.take(event)  # type: ignore[arg-type]
    return tally


def test_pulses_are_counted_by_their_numbers_and_on_each_line_by_its_bit() -> None:
    tally = tally_of(*(pulse(n, n * PERIOD, 0b111 if n % 4 == 0 else 0b001) for n in range(40)))
    assert tally.pulses == 40
    assert {line: rhythm.count for line, rhythm in tally.lines.items()} == {0: 40, 1: 10, 2: 10}
    assert tally.lines[0].rate_hz(TICK_HZ) == 100
    assert tally.lines[1].rate_hz(TICK_HZ) == 25


def test_a_silent_group_does_not_slow_the_rate_down() -> None:
    slots = [0, 1, 3, *range(6, 20)]
    rhythm = tally_of(*(pulse(n, slot * PERIOD) for n, slot in enumerate(slots))).lines[0]
    assert rhythm.rate_hz(TICK_HZ) == 100


def test_a_lost_pulse_event_is_no_lost_pulse() -> None:
    assert tally_of(pulse(0, 0), pulse(5, 5 * PERIOD)).pulses == 6


def test_there_is_no_rate_of_one_pulse() -> None:
    rhythm = Rhythm()
    rhythm.add(5)
    assert (rhythm.rate_hz(TICK_HZ), rhythm.last_interval_ticks, rhythm.mean_interval_ticks) == (None, None, None)


@pytest.mark.parametrize("first_ticks", [0, 1, 4_000_000_123])
def test_what_lies_on_the_grid_is_not_off_it_also_over_silent_groups(first_ticks: int) -> None:
    grid = OffGrid(PERIOD)
    for slot in [0, 1, 2, 3, 8, 9, 30]:
        grid.add(first_ticks + slot * PERIOD)
    assert (grid.count, grid.spread_ticks) == (7, 0)


def test_the_spread_is_the_distance_of_the_earliest_from_the_latest() -> None:
    grid = OffGrid(PERIOD)
    for slot, off_ticks in enumerate([0, 3, -2, 1]):
        grid.add(slot * PERIOD + off_ticks)
    assert grid.spread_ticks == 5


def test_one_alone_has_no_spread() -> None:
    grid = OffGrid(PERIOD)
    grid.add(7)
    assert grid.spread_ticks is None


def test_pulses_stamped_as_planned_say_nothing_about_jitter_and_only_timed_edges_do() -> None:
    """As our firmware does: each pulse carries its planned tick; what it truly was, only the timed input tells."""
    true_ticks = [n * PERIOD + off for n, off in enumerate([0, 3, -2, 1])]
    planned = [pulse(n, n * PERIOD) for n in range(4)]
    unmeasured = tally_of(*planned, *(rise(ticks, number=2) for ticks in true_ticks))
    assert (unmeasured.plan.spread_ticks, unmeasured.timed.spread_ticks) == (0, None)
    measured = tally_of(*planned, *(rise(ticks) for ticks in true_ticks), rise(99, level=0))
    assert (measured.plan.spread_ticks, measured.timed.spread_ticks) == (0, 5)


def test_edges_are_counted_up_and_down_with_their_last_and_mean_interval() -> None:
    tally = tally_of(rise(100), rise(150, level=0), rise(1100), rise(4100), rise(9, number=2))
    rises = tally.rises[5]
    assert (rises.count, rises.last_interval_ticks, rises.mean_interval_ticks, tally.falls[5]) == (3, 3000, 2000, 1)
    assert tally.rises[2].count == 1


def test_the_mean_interval_is_of_all_edges_and_not_only_of_recent_ones() -> None:
    tally = tally_of(*(rise(n * n) for n in range(200)))
    assert tally.rises[5].mean_interval_ticks == 199**2 / 199


def test_losses_round_trips_and_reports_are_kept() -> None:
    status = BoxStatus(7, 10, 20, 0, 3, 1, 2, (0,) * 8, 0, 0)
    trips = [ClockPair("box", 0, 0, 0, us * 1000) for us in (900, 100, 500)]
    tally = tally_of(EventsLost(3, 4), EventsLost(9, 1), *trips, status, LineReport(2, 0, 0), RunEnded(7, 10, 0, 0))
    assert (tally.events_lost, tally.round_trip_ns) == (5, (100_000, 500_000))
    assert (tally.status, tally.line, tally.pulses_sent) == (status, LineReport(2, 0, 0), 10)


def pings(ppm: float, seconds: float, seed: int, up_us: int, down_us: int) -> list[ClockPair]:
    """Pairs as a box would answer whose clock is `ppm` fast, over a line with random latencies each way."""
    random, pairs = Random(seed), []
    for i in range(10):
        sent_ns = round(i * seconds * NS / 9)
        received_ns = sent_ns + random.randint(0, up_us) * 1000
        answered_ns = received_ns + 50_000
        arrived_ns = answered_ns + random.randint(0, down_us) * 1000
        rx, tx = (int(ns * TICK_HZ * (1 + ppm / 1e6)) // NS for ns in (received_ns, answered_ns))
        pairs.append(ClockPair("box", rx, tx, sent_ns, arrived_ns))
    return pairs


@given(
    ppm=st.floats(-6000, 6000),
    seconds=st.floats(1, 100),
    seed=st.integers(0, 1000),
    down_us=st.sampled_from([300, 16000]),
)
def test_the_true_rate_lies_within_the_bounds_whatever_the_latencies(
    ppm: float, seconds: float, seed: int, down_us: int
) -> None:
    bounds = rate_bounds(pings(ppm, seconds, seed, 1000, down_us), TICK_HZ)
    assert bounds.low_ppm <= ppm <= bounds.high_ppm
    assert bounds.plus_minus_ppm <= (1001 + down_us) / seconds


def test_without_latencies_the_bounds_are_as_narrow_as_the_ticks() -> None:
    bounds = rate_bounds(pings(80, 5, 1, 0, 0), TICK_HZ)
    assert bounds.plus_minus_ppm < 0.5  # of 5 s: 2.5 us, some ticks
    assert bounds.low_ppm < 80 < bounds.high_ppm


def test_pairs_that_overlap_bound_nothing() -> None:
    with pytest.raises(ValueError, match="two pairs"):
        rate_bounds([ClockPair("box", 0, 0, 0, NS), ClockPair("box", 9, 9, NS // 2, 2 * NS)], TICK_HZ)

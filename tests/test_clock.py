"""The map from the box's clock to the host's, held against simulated round trips whose truth is known."""

from __future__ import annotations

import threading
import time
from functools import cache

import numpy as np
import pytest

from rig.clock import NS, ClockMap, RoundTrips, map_clock, straight_map, thread_cpu_ns
from rig.session.timeline import fit_box
from rig.streams import PULSE
from tests.latencies import BAUD, HOST_0, LIMIT_MS, SECONDS, BoxClock, errors_ms, host_ns, round_trips

NO_PULSES = np.zeros(0, PULSE)


@cache
def fitted(bridge: str, clock: BoxClock, seed: int) -> ClockMap:
    return fit_box(round_trips(bridge, clock, seed), NO_PULSES, baud=BAUD[bridge])


@pytest.mark.parametrize("bridge", LIMIT_MS)
@pytest.mark.parametrize("seed", range(6))
def test_ten_minutes_are_mapped_within_the_limit_of_each_bridge(bridge: str, seed: int) -> None:
    clock = BoxClock()
    assert np.abs(errors_ms(fitted(bridge, clock, seed), clock)).max() <= LIMIT_MS[bridge]


@pytest.mark.parametrize("bridge", LIMIT_MS)
def test_a_box_that_warms_up_by_20_ppm_is_followed(bridge: str) -> None:
    clock = BoxClock(wander_ppm=20.0)
    assert np.abs(errors_ms(fitted(bridge, clock, 1), clock)).max() <= LIMIT_MS[bridge]


def test_time_on_the_serial_line_counts_as_much_as_it_takes() -> None:
    """Six bytes there and fourteen back, unaccounted for, put the middle off by half of eight byte times."""
    clock = BoxClock()
    rows = round_trips("16U2", clock, 1)
    known, unknown = (errors_ms(fit_box(rows, NO_PULSES, baud=baud), clock).mean() for baud in (115_200, 0))
    assert unknown - known == pytest.approx(1e3 * (14 - 6) / 2 * 10 / 115_200, abs=0.01)


@pytest.mark.parametrize("bridge", LIMIT_MS)
@pytest.mark.parametrize("seed", range(6))
def test_the_error_stays_within_the_bound_that_the_map_tells(bridge: str, seed: int) -> None:
    clock = BoxClock()
    to_host = fitted(bridge, clock, seed)
    assert np.abs(errors_ms(to_host, clock)).max() * 1e6 <= to_host.bound


def test_readings_that_are_wildly_wrong_bend_nothing_and_are_counted() -> None:
    clock = BoxClock()
    rows = round_trips("native USB", clock, 2)
    rows["reading"][::40] += 2_000_000
    rows["reading_end"][::40] += 2_000_000
    to_host = fit_box(rows, NO_PULSES, baud=0)
    assert np.abs(errors_ms(to_host, clock)).max() <= LIMIT_MS["native USB"]
    assert to_host.outliers > 5
    assert to_host.residual < 1e6


def test_exact_readings_give_an_exact_map_and_its_way_back() -> None:
    """Two hours of a box that is 5000 ppm fast: to the nanosecond, and to the tick."""
    ticks = 2**40 + np.arange(0, 7200 * 2_000_000, 400_000)
    exact = HOST_0 + (ticks - ticks[0]) * 500 * 199 // 200
    to_host = map_clock(RoundTrips(ticks, ticks, exact - 1000, exact + 1000), 500)
    asked = ticks[:-1] + 123_400
    assert np.abs(to_host(asked) - (HOST_0 + (asked - ticks[0]) * 500 * 199 // 200)).max() <= 1
    assert (to_host.back(to_host(asked)) == asked).all()
    assert int(to_host(int(asked[7]))) == to_host(asked)[7]
    assert to_host.rate == pytest.approx(497.5)


def test_beyond_its_ends_a_map_goes_straight_on() -> None:
    to_host = straight_map(1000, HOST_0, 500.0)
    assert [int(to_host(tick)) for tick in (0, 1000, 10**13)] == [
        HOST_0 - 500_000,
        HOST_0,
        HOST_0 + (10**13 - 1000) * 500,
    ]


def test_a_hole_in_the_pings_is_bridged() -> None:
    clock = BoxClock(wander_ppm=1.0)
    rows = round_trips("native USB", clock, 3)
    at_s = (rows["host_before_ns"] - HOST_0) / NS
    to_host = fit_box(rows[(at_s < 200) | (at_s > 350)], NO_PULSES, baud=0)
    assert np.abs(errors_ms(to_host, clock)).max() <= 0.3


def test_a_clock_read_once_has_no_map() -> None:
    one = np.array([5], np.int64)
    with pytest.raises(ValueError, match="two distinct readings"):
        map_clock(RoundTrips(one, one, one, one + 10), 500)


def test_the_truth_of_these_tests_is_what_it_says() -> None:
    """A box clock without error counts two million ticks a second."""
    seconds = np.array([0.0, SECONDS])
    assert BoxClock(0, 0).ticks_at(seconds).tolist() == [0, 1_200_000_000]
    assert host_ns(seconds).tolist() == [HOST_0, HOST_0 + 600 * NS]


def test_cpu_time_is_told_of_each_thread_by_its_name() -> None:
    """By the thread's own count it worked for 50 ms; another one only waited."""
    worked, over = threading.Event(), threading.Event()

    def work() -> None:
        while time.thread_time_ns() < 50_000_000:
            pass
        worked.set()
        over.wait()

    threads = [threading.Thread(target=work, name="working"), threading.Thread(target=over.wait, name="waiting")]
    for thread in threads:
        thread.start()
    try:
        assert worked.wait(30)
        cpu_ns = thread_cpu_ns()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert cpu_ns["working"] >= 50_000_000 > cpu_ns["waiting"]

"""The simulated box's timer against arithmetic on fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.clock import NS
from rig.sim.box_clock import BoxClock

START_NS = 123


@given(st.integers(0, 10**11), st.floats(-6000, 6000), st.floats(-1000, 1000), st.integers(0, 2**40))
def test_every_tick_has_its_first_nanosecond(ticks: int, ppm: float, drift: float, origin: int) -> None:
    clock = BoxClock(ppm, START_NS, origin, drift_ppm=drift)
    host_ns = clock.host_ns_of(ticks + origin)
    assert clock.ticks_at(host_ns) >= ticks + origin
    assert clock.ticks_at(host_ns - 1) == ticks + origin - 1


@pytest.mark.parametrize(("ppm", "drift"), [(0, 0), (80, 0), (80, 30), (-6000, 1000), (6000, -1000)])
@pytest.mark.parametrize("seconds", [1, 600, 7200])
def test_it_reads_the_integral_of_its_rate(ppm: int, drift: int, seconds: int) -> None:
    rate_changed = Fraction(drift, 10**6) * seconds / 600
    due = 2_000_000 * seconds * (1 + Fraction(ppm, 10**6) + rate_changed / 2)
    clock = BoxClock(ppm, START_NS, 1000, drift_ppm=drift)
    assert clock.ticks_at(START_NS + seconds * NS) == 1000 + due // 1


def test_a_reset_begins_the_reading_anew_and_leaves_the_rate() -> None:
    clock = BoxClock(0, 0, 0, drift_ppm=60)
    clock.restart(600 * NS, 0)
    assert clock.ticks_at(601 * NS) == pytest.approx(2_000_000 * (1 + 60e-6), abs=1)

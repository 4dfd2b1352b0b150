"""Random plans of pulses, anywhere within the limits of the box."""

from __future__ import annotations

from math import lcm

from hypothesis import assume
from hypothesis import strategies as st

from rig.trigger.box import POSTAMBLE, PREAMBLE, LinePlan, PulsePlan

APART = 64  # ticks between two edges of one period that are not together
MAX_RUN_TICKS = 2_000_000  # 1 s


@st.composite
def plans(draw: st.DrawFn) -> PulsePlan:
    """Base period, divisors, widths and LED phase within the limits; a run of at most a second or three groups."""
    period = draw(st.one_of(st.just(2000), st.integers(2000, 65_535)))
    divisors = draw(st.permutations([1, *(draw(st.integers(1, 16)) for _ in range(2))]))
    group = lcm(*divisors)
    slots = MAX_RUN_TICKS // (group * period)
    assume(group <= 64 and slots >= len(PREAMBLE) + len(POSTAMBLE))
    places = draw(apart(period))
    lines = tuple(LinePlan(line, divisor, places[line]) for line, divisor in enumerate(divisors))
    used = tuple(line for line in lines if line.divisor == 1 or draw(st.integers(0, 3)))
    body = draw(st.integers(0, min(20, slots - len(PREAMBLE) - len(POSTAMBLE))))
    return PulsePlan(period, used, places[-1], body_groups=body)


@st.composite
def apart(draw: st.DrawFn, period: int) -> list[int]:
    """Three widths and an LED phase, each two the same or at least `APART` from each other and from the period."""
    places: list[int] = []
    for least in (200, 200, 200, APART):
        place = draw(st.one_of(st.integers(least, period - APART), st.integers(least, least + 4 * APART)))
        near = [other for other in places if 0 < abs(other - place) < APART]
        places.append(near[0] if near else place)
    assume(all(a == b or abs(a - b) >= APART for a in places for b in places))
    assume(all(least <= place for least, place in zip((200, 200, 200, APART), places, strict=True)))
    return places

"""Random plans of pulses, anywhere within the limits of the box."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from rig.trigger.box import POSTAMBLE, PREAMBLE, LinePlan, PulsePlan

APART = 64  # ticks between two edges of one period that are not together
SHORTEST, LONGEST = 2000, 65_535  # base period, ticks
MOST_IN_GROUP = 64
FRAMING = sum(PREAMBLE) + sum(POSTAMBLE)  # groups
MOST_PULSES = FRAMING * MOST_IN_GROUP  # in a run: the longest group without a body. Simulated time is what it costs
MOST_BODY_GROUPS = 20


def plans() -> st.SearchStrategy[PulsePlan]:
    """Runs of at most `MOST_PULSES` pulses and `MOST_BODY_GROUPS` groups between preamble and postamble.

    Hypothesis draws a seed and no more: number by number it would repeat the simplest ones, and half of the plans
    would have a group of one pulse.
    """
    return st.randoms(use_true_random=True).map(plan_by)


def plan_by(random: Random) -> PulsePlan:
    """Base period, divisors, widths and LED phase within the limits; slower lines are left out now and then."""
    period, divisors = period_by(random), divisors_by(random)
    *widths, led_phase = places_by(random, period)
    lines = (LinePlan(line, divisors[line], widths[line]) for line in range(3))
    used = tuple(line for line in lines if line.divisor == 1 or random.random() < 0.75)
    group = PulsePlan(period, used, led_phase).group
    body = random.randint(0, min(MOST_BODY_GROUPS, MOST_PULSES // group - FRAMING))
    return PulsePlan(period, used, led_phase, body_groups=body)


def period_by(random: Random) -> int:
    """As many between 1 and 2 ms as between 10 and 20; the shortest and the longest one now and then."""
    return random.choice((SHORTEST, LONGEST)) if random.random() < 0.1 else log_uniform(random, SHORTEST, LONGEST)


def log_uniform(random: Random, least: int, most: int) -> int:
    """From `least` to `most`, as many in each octave."""
    return round(least * (most / least) ** random.random())


def divisors_by(random: Random) -> list[int]:
    """Of three lines, one of them 1, in any order, with a least common multiple of at most `MOST_IN_GROUP`."""
    group = log_uniform(random, 1, MOST_IN_GROUP)
    parts = [part for part in range(1, group + 1) if group % part == 0]
    return random.sample([1, random.choice(parts), random.choice(parts)], 3)


def places_by(random: Random, period: int) -> list[int]:
    """Three widths and an LED phase, each two the same or at least `APART` from each other and from the period."""
    places: list[int] = []
    for least in (200, 200, 200, APART):
        most = random.choice((period - APART, least + 4 * APART))
        place = random.randint(least, most)
        near = [other for other in places if abs(other - place) < APART]
        places.append(near[0] if near else place)
    return places

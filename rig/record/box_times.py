"""When the box sent its pulses, on its own clock and on the host's, as far as it has told by now.

    host ns --(clock pairs)--> box ticks --(a pulse that was told)--> box ticks since pulse 0 --(plan)--> pulse

For what has no better clock than the moment at which its frames arrive.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice
from math import ceil

import numpy as np

from rig.clock import NS, ClockMap, RoundTrips, map_clock
from rig.streams import NO_PULSE, ClockPair, Pulse
from rig.trigger.box import POSTAMBLE, PREAMBLE, TICKS_HZ, PulsePlan

TICK_NS = NS // TICKS_HZ
PAIRS = 100  # the last so many: 20 s
NEAREST = 10  # of these, for what surely was
FEWEST = 3  # with fewer nothing is said
FASTEST = 1.006  # times its nominal rate: the box's resonator is of the 0.5 % class
BODY = len(PREAMBLE)  # the slot in which the body begins


class BoxReadings:
    """When pulses were sent, on the host's clock, by the last readings of the box's: not before, and not after.

    The box's clock was read after it was asked for and before its answer came. From there on it ran neither faster nor
    slower than between the first and the last reading, or than its resonator can.
    """

    def __init__(self) -> None:
        self._pairs: deque[ClockPair] = deque(maxlen=PAIRS)

    def told_pair(self, pair: ClockPair) -> None:
        """Another pair of readings of the box's clock."""
        self._pairs.append(pair)

    def sent(self, pulse: Pulse) -> tuple[int, int] | None:
        """Host ns in the middle of when a pulse can have been sent, and how far off that can be; None: not known."""
        if not self._pairs:
            return None
        least, most = self._tick_ns()
        nearest = list(islice(reversed(self._pairs), NEAREST))
        after = max(p.host_before_ns + _least_ns(pulse.box_ticks - p.reading, least, most) for p in nearest)
        before = min(p.host_after_ns - _least_ns(p.reading_end - pulse.box_ticks, least, most) for p in nearest)
        before = min(before, pulse.arrived_host_ns)
        return None if before < after else (round((after + before) / 2), ceil((before - after) / 2))

    def _tick_ns(self) -> tuple[float, float]:
        """The least and the most that a tick of the box can have lasted, ns."""
        first, last = self._pairs[0], self._pairs[-1]
        least, most, ticks = TICK_NS / FASTEST, TICK_NS * FASTEST, last.reading - first.reading
        if ticks > 0:
            least = max(least, (last.host_before_ns - first.host_after_ns) / ticks)
            most = min(most, (last.host_after_ns - first.host_before_ns) / ticks)
        return least, most


def _least_ns(ticks: int, least: float, most: float) -> float:
    """The least ns that so many ticks can have taken; of ticks that lie back (negative) the most, as negative."""
    return ticks * (least if ticks >= 0 else most)


def slot_of(group: int) -> int:
    """The slowest period in which a recording run sends a group of its preamble or body."""
    starts = [slot for slot, sends in enumerate(PREAMBLE) if sends]
    return starts[group] if group < len(starts) else BODY + group - len(starts)


class BoxTimes:
    """The box's clock against the host's, kept up pair by pair; box ticks count from pulse 0."""

    def __init__(self, plan: PulsePlan) -> None:
        self._plan = plan
        self._pairs: deque[ClockPair] = deque(maxlen=PAIRS)
        self._pulse_0: int | None = None  # box ticks
        self._map: ClockMap | None = None
        self.last_told = NO_PULSE  # before the run's end was asked for
        self.events_lost = 0  # events of the box that never arrived

    def told_pulse(self, pulse: Pulse) -> None:
        """A pulse of the recording run, before its end was asked for."""
        self.last_told = pulse.pulse_number
        if self._pulse_0 is None:
            self._pulse_0 = pulse.box_ticks - self.due_ticks(pulse.pulse_number)

    def told_pair(self, pair: ClockPair) -> None:
        """Another pair of readings of the box's clock."""
        self._pairs.append(pair)
        self._map = None

    def ended(self, pulses_sent: int) -> None:
        """The run is over after so many pulses: where its postamble was is known now."""
        groups, rest = divmod(pulses_sent, self._plan.group)
        body_groups = groups - sum(PREAMBLE) - sum(POSTAMBLE)
        if rest == 0 and body_groups >= 0:
            self._plan = replace(self._plan, body_groups=body_groups)

    @property
    def is_known(self) -> bool:
        """Whether host times can be told on the box's clock."""
        return self._pulse_0 is not None and len(self._pairs) >= FEWEST

    def due_ticks(self, pulse: int) -> int:
        """Box ticks after pulse 0 at which a pulse of the preamble or the body is sent."""
        group, within = divmod(pulse, self._plan.group)
        return (slot_of(group) * self._plan.group + within) * self._plan.period_ticks

    def last_pulse_by(self, ticks: float) -> int:
        """The last pulse due by so many box ticks after pulse 0; NO_PULSE before it.

        Until the end of the run is told, the body is taken to go on for ever: no later pulse can have been sent.
        """
        slot, within = divmod(int(ticks // self._plan.period_ticks), self._plan.group)
        group = self._plan.group_in_slot(slot)
        if group is not None:
            return group * self._plan.group + within
        before = next((g for n in range(slot, -1, -1) if (g := self._plan.group_in_slot(n)) is not None), None)
        return NO_PULSE if before is None else (before + 1) * self._plan.group - 1

    def since_pulse_0(self, box_ticks: int) -> int:
        """A reading of the box's clock, counted from pulse 0; only once a pulse was told."""
        assert self._pulse_0 is not None
        return box_ticks - self._pulse_0

    def ticks_at(self, host_ns: int) -> float:
        """Box ticks since pulse 0 at a host time; only while it `is_known`."""
        return float(self.since_pulse_0(int(self._clock_map().back(host_ns))))

    def most_ticks_at(self, host_ns: int) -> float:
        """Box ticks since pulse 0 that it surely had not passed at a host time; only while it `is_known`.

        Each pair was read after it was asked for, and from there the box's clock ran no faster than it can.
        """
        first, last = self._pairs[0], self._pairs[-1]
        apart_ns = last.host_before_ns - first.host_after_ns
        fastest = FASTEST / TICK_NS
        if apart_ns > 0:
            fastest = min(fastest, (last.reading - first.reading) / apart_ns)
        nearest = islice(reversed(self._pairs), NEAREST)
        latest = min(p.reading + _most_ticks(host_ns - p.host_before_ns, fastest) for p in nearest)
        assert self._pulse_0 is not None
        return latest - self._pulse_0

    def _clock_map(self) -> ClockMap:
        if self._map is None:
            self._map = map_clock(_round_trips(list(self._pairs)), TICK_NS)
        return self._map


def _most_ticks(passed_ns: int, fastest: float) -> float:
    """The most box ticks in so many ns; of a time that lies back (negative) the fewest."""
    return passed_ns * (fastest if passed_ns >= 0 else 1 / (TICK_NS * FASTEST))


def _round_trips(pairs: list[ClockPair]) -> RoundTrips:
    """The time on the wire is left in: it is the same for all, and only differences are taken."""
    names = ("reading", "reading_end", "host_before_ns", "host_after_ns")
    return RoundTrips(*(np.array([getattr(pair, name) for pair in pairs], np.int64) for name in names))

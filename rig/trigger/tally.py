"""What the events of a trigger box add up to: counts, rates, intervals and jitter, while they come.

Times of pulses and edges are taken from the box's own clock; round trips are on the host's.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from statistics import median

from rig.clock import NS
from rig.streams import BoxStatus, ClockPair, DeviceInfo, Edge, Pulse
from rig.trigger.box import TICKS_HZ, BoxEvent, EventsLost, LineReport, RunEnded

RECENT = 50  # pulses or edges that a rate is taken from, and round trips


@dataclass
class Rhythm:
    """Things of one kind that follow each other: how many, and how far apart, in box ticks."""

    count: int = 0
    first_ticks: int = 0
    _recent: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, ticks: int) -> None:
        """One more, at `ticks`."""
        self.first_ticks = self.first_ticks if self.count else ticks
        self.count += 1
        self._recent.append(ticks)

    @property
    def last_interval_ticks(self) -> int | None:
        """Between the last two; None before there are two."""
        return self._recent[-1] - self._recent[-2] if len(self._recent) > 1 else None

    @property
    def mean_interval_ticks(self) -> float | None:
        """From the first to the last of all; None before there are two."""
        return (self._recent[-1] - self.first_ticks) / (self.count - 1) if self.count > 1 else None

    def rate_hz(self, tick_hz: int) -> float | None:
        """Of the last RECENT ones, by the median of their intervals, as silent groups between them are no slowness.

        None before there are two.
        """
        intervals = [b - a for a, b in pairwise(self._recent)]
        return tick_hz / median(intervals) if intervals and median(intervals) > 0 else None


@dataclass
class OffGrid:
    """How far things lie off the grid of base periods that the first of them began, in box ticks."""

    period_ticks: int
    count: int = 0
    _first_ticks: int = 0
    _early_ticks: int = 0
    _late_ticks: int = 0

    def add(self, ticks: int) -> None:
        """One more, at `ticks`."""
        self._first_ticks = self._first_ticks if self.count else ticks
        self.count += 1
        half = self.period_ticks // 2
        off_ticks = (ticks - self._first_ticks + half) % self.period_ticks - half
        self._early_ticks = min(self._early_ticks, off_ticks)
        self._late_ticks = max(self._late_ticks, off_ticks)

    @property
    def spread_ticks(self) -> int | None:
        """From the earliest to the latest; None before there are two."""
        return self._late_ticks - self._early_ticks if self.count > 1 else None


def ticks_hz(info: DeviceInfo) -> int:
    """Ticks of a box's clock in a second; those of the seam when it declares none."""
    return info.declared("tick_hz") or TICKS_HZ


def timed_input(info: DeviceInfo) -> int | None:
    """The input that the hardware stamps: the last one of a box that declares that it has one."""
    inputs = info.declared("inputs")
    return inputs - 1 if inputs and info.capabilities.get("timed_input") else None


class Tally:
    """What one run of the box has told so far. Not for use by two threads at once."""

    def __init__(self, period_ticks: int, timed: int | None = None) -> None:
        """`period_ticks`: the base period that was asked for; `timed`: the input that the hardware stamps."""
        self.pulses = 0  # sent, by the highest number told
        self.lines: dict[int, Rhythm] = defaultdict(Rhythm)  # by line, those that were told
        self.rises: dict[int, Rhythm] = defaultdict(Rhythm)  # by input
        self.falls: dict[int, int] = defaultdict(int)
        self.events_lost = 0
        self.status: BoxStatus | None = None  # the last one told
        self.pulses_sent: int | None = None  # as the box says at the run's end
        self.line: LineReport | None = None  # the last one told
        self.plan = OffGrid(period_ticks)  # pulses, by the box's own word: it may stamp them as it planned them
        self.timed = OffGrid(period_ticks)  # rising edges at the timed input: measured
        self._timed_input = timed
        self._round_trips_ns: deque[int] = deque(maxlen=RECENT)

    def take(self, event: BoxEvent) -> None:
        """Count one event."""
        match event:
            case Pulse():
                self._take_pulse(event)
            case Edge(level=1):
                self._take_rise(event)
            case Edge():
                self.falls[event.input] += 1
            case ClockPair():
                self._round_trips_ns.append(event.host_after_ns - event.host_before_ns)
            case EventsLost():
                self.events_lost += event.count
            case BoxStatus():
                self.status = event
            case RunEnded():
                self.pulses_sent = event.pulses_sent
            case LineReport():
                self.line = event

    @property
    def round_trip_ns(self) -> tuple[int, int] | None:
        """Shortest and median of the last RECENT round trips, host clock; None before there is one."""
        trips = sorted(self._round_trips_ns)
        return (trips[0], round(median(trips))) if trips else None

    def _take_pulse(self, pulse: Pulse) -> None:
        self.pulses = max(self.pulses, pulse.pulse_number + 1)
        for line in range(pulse.lines.bit_length()):
            if pulse.lines >> line & 1:
                self.lines[line].add(pulse.box_ticks)
        self.plan.add(pulse.box_ticks)

    def _take_rise(self, edge: Edge) -> None:
        self.rises[edge.input].add(edge.box_ticks)
        if edge.input == self._timed_input:
            self.timed.add(edge.box_ticks)


@dataclass(frozen=True)
class RateBounds:
    """Between which two errors a clock's rate surely lies, in ppm of its nominal rate; above 0 it runs fast."""

    low_ppm: float
    high_ppm: float

    @property
    def ppm(self) -> float:
        """The middle."""
        return (self.low_ppm + self.high_ppm) / 2

    @property
    def plus_minus_ppm(self) -> float:
        """Half of the distance."""
        return (self.high_ppm - self.low_ppm) / 2


def rate_bounds(pairs: Sequence[ClockPair], tick_hz: int) -> RateBounds:
    """What pairs of readings prove about the box's rate against the host clock.

    The box read its clock at some moment of the round trip, nobody knows which: so two readings bound the rate from
    both sides, up to a tick, and the bounds of all pairs hold together. Nothing is assumed about how long each way
    takes. Should the rate have changed meanwhile, the bounds cross, and what lies between them is still the rate's
    range. Raises ValueError when no two readings are further apart than their round trips.
    """
    lows, highs = [], []
    for a, b in combinations(sorted(pairs, key=lambda pair: pair.reading), 2):
        ticks = b.reading - a.reading
        shortest_ns = b.host_before_ns - _latest_ns(a, tick_hz)
        if shortest_ns > 0:
            lows.append(_ppm(ticks - 1, _latest_ns(b, tick_hz) - a.host_before_ns, tick_hz))
            highs.append(_ppm(ticks + 1, shortest_ns, tick_hz))
    if not lows:
        raise ValueError("a rate needs two pairs of readings that do not overlap")
    return RateBounds(*sorted((max(lows), min(highs))))


def _latest_ns(pair: ClockPair, tick_hz: int) -> int:
    """The last moment at which the box can have taken its first reading."""
    return pair.host_after_ns - max(0, pair.reading_end - pair.reading - 1) * NS // tick_hz


def _ppm(ticks: int, host_ns: int, tick_hz: int) -> float:
    return (ticks * NS / (host_ns * tick_hz) - 1) * 1e6

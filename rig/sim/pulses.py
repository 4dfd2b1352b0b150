"""Which pulses a START asks the simulated box for, and which STARTs it must refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import lcm

from rig.sim.leds import codes
from rig.trigger import wire
from rig.trigger.box import POSTAMBLE, PREAMBLE, walk_pulses

MIN_PERIOD_TICKS = 2000  # 1000 Hz
MIN_WIDTH_TICKS = 200  # 100 us
MIN_APART_TICKS = 64  # 32 us between two different edges
MAX_DIVISOR = MAX_GROUP = 64
MIN_TEST_PERIOD_TICKS, MAX_TEST_PERIOD_TICKS = 400, 131_070  # of the free-running LED: two halves of 16 bits

Objection = tuple[wire.Refusal, int]


def used_lines(start: wire.Start) -> list[tuple[int, int, int]]:
    """(line, divisor, width in ticks) of each line that takes part."""
    return [(line, d, w) for line, (d, w) in enumerate(zip(start.divisors, start.widths_ticks, strict=True)) if d]


def pulses_of_group(start: wire.Start) -> tuple[int, ...]:
    """The lines of each pulse of a group: bit c set when line c carries it."""
    lines = used_lines(start)
    group = lcm(*(divisor for _, divisor, _ in lines))
    return tuple(sum(1 << line for line, divisor, _ in lines if i % divisor == 0) for i in range(group))


@dataclass
class Run:
    """A run of the box, from its START to its last slot. A slot is one slowest period, with pulses or silent."""

    start: wire.Start
    begun_ticks: int
    pulses_sent: int = 0
    ended_ticks: int = 0
    is_over: bool = False
    must_stop: bool = False

    def __post_init__(self) -> None:
        makes = {wire.Mode.RECORD: self._record, wire.Mode.WALK: self._walk}
        self.slots = makes.get(wire.Mode(self.start.mode), self._body)()
        self.codes = codes()

    @property
    def is_walk(self) -> bool:
        """Whether it is the line walk."""
        return self.start.mode == wire.Mode.WALK

    @property
    def slot_ticks(self) -> int:
        """The length of a slot."""
        return len(pulses_of_group(self.start)) * self.start.period_ticks

    def _walk(self) -> Iterator[tuple[int, ...]]:
        """One pulse a slot, on one line after the other."""
        for line, _, _ in used_lines(self.start):
            for _ in range(walk_pulses(line)):
                if self.must_stop:
                    return
                yield (1 << line,)

    def _record(self) -> Iterator[tuple[int, ...]]:
        """The lines of each pulse of each slot, decided slot by slot, so that a stop is aligned to groups."""
        group = pulses_of_group(self.start)
        yield from (group if sends else () for sends in PREAMBLE)
        yield from self._body()
        yield from (group if sends else () for sends in POSTAMBLE)

    def _body(self) -> Iterator[tuple[int, ...]]:
        """Groups alone; a test run is nothing else."""
        group, wanted = pulses_of_group(self.start), self.start.body_groups
        sent = 0
        while not self.must_stop and (wanted == wire.UNTIL_STOP or sent < wanted):
            yield group
            sent += 1


def refusal_of(start: wire.Start) -> Objection | None:
    """Why the box cannot send this run, with the number at fault; None when it can."""
    if start.run_id == 0:
        return wire.Refusal.BAD_RUN_ID, 0
    if start.mode not in set(wire.Mode):
        return wire.Refusal.BAD_MODE, start.mode
    if start.period_ticks < MIN_PERIOD_TICKS:
        return wire.Refusal.BAD_PERIOD, start.period_ticks
    return _refusal_of_lines(start) or _refusal_of_edges(start) or _refusal_of_test(start)


def _refusal_of_lines(start: wire.Start) -> Objection | None:
    lines = used_lines(start)
    for _, divisor, width in lines:
        if divisor > MAX_DIVISOR:
            return wire.Refusal.BAD_DIVISOR, divisor
        if not MIN_WIDTH_TICKS <= width <= start.period_ticks - MIN_APART_TICKS:
            return wire.Refusal.BAD_WIDTH, width
    if 1 not in (divisor for _, divisor, _ in lines):
        return wire.Refusal.NO_BASE_LINE, 0
    group = lcm(*(divisor for _, divisor, _ in lines))
    return (wire.Refusal.GROUP_TOO_LONG, group) if group > MAX_GROUP else None


def _refusal_of_edges(start: wire.Start) -> Objection | None:
    """Edges within one period: all lines rise at 0, fall after their widths, and the LEDs change once."""
    phase = start.led_phase_ticks
    if not MIN_APART_TICKS <= phase <= start.period_ticks - MIN_APART_TICKS:
        return wire.Refusal.BAD_LED_PHASE, phase
    edges = sorted({phase, *(width for _, _, width in used_lines(start))})
    apart = min((b - a for a, b in pairwise(edges)), default=MIN_APART_TICKS)
    return (wire.Refusal.EDGES_TOO_CLOSE, apart) if apart < MIN_APART_TICKS else None


def _refusal_of_test(start: wire.Start) -> Objection | None:
    """What only a test mode looks at; in other modes these numbers mean nothing."""
    offset, period = start.test_offset_ticks, start.test_period_ticks
    if start.mode in (wire.Mode.TEST_EDGE, wire.Mode.TEST_FLASH) and offset >= start.period_ticks:
        return wire.Refusal.BAD_TEST_OFFSET, offset
    if start.mode == wire.Mode.TEST_FREE and not MIN_TEST_PERIOD_TICKS <= period <= MAX_TEST_PERIOD_TICKS:
        return wire.Refusal.BAD_TEST_PERIOD, period
    return None

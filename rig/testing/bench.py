"""What the contract of a trigger box is taken on: a box, its wires as an observer saw them, and a plan of pulses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import NamedTuple, TypeVar

from rig.clock import NS, Clock
from rig.streams import Pulse
from rig.trigger.box import (
    PREAMBLE,
    TICKS_HZ,
    BoxEvent,
    LinePlan,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunMode,
    StartRefused,
    TriggerBox,
)

Event = TypeVar("Event")
PATIENCE_S = 60.0  # on the bench's clock
PERIOD_TICKS, WIDTH_TICKS, LED_PHASE_TICKS = 5000, 400, 2000  # 400 Hz: within 115200 baud
LINES = (LinePlan(0, 1, WIDTH_TICKS), LinePlan(1, 4, WIDTH_TICKS), LinePlan(2, 4, WIDTH_TICKS))


class OnWires(NamedTuple):
    """What was seen on the trigger wires at one instant: which lines rose, bit c for line c."""

    host_ns: int
    lines: int


class OnLeds(NamedTuple):
    """The sync LEDs from one instant on: bit 0 LED A, bit 1 B1, bit 2 B2. On the clock of OnWires."""

    host_ns: int
    mask: int


class OnInput(NamedTuple):
    """A change of an input of the box, as an observer saw it. On the clock of OnWires."""

    host_ns: int
    input: int
    level: int


@dataclass
class Bench:
    """A box, the clock it is used with, and what an observer saw who does not ask the box."""

    box: TriggerBox
    clock: Clock
    on_wires: Callable[[], list[OnWires]]  # all so far, oldest first
    move_input: Callable[[int, int], None] | None = None  # (input, level): change an input of the box
    reboot: Callable[[], None] | None = None
    rate_tolerance: float = 0.01  # of the box's oscillator
    leds: Callable[[], list[OnLeds]] | None = None  # every change of the sync LEDs so far, oldest first
    on_inputs: Callable[[], list[OnInput]] | None = None  # every change of the inputs so far, oldest first
    # Write bytes to the box's line, past the driver, and return what comes back in so many seconds.
    raw: Callable[[bytes, float], bytes] | None = None

    def collect(self, *ends: type[BoxEvent]) -> list[BoxEvent]:
        """Events until one of these kinds, which is the last. Fails after PATIENCE_S."""
        told: list[BoxEvent] = []
        deadline = self.clock.now_ns() + round(PATIENCE_S * NS)
        while not any(isinstance(event, ends) for event in told):
            assert self.clock.now_ns() < deadline, f"no {ends} within {PATIENCE_S:g} s; {told[-3:]}"
            told += self.box.events(0.05)
        return told

    def can(self, *abilities: str) -> bool:
        """Whether the box can do all of these, by its own `describe().capabilities`. Tests of others are passed over.

        As in `rig record`, what a box leaves out it is taken to have: to be spared it has to say that it cannot.
        """
        said = self.box.describe().capabilities
        return all(said.get(ability, True) for ability in abilities)

    @cached_property
    def lines(self) -> int:
        """How many of the lines of the contract's plan the box has; all, when it does not say."""
        return min(int(self.box.describe().capabilities.get("lines", len(LINES))), len(LINES))

    @cached_property
    def inputs(self) -> int:
        """How many inputs the box has; one, when it does not say."""
        return int(self.box.describe().capabilities.get("inputs", 1))

    @property
    def plan(self) -> partial[PulsePlan]:
        """The plan that the contract uses, on the lines that the box has; called as `plan` of this module."""
        return partial(plan, lines=LINES[: self.lines])

    def lines_of(self, pulse: int) -> int:
        """Which lines of that plan rise at a pulse, bit c for line c."""
        return sum(1 << line.line for line in LINES[: self.lines] if pulse % line.divisor == 0)

    def group_gaps(self, pulses: list[Pulse]) -> list[int]:
        """Slowest periods from the start of each group to the next, by the ticks of their pulses."""
        starts = [pulse.box_ticks for pulse in pulses if pulse.lines == self.lines_of(0)]
        slot_ticks = self.plan().slot_ticks
        gaps = [b - a for a, b in pairwise(starts)]
        assert all(gap % slot_ticks == 0 for gap in gaps), f"groups are not whole periods apart: {gaps}"
        return [gap // slot_ticks for gap in gaps]

    def group_gaps_on_wires(self, wires: list[OnWires]) -> list[int]:
        """The same by what was seen on the wires, to the nearest period."""
        slot_ns = self.plan().slot_ticks * NS / TICKS_HZ
        starts = [wire.host_ns for wire in wires if wire.lines == self.lines_of(0)]
        return [round((b - a) / slot_ns) for a, b in pairwise(starts)]

    @property
    def has_status(self) -> bool:
        """Whether the box can be asked how it is, which is part of the wire format."""
        return bool(self.box.describe().capabilities.get("protocol"))

    def run(self, plan: PulsePlan, run_id: int) -> list[BoxEvent]:
        """A whole run, from the request to its end or refusal. A box that cannot count groups is stopped in time."""
        if plan.body_groups is None or self.can("exact_count"):
            self.box.start(plan, run_id)
            return self.collect(RunEnded, StartRefused)
        self.box.start(replace(plan, body_groups=None), run_id)
        told = self.collect(RunBegan, StartRefused)
        if of_kind(told, StartRefused):
            return told
        lead = len(PREAMBLE) if plan.mode is RunMode.RECORD else 0
        told += self.wait((plan.body_groups + lead) * plan.slot_ticks / TICKS_HZ)
        self.box.stop()
        return told + self.collect(RunEnded)

    def wait(self, seconds: float) -> list[BoxEvent]:
        """What is told while so much time passes."""
        told: list[BoxEvent] = []
        until = self.clock.now_ns() + round(seconds * NS)
        while self.clock.now_ns() < until:
            told += self.box.events((until - self.clock.now_ns()) / NS)
        return told


def plan(
    *,
    mode: RunMode = RunMode.RECORD,
    body_groups: int | None = None,
    period_ticks: int = PERIOD_TICKS,
    test_offset_ticks: int = 0,
    test_period_ticks: int = 0,
    lines: tuple[LinePlan, ...] = LINES,
) -> PulsePlan:
    """The plan that the contract uses: line 0 on every pulse, lines 1 and 2 on every fourth."""
    tests = (test_offset_ticks, test_period_ticks)
    return PulsePlan(period_ticks, lines, LED_PHASE_TICKS, mode, body_groups, *tests)


def of_kind(told: list[BoxEvent], kind: type[Event]) -> list[Event]:
    """The events of one kind, in their order."""
    return [event for event in told if isinstance(event, kind)]


def ns_per_tick(pulses: list[Pulse], wires: list[OnWires]) -> float:
    """How long a tick of the box is on the clock of the wires, from the first and the last pulse."""
    ticks = pulses[-1].box_ticks - pulses[0].box_ticks
    return (wires[-1].host_ns - wires[0].host_ns) / ticks


class BenchTests(ABC):
    """Tests that each open a bench of their own."""

    @abstractmethod
    def bench(self) -> AbstractContextManager[Bench]:
        """A box that is open and idle; closed, and nothing left behind, when the context ends."""

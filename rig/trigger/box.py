"""The seam of a trigger box, the events it tells, and the plan of pulses that it is given.

A recording run is made of groups of one slowest period each; `x` is a group with pulses, `.` a silent one:

    preamble x x . x . .   body x x x x ... x   postamble . . x . x x

so that the group starts of the preamble are 1, 2 and 3 periods apart, those of the postamble 3, 2 and 1. Pulses
are numbered from the first one of the preamble; silent groups have no numbers. The line walk is a run of its
own: one pulse in each slowest period, 3 on line 0 alone, then 5 on line 1 alone, then 7 on line 2 alone. The test
runs are groups without preamble and postamble, and LED A does what they say instead of the sync code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from math import lcm

from rig.streams import BoxStatus, ClockPair, DeviceInfo, Edge, Pulse

TICKS_HZ = 2_000_000
POLLED_US = 150  # an input that is looked at now and then is stamped so late at most (docs/reference/wire-format.md)
PREAMBLE = (True, True, False, True, False, False)
POSTAMBLE = (False, False, True, False, True, True)
LEFTOVER_S = 20.0  # a run that was left over takes at most 15 s to end: seven of the longest groups


def walk_pulses(line: int) -> int:
    """How many pulses the line walk sends on a line: 3, 5, 7, ... an odd number of its own for each."""
    return 3 + 2 * line


class RunMode(Enum):
    """What a run is for."""

    RECORD = auto()  # preamble, body, postamble; the sync LEDs carry their code
    WALK = auto()  # the line walk
    TEST_EDGE = auto()  # LED A changes at an offset from each pulse: on in even pulses, off in odd ones
    TEST_FLASH = auto()  # LED A flashes for 200 us at an offset from each pulse
    TEST_FREE = auto()  # LED A blinks with a period of its own, half of it on


@dataclass(frozen=True)
class LinePlan:
    """What one trigger line does: a pulse on every `divisor`-th pulse number, `width_ticks` long."""

    line: int
    divisor: int
    width_ticks: int


@dataclass(frozen=True)
class PulsePlan:
    """What a run of the box sends. Ticks are 0.5 us."""

    period_ticks: int  # base period
    lines: tuple[LinePlan, ...]
    led_phase_ticks: int  # from a pulse to the change of the sync LEDs
    mode: RunMode = RunMode.RECORD
    body_groups: int | None = None  # groups between preamble and postamble; None: until stop
    test_offset_ticks: int = 0  # TEST_EDGE, TEST_FLASH: from a pulse to the LED, less than the base period
    test_period_ticks: int = 0  # TEST_FREE: period of the LED, 400 to 131070

    @cached_property
    def group(self) -> int:
        """Pulses in one group."""
        return lcm(*(plan.divisor for plan in self.lines))

    @property
    def slot_ticks(self) -> int:
        """Length of one group: the slowest period, in ticks."""
        return self.group * self.period_ticks

    def group_in_slot(self, slot: int) -> int | None:
        """Which group a recording run sends in its `slot`-th slowest period; None in a silent one.

        While `body_groups` is None the body has no end, and the postamble is not considered.
        """
        lead = sum(PREAMBLE)
        if slot < len(PREAMBLE):
            return sum(PREAMBLE[:slot]) if slot >= 0 and PREAMBLE[slot] else None
        body = slot - len(PREAMBLE)
        if self.body_groups is None or body < self.body_groups:
            return lead + body
        after = body - self.body_groups
        if after < len(POSTAMBLE) and POSTAMBLE[after]:
            return lead + self.body_groups + sum(POSTAMBLE[:after])
        return None

    def pulse_in_slot(self, slot: int, within: int) -> int | None:
        """The pulse number `within` base periods into a slot; None in a silent one."""
        group = self.group_in_slot(slot)
        return None if group is None else group * self.group + within


@dataclass(frozen=True, slots=True)
class RunBegan:
    """The box has accepted a start; pulse 0 follows."""

    run_id: int
    box_ticks: int
    host_ns: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The box has sent its last pulse. `pulses_sent` counts all, preamble and postamble included."""

    run_id: int
    pulses_sent: int
    box_ticks: int
    host_ns: int
    has_postamble: bool = True  # only a recording that is played may be stopped where none was sent


@dataclass(frozen=True, slots=True)
class StartRefused:
    """The box will not start. `reason` in words."""

    run_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class EventsLost:
    """Events that the box numbered and that never arrived. A lost event is not a lost pulse."""

    first_seq: int
    count: int


@dataclass(frozen=True, slots=True)
class Booted:
    """The box has (re)started. During a run this means that pulses stopped."""

    boots: int
    cause: str


@dataclass(frozen=True, slots=True)
class RunLeftOver:
    """The box was still sending a run that nobody listens to. It is stopped; the run asked for begins then."""

    run_id: int


@dataclass(frozen=True, slots=True)
class BoxSilent:
    """The box has not answered for `seconds`, though its port is open. Told once until it answers again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class BoxAnswers:
    """A box that was silent answers again."""


@dataclass(frozen=True, slots=True)
class LineReport:
    """What went wrong between host and box, by the host's own count since the port was opened; told when it changed."""

    bad_frames: int  # damaged messages received
    foreign_events: int  # events of other runs, ignored
    unanswered: int  # requests that had to be repeated or were given up


BoxEvent = (
    Pulse
    | Edge
    | ClockPair
    | RunBegan
    | RunEnded
    | RunLeftOver
    | StartRefused
    | EventsLost
    | BoxStatus
    | BoxSilent
    | BoxAnswers
    | LineReport
    | Booted
)


class TriggerBox(ABC):
    """A trigger box. All methods are called by one thread of the recorder. `name` says where it is, in messages."""

    name = "trigger box"

    @abstractmethod
    def describe(self) -> DeviceInfo:
        """Who it is, read from the device. Does not block: opening the box has already asked it."""

    @abstractmethod
    def start(self, plan: PulsePlan, run_id: int) -> None:
        """Ask for a run. Does not block; RunBegan or StartRefused comes through `events`.

        The same `run_id` never starts twice, however often the request is repeated on the wire.
        """

    @abstractmethod
    def stop(self) -> None:
        """Ask for the end: the group that runs is completed, then the postamble, then RunEnded. Does not block."""

    @abstractmethod
    def ping(self) -> None:
        """Ask for a pair of clock readings; a ClockPair `box` comes through `events`. Does not block."""

    @abstractmethod
    def events(self, timeout_s: float) -> list[BoxEvent]:
        """What the box told since the last call, in its order. Blocks at most `timeout_s`. Raises DeviceLost."""

    def end_left_over(self) -> None:  # noqa: B027  most boxes have nothing to do here
        """End a run that the box still sends for a program that is gone; called by a recorder before it arms anything.

        Blocks until that run has ended, at most LEFTOVER_S; RunLeftOver comes through `events`. Raises DeviceNotReady
        when it does not end. A box that cannot be found running does nothing.
        """

    @abstractmethod
    def close(self) -> None:
        """Ask for the end of a run that has not been told to have ended, and give the port back.

        Never raises; a second call does nothing. A box that does not hear goes on by itself.
        """

"""The seam of the participant's screen: what a recorder asks of any screen, real or simulated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from rig.elicitation.steps import Step
from rig.streams import Answer, ClockPair, DeviceInfo, Flip

WITHDRAWAL_KEY = "escape"  # held for a second, where a protocol names no other
READY_S = 0.25  # how often a screen tells that it still makes a film ready


@dataclass(frozen=True, slots=True)
class StepBegan:
    """The first flip of a step, on the host clock."""

    step: int
    host_ns: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    """The step is over, on the host clock. `ended_by`: time, key, answered, last-frame, abort, withdrawn."""

    step: int
    host_ns: int
    ended_by: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The participant held the key of withdrawal for a second, until `host_ns`; the screen is neutral and silent."""

    step: int  # on the screen then; -1: between steps
    host_ns: int


@dataclass(frozen=True, slots=True)
class ScreenNote:
    """Something about the screen worth keeping in the session, e.g. that there is no sound device."""

    host_ns: int
    text: str
    is_alarm: bool = False  # the operator has to know of it now


@dataclass(frozen=True, slots=True)
class MakingReady:
    """A sign of life of a step that was asked for: its film is being decoded up to its first pictures."""

    step: int
    host_ns: int


ScreenEvent = StepBegan | StepEnded | Flip | Answer | ClockPair | Withdrawn | ScreenNote | MakingReady


class Screen(ABC):
    """A participant's screen. All methods are called by one thread of the recorder."""

    @abstractmethod
    def describe(self) -> DeviceInfo:
        """Who it is, and whether it is simulated. Called once, after the screen is up; does not block."""

    @abstractmethod
    def show(self, step: Step) -> None:
        """Begin a step; the one before has ended. Does not block. Raises DeviceLost if the screen is gone."""

    @abstractmethod
    def events(self, timeout_s: float) -> list[ScreenEvent]:
        """What happened since the last call, oldest first. Blocks at most `timeout_s`.

        Every step yields one StepBegan, flips and answers, and one StepEnded; before its first flip a MakingReady every
        `READY_S` or sooner if that takes longer. Raises DeviceLost if the screen is gone; events that came before are
        returned first.
        """

    @abstractmethod
    def abort(self) -> None:
        """End the step that is shown; its StepEnded comes through `events`. Does not block, never raises."""

    @abstractmethod
    def close(self) -> None:
        """Give the screen back and end its process. May block 5 s; never raises; a second call does nothing."""

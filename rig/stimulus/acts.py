"""What a participant does at keyboard and mouse, and the key held for a second that ends it all. Pure.

Times are host clock, ns: when the window heard of it, which is at latest at the flip after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rig.clock import NS
from rig.elicitation.steps import Step
from rig.stimulus.showing import Showing
from rig.streams import Answer

HOLD_S = 1.0  # so long the key of withdrawal is held: a slip of the finger withdraws nobody


@dataclass(frozen=True, slots=True)
class KeyDown:
    """A key went down, or, held, has repeated."""

    key: str  # in PsychoPy's names; empty when only its text repeats
    text: str  # what it types; empty for none
    host_ns: int


@dataclass(frozen=True, slots=True)
class KeyUp:
    """A key was let go."""

    key: str
    host_ns: int


@dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer moved, or its left button went down or up."""

    x: int  # px from the left edge of the screen
    y: int  # px from its upper edge
    is_down: bool  # the left button, after this
    host_ns: int


Act = KeyDown | KeyUp | Pointer


def take(showing: Showing, act: Act) -> list[Answer]:
    """What an act means to the step that is shown; before its first flip it means nothing."""
    match act:
        case KeyDown(key, text, host_ns):
            answers = showing.pressed(key, host_ns) if key else []
            if text:
                showing.typed(text, host_ns)
            return answers
        case Pointer(x, y, is_down, host_ns):
            return showing.pointed(x, y, is_down, host_ns)
    return []


class Withdrawal:
    """Watches over the key with which a participant withdraws."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.is_done = False
        self._held_since_ns: int | None = None

    def watch(self, act: Act) -> bool:
        """Look at an act. True when it is of this key, which then means nothing else."""
        if isinstance(act, Pointer) or act.key != self.key:
            return False
        if isinstance(act, KeyUp):
            self._held_since_ns = None
        elif self._held_since_ns is None:
            self._held_since_ns = act.host_ns
        return True

    def is_due(self, now_ns: int) -> bool:
        """Whether the key has been held long enough by now: true once, and never again."""
        held_since_ns = self._held_since_ns
        if self.is_done or held_since_ns is None or now_ns < held_since_ns + HOLD_S * NS:
            return False
        self.is_done = True
        return True

    def leaves_out(self, step: Step) -> bool:
        """Whether a step is not shown any more: the recorder may have sent it before it was told."""
        return self.is_done and not step.follows_withdrawal

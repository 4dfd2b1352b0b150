"""How the sound of each clip began against its film frame 0, as it is written in a run's log and read from there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rig.session.run import Run

OUT_OF_SYNC_MS = 40.0  # one film frame at 25 fps

# "NEVER BEGAN" is of early versions.
_TOLD = re.compile(
    r"sound of (?P<clip>.+): (?:began at (?P<began>\d+) ns, \S+ ms from |NOT BEGUN \S+ ms after |NEVER BEGAN; .*)"
    r"film frame 0 at (?P<film>\d+) ns"
)


@dataclass(frozen=True)
class Heard:
    """The sound of one clip that was shown. Host clock, ns."""

    clip: str
    film_began_ns: int  # its film frame 0
    began_ns: int | None  # its sound; None: it had not begun when it was told

    @property
    def late_ms(self) -> float | None:
        """The sound after the picture; None: it had not begun."""
        return None if self.began_ns is None else (self.began_ns - self.film_began_ns) / 1e6

    @property
    def fault(self) -> str:
        """What was wrong with it, in words; empty: nothing."""
        if self.late_ms is None:
            return "its sound did not begin"
        return f"OUT OF SYNC by {self.late_ms:+.1f} ms" if abs(self.late_ms) > OUT_OF_SYNC_MS else ""


def spelled(heard: Heard, asked_ns: int, told_ns: int) -> str:
    """For the log, told at `told_ns`; the sound was asked for at `asked_ns`."""
    since = f"film frame 0 at {heard.film_began_ns} ns, asked for at {asked_ns} ns"
    if heard.late_ms is None:
        return f"sound of {heard.clip}: NOT BEGUN {(told_ns - heard.film_began_ns) / 1e6:.1f} ms after {since}"
    fault = "; OUT OF SYNC" if heard.fault else ""
    return f"sound of {heard.clip}: began at {heard.began_ns} ns, {heard.late_ms:+.1f} ms from {since}{fault}"


def heard_in(run: Run) -> Iterator[Heard]:
    """What a run's log tells of it, oldest first."""
    for entry in run.log:
        told = _TOLD.search(str(entry.get("text", ""))) if entry.get("kind") in ("note", "alarm") else None
        if told:
            yield Heard(told["clip"], int(told["film"]), int(told["began"]) if told["began"] else None)

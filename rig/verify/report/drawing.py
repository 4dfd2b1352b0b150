"""One figure of a page: what it is called, what it shows in words, and its picture where there was anything to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rig.errors import RigError
from rig.session.run import Run
from rig.verify.verdict import Verdict


@dataclass(frozen=True)
class Shown:
    """What came out of drawing: a picture and its words, or why there is none."""

    text: str  # stands for the picture where it is not seen
    png: bytes | None = None  # None: nothing to draw


@dataclass(frozen=True)
class Drawing:
    """One figure by name."""

    name: str
    draw: Callable[[Run, Verdict], Shown]
    what: str  # what can be seen in it, one sentence

    def shown(self, run: Run, verdict: Verdict) -> Shown:
        """Drawn, or why it cannot be: a damaged part of a file must not hide what the others show."""
        try:
            return self.draw(run, verdict)
        except RigError as exc:
            return Shown(f"cannot be drawn: {exc}")
        except Exception as exc:
            return Shown(f"drawing itself failed on this file: {type(exc).__name__}: {exc}")


def joined(parts: Iterable[str]) -> str:
    """Words about several streams in one text."""
    return ". ".join(parts) + "."

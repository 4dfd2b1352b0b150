"""What a check says: one finding for each thing it looked at, in words, with the limit it was held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.config.judging import WHY
from rig.session.pulses import pulses_known, unstored_pulses
from rig.session.run import Run, Stream
from rig.verify.numbers import distinct, without

MOST_RANGES = 12  # written out in a text; `ranges` keeps all
Numbers = NDArray[np.int64]


class Word(StrEnum):
    """The four words of a verdict."""

    PASS = "PASS"
    WARN = "WARN"  # worth a look; does not make a session incomplete
    FAIL = "FAIL"
    NOT_MEASURED = "NOT MEASURED"  # never counts as good


@dataclass(frozen=True)
class Finding:
    """What one check found on one stream, clip or run."""

    check: str
    stream: str  # stream or step; empty: the whole run
    word: Word
    value: float | int | None  # what was measured; None: nothing
    limit: str  # what it was held against, and where that comes from; of a tolerance `str` of tolerances.Limit
    looked_at: str  # how much was looked at, e.g. "264 pulses, 264 frames"
    text: str  # one sentence for people
    ranges: tuple[tuple[int, int], ...] = ()  # pulses (or film frames, or steps) at fault, first and last of each range
    origin: str = "default"  # who set the limit: default, rig or protocol
    is_expected: bool = False  # NOT MEASURED although this rig says it has what measures it
    unit: str = ""  # of `value`

    def to_json(self) -> dict[str, Any]:
        """Plain data for the verdict file. A value that JSON cannot hold (nan) is null there."""
        value = None if self.value is None or not isfinite(self.value) else np.asarray(self.value).item()
        ranges = [[int(first), int(last)] for first, last in self.ranges]
        return {**asdict(self), "word": str(self.word), "origin": str(self.origin), "value": value, "ranges": ranges}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """The finding that `to_json` wrote."""
        ranges = tuple((a, b) for a, b in data["ranges"])
        return cls(**{**data, "check": str(data["check"]), "word": Word(data["word"]), "ranges": ranges})


@dataclass(frozen=True)
class Check:
    """A check by name, and whether a run in which it was not measured can be complete: see rig.verify.required."""

    name: str
    function: Callable[[Run], list[Finding]]
    unit: str = ""  # of its findings' `value`
    is_required: bool = True
    needs: str = ""  # what a good rig may lack; the check is required only where the rig has it

    @property
    def why(self) -> str:
        """Why it matters to the one who uses the data, one sentence."""
        return WHY[self.name]


def ranges_of(numbers: Numbers, step: int = 1) -> tuple[tuple[int, int], ...]:
    """Numbers (n,) as ranges of first and last, where neighbours lie `step` apart."""
    ordered = distinct(numbers)
    if len(ordered) == 0:
        return ()
    breaks = np.flatnonzero(np.diff(ordered) != step)
    firsts, lasts = np.r_[0, breaks + 1], np.r_[breaks, len(ordered) - 1]
    return tuple((int(ordered[a]), int(ordered[b])) for a, b in zip(firsts, lasts, strict=True))


def spelled(ranges: tuple[tuple[int, int], ...]) -> str:
    """Ranges in words: `4120-4123, 4188 and 3 more`."""
    words = [str(a) if a == b else f"{a}-{b}" for a, b in ranges[:MOST_RANGES]]
    more = f" and {len(ranges) - MOST_RANGES} more" if len(ranges) > MOST_RANGES else ""
    return ", ".join(words) + more


def spelled_pulses(ranges: tuple[tuple[int, int], ...]) -> str:
    """Ranges of pulses in words: `pulse 4188`, `pulses 4120-4123, 4188`."""
    is_one = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return f"{'pulse' if is_one else 'pulses'} {spelled(ranges)}"


def counted(number: int, one: str, several: str) -> str:
    """How many, with the words that go with one or with several of them: `1 frame claims`, `3 frames claim`."""
    return f"{number} {one if number == 1 else several}"


def due_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses that went to a stream and were to be stored, int64, rising."""
    return without(np.arange(0, pulses_known(run), stream.divisor), unstored_pulses(run, stream))


def lost_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses that should have a frame and have none, counted anew from pulses and frames alone."""
    return without(due_pulses(run, stream), stream.pulse_numbers)

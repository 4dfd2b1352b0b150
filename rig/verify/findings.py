"""What a check says: one finding for each thing it looked at, in words, with the limit it was held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.errors import NotASession
from rig.session.runfile import Run, Stream

MOST_RANGES = 12  # written out in a text; `ranges` keeps all
MOST_UNTOLD = 1_000_000  # pulses that a damaged file may claim beyond what it tells of; keeps checks fast
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
    limit: str  # what it was held against, and where that comes from
    looked_at: str  # how much was looked at, e.g. "264 pulses, 264 frames"
    text: str  # one sentence for people
    ranges: tuple[tuple[int, int], ...] = ()  # pulses (or film frames) at fault, first and last of each range

    def to_json(self) -> dict[str, Any]:
        """Plain data for the verdict file."""
        return {**asdict(self), "word": str(self.word), "ranges": [list(pair) for pair in self.ranges]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """The finding that `to_json` wrote."""
        return cls(**{**data, "word": Word(data["word"]), "ranges": tuple((a, b) for a, b in data["ranges"])})


@dataclass(frozen=True)
class Check:
    """A check by name. A `required` one must be measured for a run to be complete."""

    name: str
    function: Callable[[Run], list[Finding]]
    is_required: bool = True


def ranges_of(numbers: Numbers, step: int = 1) -> tuple[tuple[int, int], ...]:
    """Numbers (n,) as ranges of first and last, where neighbours lie `step` apart."""
    ordered = np.unique(numbers)
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


def pulses_sent(run: Run) -> int | None:
    """How many pulses the box says it sent in the recording run; None when its end was never told."""
    ends = [e for e in run.log if e.get("kind") == "ended" and not e.get("walk") and e.get("run_id") == run.run_id]
    return int(ends[-1]["pulses_sent"]) if ends else None


def pulses_known(run: Run) -> int:
    """Pulses of the run: the box's own count, else one more than the last it told of.

    Raises NotASession when that is more than any session can have, as in a damaged file.
    """
    sent = pulses_sent(run)
    known = sent if sent is not None else int(run.pulses["pulse_number"].max(initial=-1)) + 1
    most = 2 * len(run.pulses) + MOST_UNTOLD
    if not 0 <= known <= most:
        problem = f"pulses cannot be: {len(run.pulses)} are in the file"
        raise NotASession(str(run.path), problem, value=str(known), allowed=f"0 to {most}")
    return known


def due_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses that went to a stream and were to be stored, int64, rising."""
    due = np.zeros(pulses_known(run), bool)
    due[:: stream.divisor] = True
    return np.flatnonzero(due & ~_skipped(run, stream, len(due)))


def _skipped(run: Run, stream: Stream, pulses: int) -> NDArray[np.bool_]:
    """Which pulses were not stored on purpose."""
    skipped = np.zeros(pulses, bool)
    rows = run.not_stored[run.not_stored["stream"] == stream.name.encode()]
    for row in rows:
        last = pulses if row["last_pulse"] < 0 else int(row["last_pulse"]) + 1
        skipped[max(0, int(row["first_pulse"])) : last] = True
    return skipped


def lost_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses that should have a frame and have none, counted anew from pulses and frames alone."""
    return np.setdiff1d(due_pulses(run, stream), stream.pulse_numbers)

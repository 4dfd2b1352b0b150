"""When each trigger pulse of a run was sent, also those whose message was lost between box and recorder.

    slots, in slowest periods     preamble 0 1 . 3 . . | body 6 7 8 ...     postamble ... n | . . n+3 . n+5 n+6

The pattern is documented, and the box's timer keeps it exactly: a pulse that was not told of lies where the plan puts
it between those that were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.errors import NotASession
from rig.session.run import Run, Stream
from rig.session.runfile import Json, Rows

OPENING = (0, 1, 3)  # slots of the preamble's groups; the body begins at slot 6
CLOSING = (2, 4, 5)  # slots of the postamble's groups, from the first one behind the body
BODY_SLOT = 6
MOST_UNTOLD = 1_000_000  # pulses that a damaged file may claim beyond what it tells of; keeps readers fast
NEAR_PERIODS = 0.25  # neighbours further apart than planned by more than this say that the plan does not hold there

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PulseTimes:
    """Pulses whose time is known: told of, or certain by the plan. Numbers rise and have holes where neither holds."""

    numbers: Numbers  # (n,)
    box_ticks: Numbers  # (n,), box timer

    def ticks_of(self, pulse: int) -> int | None:
        """Box ticks of one pulse; None when nobody knows."""
        place = int(np.searchsorted(self.numbers, pulse))
        is_known = place < len(self.numbers) and self.numbers[place] == pulse
        return int(self.box_ticks[place]) if is_known else None


def pulses_sent(run: Run) -> int | None:
    """How many pulses the box says it sent in the recording run; None when its end was never told."""
    ended = _ended(run)
    return None if ended is None else int(ended["pulses_sent"])


def has_postamble(run: Run) -> bool:
    """Whether the box sent its postamble: it told its end, and was no recording that was stopped while played."""
    ended = _ended(run)
    return ended is not None and bool(ended.get("postamble", True))


def _ended(run: Run) -> Json | None:
    """What the log says of the end of the recording run."""
    ends = [e for e in run.log_of("ended") if not e.get("walk") and e.get("run_id") == run.run_id]
    return ends[-1] if ends else None


def pulses_known(run: Run) -> int:
    """Pulses of the run: the box's own count, else one more than the last it told of.

    Raises NotASession when that is more than any session can have, as in a damaged file.
    """
    return _known(run, run.pulses)


def _known(run: Run, told: Rows) -> int:
    sent = pulses_sent(run)
    known = sent if sent is not None else int(told["pulse_number"].max(initial=-1)) + 1
    most = 2 * len(told) + MOST_UNTOLD
    if not 0 <= known <= most:
        problem = f"pulses cannot be: {len(told)} are in the file"
        raise NotASession(str(run.path), problem, value=str(known), allowed=f"0 to {most}")
    return known


def planned_ticks(run: Run) -> Numbers:
    """Box ticks after pulse 0 at which each pulse is due by the documented pattern, int64 (pulses,)."""
    group, pulses = int(run.plan["group"]), pulses_known(run)
    groups = -(-pulses // group)
    slots = np.arange(groups) + BODY_SLOT - len(OPENING)
    slots[: len(OPENING)] = OPENING[:groups]
    if has_postamble(run) and groups >= len(OPENING) + len(CLOSING):
        slots[-len(CLOSING) :] = BODY_SLOT + groups - len(OPENING) - len(CLOSING) + np.array(CLOSING)
    ticks = (slots[:, None] * group + np.arange(group)) * int(run.plan["period_ticks"])
    return np.asarray(ticks.ravel()[:pulses], np.int64)


def pulse_times(run: Run) -> PulseTimes:
    """The time of every pulse that is known. Raises NotASession for a count of pulses that cannot be."""
    rows = run.pulse_columns("pulse_number", "box_ticks")
    told, place = np.unique(np.asarray(rows["pulse_number"], np.int64), return_index=True)
    ticks, known = np.asarray(rows["box_ticks"], np.int64)[place], _known(run, rows)
    is_real = (told >= 0) & (told < known)
    told, ticks = told[is_real], ticks[is_real]
    if len(told) == known or len(told) == 0 or not run.plan.get("group"):
        return PulseTimes(told, ticks)
    return _filled(told, ticks, planned_ticks(run), int(run.plan["period_ticks"]))


def _filled(told: Numbers, ticks: Numbers, planned: Numbers, period_ticks: int) -> PulseTimes:
    """Told pulses, and between them those that the plan places; not where the told ones are apart otherwise."""
    shift = ticks - planned[told]
    pulses = np.arange(len(planned))
    after = np.clip(np.searchsorted(told, pulses), 0, len(told) - 1)
    before = np.clip(np.searchsorted(told, pulses, side="right") - 1, 0, len(told) - 1)
    moved = shift[0] + np.rint(np.interp(pulses, told, shift - shift[0])).astype(np.int64)
    is_known = np.abs(shift[after] - shift[before]) <= NEAR_PERIODS * period_ticks
    return PulseTimes(pulses[is_known], (planned + moved)[is_known])


def unstored_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses that went to a stream in parts which were not stored on purpose, int64, rising."""
    rows = run.not_stored[run.not_stored["stream"] == stream.name.encode()]
    lasts = np.where(rows["last_pulse"] < 0, pulses_known(run), rows["last_pulse"])  # -1: open until the end
    return _pulses_in(rows["first_pulse"], lasts, run, stream)


def told_lost(run: Run, stream: Stream) -> Numbers:
    """Pulses of a stream that the recorder's gap rows name, in parts that were not stored too; int64, rising.

    Without the rows that say how many pulses are lost in an interval, and not which.
    """
    gaps = stream.gaps
    named = gaps[gaps["missing"] >= (gaps["last_pulse"] - gaps["first_pulse"]) // stream.divisor + 1]
    return _pulses_in(named["first_pulse"], named["last_pulse"], run, stream)


def _pulses_in(firsts: Numbers, lasts: Numbers, run: Run, stream: Stream) -> Numbers:
    """Pulses of a stream that lie in intervals of first and last pulse."""
    chosen = np.zeros(pulses_known(run), bool)
    for first, last in zip(firsts, lasts, strict=True):
        chosen[max(0, int(first)) : max(0, int(last) + 1)] = True
    pulses = np.flatnonzero(chosen)
    return np.asarray(pulses[pulses % stream.divisor == 0])

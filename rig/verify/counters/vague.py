"""What is known of a stream only in part: a gap in which fewer pulses are lost than it spans, frames of no known pulse.

A camera without timestamps gives order and count. From the first frame on whose pulse is not sure, its losses are
counted and lie in one interval; where frames came that no pulse asked for, pulses less frames is all that is known.
"""

from __future__ import annotations

import numpy as np

from rig.session.pulses import pulses_known
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.streams import NO_PULSE, Evidence
from rig.verify.findings import Numbers


def unknown_places(stream: Stream) -> Numbers:
    """Places of frames that have no pulse because nothing tells which; an extra is known to have none."""
    unproven = stream.frames["evidence"] == int(Evidence.NONE)
    return np.flatnonzero((stream.pulse_numbers == NO_PULSE) & unproven)


def spanned(stream: Stream) -> Numbers:
    """How many pulses of the stream each gap row spans, int64 (n,)."""
    return np.asarray((stream.gaps["last_pulse"] - stream.gaps["first_pulse"]) // stream.divisor + 1, np.int64)


def vague_gaps(stream: Stream) -> Rows:
    """Gap rows, GAP (n,), of which it is not known which of their pulses are lost."""
    return np.asarray(stream.gaps[stream.gaps["missing"] < spanned(stream)])


def is_counted(stream: Stream) -> bool:
    """Whether the camera has no clock, and frames whose pulse nobody knows: what they tell is how many came."""
    return stream.baseline.get("ticks_hz") == 0 and len(unknown_places(stream)) > 0


def vague_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses of which only the count of frames is known: in vague gaps, or behind what is counted; int64, rising."""
    inside = np.zeros(pulses_known(run), bool)
    for row in vague_gaps(stream):
        inside[max(0, int(row["first_pulse"])) : max(0, int(row["last_pulse"]) + 1)] = True
    if is_counted(stream):
        sure = stream.pulse_numbers[: unknown_places(stream)[0]]
        inside[sure.max(initial=NO_PULSE) + 1 :] = True
    inside[np.mod(np.arange(len(inside)), stream.divisor) != 0] = False
    return np.flatnonzero(inside)


def ranges_in(gaps: Rows) -> tuple[tuple[int, int], ...]:
    """First and last pulse of each gap row."""
    return tuple((int(row["first_pulse"]), int(row["last_pulse"])) for row in gaps)

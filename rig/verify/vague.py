"""What is known of a stream only in part: a gap in which fewer pulses are lost than it spans, frames of no known pulse.

A camera without timestamps gives order and count. Its losses are counted exactly, and lie in intervals.
"""

from __future__ import annotations

import numpy as np

from rig.session.pulses import pulses_known
from rig.session.runfile import Rows, Run, Stream
from rig.streams import NO_PULSE, Evidence
from rig.verify.findings import Numbers


def unknown_places(stream: Stream) -> Numbers:
    """Places of frames that have no pulse because nothing tells which; an extra is known to have none."""
    unproven = stream.frames["evidence"] == int(Evidence.NONE)
    return np.flatnonzero((stream.pulse_numbers == NO_PULSE) & unproven)


def vague_gaps(stream: Stream) -> Rows:
    """Gap rows, GAP (n,), of which it is not known which of their pulses are lost."""
    gaps = stream.gaps
    spanned = (gaps["last_pulse"] - gaps["first_pulse"]) // stream.divisor + 1
    return np.asarray(gaps[gaps["missing"] < spanned])


def vague_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses of the stream that lie in vague gaps, int64, rising."""
    inside = np.zeros(pulses_known(run), bool)
    for row in vague_gaps(stream):
        inside[max(0, int(row["first_pulse"])) : max(0, int(row["last_pulse"]) + 1)] = True
    inside[np.mod(np.arange(len(inside)), stream.divisor) != 0] = False
    return np.flatnonzero(inside)


def vague_ranges(stream: Stream) -> tuple[tuple[int, int], ...]:
    """First and last pulse of each vague gap."""
    return tuple((int(row["first_pulse"]), int(row["last_pulse"])) for row in vague_gaps(stream))

"""What a single line of evidence says of lost and doubled frames, whatever pulses the frames claim.

Claims rest on numbers and timestamps together. Here each is asked alone: numbers and trigger counters, counted from the
first frame on; ticks of the camera's clock, laid over the box's pattern; and the LEDs in the pictures.
"""

from __future__ import annotations

import numpy as np

from rig.session.pulses import pulse_times
from rig.session.run import Run, Stream
from rig.streams import NO_COUNTER, NO_PULSE
from rig.verify.findings import Numbers
from rig.verify.pixels.sync_leds import told_by_leds

ODD = 0.2  # of a period, by which an interval is none of whole periods
MOST_LATE = 4  # slowest periods by which the first frame may be late: a camera armed later has lost the preamble
CLOSE = 1000  # pulses or numbers: steps further apart say that the count or code was lost, not pulses


def odd_by_counts(run: Run, stream: Stream) -> tuple[set[int], bool]:
    """Pulses at which numbers or counter jump or stand still, and whether the frames are as many as the pulses."""
    rows, own = stream.frames, _own_pulses(run, stream)[0]
    if len(rows) == 0 or len(own) == 0:
        return set(), len(rows) == len(own)
    modulus, counter = int(stream.baseline.get("number_modulus", 0)), rows["counter"].astype(np.int64)
    steps = np.r_[1, np.diff(rows["frame_number"].astype(np.int64))]
    steps = np.where(steps < 0, steps + modulus, steps)
    if counter[0] != NO_COUNTER:
        steps = np.maximum(steps, np.diff(counter, prepend=int(stream.baseline.get("counter", 0))))
    odd = np.flatnonzero(steps != 1)
    steps = np.where(np.abs(steps) > CLOSE, 1, steps)
    places = np.cumsum(steps) - 1
    found: set[int] = set()
    for frame in odd.tolist():
        lost = range(int(places[frame] - steps[frame]) + 1, max(1, int(places[frame])))
        found |= {int(own[min(max(place, 0), len(own) - 1)]) for place in lost or [int(places[frame])]}
    return found, int(places[-1]) + 1 == len(own)


def _own_pulses(run: Run, stream: Stream) -> tuple[Numbers, Numbers]:
    """The pulses that went to a stream, and their box ticks."""
    times = pulse_times(run)
    is_own = times.numbers % stream.divisor == 0
    return times.numbers[is_own], times.box_ticks[is_own]


def odd_by_clock(run: Run, stream: Stream) -> set[int]:
    """Pulses without a frame, or with an odd interval, by the camera's ticks and the box's alone: no number, no claim.

    The first frame is of that pulse of the preamble from which most frames lie on pulses.
    """
    ticks = stream.frames["camera_ticks"].astype(np.int64)
    own, sent = _own_pulses(run, stream)
    if len(ticks) < 2 or len(own) < 2 or not stream.baseline.get("ticks_hz"):
        return set()
    period = stream.divisor * int(run.plan["period_ticks"])
    due = np.r_[0, np.cumsum(np.rint(np.diff(sent) / period))].astype(np.int64)
    steps = np.diff(ticks) / np.median(np.diff(ticks))
    whole = np.rint(steps)
    got = np.r_[0, np.cumsum(whole)].astype(np.int64)
    late = max(range(4 * MOST_LATE), key=lambda periods: int(np.isin(got + periods, due).sum()))
    missing = own[~np.isin(due, got + late)]
    odd = (got + late)[1:][(np.abs(steps - whole) > ODD) | (whole < 1)]
    near = own[np.minimum(np.searchsorted(due, odd), len(own) - 1)]
    return set(missing.tolist()) | set(near.tolist())


def odd_by_leds(run: Run, stream: Stream) -> set[int]:
    """Pulses that no frame shows, or that frames show twice, by the numbers decoded from the LEDs alone."""
    told = told_by_leds(run, stream)
    if told is None:
        return set()
    sure = np.flatnonzero(told.numbers != NO_PULSE)
    numbers: Numbers = told.numbers[sure]
    found = set(range(0, int(numbers[0]), stream.divisor)) if len(sure) and sure[0] == 0 else set()
    for place in np.flatnonzero(np.diff(numbers) != np.diff(sure) * stream.divisor):
        first, last = sorted((int(numbers[place]), int(numbers[place + 1])))
        found |= set(range(first, last + 1, stream.divisor)) if last - first < CLOSE else set()
    return found

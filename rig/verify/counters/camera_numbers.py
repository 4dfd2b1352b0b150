"""What the cameras' own numbers and trigger counters say of exposures, apart from the pulses that frames claim.

    pulses   40    44    48    52          between 40 and 52 no frame is here of 2 pulses,
    numbers  10     .     .    12          and 1 number is missing: one of them was exposed, the other was not
    counter  11     .     .    14          3 edges for 3 pulses: none was lost on the wire

Numbers and counters are compared between neighbouring frames, within one arm of a camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.session.pulses import unstored_pulses
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.streams import NO_COUNTER, NO_PULSE, Evidence, GapCause
from rig.verify.arms import FIRST_EPOCH, baselines, same_arm
from rig.verify.counters.extras import Kind, extra_rows, extras_of, places_of_extras
from rig.verify.findings import Numbers
from rig.verify.numbers import distinct

# What a gap row may say of its pulses when none, some or all of them have a number; damaged frames have one, too.
_NONE = (GapCause.NOT_NUMBERED, GapCause.MIXED)
_SOME = (GapCause.MIXED,)
_ALL = (GapCause.LOST_AFTER_EXPOSURE, GapCause.DAMAGED, GapCause.MIXED)
_TOLD_BY_NUMBERS = {int(cause) for cause in (*_NONE, *_ALL)}


@dataclass(frozen=True)
class Between:
    """Neighbouring frames with a pulse, of one arm of a camera, and what is missing between them; each int64 (n,)."""

    before: Numbers  # pulse of the earlier frame
    after: Numbers  # pulse of the later one
    exposed: Numbers  # numbers between theirs that no frame has
    pulses: Numbers  # pulses of the stream between theirs, stored or not
    is_whole: NDArray[np.bool_]  # all of these were to be stored

    @property
    def unasked(self) -> Numbers:
        """Exposures without a frame that no pulse between explains, int64 (n,)."""
        return np.asarray(np.maximum(0, self.exposed - self.pulses))


def number_steps(frames: Rows, divisor: int, modulus: int) -> Numbers:
    """By how much the camera's number goes on from frame to frame, int64 (n - 1,); at most 0: repeated or falling.

    Where numbers begin anew after `modulus`, a step is the one nearest to what the pulses between the frames ask for.
    """
    steps = np.diff(frames["frame_number"].astype(np.int64))
    if not modulus:
        return np.asarray(steps)
    pulses = frames["pulse_number"].astype(np.int64)
    is_known = (pulses[1:] != NO_PULSE) & (pulses[:-1] != NO_PULSE)
    due = np.where(is_known, np.diff(pulses) // divisor, 1)
    half = modulus // 2
    return np.asarray(due + np.mod(steps - due + half, np.int64(modulus)) - half)


def exposed(run: Run, stream: Stream) -> int:
    """How often the camera exposed up to its last frame, by its numbers in all arms of the recording run.

    Numbers before its first frame count where pulses were sent then: some cameras go on from an earlier arm.
    """
    return sum(_exposed_in(run, stream, frames) for frames in _arms(run, stream))


def _exposed_in(run: Run, stream: Stream, frames: Rows) -> int:
    epoch, modulus = int(frames["epoch"][0]), int(stream.baseline.get("number_modulus", 0))
    first = baselines(run, stream).get(epoch, {}).get("first_frame_number")
    numbers = _unwrapped(frames, stream)
    count = int(numbers.max() - numbers.min()) + 1
    pulse = int(frames["pulse_number"][0])
    if epoch != FIRST_EPOCH or not isinstance(first, int) or pulse == NO_PULSE:
        return count
    skipped = int(frames["frame_number"][0]) - first
    return count + max(0, min(skipped % modulus if modulus else skipped, pulse // stream.divisor))


def between(run: Run, stream: Stream) -> Between:
    """What is missing between the frames of a stream; nothing is compared from one arm to the next."""
    parts = [_between(frames, stream) for frames in _arms(run, stream)]
    before, after, missing = np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)
    pulses = np.maximum(0, (after - before) // stream.divisor - 1)
    unstored, extras = unstored_pulses(run, stream), np.sort(extra_rows(stream, stored=False)["after_pulse"])
    kept_out = np.searchsorted(unstored, after) - np.searchsorted(unstored, before, side="right")
    # Of a ghost in a part not stored there is a row, and its number is missing.
    missing = np.maximum(0, missing - (np.searchsorted(extras, after) - np.searchsorted(extras, before)))
    return Between(before, after, missing, pulses, kept_out <= 0)


def _arms(run: Run, stream: Stream) -> list[Rows]:
    """Frames of each arm, those left out that were delivered twice or left over: their numbers are others'."""
    places, kinds = places_of_extras(stream), extras_of(run, stream).kinds
    strays = [int(p) for p, kind in zip(places, kinds, strict=False) if kind in (Kind.TWICE, Kind.LEFT_OVER)]
    frames = np.delete(stream.frames, strays)
    return [np.asarray(frames[arm]) for arm in same_arm(frames["epoch"].astype(np.int64))]


def _unwrapped(frames: Rows, stream: Stream) -> Numbers:
    """Their numbers from 0 on, as if they never began anew, int64 (n,)."""
    steps = number_steps(frames, stream.divisor, int(stream.baseline.get("number_modulus", 0)))
    return np.asarray(np.r_[0, np.cumsum(steps)], np.int64)


def _between(frames: Rows, stream: Stream) -> Numbers:
    """Pulses before and after, and the numbers missing between them, of the frames of one arm; int64 (3, n)."""
    numbers, pulses = _unwrapped(frames, stream), np.asarray(frames["pulse_number"], np.int64)
    known, there = np.flatnonzero(pulses != NO_PULSE), distinct(numbers)
    low, high = numbers[known[:-1]], numbers[known[1:]]
    others = np.searchsorted(there, high) - np.searchsorted(there, low, side="right")
    missing: Numbers = np.maximum(0, high - low - 1 - others)
    return np.asarray(np.stack([pulses[known[:-1]], pulses[known[1:]], missing]), np.int64)


def wrong_gaps(run: Run, stream: Stream) -> Numbers:
    """First pulses of gap rows whose `cause` or `frames_exposed` is not what the camera's numbers say, int64, rising.

    Rows at an end of an arm, or of a part not stored, are not judged: the frame beside them is not in the file.
    """
    seen = between(run, stream)
    found = dict(zip(seen.before.tolist(), zip(seen.after, seen.exposed, seen.is_whole, strict=True), strict=True))
    wrong = []
    for row in stream.gaps[np.isin(stream.gaps["cause"], list(_TOLD_BY_NUMBERS))]:
        first, missing = int(row["first_pulse"]), int(row["missing"])
        after, numbered, is_whole = found.get(first - stream.divisor, (NO_PULSE, 0, False))
        if is_whole and after == row["last_pulse"] + stream.divisor and not _is_so(row, int(numbered), missing):
            wrong.append(first)
    return distinct(wrong)


def _is_so(row: np.void, numbered: int, missing: int) -> bool:
    """Whether a gap row says what so many missing numbers say."""
    causes = _NONE if numbered == 0 else _SOME if numbered < missing else _ALL
    return int(row["cause"]) in {int(cause) for cause in causes} and int(row["frames_exposed"]) == numbered


def uncounted(run: Run, stream: Stream) -> Numbers:
    """Pulses of frames that claim to be proved by the trigger counter, which went on by another number; int64, rising.

    Each is held against the frame before it, the first one of the run against the counter at arm. Where a part was
    not stored between them nothing is known of what came there.
    """
    frames = stream.frames[stream.pulse_numbers != NO_PULSE]
    pulses, counter = frames["pulse_number"].astype(np.int64), frames["counter"].astype(np.int64)
    at_arm = baselines(run, stream).get(FIRST_EPOCH, {}).get("counter", NO_COUNTER)
    counts = np.diff(counter, prepend=at_arm if isinstance(at_arm, int) else NO_COUNTER)
    before = np.r_[np.int64(-stream.divisor), pulses[:-1]][: len(pulses)]
    unstored = unstored_pulses(run, stream)
    is_near = np.searchsorted(unstored, pulses) == np.searchsorted(unstored, before, side="right")
    is_near &= np.diff(frames["epoch"].astype(np.int64), prepend=FIRST_EPOCH) == 0
    is_near[:1] &= at_arm != NO_COUNTER
    is_wrong = (counts * stream.divisor != pulses - before) & is_near | (counter == NO_COUNTER)
    return distinct(pulses[is_wrong & (frames["evidence"] == int(Evidence.COUNTER))])

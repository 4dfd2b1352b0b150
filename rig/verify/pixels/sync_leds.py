"""What the sync LEDs in a stream's own pictures say of the pulse that each frame claims; no counter, no timestamp.

levels of the LEDs --> stored_stretches without a hole --> decoded: pulse and confidence --> against the pulses claimed
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Numbers, Word, counted, lost_pulses, ranges_of, spelled
from rig.verify.looks import looks
from rig.verify.pixels.blinking import without_trend
from rig.verify.pixels.code import CODE_PERIOD, LedTiming
from rig.verify.pixels.led_code import STRETCH_FRAMES, Decoded, decode, decode_in_pieces, goes_on_at
from rig.verify.pixels.leds import FEWEST_FRAMES, LedPlace, led_timing, stored_stretches

CHECK = "sync LEDs"
LIMIT = "0 frames of another pulse"
SURE = 0.9999  # confidence with which a frame is said to be of another pulse: one in 10,000 such words may be wrong
MOST = 0.9  # of the frames, to say of a stream that they are of the pulses they claim
MOST_OFFSETS = 5  # written out in a text
NO_LED = "no sync LED is seen to blink: what the pictures are of could not be told from them"

Levels = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """What the LEDs say about n frames of a stream."""

    numbers: Numbers  # the pulse of each frame, int64 (n,); NO_PULSE where it cannot be told
    confidence: Levels  # chance that it is right, 0 to 1, float64 (n,)
    is_tried: NDArray[np.bool_]  # whether it lies among enough frames to be decoded, (n,)
    contrast_to_noise: float  # of LED A; 0 when nothing could be tried
    repeats: int  # pulses after which the LEDs repeat; numbers are known up to multiples of this

    def later(self, claims: Numbers) -> Numbers:
        """How many pulses after the one it claims each frame was exposed, int64 (n,), negative: before."""
        return (self.numbers - claims + self.repeats // 2) % self.repeats - self.repeats // 2


_TOLD: WeakKeyDictionary[Stream, list[Told | None]] = WeakKeyDictionary()


def told_by_leds(run: Run, stream: Stream) -> Told | None:
    """The pulse of each frame of a stream by its LEDs; None when none is in view. Decoded once. Raises SessionError."""
    if stream not in _TOLD:
        _TOLD[stream] = [_told(run, stream)]
    return _TOLD[stream][0]


def _told(run: Run, stream: Stream) -> Told | None:
    seen = looks(run, stream)
    if seen.leds is None or seen.place is None:
        return None
    count = len(seen.leds)
    numbers, confidence, is_tried = np.full(count, NO_PULSE, np.int64), np.zeros(count), np.zeros(count, bool)
    exposures, ratios = led_timing(run, stream, seen.place.middle_row), []
    for stretch in stored_stretches(run, stream):
        first = None
        places = stretch[np.isfinite(seen.leds[stretch]).all(axis=1)]
        for part in np.array_split(places, max(1, len(places) // STRETCH_FRAMES)):
            if len(part) >= FEWEST_FRAMES:
                decoded = _decoded(seen.leds[part], exposures, first)
                numbers[part], confidence[part], is_tried[part] = decoded.numbers, decoded.confidence, True
                ratios.append(decoded.contrast_to_noise)
                first = goes_on_at(decoded, exposures.divisor)
    ratio = float(np.median(ratios)) if ratios else 0.0
    return Told(numbers, confidence, is_tried, ratio, _repeats(seen.place))


def _decoded(levels: Levels, exposures: LedTiming, first: int | None) -> Decoded:
    """As they are; where most are not sure, without what changes slowly, as a face behind the LEDs; then in pieces."""
    best = decode(levels, exposures, first)
    if _sure(best) >= MOST * len(levels):
        return best
    steady = without_trend(levels)
    return max(best, decode(steady, exposures, first), decode_in_pieces(steady, exposures), key=_sure)


def _sure(decoded: Decoded) -> int:
    """How many frames have a number that is sure."""
    return int((decoded.confidence >= SURE).sum())


def _repeats(place: LedPlace) -> int:
    """Pulses after which what is seen of the LEDs repeats: four times as many with B1 and B2."""
    has_both = all(box is not None for box in place.boxes)
    return CODE_PERIOD * (4 if has_both else 1)


def check_pixels(run: Run) -> list[Finding]:
    """Each frame's picture shows the LED code of the pulse that it claims."""
    told = {name: told_by_leds(run, stream) for name, stream in run.streams.items()}
    has_leds = any(told.values())  # a rig that shows its LEDs to one camera should show them to all
    return [
        _judged(run.streams[name], own) if own else _unseen(run.streams[name], is_expected=has_leds)
        for name, own in told.items()
    ]


def _unseen(stream: Stream, *, is_expected: bool) -> Finding:
    count, word = len(stream.frames), Word.NOT_MEASURED
    if count < FEWEST_FRAMES:
        return Finding(
            CHECK, stream.name, word, None, LIMIT, f"{count} frames", "too few frames to tell the LEDs' code"
        )
    return Finding(CHECK, stream.name, word, None, LIMIT, f"{count} frames", NO_LED, is_expected=is_expected)


def _judged(stream: Stream, told: Told) -> Finding:
    claims = stream.pulse_numbers
    later = np.where((told.numbers == NO_PULSE) | (claims == NO_PULSE), 0, told.later(claims))
    is_wrong = (later != 0) & (told.confidence >= SURE)
    agrees = (told.numbers != NO_PULSE) & (claims != NO_PULSE) & (later == 0)
    looked_at = f"{int((agrees | is_wrong).sum())} of {len(claims)} frames decoded"
    notes = _notes(stream, told)
    if is_wrong.any():
        where = ranges_of(claims[is_wrong], stream.divisor)
        text = f"{_offsets(later[is_wrong])}; they claim {spelled(where)}{notes}"
        return Finding(CHECK, stream.name, Word.FAIL, int(is_wrong.sum()), LIMIT, looked_at, text, where)
    claiming = claims != NO_PULSE
    if not claiming.any() or agrees[claiming].mean() < MOST:
        where = ranges_of(claims[claiming & ~agrees], stream.divisor)
        text = f"too few frames could be decoded{f', not those of pulses {spelled(where)}' if where else ''}{notes}"
        tried = told.is_tried & claiming  # what lies in parts too short cannot be told on a good rig either
        is_expected = bool(tried.any() and agrees[tried].mean() < MOST)
        found = Finding(CHECK, stream.name, Word.NOT_MEASURED, None, LIMIT, looked_at, text, where)
        return replace(found, is_expected=is_expected)
    return _good(stream, told, looked_at, notes)


def _good(stream: Stream, told: Told, looked_at: str, notes: str) -> Finding:
    """Of a stream whose frames are of the pulses that they claim."""
    text = f"every frame that was decoded shows the code of the pulse it claims{notes}"
    unclaimed = _unclaimed(stream, told)
    if len(unclaimed):
        where = ranges_of(unclaimed, stream.divisor)
        text += f"; of these pulses {spelled(where)} count as lost: their frames are there, and claim no pulse"
        return Finding(CHECK, stream.name, Word.WARN, len(unclaimed), LIMIT, looked_at, text, where)
    return Finding(CHECK, stream.name, Word.PASS, 0, LIMIT, looked_at, text)


def _unclaimed(stream: Stream, told: Told) -> Numbers:
    """Pulses that count as lost, and whose code is shown by frames that claim no pulse."""
    lost, is_free = lost_pulses(stream.run, stream), stream.pulse_numbers == NO_PULSE
    shown = told.numbers[is_free & (told.confidence >= SURE) & (told.numbers != NO_PULSE)]
    return lost[np.isin(lost % told.repeats, shown % told.repeats)]


def _offsets(later: Numbers) -> str:
    """How many frames are off, and by how many pulses, in words."""
    values, counts = np.unique(later, return_counts=True)
    told = [f"{count} by {value:+d}" for value, count in zip(values, counts, strict=True)]
    by = ", ".join(told) if len(told) <= MOST_OFFSETS else f"by {values[0]:+d} to {values[-1]:+d}"
    return f"{counted(len(later), 'frame shows', 'frames show')} the code of another pulse ({by})"


def _notes(stream: Stream, told: Told) -> str:
    """What else there is to say, ending a sentence."""
    claims = stream.pulse_numbers
    text = f"; contrast to noise {told.contrast_to_noise:.1f}"
    extras = told.numbers[(claims == NO_PULSE) & (told.numbers != NO_PULSE)]
    if len(extras):
        shown = ranges_of(extras % told.repeats, stream.divisor)
        text += f"; frames that claim no pulse show the code of pulses {spelled(shown)}"
    untried = int((~told.is_tried).sum())
    lie = counted(untried, "frame lies", "frames lie")
    return text + (f"; {lie} in parts too short to be decoded" if untried else "")

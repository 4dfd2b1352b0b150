"""Which pulse each picture is of, told by the brightness of its three sync LEDs and by nothing else.

Two steps: find where in the code a stretch of frames lies, then follow it frame by frame (following.py), with frames
that may be lost, repeated, or of no pulse. Neither needs a counter or a timestamp. In noise it is tried first whether
a stretch goes on where the one before ended, which saves looking through the whole code (correlating.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from rig.streams import NO_PULSE
from rig.verify.findings import Numbers
from rig.verify.pixels.code import CODE_PERIOD, ORDER, Bits, LedTiming, Levels, code_a, expected_levels
from rig.verify.pixels.correlating import places_alike
from rig.verify.pixels.following import MOST_LAG, Light, Track, followed

STRETCH_FRAMES = 128  # frames are decoded in stretches of one to two times this, each by itself
PIECE_FRAMES = 40  # twice the 20 that the code needs
MIN_CONFIDENCE = 0.99  # a frame below it gets no number
SURE, CLEAR = 0.999, 4.5  # confidence, and contrast to noise of LED A, below which reading bits is not the last word
LEAST_SHARE = 0.8  # of an exposure, that one code must fill to be read as a bit
LEAST_NOISE = 0.02  # of the contrast: what timing, quantising and straylight leave in a picture without noise
GUESSES = 8  # followed for each part of a stretch that is correlated
LAP_GAIN = 10.0  # log likelihood for which a later repetition of LED A's code is believed


@dataclass(frozen=True)
class Decoded:
    """What the LEDs say about n frames."""

    numbers: Numbers  # pulse of each frame, int64 (n,); NO_PULSE where it cannot be told
    confidence: Levels  # chance that this number is right, 0 to 1, float64 (n,)
    contrast_to_noise: float  # of LED A; the median over all stretches


@dataclass(frozen=True)
class Slip:
    """Between two frames with numbers the pulses do not go on by one frame each."""

    frame: int  # index of the last frame before
    next_frame: int  # index of the first frame with a number after; those between have none
    pulse: int  # of `frame`
    next_pulse: int  # of `next_frame`
    missing: int  # frames that are not there; negative: so many are there too often


def decode(levels: Levels, exposures: LedTiming, first: int | None = None) -> Decoded:
    """The pulse numbers of consecutive frames of one stream, from the brightness of their LEDs.

    `levels`: float (n, 3), brightness of A, B1, B2 in each frame; each LED in a unit of its own, brighter when lit.
    Two seconds are enough (200 frames at 100 fps, 50 at 25); far fewer get no number. Numbers are known up to four
    times CODE_PERIOD, 11 hours at 100 Hz. Without B1 and B2 they are known up to CODE_PERIOD. `first`: where they go on
    if these frames follow others; it is tried first in noise, and need not be right.
    """
    count = max(1, len(levels) // STRETCH_FRAMES)
    found: list[Track] = []
    for part in np.array_split(np.asarray(levels, np.float64), count):
        found.append(_decode_stretch(part, exposures, first))
        first = goes_on_at(found[-1], exposures.divisor)
    numbers = np.concatenate([track.numbers for track in found])
    confidence = np.concatenate([track.confidence for track in found])
    ratio = float(np.median([track.light.contrast[0] / track.light.noise[0] for track in found]))
    return Decoded(np.where(confidence >= MIN_CONFIDENCE, numbers, NO_PULSE), confidence, ratio)


def decode_in_pieces(levels: Levels, exposures: LedTiming) -> Decoded:
    """The same in pieces of PIECE_FRAMES, for streams of which only parts are of pulses; it bears less noise."""
    parts = np.array_split(levels, max(1, len(levels) // PIECE_FRAMES))
    found = [decode(part, exposures) for part in parts]
    numbers = np.concatenate([part.numbers for part in found])
    confidence = np.concatenate([part.confidence for part in found])
    return Decoded(numbers, confidence, float(np.median([part.contrast_to_noise for part in found])))


def goes_on_at(before: Decoded | Track, divisor: int) -> int | None:
    """The pulse of the frame after these, if none is lost there; None when nobody knows."""
    known = np.flatnonzero(before.confidence >= MIN_CONFIDENCE)
    return int(before.numbers[known[-1]]) + (len(before.numbers) - int(known[-1])) * divisor if len(known) else None


def find_slips(numbers: Numbers, divisor: int) -> list[Slip]:
    """Where a stream's decoded numbers do not go on by `divisor` a frame. Frames without a number count as frames."""
    frames = np.flatnonzero(numbers != NO_PULSE)
    pulses = numbers[frames]
    missing = np.diff(pulses) // divisor - np.diff(frames)
    return [
        Slip(int(frames[i]), int(frames[i + 1]), int(pulses[i]), int(pulses[i + 1]), int(missing[i]))
        for i in np.flatnonzero(missing)
    ]


# Where a stretch lies -------------------------------------------------------------------------------------------------


_NO_LIGHT = Light(np.zeros(3), np.zeros(3), np.ones(3))


@dataclass(frozen=True)
class _Guess:
    """Frame i of a stretch may be of pulse `first` + i x divisor: which `frames` say so."""

    first: int
    frames: Numbers


def _decode_stretch(levels: Levels, exposures: LedTiming, first: int | None) -> Track:
    """Read the bits; where they do not settle it, begin at pulse `first`, or else correlate with the whole code."""
    nothing = Track(np.full(len(levels), NO_PULSE, np.int64), np.zeros(len(levels)), _NO_LIGHT, -np.inf)
    if len(levels) < ORDER or np.ptp(levels[:, 0]) == 0:
        return nothing
    by_bits = _best(levels, exposures, _guesses_by_bits(levels, exposures)) or nothing
    if by_bits.light.contrast[0] >= CLEAR * by_bits.light.noise[0] and np.median(by_bits.confidence) >= SURE:
        return by_bits
    if first is not None:
        on = _best(levels, exposures, iter([_Guess(first, np.arange(len(levels)))])) or nothing
        if np.median(on.confidence) >= SURE:
            return on
    return _best(levels, exposures, _guesses_by_correlation(levels, exposures)) or nothing


def _best(levels: Levels, exposures: LedTiming, guesses: Iterator[_Guess]) -> Track | None:
    """The guess that explains the levels best, less confident the better others explain them."""
    tracks = followed(levels, exposures, [_begin(levels, exposures, guess) for guess in guesses])
    if not tracks:
        return None
    best = _refined(levels, exposures, max(tracks, key=lambda track: track.evidence))
    rivals = [track.evidence for track in tracks if np.mean(track.numbers != best.numbers) > 0.5]
    doubt = float(np.exp(np.minimum(np.array(rivals) - best.evidence, 0)).sum())
    return replace(best, confidence=best.confidence / (1 + doubt))


@cache
def _places(divisor: int) -> NDArray[np.int32]:
    """Where in the code that every `divisor`-th pulse shows each word of 20 bits begins; int32 (2**20,)."""
    code = code_a()[np.arange(CODE_PERIOD) * divisor % CODE_PERIOD]
    places = np.zeros(CODE_PERIOD + 1, np.int32)
    places[_words(np.r_[code, code[: ORDER - 1]])] = np.arange(CODE_PERIOD)
    return places


def _words(bits: Bits) -> NDArray[np.int32]:
    """All runs of 20 bits as numbers, the first bit lowest."""
    words = np.zeros(len(bits) - ORDER + 1, np.int32)
    for k in range(ORDER):
        words |= bits[k : k + len(words)].astype(np.int32) << k
    return words


def _guesses_by_bits(levels: Levels, exposures: LedTiming) -> Iterator[_Guess]:
    """20 bits in a row say where they are, and the places that most of them agree on are guessed.

    Only where one code fills most of an exposure, and where the stream shows each word once.
    """
    share, divisor = max(exposures.shares), exposures.divisor
    if share < LEAST_SHARE or gcd(divisor, CODE_PERIOD) > 1:
        return
    words = _words((levels[:, 0] > _threshold(levels[:, 0])).astype(np.uint8))
    index = np.arange(len(words))
    places = (_places(divisor)[words] - index) * divisor - exposures.shares.index(share)
    firsts, votes = np.unique(places % CODE_PERIOD, return_counts=True)
    for first in _apart(firsts[np.argsort(-votes, kind="stable")][:GUESSES], divisor)[:2]:
        begins = index[places % CODE_PERIOD == first]
        yield _Guess(first, np.unique(begins[:, None] + np.arange(ORDER)))


def _threshold(values: Levels) -> float:
    """Between lit and dark: half way between the means of what lies above it and below it."""
    middle = float(values.min() + values.max()) / 2
    for _ in range(4):
        middle = float(values[values > middle].mean() + values[values <= middle].mean()) / 2
    return middle


def _apart(firsts: Numbers, divisor: int) -> list[int]:
    """The guesses without those that following an earlier one would reach."""
    kept: list[int] = []
    for first in firsts.tolist():
        off = [abs((first - other + CODE_PERIOD // 2) % CODE_PERIOD - CODE_PERIOD // 2) for other in kept]
        if all(distance > MOST_LAG // 2 * divisor for distance in off):
            kept.append(first)
    return kept


def _guesses_by_correlation(levels: Levels, exposures: LedTiming) -> Iterator[_Guess]:
    """The places in the code that look most like LED A, in the whole stretch, its halves, and its middle.

    A frame lost in the middle leaves either half whole, two of them the middle.
    """
    count, divisor, shares = len(levels), exposures.divisor, exposures.shares
    for begin, end in [(count * a // 4, count * b // 4) for a, b in ((0, 4), (0, 2), (1, 3), (2, 4))]:
        firsts = (places_alike(levels[begin:end, 0], divisor, shares, GUESSES) - begin * divisor) % CODE_PERIOD
        yield from (_Guess(first, np.arange(begin, end)) for first in firsts.tolist() if _laps(first, divisor))


def _begin(levels: Levels, exposures: LedTiming, guess: _Guess) -> tuple[int, Light]:
    """A guess in the repetition of LED A's code that B1 and B2 fit best, and what the LEDs then look like."""
    steps = guess.frames * exposures.divisor
    laps = _laps(guess.first, exposures.divisor)
    lights = [_light(levels, exposures, first + steps, guess.frames) for first in laps]
    costs = [len(steps) * float(np.log(light.noise).sum()) + LAP_GAIN * (k > 0) for k, light in enumerate(lights)]
    best = int(np.argmin(costs))
    return laps[best], lights[best]


def _laps(first: int, divisor: int) -> list[int]:
    """The pulse numbers that a place in LED A's code can mean: multiples of the divisor, one for each Gray code."""
    numbers = [first + lap * CODE_PERIOD for lap in range(lcm(4, divisor))]
    by_gray = {number % 4: number for number in reversed(numbers) if number % divisor == 0}
    return sorted(by_gray.values())


def _light(levels: Levels, exposures: LedTiming, numbers: Numbers, frames: Numbers) -> Light:
    """Dark level, contrast and noise of the LEDs when `frames` are of pulses `numbers`, by least squares."""
    seen, due = levels[frames], expected_levels(numbers, exposures.shares)
    spread = due - due.mean(0)
    power = (spread**2).sum(0)
    # An LED that is the same in all frames, as B1 and B2 are for a divisor of 4, has no contrast that could be known.
    contrast = np.maximum(0, (spread * seen).sum(0) / np.where(power > 1e-6, power, np.inf))
    dark = seen.mean(0) - contrast * due.mean(0)
    noise = (seen - dark - contrast * due).std(0)
    least = LEAST_NOISE * np.where(contrast > 0, contrast, np.ptp(levels, axis=0))
    return Light(dark, contrast, np.maximum(noise, np.where(least > 0, least, 1.0)))


def _refined(levels: Levels, exposures: LedTiming, track: Track) -> Track:
    """Follow again, with the LEDs' looks from all frames that the first time placed well."""
    frames = np.flatnonzero(track.confidence >= MIN_CONFIDENCE)
    if len(frames) < ORDER:
        return track
    light = _light(levels, exposures, track.numbers[frames], frames)
    lags = track.numbers[frames] - frames * exposures.divisor
    first = int(np.median(lags)) // exposures.divisor * exposures.divisor
    return followed(levels, exposures, [(first, light)])[0]

"""Which pulse each picture of a plain video file is of, told by the sync LEDs in its view and by nothing else.

    file --> a stretch of pictures --> where the LEDs lie --> all pictures --> levels and timestamps --> decoded
             (the next one, until LEDs are seen)              (once more, from the first on)

A file says neither divisor nor exposure nor phase. LED A shows the same kind of code to every second, fourth, eighth
camera frame; B1 and B2, where they are seen to change, tell the divisor, and the other files' rates and pulses do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.clips.decode import decoded, scaled
from rig.config.find import look_up
from rig.errors import ClipError
from rig.streams import NO_PULSE
from rig.verify.findings import Numbers
from rig.verify.pixels.blinking import Sample, without_trend
from rig.verify.pixels.code import CODE_PERIOD, LedTiming, code_a
from rig.verify.pixels.led_code import PIECE_FRAMES, STRETCH_FRAMES, Decoded, decode, goes_on_at
from rig.verify.pixels.leds import FEWEST_FRAMES, SAMPLE_FRAMES, LedPlace, find_leds_in

FULL_SCALE = 255
SURE = 0.9999  # confidence from which a frame's number counts: one in 10,000 may be wrong
MOST = 0.9  # of the frames of a part must be sure, else other ways are tried on it
MIXTURES = ((0.5, 1.0), (0.75, 1.0), (0.25, 0.5), (0.25, 0.25))  # tried beside SHORT; see _exposures
MIXED_DIVISORS = (4, 1, 2, 8)  # tried with mixtures, which must know the divisor; the usual one first
MIXED = np.arange(-3, 5)  # codes around the decoded one, that an exposure may hold too
MIX_NOISE = 0.1  # of an exposure: a smaller share is taken for noise
REACH, FITTED = 8, 3  # pulses around the predicted one that are tried, and codes next to each other that are fitted
FARTHER = 0.02  # of the variance, that a place one pulse farther off must explain more
EXPLAINED = 0.5  # of the variance; 99 of 100 pieces of mere noise stay below 0.33. decode has the last word
FIRST = 0.5  # of what fills most of an exposure; compression takes smaller shares over from the picture before
SIGMAS = 4  # standard deviations of a fitted share, below which it may be noise
QUIET = 0.3  # of how much LED A's level varies where it does most: a part that varies less does not show it blinking
WHOLE = PIECE_FRAMES // 2  # frames with a number, from which a piece tells its mixture
NEAR = CODE_PERIOD // 16  # pulses from the line of most numbers, 11 minutes at 100 Hz; beyond is not believed

Levels = NDArray[np.float64]
Look = Callable[[], Any]  # called for each picture that was decoded


@dataclass(frozen=True, eq=False)
class Film:
    """What was read of one video file: levels of its LEDs and timestamps, and how they may be understood."""

    name: str
    times_s: Levels  # (n,) the container's timestamps; nan where it has none
    place: LedPlace | None  # None: no LED is seen to blink
    levels: Levels  # (n, 3) of A, B1, B2; (n, 0) without a place
    exposures: LedTiming  # as the LEDs were found; of its divisor only where `knows_divisor`
    knows_divisor: bool  # B1 or B2 was seen to change as it must

    @property
    def frames(self) -> int:
        """Pictures in the file."""
        return len(self.times_s)

    @property
    def rate_hz(self) -> float:
        """Frames a second by the container's timestamps; nan where they do not rise."""
        known = self.times_s[np.isfinite(self.times_s)]
        return (len(known) - 1) / float(known[-1] - known[0]) if len(known) > 1 and known[-1] > known[0] else np.nan


@dataclass(frozen=True, eq=False)
class Read:
    """What the LEDs say of the n frames of a file, read as frames of every `divisor`-th pulse."""

    divisor: int
    numbers: Numbers  # (n,) the first code in each exposure: its pulse, 0 to CODE_PERIOD and on; NO_PULSE: not told
    contrast_to_noise: float  # of LED A
    phases: Levels  # (k, 2) of pieces: frame in its middle; mean code in its exposures - divisor x frame, in pulses

    @property
    def known(self) -> Numbers:
        """Frames that have a number."""
        return np.flatnonzero(self.numbers != NO_PULSE)


def _exposures(divisor: int, first: float, each: float) -> LedTiming:
    """LedTiming of which the first code fills the share `first`, and each further one `each`, up to the end."""
    return LedTiming(divisor, 1.0, 0.0, period_us=each, led_phase_us=first)


SHORT = _exposures(1, 1.0, 1.0)  # each sees one code


# Reading --------------------------------------------------------------------------------------------------------------


def read_film(path: Path, name: str = "", look: Look = lambda: None) -> Film:
    """Look for the LEDs in a video file, then follow them through it. Keeps a stretch of pictures in memory at most.

    `name`: what to call it, by default the file's own name. Blocks while it decodes the file, up to twice. Raises
    ClipError when it is no video, is damaged, or holds nothing.
    """
    found = look_up("", path, ClipError)
    if found is None or not S_ISREG(found.st_mode):
        raise ClipError(str(path), "is no file", hint="Name a video file, such as hs.mp4")
    place, exposures, knows_divisor = _find(path, look) or (None, SHORT, False)
    times_s, levels = [], []
    for time_s, picture in _greys(path, look):
        times_s.append(np.nan if time_s is None else time_s)
        levels.append(place.levels(picture) if place else np.zeros(0))
    if not times_s:
        raise ClipError(str(path), "holds no pictures", allowed="a video of at least one")
    return Film(name or path.name, np.array(times_s, float), place, np.array(levels), exposures, knows_divisor)


def _greys(path: Path, look: Look) -> Generator[tuple[float | None, NDArray[np.uint8]], None, None]:
    """Timestamps in s, and pictures in grey, all of the size of the first."""
    size = None
    with closing(decoded(path)) as frames:
        for frame in frames:
            size = size or (frame.width, frame.height)
            yield frame.time, scaled(frame, size, "gray").to_ndarray()
            look()


def _find(path: Path, look: Look) -> tuple[LedPlace, LedTiming, bool] | None:
    """Where the LEDs lie, in the first stretch of pictures in which they are seen: a camera may start long before."""
    with closing(_greys(path, look)) as greys:
        while first := next(greys, None):
            stretch = (picture for _, picture in chain([first], islice(greys, SAMPLE_FRAMES - 1)))
            sample = Sample.of(picture / np.float32(FULL_SCALE) for picture in stretch)
            found = _find_in(sample) if sample is not None else None
            if found:
                return found
    return None


def _find_in(sample: Sample) -> tuple[LedPlace, LedTiming, bool] | None:
    """Short exposures first: by these LED A is found whatever the divisor, and B1 and B2 only with the right one."""
    short = [replace(SHORT, divisor=divisor) for divisor in (1, 2)]
    mixed = [_exposures(divisor, *mixture) for mixture in MIXTURES for divisor in MIXED_DIVISORS]
    for tried in (short, mixed):
        places = ((find_leds_in(sample, exposures), exposures) for exposures in tried)
        found = [(place, exposures, any(place.boxes[1:])) for place, exposures in places if place]
        if found:
            return max(found, key=lambda each: each[2])
    return None


# Decoding -------------------------------------------------------------------------------------------------------------


def tell(film: Film, divisor: int) -> Read:
    """The pulse of each frame, if they are of every `divisor`-th pulse."""
    if film.place is None or film.frames < FEWEST_FRAMES:
        return Read(divisor, np.full(film.frames, NO_PULSE, np.int64), 0.0, np.zeros((0, 2)))
    parts = np.array_split(film.levels, max(1, film.frames // STRETCH_FRAMES))
    least = QUIET * max(float(part[:, 0].std()) for part in parts)
    follower = _Follower(replace(film.exposures, divisor=divisor), least)
    found = _joined([follower.follow(part) for part in parts])
    numbers = _on_one_line(np.where(found.confidence >= SURE, found.numbers, NO_PULSE), divisor)
    numbers = _evened(film, numbers, divisor)
    if follower.is_steady:
        numbers = _from_the_first_code(film, numbers)
    return Read(divisor, numbers, found.contrast_to_noise, _phases(film, numbers, divisor))


class _Follower:
    """Decodes one part of a file after another, each from where the one before ended.

    The exposures of a camera that runs free wander through the codes: their mixture is fitted anew in each piece.
    """

    def __init__(self, exposures: LedTiming, least: float) -> None:
        """`least`: standard deviation of LED A's level, below which it does not blink."""
        self._exposures, self._least = exposures, least
        self._next: int | None = None  # the pulse of the frame after the last part, if none is lost; None: not known
        self.is_steady = True  # whether every part so far could be decoded as a whole

    def follow(self, levels: Levels) -> Decoded:
        """As a whole where that tells most frames, else in pieces."""
        if levels[:, 0].std() < self._least:
            return self._kept(_untold(len(levels)))
        if not self.is_steady and self._next is not None:
            return self._kept(self._by_fit(levels, self._next))
        whole = decode(levels, self._exposures, self._next)
        if _sure(whole) >= MOST * len(levels):
            return self._kept(whole)
        begin = self._next if self._next is not None else _begins_at(whole, self._exposures.divisor)
        begin = self._anywhere(levels) if begin is None else begin
        if begin is None:
            return self._kept(whole)
        by_piece = self._by_fit(levels, begin)
        self.is_steady = _sure(whole) >= _sure(by_piece)
        return self._kept(whole if self.is_steady else by_piece)

    def _kept(self, found: Decoded) -> Decoded:
        """Where nothing was told, the next part is looked for in the whole code."""
        self._next = goes_on_at(found, self._exposures.divisor) if _sure(found) else None
        return found

    def _by_fit(self, levels: Levels, begin: int) -> Decoded:
        """In pieces, each with the mixture of codes around its predicted place that explains it best."""
        found, divisor = [], self._exposures.divisor
        for part in np.array_split(without_trend(levels), _pieces(len(levels))):
            fit = _fitted(part[:, 0], begin, divisor)
            found.append(decode(part, fit.exposures, fit.first) if fit.explained >= EXPLAINED else _untold(len(part)))
            on = goes_on_at(found[-1], divisor)
            begin = begin + divisor * len(part) if on is None else on
        return _joined(found)

    def _anywhere(self, levels: Levels) -> int | None:
        """The pulse of the first frame by the first piece that any mixture tells; None when none does."""
        divisor = self._exposures.divisor
        ways = [replace(SHORT, divisor=divisor), *(_exposures(divisor, *mixture) for mixture in MIXTURES)]
        steady = without_trend(levels)
        for part in np.array_split(np.arange(len(levels)), _pieces(len(levels))):
            for way in ways if steady[part, 0].std() >= self._least else ():
                begin = _begins_at(decode(steady[part], way), divisor)
                if begin is not None:
                    return begin - divisor * int(part[0])
        return None


@dataclass(frozen=True)
class _Fit:
    """Which codes the frames of a piece mix, and how well that explains their levels."""

    first: int  # of its first frame
    exposures: LedTiming
    explained: float  # share of the variance; less FARTHER for each pulse from where it was due


def _fitted(level: Levels, begin: int, divisor: int) -> _Fit:
    """The neighbouring codes, up to REACH pulses from where the first frame is due, that explain the levels best."""
    numbers = begin + divisor * np.arange(len(level))
    steady = without_trend(code_a()[(numbers[:, None] + np.arange(-REACH, REACH + FITTED)) % CODE_PERIOD].astype(float))
    best = _Fit(begin, replace(SHORT, divisor=divisor), 0.0)
    for step in range(-REACH, REACH + 1):
        codes = steady[:, step + REACH : step + REACH + FITTED]
        shares = np.linalg.lstsq(codes, level, rcond=None)[0]
        left = level - codes @ shares
        explained = 1 - float(left @ left) / max(float(level @ level), 1e-30)
        # One code alone is explained with either neighbour: the fit that starts with it counts.
        explained -= FARTHER * abs(step)
        if shares[0] > MIX_NOISE * shares.max() and explained > best.explained:
            best = _Fit(begin + step, _mixed(divisor, shares), explained)
    return best


def _mixed(divisor: int, shares: Levels) -> LedTiming:
    """LedTiming that mix three codes by these shares of LED A's contrast; what noise can make is left out."""
    one, two, three = np.where(shares > MIX_NOISE * shares.max(), shares, 0).tolist()
    whole = one + two + three
    return _exposures(divisor, one / whole, two / whole if two > 0 and three > 0 else 1.0)


def _begins_at(found: Decoded, divisor: int) -> int | None:
    """The pulse of the first of these frames, if none is lost up to the first that is sure."""
    known = np.flatnonzero(found.confidence >= SURE)
    return int(found.numbers[known[0]]) - int(known[0]) * divisor if len(known) else None


def _untold(frames: int) -> Decoded:
    return Decoded(np.full(frames, NO_PULSE, np.int64), np.zeros(frames), 0.0)


def _joined(parts: list[Decoded]) -> Decoded:
    return Decoded(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        float(np.median([part.contrast_to_noise for part in parts])),
    )


def _sure(found: Decoded) -> int:
    return int((found.confidence >= SURE).sum())


def _pieces(frames: int) -> int:
    return max(1, frames // PIECE_FRAMES)


def _on_one_line(numbers: Numbers, divisor: int) -> Numbers:
    """Numbers that LED A alone tells, up to its period, put where they go on from one frame to the next.

    What is far from all others is not told.
    """
    known = np.flatnonzero(numbers != NO_PULSE)
    if len(known) == 0:
        return numbers
    due = divisor * known
    origin = int(numbers[known[0]] - due[0])
    apart = _centred(numbers[known] - due - origin)
    apart = _centred(apart - int(np.median(apart))) + int(np.median(apart))
    is_near = np.abs(apart - np.median(apart)) < NEAR
    line = np.full(len(numbers), NO_PULSE, np.int64)
    line[known[is_near]] = (due + origin + apart)[is_near]
    least = int(line[known[is_near]].min())
    line[known[is_near]] -= least // CODE_PERIOD * CODE_PERIOD
    return line


def _centred(pulses: Numbers) -> Numbers:
    """Differences of pulses, as LED A tells them: from minus half its period to half of it."""
    return np.asarray((pulses + CODE_PERIOD // 2) % CODE_PERIOD - CODE_PERIOD // 2)


def _phases(film: Film, numbers: Numbers, divisor: int) -> Levels:
    """Where in the code the exposures of each piece lie, to a part of a pulse, (k, 2): see Read."""
    rows = [(known.mean(), phase + code) for known, phase, code in _by_piece(film, numbers, divisor)]
    return np.array(rows, float).reshape(-1, 2)


def _by_piece(film: Film, numbers: Numbers, divisor: int) -> Iterator[tuple[Numbers, int, float]]:
    """Pieces with enough numbers: their frames; number - divisor x frame; how many codes after that the mean lies."""
    for part in np.array_split(np.arange(film.frames), _pieces(film.frames)):
        known = part[numbers[part] != NO_PULSE]
        if len(known) >= WHOLE:
            off = numbers[known] - divisor * known
            phase = int(np.median(off))
            near = known[np.abs(off - phase) < max(1, divisor / 2)]  # without those beyond a lost frame
            yield known, phase, _mean_code(film.levels[near, 0], divisor * near + phase)


def _evened(film: Film, numbers: Numbers, divisor: int) -> Numbers:
    """Numbers that are of the same place in the exposures in all pieces.

    Where pictures are noisy, or their compression takes an LED over into the next one, another of the codes in a
    mixture may come out in one piece than in the next, and would look like a lost frame. Pieces in which few frames
    are told are not told at all.
    """
    pieces, evened = list(_by_piece(film, numbers, divisor)), np.full(len(numbers), NO_PULSE, np.int64)
    usual = float(np.median([code for _, _, code in pieces])) if pieces else 0.0
    for known, _, code in pieces:
        evened[known] = numbers[known] + round(code - usual)
    return evened


def _mean_code(level: Levels, numbers: Numbers) -> float:
    """How many codes after the numbers given the mean of an exposure lies."""
    shares = _shares(level, numbers)
    return float(shares @ MIXED / shares.sum()) if shares.sum() > 0 else 0.0


def _shares(level: Levels, numbers: Numbers) -> Levels:
    """How much each code around the numbers given adds to the levels, (MIXED,), by least squares; noise left out."""
    codes = code_a()[(numbers[:, None] + MIXED) % CODE_PERIOD].astype(float)
    parts = np.c_[np.ones(len(level)), codes]
    shares = np.linalg.lstsq(parts, level, rcond=None)[0]
    # The code is lit half of the time: the share of one varies by twice the noise over the root of the frames.
    doubt = SIGMAS * 2 * float(np.std(level - parts @ shares)) / np.sqrt(len(level))
    return np.where(shares[1:] >= max(MIX_NOISE * float(shares[1:].max()), doubt), shares[1:], 0)


def _from_the_first_code(film: Film, numbers: Numbers) -> Numbers:
    """Numbers that are of the first code in the exposures: a mixture may be decoded as the one that fills most."""
    known = np.flatnonzero(numbers != NO_PULSE)
    if len(known) < WHOLE:
        return numbers
    shares = _shares(film.levels[known, 0], numbers[known])
    step = int(MIXED[np.argmax(shares >= FIRST * shares.max())]) if shares.any() else 0
    lap = CODE_PERIOD if int(numbers[known].min()) + step < 0 else 0
    return np.where(numbers == NO_PULSE, NO_PULSE, numbers + step + lap)

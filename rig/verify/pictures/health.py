"""Checks what the pictures look like: light enough and not too light, sharp, steady, and each one new.

What makes the pictures useless for most of a session fails; what is worth a look warns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.config.judging import TOLERANCES
from rig.session.run import Run, Stream
from rig.verify.clocks.paired import BOX_HZ
from rig.verify.findings import Finding, Numbers, Word, ranges_of, spelled
from rig.verify.looks import Looks, looks
from rig.verify.pictures.flicker import LEAST_PERCENT, find_beat
from rig.verify.pictures.leak import against_walk, between_pulses
from rig.verify.tolerances import Limit, limit

LASTING = 0.05  # share of the frames above the ceiling that makes a session useless: more than a flash or a blink
LEAST_SPREAD = 0.02  # of full scale, between the tiles of a picture that is neither black nor white all over


def check_saturation(run: Run) -> list[Finding]:
    """No more of a picture is at full scale than allowed, where nothing can be seen any more."""
    return [_light(run, stream, "saturation", "saturated_percent") for stream in run.streams.values()]


def check_darkness(run: Run) -> list[Finding]:
    """No more of a picture is nearly black than allowed."""
    return [_light(run, stream, "darkness", "dark_percent") for stream in run.streams.values()]


def _light(run: Run, stream: Stream, check: str, name: str) -> Finding:
    seen = looks(run, stream)
    shares, what = (seen.saturated, "at full scale") if check == "saturation" else (seen.dark, "nearly black")
    percent = 100 * shares.astype(np.float64)
    return _above(run, stream, _Measured(check, name, percent, f"% of the picture is {what}", "%", "pictures"))


def check_blur(run: Run) -> list[Finding]:
    """The sharpest edges of a picture are as sharp as a lens in focus makes them."""
    return [_blur(run, stream) for stream in run.streams.values()]


def _blur(run: Run, stream: Stream) -> Finding:
    blur = looks(run, stream).blur_px.astype(np.float64)
    said = "px is the standard deviation of the blur of the sharpest edges"
    return _above(run, stream, _Measured("blur", "blur_px", blur, said, "px", "pictures with edges"))


@dataclass(frozen=True)
class _Measured:
    """What was measured of the frames of a stream, against the limit `name`."""

    check: str
    name: str
    values: NDArray[np.float64]  # (n,), nan where not measured
    said: str  # what follows a value in a text
    unit: str
    counted: str  # what was looked at


def _above(run: Run, stream: Stream, measured: _Measured) -> Finding:
    """WARN for frames above the limit, FAIL when more than a few are above the ceiling."""
    allowed, ceiling = limit(run, measured.name), TOLERANCES[measured.name].ceiling
    values = measured.values
    seen = np.flatnonzero(np.isfinite(values))
    looked_at = f"{len(seen)} {measured.counted}"
    if not len(seen):
        return _finding(stream, measured.check, Word.NOT_MEASURED, None, allowed, looked_at, "none could be judged")
    usual = float(np.median(values[seen]))
    bad, useless = seen[values[seen] > allowed.value], seen[values[seen] > ceiling]
    text = f"{usual:.2f} {measured.said} (median), at most {values[seen].max():.2f}"
    if not len(bad):
        return _finding(stream, measured.check, Word.PASS, usual, allowed, looked_at, text)
    is_useless = len(useless) > LASTING * len(seen)
    where = _pulses(stream, useless if is_useless else bad)
    text += f"; {len(bad)} above the limit, {len(useless)} above {ceiling:g} {measured.unit}: pulses {spelled(where)}"
    word = Word.FAIL if is_useless else Word.WARN
    return _finding(stream, measured.check, word, usual, allowed, looked_at, text, where)


def check_flicker(run: Run) -> list[Finding]:
    """Lamps that follow the mains make no beat worth speaking of. A camera may not see them: then nothing is said."""
    return [_flicker(run, stream) for stream in run.streams.values()]


def _flicker(run: Run, stream: Stream) -> Finding:
    allowed, seen, pulses = limit(run, "flicker_percent"), looks(run, stream), stream.pulse_numbers
    chosen = np.flatnonzero(seen.is_good & (pulses >= 0))
    chosen = chosen[np.r_[True, np.diff(pulses[chosen]) > 0]] if len(chosen) else chosen
    fps = _fps(run, stream)
    own_frames = max(1, int(run.plan["group"]) // stream.divisor)
    beat = find_beat(seen.tiles[chosen], pulses[chosen] // stream.divisor, fps, own_frames)
    looked_at = f"{len(chosen)} pictures at {fps:.4g} a second"
    if beat is None:
        text = f"no beat of {LEAST_PERCENT:g} % or more: a ripple at a multiple of the frame rate could not be seen"
        return _finding(stream, "flicker", Word.NOT_MEASURED, None, allowed, looked_at, text)
    text = f"the light beats by {beat.percent:.2g} %, {beat.hz:.3g} times a second"
    word = _word(beat.percent, allowed)
    where = _pulses(stream, chosen[[0, -1]]) if word is not Word.PASS else ()
    return _finding(stream, "flicker", word, beat.percent, allowed, looked_at, text, where)


def check_leak(run: Run) -> list[Finding]:
    """No camera sees the flashing lamps of another one."""
    return [_leak(run, stream) for stream in run.streams.values()]


def _leak(run: Run, stream: Stream) -> Finding:
    allowed = limit(run, "leak_percent")
    between, walk = between_pulses(run, stream), against_walk(run, stream)
    found = [(leak, said) for leak, said in ((between, BETWEEN), (walk, WALK)) if leak is not None]
    looked_at = ", ".join(f"{leak.pictures} pictures {said}" for leak, said in found) or "no pictures"
    if not found:
        text = "it always exposed together with all others, or never"
        return _finding(stream, "leak", Word.NOT_MEASURED, None, allowed, looked_at, text)
    leak, _ = max(found, key=lambda pair: pair[0].share - pair[0].error)
    if not leak.is_seen:
        text = f"within {100 * leak.error:.2g} % no light of other lamps: they flash beside it, or are always lit"
        return _finding(stream, "leak", Word.NOT_MEASURED, None, allowed, looked_at, text)
    percent = 100 * leak.share
    text = f"{percent:.2g} % more light while other cameras expose: their lamps shine into this one"
    return _finding(stream, "leak", _word(percent, allowed), percent, allowed, looked_at, text)


def check_frozen(run: Run) -> list[Finding]:
    """Every picture is a new one: none shows what the one before showed, bit by bit."""
    return [_frozen(run, stream) for stream in run.streams.values()]


def _frozen(run: Run, stream: Stream) -> Finding:
    allowed, seen = limit(run, "frozen_frames"), looks(run, stream)
    places = np.flatnonzero(_repeats(stream, seen))
    looked_at = f"{int(seen.is_good.sum())} pictures"
    if not seen.is_good.any():
        return _finding(stream, "frozen", Word.NOT_MEASURED, None, allowed, looked_at, "none could be judged")
    if len(places) <= allowed.value:
        text = "each differs from the one before" if not len(places) else f"{len(places)} as the one before"
        return _finding(stream, "frozen", Word.PASS, len(places), allowed, looked_at, text, _pulses(stream, places))
    where = _pulses(stream, places)
    text = f"{len(places)} show what the picture before showed, under a number of their own: pulses {spelled(where)}"
    return _finding(stream, "frozen", Word.FAIL, len(places), allowed, looked_at, text, where)


def _repeats(stream: Stream, seen: Looks) -> NDArray[np.bool_]:
    """Frames of another number with the picture of the one before, or with the same means of all tiles."""
    rows, tiles = stream.frames, seen.tiles.reshape(len(seen.tiles), int(np.prod(seen.tiles.shape[1:])))
    if len(rows) < 2:
        return np.zeros(len(rows), bool)
    same = rows["checksum"][1:] == rows["checksum"][:-1]
    has_structure = np.ptp(tiles[1:], axis=1) > LEAST_SPREAD
    alike = (tiles[1:] == tiles[:-1]).all(axis=1) & has_structure
    is_other = rows["frame_number"][1:] != rows["frame_number"][:-1]  # one delivered twice has its number twice
    return np.asarray(np.r_[False, (same | alike) & is_other & seen.is_good[1:] & seen.is_good[:-1]], bool)


BETWEEN, WALK = "between those of others", "of the line walk"


def _fps(run: Run, stream: Stream) -> float:
    return BOX_HZ / (int(run.plan["period_ticks"]) * stream.divisor)


def _word(percent: float, allowed: Limit) -> Word:
    if percent <= allowed.value:
        return Word.PASS
    return Word.WARN if percent <= TOLERANCES[allowed.name].ceiling else Word.FAIL


def _pulses(stream: Stream, places: Numbers) -> tuple[tuple[int, int], ...]:
    pulses = stream.pulse_numbers[places]
    return ranges_of(pulses[pulses >= 0], stream.divisor)


def _finding(
    stream: Stream,
    check: str,
    word: Word,
    value: float | None,
    allowed: Limit,
    looked_at: str,
    text: str,
    where: tuple[tuple[int, int], ...] = (),
) -> Finding:
    return Finding(check, stream.name, word, value, str(allowed), looked_at, text, where, allowed.origin)

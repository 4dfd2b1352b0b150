"""Finds the beat of lamps that follow the mains: all tiles of a picture get brighter and darker together, steadily.

Lamps ripple at twice the frequency of the mains. Pictures at 100 fps see a ripple of 99.96 Hz as a beat of 0.04 Hz, and
one of just 100 Hz not at all. A face that moves makes some tiles brighter and others darker; the screen's light is
steady in no frequency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.verify.findings import Numbers

WINDOW_S = 120  # looked at together: holds five beats of 0.04 Hz
FEWEST_FRAMES = 128
HOLE_S = 1.0  # so long without a frame nothing is filled in
LEAST_LIGHT, MOST_LIGHT = 0.06, 0.95  # of full scale: mean of a tile that can show a ripple
FEWEST_TILES = 4  # of those, to tell what all have in common
LEAST_BEATS = 4  # in a window; fewer may be anything that drifts
LEAST_PERCENT = 0.2  # what is weaker is said to be none
LOBE = 3  # bins from a line at which the window (Hann) has let it go
NEAR, CLEAR = 24, 6.0  # bins to either side, of whose median a line is so many times higher
ALIKE = 0.5  # of the amplitude, by which most tiles may differ from what they have in common
MOST_TILES = 0.6  # marks and lamps of other kinds may fill the others

Tiles = NDArray[np.float32]
Spectrum = NDArray[np.complex128]


@dataclass(frozen=True)
class Beat:
    """Of the light: amplitude in percent of its mean, and how often a second it comes."""

    percent: float
    hz: float


def find_beat(tiles: Tiles, places: Numbers, fps: float, own_frames: int = 1) -> Beat | None:
    """The strongest beat in most of the windows of a stream; None when there is none.

    `tiles`: (n, ...) means of parts of the pictures; `places`: int64 (n,), rising: pulses over the divisor.
    `own_frames`: after so many frames the rig itself repeats, as lamps that flash for a slower camera do.
    """
    windows = list(_windows(tiles.reshape(len(tiles), int(np.prod(tiles.shape[1:]))), places, fps))
    beats = [beat for window in windows if (beat := _beat(window, fps, own_frames)) is not None]
    if not beats or 2 * len(beats) < len(windows):
        return None
    return Beat(*(float(np.median([getattr(beat, name) for beat in beats])) for name in ("percent", "hz")))


def _windows(tiles: Tiles, places: Numbers, fps: float) -> Iterator[Tiles]:
    """Stretches without holes, cut to windows, single frames that are missing filled in."""
    holes = np.flatnonzero(np.diff(places) > HOLE_S * fps) + 1
    for part in np.split(np.arange(len(places)), holes):
        if len(part) < FEWEST_FRAMES:
            continue
        whole = np.arange(places[part[0]], places[part[-1]] + 1)
        filled = np.stack([np.interp(whole, places[part], tile) for tile in tiles[part].T], axis=1)
        count = max(1, round(len(whole) / (WINDOW_S * fps)))
        yield from (window for window in np.array_split(filled, count) if len(window) >= FEWEST_FRAMES)


def _beat(tiles: Tiles, fps: float, own_frames: int) -> Beat | None:
    """The strongest steady line that the tiles of one window have in common."""
    means = tiles.mean(axis=0)
    lit = (means >= LEAST_LIGHT) & (means <= MOST_LIGHT)
    if lit.sum() < FEWEST_TILES:
        return None
    spectra = _spectra(tiles[:, lit] / means[lit])
    common = np.median(spectra.real, axis=1) + 1j * np.median(spectra.imag, axis=1)
    apart = np.quantile(np.abs(spectra - common[:, np.newaxis]), MOST_TILES, axis=1)
    height = np.abs(common)
    for own in range(own_frames):
        middle = round(own * len(tiles) / own_frames)
        height[max(0, middle - LOBE + 1) : middle + LOBE] = 0
    for place in np.argsort(-height)[:NEAR].tolist():
        if place < LEAST_BEATS or 100 * height[place] < LEAST_PERCENT or apart[place] > ALIKE * height[place]:
            continue
        if _is_line(height, place):
            return _between_bins(height, place, fps / len(tiles))
    return None


def _between_bins(height: NDArray[np.float64], place: int, bin_hz: float) -> Beat:
    """A line's own frequency and amplitude, by the shape that the window (Hann) gives to one between two bins."""
    side = 1 if place + 1 < len(height) and height[place + 1] >= height[place - 1] else -1
    ratio = height[place + side] / height[place]
    off = float(np.clip((2 * ratio - 1) / (ratio + 1), 0, 0.5))
    kept = float(np.sinc(off)) / (1 - off**2)
    return Beat(100 * float(height[place]) / kept, (place + side * off) * bin_hz)


def _spectra(series: Tiles) -> Spectrum:
    """Amplitudes of the lines in each series, (bins, series), without what changes steadily."""
    count = len(series)
    time = np.linspace(-1, 1, count)[:, np.newaxis]
    level = series - series.mean(axis=0)
    level = level - time * (time * level).sum(axis=0) / (time**2).sum()
    window = np.hanning(count)
    return np.asarray(np.fft.rfft(level * window[:, np.newaxis], axis=0) * 2 / window.sum())


def _is_line(height: NDArray[np.float64], place: int) -> bool:
    """Whether a line is narrow, and far above what lies around it, drift having the less the faster it is."""
    beside = [at for at in (place - LOBE, place + LOBE) if 0 < at < len(height)]
    near = np.arange(max(1, place - NEAR), min(len(height), place + NEAR + 1))
    near = near[np.abs(near - place) >= LOBE]
    is_narrow = all(height[at] < height[place] / 2 for at in beside)
    return is_narrow and bool(len(near)) and bool(place * height[place] > CLEAR * np.median(near * height[near]))

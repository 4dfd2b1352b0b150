"""How blurred the sharpest edges of a picture are, in px, whatever their contrast.

The slope of an edge that a Gaussian of standard deviation s has blurred is contrast / sqrt(2 pi (s^2 + a^2)) at its
steepest, once the picture is smoothed by another of deviation a. Smoothed by b it is less steep, and the ratio of both
slopes tells s alone:

    r = slope_a / slope_b = sqrt((s^2 + b^2) / (s^2 + a^2))        s^2 = (b^2 - r^2 a^2) / (r^2 - 1)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FINE_PX, COARSE_PX = 1.5, 3.0  # a and b: the fine one takes the noise of single pixels away
FULL = 0.97  # of full scale: where light was cut off, and where it is nothing at all, edges look steeper than they are
REACH_PX = 5  # so far around such a pixel, and from the border
FAINT, FAINT_SD = 0.2, 0.668  # the fifth of all slopes that is flattest is noise; its end in standard deviations
LEAST_SD = 6.0  # standard deviations of that noise, of an edge that is believed
STEEPEST = 0.02  # share of all pixels: the steepest edges are looked at, ...
SHARPEST = 0.15  # ... and told is what this share of them is sharper than: most edges of a face are round
FEWEST = 12  # pixels of edges, to say anything
SORTED = 20_000  # of all slopes so many, evenly apart, tell how steep they are

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
Box = tuple[int, int, int, int]  # top, left, bottom, right, px; the last two are the first outside


def blur_px(grey: Grey, left_out: Sequence[Box] = ()) -> float:
    """Standard deviation of the blur of the sharpest edges, px; nan where no edge stands out of the noise.

    `grey`: linear, (height, width), 0 to 1. `left_out`: what is no part of the scene, as sync LEDs.
    """
    import cv2  # takes 0.2 s to load, and only judging needs it

    fine, coarse = (_slopes(np.asarray(cv2.GaussianBlur(grey, (0, 0), px), np.float32)) for px in (FINE_PX, COARSE_PX))
    slope = np.sqrt(fine[0] ** 2 + fine[1] ** 2)
    usable = _usable(grey, left_out)
    some = slope[usable][:: max(1, grey.size // SORTED)]
    if not len(some):
        return float("nan")
    faint, steep = np.quantile(some, [FAINT, 1 - STEEPEST])
    least = max(LEAST_SD * float(faint) / FAINT_SD, float(steep), 1e-6)
    chosen = _ridges(slope, np.flatnonzero(usable & (slope >= least)), *fine)
    if len(chosen) < FEWEST:
        return float("nan")
    steep_coarse = np.sqrt(coarse[0].flat[chosen] ** 2 + coarse[1].flat[chosen] ** 2)
    return float(np.quantile(_blurs_px(slope.flat[chosen] / np.maximum(steep_coarse, 1e-9)), SHARPEST))


def _slopes(grey: Grey) -> tuple[Grey, Grey]:
    """Down and across, per px; 0 at the border."""
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    down[1:-1] = (grey[2:] - grey[:-2]) / 2
    across[:, 1:-1] = (grey[:, 2:] - grey[:, :-2]) / 2
    return down, across


def _ridges(slope: Grey, places: Places, down: Grey, across: Grey) -> Places:
    """Those of the places, none at the border, where the slope is steeper than beside them, along its own way."""
    step = np.where(np.abs(across.flat[places]) >= np.abs(down.flat[places]), 1, slope.shape[1])
    here = slope.flat[places]
    return places[(here >= slope.flat[places - step]) & (here > slope.flat[places + step])]


def _usable(grey: Grey, left_out: Sequence[Box]) -> Mask:
    """Where edges are as steep as the lens made them."""
    import cv2

    cut_off = ((grey >= FULL) | (grey <= 0)).astype(np.uint8)
    usable = cv2.dilate(cut_off, np.ones((2 * REACH_PX + 1, 2 * REACH_PX + 1), np.uint8)) == 0
    inner = np.zeros(grey.shape, bool)
    inner[REACH_PX:-REACH_PX, REACH_PX:-REACH_PX] = True
    for top, left, bottom, right in left_out:
        rows = slice(max(0, top - REACH_PX), max(0, bottom + REACH_PX))
        inner[rows, max(0, left - REACH_PX) : max(0, right + REACH_PX)] = False
    return np.asarray(usable & inner)


def _blurs_px(ratio: Grey) -> NDArray[np.float64]:
    """From the ratio of slopes, which noise may push out of what blur can make."""
    within = np.clip(ratio.astype(np.float64), 1 + 1e-6, COARSE_PX / FINE_PX)
    return np.sqrt((COARSE_PX**2 - within**2 * FINE_PX**2) / (within**2 - 1))

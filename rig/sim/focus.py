"""A lens that is out of focus: light spread by a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

import numpy as np

from rig.sim.response import Light

FAR = 4  # standard deviations; what lies beyond is less than a grey value


def out_of_focus(
    light: Light, sd_px: float, *, axes: Sequence[int] = (0, 1), beyond: Literal["edge", "wrap"] = "edge"
) -> Light:
    """Light blurred along `axes` by a standard deviation of `sd_px`; `beyond` its border the last of it goes on."""
    if not sd_px:
        return light
    reach = ceil(FAR * sd_px)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd_px) ** 2).astype(np.float32)
    weights /= weights.sum()
    for axis in axes:
        around = [(reach, reach) if axis == own else (0, 0) for own in range(light.ndim)]
        wide, size = np.moveaxis(np.pad(light, around, mode=beyond), axis, 0), light.shape[axis]
        spread = np.zeros_like(wide[:size])
        for first, weight in enumerate(weights):
            spread += weight * wide[first : first + size]
        light = np.moveaxis(spread, 0, axis)
    return light

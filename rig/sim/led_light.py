"""The sync LEDs as lights in a camera's scene, with its blur, its noise and its saturation.

    light = scene x (1 - weight) + (dark + contrast x share of the exposure) x weight      weight: 1 on an LED, else 0

Without a place in rig.yaml they are marks over the picture instead (`marks.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.config.rig import Camera, SimulatedLeds
from rig.sim.focus import out_of_focus
from rig.sim.marks import LEDS
from rig.sim.response import Light, Response, Roots

DARK = 0.04  # of a full well: an LED that is not lit
LEAST = 1e-4  # lighter weights are left out


class LedLight:
    """Draws them into pictures of one camera."""

    def __init__(self, leds: SimulatedLeds, camera: Camera, response: Response) -> None:
        self._contrast, self._response = leds.contrast, response
        blur_px = camera.simulated.blur_px
        down = _profile(camera.height, leds.y, leds.size_px, blur_px)
        self.rows = _seen(down)
        lefts = [leds.x + led * leds.spacing_px for led in range(LEDS)] if leds.in_view else []
        across = [_profile(camera.width, left, leds.size_px, blur_px) for left in lefts]
        self._columns = [_seen(profile) for profile in across]
        self._weights = [np.outer(down[self.rows], own[seen]) for own, seen in zip(across, self._columns, strict=True)]

    def add(self, picture: Roots, shares: NDArray[np.float64]) -> None:
        """Light up `picture`: `shares`, of the exposure in which each was lit: (3,), or (rows, 3) for row by row."""
        for led, (columns, weight) in enumerate(zip(self._columns, self._weights, strict=True)):
            seen = picture[self.rows, columns]
            level = DARK + self._contrast * shares[..., led].reshape(-1, 1)  # one, or one a row
            lit = self._response.roots(np.broadcast_to(level, weight.shape).astype(np.float32))
            part = weight[..., np.newaxis] if seen.ndim == 3 else weight
            seen[...] = np.sqrt(seen * seen * (1 - part) + lit * lit * part)


def _profile(size: int, first: int, width: int, blur_px: float) -> Light:
    """One side of an LED along a picture, 0 to 1, blurred."""
    profile = np.zeros(size, np.float32)
    profile[first : first + width] = 1
    return out_of_focus(profile, blur_px, axes=(0,))


def _seen(profile: Light) -> slice:
    """Where anything of it is."""
    there = np.flatnonzero(profile > LEAST)
    return slice(int(there[0]), int(there[-1]) + 1)

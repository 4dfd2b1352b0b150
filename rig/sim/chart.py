"""A test chart instead of a face: grey steps, and bright and dark bars with slanted edges that move at a known speed.

    rows 24 to height/2 - 1       8 grey steps, from left to right, each width/8 wide, of equal differences
    height/2 to height - 17       one bright and one dark bar, width/2 each, that move to the right by `width` px a
                                  second; each row lies 0.0875 px (5 degrees) further left than the one above

Light moves on while a row exposes: what an edge loses in sharpness is speed times exposure, exactly. Rows of a rolling
shutter begin one after another, so its edges lean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.config.rig import Camera
from rig.sim.focus import out_of_focus
from rig.sim.response import Response, Roots

STEPS, TOP, FOOT = 8, 24, 16
DARK, BRIGHT = 0.1, 0.7  # of a full well, in the exposure that is just right
FIRST, LAST = 0.04, 0.88  # of the grey steps
SLANT = 0.0875  # px a row, the tangent of 5 degrees
FINE = 64  # places in a pixel


class Chart:
    """One camera's view of the chart."""

    def __init__(self, camera: Camera, response: Response) -> None:
        self._width = camera.width
        self._rows = range(camera.height // 2, camera.height - FOOT)
        is_rolling = camera.simulated.shutter == "rolling"
        self._row_ns = camera.simulated.row_time_us * 1000 if is_rolling else 0.0
        white = camera.simulated.white_exposure_us or camera.exposure_us
        ratio = np.float32(camera.exposure_us / white)
        still = np.full((camera.height, camera.width), DARK, np.float32)
        still[TOP : camera.height // 2] = np.linspace(FIRST, LAST, STEPS)[np.arange(self._width) * STEPS // self._width]
        self._blur_px = camera.simulated.blur_px
        self._still = response.roots(out_of_focus(still, self._blur_px) * ratio)
        self._bars = self._moving(camera.exposure_us, response, ratio)

    def fill(self, out: Roots, begins_ns: int, exposure_ns: int) -> None:  # noqa: ARG002  always the camera's
        """The chart in an exposure into `out`."""
        out[...] = self._still
        for row in self._rows:
            moved = (begins_ns + row * self._row_ns) / NS % 1 * self._width - SLANT * row
            fine = round(-moved * FINE) % (self._width * FINE)
            first, place = divmod(fine, FINE)
            out[row] = self._bars[place, first : first + self._width]

    def _moving(self, exposure_us: float, response: Response, ratio: np.float32) -> Roots:
        """A row of bars as an exposure sees it that begins at each place of the bars: (FINE, 2 width)."""
        moves = self._width * exposure_us / 1e6  # px
        begins = np.arange(2 * self._width) + np.arange(FINE)[:, np.newaxis] / FINE
        ends = begins - moves
        parts = self._twice_summed(begins + 1) - self._twice_summed(begins)
        parts -= self._twice_summed(ends + 1) - self._twice_summed(ends)
        light = DARK + (BRIGHT - DARK) * (0.5 + parts / moves)
        seen = out_of_focus(light.astype(np.float32), self._blur_px, axes=(1,), beyond="wrap")
        return response.roots(seen * ratio)

    def _twice_summed(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The second integral of the bars, +1/2 where bright and -1/2 where dark: once for a pixel, once for time."""
        bar = self._width / 2
        within = x % bar
        hill = within * (within - bar) / 4
        return np.where(x // bar % 2 == 0, hill, -hill)

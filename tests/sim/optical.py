"""Takes pictures with a simulated camera's optics, without a world around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from rig.config.rig import Camera
from rig.pixels import FORMATS, unpack
from rig.sim.expressions import Shown
from rig.sim.leds import LedHistory
from rig.sim.light import Lamps, ScreenLight
from rig.sim.optics import Exposure, Optics

NS, US, MS = 1_000_000_000, 1_000, 1_000_000


def camera(**changes: Any) -> Camera:
    """A simulated camera, 320 x 240 px, 4 ms."""
    usual = {"backend": "simulated", "serial": "s", "line": 0, "divisor": 1}
    return Camera.model_validate(usual | {"exposure_us": 4000.0, "width": 320, "height": 240} | changes)


class Eye:
    """One camera; what it took is given as samples, one array element each."""

    def __init__(
        self, config: Camera, scene: Literal["face", "chart"] = "face", *, seed: int = 1, lamps: Lamps | None = None
    ) -> None:
        self.leds, self.glow, self.shown = LedHistory(), ScreenLight(), set[Shown]()
        self.config, self.form = config, FORMATS[config.pixel_format]
        self._optics = Optics(config, self.leds, self.glow, seed=seed, scene=scene, tell=self.shown.add, lamps=lamps)

    def stored(self, host_ns: int, pulse: int = 7, *, exposure_us: float | None = None) -> np.ndarray:
        """A picture as delivered."""
        out = np.zeros(self.form.shape(self.config.height, self.config.width), self.form.dtype)
        lasts_ns = round((exposure_us or self.config.exposure_us) * US)
        self._optics.expose(out, Exposure(host_ns, lasts_ns, pulse))
        return out

    def take(self, host_ns: int, pulse: int = 7, *, exposure_us: float | None = None) -> np.ndarray:
        """A picture's samples."""
        stored = self.stored(host_ns, pulse, exposure_us=exposure_us)
        return unpack(stored, self.form, self.config.height, self.config.width)

    def film(self, times_ns: Iterable[int]) -> np.ndarray:
        """Pictures of several moments as float, (n, height, width) or (n, height, width, 3)."""
        return np.array([self.take(host_ns) for host_ns in times_ns], float)

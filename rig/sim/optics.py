"""What one simulated camera sees: its picture of an exposure, in its own pixel format.

    scene (face.py, chart.py) --> light while a row exposes --> electrons, noise, grey values (response.py)
                                       sync LEDs placed in it (led_light.py) ---+
    sync LEDs (leds.py), pulse number -----------------------> marks over it (marks.py) --> samples, packed or not

A picture depends on the seed and on the exposure alone: the same one drawn again is the same picture. Where a computer
is too slow to draw them as they are exposed, some are drawn beforehand, and only the marks are drawn over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rig.config.rig import Camera
from rig.pixels import FORMATS
from rig.sim.chart import Chart
from rig.sim.expressions import Tell
from rig.sim.face import Face
from rig.sim.led_light import LedLight
from rig.sim.leds import LedHistory
from rig.sim.light import Lamps, ScreenLight
from rig.sim.marks import Marks, marked_rows
from rig.sim.response import Noise, Response, Roots, packed
from rig.streams import Picture

STEP_NS = 10_000_000  # from one to the next of the pictures that are drawn beforehand
SCREEN_SHARE = 0.1  # of the lamps' light, that a white screen adds on the face


@dataclass(frozen=True)
class Exposure:
    """One exposure; of a rolling shutter that of row 0."""

    begins_ns: int  # host clock of the world
    exposure_ns: int
    pulse: int  # that caused it; NO_PULSE for a ghost


class Scene(Protocol):
    """What stands before a camera."""

    def fill(self, out: Roots, begins_ns: int, exposure_ns: int) -> None:
        """What is seen by the light of the lamps in an exposure as long as the camera's, as roots (see `response`)."""


class Optics:
    """Lens and sensor of one camera."""

    def __init__(
        self,
        camera: Camera,
        leds: LedHistory,
        glow: ScreenLight,
        *,
        seed: int,
        scene: Literal["face", "chart"],
        tell: Tell,
        lamps: Lamps | None = None,
    ) -> None:
        """It sees the `leds` and, on a face, the `glow` of the screen; `tell` hears of each movement of the face.

        `lamps`: None: steady ones.
        """
        form, sensor = FORMATS[camera.pixel_format], camera.simulated
        self._leds, self._glow = leds, glow
        self._row_ns = sensor.row_time_us * 1000 if sensor.shutter == "rolling" else 0.0
        self._height = camera.height
        self._usual_ns = camera.exposure_us * 1000
        is_visible = sensor.spectrum == "visible"
        self._sees_screen = scene == "face" and is_visible
        self._lamps = lamps or Lamps()
        self._ripples = is_visible and self._lamps.ripples
        self._leak = sensor.nir_leak_percent / 100 if is_visible else 0.0
        self._response = Response(sensor, form)
        is_face = scene == "face"
        self._scene: Scene = (
            Face(camera, self._response, seed=seed, tell=tell) if is_face else Chart(camera, self._response)
        )
        shape = (camera.height, camera.width, form.channels)[: 3 if form.channels > 1 else 2]
        self._noise = Noise(shape, self._response.noise, np.random.default_rng((seed, camera.line, 23)))
        self._roots: Roots = np.zeros(shape, np.float32)
        self._form = form
        self._samples: Picture = np.zeros(shape if form.is_packed else 0, np.uint16)
        self._marks = Marks(self._response.white)
        self._led_light = LedLight(sensor.leds, camera, self._response) if sensor.leds else None
        self._led_rows = self._led_light.rows if self._led_light else marked_rows(camera.height)
        self._drawn = self._draw_beforehand(sensor.pre_rendered, shape)

    def expose(self, out: Picture, exposure: Exposure) -> None:
        """Draw what it sees into `out`, of the shape and dtype of the camera's pixel format (see `rig.pixels`)."""
        begins_ns, lasts_ns = exposure.begins_ns, exposure.exposure_ns
        samples = self._samples if self._form.is_packed else out
        if len(self._drawn):
            samples[...] = self._drawn[begins_ns // STEP_NS % len(self._drawn)]
        else:
            self._draw(samples, begins_ns, lasts_ns)
        self._marks.number(samples, exposure.pulse)
        if self._led_light is None:
            self._marks.leds(samples, self._led_shares(begins_ns, lasts_ns))
        if self._form.is_packed:
            out[...] = packed(samples, self._form)

    def _draw_beforehand(self, count: int, shape: tuple[int, ...]) -> Picture:
        """So many pictures as they would be seen one after the other."""
        drawn: Picture = np.zeros((count, *shape), np.uint8 if self._form.bits == 8 else np.uint16)
        for number, samples in enumerate(drawn):
            self._draw(samples, number * STEP_NS, round(self._usual_ns))
        return drawn

    def _draw(self, samples: Picture, begins_ns: int, lasts_ns: int) -> None:
        """Everything but the marks."""
        self._scene.fill(self._roots, begins_ns, lasts_ns)
        np.multiply(self._roots, np.asarray(self._brightness(begins_ns, lasts_ns) ** 0.5, np.float32), out=self._roots)
        if self._led_light is not None:
            self._led_light.add(self._roots, self._led_shares(begins_ns, lasts_ns))
        np.add(self._roots, self._noise.at(begins_ns), out=self._roots)
        self._response.develop(self._roots, samples)

    def _brightness(self, begins_ns: int, lasts_ns: int) -> float | NDArray[np.float64]:
        """Light to that of the lamps in the usual exposure; of a rolling shutter that of its middle row.

        The ripple of the lamps is that of each row: (height, 1), or (height, 1, 1) with colours.
        """
        bright = lasts_ns / self._usual_ns
        middle_ns = begins_ns + round(self._row_ns * self._height / 2)
        if self._sees_screen:
            bright *= 1 + SCREEN_SHARE * self._glow.mean(middle_ns, middle_ns + lasts_ns)
        if self._leak:
            bright *= 1 + self._leak * self._lamps.near_infrared(middle_ns, middle_ns + lasts_ns)
        if not self._ripples:
            return bright
        starts = begins_ns + self._row_ns * np.arange(self._height if self._row_ns else 1, dtype=np.float64)
        return (bright * self._lamps.visible(starts, lasts_ns)).reshape(-1, *[1] * (self._roots.ndim - 1))

    def _led_shares(self, begins_ns: int, lasts_ns: int) -> NDArray[np.float64]:
        """The share of the exposure in which each LED was lit; row by row where rows differ."""
        if not self._row_ns:
            return np.array(self._leds.shares(begins_ns, begins_ns + lasts_ns))
        rows = range(self._led_rows.start, self._led_rows.stop)
        starts = [begins_ns + round(self._row_ns * row) for row in rows]
        return np.array([self._leds.shares(start, start + lasts_ns) for start in starts])

"""The face that simulated cameras look at: a photograph that sways with the head, makes faces and blinks.

The head sways on a straight line, one way and back in 3 s. A camera's views of it are rendered beforehand, a quarter
of a pixel apart, each blurred by the way that the head makes there during an exposure. On them the movements of the
face are drawn as they come.

The photograph is NASA's portrait of Eileen Collins, public domain, from the scikit-image package. Its own values are
taken for light: so the pictures look right on a screen, as those of a linear camera would not.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from math import asin, ceil, pi, sin
from pathlib import Path

import numpy as np
from PIL import Image

from rig.config.rig import Camera
from rig.pixels import FORMATS
from rig.sim.expressions import Performance, Tell
from rig.sim.focus import out_of_focus
from rig.sim.response import Light, Response, Roots
from rig.sim.warp import LEFT_EYE, MOVEMENTS, RIGHT_EYE, Warp

SWAY_NS = 3_000_000_000
SWAY_PART = 1 / 128  # of the picture's width, to either side
VIEWS_PER_PX = 4
MOST_BYTES = 64 << 20  # of all views of a camera; larger pictures have fewer
WHITE = 0.78  # of a full well: what a white of the photograph gives in the exposure that is just right
MIDDLE_X, WIDTH, HEIGHT, SIDE = 226, 260, 195, 512  # the head in the photograph, at 4:3 from its upper edge; px
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
IRIS, GLINT = 5.2, 0.9  # radii, px of the photograph

Box = tuple[float, float, float, float]  # left, upper, right, lower


@cache
def _photograph() -> Image.Image:
    spec = importlib.util.find_spec("skimage")
    assert spec is not None and spec.origin is not None
    return Image.open(Path(spec.origin).parent / "data" / "astronaut.png").convert("RGB")


class Face:
    """One camera's views of the face."""

    def __init__(self, camera: Camera, response: Response, *, seed: int, tell: Tell) -> None:
        """`tell` hears of each movement that a picture shows; often."""
        form = FORMATS[camera.pixel_format]
        self._tell, self._performance = tell, Performance(seed)
        turn = np.random.default_rng((seed, 19)).uniform(0, 2 * pi)
        reach = SWAY_PART * camera.width
        self._reach = reach * np.sin(turn), reach * np.cos(turn)  # y, x, px
        margin = ceil(reach) + 1
        size = camera.height + 2 * margin, camera.width + 2 * margin
        box = _box(*size)
        light = _light(size, box, camera)
        self._views = self._rendered(light, response, camera, margin)
        scale = size[1] / (box[2] - box[0]), size[0] / (box[3] - box[1])
        place = -box[0] * scale[0] - margin, -box[1] * scale[1] - margin
        step = 2 if form.pattern else 1
        self._warps = {kind: [Warp(part, place, scale, step) for part in MOVEMENTS[kind]] for kind in MOVEMENTS}

    def fill(self, out: Roots, begins_ns: int, exposure_ns: int) -> None:
        """The face in an exposure into `out`."""
        middle_ns = begins_ns + exposure_ns // 2
        place = sin(2 * pi * (middle_ns % SWAY_NS) / SWAY_NS)
        view = round((place + 1) / 2 * (len(self._views) - 1))
        out[...] = self._views[view]
        moved = round(-place * self._reach[0]), round(-place * self._reach[1])
        for shown in self._performance.at(middle_ns):
            self._tell(shown)
            for warp in self._warps[shown.kind]:
                warp.apply(out, shown.strength(middle_ns), moved)

    def _rendered(self, light: Light, response: Response, camera: Camera, margin: int) -> Roots:
        """The views from one end of the sway to the other."""
        reach = SWAY_PART * camera.width
        one = response.roots(light[: camera.height, : camera.width])
        count = max(1, min(round(2 * reach * VIEWS_PER_PX) + 1, MOST_BYTES // one.nbytes))
        views = np.empty((count, *one.shape), np.float32)
        for view, place in zip(views, np.linspace(-1, 1, count) if count > 1 else (0.0,), strict=True):
            path = _path(float(place), camera.exposure_us * 1000, reach)
            seen: Light = np.zeros((camera.height, camera.width, *light.shape[2:]), np.float32)
            for at in path:
                seen += _cut(light, (margin + at * self._reach[0], margin + at * self._reach[1]), camera)
            seen /= len(path)
            view[...] = response.roots(seen)
        return views


def _path(place: float, exposure_ns: float, reach: float) -> list[float]:
    """Where the head is at even moments of an exposure in whose middle it is at `place`, -1 to 1 of the sway.

    The same on its way there and back.
    """
    turn, turned = asin(place), 2 * pi * min(exposure_ns / SWAY_NS, 1)
    count = 2 + ceil(2 * turned * reach)  # at least two a pixel
    return [sin(turn + turned * ((k + 0.5) / count - 0.5)) for k in range(count)]


def _cut(light: Light, corner: tuple[float, float], camera: Camera) -> Light:
    """The part of the camera's size whose upper left corner is at y, x; between pixels linearly."""
    (i, fy), (j, fx) = ((int(at), np.float32(at % 1)) for at in corner)
    part = light[i : i + camera.height + 1, j : j + camera.width + 1]
    rows = part[:-1] * (1 - fy) + part[1:] * fy
    return np.asarray(rows[:, :-1] * (1 - fx) + rows[:, 1:] * fx, np.float32)


def _box(height: int, width: int) -> Box:
    """The part of the photograph that a picture of this shape shows: the head, and what is around it."""
    aspect = width / height
    box_width = min(max(WIDTH, HEIGHT * aspect), 2 * MIDDLE_X)
    box_height = min(max(HEIGHT, WIDTH / aspect), SIDE)
    return MIDDLE_X - box_width / 2, 0, MIDDLE_X + box_width / 2, box_height


def _light(size: tuple[int, int], box: Box, camera: Camera) -> Light:
    """What the lamps make of the photograph in one exposure: (height, width), with colours (height, width, 3)."""
    form, sensor = FORMATS[camera.pixel_format], camera.simulated
    resized = _photograph().resize(size[::-1], Image.Resampling.BICUBIC, box)
    photo: Light = np.asarray(resized, np.float32) / np.float32(255)
    if sensor.spectrum == "near_infrared":
        photo = _near_infrared(photo, box)
    elif form.channels == 1 and not form.pattern:
        photo = photo @ LUMINANCE
    ratio = camera.exposure_us / (sensor.white_exposure_us or camera.exposure_us)
    return out_of_focus(photo, sensor.blur_px) * np.float32(WHITE * ratio)


def _near_infrared(photo: Light, box: Box) -> Light:
    """The photograph as if taken in near-infrared: skin, hair and cloth are bright, and pupils shine back."""
    rows, columns = photo.shape[:2]
    light = np.float32(0.15) + np.float32(0.85) * photo[..., 0] ** np.float32(0.8)
    y = np.linspace(box[1], box[3], rows, dtype=np.float32)[:, np.newaxis]
    x = np.linspace(box[0], box[2], columns, dtype=np.float32)
    for eye_x, eye_y in (LEFT_EYE, RIGHT_EYE):
        away = np.hypot(x - eye_x, y - eye_y)
        iris = (1.5 - away / IRIS).clip(0, 1)  # soft at its edge
        light = np.where(iris > 0, np.maximum(light, iris * np.float32(0.62)), light)
        light = np.maximum(light, (away < GLINT) * np.float32(1))
    return light

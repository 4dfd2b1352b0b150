"""Pictures to store: a face as a camera sees it, every one with noise of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from rig.streams import Picture

GAIN = 255 / 10_500  # grey values an electron: a full well of 10,500
READ_NOISE = 0.2  # grey values
FACE = (60, 20, 380, 260)  # left, top, right, bottom in the photograph, px


def faces(height: int, width: int, count: int) -> Picture:
    """uint8 (count, height, width): the photograph, moved by a pixel or two, with photon and read noise."""
    rng = np.random.default_rng(6)
    scene = _scene(height + 4, width + 4)
    made = np.empty((count, height, width), np.uint8)
    for picture in made:
        top, left = rng.integers(0, 5, 2)
        light = scene[top : top + height, left : left + width]
        noise = rng.standard_normal((height, width), np.float32) * np.sqrt(GAIN * light + READ_NOISE**2)
        picture[:] = np.clip(np.rint(light + noise), 0, 255)
    return made


def _scene(height: int, width: int) -> NDArray[np.float32]:
    photo = Image.fromarray(data.astronaut()).convert("L").crop(FACE)
    return np.asarray(photo.resize((width, height), Image.Resampling.BICUBIC), np.float32)

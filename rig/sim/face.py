"""What the simulated cameras see: a photograph of a face that moves a little, sync LEDs, and a burnt-in number.

    +-----------------------------+   the pulse number, eight seven-segment digits of 12 x 20 px, top left;
    |00000123                     |   eight dashes on a frame that no pulse caused
    |            face             |
    |                             |   sync LEDs A, B1, B2 of 8 x 8 px, 12 px above the lower edge, 16 px apart from
    |A B1 B2                      |   x = 4: as bright as the share of the exposure in which each was lit
    +-----------------------------+

The photograph is NASA's portrait of Eileen Collins, public domain, from the scikit-image package.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from rig.sim.leds import Shares
from rig.streams import NO_PULSE, Picture

VIEWS = 32  # pre-rendered positions of the head
PULSES_A_VIEW = 6  # how long the head stays in each, base periods
TILES = 8  # pre-made noise pictures: drawing noise afresh would cost half a core
DIGITS, DIGIT_WIDTH, DIGIT_HEIGHT = 8, 12, 20
LED_PX, LED_STEP_PX, LED_X, LED_UP = 8, 16, 4, 12
LED_OFF, LED_SPAN = 10, 245  # grey value of a dark LED, and how much brighter a lit one is
FACE_BOX = (96, 0, 356, 195)  # the head in the 512 x 512 photograph, at 4:3

_SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg", "g")
_PLACES = {  # segment -> rows, columns within a digit
    "a": (slice(1, 3), slice(2, 10)),
    "b": (slice(2, 10), slice(8, 10)),
    "c": (slice(10, 18), slice(8, 10)),
    "d": (slice(17, 19), slice(2, 10)),
    "e": (slice(10, 18), slice(2, 4)),
    "f": (slice(2, 10), slice(2, 4)),
    "g": (slice(9, 11), slice(2, 10)),
}


def _glyphs() -> Picture:
    """The ten digits and the dash, uint8 (11, 20, 12)."""
    out = np.zeros((len(_SEGMENTS), DIGIT_HEIGHT, DIGIT_WIDTH), np.uint8)
    for glyph, lit in zip(out, _SEGMENTS, strict=True):
        for segment in lit:
            glyph[_PLACES[segment]] = 255
    return out


@cache
def _photograph() -> Image.Image:
    spec = importlib.util.find_spec("skimage")
    assert spec is not None and spec.origin is not None
    return Image.open(Path(spec.origin).parent / "data" / "astronaut.png").convert("RGB").crop(FACE_BOX)


class Face:
    """Draws what one camera sees. `band`: 0 visible grey, 1 visible green, 2 near-infrared (red, brighter skin)."""

    def __init__(self, height: int, width: int, *, band: int, noise: float, seed: int) -> None:
        rng = np.random.default_rng((seed, band))
        self._glyphs = _glyphs()
        self._views = _views(height, width, band, np.random.default_rng(seed))
        tiles = rng.normal(20, noise, (TILES, height, width))
        self._tiles: Picture = tiles.clip(0, 40).astype(np.uint8)
        self._led_top = height - LED_UP

    def draw(self, out: Picture, *, pulse: int, last_pulse: int, leds: Shares) -> None:
        """Draw the picture of `pulse` (NO_PULSE for a ghost) into `out`, uint8 (height, width).

        `leds`: the share of the exposure in which each sync LED was lit, 0 to 1.
        """
        view = self._views[last_pulse // PULSES_A_VIEW % VIEWS]
        np.add(view, self._tiles[last_pulse * 7 % TILES], out=out)
        self._burn(out, pulse)
        for led, share in enumerate(leds):
            left = LED_X + led * LED_STEP_PX
            out[self._led_top : self._led_top + LED_PX, left : left + LED_PX] = round(LED_OFF + LED_SPAN * share)

    def _burn(self, out: Picture, pulse: int) -> None:
        text = [10] * DIGITS if pulse == NO_PULSE else [int(c) for c in f"{pulse:08d}"]
        for place, digit in enumerate(text):
            left = place * DIGIT_WIDTH
            out[:DIGIT_HEIGHT, left : left + DIGIT_WIDTH] = self._glyphs[digit]


def _views(height: int, width: int, band: int, rng: np.random.Generator) -> Picture:
    """The face at VIEWS positions of a small loop, uint8 (VIEWS, height, width), 0..200 to leave room for noise."""
    margin = max(2, width // 64)
    size = (width + 2 * margin, height + 2 * margin)
    photo = np.asarray(_photograph().resize(size, Image.Resampling.BICUBIC), np.float32)
    grey = photo.mean(2) if band == 0 else photo[..., 1 if band == 1 else 0]
    grey = grey * 0.78 if band < 2 else 60 + grey * 0.55
    phase = np.arange(VIEWS) * 2 * np.pi / VIEWS
    turn = rng.uniform(0, 2 * np.pi, 2)
    x = np.rint(margin * (1 + 0.9 * np.sin(phase + turn[0]))).astype(int)
    y = np.rint(margin * (1 + 0.9 * np.sin(2 * phase + turn[1]))).astype(int)
    return (
        np.stack([grey[j : j + height, i : i + width] for i, j in zip(x, y, strict=True)]).clip(0, 200).astype(np.uint8)
    )

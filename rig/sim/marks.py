"""What is drawn over every simulated picture: a burnt-in pulse number and the three sync LEDs.

    +-----------------------------+   the pulse number, eight seven-segment digits of 12 x 20 px, top left;
    |00000123                     |   eight dashes on a frame that no pulse caused
    |            scene            |
    |                             |   sync LEDs A, B1, B2 of 8 x 8 px, 12 px above the lower edge, 16 px apart from
    |A B1 B2                      |   x = 4: as bright as the share of the exposure in which each was lit
    +-----------------------------+

Marks have no noise and no colour, so that what they say can be read from a single picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.streams import NO_PULSE, Picture

DIGITS, DIGIT_WIDTH, DIGIT_HEIGHT = 8, 12, 20
LEDS, LED_PX, LED_STEP_PX, LED_X, LED_UP = 3, 8, 16, 4, 12
LED_OFF, LED_SPAN = 10, 245  # of 255: a dark LED, and how much brighter a lit one is

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
_DASH = len(_SEGMENTS) - 1


class Marks:
    """Draws them into pictures whose samples go from 0 to `white`, (height, width) or (height, width, 3)."""

    def __init__(self, white: int) -> None:
        self._white = white
        self._glyphs = _glyphs(white)

    def number(self, out: Picture, pulse: int) -> None:
        """The number of `pulse`; dashes for NO_PULSE."""
        text = [_DASH] * DIGITS if pulse == NO_PULSE else [int(c) for c in f"{pulse:08d}"]
        for place, digit in enumerate(text):
            left = place * DIGIT_WIDTH
            out[:DIGIT_HEIGHT, left : left + DIGIT_WIDTH] = _over(out, self._glyphs[digit])

    def leds(self, out: Picture, shares: NDArray[np.float64]) -> None:
        """The LEDs: `shares`, of the exposure in which each was lit, 0 to 1: (3,), or (LED_PX, 3) for row by row."""
        greys = np.rint((LED_OFF + LED_SPAN * shares) * (self._white / 255)).astype(out.dtype)
        rows = marked_rows(len(out))
        for led in range(LEDS):
            left = LED_X + led * LED_STEP_PX
            grey = greys[..., led].reshape(-1, 1)  # one, or one a row
            out[rows, left : left + LED_PX] = _over(out, grey)


def marked_rows(height: int) -> slice:
    """The rows of the LEDs in a picture of this height."""
    return slice(height - LED_UP, height - LED_UP + LED_PX)


def _over(out: Picture, grey: Picture) -> Picture:
    """Grey values (rows, columns) in a shape that fits the picture's."""
    return grey if out.ndim == 2 else grey[..., np.newaxis]


def _glyphs(white: int) -> Picture:
    """The ten digits and the dash, (11, 20, 12)."""
    out = np.zeros((len(_SEGMENTS), DIGIT_HEIGHT, DIGIT_WIDTH), np.uint16)
    for glyph, lit in zip(out, _SEGMENTS, strict=True):
        for segment in lit:
            glyph[_PLACES[segment]] = white
    return out

"""Reads the number that the simulated cameras burn into their pictures, from the drawing in docs alone.

Eight digits of 12 x 20 px from the upper left corner; each has seven segments, sampled in their middles.
"""

from __future__ import annotations

import numpy as np

_POINTS = {"a": (1, 6), "b": (6, 9), "c": (14, 9), "d": (18, 6), "e": (14, 2), "f": (6, 2), "g": (10, 6)}
_DIGITS = dict(
    zip(
        ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg"),
        range(10),
        strict=True,
    )
)
NO_PULSE = -1


def burnt_in_number(picture: np.ndarray) -> int:
    """The number in a picture (height, width); -1 when it shows eight dashes."""
    lit = ["".join(s for s, (y, x) in _POINTS.items() if picture[y, x + 12 * place] > 128) for place in range(8)]
    if lit == ["g"] * 8:
        return NO_PULSE
    return int("".join(str(_DIGITS["".join(sorted(segments))]) for segments in lit))

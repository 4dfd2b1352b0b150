"""How a movement of the face shifts its picture: bumps of displacement at brows and mouth corners, and eyelids.

It is applied to the view that is drawn, and so moves with the head. All of it ends softly, so that no seam shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from rig.sim.expressions import Movement
from rig.sim.response import Roots

Field = NDArray[np.float32]


@dataclass(frozen=True)
class Bump:
    """A part of the face that is shifted, most in its middle. All in pixels of the photograph (512 x 512)."""

    x: float  # its middle
    y: float
    half_width: float
    half_height: float
    dx: float  # how far its middle moves at strength 1
    dy: float

    def shift(self, x: Field, y: Field, strength: float) -> tuple[Field, Field]:
        """How far what is at (x, y) has come, along x and y; `x` a row, `y` a column."""
        across = (1 - ((x - self.x) / self.half_width).clip(-1, 1) ** 4) ** 2
        down = (1 - ((y - self.y) / self.half_height).clip(-1, 1) ** 2) ** 2
        window = down * across * np.float32(strength)
        return window * np.float32(self.dx), window * np.float32(self.dy)


@dataclass(frozen=True)
class Lid:
    """An upper eyelid that closes over its eye; the skin above it, from the crease on, is stretched."""

    x: float  # middle of the eye
    y: float
    half_width: float = 13.0
    half_height: float = 15.0  # of all that it touches
    upper: float = 4.2  # from the middle up to the open lid, down to the lower one, and up to the crease
    lower: float = 5.6
    crease: float = 12.0

    def shift(self, x: Field, y: Field, strength: float) -> tuple[Field, Field]:
        """How far what is at (x, y) has come, along x and y; `x` a row, `y` a column."""
        arch = 1 - ((x - self.x) / self.half_width).clip(-1, 1) ** 2
        crease, opened = self.y - self.crease, self.y - self.upper * arch
        edge = opened + np.float32(strength) * (self.upper + self.lower) * arch
        came_from = crease + (y - crease) * (opened - crease) / (edge - crease)
        shifted = np.where((y > crease) & (y < edge), y - came_from, np.float32(0))
        return np.zeros_like(shifted), shifted


LEFT_EYE, RIGHT_EYE = (203.0, 100.7), (247.3, 103.2)  # left and right of the picture
MOVEMENTS: dict[Movement, tuple[Bump | Lid, ...]] = {
    Movement.BROW_RAISE: (Bump(202, 88, 20, 11, 0, -2.4), Bump(251, 92, 20, 11, 0, -2.4)),
    Movement.BROW_LOWER: (Bump(207, 90, 18, 10, 1.2, 1.8), Bump(245, 93, 18, 10, -1.2, 1.8)),
    Movement.LIP_CORNER_UP: (Bump(205, 141, 16, 14, -1.4, -2.4),),
    Movement.LIP_CORNERS_DOWN: (Bump(205, 143, 15, 13, 0, 2.2), Bump(244, 144, 15, 13, 0, 2.2)),
    Movement.BLINK: (Lid(*LEFT_EYE), Lid(*RIGHT_EYE)),
}


class Warp:
    """One moving part in pictures of one size."""

    def __init__(self, part: Bump | Lid, place: tuple[float, float], scale: tuple[float, float], step: int) -> None:
        """`place`: x, y of the photograph's origin in the picture, px, while the head is in the middle of its sway.

        `scale`: pixels of the picture per pixel of the photograph, along x and y. `step`: 2 for mosaics, whose colours
        must not mix, else 1.
        """
        self._part, self._scale, self._step = part, scale, step
        columns = _around(*(place[0] + scale[0] * (part.x + side * part.half_width) for side in (-1, 1)))
        rows = _around(*(place[1] + scale[1] * (part.y + side * part.half_height) for side in (-1, 1)))
        self._corner = rows.start, columns.start
        self._size = len(rows), len(columns)
        self._x: Field = ((np.array(columns, np.float32) - np.float32(place[0])) / np.float32(scale[0]))[np.newaxis]
        self._y: Field = ((np.array(rows, np.float32) - np.float32(place[1])) / np.float32(scale[1]))[:, np.newaxis]

    def apply(self, picture: Roots, strength: float, moved: tuple[int, int]) -> None:
        """Shift what is in `picture`, (height, width) or (height, width, 3), the head being `moved` by y, x px."""
        step, (rows, columns) = self._step, self._size
        top, left = (corner + way for corner, way in zip(self._corner, moved, strict=True))
        seen = picture[max(top, 0) : top + rows, max(left, 0) : left + columns]
        if seen.shape[:2] != self._size:  # a picture that shows only a part of the face
            return
        dx, dy = self._part.shift(self._x, self._y, strength)
        dx, dy = dx * np.float32(self._scale[0] / step), dy * np.float32(self._scale[1] / step)
        for row in range(step):
            for column in range(step):
                own = slice(row, None, step), slice(column, None, step)
                seen[own] = _shifted(seen[own].copy(), dy[own], dx[own])


def _around(first: float, last: float) -> range:
    """The whole pixels of an interval, with those that it begins and ends in."""
    return range(floor(first), ceil(last) + 1)


def _shifted(plane: Roots, dy: Field, dx: Field) -> Roots:
    """The plane, each pixel taken from (dy, dx) before it; between pixels linearly."""
    rows, columns = plane.shape[:2]
    y = np.clip(np.arange(rows, dtype=np.float32)[:, np.newaxis] - dy, 0, rows - 1.001)
    x = np.clip(np.arange(columns, dtype=np.float32) - dx, 0, columns - 1.001)
    i, j = y.astype(np.intp), x.astype(np.intp)
    fy, fx = y - i, x - j
    if plane.ndim == 3:
        fy, fx = fy[..., np.newaxis], fx[..., np.newaxis]
    flat, at = plane.reshape(rows * columns, *plane.shape[2:]), i * columns + j
    upper = flat[at] * (1 - fx) + flat[at + 1] * fx
    lower = flat[at + columns] * (1 - fx) + flat[at + columns + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, np.float32)

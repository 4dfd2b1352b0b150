"""How pictures of a head differ once its own motion is taken out, and how much moves from one to the next.

    reference --> moved onto the picture by shift and rotation ---+
    picture ------------------------------------------------------+--> 128 + picture - reference

A pixel of the picture is looked for in the reference at a place turned about the middle and shifted. That motion is
searched for in pictures of at most 160 px: roughly by phase correlation, then by least squares, in which what does not
move with the rest (an expression, an eyelid, a LED) counts little, and so does the margin, where there is no head.

Pictures are samples, uint8 or uint16 (height, width) of `bits` bits, or red, green, blue, uint8 (height, width, 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, hypot, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8 | np.uint16 | np.uint32]
Plane = NDArray[np.float32]  # (height, width), in steps of 8 bits
Affine = NDArray[np.float64]  # (2, 3)

SAME = 128  # a pixel of a difference where both pictures are equal
REDUCED_PX = 160  # the longer side of the pictures in which motion is searched for and measured
LEAST_PX, LEAST_CONTRAST = 16, 1.0  # below that there is nothing to search for motion in
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
STILL_PX = 0.05  # at a corner: not told from noise, and to move a picture by less would only blur it
MOST_OF_SIDE = 0.25  # a motion longer than that part of the longer side is none of a head
ROUNDS = 12
ENDS_AT_PX = 0.003  # a correction below that, in a reduced picture, is the last
LEAST_SCALE = 1.0  # deviations up to twice the median one count nearly in full, or up to so many steps


@dataclass(frozen=True)
class Motion:
    """Where a picture's pixels lie in its reference: turned about the middle, then shifted; pixels and radians."""

    dx: float = 0.0
    dy: float = 0.0
    turn: float = 0.0

    def affine(self, width: int, height: int) -> Affine:
        """From a place (x, y, 1) in a picture of this size to one in the reference."""
        turned = np.array([[cos(self.turn), -sin(self.turn)], [sin(self.turn), cos(self.turn)]])
        middle = _middle(width, height)
        return np.column_stack([turned, middle - turned @ middle + (self.dx, self.dy)])

    def scaled(self, factor: float) -> Motion:
        """The same in pictures so many times as large."""
        return Motion(self.dx * factor, self.dy * factor, self.turn)

    def corner_px(self, width: int, height: int) -> float:
        """How far a corner of a picture of this size is moved at most."""
        return hypot(self.dx, self.dy) + abs(self.turn) * hypot(width, height) / 2


def registered_difference(reference: Samples, picture: Samples, bits: int = 8) -> NDArray[np.uint8]:
    """What changed from `reference` to `picture` beside the motion of the whole: uint8 (height, width).

    128 is equal, one step more is brighter by a 256th of the full range; of colours their luma is compared. Also 128
    is what the moved reference does not reach. Both of one shape, else ValueError.
    """
    import cv2  # takes 0.2 s and 25 MB to load: only when a difference is asked for

    motion = registration(reference, picture, bits)
    plane, other = _grey(picture, bits), _grey(reference, bits)
    height, width = plane.shape
    if motion != Motion():
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        matrix = motion.affine(width, height)
        other = _array(cv2.warpAffine(other, matrix, (width, height), flags=flags, borderValue=(np.nan,)))
    return np.asarray(np.nan_to_num(np.rint(plane - other) + SAME, nan=SAME).clip(0, 255), np.uint8)


def registration(reference: Samples, picture: Samples, bits: int = 8) -> Motion:
    """The motion of the whole from `picture` to `reference`, to about 0.05 px.

    None where it is smaller, where none makes the pictures more alike, and of pictures without contrast. Both of one
    shape, else ValueError.
    """
    _same_shape(reference, picture)
    height, width = picture.shape[:2]
    small, small_reference = _reduced(picture, bits), _reduced(reference, bits)
    if min(small.shape) < LEAST_PX or min(small.std(), small_reference.std()) < LEAST_CONTRAST:
        return Motion()
    small, small_reference = _smooth(small), _smooth(small_reference)
    found = _Search(small_reference, small).motion(_shift(small_reference, small))
    motion = found.scaled(width / small.shape[1])
    is_a_heads = motion.corner_px(width, height) > STILL_PX and hypot(motion.dx, motion.dy) < MOST_OF_SIDE * width
    return motion if is_a_heads else Motion()


def energy(first: Samples, second: Samples, bits: int = 8) -> float:
    """Mean absolute difference of two pictures in steps of 8 bits, both reduced so that noise counts little."""
    _same_shape(first, second)
    return float(np.abs(_reduced(first, bits) - _reduced(second, bits)).mean())


class _Search:
    """Least squares over the three parameters of a motion; the picture's gradients are made once."""

    def __init__(self, reference: Plane, picture: Plane) -> None:
        import cv2

        self._reference, self._picture = reference, picture
        height, width = picture.shape
        gx, gy = (_array(cv2.Sobel(picture, cv2.CV_32F, *way, ksize=3, scale=1 / 8)) for way in ((1, 0), (0, 1)))
        middle_x, middle_y = _middle(width, height)
        x = np.arange(width, dtype=np.float32) - np.float32(middle_x)
        y = (np.arange(height, dtype=np.float32) - np.float32(middle_y))[:, np.newaxis]
        self._slopes = np.stack([gx, gy, gy * x - gx * y]).reshape(3, -1)  # per px of dx and dy, per radian of turn
        self._window = _window(width, height).ravel()

    def motion(self, rough: Motion) -> Motion:
        """The best one near `rough`; none if no motion is as good."""
        height, width = self._picture.shape
        motion = rough
        for _ in range(ROUNDS):
            correction = self._correction(motion)
            motion = _after(motion, correction, width, height)
            if correction.corner_px(width, height) < ENDS_AT_PX:
                break
        return motion if self._unlikeness(motion) < self._unlikeness(Motion()) else Motion()

    def _correction(self, motion: Motion) -> Motion:
        """By how much the picture would have to be moved to lie on the reference moved by `motion`."""
        deviation, weights = self._deviation(motion)
        scale = max(LEAST_SCALE, 2 * float(np.median(np.abs(deviation[::7]))))
        weighted = self._slopes * (weights / np.maximum(1, np.abs(deviation) / scale) ** 2)
        normal = weighted @ self._slopes.T + np.eye(3) * 1e-6
        dx, dy, turn = np.linalg.solve(normal, weighted @ deviation)
        return Motion(float(dx), float(dy), float(turn))

    def _unlikeness(self, motion: Motion) -> float:
        deviation, weights = self._deviation(motion)
        return float(np.abs(deviation) @ weights / max(weights.sum(), 1e-6))

    def _deviation(self, motion: Motion) -> tuple[Plane, Plane]:
        """The moved reference less the picture, without a difference of lighting, and what each pixel counts."""
        import cv2

        height, width = self._picture.shape
        matrix, flags = motion.affine(width, height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = _array(cv2.warpAffine(self._reference, matrix, (width, height), flags=flags, borderValue=(np.nan,)))
        deviation = (moved - self._picture).ravel()
        is_seen = ~np.isnan(deviation)
        deviation = np.where(is_seen, deviation, np.float32(0))
        return deviation - np.float32(np.median(deviation[::7])), self._window * is_seen


def _after(motion: Motion, correction: Motion, width: int, height: int) -> Motion:
    """`motion` from where `correction`, taken back, leads."""
    back = np.linalg.inv(np.vstack([correction.affine(width, height), (0, 0, 1)]))
    matrix = motion.affine(width, height) @ back
    middle = _middle(width, height)
    dx, dy = matrix[:, :2] @ middle + matrix[:, 2] - middle
    return Motion(float(dx), float(dy), atan2(matrix[1, 0], matrix[0, 0]))


def _shift(reference: Plane, picture: Plane) -> Motion:
    """A first guess without rotation, right to some tenths of a pixel."""
    import cv2

    height, width = picture.shape
    # copies, for it multiplies what it is given by the window
    (dx, dy), _ = cv2.phaseCorrelate(picture.copy(), reference.copy(), _window(width, height))
    return Motion(dx, dy)


def _window(width: int, height: int) -> Plane:
    """1 in the middle, 0 at the margin."""
    import cv2

    return _array(cv2.createHanningWindow((width, height), cv2.CV_32F))


def _middle(width: int, height: int) -> NDArray[np.float64]:
    return np.array([(width - 1) / 2, (height - 1) / 2])


def _grey(picture: Samples, bits: int) -> Plane:
    """In steps of 8 bits."""
    plane = picture @ LUMA if picture.ndim == 3 else picture.astype(np.float32)
    return plane * np.float32(2.0 ** (8 - bits))


def _reduced(picture: Samples, bits: int) -> Plane:
    """As `_grey`, by a whole factor smaller, so that no side is longer than REDUCED_PX."""
    factor = -(-max(picture.shape[:2]) // REDUCED_PX)
    height, width = (max(1, size // factor) for size in picture.shape[:2])
    blocks = picture[: height * factor, : width * factor]
    down, across = min(factor, len(blocks)), min(factor, blocks.shape[1])
    lines = blocks.reshape(height, down, -1).sum(axis=1, dtype=np.uint32)
    sums = lines.reshape(height, width, across, *picture.shape[2:]).sum(axis=2, dtype=np.uint32)
    return _grey(sums, bits) / np.float32(down * across)


def _smooth(plane: Plane) -> Plane:
    import cv2

    return _array(cv2.GaussianBlur(plane, (0, 0), 1.0))


def _array(made: Any) -> Plane:
    return np.asarray(made, np.float32)


def _same_shape(one: Samples, other: Samples) -> None:
    if one.shape != other.shape:
        raise ValueError(f"pictures of {one.shape} and {other.shape} cannot be compared; they must have one size")

"""What blinks in a stream's pictures as a sync LED does: regions of 2x2 px blocks, found without any coordinates.

LED A's code has a rule of its own: A of pulse n+20 is A of n+3 xor A of n, so that of the three none or two are lit.
Written as +1 and -1 their product is always -1; so it is for every second pulse, every fourth, and so on. It asks for
no pulse number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rig.verify.findings import Numbers
from rig.verify.pixels.code import ORDER, TAP

BLOCK_PX = 2  # side of a block; an LED of 4 px holds a whole one wherever it lies
TREND_FRAMES = 8  # to each side: what changes more slowly is the face, the film or the lamps, and is taken off
LEAST_SD = 0.015  # of full scale: LEDs of 10 % contrast vary by 5 %, in exposures over several pulses by 2.5
LEAST_ALIKE = 0.6  # correlation with the code; by chance one block in a million reaches 0.5 in 100 frames
LEAST_RULE = 0.5  # mean product of three, which noise lowers by the third power; 0.7 in a mixture of two codes
MOST_SD = 2.0  # standard deviations that a value may add to that product: a blink or a flash is no code
MOST_REPEATED = 0.6  # correlation of a block with itself 3, 17 and 20 frames on: the code's is 0
HALF = 0.5  # of the contrast of a region's best block: what has less is its glow, or its rim
CHUNK_BLOCKS = 32_768  # looked at together; keeps the memory for them below 100 MB
FULL = 65_535  # of a block's mean

Real = TypeVar("Real", bound=np.floating[Any])
Series = NDArray[np.float32]
Mask = NDArray[np.bool_]
Levels = NDArray[np.float64]
Judge = Callable[[Series], tuple[Series, Series]]  # of series without trend (n, k): likeness and contrast, each (k,)


@dataclass(frozen=True)
class Box:
    """A part of a picture, in px, or in blocks; `bottom` and `right` are the first outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def side(self) -> int:
        """The longer one."""
        return max(self.bottom - self.top, self.right - self.left)

    @property
    def within(self) -> tuple[slice, slice]:
        """What it cuts out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by: int) -> Box:
        """Larger on each side, but not beyond the upper left corner."""
        return Box(max(0, self.top - by), max(0, self.left - by), self.bottom + by, self.right + by)

    def in_px(self, origin: Box) -> Box:
        """A box of blocks, counted from the corner of `origin`, in px of the picture."""
        corners = (origin.top + self.top, origin.left + self.left, origin.top + self.bottom, origin.left + self.right)
        return Box(*(corner * BLOCK_PX for corner in corners))


@dataclass(frozen=True, eq=False)
class Sample:
    """Consecutive pictures in blocks: their mean grey from 0 to FULL, uint16 (n, down, across)."""

    blocks: NDArray[np.uint16]
    width: int  # of a picture, px

    @classmethod
    def of(cls, pictures: Iterable[NDArray[Any]]) -> Sample | None:
        """Of grey pictures (height, width), 0 to 1; None without any."""
        blocks, width = [], 0
        for picture in pictures:
            blocks.append(_in_blocks(picture))
            width = picture.shape[1]
        return cls(np.stack(blocks), width) if blocks else None

    @cached_property
    def lively(self) -> Numbers:
        """The blocks that vary enough to be an LED, counted row by row."""
        rows = [np.std(self.blocks[:, row], axis=0, dtype=np.float32) for row in range(self.blocks.shape[1])]
        return np.flatnonzero(np.stack(rows) >= LEAST_SD * FULL)

    def likeness(self, judge: Judge) -> Likeness:
        """What a judge says of each lively block."""
        shape = self.blocks.shape[1:]
        flat = self.blocks.reshape(len(self.blocks), -1)
        likeness, contrast = np.zeros((2, flat.shape[1]), np.float32)
        for begin in range(0, len(self.lively), CHUNK_BLOCKS):
            chosen = self.lively[begin : begin + CHUNK_BLOCKS]
            series = without_trend(flat[:, chosen].astype(np.float32) / np.float32(FULL))
            likeness[chosen], contrast[chosen] = judge(series)
        return Likeness(likeness.reshape(shape), contrast.reshape(shape))

    def mean_of(self, chosen: Mask) -> Levels:
        """The mean grey of some blocks in each picture, float64 (n,), 0 to 1."""
        return np.asarray(self.blocks[:, chosen].mean(axis=1, dtype=np.float64) / FULL)


def _in_blocks(picture: NDArray[Any]) -> NDArray[np.uint16]:
    height, width = (side // BLOCK_PX * BLOCK_PX for side in picture.shape)
    corners = [picture[y:height:BLOCK_PX, x:width:BLOCK_PX] for y in range(BLOCK_PX) for x in range(BLOCK_PX)]
    return np.asarray(sum(corners) * np.float32(FULL / len(corners)), np.uint16)


def without_trend(series: NDArray[Real]) -> NDArray[Real]:
    """Values (n, ...) less the mean of their neighbours in time, TREND_FRAMES to each side."""
    sums = np.concatenate([np.zeros_like(series[:1]), np.cumsum(series, axis=0, dtype=series.dtype)])
    index = np.arange(len(series))
    first, end = np.maximum(index - TREND_FRAMES, 0), np.minimum(index + TREND_FRAMES + 1, len(series))
    return np.asarray(series - ((sums[end] - sums[first]).T / (end - first)).T, series.dtype)


# How alike ------------------------------------------------------------------------------------------------------------


class Follows:
    """Judges whether blocks follow what an LED shows, by correlation."""

    def __init__(self, due: Levels, is_known: Mask) -> None:
        """`due`: share of the exposure in which it was lit, (n,); `is_known`: in which frames that is known, (n,)."""
        self._is_known = is_known
        self._due = without_trend(due.astype(np.float32))[is_known]
        self._power = float(self._due @ self._due)

    def __call__(self, series: Series) -> tuple[Series, Series]:
        """Likeness and contrast of each of the blocks in `series`, (n, k)."""
        series = series[self._is_known]
        common = self._due @ series
        alike = np.sqrt(self._power * np.einsum("ij,ij->j", series, series))
        return common / np.maximum(alike, 1e-9), np.abs(common) / max(self._power, 1e-9)


def keeps_the_rule(series: Series) -> tuple[Series, Series]:
    """Judges whether blocks keep LED A's rule, wherever in the code they are, and do not just repeat themselves."""
    deviation = series.std(axis=0)
    steps = np.clip(series / np.maximum(deviation, 1e-9), -MOST_SD, MOST_SD)
    now, some, later = steps[:-ORDER], steps[TAP : TAP - ORDER], steps[ORDER:]
    repeats = [np.abs((a * b).mean(axis=0)) for a, b in ((now, some), (some, later), (now, later))]
    return np.where(np.max(repeats, axis=0) < MOST_REPEATED, -(now * some * later).mean(axis=0), 0), 2 * deviation


@dataclass(frozen=True, eq=False)
class Region:
    """Neighbouring blocks that blink alike, (down, across)."""

    blocks: Mask
    sign: int  # 1: brighter when the LED is lit; -1: darker
    contrast: float  # of the grey from 0 to 1, their mean

    @cached_property
    def box(self) -> Box:
        """What encloses them, in blocks."""
        down, across = (np.flatnonzero(self.blocks.any(axis=axis)) for axis in (1, 0))
        return Box(int(down[0]), int(across[0]), int(down[-1]) + 1, int(across[-1]) + 1)


@dataclass(frozen=True, eq=False)
class Likeness:
    """How much each block looks like an LED: likeness from -1 to 1, and contrast, both (down, across)."""

    likeness: Series
    contrast: Series  # of the grey from 0 to 1, at least 0

    def brightest(self, least: float, count: int) -> Iterator[Region]:
        """Up to `count` regions around the brightest blocks that have a likeness of `least`, of either sign."""
        left = np.abs(self.likeness) >= least
        for _ in range(count):
            if not left.any():
                return
            seed = np.unravel_index(int(np.argmax(np.abs(self.likeness) * self.contrast * left)), left.shape)
            region = self._around((int(seed[0]), int(seed[1])), least)
            left[region.box.grown(1).within] = False
            yield region

    def _around(self, seed: tuple[int, int], least: float) -> Region:
        sign = int(np.sign(self.likeness[seed]))
        is_alike = (self.likeness * sign >= least) & (self.contrast >= HALF * self.contrast[seed])
        blocks = _connected(is_alike, seed)
        return Region(blocks, sign, float(self.contrast[blocks].mean()))


def _connected(mask: Mask, seed: tuple[int, int]) -> Mask:
    """The part of a mask that hangs together with `seed`, corners included."""
    found, todo = np.zeros_like(mask), [seed]
    while todo:
        y, x = todo.pop()
        if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and not found[y, x]:
            found[y, x] = True
            todo += [(y + down, x + across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    return found

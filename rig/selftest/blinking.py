"""Where a camera sees LED A blink, and how bright it is in each picture.

The first pictures are kept in blocks of 2x2 px, in which it is found by its rhythm; of all others only the blocks that
blink are read. They are kept apart: their halves say how much of what varies is noise, their rows what a rolling
shutter does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from rig.pixels import PixelFormat, samples_at, unpack
from rig.streams import Picture
from rig.verify.pixels.blinking import BLOCK_PX, FULL, LEAST_ALIKE, Region, Sample, Series, without_trend

FIND_FRAMES = 96  # by chance one block in 30 million that only makes noise is as alike as LEAST_ALIKE in so many
WHITE = 0.98  # of full scale: a block that is so bright may be clipped

Values = NDArray[np.float64]


class BlinksWith:
    """Judges whether blocks blink at the phases at which the pictures were taken, whenever the exposures began."""

    def __init__(self, turns: Values) -> None:
        """`turns`: the phase of the LED at the pulse of each picture, in periods of it, (n,)."""
        circle = 2 * np.pi * turns
        self._waves = [without_trend(wave(circle).astype(np.float32)) for wave in (np.cos, np.sin)]

    def __call__(self, series: Series) -> tuple[Series, Series]:
        """Likeness, and contrast, of each of the blocks in `series`, (n, k)."""
        common = np.hypot(*(wave @ series for wave in self._waves))
        power = np.sqrt(np.einsum("ij,ij->j", series, series))
        return np.sqrt(2 / len(series)) * common / np.maximum(power, 1e-9), 2 * common / len(series)


def find_led(sample: Sample, turns: Values) -> Region | None:
    """The blocks of the LED; None when nothing blinks with it."""
    return next(sample.likeness(BlinksWith(turns)).brightest(LEAST_ALIKE, 1), None)


@dataclass
class Watched:
    """The pictures of one camera, as far as they are kept."""

    form: PixelFormat
    height: int
    width: int
    blocks: list[NDArray[np.uint16]] = field(default_factory=list)  # of the pictures before it was found
    region: Region | None = None
    levels: list[NDArray[np.float32]] = field(default_factory=list)  # of the blocks of the region, then

    @property
    def is_found(self) -> bool:
        """Whether it was looked for with success."""
        return self.region is not None

    def take(self, picture: Picture) -> None:
        """Keep what is needed of a picture, which may be overwritten afterwards."""
        if self.region is None:
            self.blocks.append(self._in_blocks(picture))
        else:
            read = samples_at(picture.reshape(-1), self.form, self._index)
            self.levels.append(read.reshape(len(self.places), -1).mean(axis=1, dtype=np.float32) / self._white)

    def look(self, turns: Values) -> None:
        """Look for the LED in what was taken so far. `turns` as in BlinksWith."""
        sample = Sample(np.stack(self.blocks), self.width)
        self.region = find_led(sample, turns)
        if self.region is not None:
            self.levels = list((sample.blocks[:, self.region.blocks] / np.float32(FULL)).astype(np.float32))
            self.blocks = []
            self._index = self._samples_of(self.places)

    @property
    def places(self) -> NDArray[np.intp]:
        """Row and column of each block of the LED, (k, 2), in blocks."""
        assert self.region is not None
        return np.argwhere(self.region.blocks)

    @property
    def _white(self) -> np.float32:
        return np.float32((1 << self.form.bits) - 1)

    def _in_blocks(self, picture: Picture) -> NDArray[np.uint16]:
        """A Bayer mosaic stays one: each block has all its colours."""
        samples = unpack(picture, self.form, self.height, self.width)
        grey = samples.mean(axis=2, dtype=np.float32) if samples.ndim == 3 else samples
        found = Sample.of([grey / self._white])
        assert found
        return np.asarray(found.blocks[0])

    def _samples_of(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """The places of all samples of blocks in a picture, block by block."""
        corners = np.array([(y, x) for y in range(BLOCK_PX) for x in range(BLOCK_PX)])
        pixels = (places[:, np.newaxis] * BLOCK_PX + corners).reshape(-1, 2)
        index = (pixels[:, 0] * self.width + pixels[:, 1])[:, np.newaxis] * self.form.channels
        return np.asarray((index + np.arange(self.form.channels)).reshape(-1), np.intp)


@dataclass(frozen=True, eq=False)
class LedLevels:
    """Brightness of the LED, 0 to 1 of full scale, in pictures of one camera."""

    blocks: NDArray[np.float32]  # (n, k)
    places: NDArray[np.intp]  # (k, 2) row and column of each block

    @property
    def mean(self) -> Values:
        """Of the whole LED, (n,)."""
        return np.asarray(self.blocks.mean(axis=1, dtype=np.float64))

    @property
    def is_clipped(self) -> NDArray[np.bool_]:
        """Where some of it may be brighter than the camera can tell, (n,)."""
        return np.asarray((self.blocks >= WHITE).any(axis=1))

    @property
    def middle_row(self) -> float:
        """The row in which it has its middle, px."""
        return float(self.places[:, 0].mean() + 0.5) * BLOCK_PX - 0.5

    def of_row(self, row: int) -> Values:
        """Of its blocks in one row of blocks, (n,)."""
        return np.asarray(self.blocks[:, self.places[:, 0] == row].mean(axis=1, dtype=np.float64))

    def noise(self) -> float | None:
        """Standard deviation of `mean` by noise alone: what its blocks, taken in turn, do not do together.

        None when it has one block only.
        """
        is_odd = self.places.sum(axis=1) % 2 == 1
        counts = int(is_odd.sum()), int((~is_odd).sum())
        if 0 in counts:
            return None
        one, other = (self.blocks[:, chosen].mean(axis=1, dtype=np.float64) for chosen in (is_odd, ~is_odd))
        slope, offset = np.polyfit(other, one, 1)
        apart = float(np.std(one - offset - slope * other))
        return apart * sqrt(1 / len(self.places) / (1 / counts[0] + slope**2 / counts[1]))

"""Which pixels of a picture are looked at, where every picture is: a fixed grid, the same for all pictures of a stream.

TILES_DOWN x TILES_ACROSS tiles, each of TILE_SAMPLES x TILE_SAMPLES pixels evenly apart, their rows and columns
alternately even and odd: so all colours of a mosaic are in each tile; of three colours one pixel gives one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.pixels import PixelFormat, Samples, samples_at

TILES_DOWN, TILES_ACROSS, TILE_SAMPLES = 4, 4, 12
FULL = 0.99  # of full scale: what a pixel reads that took all light it can, with the noise of reading
NEARLY_BLACK = 0.1  # of full scale: below it a face has 26 of 256 grey values, and moves by one or two of them
REACH_PX = 2  # to the neighbours that must be full, too; of a mosaic they have the same colour

Shares = NDArray[np.float32]


@dataclass(frozen=True)
class Brightness:
    """Of k pictures, float32: `mean`, `saturated` and `dark` (k,), `tiles` (k, TILES_DOWN, TILES_ACROSS)."""

    mean: Shares
    saturated: Shares
    dark: Shares
    tiles: Shares


class Grid:
    """The grid in pictures of one format and size."""

    def __init__(self, form: PixelFormat, height: int, width: int) -> None:
        self._form, self._top = form, (1 << form.bits) - 1
        self.rows, self.columns = _spread(TILES_DOWN, height), _spread(TILES_ACROSS, width)
        around = [(0, 0), (-REACH_PX, 0), (REACH_PX, 0), (0, -REACH_PX), (0, REACH_PX)]
        places = [self._places(down, across, height, width) for down, across in around]
        self._index = np.concatenate(places)  # the samples, then their neighbours above, below, left and right

    def _places(self, down: int, across: int, height: int, width: int) -> NDArray[np.intp]:
        """Of all samples of a tile, then of the next; moved by so many px."""
        rows, columns = (self.rows + down).clip(0, height - 1), (self.columns + across).clip(0, width - 1)
        pixels = rows[:, np.newaxis] * width + columns
        if self._form.channels > 1:
            pixels = pixels * self._form.channels + np.add.outer(self.rows, self.columns) % self._form.channels
        in_tiles = pixels.reshape(TILES_DOWN, TILE_SAMPLES, TILES_ACROSS, TILE_SAMPLES).swapaxes(1, 2)
        return np.asarray(in_tiles.reshape(-1), np.intp)

    def look(self, pictures: Samples, is_scene: NDArray[np.bool_] | None = None) -> Brightness:
        """How bright k stored pictures are. `is_scene`: of all samples those that may count as saturated."""
        values = samples_at(pictures.reshape(len(pictures), -1), self._form, self._index)
        around = values.reshape(len(pictures), 5, -1)
        centres = around[:, 0]
        tiles = centres.reshape(len(pictures), TILES_DOWN * TILES_ACROSS, -1).mean(2, dtype=np.float32)
        tiles /= np.float32(self._top)
        # A mark of two pixels' width, or a glint, is no light that the exposure must be set for.
        is_full = around.min(axis=1) >= FULL * self._top
        is_full = is_full if is_scene is None else is_full & is_scene
        is_dark = centres <= NEARLY_BLACK * self._top
        grid = tiles.reshape(-1, TILES_DOWN, TILES_ACROSS)
        return Brightness(tiles.mean(1, dtype=np.float32), _share(is_full), _share(is_dark), grid)

    def is_outside(self, boxes: list[tuple[int, int, int, int]]) -> NDArray[np.bool_]:
        """Of all samples those that lie in none of the boxes: top, left, bottom, right, px."""
        rows, columns = self.rows[:, np.newaxis], self.columns
        is_inside = np.zeros((len(self.rows), len(self.columns)), bool)
        for top, left, bottom, right in boxes:
            is_inside |= (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        in_tiles = is_inside.reshape(TILES_DOWN, TILE_SAMPLES, TILES_ACROSS, TILE_SAMPLES).swapaxes(1, 2)
        return ~in_tiles.reshape(-1)


def _spread(tiles: int, size: int) -> NDArray[np.intp]:
    """Places of samples along a side of `size` px, evenly apart, alternately even and odd where there is room."""
    count = tiles * TILE_SAMPLES
    places = ((np.arange(count) + 0.5) * size / count).astype(np.intp)
    if size >= 2 * count:
        places += (places + np.arange(count)) % 2
    return places.clip(0, size - 1)


def _share(which: NDArray[Any]) -> Shares:
    return np.asarray(which.mean(axis=1, dtype=np.float32))

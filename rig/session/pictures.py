"""Reads the pictures of one stream of a run, and compares each with the checksum taken when it arrived."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from rig.errors import ChecksumError
from rig.session.opening import reading
from rig.streams import Picture


@dataclass(frozen=True)
class Part:
    """What one file of a run holds of a stream: its pictures and their rows."""

    path: Path
    pictures: h5py.Dataset
    frames: NDArray[np.void]  # FRAME (n,)


class Pictures:
    """The pictures of a stream, read one at a time from the files of its run, as its camera delivered them.

    `shape` is (n, ...) and `dtype` as in rig.pixels: uint8 (n, height, width) for Mono8.
    """

    def __init__(self, stream: str, parts: Sequence[Part]) -> None:
        self._stream, self._parts = stream, parts
        self._starts = [0, *accumulate(len(part.frames) for part in parts)]
        self.shape = (self._starts[-1], *parts[0].pictures.shape[1:])
        self.dtype = parts[0].pictures.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: int) -> Picture:
        """Picture `index` as delivered. Raises IndexError, or ChecksumError naming the frame."""
        return self.read(index)

    def read(self, index: int, *, check_sums: bool = True) -> Picture:
        """Picture `index` as delivered, newly read; with `check_sums` compared with its checksum.

        Raises IndexError outside the stream, ChecksumError naming stream, index and pulse, Truncated.
        """
        part, place = self._place(range(len(self))[index])
        with reading(part.path, f"picture {index} of {self._stream}"):
            picture: Picture = part.pictures[place]
        if check_sums and xxhash.xxh3_64_intdigest(picture.tobytes()) != int(part.frames["checksum"][place]):
            raise self._damage(part, place)
        return picture

    def _place(self, index: int) -> tuple[Part, int]:
        """The part that holds picture `index`, and its place in there."""
        number = bisect_right(self._starts, index) - 1
        return self._parts[number], index - self._starts[number]

    def _damage(self, part: Part, place: int) -> ChecksumError:
        pulse = int(part.frames["pulse_number"][place])
        problem = f"frame {place} (pulse {pulse}) differs from what the camera delivered"
        hint = "The other frames are read one by one and may be good: rig verify counts them"
        return ChecksumError(f"{part.path}: stream {self._stream}", problem, hint=hint)

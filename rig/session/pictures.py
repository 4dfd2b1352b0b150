"""Reads the pictures of one stream from a run file, and compares each with the checksum taken when it arrived."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from rig.errors import ChecksumError
from rig.session.opening import reading
from rig.streams import Picture


class Pictures:
    """The pictures of a stream, read one at a time from the file, as its camera delivered them.

    `frames` are their rows. `shape` is (n, ...) and `dtype` as in rig.pixels: uint8 (n, height, width) for Mono8.
    """

    def __init__(self, path: Path, stream: str, dataset: h5py.Dataset, frames: NDArray[np.void]) -> None:
        self._path, self._stream, self._dataset, self._frames = path, stream, dataset, frames
        self.shape = (len(frames), *dataset.shape[1:])
        self.dtype = dataset.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: int) -> Picture:
        """Picture `index` as delivered. Raises IndexError, or ChecksumError naming the frame."""
        return self.read(index)

    def read(self, index: int, *, check_sums: bool = True) -> Picture:
        """Picture `index` as delivered, newly read; with `check_sums` compared with its checksum.

        Raises IndexError outside the stream, ChecksumError naming stream, index and pulse, Truncated.
        """
        index = range(len(self))[index]
        with reading(self._path, f"picture {index} of {self._stream}"):
            picture: Picture = self._dataset[index]
        if check_sums and not self.is_intact(index, picture):
            raise self._damage(index)
        return picture

    def is_intact(self, index: int, picture: Picture) -> bool:
        """Whether `picture` is what the camera delivered as frame `index`."""
        return bool(xxhash.xxh3_64_intdigest(picture.tobytes()) == int(self._frames["checksum"][index]))

    def _damage(self, index: int) -> ChecksumError:
        pulse = int(self._frames["pulse_number"][index])
        problem = f"frame {index} (pulse {pulse}) differs from what the camera delivered"
        hint = "The other frames are read one by one and may be good: rig verify counts them"
        return ChecksumError(f"{self._path}: stream {self._stream}", problem, hint=hint)

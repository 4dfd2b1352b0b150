"""Reads compressed pictures one at a time, of a closed file and of one that is recorded or was left by a crash.

    closed:      chunk i of the data set is the payload of picture i: any reader with the filter bitshuffle knows it
    not closed:  row i of `packed` says where in `/heap` the payload of picture i lies

A payload is looked at before it is unpacked (packing.py): HDF5's own filter may crash on a damaged one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rig.session import layout, packing
from rig.streams import Picture

_PAYLOAD = np.dtype([("stream", "<u4"), ("index", "<u4"), ("length", "<u4"), ("offset", "<u8")])


def packed_rows(file: h5py.File) -> dict[str, NDArray[np.void]]:
    """Of a file with a heap: the PACKED rows of each compressed data set, by its path, up to where one is missing.

    Payloads behind a missing one were never acknowledged: a sync that acknowledges one covers all before it.
    """
    tables = {layout.data_path(name): f"{layout.ACQUISITION}/{name}/packed" for name in file[layout.ACQUISITION]}
    rows = {data: layout.written(file[table][:]) for data, table in tables.items() if table in file}
    counts = np.bincount(in_order(list(rows.values()))["stream"], minlength=len(rows))
    return {data: of_stream[:count] for (data, of_stream), count in zip(rows.items(), counts, strict=True)}


def in_order(rows: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """The payloads of all streams as they follow each other in the heap, up to where one is missing.

    `rows`: PACKED of each stream. Returns for each payload the stream it is of (its place in `rows`), the index of its
    picture, length and offset.
    """
    found = np.concatenate([_payloads(stream, of_stream) for stream, of_stream in enumerate(rows)])
    found = found[np.argsort(found["offset"], kind="stable")]
    is_wrong = found["offset"] != np.cumsum(found["length"], dtype=np.uint64) - found["length"]
    is_wrong |= found["length"] == 0
    for stream in range(len(rows)):
        is_own = found["stream"] == stream
        is_wrong[is_own] |= found["index"][is_own] != np.arange(is_own.sum())
    return found[: np.argmax(is_wrong)] if is_wrong.any() else found


def _payloads(stream: int, rows: NDArray[np.void]) -> NDArray[np.void]:
    found = np.zeros(len(rows), _PAYLOAD)
    found["stream"], found["index"] = stream, np.arange(len(rows))
    found["length"], found["offset"] = rows["length"], rows["offset"]
    return found


def is_raw(pictures: h5py.Dataset, length: int) -> bool:
    """Whether a payload of this length is a picture that was not compressed."""
    return bool(length == pictures.dtype.itemsize * prod(pictures.shape[1:]))


class PackedPictures(ABC):
    """The pictures of one data set: `shape` (n, ...) and `dtype` as if they were not compressed."""

    def __init__(self, data: h5py.Dataset, count: int) -> None:
        self.name = str(data.name)
        self.shape: tuple[int, ...] = (count, *data.shape[1:])
        self.dtype: np.dtype[Any] = data.dtype

    def __getitem__(self, index: int) -> Picture:
        """Picture `index`, newly read. Raises packing.DamagedPayload, or what h5py raises."""
        payload, is_raw = self._payload(index)
        return packing.unpack(payload, self.shape[1:], self.dtype, is_raw=is_raw)

    @abstractmethod
    def _payload(self, index: int) -> tuple[bytes, bool]:
        """The payload of a picture, and whether it was stored raw."""


class ChunkPictures(PackedPictures):
    """The pictures of a closed file."""

    def __init__(self, data: h5py.Dataset) -> None:
        super().__init__(data, data.shape[0])
        self._data = data

    def _payload(self, index: int) -> tuple[bytes, bool]:
        mask, payload = self._data.id.read_direct_chunk(layout.chunk_of(index, self.shape[1:]))
        return payload, bool(mask & packing.STORED_RAW)


class HeapPictures(PackedPictures):
    """The pictures of a file that is not closed."""

    def __init__(self, data: h5py.Dataset, rows: NDArray[np.void], heap: h5py.Dataset) -> None:
        """`rows`: those of `packed_rows`."""
        super().__init__(data, len(rows))
        self._rows, self._heap = rows, heap
        self._picture_bytes = prod(self.shape[1:]) * self.dtype.itemsize

    def _payload(self, index: int) -> tuple[bytes, bool]:
        start, length = int(self._rows["offset"][index]), int(self._rows["length"][index])
        if length > self._picture_bytes:
            raise packing.DamagedPayload("its row says that it is longer than its picture")
        return self._heap[start : start + length].tobytes(), length == self._picture_bytes


def is_compressed(data: h5py.Dataset) -> bool:
    """Whether the pictures of a data set go through this filter and no other."""
    filters = data.id.get_create_plist()
    return bool(filters.get_nfilters() == 1 and filters.get_filter(0)[0] == packing.FILTER)

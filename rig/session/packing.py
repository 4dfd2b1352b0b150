"""Compresses a picture without loss as HDF5's filter bitshuffle-LZ4 does, and back: the same bytes, without HDF5.

    [ bytes of the picture, 8, big endian | bytes of a block, 4, big endian | blocks: length, 4, big endian, LZ4 ]

The filter sorts the bits of a block of samples by their place, the highest of all samples first, before LZ4 looks for
repetitions: there is noise in the low bits alone. Samples that fill no block of eight stand as they are at the end.
HDF5's own lock lets one picture through at a time; the library behind its filter, called here, works in many threads.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.streams import Picture

FILTER = 32008  # of bitshuffle, as registered with the HDF Group
OPTIONS = (0, 2)  # block size of the library's choice, LZ4
STORED_RAW = 1  # chunk's filter mask: not filtered
LEAST_BYTES = 2048  # HDF5 gathers smaller pieces in blocks of its own; smaller payloads are filled up with zeros
LEAST_PICTURE_BYTES = 2 * LEAST_BYTES  # smaller pictures are not compressed
_HEAD, _LENGTH = struct.Struct(">QI"), struct.Struct(">I")
_GROUP = 8  # samples whose bits are sorted together


class DamagedPayload(ValueError):
    """A payload is none, or is not the one that was written."""


class _Library:
    """The functions of the library that the filter consists of; they hold no lock of Python's."""

    def __init__(self) -> None:
        import hdf5plugin  # what does without it starts quicker; importing it makes HDF5 know the filter

        library = ctypes.CDLL(hdf5plugin.get_config().registered_filters["bshuf"])
        size, place = ctypes.c_size_t, ctypes.c_void_p
        self.compress, self.decompress = library.bshuf_compress_lz4, library.bshuf_decompress_lz4
        for function in (self.compress, self.decompress):
            function.argtypes, function.restype = [place, place, size, size, size], ctypes.c_int64
        self.bound, self.block = library.bshuf_compress_lz4_bound, library.bshuf_default_block_size
        self.bound.argtypes, self.bound.restype = [size, size, size], size
        self.block.argtypes, self.block.restype = [size], size


@cache
def _library() -> _Library:
    return _Library()


def register() -> None:
    """Make the filter known to HDF5, in this process."""
    _library()


def room_for(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes that the payload of a picture can have at most while it is made."""
    return _HEAD.size + int(_library().bound(prod(shape), dtype.itemsize, 0)) + LEAST_BYTES


def pack(picture: Picture, out: NDArray[np.uint8]) -> memoryview:
    """The payload of a picture, in the memory of `out`, which has `room_for` it; other threads run meanwhile.

    One that compression does not make smaller is kept as it is: its payload has the length of the picture.
    """
    source = np.ascontiguousarray(picture)
    itemsize = source.itemsize
    block = int(_library().block(itemsize))
    to = out.ctypes.data + _HEAD.size
    length = _HEAD.size + int(_library().compress(source.ctypes.data, to, source.size, itemsize, block))
    payload = out.data
    if length < _HEAD.size or max(length, LEAST_BYTES) >= source.nbytes:
        payload[: source.nbytes] = source.reshape(-1).view(np.uint8).data
        return payload[: source.nbytes]
    _HEAD.pack_into(payload, 0, source.nbytes, block * itemsize)
    if length < LEAST_BYTES:
        out[length:LEAST_BYTES] = 0
    return payload[: max(length, LEAST_BYTES)]


def unpack(payload: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], *, is_raw: bool) -> Picture:
    """The picture of a payload, which `is_raw` where it was not compressed.

    Raises DamagedPayload, and does nothing worse, whatever the bytes are.
    """
    out: Picture = np.empty(shape, dtype)
    if is_raw:
        if len(payload) != out.nbytes:
            raise DamagedPayload("it has another length than the picture")
        out.reshape(-1).view(np.uint8)[:] = np.frombuffer(payload, np.uint8)
        return out
    used = _walk(payload, out)
    _, block_bytes = _HEAD.unpack_from(payload)
    # A buffer of its own that ends where the payload ends: the library itself does not look how long it is.
    source = ctypes.create_string_buffer(payload[_HEAD.size :], len(payload) - _HEAD.size)
    block = block_bytes // out.itemsize
    done = int(_library().decompress(source, out.ctypes.data, out.size, out.itemsize, block))
    if done != used - _HEAD.size:
        raise DamagedPayload("its blocks are not what they were")
    return out


def _walk(payload: bytes, picture: Picture) -> int:
    """How many bytes of a payload the blocks of `picture` take, by their own lengths. Raises DamagedPayload."""
    if len(payload) < _HEAD.size:
        raise DamagedPayload("it is too short")
    told, block_bytes = _HEAD.unpack_from(payload)
    block = int(block_bytes) // picture.itemsize
    if told != picture.nbytes or block < _GROUP or block_bytes % (_GROUP * picture.itemsize):
        raise DamagedPayload("its head is not what it was")
    full, rest = divmod(picture.size, block)
    at = _HEAD.size
    for _ in range(full + (rest >= _GROUP)):
        if at + _LENGTH.size > len(payload):
            raise DamagedPayload("its end is missing")
        at += _LENGTH.size + int(_LENGTH.unpack_from(payload, at)[0])
    at += rest % _GROUP * picture.itemsize
    if at > len(payload):
        raise DamagedPayload("its end is missing")
    return at

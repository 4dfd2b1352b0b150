"""Writes a closed run file again with its pictures compressed (bitshuffle and LZ4), and all else as it was.

Readers need HDF5's filter 32008, which `hdf5plugin` brings. The copy is compared with its source picture by picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import xxhash

from rig import host
from rig.errors import ChecksumError, StorageError
from rig.private import made
from rig.session import layout
from rig.session.arming import LIBVER
from rig.session.copying import Pace
from rig.session.opening import open_file
from rig.session.rewriting import copy_attributes

_HINT = "The source was not touched. Run the same command again: this file is compressed anew"


def is_of_use(path: Path) -> bool:
    """Whether a stream of a closed run file is not compressed; the few pictures of the line walk do not count.

    Raises SessionError, StorageError when the file is damaged.
    """
    with _readable(path), open_file(path) as file:
        streams = [file[layout.data_path(name)] for name in json.loads(file.attrs["streams"])]
        return any(pictures.shape[0] and not _is_compressed(pictures) for pictures in streams)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what HDF5 says of a damaged file into one sentence. What the system refuses goes on as it is."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, ValueError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            raise
        hint = "Archive it without --compress, and see what rig verify says"
        raise StorageError(str(path), f"cannot be compressed: {exc}", hint=hint) from None


def compress(source: Path, target: Path, pace: Pace) -> None:
    """Make `target`, a copy of a closed run file with all of its pictures compressed; synced.

    Raises OSError, StorageError when the source is damaged.
    """
    with _readable(source), made(target) as fd:
        host.cut(fd, 0)
        with open_file(source) as given, h5py.File(target, "w", libver=LIBVER) as copy:
            copy_attributes(given, copy)
            for path, found in _objects(given):
                _copy_object(path, found, copy, _Syncing(copy, fd, pace))
        host.sync_file(fd)


class _Syncing:
    """Syncs an HDF5 file as it grows, so that little of it waits for the disk at any time."""

    def __init__(self, file: h5py.File, fd: int, pace: Pace) -> None:
        self._file, self._fd, self._pace = file, fd, pace
        self._waiting = 0

    def wrote(self, size: int) -> None:
        """So many bytes, as they were before they were compressed."""
        self._waiting += size
        if self._waiting >= self._pace.piece:
            self._file.flush()
            host.sync_data(self._fd)
            host.forget(self._fd)
            self._pace.rest(self._waiting)
            self._waiting = 0


def _objects(file: h5py.File) -> list[tuple[str, h5py.Group | h5py.Dataset]]:
    """Everything in a file below its root, groups before what is in them."""
    found: list[tuple[str, h5py.Group | h5py.Dataset]] = []
    file.visititems(lambda name, thing: found.append((name, thing)))
    return sorted(found, key=lambda pair: pair[0])


def _copy_object(path: str, found: h5py.Group | h5py.Dataset, copy: h5py.File, syncing: _Syncing) -> None:
    if isinstance(found, h5py.Group):
        copy_attributes(found, copy.create_group(path))
    elif layout.is_pictures(found.name):
        _copy_pictures(found, copy, syncing)
    else:
        copy.copy(found, path)
        syncing.wrote(found.nbytes)


def _copy_pictures(given: h5py.Dataset, copy: h5py.File, syncing: _Syncing) -> None:
    shape = given.shape[1:]
    made_here = copy.create_dataset(
        given.name, given.shape, given.dtype, maxshape=given.maxshape, chunks=(1, *shape), fillvalue=given.fillvalue,
        **hdf5plugin.Bitshuffle(cname="lz4"),
    )  # fmt: skip
    copy_attributes(given, made_here)
    is_compressed = _is_compressed(given)
    for index in range(given.shape[0]):
        if is_compressed:  # as it is: what is damaged stays damaged alike
            place = layout.chunk_of(index, shape)
            mask, payload = given.id.read_direct_chunk(place)
            made_here.id.write_direct_chunk(place, payload, mask)
        else:
            made_here[index] = given[index]
        syncing.wrote(given.dtype.itemsize * int(np.prod(shape)))


def _is_compressed(pictures: h5py.Dataset) -> bool:
    return bool(pictures.id.get_create_plist().get_nfilters())


def compare(source: Path, target: Path, pace: Pace) -> int:
    """Compare a run file with its compressed copy, read from the disk: every picture, row, text and attribute.

    Returns how many pictures had been damaged in the source already, of those that it had not compressed. Raises
    ChecksumError naming what differs.
    """
    with _read_anew(source) as given, _read_anew(target) as copy:
        there = dict(_objects(copy))
        names = [name for name, _ in _objects(given)]
        if names != list(there):
            raise _differs(target, f"what is in it: {', '.join(sorted(set(names) ^ set(there)))}")
        _compare_attributes(given, copy, target)
        return sum(_compare_object(found, there[name], target, pace) for name, found in _objects(given))


@contextmanager
def _read_anew(path: Path) -> Iterator[h5py.File]:
    with path.open("rb") as file:
        host.forget(file.fileno())
    with open_file(path) as opened:
        yield opened


def _compare_object(given: Any, copy: Any, target: Path, pace: Pace) -> int:
    _compare_attributes(given, copy, target)
    if isinstance(given, h5py.Group) or isinstance(copy, h5py.Group):
        if type(given) is not type(copy):
            raise _differs(target, given.name)
        return 0
    if (given.shape, given.dtype, given.maxshape) != (copy.shape, copy.dtype, copy.maxshape):
        raise _differs(target, f"the shape of {given.name}")
    if layout.is_pictures(given.name):
        return (_compare_payloads if _is_compressed(given) else _compare_pictures)(given, copy, target, pace)
    if not _is_same(given[()], copy[()]):
        raise _differs(target, given.name)
    return 0


def _compare_pictures(given: h5py.Dataset, copy: h5py.Dataset, target: Path, pace: Pace) -> int:
    """Picture by picture; how many differ from their checksums on both sides."""
    sums = given.parent["frames"]["checksum"]
    damaged = 0
    for index, picture in enumerate(_equal(given, copy, target, pace, lambda data, index: data[index].tobytes())):
        damaged += index < len(sums) and xxhash.xxh3_64_intdigest(picture) != int(sums[index])
    return damaged


def _compare_payloads(given: h5py.Dataset, copy: h5py.Dataset, target: Path, pace: Pace) -> int:
    """Payload by payload: none is unpacked. Always 0."""

    def payload(data: h5py.Dataset, index: int) -> bytes:
        mask, packed = data.id.read_direct_chunk(layout.chunk_of(index, data.shape[1:]))
        return int(mask).to_bytes(4, "little") + bytes(packed)

    for _ in _equal(given, copy, target, pace, payload):
        pass
    return 0


def _equal(
    given: h5py.Dataset, copy: h5py.Dataset, target: Path, pace: Pace, read: Callable[[h5py.Dataset, int], bytes]
) -> Iterator[bytes]:
    """What `read` gives of each picture, the same on both sides."""
    waiting = 0
    for index in range(given.shape[0]):
        data = read(copy, index)
        if data != read(given, index):
            raise _differs(target, f"picture {index} of {given.name}")
        yield data
        waiting += len(data)
        if waiting >= pace.piece:
            pace.rest(waiting)
            waiting = 0


def _compare_attributes(given: h5py.HLObject, copy: h5py.HLObject, target: Path) -> None:
    if set(given.attrs) != set(copy.attrs):
        raise _differs(target, f"the attributes of {given.name}")
    for name in given.attrs:
        is_kind = given.attrs.get_id(name).dtype == copy.attrs.get_id(name).dtype
        if not is_kind or not _is_same(given.attrs[name], copy.attrs[name]):
            raise _differs(target, f"the attribute {name} of {given.name}")


def _is_same(one: Any, other: Any) -> bool:
    """Bit for bit; texts by what they say."""
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype.hasobject:
        return first.shape == second.shape and bool((first == second).all())
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


def _differs(target: Path, what: str) -> ChecksumError:
    return ChecksumError(str(target), f"read back, it differs from its source in {what}", hint=_HINT)

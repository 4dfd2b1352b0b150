"""Closes a run file with compressed pictures the slow way: by a copy, where HDF5 does not adopt them (adopting.py).

The copy takes the name of the file when it is whole and on the disk. It needs room for all pictures once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py

from rig import host
from rig.session import layout, packing
from rig.session.arming import LIBVER
from rig.session.journal import part_of
from rig.session.packed import in_order, is_raw, packed_rows


def copy_of(path: Path) -> Path:
    """Where the copy lies until it is whole; one that is found there is of no use."""
    return path.with_suffix(".rewritten")


def rewrite(path: Path, work: Callable[[h5py.File], None]) -> None:
    """Copy a run file with its payloads as chunks, let `work` change the copy, and put it in the place of the file.

    Raises OSError, or what `work` raises; the file is as it was then.
    """
    new = copy_of(path)
    os.close(host.open_private(new))
    try:
        with h5py.File(path, locking=False) as old, h5py.File(new, "w", libver=LIBVER, locking=False) as file:
            _copy(old, file)
            work(file)
        _sync(new)
        host.rename(new, path)
    except BaseException:
        with suppress(OSError):
            host.remove(new)
        raise
    with suppress(FileNotFoundError):
        host.remove(part_of(path))  # the journal was not needed
    host.sync_folder(path.parent)


def _copy(old: h5py.File, file: h5py.File) -> None:
    for name in old.attrs:
        file.attrs.create(name, old.attrs[name], dtype=old.attrs.get_id(name).dtype)
    for name in old:
        if f"/{name}" != layout.HEAP:
            old.copy(name, file)
    packing.register()
    rows = packed_rows(old)
    data, payloads = [file[path] for path in rows], in_order(list(rows.values()))
    for into, of_stream in zip(data, rows.values(), strict=True):
        into.resize(len(of_stream), axis=0)
    for stream, index, length, offset in payloads.tolist():
        into, payload = data[stream], old[layout.HEAP][offset : offset + length].tobytes()
        place = (index, *(0 for _ in into.shape[1:]))
        into.id.write_direct_chunk(place, payload, packing.STORED_RAW if is_raw(into, length) else 0)
    for path in rows:
        del file[layout.packed_path(path)]


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        host.sync_file(fd)
    finally:
        os.close(fd)

"""Closes a run file with compressed pictures the slow way: by a copy, where HDF5 does not adopt them (adopting.py).

The copy takes the name of the file when it is whole and on the disk. It needs room for all pictures once more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py

from rig import host
from rig.private import made, sync_path
from rig.session import layout
from rig.session.adopting import chunks_of
from rig.session.arming import LIBVER
from rig.session.journal import part_of
from rig.session.packed import packed_rows


def copy_of(path: Path) -> Path:
    """Where the copy lies until it is whole; one that is found there is of no use."""
    return path.with_suffix(".rewritten")


def rewrite(path: Path, work: Callable[[h5py.File], None]) -> None:
    """Copy a run file with its payloads as chunks, let `work` change the copy, and put it in the place of the file.

    Raises OSError, or what `work` raises; the file is as it was then.
    """
    new = copy_of(path)
    with made(new):
        pass
    try:
        with h5py.File(path, locking=False) as old, h5py.File(new, "w", libver=LIBVER, locking=False) as file:
            _copy(old, file)
            work(file)
        sync_path(new)
        host.rename(new, path)
    except BaseException:
        with suppress(OSError):
            host.remove(new)
        raise
    with suppress(FileNotFoundError):
        host.remove(part_of(path))  # the journal was not needed
    host.sync_folder(path.parent)


def copy_attributes(given: h5py.HLObject, copy: h5py.HLObject) -> None:
    """Give an object the attributes of another, with their types."""
    for name in given.attrs:
        copy.attrs.create(name, given.attrs[name], dtype=given.attrs.get_id(name).dtype)


def _copy(old: h5py.File, file: h5py.File) -> None:
    copy_attributes(old, file)
    for name in old:
        if f"/{name}" != layout.HEAP:
            old.copy(name, file)
    rows, heap = packed_rows(old), old[layout.HEAP]
    for chunk in chunks_of(file, rows):
        chunk.write(heap[chunk.offset : chunk.offset + chunk.length].tobytes())
    for path in rows:
        del file[layout.packed_path(path)]

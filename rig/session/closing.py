"""Puts a run file in order when it is over: every dataset is cut to what was written, and the outcome noted.

HDF5 changes hundreds of places of the file to do so, and one that is left half changed may never open again. So it
works on a copy of the changed pages in memory (overlay.py), and those reach the file through a journal (journal.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py

from rig import host
from rig.session.arming import LIBVER
from rig.session.journal import commit
from rig.session.layout import Outcome
from rig.session.overlay import Overlay


def close_file(path: Path, lengths: Mapping[str, int], outcome: Outcome) -> None:
    """Cut each dataset to its length, by path, note the outcome and make the file read-only. Raises OSError."""

    def put_in_order(file: h5py.File) -> None:
        for name, length in lengths.items():
            file[name].resize(length, axis=0)
        file.attrs["outcome"] = str(outcome)

    change(path, put_in_order)
    host.make_read_only(path)


def change(path: Path, work: Callable[[h5py.File], None]) -> None:
    """Let `work` change an HDF5 file: all of it is in the file when this returns, or nothing. Raises OSError.

    Whatever `work` raises leaves the file as it was.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        overlay = Overlay(fd)
        with h5py.File(overlay, "r+", libver=LIBVER) as file:
            work(file)
    finally:
        os.close(fd)
    commit(path, overlay.pages, overlay.size)

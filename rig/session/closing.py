"""Puts a run file in order when it is over: every dataset is cut to what was written, checksums and outcome are noted.

HDF5 changes hundreds of places of the file to do so, and one that is left half changed may never open again. So it
works on a copy of the changed pages in memory (overlay.py), and those reach the file through a journal (journal.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py

from rig import host
from rig.session import checksums, layout
from rig.session.adopting import NotAdopted, adopt
from rig.session.arming import LIBVER
from rig.session.journal import commit
from rig.session.layout import Outcome
from rig.session.overlay import Overlay
from rig.session.rewriting import rewrite


def close_file(
    path: Path, lengths: Mapping[str, int], outcome: Outcome, work: Callable[[h5py.File], None] = lambda _: None
) -> None:
    """Cut each dataset to its length, by path, note checksums and outcome, make the file read-only. Raises OSError.

    Before that, `work` may add to the file what the lengths already count.
    """

    def put_in_order(file: h5py.File) -> None:
        work(file)
        there = {name: length for name, length in lengths.items() if name in file}  # rows of packed pictures are none
        for name, length in there.items():
            file[name].resize(length, axis=0)
        for name in there:
            if not layout.is_pictures(name):
                checksums.note(file[name])
        file.attrs["outcome"] = str(outcome)

    change(path, put_in_order)
    host.make_read_only(path)


def change(path: Path, work: Callable[[h5py.File], None]) -> None:
    """Let `work` change an HDF5 file: all of it is in the file when this returns, or nothing. Raises OSError.

    Packed pictures are chunks of their data sets by then, up to the first that is missing (adopting.py).
    Whatever `work` raises leaves the file as it was.
    """
    try:
        overlay = _worked_on(path, work)
    except NotAdopted:
        rewrite(path, work)
    else:
        commit(path, overlay.pages, overlay.size)


def _worked_on(path: Path, work: Callable[[h5py.File], None]) -> Overlay:
    with host.opened(path) as fd:
        overlay = Overlay(fd)
        adopt(overlay)
        with h5py.File(overlay, "r+", libver=LIBVER) as file:
            work(file)
        return overlay

"""Makes the compressed pictures of a run file what any HDF5 reader knows: chunks of their data sets. None is copied.

    recorded:  [ tables, raw pictures, ... | heap: payload, payload, payload, ...                room not used ]
    adopted:   [ tables, raw pictures, ... | chunk,   chunk,   chunk,   ... ]     the same bytes, at the same place

The heap is the last thing in the file. Once it is deleted HDF5 gives each new chunk the next place from there on, in
the order in which they are written: so each falls on its own payload. That is looked at for every single one; HDF5
works on an overlay (overlay.py), so that nothing has happened to the file if one does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from rig.session import layout, packing
from rig.session.arming import LIBVER
from rig.session.overlay import Overlay
from rig.session.packed import in_order, is_raw, packed_rows


class NotAdopted(OSError):
    """HDF5 would not take the payloads where they lie. Nothing was changed."""


def adopt(overlay: Overlay) -> None:
    """Make chunks of the payloads of a file that has a heap; one without stays as it is.

    Raises NotAdopted when HDF5 chooses other places for them; the overlay is of no use then.
    """
    with h5py.File(overlay, "r+", libver=LIBVER) as file:
        if layout.HEAP not in file:
            return
        rows, start = packed_rows(file), file[layout.HEAP].id.get_offset()
        del file[layout.HEAP]
    # HDF5 forgets what it has freed when a file is closed, so that nothing else is left to give but the end.
    with h5py.File(overlay, "r+", libver=LIBVER) as file:
        _adopt_all(file, overlay, rows, start)
    with h5py.File(overlay, "r+", libver=LIBVER) as file:
        for path in rows:
            del file[layout.packed_path(path)]


def _adopt_all(file: h5py.File, overlay: Overlay, rows: Mapping[str, NDArray[np.void]], start: int) -> None:
    longest = max((int(of_stream["length"].max(initial=0)) for of_stream in rows.values()), default=0)
    nothing = memoryview(bytes(longest))
    for chunk in chunks_of(file, rows):
        overlay.expect(start + chunk.offset, chunk.length)
        chunk.write(nothing[: chunk.length])
        if overlay.is_expecting:
            raise NotAdopted(f"HDF5 gave picture {chunk.index} of {chunk.data.name} another place than its own")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A payload that becomes chunk `index` of its data set; `offset` and `length` in the heap."""

    data: h5py.Dataset
    index: int
    offset: int
    length: int

    def write(self, payload: bytes | memoryview) -> None:
        """Let HDF5 write it."""
        place = layout.chunk_of(self.index, self.data.shape[1:])
        self.data.id.write_direct_chunk(place, payload, packing.STORED_RAW if is_raw(self.data, self.length) else 0)


def chunks_of(file: h5py.File, rows: Mapping[str, NDArray[np.void]]) -> Iterator[Chunk]:
    """The payloads of all streams in the order of the heap, `rows` those of packed_rows; makes place for them."""
    packing.register()
    data = [file[path] for path in rows]
    for into, of_stream in zip(data, rows.values(), strict=True):
        into.resize(len(of_stream), axis=0)
    for stream, index, length, offset in in_order(list(rows.values())).tolist():
        yield Chunk(data[stream], index, offset, length)

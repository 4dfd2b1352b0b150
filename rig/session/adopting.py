"""Makes the compressed pictures of a run file what any HDF5 reader knows: chunks of their data sets. None is copied.

    recorded:  [ tables, raw pictures, ... | heap: payload, payload, payload, ...                room not used ]
    adopted:   [ tables, raw pictures, ... | chunk,   chunk,   chunk,   ... ]     the same bytes, at the same place

The heap is the last thing in the file. Once it is deleted HDF5 gives each new chunk the next place from there on, in
the order in which they are written: so each falls on its own payload. That is looked at for every single one; HDF5
works on an overlay (overlay.py), so that nothing has happened to the file if one does not.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    packing.register()
    # HDF5 forgets what it has freed when a file is closed, so that nothing else is left to give but the end.
    with h5py.File(overlay, "r+", libver=LIBVER) as file:
        _adopt_all(file, overlay, rows, start)
    with h5py.File(overlay, "r+", libver=LIBVER) as file:
        for path in rows:
            del file[layout.packed_path(path)]


def _adopt_all(file: h5py.File, overlay: Overlay, rows: Mapping[str, NDArray[np.void]], start: int) -> None:
    data, payloads = [file[path] for path in rows], in_order(list(rows.values()))
    for into, of_stream in zip(data, rows.values(), strict=True):
        into.resize(len(of_stream), axis=0)
    nothing = memoryview(bytes(int(payloads["length"].max(initial=0))))
    for stream, index, length, offset in payloads.tolist():
        into = data[stream]
        overlay.expect(start + offset, length)
        place = (index, *(0 for _ in into.shape[1:]))
        into.id.write_direct_chunk(place, nothing[:length], packing.STORED_RAW if is_raw(into, length) else 0)
        if overlay.is_expecting:
            raise NotAdopted(f"HDF5 gave picture {index} of {into.name} another place than its own")

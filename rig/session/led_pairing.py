"""Beside a run: the pulses of frames whose own evidence is weaker than the sync LEDs in their pictures.

Written by verify, which alone decodes the LEDs, and read by `rig.open`. The run itself is never changed.

    /<STREAM>    int64 (frames,): pulse of each frame; -1 where the LEDs do not tell it
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rig.errors import NotASession
from rig.private import write_private
from rig.session.folder import beside, remove_beside
from rig.session.run import Run

PAIRING_FILE = "pairing.h5"
SCHEMA = 1

Numbers = NDArray[np.int64]


def save(run: Run, numbers: Mapping[str, Numbers]) -> Path | None:
    """Write the pulse numbers of streams by name beside their run, readable by the owner only; returns the path.

    Without any stream nothing is written, and an older file goes away. Raises StorageError.
    """
    path = beside(run.path, PAIRING_FILE)
    if not numbers:
        remove_beside(path)
        return None
    data = BytesIO()
    with h5py.File(data, "w") as file:
        file.attrs.update({"kind": "rig-pairing", "schema": SCHEMA, "run_id": run.run_id})
        for name, of_stream in numbers.items():
            file.create_dataset(name, data=of_stream, compression="gzip", shuffle=True)
    write_private(path, data.getvalue())
    return path


def load(run: Run) -> dict[str, Numbers]:
    """Pulse numbers by the LEDs, by stream; none when verify wrote none.

    Raises NotASession when the file is not of this run, or of less of it.
    """
    path = beside(run.path, PAIRING_FILE)
    if not path.exists():
        return {}
    try:
        with h5py.File(path, "r") as file:
            is_ours = (file.attrs["kind"], file.attrs["schema"]) == ("rig-pairing", SCHEMA)
            found = {str(name): np.asarray(file[name][:], np.int64) for name in file}
            fits = int(file.attrs["run_id"]) == run.run_id and all(
                name in run.streams and found[name].shape == run.streams[name].frames.shape for name in found
            )
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        is_ours, fits, found = False, False, {}
    if not (is_ours and fits):
        problem = "is not of this run as it is now" if is_ours else "is no pairing of ours"
        raise NotASession(str(path), problem, hint="Run rig verify again, or remove it")
    return found

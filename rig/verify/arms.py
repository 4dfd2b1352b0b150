"""The arms of a camera during the recording run: one, or more when it was lost and came back.

Between two of them its clock and its numbers begin anew, so that nothing may be compared across.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rig.session.run import Run, Stream
from rig.verify.findings import Numbers

FIRST_EPOCH = 1  # of the recording run; 0 is the line walk


def baselines(run: Run, stream: Stream) -> dict[int, dict[str, Any]]:
    """What the camera said at each arm for the recording run, by epoch, rising (fields of cameras.Baseline)."""
    armed = run.log_of("armed", stream.name)
    told = {e["epoch"]: dict(e["baseline"]) for e in armed if isinstance(e.get("epoch"), int)}
    return {epoch: told[epoch] for epoch in sorted(told) if epoch >= FIRST_EPOCH}


def same_arm(epochs: Numbers) -> list[Numbers]:
    """Places (n,) of rows, int64, split where the epoch changes."""
    return np.split(np.arange(len(epochs)), np.flatnonzero(np.diff(epochs)) + 1) if len(epochs) else []


def at_stop(run: Run, stream: Stream) -> Iterator[tuple[int, dict[str, Any]]]:
    """Epoch and entry of each time that the camera was stopped in the recording run."""
    for entry in run.log:
        epoch = entry.get("epoch")
        is_own = (entry.get("kind"), entry.get("stream")) == ("stopped", stream.name)
        if is_own and isinstance(epoch, int) and epoch >= FIRST_EPOCH:
            yield epoch, entry

"""How recording itself went, in a few figures: how fast pictures were written, and how long frames waited for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rig.session.run import Run


@dataclass(frozen=True)
class DiskUse:
    """Of one run. Durations as its recorder measured them; in virtual time they are 0."""

    mb_per_s: float  # of pictures as stored, in the mean
    slowest_write_ms: float
    slowest_sync_ms: float
    longest_wait_ms: float  # of a frame in its camera's buffer
    fullest_percent: float  # of a camera's buffers, at most
    fullest_stream: str  # whose


def disk_use(run: Run) -> DiskUse | None:
    """The figures of a run; None when it has no telemetry. Raises SessionError."""
    disk, queues = run.disk_use, run.queues
    if len(disk) < 2 or not len(queues):
        return None
    seconds = float(disk["host_ns"][-1] - disk["host_ns"][0]) / 1e9
    shares = queues["deepest"] / np.maximum(queues["buffers"], 1)
    fullest = queues[int(np.argmax(shares))]
    return DiskUse(
        mb_per_s=round(float(disk["picture_bytes"].sum()) / 1e6 / max(seconds, 1e-9), 3),
        slowest_write_ms=_longest_ms(disk["longest_write_ns"]),
        slowest_sync_ms=_longest_ms(disk["longest_sync_ns"]),
        longest_wait_ms=_longest_ms(queues["longest_ns"]),
        fullest_percent=round(100 * float(shares.max()), 1),
        fullest_stream=fullest["stream"].decode(errors="replace"),
    )


def _longest_ms(values_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    return round(float(values_ns.max()) / 1e6, 3)

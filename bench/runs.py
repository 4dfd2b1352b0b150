"""What the file of a run tells, read alike by all benches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.session.run import Run


def lost_in(run: Run) -> dict[str, int]:
    """Frames lost of each stream, found out from rows alone: pulses sent on its line less pulses of its frames.

    Of runs in which every frame is to be stored.
    """
    lines, numbers = run.pulses["lines"], run.pulses["pulse_number"]
    return {
        name: len(np.setdiff1d(numbers[(lines >> stream.line) & 1 > 0], stream.pulse_numbers))
        for name, stream in run.streams.items()
    }


def waited_ms(run: Run) -> NDArray[np.float64]:
    """From grab to acknowledged, ms, of every frame: each as if it had been the oldest of its sync."""
    of_sync = (run.syncs["returned_host_ns"] - run.syncs["oldest_arrived_host_ns"]) / 1e6
    return np.asarray(np.repeat(of_sync, run.syncs["frames"]))

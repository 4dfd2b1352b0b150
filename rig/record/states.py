"""Where a run stands; how it gets from one state to the next is drawn in run.py."""

from __future__ import annotations

from enum import Enum, auto


class RunState(Enum):
    """Where a run stands."""

    IDLE = auto()
    ARMING = auto()
    RECORDING = auto()
    DRAINING = auto()
    CLOSED = auto()

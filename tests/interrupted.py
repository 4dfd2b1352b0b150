"""Runs the command `rig` and presses Ctrl-C, so many times, while it puts its run file in order.

python -m tests.interrupted TIMES ARGUMENTS...
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from rig.record.recording import Recording
from rig.session import closing

ANSWERED_WITHIN_S = 30


def interrupt(times: int) -> None:
    """From now on the close goes on only when each Ctrl-C has reached the recording."""
    answered: list[str] = []
    commit = closing.commit
    for name in ("stop", "abort"):
        setattr(Recording, name, _counted(getattr(Recording, name), answered))

    def interrupted(*of: Any) -> None:
        for number in range(1, times + 1):
            os.kill(os.getpid(), signal.SIGINT)
            until = time.monotonic() + ANSWERED_WITHIN_S
            while len(answered) < number:
                assert time.monotonic() < until, "nobody takes the Ctrl-C"
                time.sleep(0.001)
        commit(*of)

    closing.commit = interrupted


def _counted(real: Any, answered: list[str]) -> Any:
    def counted(recording: Recording) -> None:
        real(recording)
        answered.append(real.__name__)

    return counted


if __name__ == "__main__":
    interrupt(int(sys.argv[1]))
    sys.argv[:2] = ["rig"]
    from rig.__main__ import main

    main()

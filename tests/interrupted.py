"""Runs the command `rig` and presses Ctrl-C, so many times, while it puts its run file in order.

python -m tests.interrupted TIMES ARGUMENTS...
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from rig.record.recording import Recording
from rig.session import closing
from tests.waiting import wait_for


def interrupt(times: int) -> None:
    """From now on the close goes on only when each Ctrl-C has reached the recording."""
    answered: list[str] = []
    commit = closing.commit
    for name in ("stop", "abort"):
        setattr(Recording, name, _counted(getattr(Recording, name), answered))

    def interrupted(*of: Any) -> None:
        for number in range(1, times + 1):
            os.kill(os.getpid(), signal.SIGINT)
            wait_for(lambda due=number: len(answered) >= due, "nobody takes the Ctrl-C")
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

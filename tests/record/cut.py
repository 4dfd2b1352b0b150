"""`python -m tests.record.cut FOLDER RIG PROTOCOL STEP TIME`: a session, virtual or real, that is killed in mid-step.

In the first trial the operator guesses fear. The step is the one whose name is given.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from rig.record.messages import OperatorSaid
from rig.record.recording import Recording, Status
from tests.record.trials import record_with


def main() -> None:
    folder, rig, protocol = map(Path, sys.argv[1:4])
    is_virtual = sys.argv[5] == "virtual"
    said: list[str] = []
    seen: list[Status] = []

    def act(recording: Recording, status: Status) -> None:
        if status.step == "trial01-guess" and not said:
            said.append("guess")
            recording.say(OperatorSaid("guess", 0, value="fear", confidence=5))
        seen.extend([status] if status.step == sys.argv[4] else [])
        if len(seen) > (not is_virtual):  # by the second time the disk has its row
            os.kill(os.getpid(), signal.SIGKILL)

    record_with(folder, rig, protocol, act, virtual=is_virtual)


if __name__ == "__main__":
    main()

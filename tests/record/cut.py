"""`python -m tests.record.cut FOLDER RIG PROTOCOL STEP TIME`: a session, virtual or real, that is killed in mid-step.

In the first trial the operator guesses fear. The step is the one whose name is given; the disk has its row by then.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from rig import host
from rig.record.messages import OperatorSaid
from rig.record.recording import Recording, Status
from rig.session.layout import TRIALS
from rig.session.writer import SessionWriter
from tests.record.trials import record_with


def main() -> None:
    folder, rig, protocol = map(Path, sys.argv[1:4])
    disk = OnDisk()
    said: list[str] = []

    def act(recording: Recording, status: Status) -> None:
        if status.step == "trial01-guess" and not said:
            said.append("guess")
            recording.say(OperatorSaid("guess", 0, value="fear", confidence=5))
        if status.step == sys.argv[4]:
            disk.kill_when_there = status.step_number - 1

    record_with(folder, rig, protocol, act, virtual=sys.argv[5] == "virtual")


class OnDisk:
    """Of which steps the disk has rows; once it has that of the one that is wanted, this process is killed."""

    def __init__(self) -> None:
        self.kill_when_there: int | None = None
        self._told, self._flushed = set[int](), set[int]()
        self._append, self._flush, self._sync = SessionWriter.append, SessionWriter.flush, host.sync_data
        SessionWriter.append = lambda *of: self.append(*of)
        SessionWriter.flush = lambda writer: self.flush(writer)
        host.sync_data = self.sync

    def append(self, writer: SessionWriter, path: str, row: tuple[int, ...]) -> None:
        self._append(writer, path, row)
        self._told |= {row[0]} if path == TRIALS else set()

    def flush(self, writer: SessionWriter) -> bool:
        had_rows = self._flush(writer)
        self._flushed = set(self._told)
        return had_rows

    def sync(self, fd: int) -> None:
        flushed = self._flushed
        self._sync(fd)
        if self.kill_when_there in flushed:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()

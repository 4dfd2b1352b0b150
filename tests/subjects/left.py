"""`python -m tests.subjects.left FOLDER RIG PROTOCOL`: its recorder is killed as it tells the ledger."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from rig.subjects.ledger import Ledger
from tests.rigs import record


def main() -> None:
    Ledger.ended = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    record(*map(Path, sys.argv[1:]))


if __name__ == "__main__":
    main()

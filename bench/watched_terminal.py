"""`rig operate` on a terminal, and whatever comes onto it, with its time: what an operator could read, and when."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from threading import Thread

from rig.clock import HostClock

STEERING = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])")
LINES, COLUMNS = 50, 240  # so large that nothing is cut off, as a clip's name could be
READ_BYTES = 1 << 16


class WatchedTerminal:
    """Somebody who only looks. Attached until it is closed or killed, also while there is no recorder."""

    def __init__(self, session: Path) -> None:
        """Of a session that is being recorded."""
        self._end, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rig", "operate", str(session)],
            env=os.environ | {"TERM": "xterm"}, start_new_session=True,
            stdin=terminal, stdout=terminal, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)
        self._shown: list[tuple[int, str]] = []  # host ns, and what came
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        clock = HostClock()
        try:
            while came := os.read(self._end, READ_BYTES):
                self._shown.append((clock.now_ns(), came.decode("utf-8", "replace")))
        except OSError:  # nobody has the other end open any more
            return

    def close(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._end)

    @property
    def text(self) -> str:
        """All that it showed; once with the steering codes as blanks, once without them."""
        shown = "".join(text for _, text in self._shown)
        return _plain(shown) + "\n" + STEERING.sub("", shown)

    def first_ns(self, words: str, after_ns: int) -> int | None:
        """When these words were there first, of what came after a moment, host ns; None: never."""
        before = ""
        for host_ns, text in self._shown:
            if host_ns >= after_ns:
                if words in _plain(before + text):
                    return host_ns
                before = text  # what comes at once may be read in two parts
        return None


def _plain(shown: str) -> str:
    return " ".join(STEERING.sub(" ", shown).split())

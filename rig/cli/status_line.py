"""The line that says every second how a recording stands, shown by a thread of its own.

    the recorder's core --show--> the newest line --as soon as the terminal takes it--> standard output

A terminal that was stopped (Ctrl-S) and a pipe that nobody reads so keep nobody waiting but that thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from rig import host
from rig.cli.terminal import STDOUT

LOOK_S = 0.1


class StatusLine:
    """While in its `with`, shows the newest line that it was given; at the end the last one, if the terminal takes it.

    What is said behind the `with` comes after all its lines.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._line, self._is_over = "", False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="status line", daemon=True)

    def __enter__(self) -> StatusLine:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def show(self, line: str) -> None:
        """Show a line in the place of those that were not shown yet; never waits for the terminal."""
        with self._changed:
            self._line = line
            self._changed.notify()

    def _run(self) -> None:
        while line := self._next():
            self._say(line)

    def _next(self) -> str:
        """The newest line, once there is one and the terminal takes it; empty when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._is_over)
        while not host.is_writable(STDOUT, LOOK_S):
            if self._is_over:
                return ""
        with self._changed:
            line, self._line = self._line, ""
        return line

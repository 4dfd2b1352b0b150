"""Child processes by module name: start, a pipe of JSON lines both ways, and an end that leaves none behind.

A child is `python -m MODULE`. It speaks JSON objects, one a line: on file descriptor 3 to the parent, and it reads
the parent's on its standard input. Its standard output and error go to a log file, because libraries print
there. A child ends when its standard input ends, so none outlives a killed parent.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path
from typing import Any

from rig import host
from rig.errors import DeviceLost

Message = dict[str, Any]
MAX_LINE = 16 << 20


class Child:
    """A running child. Not for use by two threads at once."""

    def __init__(
        self, module: str, log: Path, *, env: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()
    ) -> None:
        """Start `python -m module`; `env` replaces variables, its output is appended to `log`."""
        self.module, self.log = module, log
        self._buffer = b""
        reader, writer = os.pipe()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(writer), *map(str, pass_fds)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                pass_fds=(writer, *pass_fds),
                process_group=0,
            )
        os.close(writer)
        self._reader = reader
        self._selector = selectors.DefaultSelector()
        self._selector.register(reader, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Send one message. Raises DeviceLost when the child is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self.lost() from None

    def receive(self, timeout_s: float) -> list[Message]:
        """Messages that came, oldest first; blocks at most `timeout_s` for the first. Raises DeviceLost."""
        ready = self._selector.select(timeout_s)
        if not ready:
            return []
        data = os.read(self._reader, 1 << 20)
        if not data:
            raise self.lost()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def lost(self) -> DeviceLost:
        """The error that says how the child ended, with the last lines it printed."""
        try:
            code: object = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = "unknown"
        tail = " | ".join(self.log.read_text("utf-8", "replace").strip().splitlines()[-3:])
        return DeviceLost(f"process {self.module}", f"ended, exit code {code}", value=tail, hint=f"See {self.log}")

    def close(self, timeout_s: float = 5.0) -> None:
        """Ask it to end, then end its whole process group. Never raises; a second call does nothing."""
        if self._reader < 0:
            return
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            host.end_process_group(self.pid, force=False)
        host.end_process_group(self.pid, force=True)
        self._process.wait()
        self._selector.close()
        os.close(self._reader)
        self._reader = -1


class Parent:
    """The child's end of the pipe."""

    def __init__(self, writer: int) -> None:
        host.die_with_parent()
        self._writer = writer
        self._buffer = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ)

    def send(self, message: Message) -> None:
        """Send one message to the parent; ends this process quietly when the parent is gone."""
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._writer, data) :]
        except BrokenPipeError:
            raise SystemExit(0) from None

    def receive(self, timeout_s: float = 0.0) -> list[Message] | None:
        """Messages from the parent, oldest first; None when the parent wants this process to end."""
        if not self._selector.select(timeout_s):
            return []
        data = os.read(0, 1 << 20)
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

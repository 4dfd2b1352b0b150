"""Child processes by module name: start, a pipe of JSON lines both ways, and an end that leaves none behind.

A child is `python -m MODULE`. It speaks JSON objects, one a line: to the parent on the file descriptor that is its
first argument, and it reads the parent's on its standard input. Its standard output and error go to a log file,
because libraries print there. A child ends when its standard input ends, so none outlives a killed parent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rig import host
from rig.errors import DeviceLost, DeviceNotReady, StorageError

Message = dict[str, Any]


@contextmanager
def working_folder() -> Iterator[Path]:
    """A private folder for the logs of child processes and the window's HOME, gone when all went well.

    After an error it is left for looking at; the next one that is opened removes those whose process is dead. Raises
    StorageError when there is nowhere to put it.
    """
    try:
        ours = host.own_folder(Path(tempfile.gettempdir()), "rig")
        _remove_dead(ours)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=ours))
    except OSError as exc:
        where, problem = exc.filename or "folder for temporary files", exc.strerror
        hint = "Set TMPDIR to a folder on this machine that you may write to"
        raise StorageError(str(where), f"no working folder can be made: {problem}", hint=hint) from None
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _remove_dead(ours: Path) -> None:
    for folder in ours.iterdir():
        pid = folder.name.partition("-")[0]
        if pid.isdecimal() and not host.is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


class _Lines:
    """Messages from a stream of bytes cut anywhere, however long each is."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, oldest first."""
        self._begun += data
        if b"\n" not in data:
            return []
        *lines, self._begun = self._begun.split(b"\n")
        return [json.loads(line) for line in lines]


class Child:
    """A running child. Not for use by two threads at once."""

    def __init__(
        self, module: str, log: Path, *, env: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()
    ) -> None:
        """Start `python -m module`; `env` replaces variables, its output is appended to `log`.

        Raises DeviceNotReady when the system does not start it.
        """
        self.module, self.log = module, log
        self._lines, self._told_from = _Lines(), 0  # byte of the log
        self._reader, writer = os.pipe()
        try:
            with log.open("ab") as output:
                self._process = host.start_process(
                    [sys.executable, "-m", module, str(writer), *map(str, pass_fds)],
                    output=output,
                    stdin=subprocess.PIPE,
                    pass_fds=(writer, *pass_fds),
                    env={**os.environ, **(env or {})},
                    dies_with_parent=False,
                )
        except OSError as exc:
            os.close(self._reader)
            raise DeviceNotReady(f"process {module}", f"did not start: {exc}") from None
        finally:
            os.close(writer)

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
        """Messages that came, oldest first; waits at most `timeout_s` for each part of the first. Raises DeviceLost."""
        messages: list[Message] = []
        while not messages and host.is_readable(self._reader, timeout_s):
            data = os.read(self._reader, 1 << 20)
            if not data:
                raise self.lost()
            messages = self._lines.feed(data)
        return messages

    def is_up(self) -> None:
        """What the child has printed by now was said while it began, and is no reason for its end."""
        self._told_from = self.log.stat().st_size

    def lost(self) -> DeviceLost:
        """The error that says how the child ended, with the last lines it printed since it is up."""
        try:
            code: object = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = "unknown"
        printed = self.log.read_bytes()[self._told_from :].decode("utf-8", "replace")
        tail = " | ".join(printed.strip().splitlines()[-3:])
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
        os.close(self._reader)
        self._reader = -1


def started(module: str, log: Path, setup: Message, *, who: str, within_s: float) -> Child:
    """A child that was sent its `setup` and has answered {"ready": true}, not {"error": why}.

    Raises DeviceNotReady about `who`.
    """
    child = Child(module, log)
    try:
        child.send(setup)
        messages = child.receive(within_s)
    except DeviceLost as exc:
        child.close()
        raise DeviceNotReady(who, f"did not start: {exc}") from None
    if not messages or "ready" not in messages[0]:
        child.close()
        raise DeviceNotReady(who, messages[0]["error"] if messages else f"did not answer in {within_s:g} s")
    return child


class Parent:
    """The child's end of the pipe."""

    def __init__(self, writer: int) -> None:
        host.die_with_parent()
        self._writer = writer
        self._lines = _Lines()

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
        messages: list[Message] = []
        while not messages and host.is_readable(0, timeout_s):
            data = os.read(0, 1 << 20)
            if not data:
                return None
            messages = self._lines.feed(data)
        return messages

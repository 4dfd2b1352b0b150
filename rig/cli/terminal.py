"""What the commands share about the terminal: foreign text made harmless, and output that may break off at any time."""

from __future__ import annotations

import io
import os
import sys
from json import dumps
from typing import Any, TextIO

import typer

STDIN, STDOUT, STDERR = 0, 1, 2
_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "NOT MEASURED": "magenta"}


def coloured(word: str) -> str:
    """A word of a verdict in its colour, as markup of rich."""
    return f"[{_STYLES[word]}]{word}[/]"


def printable(text: str) -> str:
    """Foreign text without the control characters that could steer a terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def shield_output() -> None:
    """Let no closed pipe, full disk or missing descriptor end a command: what it finds and writes is worth more.

    From the first refused write on, that stream goes nowhere. Called once, before anything is opened: else a session's
    file could be given the number of a missing descriptor, and what is printed would be written into it.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdout = _shielded(sys.stdout, STDOUT)
    sys.stderr = _shielded(sys.stderr, STDERR)


def is_output_gone(*, by_a_closed_pipe: bool = True) -> bool:
    """Whether standard output has refused a write: what is shown there from now on is seen by nobody."""
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return isinstance(raw, _Lasting) and raw.is_gone and (by_a_closed_pipe or not raw.is_pipe_closed)


def echo_json(data: Any) -> None:
    """Print plain data as JSON. Raises typer.Exit(2) when the disk refuses it: a program must not go on with a part."""
    typer.echo(dumps(data, indent=1))
    sys.stdout.flush()
    if is_output_gone(by_a_closed_pipe=False):
        raise typer.Exit(2)


def _shielded(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return open(descriptor, "w", closefd=False)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(
        getattr(stream.buffer, "raw", stream.buffer), io.FileIO
    ):
        return stream  # no file at all, such as the console of Windows
    raw = _Lasting(descriptor, "wb", closefd=False)
    buffer = raw if isinstance(stream.buffer, io.FileIO) else io.BufferedWriter(raw)  # PYTHONUNBUFFERED has no buffer
    # A letter that the terminal cannot write is told by its code.
    return io.TextIOWrapper(
        buffer,
        stream.encoding,
        "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Lasting(io.FileIO):
    """A file whose writes never fail."""

    is_gone = False  # from the first refused write on
    is_pipe_closed = False  # that was the reason: whoever reads wants no more

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.is_gone, self.is_pipe_closed = True, isinstance(error, BrokenPipeError)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if self.fileno() == STDOUT and not self.is_pipe_closed:
                print(f"rig: standard output cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201
            return memoryview(data).nbytes

"""Runs the command `rig` as a user does: a process of its own, its exit code and what it printed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import IO, Any

from tests import asking

ENDS_WITHIN_S = 120
_warm: list[tuple[subprocess.Popen[bytes], Path]] = []  # the process that forks commands off (warm.py), its folder


def warm_up() -> None:
    """Begin to load what commands import, in a process that lives as long as this one."""
    folder = Path(tempfile.mkdtemp(prefix="rig-warm-"))
    shim = folder / "bin/rig"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} -IS {quote(asking.__file__)} {folder}/asked "$@"\n')
    shim.chmod(0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{folder}/asked")
        listener.listen()
        number = listener.fileno()
        process = subprocess.Popen([sys.executable, "-m", "tests.warm", str(number)], pass_fds=[number])
    _warm.append((process, folder))


def cool_down() -> None:
    """End that process."""
    while _warm:
        process, folder = _warm.pop()
        with process:
            process.kill()
        shutil.rmtree(folder)


def on_path() -> str:
    """A PATH on which `rig` is one that starts as quickly as those of `run`."""
    [(_, folder)] = _warm
    return f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"


@contextmanager
def started(*arguments: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """`rig ARGUMENTS` under way in a fresh Python: waited for at the end, killed if anything went wrong before."""
    command = [sys.executable, "-m", "rig", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process, killed_on_error(process):
        yield process


@contextmanager
def killed_on_error(process: subprocess.Popen[Any]) -> Iterator[None]:
    """If anything goes wrong it is not waited for."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `rig ARGUMENTS` to its end."""
    [(_, folder)] = _warm
    words = list(map(str, arguments))
    with (
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
        Path(os.devnull).open() as nothing,
    ):
        fds = nothing.fileno(), stdout.fileno(), stderr.fileno()
        code = asking.ask(f"{folder}/asked", words, str(cwd), fds)
        return subprocess.CompletedProcess(words, code, *(_read(file) for file in (stdout, stderr)))


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def refused(*arguments: object, cwd: Path) -> str:
    """The message of a command that must refuse: exit code 2, one message, no traceback."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr

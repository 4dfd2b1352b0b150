"""Runs the command `rig` as a user does: a process of its own, its exit code and what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENDS_WITHIN_S = 120
_warm: list[subprocess.Popen[str]] = []  # the process that forks commands off (warm.py)


def warm_up() -> None:
    """Begin to load what commands import, in a process that lives as long as this one."""
    command = [sys.executable, "-m", "tests.warm"]
    _warm.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))


def cool_down() -> None:
    """End that process."""
    while _warm:
        with _warm.pop() as process:
            process.kill()


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
    with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
        request = {
            "arguments": list(map(str, arguments)),
            "cwd": str(cwd),
            "env": dict(os.environ),
            "stdout": stdout.name,
            "stderr": stderr.name,
        }
        [process] = _warm
        assert process.stdin
        assert process.stdout
        print(json.dumps(request), file=process.stdin, flush=True)
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(request["arguments"], code, stdout.read(), stderr.read())


def refused(*arguments: object, cwd: Path) -> str:
    """The message of a command that must refuse: exit code 2, one message, no traceback."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr

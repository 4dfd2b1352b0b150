"""Runs the command `rig` as a user does: a process of its own, its exit code and what it printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENDS_WITHIN_S = 120


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """Start `rig ARGUMENTS`; the caller waits for it."""
    command = [sys.executable, "-m", "rig", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `rig ARGUMENTS` to its end."""
    command = [sys.executable, "-m", "rig", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False)


def refused(*arguments: object, cwd: Path) -> str:
    """The message of a command that must refuse: exit code 2, one message, no traceback."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr

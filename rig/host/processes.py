"""Other processes: started, told from each other, asked to end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

# Not ported to Windows: a child's pipe has to be handed over there as a handle (STARTUPINFO.lpAttributeList), and to
# be read in a thread, because nothing waits for a pipe with a time-out. The simulated world and the window need it.
NO_PIPES = "processes of its own cannot be started on Windows yet"


def start_process(
    command: Sequence[str],
    *,
    output: IO[bytes],
    stdin: int,
    pass_fds: Sequence[int],
    env: Mapping[str, str] | None,
    dies_with_parent: bool,
) -> subprocess.Popen[bytes]:
    """Start a process that inherits `pass_fds` and no other descriptor, and prints into `output`. Raises OSError.

    With `dies_with_parent` it stays in this process's group and is ended by the system when the calling thread is
    gone; else it leads a group of its own, which the terminal's Ctrl-C does not reach.
    """
    if sys.platform == "win32":
        raise OSError(NO_PIPES)
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=output,
        stderr=output,
        env=env,
        pass_fds=pass_fds,
        process_group=None if dies_with_parent else 0,
        preexec_fn=die_with_parent if dies_with_parent else None,
    )


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs. Windows is not asked, and every process is taken to run."""
    if sys.platform != "win32":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # somebody else's
            pass
    return True


def process_mark(pid: int) -> str:
    """What tells a running process from every other that had its number before, or will; empty when none runs.

    Where the system does not say when it began, as on Windows, it is the number alone.
    """
    if sys.platform != "linux":
        return str(pid) if is_alive(pid) else ""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{boot} {rest[18]}"  # when it began, in clock ticks since the system did


def end_signals() -> tuple[int, ...]:
    """What asks a command to end: Ctrl-C, a polite kill and, where there is such a thing, a terminal that is closed."""
    import signal

    if sys.platform == "win32":
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def pause_signals() -> tuple[int, ...]:
    """What would let a program stand still until it is told to go on: Ctrl-Z, and the terminal of another's turn."""
    import signal

    if sys.platform == "win32":
        return ()
    return signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU


def end_process_group(pid: int, *, force: bool) -> None:
    """Ask a child and all its children to end, or end them at once."""
    if sys.platform == "win32":
        import signal

        os.kill(pid, signal.SIGTERM)
    else:
        import signal

        try:
            os.killpg(pid, signal.SIGKILL if force else signal.SIGTERM)
        except ProcessLookupError:
            pass


def die_with_parent() -> None:
    """In a child: be ended by the system when the parent is gone, whatever ended it."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)

"""What benches that record have in common: a protocol, memory, and what the file of a run tells."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.session.run import Run

STILL = """\
schema: 1
name: still
title: a neutral screen
blocks:
  - {kind: baseline, name: still, seconds: SECONDS, store: all}
"""
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def still_protocol(seconds: int) -> str:
    """A protocol that shows one neutral screen for so long, every frame stored."""
    return STILL.replace("SECONDS", str(seconds))


@contextmanager
def busy(processes: int, *before: str) -> Iterator[None]:
    """Beside so many processes that only burn time; `before`: what to start each of them by."""
    burning = [subprocess.Popen([*before, sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def family(pid: int) -> list[int]:
    """A process and all below it, whichever of its threads started them."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it, or a thread of it, has just ended
        return []
    return [pid, *(found for child in children for found in family(int(child)))]


def resident_mb() -> float:
    """What this process holds in memory, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


def lost_in(run: Run) -> dict[str, int]:
    """Frames lost of each stream, found out from rows alone: pulses sent on its line less pulses of its frames.

    Of runs in which every frame is to be stored.
    """
    lines, numbers = run.pulses["lines"], run.pulses["pulse_number"]
    return {
        name: len(np.setdiff1d(numbers[(lines >> stream.line) & 1 > 0], stream.pulse_numbers))
        for name, stream in run.streams.items()
    }


def waited_ms(run: Run) -> NDArray[np.float64]:
    """From grab to acknowledged, ms, of every frame: each as if it had been the oldest of its sync."""
    of_sync = (run.syncs["returned_host_ns"] - run.syncs["oldest_arrived_host_ns"]) / 1e6
    return np.asarray(np.repeat(of_sync, run.syncs["frames"]))

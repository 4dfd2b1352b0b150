"""A disk that takes nothing for a while, in real time, and which frames wait or are lost by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from rig import host
from rig.session.folder import beside
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import Fault, read_truth
from rig.streams import Frame

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
ENDS_WITHIN_S = 60


class HeldFrames:
    """How many frames the recorder has taken of each camera and not given back yet."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._taken, self._given = dict.fromkeys(STREAMS, 0), dict.fromkeys(STREAMS, 0)
        grab, release = SimulatedCamera.grab, SimulatedCamera.release

        def grabbed(camera: SimulatedCamera, timeout_s: float) -> object:
            came = grab(camera, timeout_s)
            self._taken[camera.name] += isinstance(came, Frame)
            return came

        def released(camera: SimulatedCamera, frame: Frame) -> None:
            self._given[camera.name] += 1
            release(camera, frame)

        monkeypatch.setattr(SimulatedCamera, "grab", grabbed)
        monkeypatch.setattr(SimulatedCamera, "release", released)

    @property
    def counts(self) -> dict[str, int]:
        """By stream; each thread adds to a number of its own."""
        return {name: taken - self._given[name] for name, taken in self._taken.items()}


class BlockedWrite:
    """After so many writes the system takes nothing until something is so. `lasted_ns`: how long that took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: int, until: Callable[[], bool]) -> None:
        self.lasted_ns, self.is_over = 0, False
        self._write, self._left, self._until = host.write_at, after, until
        monkeypatch.setattr(host, "write_at", self._blocked)

    def _blocked(self, fd: int, data: bytes | memoryview, offset: int) -> None:
        self._left -= 1
        if self._left == 0:
            self._wait()
        self._write(fd, data, offset)

    def _wait(self) -> None:
        began_ns = time.perf_counter_ns()
        until = time.monotonic() + ENDS_WITHIN_S
        while not self._until() and time.monotonic() < until:
            time.sleep(0.01)
        self.is_over = self._until()
        self.lasted_ns = time.perf_counter_ns() - began_ns


def lost(run: h5py.File) -> set[tuple[str, int]]:
    """Stream and pulse of every frame that a file says was lost."""
    return {
        (stream, pulse)
        for stream, step in STREAMS.items()
        for row in run[f"/acquisition/{stream}/gaps"][:]
        for pulse in range(row["first_pulse"], row["last_pulse"] + 1, step)
    }


def overruns(path: Path) -> set[tuple[str, int]]:
    """Stream and pulse of every frame that found all buffers of its camera held, by the simulator's own truth."""
    truth = beside(path, "truth.jsonl")
    struck = read_truth(truth) if truth.exists() else []
    return {(each.stream, each.pulse) for each in struck if each.fault is Fault.OVERRUN}

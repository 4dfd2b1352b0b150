"""Faults that the simulated world commits by seed, and the truth of what was committed.

The truth is written by the simulator alone, one JSON object a line, and read by tests alone: what a recording says
about its losses is compared with it.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import ceil
from pathlib import Path

import numpy as np

from rig import host
from rig.config.rig import Camera, Faults
from rig.errors import ConfigError
from rig.streams import NO_PULSE

BOX = "box"
REQUESTS_S = 0.25  # the host says something at least so often: it asks for clock pairs five times a second
APPEND = os.O_CREAT | os.O_APPEND | os.O_WRONLY


class Fault(StrEnum):
    """What can go wrong: at one pulse of one camera, on its line, on the serial line, in the box."""

    LOST_FRAME = "lost_frame"  # exposed and numbered, but never delivered
    LOST_PULSE = "lost_pulse"  # the edge never reached the camera
    GHOST_FRAME = "ghost_frame"  # an edge half a period after the pulse that no box sent
    OVERRUN = "overrun"  # no free buffer: the recorder was too slow (never planned)
    DEAD_LINE = "dead_line"  # no edge ever reaches the camera
    BYTE_TO_BOX = "byte_to_box"  # a byte lost on the serial line
    BYTE_TO_HOST = "byte_to_host"
    SWALLOWED_START = "swallowed_start"  # a START that never reached the box
    LATE_BOOT = "late_boot"  # the box was deaf for a while after its port was opened
    RESET = "reset"  # the box restarted in mid-run, instead of the pulse
    DRIFT = "drift"  # the box's clock changes its rate


@dataclass(frozen=True)
class Committed:
    """One fault as it was committed."""

    fault: Fault
    stream: str  # the camera's name, or BOX
    pulse: int  # the pulse it struck; the last one before a ghost or a lost byte; NO_PULSE where it is no matter of one


class Truth:
    """What was committed, kept in memory and, if a file is given, written to it at once."""

    def __init__(self, path: Path | None) -> None:
        self.committed: list[Committed] = []
        self._path = path

    def add(self, fault: Fault, stream: str, pulse: int = NO_PULSE) -> None:
        """Note a fault at the moment it is committed."""
        entry = Committed(fault, stream, pulse)
        self.committed.append(entry)
        if self._path is not None:
            with os.fdopen(os.open(self._path, APPEND, host.PRIVATE_FILE), "a") as file:
                file.write(json.dumps(asdict(entry)) + "\n")


def read_truth(path: Path) -> list[Committed]:
    """The truth as a simulator wrote it."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [Committed(Fault(e["fault"]), e["stream"], e["pulse"]) for e in entries]


def place_faults(faults: Faults, cameras: dict[str, Camera], seed: int) -> dict[tuple[str, int], Fault]:
    """Choose (stream, pulse) for every fault, each place once, by seed. Raises ConfigError when they do not fit."""
    rng = np.random.default_rng((seed, 7))
    pulses = [(name, _pulses_of(camera, faults)) for name, camera in cameras.items()]
    ends = np.cumsum([len(own) for _, own in pulses])  # places are numbered through, camera after camera
    kinds = (
        [Fault.LOST_FRAME] * faults.lost_frames
        + [Fault.LOST_PULSE] * faults.lost_pulses
        + [Fault.GHOST_FRAME] * faults.ghost_frames
    )
    if len(kinds) > ends[-1]:
        raise ConfigError("simulation.faults", "are too many", value=f"{len(kinds)} faults", allowed=f"{ends[-1]} fit")
    placed: dict[tuple[str, int], Fault] = {}
    for place, kind in zip(rng.choice(ends[-1], len(kinds), replace=False), kinds, strict=True):
        camera = int(np.searchsorted(ends, place, side="right"))
        name, own = pulses[camera]
        placed[name, own[int(place - ends[camera])]] = kind  # counted from the camera's last pulse
    return placed


def _pulses_of(camera: Camera, faults: Faults) -> range:
    """The pulses of a camera at which it may fail."""
    first = -(-faults.first_pulse // camera.divisor) * camera.divisor
    return range(first, faults.last_pulse + 1, camera.divisor)


class BoxFaults:
    """What goes wrong in the box and on its serial line, by seed; told to the truth as it is committed."""

    def __init__(self, faults: Faults, seed: int, truth: Truth, *, rate_hz: float = 100.0) -> None:
        """`rate_hz`: of the pulses; bytes to the box are due so early that a request still comes by `last_pulse`."""
        rng = np.random.default_rng((seed, 11))
        window = range(faults.first_pulse, faults.last_pulse + 1)
        latest = max(faults.first_pulse, faults.last_pulse - ceil(REQUESTS_S * rate_hz))
        self.drift_ppm = faults.drift_ppm
        self._truth, self._random = truth, rng
        self._last_pulse = faults.last_pulse
        self._bytes = {  # after which pulses bytes are due
            Fault.BYTE_TO_BOX: [min(due, latest) for due in _chosen(rng, window, faults.dropped_bytes)],
            Fault.BYTE_TO_HOST: _chosen(rng, window, faults.dropped_bytes),
        }
        walks = int(rng.integers(faults.swallowed_starts + 1))  # so many before the line walk, the others after it
        self._swallowed = {*range(walks), *range(walks + 1, faults.swallowed_starts + 1)}
        self._starts = 0
        self._late_boot_ns = round(faults.late_boot_s * 1e9)
        self._reset_at = faults.reset_at_pulse
        if self.drift_ppm:
            truth.add(Fault.DRIFT, BOX)

    def spoil(self, data: bytes, way: Fault, last_pulse: int) -> bytes:
        """The bytes of one message without those that are lost: all that are due by `last_pulse`, the last one sent."""
        if last_pulse > self._last_pulse:
            return data
        due = self._bytes[way]
        count = min(bisect_right(due, last_pulse), len(data))
        del due[:count]
        for _ in range(count):
            self._truth.add(way, BOX, last_pulse)
            lost = int(self._random.integers(len(data)))
            data = data[:lost] + data[lost + 1 :]
        return data

    def swallows_start(self) -> bool:
        """Whether the START that comes now is lost on its way."""
        number, self._starts = self._starts, self._starts + 1
        if number in self._swallowed:
            self._truth.add(Fault.SWALLOWED_START, BOX)
        return number in self._swallowed

    def late_boot_ns(self) -> int:
        """How long the box is deaf from now, its port being opened; 0 from the second time on."""
        deaf_ns, self._late_boot_ns = self._late_boot_ns, 0
        if deaf_ns:
            self._truth.add(Fault.LATE_BOOT, BOX)
        return deaf_ns

    def resets_at(self, pulse: int) -> bool:
        """Whether the box resets where it would send this pulse of the recording run; once only."""
        if pulse != self._reset_at:
            return False
        self._reset_at = None
        self._truth.add(Fault.RESET, BOX, pulse)
        return True


def _chosen(rng: np.random.Generator, window: range, count: int) -> list[int]:
    """So many pulses of the window, each once, in their order."""
    return sorted(window[int(place)] for place in rng.choice(len(window), min(count, len(window)), replace=False))

"""Faults that the simulated world commits by seed, and the truth of what was committed.

The truth is written by the simulator alone, one JSON object a line, and read by tests alone: what a recording says
about its losses is compared with it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from rig import host
from rig.config.rig import Camera, Faults
from rig.errors import ConfigError

APPEND = os.O_CREAT | os.O_APPEND | os.O_WRONLY


class Fault(StrEnum):
    """What can go wrong at one pulse of one camera."""

    LOST_FRAME = "lost_frame"  # exposed and numbered, but never delivered
    LOST_PULSE = "lost_pulse"  # the edge never reached the camera
    GHOST_FRAME = "ghost_frame"  # an edge half a period after the pulse that no box sent
    OVERRUN = "overrun"  # no free buffer: the recorder was too slow (never planned)


@dataclass(frozen=True)
class Committed:
    """One fault as it was committed."""

    fault: Fault
    stream: str
    pulse: int  # the pulse it struck; for a ghost the last pulse before it


class Truth:
    """What was committed, kept in memory and, if a file is given, written to it at once."""

    def __init__(self, path: Path | None) -> None:
        self.committed: list[Committed] = []
        self._path = path

    def add(self, fault: Fault, stream: str, pulse: int) -> None:
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

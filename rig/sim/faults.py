"""Faults that the simulated world commits by seed, and the truth of what was committed and shown.

The truth is written by the simulator alone, one JSON object a line, and read by tests alone: what a recording says
about its losses is compared with it.
"""

from __future__ import annotations

import json
import os
import sys
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import ceil
from pathlib import Path
from typing import TypeVar

import numpy as np

from rig import host
from rig.config.rig import Camera, Faults
from rig.config.rules import SPAN_PULSES
from rig.errors import ConfigError
from rig.sim.expressions import Movement, Shown
from rig.streams import NO_FILM, NO_PULSE

T = TypeVar("T")
BOX, SCREEN = "box", "screen"
REQUESTS_S = 0.25  # the host says something at least so often: it asks for clock pairs five times a second
APPEND = os.O_CREAT | os.O_APPEND | os.O_WRONLY


class Fault(StrEnum):
    """What can go wrong: at one pulse of one camera, on its line, on the serial line, in the box."""

    LOST_FRAME = "lost_frame"  # exposed and numbered, but never delivered
    UNNUMBERED_FRAME = "unnumbered_frame"  # exposed, never delivered, and the next frame has its number
    LOST_PULSE = "lost_pulse"  # the edge never reached the camera
    SWALLOWED = "swallowed"  # the edge came while the camera could not expose
    DAMAGED_FRAME = "damaged_frame"  # delivered, but only the upper half of it
    TIMEOUT = "timeout"  # one of several frames in a row that were exposed and never delivered
    OVERHEATED = "overheated"  # the same, the camera being too hot
    DISCONNECTED = "disconnected"  # the camera was gone, or not armed again yet
    BUS_RESET = "bus_reset"  # the same, with another camera at the same instant
    OVERRUN = "overrun"  # no free buffer: the recorder was too slow (never planned)
    GHOST_FRAME = "ghost_frame"  # an edge half a period after the pulse that no box sent
    DUPLICATE_FRAME = "duplicate_frame"  # delivered twice
    STALE_FRAME = "stale_frame"  # the last frame of the epoch before, delivered as one of this epoch
    LATE_FRAME = "late_frame"  # delivered 300 ms late; those after it wait behind it
    STALL = "stall"  # nothing is delivered for 0.5 s, then all that was exposed meanwhile
    FIRST_FRAME_DELAY = "first_frame_delay"  # the first frame after arming is delivered so late
    CLOCK_STEP = "clock_step"  # the camera's clock jumps forward by 0.02 to 10 s
    CLOCK_STEP_BACK = "clock_step_back"  # the same, backward
    FROZEN_FRAME = "frozen_frame"  # delivered with the picture of the frame before
    LONG_EXPOSURE = "long_exposure"  # the camera exposes for one and a half periods
    HOT = "hot"  # the camera says that it is too hot
    BUMPED_NUMBERS = "bumped_numbers"  # its first number is not the one announced
    KEPT_NUMBERS = "kept_numbers"  # its numbers go on from the epoch before
    DEAD_LINE = "dead_line"  # no edge ever reaches the camera
    SWAPPED_CABLES = "swapped_cables"  # the camera is on the line of another one
    FALLING_EDGE = "falling_edge"  # it exposes at the falling edge of its pulses
    UNDECLARED_DELAY = "undeclared_delay"  # it exposes later than it says
    START_JITTER = "start_jitter"  # it begins to expose late, each time by another time
    TIMESTAMP_JITTER = "timestamp_jitter"  # its timestamps are off
    CLOCK_PPM = "clock_ppm"  # its clock is so fast or slow
    FREE_RUN = "free_run"  # from this pulse on it exposes at a rate of its own
    BYTE_TO_BOX = "byte_to_box"  # a byte lost on the serial line
    BYTE_TO_HOST = "byte_to_host"
    SWALLOWED_START = "swallowed_start"  # a START that never reached the box
    LATE_BOOT = "late_boot"  # the box was deaf for a while after its port was opened
    RESET = "reset"  # the box restarted in mid-run, instead of the pulse
    DRIFT = "drift"  # the box's clock changes its rate
    PHOTODIODE_OFF = "photodiode_off"  # the photodiode is not connected
    SKIPPED_FILM_FRAME = "skipped_film_frame"  # a film frame never shown
    HELD_FILM_FRAME = "held_film_frame"  # a film frame shown too long
    DROPPED_FLIP = "dropped_flip"  # a refresh without a flip
    LATE_FLIP = "late_flip"  # a flip that came between two refreshes


LOSES = frozenset(  # the pulse has no whole frame
    {
        Fault.LOST_FRAME,
        Fault.UNNUMBERED_FRAME,
        Fault.LOST_PULSE,
        Fault.SWALLOWED,
        Fault.DAMAGED_FRAME,
        Fault.TIMEOUT,
        Fault.OVERHEATED,
        Fault.DISCONNECTED,
        Fault.BUS_RESET,
        Fault.OVERRUN,
    }
)
ADDS = frozenset({Fault.GHOST_FRAME, Fault.DUPLICATE_FRAME, Fault.STALE_FRAME})  # a frame too many
ONCE = {  # at one pulse: key of simulation.faults, and the fault
    "lost_frames": Fault.LOST_FRAME,
    "lost_pulses": Fault.LOST_PULSE,
    "ghost_frames": Fault.GHOST_FRAME,
    "unnumbered_frames": Fault.UNNUMBERED_FRAME,
    "duplicate_frames": Fault.DUPLICATE_FRAME,
    "late_frames": Fault.LATE_FRAME,
    "damaged_frames": Fault.DAMAGED_FRAME,
    "frozen_frames": Fault.FROZEN_FRAME,
}
# At several pulses of a camera in a row, of SPAN_PULSES that it has to itself: key, and the fault at each of them.
MIDDLE = SPAN_PULSES // 2
LONG: dict[str, dict[int, Fault]] = {
    "stalls": {0: Fault.STALL},
    "timeouts": dict.fromkeys(range(12), Fault.TIMEOUT),
    "long_exposures": dict.fromkeys(range(16), Fault.LONG_EXPOSURE),
    "overheatings": dict.fromkeys(range(4), Fault.HOT) | dict.fromkeys(range(4, 16), Fault.OVERHEATED),
    "clock_steps": {MIDDLE: Fault.CLOCK_STEP},
    "disconnects": {MIDDLE: Fault.DISCONNECTED},
    "bus_resets": {MIDDLE: Fault.BUS_RESET},
    "clock_steps_back": {MIDDLE: Fault.CLOCK_STEP_BACK},
    "ghost_swallows": {MIDDLE: Fault.GHOST_FRAME, MIDDLE + 1: Fault.LOST_PULSE},
}


@dataclass(frozen=True)
class Committed:
    """One fault as it was committed."""

    fault: Fault
    stream: str  # the camera's name, BOX, SCREEN, or the step of a film
    pulse: int  # the pulse it struck; the last one before a ghost or a lost byte; NO_PULSE where it is no matter of one
    film_frame: int = NO_FILM  # the film frame it struck


class Truth:
    """What was committed, kept in memory and, if a file is given, written to it at once.

    A file that cannot be written is given up, which is said once: the world goes on, as one without faults would.
    """

    def __init__(self, path: Path | None) -> None:
        self.committed: list[Committed] = []
        self.movements: list[Shown] = []
        self._path = path

    def add(self, fault: Fault, stream: str, pulse: int = NO_PULSE, *, film_frame: int = NO_FILM) -> None:
        """Note a fault at the moment it is committed."""
        self.committed.append(Committed(fault, stream, pulse, film_frame))
        self._write(asdict(self.committed[-1]))

    def shown(self, movement: Shown) -> None:
        """Note a movement of the face, once however many cameras see it."""
        if movement not in self.movements:
            self.movements.append(movement)
            self._write(asdict(movement))

    def _write(self, entry: dict[str, object]) -> None:
        if self._path is None:
            return
        try:
            with os.fdopen(os.open(self._path, APPEND, host.PRIVATE_FILE), "a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            print(f"{self._path}: cannot be written, and is not complete: {error.strerror}", file=sys.stderr)  # noqa: T201
            self._path = None


def read_truth(path: Path) -> list[Committed]:
    """The faults as a simulator wrote them, in their order."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [Committed(**{**e, "fault": Fault(e["fault"])}) for e in entries if "fault" in e]


def read_movements(path: Path) -> list[Shown]:
    """The movements of the face as a simulator wrote them."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [Shown(**{**e, "kind": Movement(e["kind"])}) for e in entries if "kind" in e]


def lost_pulses(truth: Iterable[Committed], stream: str) -> list[int]:
    """The pulses of a stream without a whole frame, sorted; each is told when it is lost, however many in a row."""
    return sorted({t.pulse for t in truth if t.stream == stream and t.fault in LOSES})


def extras(truth: Iterable[Committed], stream: str) -> list[Committed]:
    """The frames of a stream that no pulse, or no pulse of its own, caused; in the order of their delivery."""
    return [t for t in truth if t.stream == stream and t.fault in ADDS]


Placed = dict[tuple[str, int], Fault]


class _Places:
    """The pulses of all cameras in pieces of `size` pulses, numbered through, camera after camera."""

    def __init__(self, pulses: dict[str, range], size: int) -> None:
        self._names, self._size = list(pulses), size
        self._ends = np.cumsum([len(own) // size for own in pulses.values()])
        self._begins = [0, *map(int, self._ends[:-1])]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0  # no camera is in the simulated world

    def at(self, number: int) -> tuple[str, int]:
        """The camera, and where among its pulses the piece begins."""
        camera = int(np.searchsorted(self._ends, number, side="right"))
        return self._names[camera], (number - self._begins[camera]) * self._size

    def number(self, name: str, place: int) -> int:
        """The number of the piece that begins at a place of a camera."""
        return self._begins[self._names.index(name)] + place // self._size

    def chosen(self, kinds: list[T], taken: int, rng: np.random.Generator) -> Iterable[tuple[int, T]]:
        """A number for each kind, of those that are left when so many are `taken`. Raises ConfigError."""
        left = len(self) - taken
        if len(kinds) > left:
            raise ConfigError("simulation.faults", "are too many", value=f"{len(kinds)} faults", allowed=f"{left} fit")
        return zip(map(int, rng.choice(left, len(kinds), replace=False)), kinds, strict=True)


def place_faults(faults: Faults, cameras: dict[str, Camera], seed: int) -> Placed:
    """Choose (stream, pulse) for every fault, each place once, by seed. Raises ConfigError when they do not fit."""
    pulses = {name: _pulses_of(camera, faults) for name, camera in cameras.items()}
    placed, reserved = _place_long(faults, pulses, np.random.default_rng((seed, 8)))
    places = _Places(pulses, 1)
    once = [fault for key, fault in ONCE.items() for _ in range(getattr(faults, key))]
    taken = sorted(places.number(name, first + k) for name, first in reserved for k in range(SPAN_PULSES))
    for number, fault in places.chosen(once, len(taken), np.random.default_rng((seed, 7))):
        name, place = places.at(_without(number, taken))
        placed[name, pulses[name][place]] = fault
    return placed


def _without(number: int, taken: list[int]) -> int:
    """The place with this number, if those that are taken are not counted."""
    for other in taken:
        number += other <= number
    return number


def _place_long(
    faults: Faults, pulses: dict[str, range], rng: np.random.Generator
) -> tuple[Placed, list[tuple[str, int]]]:
    """Faults that take several pulses in a row, and where the pulses begin that they have to themselves."""
    spans = _Places(pulses, SPAN_PULSES)
    placed: Placed = {}
    reserved: list[tuple[str, int]] = []
    keys = [key for key in LONG for _ in range(getattr(faults, key))]
    for number, key in spans.chosen(keys, 0, rng):
        name, first = spans.at(number)
        reserved.append((name, first))
        placed |= {(name, pulses[name][first + offset]): fault for offset, fault in LONG[key].items()}
    return _with_partners(placed, pulses, rng), reserved


def _with_partners(placed: Placed, pulses: dict[str, range], rng: np.random.Generator) -> Placed:
    """A bus reset takes a second camera, at its first pulse from then on."""
    partners: Placed = {}
    for (name, pulse), fault in placed.items():
        others = sorted(set(pulses) - {name})
        if fault is Fault.BUS_RESET and others:
            other = others[int(rng.integers(len(others)))]
            step = pulses[other].step
            partners[other, -(-pulse // step) * step] = fault
    return placed | partners


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

"""Whether disk and processor keep up with the cameras: measured, and compared with what the rig's streams need.

    disk:    incompressible bytes, written and synced as a recording does, into the folder of the sessions
    cores:   pictures as of each camera, packed (packing.py) on all cores at once

How well real pictures compress depends on their noise: the more light, the less. Those measured with are of a smooth
scene with NOISE_GREY of noise, which is much.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from rig import host
from rig.clock import NS, Clock, HostClock
from rig.config.rig import Rig
from rig.errors import RigError, StorageError, UserError
from rig.pixels import FORMATS
from rig.session import packing
from rig.session.layout import spelled_size

MOST_BYTES, MOST_S = 512 << 20, 1.5  # written to the disk, and for how long
LEAST_BYTES = 64 << 20  # a disk with less room than that is not measured
PIECE_BYTES, SYNC_S = 4 << 20, 0.25
PACKING_S = 0.3
NOISE_GREY = 3.0  # standard deviation, of 256 grey values
SAFE = 0.8  # of what the disk did when it had nothing else to do
MOST_BUSY = 0.5  # of all cores; the rest is for cameras, screen and writing

Shape = tuple[tuple[int, ...], np.dtype[Any]]  # of one picture, and of its samples


@dataclass(frozen=True)
class Packed:
    """How pictures of one kind are packed by this computer."""

    per_s: float  # by all its cores together
    ratio: float  # of their bytes to those of their payloads


@dataclass(frozen=True)
class Speeds:
    """What this computer can do."""

    disk_bytes_s: float
    packed: dict[str, Packed]  # by stream


Measure = Callable[[Path, Rig], Speeds]


@dataclass(frozen=True)
class Load:
    """What the rig asks of this computer: bytes a second for the disk, and how much of all its cores to pack them."""

    bytes_s: float
    busy: float  # 0 to 1


def measure(folder: Path, rig: Rig) -> Speeds:
    """Measure the disk of a folder, and packing; some seconds. Raises StorageError when the disk refuses."""
    clock = HostClock()
    needed = load(rig, None, ())
    disk_bytes_s = disk_speed(folder, clock)
    if disk_bytes_s * SAFE < needed.bytes_s:  # another program may have been at it
        disk_bytes_s = max(disk_bytes_s, disk_speed(folder, clock))
    return Speeds(disk_bytes_s, {name: _packed(*_shape(rig, name), clock) for name in rig.cameras})


def too_full(folder: Path) -> str:
    """Why the disk of a folder cannot be measured; empty when it can."""
    if host.free_bytes(folder) // 4 >= LEAST_BYTES:
        return ""
    return f"{folder} is too full to be measured: {spelled_size(4 * LEAST_BYTES)} free are needed for that"


def disk_speed(folder: Path, clock: Clock) -> float:
    """Bytes a second that the disk of a folder takes for good. Raises StorageError; nothing stays there."""
    size = min(MOST_BYTES, host.free_bytes(folder) // 4)
    try:
        with TemporaryFile(dir=folder) as file:  # it has no name: whatever ends this program, nothing stays
            return _written_per_s(file.fileno(), size, clock)
    except OSError as exc:
        raise StorageError(str(folder), f"refused a write: {exc.strerror}") from exc


def _written_per_s(fd: int, size: int, clock: Clock) -> float:
    piece = os.urandom(PIECE_BYTES)
    host.reserve(fd, size)
    host.sync_file(fd)
    began = due = clock.now_ns()
    done = 0
    while done + PIECE_BYTES <= size and clock.now_ns() < began + MOST_S * NS:
        host.write_at(fd, piece, done)
        done += PIECE_BYTES
        if clock.now_ns() >= due + SYNC_S * NS:
            host.sync_data(fd)
            due = clock.now_ns()
    host.sync_data(fd)
    return done * NS / (clock.now_ns() - began)


def _shape(rig: Rig, stream: str) -> Shape:
    camera = rig.cameras[stream]
    form = FORMATS[camera.pixel_format]
    return form.shape(camera.height, camera.width), form.dtype


def _packed(shape: tuple[int, ...], dtype: np.dtype[Any], clock: Clock) -> Packed:
    """Pack pictures on all cores for a while."""
    draw = np.random.default_rng(1)
    scene = np.linspace(0.1, 0.8, prod(shape)).reshape(shape) + draw.normal(0, NOISE_GREY / 256, shape)
    picture = (scene.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)
    packing.register()
    began, counts, lengths = clock.now_ns(), [], []

    def work() -> None:
        out, count = np.zeros(packing.room_for(shape, dtype), np.uint8), 0
        while clock.now_ns() < began + PACKING_S * NS or not count:
            lengths.append(len(packing.pack(picture, out)))
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(host.cores())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Packed(sum(counts) * NS / (clock.now_ns() - began), picture.nbytes / lengths[0])


def load(rig: Rig, speeds: Speeds | None, compressed: Iterable[str]) -> Load:
    """What the streams need, of which some are `compressed` as fast and as well as was measured."""
    bytes_s = busy = 0.0
    for name, camera in rig.cameras.items():
        shape, dtype = _shape(rig, name)
        rate_hz = rig.box.rate_hz / camera.divisor
        raw_bytes_s = rate_hz * prod(shape) * dtype.itemsize
        if speeds is not None and name in compressed:
            bytes_s += raw_bytes_s / speeds.packed[name].ratio
            busy += rate_hz / speeds.packed[name].per_s
        else:
            bytes_s += raw_bytes_s
    return Load(bytes_s, busy)


@dataclass(frozen=True)
class Judged:
    """Whether it fits, in words; a problem stops a recording."""

    text: str
    warnings: tuple[str, ...] = ()
    problems: tuple[RigError, ...] = ()


def judge(rig: Rig, speeds: Speeds, subject: str) -> Judged:
    """Whether disk and cores keep up with the rig as it is written, and if not, what would help.

    `subject`: the rig's file, for what is said of it.
    """
    chosen = [name for name, camera in rig.cameras.items() if camera.compression != "none"]
    needed = load(rig, speeds, chosen)
    text = f"the disk takes {_mb(speeds.disk_bytes_s)}, the cameras give {_mb(load(rig, None, ()).bytes_s)}"
    if chosen:
        text += f", {_mb(needed.bytes_s)} with {', '.join(chosen)} compressed by {needed.busy:.0%} of all cores"
    if needed.busy > MOST_BUSY:
        return Judged(text, problems=(_too_busy(subject, needed, chosen),))
    if needed.bytes_s <= SAFE * speeds.disk_bytes_s:
        return Judged(text)
    help_ = _what_helps(rig, speeds)
    if needed.bytes_s <= speeds.disk_bytes_s:
        return Judged(text, warnings=(f"the disk has little to spare: {text}. {help_}",))
    value, allowed = _mb(needed.bytes_s), f"at most {_mb(speeds.disk_bytes_s)}, which it takes"
    return Judged(
        text, problems=(UserError(subject, "is too much for the disk", value=value, allowed=allowed, hint=help_),)
    )


def _too_busy(subject: str, needed: Load, chosen: list[str]) -> UserError:
    value, allowed = f"{needed.busy:.0%} of all cores", f"at most {MOST_BUSY:.0%}"
    hint = f"Compress fewer streams than {', '.join(chosen)}, or use a quicker computer"
    return UserError(subject, "is too much for compression", value=value, allowed=allowed, hint=hint)


def _what_helps(rig: Rig, speeds: Speeds) -> str:
    """The fewest streams whose compression makes it fit, the largest first."""
    by_size = sorted(rig.cameras, key=lambda name: -load(_alone(rig, name), None, ()).bytes_s)
    for count in range(1, len(by_size) + 1):
        needed = load(rig, speeds, by_size[:count])
        if needed.bytes_s <= SAFE * speeds.disk_bytes_s and needed.busy <= MOST_BUSY:
            keys = ", ".join(f"cameras.{name}.compression: bitshuffle-lz4" for name in by_size[:count])
            return f"Compression is enough, by {needed.busy:.0%} of all cores: {keys}"
    return "Compression is not enough: use a quicker disk, fewer pixels or fewer frames"


def _alone(rig: Rig, stream: str) -> Rig:
    return rig.model_copy(update={"cameras": {stream: rig.cameras[stream]}})


def _mb(bytes_s: float) -> str:
    return f"{bytes_s / 1e6:.0f} MB/s"

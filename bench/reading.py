"""How fast pictures are read from a closed run, raw and compressed: one at a time in any order, and in sequence.

    python -m bench.reading [--size 640x480] [--frames 1000]

Ways: data[i] (compared with its checksum), data.read(i, check_sums=False), data.mapped(i), plain h5py, and as measure
a numpy.memmap of nothing but the pictures. Every byte of a picture is looked at. All from the page cache; medians of
five rounds in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  the filter of compressed pictures
import numpy as np
import xxhash

import rig
from rig.clock import NS, HostClock
from rig.session import packing
from rig.session.arming import Header
from rig.session.layout import Outcome, Room, StreamSpec, data_path, frames_path
from rig.session.reader import Session
from rig.session.writer import SessionWriter

ROUNDS = 5
Read = Callable[[int], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--frames", type=int, default=1000)
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        pictures = np.memmap(Path(folder) / "pictures", np.uint8, "w+", shape=(args.frames, height, width))
        pictures[:] = noisy(args.frames, height, width)
        print(f"{args.frames} pictures of {args.size}, {os.cpu_count()} cores; pictures per second, median of {ROUNDS}")
        for is_compressed in (False, True):
            path = write(Path(folder) / f"run{is_compressed}.h5", pictures, is_compressed=is_compressed)
            measure(path, pictures, is_compressed=is_compressed)


def noisy(frames: int, height: int, width: int) -> np.ndarray:
    """Pictures as of a camera: something smooth, with noise of its own in each of some dozens."""
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.linspace(40, 120, height), np.linspace(0, 80, width))
    some = [np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8) for _ in range(32)]
    return np.stack([some[number % len(some)] for number in range(frames)])


def write(path: Path, pictures: np.ndarray, *, is_compressed: bool) -> Path:
    """A closed run with one stream."""
    count, height, width = pictures.shape
    spec = StreamSpec("HS", height, width, count, is_compressed=is_compressed)
    attributes = {"schema": 1, "subject": "1", "session": 1, "run": 1, "run_id": 1, "continues": 0}
    attributes |= {"created_host_ns": 5, "streams": '["HS"]'}
    stream = {"divisor": 1, "line": 0, "pixel_format": "Mono8", "width": width, "height": height}
    writer = SessionWriter(path, Header(attributes, {"HS": stream}, {}), Room((spec,), 1, 10, 10))
    for index, picture in enumerate(pictures):
        store(writer, index, picture, is_compressed=is_compressed)
        checksum = xxhash.xxh3_64_intdigest(picture)
        writer.append(frames_path("HS"), (1, 4, 0, index, index, index, index, 0.0, 0, index, checksum))
    writer.close(Outcome.FINISHED)
    return path


def store(writer: SessionWriter, index: int, picture: np.ndarray, *, is_compressed: bool) -> None:
    if is_compressed:
        out = np.empty(packing.room_for(picture.shape, picture.dtype), np.uint8)
        writer.store_packed(data_path("HS"), index, packing.pack(picture, out))
    else:
        writer.store_frame(data_path("HS"), index, picture)


def measure(path: Path, pictures: np.ndarray, *, is_compressed: bool) -> None:
    began = HostClock().now_ns()
    with rig.open(path) as session, h5py.File(path, locking=False) as plain:
        stream = session.streams["HS"]
        assert np.array_equal(stream.data[-1], pictures[-1])
        opened_ms = (HostClock().now_ns() - began) / 1e6
        ratio = pictures.nbytes / path.stat().st_size
        print(f"\n{'compressed' if is_compressed else 'raw'}, 1 : {ratio:.2f}; opened in {opened_ms:.1f} ms")
        ways = ways_of(session, plain[data_path("HS")], pictures, is_compressed=is_compressed)
        order = np.random.default_rng(2).permutation(len(pictures))
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for name, read in ways.items():
                found.setdefault((name, "random"), []).append(rate(read, order))
                found.setdefault((name, "in sequence"), []).append(rate(read, np.arange(len(pictures))))
        for name in ways:
            random, sequence = (statistics.median(found[name, kind]) for kind in ("random", "in sequence"))
            print(f"  {name:<34} {random:>8.0f} random {sequence:>8.0f} in sequence {1000 / random:>7.3f} ms each")


def ways_of(session: Session, plain: h5py.Dataset, pictures: np.ndarray, *, is_compressed: bool) -> dict[str, Read]:
    data = session.streams["HS"].data
    ways: dict[str, Read] = {
        "data[i]": lambda index: data[index],
        "data.read(i, check_sums=False)": lambda index: data.read(index, check_sums=False),
        "plain h5py": lambda index: plain[index],
    }
    if is_compressed:
        return ways
    return ways | {"data.mapped(i)": data.mapped, "numpy.memmap of the pictures alone": lambda index: pictures[index]}


def rate(read: Read, order: np.ndarray) -> float:
    """Pictures per second; every byte is looked at, or a view would cost nothing."""
    clock = HostClock()
    began = clock.now_ns()
    for index in order.tolist():
        read(index).max()
    return len(order) * NS / (clock.now_ns() - began)


if __name__ == "__main__":
    main()

"""One way to store frames, in a process of its own: started by peers.py, prints JSON.

    python -m bench.peer WAY write|read|die|look PICTURES.npy PATH --frames N [--flushed N]

write: store all and say what it cost. read: how long a random frame takes. die: store, tell each flush on the standard
output, and wait to be killed. look: what that left.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import random
import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from bench.stores import Picture, Shape, Store, measure, put_all, stamped, sync_path

WAYS = {
    "bare": "bench.stores:BareWrite",
    "rig": "bench.own_stores:Rig",
    "rig_packed": "bench.own_stores:RigPacked",
    "h5py": "bench.peer_stores:H5pyNaive",
    "swmr": "bench.peer_stores:H5pySwmr",
    "zarr": "bench.peer_stores:Zarr",
    "zarr_raw": "bench.peer_stores:ZarrRaw",
    "tifffile": "bench.peer_stores:Tifffile",
    "tifffile_pages": "bench.peer_stores:TifffilePages",
    "ffv1": "bench.peer_stores:Ffv1",
}
READS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("work", choices=WORK)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--flushed", type=int, default=0)
    asked = parser.parse_args()
    pictures = np.load(asked.pictures)
    shape = Shape(asked.frames, *pictures.shape[1:])
    print(json.dumps(WORK[asked.work](way_of(asked.way), asked.path, shape, pictures, asked.flushed)))


def way_of(name: str) -> type[Store]:
    """Imported only when asked for: no environment has the libraries of all."""
    module, kind = WAYS[name].split(":")
    found: type[Store] = getattr(importlib.import_module(module), kind)
    return found


def write(way: type[Store], path: Path, shape: Shape, pictures: Picture, _flushed: int) -> dict[str, float]:
    """The cost (see Cost), the time to make the file and to close and sync it, s, and its bytes on the disk."""
    began = time.perf_counter()
    store = way(path, shape)
    arm_s = time.perf_counter() - began
    cost = measure(store, pictures)
    began = time.perf_counter()
    sync_path(path)  # what closing wrote
    end_s = cost.close_s + time.perf_counter() - began
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {**asdict(cost), "arm_s": arm_s, "end_s": end_s, "bytes": sum(file.stat().st_size for file in files)}


def read(way: type[Store], path: Path, shape: Shape, pictures: Picture, _flushed: int) -> dict[str, float]:
    """Random frames, each compared with what was stored; median and 99th percentile, ms. All was read once before."""
    rng, took_s = random.Random(6), []
    with contextlib.contextmanager(way.opened)(path, shape) as stored:
        assert sum(1 for _ in stored.in_order()) == stored.frames == shape.frames
        for _ in range(READS):
            index = rng.randrange(stored.frames)
            began = time.perf_counter()
            picture = stored.read(index)
            took_s.append(time.perf_counter() - began)
            assert np.array_equal(picture, stamped(pictures, index)), f"frame {index} differs"
    median, p99 = np.percentile(took_s, [50, 99]) * 1e3
    return {"median_ms": float(median), "p99_ms": float(p99)}


def die(way: type[Store], path: Path, shape: Shape, pictures: Picture, _flushed: int) -> None:
    """Tells each flush and never closes."""

    def tell(flushed: int) -> None:
        print(flushed, flush=True)

    store = way(path, shape)
    put_all(store, pictures, tell)
    sys.stdin.read()


def look(way: type[Store], path: Path, shape: Shape, pictures: Picture, flushed: int) -> dict[str, float]:
    """Of the frames that had been flushed: how many are as they were. Raises whatever the library does."""
    with contextlib.contextmanager(way.opened)(path, shape) as stored:
        found = islice(stored.in_order(), flushed)
        return {"kept": sum(np.array_equal(p, stamped(pictures, i)) for i, p in enumerate(found))}


WORK = {"write": write, "read": read, "die": die, "look": look}

if __name__ == "__main__":
    main()

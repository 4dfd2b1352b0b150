"""The recorder's storage against bare `write()`: frames, rows, checksums and syncs, to the same disk, in turn.

    python -m bench.writer [--rounds N] [--gigabytes N] [--folder DIR] [--json | --document]

Three streams interleaved as 100/25/25 fps, as fast as the disk takes them. Ours calls fdatasync every 0.25 s from a
thread of its own; so do the bare ways, but for the plainest: write all, one fsync at the end. Time ends when the last
sync has returned; arming and closing are shown apart. All write the same pictures, more than the processor's caches
hold. Ways take turns in each round, in an order that is turned round each time, and ratios are taken within a round.
Every file is new, and the system's unwritten pages are synced before each, so that no way pays for another's; the
memory has room for a whole file, so no page is dropped and nothing is read. Exits 1 when a median ratio is below its
target, which is set for one fsync and for the reserved file; that to bare write with the same syncs is shown.
--document writes the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.own_stores import SMIC, Rig
from bench.pictures import faces
from bench.report import markdown, replace_part, show_table
from bench.stores import BareWrite, Cost, Fallocated, Shape, Store, SyncedAtEnd, measure

SIZES = {"640x480": 1.0, "1920x1080": 0.9}  # px, and the least ratio to bare write with one fsync
LEAST_OF_FALLOCATED = 0.85
PICTURES = {"640x480": 256, "1920x1080": 48}  # distinct ones: 79 and 100 MB, more than the processor's caches hold
OURS, AT_END, BARE, RESERVED = "rig", "bare write, one fsync", "bare write, synced alike", "fallocated, synced alike"
WAYS: dict[str, Callable[[Path, Shape], Store]] = {
    OURS: partial(Rig, divisors=SMIC),
    AT_END: SyncedAtEnd,
    BARE: BareWrite,
    RESERVED: Fallocated,
}

HEADS = (
    "",
    "MB/s",
    "speed to one fsync",
    "to synced alike",
    "to fallocated",
    "CPU s/1000",
    "longest put ms",
    "arm s",
    "close s",
)


@dataclass(frozen=True)
class Turn:
    """One file, written by one way."""

    arm_s: float
    cost: Cost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=3.0, help="of each file")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--document", action="store_true")
    asked = parser.parse_args()
    measured = {size: rounds_of(size, asked.rounds, asked.gigabytes, asked.folder) for size in SIZES}
    missed = [text for size, turns in measured.items() for text in misses(size, turns)]
    show(measured, as_json=asked.json, documented=asked.folder if asked.document else None)
    print(*missed, sep="\n", end="\n" if missed else "", file=sys.stderr)
    return int(bool(missed))


def show(measured: dict[str, dict[str, list[Turn]]], *, as_json: bool, documented: Path | None) -> None:
    if as_json:
        print(json.dumps({s: {way: list(map(asdict, of)) for way, of in t.items()} for s, t in measured.items()}))
        return
    for size, turns in measured.items():
        title = f"{size}, median of {len(turns[OURS])} rounds (range)"
        rows = rows_of(size, turns)
        if documented:
            replace_part(f"writer {size}", f"{title}:\n\n{markdown(HEADS, rows)}", documented)
        show_table(title, HEADS, rows)


def rounds_of(size: str, rounds: int, gigabytes: float, folder: Path) -> dict[str, list[Turn]]:
    """Every way's turns, one a round."""
    width, height = map(int, size.split("x"))
    pictures = faces(height, width, PICTURES[size])
    shape = Shape(int(gigabytes * 1e9) // (height * width), height, width)
    turns: dict[str, list[Turn]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in list(WAYS)[:: -1 if number % 2 else 1]:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                turns[way].append(turn_of(way, Path(place) / "run.h5", shape, pictures))
    return turns


def turn_of(way: str, path: Path, shape: Shape, pictures: np.ndarray) -> Turn:
    """Write one file."""
    os.sync()
    began = time.perf_counter()
    store = WAYS[way](path, shape)
    arm_s = time.perf_counter() - began
    return Turn(arm_s, measure(store, pictures))


def ratios(turns: dict[str, list[Turn]], way: str, to: str) -> list[float]:
    """The speed of `way` to that of another, round by round."""
    return [other.cost.seconds / own.cost.seconds for own, other in zip(turns[way], turns[to], strict=True)]


def misses(size: str, turns: dict[str, list[Turn]]) -> list[str]:
    """Targets that were not met."""
    found = []
    for to, least in ((AT_END, SIZES[size]), (RESERVED, LEAST_OF_FALLOCATED)):
        median = float(np.median(ratios(turns, OURS, to)))
        if median < least:
            found.append(f"{size}: {median:.3f} of the speed of {to}; at least {least:g} is wanted")
    return found


def rows_of(size: str, turns: dict[str, list[Turn]]) -> list[list[str]]:
    """A row of text for each way."""
    width, height = map(int, size.split("x"))
    return [row_of(turns, way, height * width) for way in turns]


def row_of(turns: dict[str, list[Turn]], way: str, frame_bytes: int) -> list[str]:
    costs = [turn.cost for turn in turns[way]]
    return [
        way,
        f"{np.median([cost.frames * frame_bytes / cost.seconds / 1e6 for cost in costs]):.0f}",
        *(ranged(ratios(turns, way, to)) for to in (AT_END, BARE, RESERVED)),
        f"{np.median([1000 * cost.cpu_s / cost.frames for cost in costs]):.3f}",
        f"{max(cost.longest_put_ms for cost in costs):.0f}",
        f"{np.median([turn.arm_s for turn in turns[way]]):.2f}",
        f"{np.median([cost.close_s for cost in costs]):.2f}",
    ]


def ranged(values: list[float]) -> str:
    return f"{np.median(values):.3f} ({min(values):.3f}-{max(values):.3f})"


if __name__ == "__main__":
    raise SystemExit(main())

"""Our session file and other ways to store frames: speed, CPU, size, random reads, and what a kill leaves.

    python -m bench.peers [--rounds N] [--gigabytes N] [--kills N] [--folder DIR] [--json | --document]

The same frames, one stream, as fast as each way takes them, every way in a process of its own; the ways take turns in
each round, in an order that is turned round each time. All flush after 25 frames as far as they can, and are synced
every 0.25 s from a thread of its own. The time begins when the file is made and, by ours, its room reserved, which is
shown apart; it ends when the file is closed and synced; its ratio to bare `write()` is taken within a round. A kill
comes at a random moment while frames are stored; counted are frames that had been flushed, or, where a library has no
flush, put. The other libraries come from bench/peers.txt, into `.bench/`. Exits 1 when our file is not opened after a
kill or lost a flushed frame. --document writes the tables into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench.pictures import faces
from bench.report import markdown, replace_part, show_table
from bench.stores import FLUSH_EVERY

ROOT = Path(__file__).parents[1]
WANTED = Path(__file__).with_name("peers.txt")
SIZES = {"640x480": 256, "1920x1080": 48}  # px, and how many distinct pictures
OWN = ("rig", "rig_packed")
NAMES = {
    "bare": "bare write",
    "rig": "rig",
    "rig_packed": "rig, bitshuffle-LZ4",
    "h5py": "h5py, naive",
    "swmr": "h5py, SWMR",
    "zarr": "zarr v3",
    "zarr_raw": "zarr v3, not compressed",
    "tifffile": "tifffile, one series",
    "tifffile_pages": "tifffile, a page a frame",
    "ffv1": "PyAV, FFV1",
}
KILL_WITHIN_S = 0.5  # of the first flush
KILLED_BYTES = 1.5e9  # at most so much is stored before the kill
LOOK_S = 120  # a reader that hangs does not open
HEADS = (
    "",
    "speed to bare write",
    "made in s",
    "CPU s/1000",
    "size ratio",
    "read ms, median / p99",
    "opens after kill",
    "lost",
)


@dataclass
class Measured:
    """What was seen of one way at one size."""

    writes: list[dict[str, float]] = field(default_factory=list)
    reads: list[dict[str, float]] = field(default_factory=list)
    kills: list[dict[str, float]] = field(default_factory=list)  # flushed, kept, opens

    @property
    def lost(self) -> int:
        """Frames that had been flushed and are not there, of all kills."""
        return int(sum(kill["flushed"] - kill["kept"] for kill in self.kills))


Found = dict[str, dict[str, Measured]]  # by size and way


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of each file")
    parser.add_argument("--kills", type=int, default=10, help="of each way, at 640x480")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--document", action="store_true")
    asked = parser.parse_args()
    python = environment()
    found: Found = {}
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for number, size in enumerate(SIZES):
            bench = Bench(python, Path(folder).resolve(), size)
            found[size] = bench.measured(asked.rounds, asked.gigabytes, asked.kills if number == 0 else 0)
    show(found, as_json=asked.json, documented=asked.folder if asked.document else None)
    kills = [kill for of in found.values() for way in OWN for kill in of[way].kills]
    return int(any(kill["kept"] < kill["flushed"] or not kill["opens"] for kill in kills))


def environment() -> Path:
    """The Python of the environment with the other libraries; made when it is missing or another one is wanted."""
    state = sha256(WANTED.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / ".bench" / f"peers-{state}"
    python, stamp = folder / "bin/python", folder / "made"
    if not stamp.exists():
        print(f"Making {folder.relative_to(ROOT)} from bench/peers.txt", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq", "install"]
        subprocess.run([*pip, "--no-deps", "-r", WANTED], check=True)
        stamp.touch()
    return python


class Bench:
    """Starts each way's processes, at one size."""

    def __init__(self, python: Path, folder: Path, size: str) -> None:
        width, height = map(int, size.split("x"))
        self._python, self._folder, self._frame_bytes = python, folder, width * height
        self._pictures = folder / f"{size}.npy"
        np.save(self._pictures, faces(height, width, SIZES[size]))

    def measured(self, rounds: int, gigabytes: float, kills: int) -> dict[str, Measured]:
        """Every way's figures."""
        found = {way: Measured() for way in NAMES}
        frames = int(gigabytes * 1e9) // self._frame_bytes
        for number in range(rounds):
            for way in list(NAMES)[:: -1 if number % 2 else 1]:
                self._round(way, found[way], frames, is_last=number == rounds - 1)
            print(f"{self._pictures.stem}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        rng = random.Random(6)
        for _ in range(kills):
            for way, measured in found.items():
                measured.kills.append(self._kill(way, rng.uniform(0, KILL_WITHIN_S)))
        return found

    def _round(self, way: str, measured: Measured, frames: int, *, is_last: bool) -> None:
        os.sync()  # nothing of another way's is left to be written
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            measured.writes.append(self._run(way, "write", folder, frames))
            if is_last:
                measured.reads.append(self._run(way, "read", folder, frames))

    def _kill(self, way: str, after_s: float) -> dict[str, float]:
        """Kill it while it stores; how many frames it had flushed, and how many of them are there."""
        frames = int(KILLED_BYTES) // self._frame_bytes
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            with subprocess.Popen(
                self._command(way, "die", folder, frames), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as child:
                assert child.stdout is not None
                child.stdout.readline()
                time.sleep(after_s)
                child.send_signal(signal.SIGKILL)
                flushed = FLUSH_EVERY * (1 + len(child.stdout.read().splitlines()))
            left = self._look(way, folder, frames, flushed)
        return {"flushed": flushed, "kept": left or 0, "opens": left is not None}

    def _look(self, way: str, folder: str, frames: int, flushed: int) -> int | None:
        """How many of the flushed frames are there; None when the library does not open what was left."""
        command = [*self._command(way, "look", folder, frames), "--flushed", str(flushed)]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LOOK_S)
        except subprocess.TimeoutExpired:
            return None
        return int(json.loads(done.stdout)["kept"]) if done.returncode == 0 else None

    def _run(self, way: str, work: str, folder: str, frames: int) -> dict[str, float]:
        done = subprocess.run(self._command(way, work, folder, frames), cwd=ROOT, stdout=subprocess.PIPE, check=True)
        result: dict[str, float] = json.loads(done.stdout)
        return result

    def _command(self, way: str, work: str, folder: str, frames: int) -> list[str]:
        python = sys.executable if way in OWN else str(self._python)
        place = Path(folder) / "run.h5"
        return [python, "-m", "bench.peer", way, work, str(self._pictures), str(place), "--frames", str(frames)]


def rows_of(found: dict[str, Measured], size: str) -> list[list[str]]:
    """A row of text for each way."""
    width, height = map(int, size.split("x"))
    return [row_of(NAMES[way], measured, found["bare"], height * width) for way, measured in found.items()]


def row_of(name: str, measured: Measured, bare: Measured, frame_bytes: int) -> list[str]:
    ratios = [whole_s(b) / whole_s(own) for b, own in zip(bare.writes, measured.writes, strict=True)]
    cpu_s = np.median([1000 * write["cpu_s"] / write["frames"] for write in measured.writes])
    size = measured.writes[0]["frames"] * frame_bytes / measured.writes[0]["bytes"]
    read, kills = measured.reads[0], measured.kills
    opens = sum(kill["opens"] for kill in kills)
    flushed = int(sum(kill["flushed"] for kill in kills))
    return [
        name,
        f"{np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        f"{np.median([write['arm_s'] for write in measured.writes]):.2f}",
        f"{cpu_s:.2f}",
        f"{size:.2f}",
        f"{read['median_ms']:.3f} / {read['p99_ms']:.3f}",
        f"{opens} of {len(kills)}" if kills else "",
        f"{measured.lost} of {flushed}" if kills else "",
    ]


def whole_s(write: dict[str, float]) -> float:
    """From the first frame until the closed file is synced."""
    return write["seconds"] + write["end_s"]


def show(found: Found, *, as_json: bool, documented: Path | None) -> None:
    if as_json:
        print(json.dumps({size: {way: asdict(m) for way, m in of.items()} for size, of in found.items()}))
        return
    for size, of in found.items():
        rounds = len(of["bare"].writes)
        title = f"{size}, median of {rounds} rounds (range)"
        heads, rows = (
            (HEADS, rows_of(of, size)) if of["bare"].kills else (HEADS[:-2], [r[:-2] for r in rows_of(of, size)])
        )
        if documented:
            replace_part(f"peers {size}", f"{title}:\n\n{markdown(heads, rows)}", documented)
        show_table(title, heads, rows)


if __name__ == "__main__":
    raise SystemExit(main())

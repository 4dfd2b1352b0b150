"""Archiving beside a recording, and archiving that is killed.

    python -m bench.archive [--gigabytes 4] [--kills 50] [--seed 1]

First the demo's load (100/25/25 fps, 640x480, real time) is recorded alone, then again while gigabytes are archived to
the same disk. Then one archiving after another is killed at a random moment, and what it left is looked at: ends with 1
when a frame was lost, or when anything looked safe that was not.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

import rig
from bench.recording import record
from rig.clock import NS, HostClock
from rig.session.folder import sessions_below
from tests.handmade import make_run

ARCHIVE = [sys.executable, "-m", "rig", "archive"]
BLOCK = 16 << 20
MINUTES_S = 600.0  # more than an archiving takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4, help="0: only the kills")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".", prefix="archive-") as name:
        folder = Path(name)
        lost = beside_a_recording(folder, options.gigabytes) if options.gigabytes else 0
        false = killed(folder, options.kills, random.Random(options.seed))
    sys.exit(1 if lost or false else 0)


def beside_a_recording(folder: Path, gigabytes: float) -> int:
    """Record alone, then while archiving; frames lost in the second."""
    alone = recorded(folder / "alone")
    large = folder / "alone/sub-001/ses-01/notes.bin"
    fill(large, int(gigabytes * 1e9), random.Random(0))
    archiver = Archiver(folder / "alone/sub-001/ses-01", folder)
    archiver.start()
    beside = recorded(folder / "beside")
    archiver.end()
    print(f"the demo's load, alone:            {alone}")
    print(f"the same while archiving:          {beside}; {archiver.text()}")
    return beside.lost


class Recorded:
    """What a recording was like."""

    def __init__(self, session: Path) -> None:
        with rig.open(session) as opened:
            run = opened.runs[0]
            waited = run.syncs["returned_host_ns"] - run.syncs["oldest_arrived_host_ns"]
            self.lost = sum(int(stream.gaps["missing"].sum()) for stream in run.streams.values())
            self.frames = sum(len(stream.frames) for stream in run.streams.values())
            self.p99_ms = float(np.percentile(waited, 99)) / 1e6
            self.longest_ms = float(waited.max()) / 1e6

    def __str__(self) -> str:
        waited = f"grab to acknowledged p99 {self.p99_ms:.0f} ms, longest {self.longest_ms:.0f} ms"
        return f"{self.frames} frames, {self.lost} lost, {waited}"


def recorded(folder: Path) -> Recorded:
    folder.mkdir()
    record(str(folder))
    return Recorded(folder / "sub-001/ses-01")


class Archiver(threading.Thread):
    """Archives one session again and again, each time to a new place, until it is told to end."""

    def __init__(self, session: Path, folder: Path) -> None:
        super().__init__()
        self._session, self._folder = session, folder
        self._is_ending = threading.Event()
        self._begun = HostClock().now_ns()
        self.seconds, self.runs, self.bytes = 0.0, 0, 0

    def run(self) -> None:
        while not self._is_ending.is_set():
            dest = self._folder / f"nas-{self.runs}"
            dest.mkdir()
            with subprocess.Popen([*ARCHIVE, str(self._session), str(dest)], stdout=subprocess.DEVNULL) as process:
                while process.poll() is None and not self._is_ending.wait(0.1):
                    pass
                process.terminate()
            self.bytes += sum(p.stat().st_blocks * 512 for p in dest.rglob("*") if p.is_file())
            self.runs += process.returncode == 0
        self.seconds = (HostClock().now_ns() - self._begun) / NS

    def end(self) -> None:
        self._is_ending.set()
        self.join()

    def text(self) -> str:
        rate = self.bytes / 1e6 / self.seconds
        return f"{self.bytes / 1e9:.2f} GB archived in {self.seconds:.0f} s, {rate:.0f} MB/s, {self.runs} whole"


def fill(path: Path, size: int, rng: random.Random) -> None:
    block = rng.randbytes(BLOCK)
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block[: size - file.tell()])


def killed(folder: Path, kills: int, rng: random.Random) -> int:
    """Kill one archiving after another; how often something looked safe that was not, or the source was not whole."""
    made = make_session(folder / "made", rng)
    truth = tree(made)
    false = published = 0
    longest_s = 0.0
    for number in range(kills + 1):
        session = Path(shutil.copytree(made, folder / "kill/sub-001/ses-01"))
        dest = folder / f"killed-{number}"
        dest.mkdir()
        if number == 0:  # to know how long one takes
            longest_s = kill_one(session, dest, MINUTES_S)
            shutil.rmtree(folder / "kill")
            continue
        kill_one(session, dest, rng.uniform(0, longest_s))
        target = dest / "sub-001/ses-01"
        is_there = sessions_below(dest) == [target]
        published += is_there
        is_safe = is_there and tree(target) == truth
        is_whole = session.exists() and tree(session) == truth
        kill_one(session, dest, MINUTES_S)
        is_good = (is_safe or is_whole) and is_there == is_safe and tree(target) == truth and not session.exists()
        false += not is_good
        shutil.rmtree(dest)
        shutil.rmtree(folder / "kill")
    print(f"{kills} archivings with --move killed, {published} once the copy was there: {false} not as they should be")
    return false


def kill_one(session: Path, dest: Path, after_s: float) -> float:
    """Archive, and kill it when it has not ended by then; how long it took, s."""
    begun = HostClock().now_ns()
    process = subprocess.Popen([*ARCHIVE, str(session), str(dest), "--move"], stdout=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return (HostClock().now_ns() - begun) / NS


def make_session(folder: Path, rng: random.Random) -> Path:
    """A session of one small run, and 30 MB beside it."""
    session = make_run(folder).parent
    fill(session / "notes.bin", 30 << 20, rng)
    return session


def tree(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, the manifest apart, by its checksum."""
    from xxhash import xxh3_128_digest

    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.endswith("_archive.json")]
    return {p.relative_to(folder).as_posix(): xxh3_128_digest(p.read_bytes()) for p in files}


if __name__ == "__main__":
    main()

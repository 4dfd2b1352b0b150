"""Archiving beside a recording, archiving that is killed, and archiving that loses its power.

    python -m bench.archive [--seconds 60] [--gigabytes 1] [--kills 0] [--cuts 0] [--seed 1] [--folder DIR] [--document]

SMIC's load (100/25/25 fps, 640x480, real time, 46 MB/s) is recorded alone, then again while gigabytes are archived from
and to the same disk, again and again. Ends with 1 when a pulse of it has no frame, when the p99 from grab to
acknowledged is over 1 s, or when not one archiving ended meanwhile. Then (`make soak`) archivings are killed at random
moments, or their power is cut, and what that left is looked at: ends with 1 when anything looked safe that was not.
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
from bench.report import markdown, replace_part, show_table
from bench.runs import lost_in, waited_ms
from bench.smic import MOST_ACKNOWLEDGED_MS
from bench.smic import record as record_smic
from rig.clock import NS, HostClock
from rig.session.folder import sessions_below
from tests.archives import tree
from tests.handmade import make_run
from tests.session.test_archive_power import KINDS, make_archiving, wrong

ARCHIVE = [sys.executable, "-m", "rig", "archive"]
BLOCK = 16 << 20
HEADS = ["archiving", "times", "looked safe and was not, or a source not whole"]
MINUTES_S = 600.0  # more than an archiving takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="0: nothing is recorded")
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--cuts", type=int, default=0, help="of each kind of archiving")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to use")
    parser.add_argument("--document", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="archive-") as name:
        folder = Path(name).resolve()
        bad = 0
        if options.seconds:
            bad += beside_a_recording(folder, options.seconds, options.gigabytes, document=options.document)
        rows = [killed(folder, options.kills, random.Random(options.seed))] if options.kills else []
        rows += cut(folder, options.cuts) if options.cuts else []
        if rows:
            show_table("archivings broken off", HEADS, rows)
            if options.document:
                replace_part("soak archive", markdown(HEADS, rows), folder)
    sys.exit(int(bad > 0 or any(int(row[-1]) for row in rows)))


def beside_a_recording(folder: Path, seconds: int, gigabytes: float, *, document: bool) -> int:
    """Record alone, then while archiving; 0 when that was as it should be."""
    large = make_run(folder / "large").parent
    fill(large / "notes.bin", int(gigabytes * 1e9), random.Random(0))
    alone = Recorded(folder / "alone", seconds)
    archiver = Archiver(large, folder)
    archiver.start()
    try:
        beside = Recorded(folder / "beside", seconds)
    finally:
        archiver.end()
    heads = ["SMIC's load", "alone", "while archiving"]
    rows = [
        ["frames", str(alone.frames), str(beside.frames)],
        ["lost: pulses without a frame", str(alone.lost), str(beside.lost)],
        ["grab to acknowledged, p50 / p99 / longest, ms", alone.waited, beside.waited],
        ["copied, and read back meanwhile, MB/s", "", f"{archiver.rate_mb_s:.0f}"],
        ["sessions archived", "", str(archiver.runs)],
    ]
    show_table(f"{gigabytes:.1f} GB archived beside a recording of {seconds} s", heads, rows)
    if document:
        replace_part("archive", markdown(heads, rows), folder)
    return int(beside.lost > 0 or beside.p99_ms > MOST_ACKNOWLEDGED_MS or not archiver.runs)


class Recorded:
    """What a recording was like. Its pictures are removed."""

    def __init__(self, folder: Path, seconds: int) -> None:
        folder.mkdir()
        path, *_ = record_smic(folder, seconds)
        with rig.open(path) as opened:
            run = opened.runs[0]
            waited = waited_ms(run)
            self.lost = sum(lost_in(run).values())
            self.frames = sum(len(stream.frames) for stream in run.streams.values())
        p50, self.p99_ms = (float(np.percentile(waited, part)) for part in (50, 99))
        self.waited = f"{p50:.0f} / {self.p99_ms:.0f} / {waited.max():.0f}"
        shutil.rmtree(folder)


class Archiver(threading.Thread):
    """Archives one session again and again, each time to a new place, until it is told to end."""

    def __init__(self, session: Path, folder: Path) -> None:
        super().__init__()
        self._session, self._folder = session, folder
        self._is_ending = threading.Event()
        self._bytes, self._s = 0, 0.0
        self.runs = 0

    def run(self) -> None:
        clock = HostClock()
        begun = clock.now_ns()
        while not self._is_ending.is_set():
            dest = self._folder / "nas"
            dest.mkdir()
            with subprocess.Popen([*ARCHIVE, str(self._session), str(dest)], stdout=subprocess.DEVNULL) as process:
                while process.poll() is None and not self._is_ending.wait(0.1):
                    pass
                process.terminate()
            self.runs += process.returncode == 0
            self._bytes += sum(p.stat().st_blocks * 512 for p in dest.rglob("*") if p.is_file())
            shutil.rmtree(dest)
        self._s = (clock.now_ns() - begun) / NS

    def end(self) -> None:
        self._is_ending.set()
        self.join()

    @property
    def rate_mb_s(self) -> float:
        return self._bytes / 1e6 / self._s


def fill(path: Path, size: int, rng: random.Random) -> None:
    block = rng.randbytes(BLOCK)
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block[: size - file.tell()])


def killed(folder: Path, kills: int, rng: random.Random) -> list[str]:
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
    return [f"killed with --move, {published} once the copy was there", str(kills), str(false)]


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


def cut(folder: Path, cuts: int) -> list[list[str]]:
    """Cut the power of one archiving after another; of each kind how often something was not as it should be."""
    rows = []
    for kind in KINDS:
        (place := folder / kind.replace(" ", "-")).mkdir()
        done = make_archiving(place, kind)
        said = wrong(done, place, cuts)
        print(f"power cuts, {kind}: {len(said)} of {cuts} not as they should be", *said[:5], sep="\n    ")
        rows.append([f"power cut: {kind}", str(cuts), str(len(said))])
        shutil.rmtree(place)
    return rows


if __name__ == "__main__":
    main()

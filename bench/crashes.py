"""The crash matrix, at length: whatever happens, no frame that was acknowledged is lost, and none is changed.

    python -m bench.crashes [--kills 50] [--cuts 200] [--flips 200] [--full 4] [--seed 0] [--document]

SIGKILL of a recording in real time, at random moments and while it arms, syncs, closes and goes on in a further file;
half of them compressed.
Power cuts of a recording in virtual time, of one file and of several, also while it is recovered. A disk without a free
byte (tmpfs, and ext4 in a file; needs root to mount). Flipped bits in pictures. Prints a line for each kind; ends with
1 on any loss, and when something could not be measured.
"""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import h5py
import hdf5plugin  # noqa: F401  compressed pictures are read by plain h5py
import pytest

import rig
from bench.report import markdown, replace_part, show_table
from rig import host
from rig.errors import ChecksumError, RigError
from rig.session import writer
from tests.crashes import (
    Logged,
    delivered,
    frames_in,
    kill_a_recording,
    log_a_session,
    losses,
    lost_by_a_cut,
    put_in_order,
    stages,
)
from tests.record.test_compressed import compressing
from tests.rigs import record, write_protocol, write_rig
from tests.short_plans import shorten_plans

MOMENTS = ("any", "any", "arm", "sync", "close", "switch")
DISK_MB = 200
HEADS = ["what happened", "times", "acknowledged frames at stake", "went wrong", "how it was found"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, many in (("kills", 50), ("cuts", 200), ("flips", 200), ("full", 4), ("seed", 0)):
        parser.add_argument(f"--{option}", type=int, default=many)
    parser.add_argument("--document", action="store_true")
    asked = parser.parse_args()
    tallies = [
        tell("SIGKILL", asked.kills, lambda n, folder: kill(n, folder, asked.seed)),
        *power(asked.cuts, asked.seed),
        tell("disk full: tmpfs", asked.full, lambda n, folder: on_a_full_disk(n, folder, "tmpfs")),
        tell("disk full: ext4", asked.full, lambda n, folder: on_a_full_disk(n, folder, "ext4")),
        flipped(asked.flips, asked.seed),
    ]
    rows = [tally.row() for tally in tallies]
    show_table("the crash matrix", HEADS, rows)
    if asked.document:
        replace_part("soak", markdown(HEADS, rows), Path())
    return int(any(tally.wrong or tally.not_measured for tally in tallies))


@dataclass(frozen=True)
class Once:
    """What came of one crash: what was found after it, what went wrong, and how many frames had been acknowledged."""

    found: str
    wrong: str = ""
    at_stake: int = 0


class NotMeasured(Exception):
    """This machine does not let it be tried."""


@dataclass
class Tally:
    """What came of all crashes of a kind."""

    what: str
    times: int = 0
    not_measured: int = 0
    at_stake: int = 0
    wrong: list[str] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)

    def row(self) -> list[str]:
        spelled = ", ".join(f"{how} {count}" for how, count in self.found.most_common())
        spelled += f" NOT MEASURED {self.not_measured}" if self.not_measured else ""
        return [self.what, str(self.times), f"{self.at_stake}", str(len(self.wrong)), spelled.strip()]


def tell(what: str, times: int, once: Callable[[int, Path], Once]) -> Tally:
    """Do it so often, each in a folder of its own; print what came of it."""
    tally = Tally(what)
    for number in range(times):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            try:
                came = once(number, Path(folder).resolve())
            except NotMeasured:
                tally.not_measured += 1
                continue
            except (AssertionError, RigError, OSError) as exc:
                came = Once("error", f"{type(exc).__name__}: {exc}")
        tally.times += 1
        tally.at_stake += came.at_stake
        tally.found[came.found] += 1
        tally.wrong += [f"{number}: {came.wrong}"] if came.wrong else []
    print(*tally.row(), *tally.wrong[:5], sep="\n    ", flush=True)
    return tally


def kill(number: int, folder: Path, seed: int) -> Once:
    moment = MOMENTS[number % len(MOMENTS)]
    rig_file = compressing(write_rig(folder), "HS", "NIR") if number // len(MOMENTS) % 2 else write_rig(folder)
    files = rig_file, write_protocol(folder, ("a", 30 if moment == "switch" else 1, "all"))
    killed = kill_a_recording(folder, *files, moment, Random(f"{seed} {number}"))
    found = sorted({str(one.found) for one in put_in_order(folder / "sessions")})
    wrong = losses(folder / "sessions", killed.truth, killed.safe)
    return Once("+".join(found) or "nothing left", wrong, len(killed.safe))


def power(times: int, seed: int) -> Iterator[Tally]:
    """Cuts at every stage of one file, then anywhere in a run of several."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        logged = log_a_session(Path(folder).resolve(), 2)
    for stage, places in stages(logged[0]).items():
        yield tell(f"power cut: {stage}", times, lambda n, f, p=places, s=stage: cut(logged, p, n, f, f"{seed} {s}"))  # type: ignore[misc]
    with tempfile.TemporaryDirectory(dir=".") as folder, pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        several = log_a_session(Path(folder).resolve(), 9)
    anywhere = list(range(len(several[0].ops) + 1))
    yield tell("power cut: a run in several files", times, lambda n, f: cut(several, anywhere, n, f, f"{seed}"))


def cut(logged: Logged, places: list[int], number: int, folder: Path, seed: str) -> Once:
    random = Random(f"{seed} {number}")
    again, place = number % 3, random.choice(places)
    wrong = lost_by_a_cut(logged, place, random, folder, recoveries_cut=again)
    return Once(f"recovery cut {again} times:", wrong, len(logged[2].by(place)))


def on_a_full_disk(number: int, folder: Path, kind: str) -> Once:
    """Take every free byte of a disk while a session is recorded on it; its close may fail, too."""
    disk = folder / "disk"
    with mounted(disk, folder, kind) as is_mounted:
        if not is_mounted:
            raise NotMeasured
        (disk / "sessions").mkdir()
        with delivered() as truth, pytest.MonkeyPatch.context() as patch:
            patch.setattr(host, "sync_data", filling(host.sync_data, disk / "filler"))
            if number % 2:
                patch.setattr(writer, "close_file", refused)
            recorded = record(disk, write_rig(folder), write_protocol(folder, ("a", 2, "all")))
        free = host.free_bytes(disk)
        found = sorted({str(one.found) for one in put_in_order(disk / "sessions")})
        wrong = losses(disk / "sessions", truth, set(truth))
        return Once(f"{recorded.outcome}, {free} bytes free, {'+'.join(found)}:", wrong, len(truth))


def filling(real: Callable[[int], None], filler: Path) -> Callable[[int], None]:
    def sync_data(fd: int) -> None:
        real(fd)
        with filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1 << 9):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    return sync_data


def refused(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def mounted(disk: Path, folder: Path, kind: str) -> Iterator[bool]:
    """A small disk of its own at `disk`, while in here; False when this user may not mount one."""
    disk.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)]
    else:
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(DISK_MB << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=False)
        command = ["mount", "-o", "loop", str(image), str(disk)]
    is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(disk)], check=True)


def flipped(times: int, seed: int) -> Tally:
    """One bit of one picture, in a closed file: found when that picture is read, and in no other."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        path = record(folder, write_rig(folder), write_protocol(folder, ("a", 1, "all"))).path
        assert len(frames_in(folder)) > 100
        path.chmod(0o600)
        return tell("flipped bit", times, lambda n, _: flip(path, Random(f"{seed} {n}")))


def flip(path: Path, random: Random) -> Once:
    with h5py.File(path) as file:
        stream = random.choice(["HS", "VIS", "NIR"])
        data = file[f"acquisition/{stream}/data"]
        index = random.randrange(len(data))
        place = data.id.get_chunk_info(index).byte_offset + random.randrange(data[0].nbytes)
    bit = 1 << random.randrange(8)
    change(path, place, bit)
    try:
        with rig.open(path) as session:
            pictures = session.streams[stream].data
            pictures[(index + 1) % len(pictures)]
            pictures[index]
    except ChecksumError as exc:
        return Once("found", "" if f"frame {index} " in str(exc) else f"another was named: {exc}", 1)
    finally:
        change(path, place, bit)
    return Once("not found", f"{stream} {index}: a flipped bit was not found", 1)


def change(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        (value,) = file.read(1)
        file.seek(place)
        file.write(bytes([value ^ bit]))


if __name__ == "__main__":
    raise SystemExit(main())

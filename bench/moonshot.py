"""Three streams of 1920x1080 at 100/25/25 fps, 311 MB/s, compressed without loss, on whatever this computer is.

    python -m bench.moonshot [--seconds 60] [--runs 3] [--folder FOLDER] [--compress HS VIS NIR] [--check]

The whole recorder with its real threads, in real time, with a simulated box behind the real driver. The cameras show
pictures that were drawn beforehand (a face with the noise of a camera), from a process of their own through shared
memory. Nothing is shown to anybody. Says what was lost (pulses without a frame, by the rows of the file), what each
part cost, and whether a backlog grew. Every 20th picture is read back and compared with its checksum; with --check all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rig
from bench.recording import cpu_of, family
from bench.report import markdown, replace_part, show_table
from bench.runs import lost_in, waited_ms
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.errors import ChecksumError
from rig.record.recording import Recorded, Recording, Request
from rig.session.pictures import Pictures

SAMPLED = 20  # one picture of so many is read back
PICTURES = 31  # a prime, so that the slower cameras show all of them too
RIG = """\
schema: 1
name: moonshot
box: {{port: sim://moonshot, rate_hz: 100}}
cameras:
{cameras}
screen: {{backend: simulated, width: 960, height: 540, refresh_hz: 60}}
simulation: {{seed: 1}}
"""
CAMERA = """\
  {name}: {{backend: simulated, serial: SIM-{name}, line: {line}, divisor: {divisor}, exposure_us: 4000,
    width: 1920, height: 1080, compression: {compression}, simulated: {{row_time_us: 4, pre_rendered: {pictures}}}}}
"""
PROTOCOL = """\
schema: 1
name: moonshot
title: as much as there is
blocks:
  - {{kind: baseline, name: all, seconds: {seconds}, store: all}}
"""
WORLD = "simulated world"
DIVISORS = {"HS": 1, "VIS": 4, "NIR": 4}
PARTS = {
    WORLD: WORLD,
    "packer": "pack",
    "writer": "write",
    "syncer": "sync",
    "MainThread": "core",
    "box": "box",
} | dict.fromkeys(DIVISORS, "grab, hash")


class Meter(threading.Thread):
    """Looks at the CPU time of the recorder's threads and of the simulated world while the camera threads live.

    So neither reserving the room nor closing the file is counted.
    """

    def __init__(self) -> None:
        super().__init__(name="meter")
        self.is_over = threading.Event()
        self.threads_s: dict[str, float] = {}
        self._began_s: dict[str, float] = {}

    def run(self) -> None:
        while not self.is_over.wait(0.1):
            threads = {thread.name: thread for thread in threading.enumerate() if thread.is_alive()}
            if threads.keys() >= DIVISORS.keys():
                for name, thread in threads.items():
                    self._note(name, time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0)))
                self._note(WORLD, sum(cpu_of(pid) for pid in family(os.getpid())[1:]))

    def _note(self, name: str, now_s: float) -> None:
        self._began_s.setdefault(name, now_s)
        self.threads_s[name] = now_s - self._began_s[name]

    def parts_s(self) -> dict[str, float]:
        """By what they do."""
        found: dict[str, float] = {}
        for name, spent_s in self.threads_s.items():
            part = PARTS.get(name.split("-")[0], "else")
            found[part] = found.get(part, 0.0) + spent_s
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--compress", nargs="*", choices=DIVISORS, default=list(DIVISORS))
    parser.add_argument("--check", action="store_true", help="read every picture back")
    parser.add_argument("--document", action="store_true")
    options = parser.parse_args()
    results = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="moonshot-") as folder:
            meter = Meter()
            recorded = record(Path(folder), options.seconds, options.compress, meter)
            results.append(look_at(recorded, meter, step=1 if options.check else SAMPLED))
    report(results, options.folder if options.document else None)
    good = sum(result.is_good for result in results)
    sys.exit(good < -(-2 * len(results) // 3))  # two of three


def record(folder: Path, seconds: int, compressed: list[str], meter: Meter) -> Recorded:
    cameras = "".join(
        CAMERA.format(
            name=name,
            line=line,
            divisor=divisor,
            compression="bitshuffle-lz4" if name in compressed else "none",
            pictures=PICTURES,
        )
        for line, (name, divisor) in enumerate(DIVISORS.items())
    )
    (folder / "rig.yaml").write_text(RIG.format(cameras=cameras))
    (folder / "all.yaml").write_text(PROTOCOL.format(seconds=seconds))
    files = read_rig(folder / "rig.yaml"), read_protocol(folder / "all.yaml")
    request = Request(*files, "001", folder / "sessions", scripted=True)
    meter.start()
    try:
        return Recording(request, lambda _: None).record()
    finally:
        meter.is_over.set()
        meter.join()


@dataclass(frozen=True)
class Result:
    """What came of one run; rates in bytes a second."""

    outcome: str
    alarms: tuple[str, ...]
    seconds: float
    frames: int
    lost: dict[str, int]
    read: int  # pictures read back, and how many of them were not as they were
    damaged: int
    given_bytes_s: float  # by the cameras
    stored_bytes_s: float
    deepest: dict[str, int]  # frames that waited
    slopes: dict[str, float]  # frames a second by which more waited
    p99_ms: float  # grab to acknowledged
    parts_s: dict[str, float]  # CPU

    @property
    def is_good(self) -> bool:
        return not (any(self.lost.values()) or self.damaged) and self.outcome == "finished"


def look_at(recorded: Recorded, meter: Meter, step: int) -> Result:
    """Read what the run's file tells, and every `step`th picture."""
    with rig.open(recorded.path) as session:
        run = session.runs[0]
        seconds = len(run.pulses) / 100
        queues = {name: run.queues[run.queues["stream"] == name.encode()] for name in DIVISORS}
        raw_bytes = sum(len(stream.data) * stream.height * stream.width for stream in run.streams.values())
        read = [_is_whole(s.data, index) for s in run.streams.values() for index in range(0, len(s.data), step)]
        return Result(
            outcome=str(recorded.outcome),
            alarms=recorded.alarms,
            seconds=seconds,
            frames=sum(len(stream.frames) for stream in run.streams.values()),
            lost=lost_in(run),
            read=len(read),
            damaged=read.count(False),
            given_bytes_s=raw_bytes / seconds,
            stored_bytes_s=run.bytes / seconds,
            deepest={name: int(rows["deepest"].max()) for name, rows in queues.items()},
            slopes={name: slope(rows) for name, rows in queues.items()},
            p99_ms=float(np.percentile(waited_ms(run), 99)),
            parts_s=meter.parts_s(),
        )


def _is_whole(pictures: Pictures, index: int) -> bool:
    try:
        pictures.read(index)
    except ChecksumError:
        return False
    return True


def slope(rows: np.ndarray) -> float:
    """Frames a second by which more waited, over all the run."""
    seconds = (rows["host_ns"] - rows["host_ns"][0]) / 1e9
    return float(np.polyfit(seconds, rows["waiting"], 1)[0]) if len(rows) > 2 else float("nan")


def report(results: list[Result], documented: Path | None) -> None:
    """Print all runs, and what each part of the recorder needs for a frame. `documented`: the folder that was used."""
    for result in results:
        for alarm in result.alarms:
            print(f"alarm: {alarm}")
    heads = ["run", "lost", "damaged", "from the cameras", "to the disk", "most waiting", "growing by", "p99", "CPU"]
    rows = [[str(number), *_cells(result)] for number, result in enumerate(results, 1)]
    parts = sorted(results[0].parts_s, key=lambda part: -results[0].parts_s[part])
    costs = [[part, *(f"{1000 * result.parts_s[part] / result.frames:.2f}" for result in results)] for part in parts]
    cost_heads = ["CPU, ms a frame", *(f"run {number}" for number in range(1, len(results) + 1))]
    show_table(f"{len(DIVISORS)} streams of 1920x1080, {results[0].seconds:.0f} s", heads, rows)
    show_table("where the CPU went", cost_heads, costs)
    if documented:
        replace_part("moonshot", f"{markdown(heads, rows)}\n\n{markdown(cost_heads, costs)}", documented)


def _cells(result: Result) -> list[str]:
    given_s = (os.cpu_count() or 1) * result.seconds
    return [
        str(sum(result.lost.values())),
        f"{result.damaged} of {result.read} read",
        f"{result.given_bytes_s / 1e6:.0f} MB/s",
        f"{result.stored_bytes_s / 1e6:.0f} MB/s",
        ", ".join(f"{name} {count}" for name, count in result.deepest.items()),
        ", ".join(f"{of:+.2f}/s" for of in result.slopes.values()),
        f"{result.p99_ms:.0f} ms",
        f"{sum(result.parts_s.values()):.0f} of {given_s:.0f} s",
    ]


if __name__ == "__main__":
    main()

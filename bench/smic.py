"""SMIC's load through the whole recorder, in real time: what it loses, how soon frames are on the disk, what it costs.

    python -m bench.smic [--seconds N] [--folder DIR] [--document]

Three simulated cameras at 100/25/25 fps and 640x480 on a simulated box, a still screen without a window. CPU is that of
the recorder's threads, the core among them as MainThread, from three seconds after the first step to shortly before its
end; the threads of a simulated camera's driver are its grab threads. Exits 1 when a frame was lost, when the p99 from
grab to acknowledged is over 1 s, when the threads take 10 % of a core or more, or when memory grew by more than 3 MB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rig
from bench.recording import cpu_of, family
from bench.report import markdown, replace_part, show_table
from bench.runs import lost_in, resident_mb, still_protocol, waited_ms
from rig.clock import NS, HostClock, thread_cpu_ns
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recording, Request, Status
from rig.session.layout import Outcome

CAMERA = "{{backend: simulated, serial: SIM-{0}, line: {1}, divisor: {2}, exposure_us: {3}, width: 640, height: 480}}"
CAMERAS = {"HS": (0, 1, 4000), "VIS": (1, 4, 8000), "NIR": (2, 4, 8000)}
RIG = """\
schema: 1
name: smic-load
box: {port: sim://smic, rate_hz: 100, inputs: {photodiode: 5, HS: 0, VIS: 1, NIR: 2}}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
cameras:
"""
SETTLED_S, LAST_S = 3.0, 2.0  # after the first step, and before its end, that are not measured
LEAST_PERCENT = 0.05  # threads that take less are not named
MOST_ACKNOWLEDGED_MS, MOST_CPU_PERCENT, MOST_GROWTH_MB = 1000.0, 10.0, 3.0


@dataclass(frozen=True)
class Look:
    """The recorder at one moment: CPU time by thread, that of the world beside it, and the memory that it holds."""

    at_ns: int
    cpu_ns: dict[str, int]
    world_s: float
    resident_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to use")
    parser.add_argument("--document", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        looks = record(Path(folder), options.seconds)
        sys.exit(report(*looks, options.folder if options.document else None))


def record(folder: Path, seconds: int) -> tuple[Path, Look, Look]:
    """Record a session; its run file, the recorder when it had settled, and before its end. Exits if it failed."""
    cameras = (f"  {name}: {CAMERA.format(name, *of)}\n" for name, of in CAMERAS.items())
    (folder / "rig.yaml").write_text(RIG + "".join(cameras))
    (folder / "still.yaml").write_text(still_protocol(seconds))
    looks: list[Look] = []
    began_s: list[float] = []

    def look(status: Status) -> None:
        if status.step:
            began_s.append(status.seconds)
            if SETTLED_S <= status.seconds - began_s[0] <= seconds - LAST_S:
                looks[1:] = [look_now()]

    files = read_rig(folder / "rig.yaml"), read_protocol(folder / "still.yaml")
    recorded = Recording(Request(*files, "001", folder / "sessions", scripted=True), look).record()
    if recorded.outcome is not Outcome.FINISHED:
        sys.exit(f"the recording ended as {recorded.outcome}: {'; '.join(recorded.alarms)}")
    return recorded.path, looks[0], looks[-1]


def look_now() -> Look:
    """This process, in which the recorder runs, and the processes that it started."""
    children = family(os.getpid())[1:]
    return Look(HostClock().now_ns(), thread_cpu_ns(), sum(map(cpu_of, children)), resident_mb())


def report(path: Path, early: Look, late: Look, documented: Path | None) -> int:
    """Print what was measured; 0 when all of it is within its limits. `documented`: the folder that was used."""
    percent = {n: 100 * (t - early.cpu_ns.get(n, 0)) / (late.at_ns - early.at_ns) for n, t in late.cpu_ns.items()}
    world = 100 * (late.world_s - early.world_s) * NS / (late.at_ns - early.at_ns)
    with rig.open(path) as opened:
        run = opened.runs[0]
        seconds, lost = len(run.pulses) / 100, lost_in(run)
        frames = {name: len(stream.frames) for name, stream in run.streams.items()}
        waited = waited_ms(run)
        fullest = float((run.queues["deepest"] / run.queues["buffers"]).max()) * 100
    p50, p99 = np.percentile(waited, [50, 99])
    all_percent, growth_mb = sum(percent.values()), late.resident_mb - early.resident_mb
    threads = sorted(percent, key=lambda name: -percent[name])
    rows = [
        ["frames", ", ".join(f"{name} {count}" for name, count in frames.items())],
        ["lost: pulses without a frame", ", ".join(f"{name} {count}" for name, count in lost.items())],
        ["grab to acknowledged, p50 / p99 / longest", f"{p50:.0f} / {p99:.0f} / {waited.max():.0f} ms"],
        ["buffers of a camera, at the fullest", f"{fullest:.0f} %"],
        ["CPU of the recorder's threads, of one core", f"{all_percent:.1f} %"],
        *([f"of these {name}", f"{percent[name]:.1f} %"] for name in threads if percent[name] >= LEAST_PERCENT),
        ["CPU of the simulated world", f"{world:.1f} %"],
        ["memory at the start and at the end", f"{early.resident_mb:.0f} and {late.resident_mb:.0f} MB"],
    ]
    show_table("SMIC's load", heads := ["", f"{seconds:.0f} s"], rows)
    if documented:
        replace_part("smic", markdown(heads, rows), documented)
    is_slow = p99 > MOST_ACKNOWLEDGED_MS or all_percent >= MOST_CPU_PERCENT
    return int(any(lost.values()) or is_slow or growth_mb > MOST_GROWTH_MB)


if __name__ == "__main__":
    main()

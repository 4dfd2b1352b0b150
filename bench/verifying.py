"""How fast a run is judged: with every pixel and checksum, against plainly reading its file; and an hour's rows alone.

    python -m bench.verifying [--size 640x480] [--seconds 60] [--rounds 3] [--folder DIR] [--document]

The pictures are recorded in virtual time at 100/25/25 fps. Plain reading takes 8 MB at a time into one buffer; cold
means that the file was dropped from the memory of the system before. In each round all four are measured in turn. The
hour's rows have pictures of 96x2 px, which are not looked at: all checks are run but those of pixels. Exits 1 below
60 % of the speed of reading, above 3 s or above 500 MB.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import rig
from bench.report import markdown, replace_part, show_table
from bench.runs import still_protocol
from rig import host
from rig.clock import NS, HostClock
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recording, Request
from rig.verify import verdict
from rig.verify.looks import look_at_all
from tests import handmade

RIG = """\
schema: 1
name: verifying
box: {{port: sim://verifying, rate_hz: 100}}
cameras:
  HS: {{backend: simulated, serial: A, line: 0, divisor: 1, exposure_us: 4000, {size}}}
  VIS: {{backend: simulated, serial: B, line: 1, divisor: 4, exposure_us: 8000, {size}}}
  NIR: {{backend: simulated, serial: C, line: 2, divisor: 4, exposure_us: 8000, {size}}}
screen: {{backend: simulated, width: 960, height: 540, refresh_hz: 60}}
simulation: {{seed: 1}}
"""
PIECE = 8 << 20
OF_PIXELS = {  # checks that look at pictures
    "checksums", "walk checksums", "saturation", "darkness", "blur", "flicker", "leak", "frozen", "sync LEDs",
}  # fmt: skip
HOUR_GROUPS = 90_000
LEAST_RATIO, MOST_S, MOST_MB = 0.6, 3.0, 500.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to use")
    parser.add_argument("--document", action="store_true")
    parser.add_argument("--rows-of", type=Path, help=argparse.SUPPRESS)  # the child
    options = parser.parse_args()
    if options.rows_of:
        judge_rows(options.rows_of)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows, is_quick = of_pictures(Path(folder), options.size, options.seconds, options.rounds)
        more, is_small = of_rows(Path(folder))
        heads = ["", "measured", "at the file's size"]
        show_table("rig verify", heads, rows + more)
        if options.document:
            replace_part("verifying", markdown(heads, rows + more), options.folder)
    sys.exit(0 if is_quick and is_small else 1)


def of_pictures(folder: Path, size: str, seconds: int, rounds: int) -> tuple[list[list[str]], bool]:
    """Judging a recorded run with all its pictures against reading its file, cold and warm."""
    path = record(folder, size, seconds)
    megabytes = path.stat().st_size / 1e6
    with rig.open(path) as session:
        frames = sum(len(stream.frames) for stream in session.streams.values())
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in ("read cold", "judge cold", "read warm", "judge warm"):
            if name.endswith("cold"):
                forget(path)
            found.setdefault(name, []).append(seconds_of(read_plainly if "read" in name else judge, path))
    medians = {name: statistics.median(times) for name, times in found.items()}
    ratios = {how: medians[f"read {how}"] / medians[f"judge {how}"] for how in ("cold", "warm")}
    rows = [
        [f"{name}, {size}, {frames} pictures", f"{took:.2f} s", f"{megabytes / took:.0f} MB/s"]
        for name, took in medians.items()
    ]
    rows += [[f"speed of judging to that of reading, {how}", f"{100 * ratios[how]:.0f} %", ""] for how in ratios]
    return rows, ratios["cold"] >= LEAST_RATIO


def record(folder: Path, size: str, seconds: int) -> Path:
    width, height = size.split("x")
    (folder / "rig.yaml").write_text(RIG.format(size=f"width: {width}, height: {height}"))
    (folder / "still.yaml").write_text(still_protocol(seconds))
    files = read_rig(folder / "rig.yaml"), read_protocol(folder / "still.yaml")
    done = Recording(Request(*files, "001", folder / "sessions", scripted=True, virtual=True), lambda _: None).record()
    return Path(done.path)


def forget(path: Path) -> None:
    with host.opened(path) as fd:
        host.forget(fd)


def read_plainly(path: Path) -> None:
    room = bytearray(PIECE)
    with path.open("rb", buffering=0) as file:
        while file.readinto(room):
            pass


def judge(path: Path) -> None:
    with rig.open(path) as session:
        for run in session.runs:
            look_at_all(run, lambda _: None)  # as the command does
            found = verdict.verify_run(run)
            assert not found.checks_with(verdict.Word.FAIL), found


def seconds_of(act: object, path: Path) -> float:
    clock = HostClock()
    began = clock.now_ns()
    act(path)
    return (clock.now_ns() - began) / NS


def of_rows(folder: Path) -> tuple[list[list[str]], bool]:
    """The checks of an hour's rows, in a process of its own."""
    handmade.HEIGHT = 2
    path = handmade.make_run(folder / "hour", handmade.Plan(body_groups=HOUR_GROUPS))
    command = [sys.executable, "-m", "bench.verifying", "--rows-of", str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    count, took, megabytes = int(said[0]), float(said[1]), float(said[2])
    label = f"all checks but those of pixels, of an hour: {count} frames"
    return [[label, f"{took:.2f} s", f"{megabytes:.0f} MB of memory"]], took <= MOST_S and megabytes <= MOST_MB


def judge_rows(path: Path) -> None:
    """Print the frames, the seconds from opening the run to the last finding, and the most memory in MB."""
    clock = HostClock()
    began = clock.now_ns()
    times: dict[str, float] = {}
    with rig.open(path) as session:
        run = session.runs[0]
        for check in verdict.CHECKS:
            if check.name not in OF_PIXELS:
                start = clock.now_ns()
                check.function(run)
                times[check.name] = (clock.now_ns() - start) / NS
        count = sum(len(stream.frames) for stream in run.streams.values())
    took = (clock.now_ns() - began) / NS
    status = Path("/proc/self/status").read_text()
    most_kb = int(status.split("VmHWM:")[1].split()[0])  # what getrusage tells is that of the parent, if it was more
    print(count, took, most_kb / 1024)
    slowest = sorted(times, key=times.__getitem__, reverse=True)[:6]
    print(", ".join(f"{name} {times[name]:.2f} s" for name in slowest), file=sys.stderr)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

"""The demo's load, measured: what it costs, how soon frames are on the disk, and what was lost.

    python -m bench.recording [--busy N]      N: so many processes that only burn time beside it

Three cameras at 100/25/25 fps and 640x480, a film in a real window on a virtual screen, in real time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import rig
from bench.runs import busy, family, waited_ms
from rig.clock import NS, HostClock

RECORD = ["record", "demo", "--rig", "demo", "--subject", "001", "--participant", "scripted", "--out"]
ROLES = {"rig.stimulus.child": "window", "Xvfb": "virtual screen", "rig.sim.process": "simulated world"}
TICKS_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=0)
    with busy(parser.parse_args().busy), tempfile.TemporaryDirectory(dir=".") as folder:
        cpu_s = record(folder)
        report(Path(folder) / "sub-001/ses-01", cpu_s)


def record(folder: str) -> dict[str, float]:
    """Record a session; CPU seconds by role, as last seen."""
    clock = HostClock()
    recorder = subprocess.Popen([sys.executable, "-m", "rig", *RECORD, folder], stdout=subprocess.DEVNULL)
    seen: dict[str, float] = {}
    while recorder.poll() is None:
        seen |= {role_of(pid, recorder.pid): cpu_of(pid) for pid in family(recorder.pid)}
        clock.sleep_until(clock.now_ns() + NS // 4)
    if recorder.returncode:
        sys.exit(f"the recording ended with exit status {recorder.returncode}")
    return seen


def role_of(pid: int, recorder: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    return "recorder" if pid == recorder else next((r for part, r in ROLES.items() if part in command), "participant")


def cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def report(session: Path, cpu_s: dict[str, float]) -> None:
    """Print what was measured."""
    with rig.open(session) as opened:
        run = opened.runs[0]
        waited = waited_ms(run)
        flips = run.flips[run.flips["film_frame"] >= 0]
        gaps_ms = np.diff(flips["host_ns"])[np.diff(flips["step"]) == 0] / 1e6
        shown = {
            int(s): len(set(flips["film_frame"][flips["step"] == s].tolist())) for s in set(flips["step"].tolist())
        }
        seconds = len(run.pulses) / 100
        frames = {name: (len(s.frames), len(s.gaps)) for name, s in run.streams.items()}
    print(f"{seconds:.1f} s of recording on {os.cpu_count()} cores")
    for role in ("recorder", *ROLES.values(), "participant"):
        print(f"  CPU of {role:16} {cpu_s.get(role, 0):6.2f} s, its start included")
    for name, (stored, holes) in frames.items():
        print(f"  {name:4} {stored} frames, {holes} gaps")
    print(f"  grab to acknowledged, each frame as the oldest of its sync: median {np.median(waited):.0f} ms, ", end="")
    print(f"p99 {np.percentile(waited, 99):.0f} ms, longest {waited.max():.0f} ms")
    print(
        f"  film frames shown: {', '.join(map(str, shown.values()))}; longest time between flips {gaps_ms.max():.1f} ms"
    )


if __name__ == "__main__":
    main()

"""What the simulated world costs: the share of a core that its process takes, its memory, and its start.

    python -m bench.simulator [--most PERCENT]      exits 1 when it takes more of one core, 40 without it

Three cameras at 100/25/25 fps and 640x480 and a film on a virtual screen, in real time: `rig record demo`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.recording import RECORD, cpu_of, family, role_of
from rig.clock import NS, HostClock
from rig.config.rig import Rig, read_rig
from rig.sim.process import WorldProcess

DEMO = Path(__file__).parents[1] / "calibration/demo/rig.yaml"
SETTLE_S = 2.0  # from the world's start until it is counted: it draws beforehand what it can
EVERY_NS = NS // 10
STARTS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=float, default=40.0)
    most = parser.parse_args().most
    with tempfile.TemporaryDirectory(dir=".") as folder:
        starts_s = [started(read_rig(DEMO).rig, Path(folder)) for _ in range(STARTS)]
        seen, memory_mb = watched(folder)
    share = share_of(seen)
    print(f"start, until it is ready: median {np.median(starts_s):.2f} s, longest {max(starts_s):.2f} s")
    print(f"memory of its own: {memory_mb:.0f} MB")
    print(f"{share:.1f} % of a core over {seen[-1][0] - seen[0][0] - SETTLE_S:.1f} s of recording; at most {most:g} %")
    sys.exit(share > most)


def started(rig: Rig, folder: Path) -> float:
    """How long the world of a rig takes to start, s."""
    clock = HostClock()
    begins_ns = clock.now_ns()
    world = WorldProcess(rig, truth=None, framebuffer=None, log=folder / "world.log")
    took_s = (clock.now_ns() - begins_ns) / NS
    world.close()
    return took_s


def watched(folder: str) -> tuple[list[tuple[float, float]], float]:
    """Record the demo: (s, CPU s) of the simulated world every 0.1 s, and the most memory that it has to itself, MB."""
    clock = HostClock()
    recorder = subprocess.Popen([sys.executable, "-m", "rig", *RECORD, folder], stdout=subprocess.DEVNULL)
    seen: list[tuple[float, float]] = []
    memory_mb = 0.0
    while recorder.poll() is None:
        for pid in family(recorder.pid):
            if role_of(pid, recorder.pid) == "simulated world" and (cpu_s := cpu_of(pid)):
                seen.append((clock.now_ns() / NS, cpu_s))
                memory_mb = max(memory_mb, memory_of(pid))
        clock.sleep_until(clock.now_ns() + EVERY_NS)
    if recorder.returncode:
        sys.exit(f"the recording ended with exit status {recorder.returncode}")
    return seen, memory_mb


def memory_of(pid: int) -> float:
    """Memory that a process shares with no other, MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def share_of(seen: list[tuple[float, float]]) -> float:
    """Percent of a core, from SETTLE_S on."""
    settled = [(at_s, cpu_s) for at_s, cpu_s in seen if at_s >= seen[0][0] + SETTLE_S]
    (first_s, cpu_first_s), (last_s, cpu_last_s) = settled[0], settled[-1]
    return 100 * (cpu_last_s - cpu_first_s) / (last_s - first_s)


if __name__ == "__main__":
    main()

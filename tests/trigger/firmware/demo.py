"""The demo's session with our firmware on a simulated chip as its trigger box: record it, verify it.

    python -m tests.trigger.firmware.demo      (`make demo-simavr` sets everything up first)

The simulated chip runs at the speed of a real one. Its serial line is the port of the rig, and its wires reach the
simulated cameras. The exit status is that of `rig verify`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.trigger.firmware.simavr import Simavr

ROOT = Path(__file__).parents[3]
DEMO_RIG = ROOT / "calibration/demo/rig.yaml"
RIG = [sys.executable, "-m", "rig"]


def main() -> None:
    """Record and verify one session below ./sessions."""
    with tempfile.TemporaryDirectory(prefix="rig-simavr-") as name:
        folder = Path(name)
        wires = folder / "wires"
        with Simavr(folder, speed="real", leash_s=None, wires=wires) as chip:
            rig = write_rig(folder / "rig.yaml", chip.port, wires)
            session = record(rig)
        verified = run("verify", str(session))
    print(f"\nThe session lies in {session}", flush=True)
    sys.exit(verified)


def write_rig(path: Path, port: str, wires: Path) -> Path:
    """The demo's rig with another box: its serial port, and where its wires come from.

    Without ExposureActive: the system's scheduler holds up what such wires tell, and times by them would be wrong.
    """
    text = DEMO_RIG.read_text().replace("port: sim://demo", f"port: {port}").replace("HS: 0, VIS: 1, NIR: 2, ", "")
    path.write_text(text.rstrip() + f"\n  wires: {wires}\n")  # `simulation` comes last in it
    return path


def record(rig: Path) -> Path:
    """Record, showing the recorder's lines as they come, and pick out the session's folder."""
    arguments = ["record", "demo", "--rig", str(rig), "--subject", "001", "--participant", "scripted"]
    print(f"\n$ rig {' '.join(arguments)}", flush=True)
    session = None
    with subprocess.Popen([*RIG, *arguments], stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdout is not None
        try:
            for line in recorder.stdout:
                print(line, end="", flush=True)
                if line.startswith("session: "):
                    session = Path(line.removeprefix("session: ").strip())
        except KeyboardInterrupt:  # the recorder got the same Ctrl-C and ends in order; the box is there until then
            recorder.wait()
            sys.exit(130)
    if recorder.returncode or session is None:
        sys.exit(f"demo: the recording did not finish (exit status {recorder.returncode})")
    return session


def run(*arguments: str) -> int:
    """One more command of the rig."""
    print(f"\n$ rig {' '.join(arguments)}", flush=True)
    return subprocess.run([*RIG, *arguments]).returncode


if __name__ == "__main__":
    main()

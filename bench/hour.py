"""An hour in virtual time: 540,000 frames are recorded, verified and opened, in memory that does not grow with them,
and recorded once more with that session as the rig.

    python -m bench.hour [--minutes N] [--early N] [--folder DIR] [--document]

Two sessions of 96x64 pixels at 100/25/25 fps: a short one (`early`, 10 minutes) and a long one (60). Memory is what the
system counts as resident: of the recorder after so many minutes of the long session, of `rig verify` and `rig info`
at their most, each in a process of its own. Exits 1 when a session is not complete, when the recorder's memory grows by
more than 10 MB between the two moments, or when that of a reader grows by more than four times the bytes of the rows
that it reads, or when a row, or what a check of `rig verify` says, is not that of the session that is replayed. Needs
8 GB of disk, and some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

from bench.report import markdown, replace_part, show_table
from bench.runs import resident_mb, still_protocol
from rig.clock import NS, HostClock
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recording, Request, Status
from rig.session.run import Run
from rig.verify.findings import Finding
from rig.verify.verdict import load
from tests.record.compared import compared, rows_of, tables_of

RIG = """\
schema: 1
name: hour
box: {port: sim://hour, rate_hz: 100, inputs: {photodiode: 5, HS: 0, VIS: 1, NIR: 2}}
cameras:
  HS: {backend: simulated, serial: SIM-HS, line: 0, divisor: 1, exposure_us: 4000, width: 96, height: 64}
  VIS: {backend: simulated, serial: SIM-VIS, line: 1, divisor: 4, exposure_us: 8000, width: 96, height: 64}
  NIR: {backend: simulated, serial: SIM-NIR, line: 2, divisor: 4, exposure_us: 8000, width: 96, height: 64}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
"""
MOST_GROWTH_MB, COPIES = 10.0, 4.0  # 3.5 times was measured, from 10 minutes to 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="of the long session")
    parser.add_argument(
        "--early", type=int, default=10, help="of the short session, and when memory is looked at first"
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to use")
    parser.add_argument("--document", action="store_true")
    parser.add_argument("--record", nargs=2, metavar=("MINUTES", "OUT"), help=argparse.SUPPRESS)  # the child
    options = parser.parse_args()
    if options.record:
        record(int(options.record[0]), Path(options.record[1]), options.early)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        documented = options.folder if options.document else None
        short, long = (
            Session(Path(folder) / f"{length}-minutes", length, options.early)
            for length in (options.early, options.minutes)
        )
        is_as_wanted = [compare(short, long, documented), replay(long.path, documented)]
        sys.exit(not all(is_as_wanted))


def record(minutes: int, out: Path, early: int) -> None:
    """Record one session in this process, and print what it held resident after `early` minutes and at the end, MB."""
    (out / "rig.yaml").write_text(RIG)
    (out / "still.yaml").write_text(still_protocol(60 * minutes))
    looked_mb: dict[str, float] = {}

    def look(status: Status) -> None:
        if status.seconds >= 60 * early:
            looked_mb.setdefault("early", resident_mb())
        if status.seconds <= 60 * minutes:
            looked_mb["late"] = resident_mb()

    files = read_rig(out / "rig.yaml"), read_protocol(out / "still.yaml")
    recorded = Recording(Request(*files, "001", out / "sessions", scripted=True, virtual=True), look).record()
    print(json.dumps({"outcome": recorded.outcome, "path": str(recorded.path), **looked_mb}))


def compare(short: Session, long: Session, documented: Path | None) -> bool:
    """Show both; whether memory stayed as it was. `documented`: the folder that was used."""
    recorder_mb = long.told["late"] - long.told["early"]
    row_mb = long.row_mb - short.row_mb
    times = {name: (long.reader_mb[name] - short.reader_mb[name]) / row_mb for name in short.reader_mb}
    rows = [
        ["frames", f"{short.frames}", f"{long.frames}", ""],
        ["recorded in", f"{short.record_s:.0f} s", f"{long.record_s:.0f} s", ""],
        ["verified in", f"{short.verify_s:.0f} s", f"{long.verify_s:.0f} s", ""],
        ["rows in the file, pictures apart", f"{short.row_mb:.1f} MB", f"{long.row_mb:.1f} MB", f"{row_mb:+.1f} MB"],
        [
            "memory of the recorder, both in the long session",
            *(f"{long.told[at]:.1f} MB" for at in ("early", "late")),
            f"{recorder_mb:+.1f} MB",
        ],
    ]
    for name, many in times.items():
        held = f"{short.reader_mb[name]:.1f} MB", f"{long.reader_mb[name]:.1f} MB"
        rows.append([f"memory of {name}, at most", *held, f"{many:.1f} times the rows more"])
    heads = ["", f"{short.minutes} min", f"{long.minutes} min", "more"]
    show_table("an hour, in virtual time", heads, rows)
    if documented:
        replace_part("hour", markdown(heads, rows), documented)
    is_grown = recorder_mb > MOST_GROWTH_MB or any(many > COPIES for many in times.values())
    return not (is_grown or short.is_wrong or long.is_wrong)


def replay(session: Path, documented: Path | None) -> bool:
    """Record a session that was verified once more, from its own file; whether it comes out the same."""
    out = session.parents[3]
    wanted = ["--rig", f"replay:{session}", "--subject", "again", "--out", str(out / "again"), "--speed", "max"]
    record_mb, record_s, _ = run(["-m", "rig", "record", str(out / "still.yaml"), *wanted])
    (again,) = (out / "again").glob("sub-again/*/*_session.h5")
    run(["-m", "rig", "verify", str(again)])
    tables, checks = same_tables(session, again), same_checks(session, again)
    rows = [
        ["recorded again in", f"{record_s:.0f} s"],
        ["memory of the recorder, at most", f"{record_mb:.0f} MB"],
        ["tables with equal rows", f"{sum(tables)} of {len(tables)}"],
        ["checks of `rig verify` that say the same", f"{sum(checks)} of {len(checks)}"],
    ]
    with h5py.File(session) as file:
        frames = sum(len(file[f"acquisition/{name}/data"]) for name in json.loads(file.attrs["streams"]))
    show_table("the same, recorded again from its file", heads := ["", f"{frames:,} frames"], rows)
    if documented:
        replace_part("hour replayed", markdown(heads, rows), documented)
    return all(tables) and all(checks)


def same_tables(before: Path, after: Path) -> list[bool]:
    """Of each table that devices told of, whether its rows are the same."""
    with h5py.File(before) as then, h5py.File(after) as now:
        return [rows_of(then, path).tobytes() == rows_of(now, path).tobytes() for path in tables_of(then)]


def same_checks(before: Path, after: Path) -> list[bool]:
    """Of each check about cameras, box and screen, whether it says the same."""
    found = said_of(after)
    return [found[check] == findings for check, findings in said_of(before).items()]


def said_of(path: Path) -> dict[str, list[Finding]]:
    """What `rig verify` has said of a run, by check."""
    with Run(path) as run:
        verdict = load(run)
    assert verdict is not None, path
    return compared(verdict)


class Session:
    """One session, recorded and read in processes of their own."""

    def __init__(self, folder: Path, minutes: int, early: int) -> None:
        folder.mkdir()
        self.minutes = minutes
        command = ["-m", "bench.hour", "--early", str(early), "--record", str(minutes), str(folder)]
        _, self.record_s, output = run(command)
        self.told = json.loads(output)
        self.path = Path(self.told["path"])
        verify_mb, self.verify_s, _ = run(["-m", "rig", "verify", str(self.path)])
        info_mb, _, _ = run(["-m", "rig", "info", str(self.path)])
        self.reader_mb = {"rig verify": verify_mb, "rig info": info_mb}
        with h5py.File(self.path) as file:
            sizes: dict[str, int] = {}
            file.visititems(lambda name, item: sizes.update({name: item.nbytes}) if is_rows(name, item) else None)
            self.frames = sum(len(file[f"acquisition/{stream}/data"]) for stream in ("HS", "VIS", "NIR"))
        self.row_mb = sum(sizes.values()) / 1e6
        self.is_wrong = self.told["outcome"] != "finished" or self.frames < minutes * 60 * 150
        if self.is_wrong:
            print(f"  {minutes} min: {self.told['outcome']}, {self.frames} frames")


def is_rows(name: str, item: object) -> bool:
    return isinstance(item, h5py.Dataset) and not name.endswith("/data")


def run(arguments: list[str]) -> tuple[float, float, str]:
    """Run Python; how much memory it held at most, MB, how long it took, s, and what it printed. Exits if it failed."""
    clock = HostClock()
    began = clock.now_ns()
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} ended with exit status {process.returncode}\n{output}")
    return used.ru_maxrss / 1e3, (clock.now_ns() - began) / NS, output


if __name__ == "__main__":
    main()

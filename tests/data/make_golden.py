"""Makes the run files that every later version must read: tests/data/session-v1/*.h5.gz, and beside each what is in it.

    python -m tests.data.make_golden [NAME...]

They are kept for ever: a new layout gets a folder of its own. session-v1.sha256 pins every byte of them; what is made
here is not in it until somebody puts the lines that this prints into it by hand (tests/README.md). What is in a file is
told by plain h5py; the pictures of one that a crash left are those of the same recording when it was over. All are
96x64 and almost without noise, so that they are small.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  the filter of compressed pictures
import numpy as np
import pytest

import rig
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record import surroundings
from rig.record.recording import Recording, Request
from rig.session import journal
from rig.session.overlay import PAGE
from rig.session.recover import recover
from rig.verify.verdict import verify_run
from tests.rigs import write_film_protocol, write_protocol, write_rig
from tests.short_plans import files_of, shorten_plans

FOLDER = Path(__file__).parent / "session-v1"
QUIET = "simulated: {read_noise_e: 0, full_well_e: 1000000}}"
COMPUTER = {"name": "example", "system": "an example", "cores": 2, "memory_bytes": 8 << 30, "real_time": "granted"}
COMPRESSED = "compression: bitshuffle-lz4, "
FAULTS = "lost_frames: 2, ghost_frames: 1, last_pulse: 150"
STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}


def quiet_rig(folder: Path, *, camera: str = "", faults: str = "") -> Path:
    """A rig of small pictures that hardly change; `camera`: more keys of each camera."""
    path = write_rig(folder, faults=faults)
    text = path.read_text().replace("simulation:\n", "simulation:\n  scene: chart\n")
    path.write_text(text.replace("height: 64}", f"height: 64, {camera}{QUIET}"))
    return path


def recorded(folder: Path, rig_path: Path, *, seconds: float = 0.6, kill_at_s: int = 0) -> list[Path]:
    """The files of a recording; `kill_at_s`: left.h5 is what SIGKILL would leave of it after so many seconds."""
    protocol = write_protocol(folder, ("still", seconds, "all"), ("rest", 1, "[HS]"))
    return run_of(folder, rig_path, protocol, kill_at_s)


def run_of(folder: Path, rig_path: Path, protocol: Path, kill_at_s: int = 0) -> list[Path]:
    """A recording in virtual time."""
    seconds = iter(range(10**6))

    def look(_: object) -> None:
        if next(seconds) == kill_at_s > 0:
            (left,) = folder.glob("sessions/*/*/*.h5")
            shutil.copyfile(left, folder / "left.h5")

    files, out = (read_rig(rig_path), read_protocol(protocol)), folder / "sessions"
    request = Request(*files, "001", out, scripted=True, virtual=True)
    return files_of(Recording(request, look).record().path)


def closed(folder: Path) -> list[Path]:
    """With a film and an answer, closed in order."""
    return run_of(folder, quiet_rig(folder), write_film_protocol(folder, 10))


def lossy(folder: Path) -> list[Path]:
    """With gaps, an extra frame, and a part that is not stored."""
    return recorded(folder, quiet_rig(folder, faults=FAULTS))


def colour(folder: Path) -> list[Path]:
    """Of Bayer cameras, 12 bits packed."""
    return recorded(folder, quiet_rig(folder, camera="pixel_format: BayerRG12p, "), seconds=0.1)


def compressed(folder: Path) -> list[Path]:
    return recorded(folder, quiet_rig(folder, camera=COMPRESSED))


def two_files(folder: Path) -> list[Path]:
    """A run that outlasted its plan."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        return recorded(folder, quiet_rig(folder), seconds=2)


def killed(folder: Path) -> list[Path]:
    return recorded(folder, quiet_rig(folder, faults=FAULTS), kill_at_s=3)


def killed_compressed(folder: Path) -> list[Path]:
    return recorded(folder, quiet_rig(folder, camera=COMPRESSED), kill_at_s=3)


def recovered(folder: Path) -> list[Path]:
    """What was killed, put in order by `rig recover`."""
    return killed(folder)


def half_closed(folder: Path) -> list[Path]:
    """A close that was decided, and broke off when every second page of it had reached the file."""
    apply = journal._apply

    def broken_off(path: Path, pages: Mapping[int, bytes | bytearray], size: int) -> None:
        for beside in (path, journal.journal_of(path)):
            shutil.copyfile(beside, folder / f"left{beside.suffix}")
        with (folder / "left.h5").open("r+b") as left:
            for number in sorted(pages)[::2]:
                left.seek(number * PAGE)
                left.write(pages[number])
        apply(path, pages, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_apply", broken_off)
        return recorded(folder, quiet_rig(folder, camera=COMPRESSED), seconds=0.1)


MAKERS: dict[str, Callable[[Path], list[Path]]] = {
    maker.__name__: maker
    for maker in (closed, lossy, colour, compressed, two_files, killed, killed_compressed, recovered, half_closed)
}


def make(name: str, folder: Path) -> None:
    """One case: its files, packed, and what must be read of them."""
    whole = MAKERS[name](folder)
    files = whole
    if (left := folder / "left.h5").exists():
        files = [folder / "left" / "/".join(whole[0].parts[-3:])]
        files[0].parent.mkdir(parents=True)
        left.rename(files[0])
        if name == "recovered":
            recover(files[0].parent)
    read = files
    if (left := folder / "left.journal").exists():  # nobody can read it until it is recovered: as it will be then
        files, read = [*files, files[0].with_suffix(".journal")], whole
        left.rename(files[1])
    expected = contents(read, whole) | {"files": [path.name for path in files]} | judged(read[0])
    for number, path in enumerate(files, 1):
        packed = gzip.compress(path.read_bytes(), 9, mtime=0)
        (FOLDER / f"{name}-{number}{path.suffix}.gz").write_bytes(packed)
    text = json.dumps(expected, indent=1)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    sizes = sum(path.stat().st_size for path in FOLDER.glob(f"{name}-*"))
    print(
        f"{name}: {len(files)} files, {sizes / 1000:.0f} kB, {'complete' if expected['complete'] else 'not complete'}"
    )


def contents(files: list[Path], whole: list[Path]) -> dict[str, Any]:
    """What is in the files of a run, by plain h5py; of one left by a crash the pictures as the whole run has them."""
    with h5py.File(files[0]) as file:
        found = {"outcome": file.attrs["outcome"], "pulses": 0, "flips": 0, "streams": {}}
        found["plain"] = "heap" not in file
    found["pulses"] = len(rows_of(files, "/acquisition/pulses"))
    found["flips"] = len(rows_of(files, "/stimulus/presentation/flips"))
    found["not_stored"] = len(rows_of(files, "/intervals/not_stored"))
    for name in STREAMS:
        found["streams"][name] = stream_of(files, whole, f"/acquisition/{name}")
    return found


def stream_of(files: list[Path], whole: list[Path], path: str) -> dict[str, Any]:
    frames = rows_of(files, f"{path}/frames")
    gaps = rows_of(files, f"{path}/gaps")
    pictures = np.concatenate([pictures_of(file, path) for file in whole])[: len(frames)]
    return {
        "frames": len(frames),
        "pulse_numbers": crc_of(frames["pulse_number"]),
        "checksums": crc_of(frames["checksum"]),
        "pictures": crc_of(pictures),
        "shape": list(pictures.shape),
        "gaps": [[int(gap[key]) for key in ("first_pulse", "last_pulse", "cause")] for gap in gaps],
        "extras": len(rows_of(files, f"{path}/extras")),
    }


def rows_of(files: list[Path], path: str) -> np.ndarray:
    """Rows that were written, by plain h5py."""
    tables = []
    for file in files:
        with h5py.File(file) as run:
            rows = run[path][:]
            tables.append(rows[: int((rows["seq"] == np.arange(1, len(rows) + 1)).cumprod().sum())])
    return np.concatenate(tables)


def pictures_of(file: Path, path: str) -> np.ndarray:
    with h5py.File(file) as run:
        return np.asarray(run[f"{path}/data"][:])


def crc_of(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def judged(path: Path) -> dict[str, Any]:
    """What verify says: the words of each check."""
    with rig.open(path) as session:
        verdict = verify_run(session.runs[0])
    words: dict[str, list[str]] = {}
    for finding in verdict.findings:
        words[finding.check] = sorted({*words.get(finding.check, []), str(finding.word)})
    return {"complete": verdict.is_complete, "words": words}


def sums_of(name: str) -> list[str]:
    """The lines of session-v1.sha256 about one case, as sha256sum writes them."""
    paths = [*sorted(FOLDER.glob(f"{name}-*")), FOLDER / f"{name}.json"]
    return [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in paths]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    surroundings.computer = lambda _: dict(COMPUTER)  # a developer's computer is nobody's business
    for name in sys.argv[1:] or MAKERS:
        with tempfile.TemporaryDirectory(prefix="golden-") as folder:
            make(name, Path(folder))
        print(*sums_of(name), sep="\n")


if __name__ == "__main__":
    main()

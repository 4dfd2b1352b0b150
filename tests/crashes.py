"""What a crash may not take: each frame as the camera handed it over, and what the disk had acknowledged."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest
import xxhash

from rig.record.messages import Synced
from rig.record.run import Run
from rig.record.threads import ThreadedRecorder
from rig.session.recover import Recovery, recover
from rig.sim.camera import SimulatedCamera
from rig.streams import FRAME, Frame
from tests.power import DiskLog
from tests.rigs import record, write_protocol, write_rig

Key = tuple[str, int, int]  # stream, epoch, the camera's own number
Truth = dict[Key, bytes]
ENDS_WITHIN_S = 60


def digest(picture: np.ndarray) -> bytes:
    return blake2b(picture.tobytes(), digest_size=16).digest()


def watching(grab: Callable[..., Any], note: Callable[[Key, bytes], None]) -> Callable[..., Any]:
    """A camera's `grab` that tells of each frame and its digest before anybody else has seen it."""

    def watched(camera: SimulatedCamera, timeout_s: float) -> Any:
        came = grab(camera, timeout_s)
        if isinstance(came, Frame):
            note((came.stream, came.epoch, came.frame_number), digest(came.pixels))
        return came

    return watched


@contextmanager
def delivered() -> Iterator[Truth]:
    """Digests of all pictures that the cameras hand over while in here."""
    truth: Truth = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedCamera, "grab", watching(SimulatedCamera.grab, truth.__setitem__))
        yield truth


Told = list[tuple[int, int]]  # so many operations were logged when the recorder told of so many frames more


@contextmanager
def telling(log: DiskLog, *, virtual: bool) -> Iterator[Told]:
    """What the recorder tells to be acknowledged while in here: as its sync thread tells it, or as its core is told."""
    told: Told = []
    where, name = (Run, "step") if virtual else (ThreadedRecorder, "tell")
    real = getattr(where, name)

    def watched(self, event, *now):
        if isinstance(event, Synced):
            told.append((len(log.ops), event.frames))
        return real(self, event, *now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, watched)
        yield told


class Acknowledged:
    """Which frames were safe at which operation of a log: their row, and so their picture, was asked for before a sync
    of their file that has returned. Found out from the log alone, and held against what the recorder told."""

    def __init__(self, log: DiskLog, told: Sequence[tuple[int, int]] = ()) -> None:
        self._told = told
        tables: dict[int, dict[str, tuple[int, int]]] = {}
        waiting: dict[int, set[Key]] = {}
        self._safe: list[tuple[int, set[Key]]] = []  # from which operation on
        for place, op in enumerate(log.ops, 1):
            if op.kind == "made":
                tables[op.file] = frame_tables(op.data)
            elif op.kind == "write":
                waiting.setdefault(op.file, set()).update(keys_in(op.offset, op.data, tables.get(op.file, {})))
            elif op.kind == "sync":
                self._safe.append((place, waiting.pop(op.file, set())))

    def by(self, place: int) -> set[Key]:
        """What was safe when operation `place` was the last one asked for."""
        return set().union(*(keys for since, keys in self._safe if since <= place))

    @property
    def told(self) -> int:
        """Frames that the recorder told of."""
        return sum(frames for _, frames in self._told)

    def told_too_soon(self) -> list[int]:
        """Each time that the recorder had told of more frames than were safe: of how many more."""
        sums = accumulate(frames for _, frames in self._told)
        excess = [many - len(self.by(place)) for (place, _), many in zip(self._told, sums, strict=True)]
        return [frames for frames in excess if frames > 0]


Logged = tuple[DiskLog, Truth, Acknowledged]


def frame_tables(source: bytes | Path) -> dict[str, tuple[int, int]]:
    """By stream and kind of run, from where to where the rows of its frames lie in a file."""
    found = {}
    with h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, locking=False) as file:
        for group in groups_in(file):
            rows = file[f"{group}/frames"]
            start = rows.id.get_chunk_info(0).byte_offset
            found[group] = (start, start + rows.size * rows.dtype.itemsize)
    return found


def keys_in(offset: int, data: bytes, tables: dict[str, tuple[int, int]]) -> set[Key]:
    for name, (start, end) in tables.items():
        if start <= offset < end and len(data) % FRAME.itemsize == 0:  # not a page of a close
            rows = np.frombuffer(data, FRAME)
            return {_key(name, row) for row in rows}
    return set()


def _key(group: str, row: np.void) -> Key:
    return group.split("/")[1], int(row["epoch"]), int(row["frame_number"])


def groups_in(file: h5py.File) -> list[str]:
    """Where the frames of each stream lie, those of the line walk too."""
    names = json.loads(file.attrs["streams"])
    return [f"{group}/{name}" for group in ("acquisition", "line_walk") for name in names]


def frames_in(folder: Path) -> Truth:
    """Every frame of the run files in a folder, read by plain h5py and held against the checksum in its row.

    Each file has to be closed and read-only.
    """
    found: Truth = {}
    for path in sorted(folder.rglob("*_session.h5")):
        assert path.stat().st_mode & 0o777 == 0o400, path
        with h5py.File(path) as file:
            assert file.attrs["outcome"] != "incomplete"
            for group in groups_in(file):
                rows, data = file[f"{group}/frames"][:], file[f"{group}/data"]
                assert rows["seq"].tolist() == list(range(1, len(data) + 1)), (path, group)
                for row, picture in zip(rows, data, strict=True):
                    key = _key(group, row)
                    assert xxhash.xxh3_64_intdigest(picture.tobytes()) == row["checksum"], f"{key} is damaged"
                    found[key] = digest(picture)
    return found


def put_in_order(folder: Path) -> list[Recovery]:
    """Recover every session below a folder, without a word of lost or damaged frames. Raises what refused."""
    done: list[Recovery] = []
    for session in sorted(folder.glob("sub-*/ses-*")):
        if any(session.iterdir()):
            found, errors = recover(session)
            done += found
            if errors:
                raise errors[0]
    assert all(one.is_good for one in done), [one for one in done if not one.is_good]
    return done


def losses(folder: Path, truth: Truth, safe: set[Key]) -> str:
    """What went wrong with frames that were recovered; empty when none is lost and all are as they were delivered."""
    found = frames_in(folder)
    lost, wrong = safe - found.keys(), {key for key in found if found[key] != truth[key]}
    left = [p.name for p in folder.rglob("*") if p.suffix in (".journal", ".journal-part", ".arming")]
    said = [f"{len(lost)} acknowledged frames lost, first {min(lost)}"] if lost else []
    said += [f"{len(wrong)} frames not as delivered, first {min(wrong)}"] if wrong else []
    said += [f"left: {', '.join(left)}"] if left else []
    return "; ".join(said)


def recover_through_cuts(folder: Path, random: Random, cuts: int) -> None:
    """Recover what lies in `folder`; the power goes `cuts` times at random moments of it, then no more."""
    for number in range(cuts):
        log = DiskLog(folder)
        with log.logging():
            put_in_order(folder)
        cut = folder.with_name(f"{folder.name}-{number}")
        cut.mkdir()
        log.cut_at(random.randint(0, len(log.ops)), random, cut)
        folder = folder.rename(folder.with_name(f"{folder.name}-before-{number}")) and cut.rename(folder)
    put_in_order(folder)


def log_a_session(folder: Path, seconds: float, *, virtual: bool = True) -> Logged:
    """What was asked of the disk during one session, what the cameras delivered, and what was safe when."""
    (folder / "sessions").mkdir()
    log = DiskLog(folder / "sessions")
    rig = write_rig(folder, faults="lost_frames: 3, ghost_frames: 2, last_pulse: 150")
    with log.logging(), delivered() as truth, telling(log, virtual=virtual) as told:
        record(folder, rig, write_protocol(folder, ("a", seconds, "all")), virtual=virtual)
    return log, truth, Acknowledged(log, told)


def stages(log: DiskLog) -> dict[str, list[int]]:
    """Numbers of operations: of making the file, of recording, of handing rows to a sync, of putting it in order."""
    kinds = [op.kind for op in log.ops]
    armed = kinds.index("folder", kinds.index("made")) + 1
    renamed = len(kinds) - 1 - kinds[::-1].index("rename")
    closing = renamed - 4  # the last sync of the run, then the journal: written, cut, synced
    syncs = [place for place in range(armed, closing) if kinds[place] == "sync"]
    return {
        "arm": list(range(armed + 1)),
        "recording": list(range(armed, closing)),
        "sync": [place for sync in syncs for place in range(sync - 9, sync + 2)],
        "close": list(range(closing, len(kinds) + 1)),
        "end of the close": list(range(len(kinds) - 6, len(kinds) + 1)),
    }


def lost_by_a_cut(recorded: Logged, place: int, random: Random, folder: Path, *, recoveries_cut: int) -> str:
    log, truth, acknowledged = recorded
    sessions = folder / "sessions"
    sessions.mkdir()
    log.cut_at(place, random, sessions)
    recover_through_cuts(sessions, random, recoveries_cut)
    return losses(sessions, truth, acknowledged.by(place))


@dataclass(frozen=True)
class Killed:
    """A recording that was killed: what it had delivered, and what was safe."""

    moment: str
    truth: Truth
    safe: set[Key]


def kill_a_recording(folder: Path, rig: Path, protocol: Path, moment: str, random: Random) -> Killed:
    """Record in real time below `folder`/sessions, and kill it at a moment of this kind: arm, sync, close,
    switch (to a further file: its plan is too short) or any.
    """
    told, said = folder / "told.jsonl", folder / "said.txt"
    told.touch()
    record = ["record", str(protocol), "--rig", str(rig), "--subject", "001", "--out", str(folder / "sessions")]
    program = "tests.telling_briefly" if moment == "switch" else "tests.telling"
    command = [sys.executable, "-m", program, str(told), *record]
    with said.open("wb") as output:
        recorder = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_for(moment, told, recorder, random)
    finally:
        os.killpg(recorder.pid, signal.SIGKILL)
        recorder.wait()
    lines = [json.loads(line) for line in told.read_text().splitlines() if line.endswith("}")]
    truth = {
        (s, e, n): bytes.fromhex(line["digest"]) for line in lines if "truth" in line for s, e, n in [line["truth"]]
    }
    return Killed(moment, truth, {_told(key) for line in lines for key in line.get("safe", [])})


def _told(key: tuple[str, int, int]) -> Key:
    stream, epoch, number = key
    return stream, epoch, number


def _wait_for(moment: str, told: Path, recorder: subprocess.Popen[bytes], random: Random) -> None:
    """Until the moment has come, and a little longer."""
    times = {"arm": random.randint(1, 2), "sync": random.randint(2, 8), "close": random.randint(1, 3), "switch": 2}
    word, longest_s = {"any": ("armed", 3.0), "switch": ("armed", 1.0)}.get(moment, (moment, 0.03))
    until = time.monotonic() + ENDS_WITHIN_S
    while told.read_text().count(f'"at": "{word}"') < times.get(moment, 1) and recorder.poll() is None:
        assert time.monotonic() < until, "the moment never came"
        time.sleep(0.001)
    time.sleep(random.uniform(0, longest_s))

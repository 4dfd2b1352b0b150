"""Puts in order what a crash has left of a session: killed, power lost, disk full, or broken off in the middle of it.

    nothing recorded yet   --> removed
    a journal beside it    --> the close had been decided: it is finished
    never closed           --> count what is whole, tell what is missing, cut off the rest, close it as `recovered`

All changes of a file go through its journal (closing.py): recovering can be broken off at any moment, and done again.
What the disk had acknowledged is never cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rig import host
from rig.clock import utc_now
from rig.errors import RigError, StorageError
from rig.private import sync_path
from rig.session import journal, layout
from rig.session.arming import arming_of
from rig.session.closing import close_file
from rig.session.layout import Outcome
from rig.session.leftovers import files_left
from rig.session.opening import reading
from rig.session.reader import runs_of
from rig.session.rewriting import copy_of
from rig.session.run import Run
from rig.session.runfile import RunFile
from rig.session.whole import FileLeft, Missing, Ranges, StreamLeft, look_at, missing_pulses, told

Progress = Callable[[Path, int, int], None]  # of a file: pictures compared, of how many
LOG_ROWS, LOG_TEXT = f"{layout.LOG}/rows", f"{layout.LOG}/text"
AGAIN = "What was recorded is as it was. Mend that, then run rig recover again"


class Found(StrEnum):
    """What a run file was found to be, and what was done with it."""

    HELD = "held"  # by a recorder, or by another rig recover: left alone
    EMPTY = "empty"  # nothing had been recorded: removed
    CLOSED = "closed"  # nothing to do
    CLOSE_FINISHED = "close_finished"  # the close had broken off, and was finished
    RECOVERED = "recovered"  # put in order


@dataclass(frozen=True)
class StreamKept:
    """What was kept of one stream in one file. Pulses are ranges of first and last."""

    frames: int
    acknowledged: int  # at least so many of them, as the file itself can tell
    cut: int  # frames at the end that the disk did not hold whole, or that lay behind such a one
    damaged: Ranges  # kept, but their pictures differ from what the camera delivered
    missing: Ranges  # no frame, and no reason told before; now told as gaps
    missing_count: int


@dataclass(frozen=True)
class Recovery:
    """What became of one run file."""

    path: Path
    found: Found
    outcome: str = ""
    streams: dict[str, StreamKept] = field(default_factory=dict)
    frames: int = 0  # kept, of the line walk too
    acknowledged: int = 0  # frames of this file and of those it continues, as their rows about syncs say
    lost: int = 0  # acknowledged, and not to be found: the disk did not keep what it had said it had

    @property
    def is_closed(self) -> bool:
        """Whether it was closed when it was found, or its close decided."""
        return self.found in (Found.CLOSED, Found.CLOSE_FINISHED)

    @property
    def is_good(self) -> bool:
        """Whether everything that was acknowledged is there and undamaged."""
        return not self.lost and not any(kept.damaged for kept in self.streams.values())

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "path": str(self.path), "found": str(self.found), "is_good": self.is_good}


def recover(session: Path, on_progress: Progress = lambda *_: None) -> tuple[list[Recovery], list[RigError]]:
    """Put every run file of a session in order; `session` is its folder or a file in it.

    Returns what became of each file, and an error for each that could not be dealt with: nothing in it was changed.
    Raises NotASession when there is none.
    """
    done: dict[Path, Recovery] = {}
    errors: list[RigError] = []
    with ExitStack() as held:
        to_read: list[Path] = []
        for path in files_left(session):
            with _collected(errors), _refusals(path):
                if found := _settle(path, held):
                    done[path] = found
                if path not in done or done[path].is_closed:
                    to_read.append(path)
        runs, unreadable = runs_of(to_read)
        errors += unreadable
        for files in runs:
            with _collected(errors):
                for one in _recover_run(files, done.keys(), on_progress):
                    done[one.path] = one
    return [done[path] for path in sorted(done)], errors


@contextmanager
def _collected(errors: list[RigError]) -> Iterator[None]:
    try:
        yield
    except RigError as exc:
        errors.append(exc)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turns a disk that refuses into an error of the user's."""
    try:
        yield
    except OSError as exc:
        raise StorageError(str(path), f"was not put in order: {exc.strerror or exc}", hint=AGAIN) from exc


def _settle(path: Path, held: ExitStack) -> Recovery | None:
    """What can be said of a file without looking at what it holds; None if it was never closed.

    `held` keeps other recorders and recoveries away from it until it is closed.
    """
    for each in (arming_of(path), path):
        if not _hold(each, held):
            return Recovery(path, Found.HELD)
    is_replayed = journal.replay(path)
    if not path.exists() or not path.stat().st_size:
        _remove(path, arming_of(path), copy_of(path), journal.part_of(path))
        return Recovery(path, Found.EMPTY)
    _remove(arming_of(path), copy_of(path))
    with RunFile(path) as file:
        outcome = file.outcome
    if outcome is Outcome.INCOMPLETE:
        return None
    _remove(journal.part_of(path))
    if path.stat().st_mode & 0o222:  # a closed one may lie on a disk that takes no change
        host.make_read_only(path)
    return Recovery(path, Found.CLOSE_FINISHED if is_replayed else Found.CLOSED, str(outcome))


def _hold(path: Path, held: ExitStack) -> bool:
    """Hold a file, if there is one; False when somebody else does."""
    if not path.is_file():  # nothing there; or a pipe, for which one would wait
        return True
    fd = os.open(path, os.O_RDONLY)
    held.callback(os.close, fd)
    try:
        host.hold_alone(fd)
    except BlockingIOError:
        return False
    return True


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            host.remove(path)
            host.sync_folder(path.parent)


def _recover_run(group: list[Path], closed: Collection[Path], on_progress: Progress) -> Iterator[Recovery]:
    """Put those files of a run in order that were not closed. Raises RigError."""
    if all(path in closed for path in group):
        return
    for path in (path for path in group if path not in closed):
        with _refusals(path):
            host.make_private(path)
            sync_path(path)  # what is in memory alone, as after a kill, must not be lost once it is found whole
    unused = _unused(group, closed)
    with Run(*(path for path in group if path not in unused)) as run, reading(run.path, "what is left of it"):
        looked = look_at(run, on_progress)
        missing = {name: missing_pulses(run, stream, looked) for name, stream in run.streams.items()}
        lost = max(0, told(run) - sum(one.rows for one in looked))
    for left in looked[:-1]:
        if left.path not in closed:
            yield _close(left, {}, 0)
    if looked[-1].path not in closed:
        yield _close(looked[-1], missing, lost)
    for path in unused:
        with _refusals(path):
            _remove(path, journal.part_of(path))
        yield Recovery(path, Found.EMPTY)


def _unused(group: list[Path], closed: Collection[Path]) -> list[Path]:
    """Files made ahead of need, into which the run never went."""
    with Run(*group) as run:
        return [file.path for file in run.files[1:] if file.path not in closed and not _has_rows(file)]


def _has_rows(file: RunFile) -> bool:
    """Whether anything was recorded into a file; into the next one of a run, made ahead of need, there may be not."""
    return any(len(rows) and rows["seq"][0] for rows in file.tables().values())


def _close(left: FileLeft, missing: Mapping[str, Missing], lost: int) -> Recovery:
    """Note what is missing, cut off what is not whole, and close the file; all of it or nothing."""
    streams = {name: _kept(one, missing.get(name)) for name, one in left.streams.items()}
    outcome = Outcome.RECOVERED
    recovery = Recovery(left.path, Found.RECOVERED, str(outcome), streams, left.kept, left.acknowledged, lost)
    gaps = {layout.gaps_path(name): gap.rows() for name, gap in missing.items()}
    text = json.dumps(_record(recovery), ensure_ascii=False).encode()

    def note(file: h5py.File) -> None:
        for path, rows in gaps.items():
            _append(file[path], left.lengths[path], rows)
        _append_text(file, left, text)

    longer = {path: left.lengths[path] + len(rows) for path, rows in gaps.items()}
    longer[LOG_ROWS] = left.lengths[LOG_ROWS] + 1
    longer[LOG_TEXT] = left.lengths[LOG_TEXT] + len(text)
    with _refusals(left.path), _reading(left.path):
        close_file(left.path, {**left.lengths, **longer}, outcome, note)
        _remove(journal.part_of(left.path))
    return recovery


def _kept(left: StreamLeft, missing: Missing | None) -> StreamKept:
    """`missing`: of the whole run, told with its last file alone."""
    ranges, count = (missing.ranges, missing.count) if missing else ((), 0)
    return StreamKept(left.kept, left.acknowledged, left.frames - left.kept, left.damaged, ranges, count)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """As `reading`, but what the system refuses goes on as it is."""
    refused: OSError | None = None
    with reading(path, "its tables"):
        try:
            yield
        except OSError as exc:
            if exc.errno is None:  # HDF5's own
                raise
            refused = exc
    if refused is not None:
        raise refused


def _append(dataset: h5py.Dataset, length: int, rows: np.ndarray[Any, Any]) -> None:
    """Put rows behind the first `length` of a table, each with its `seq`."""
    end = length + len(rows)
    if end > dataset.shape[0]:
        dataset.resize(end, axis=0)
    if rows.dtype.names:
        rows["seq"] = np.arange(length + 1, end + 1)
    dataset[length:end] = rows


def _append_text(file: h5py.File, left: FileLeft, text: bytes) -> None:
    rows, used = left.lengths[LOG_ROWS], left.lengths[LOG_TEXT]
    _append(file[LOG_TEXT], used, np.frombuffer(text, np.uint8))
    table = file[LOG_ROWS]
    row = np.zeros(1, table.dtype)
    row["length"], row["offset"], row["host_ns"] = len(text), used, left.last_host_ns
    _append(table, rows, row)


def _record(recovery: Recovery) -> dict[str, Any]:
    """The entry of the log."""
    kept = ", ".join(f"{name} {one.frames} frames" for name, one in recovery.streams.items())
    text = f"nobody closed the file: the recorder was killed, lost power, or the disk refused its close; kept: {kept}"
    streams = {name: asdict(one) for name, one in recovery.streams.items()}
    counts = {"frames": recovery.frames, "acknowledged": recovery.acknowledged, "lost": recovery.lost}
    return {"kind": "recovered", "utc": utc_now(), "text": text, **counts, "streams": streams}

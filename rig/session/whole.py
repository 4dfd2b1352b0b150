"""Finds out how much of a run file that nobody closed is whole, and which pulses have no frame.

A table is whole up to its first row that was never written. A picture is whole when it has the checksum taken when it
arrived. Writes that the disk had not acknowledged may be there or not, block by block and in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.errors import SessionError
from rig.session import layout
from rig.session.pulses import pulses_known
from rig.session.run import Run, Stream
from rig.session.runfile import Rows, RunFile
from rig.streams import EXTRA, FRAME, GAP, NO_PULSE, PULSE, SYNC, Evidence, GapCause

SECTOR = 512  # a disk writes so many bytes whole or not at all
DOUBT_NS = 10 * NS  # nothing that arrived so long before the last frame is cut off, whatever rows about syncs say
EVERY = 50  # pictures from one report of progress to the next

Numbers = NDArray[np.int64]
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class StreamLeft:
    """One stream in one file. `frames` have their rows; `kept` of them go no further than the first torn picture."""

    divisor: int
    frames: int
    kept: int
    acknowledged: int  # of those that were kept; at least so many
    damaged: Ranges  # pulses of frames that are kept, and differ from what the camera delivered
    pulse_numbers: Numbers  # of the kept ones, (kept,)
    unknown: int  # kept, and nobody knows of which pulse


@dataclass(frozen=True)
class FileLeft:
    """What is whole of one file: of each dataset so much, by path."""

    path: Path
    lengths: dict[str, int]
    streams: dict[str, StreamLeft]
    rows: int  # frames with a row, of the line walk too
    kept: int  # frames that are kept, of the line walk too
    acknowledged: int  # frames of the run up to the end of this file, as its rows about syncs say
    last_host_ns: int  # of the last thing that it tells of


@dataclass(frozen=True)
class Missing:
    """Pulses of a stream without a frame; where only their number is known, `count` of those."""

    pulses: Numbers
    divisor: int
    count: int

    @property
    def ranges(self) -> Ranges:
        """Where they lie: exactly, or in one range in which others have their frame."""
        if self.count < len(self.pulses):
            return ((int(self.pulses[0]), int(self.pulses[-1])),) if self.count else ()
        return ranges_of(self.pulses, self.divisor)

    def rows(self) -> Rows:
        """GAP rows (n,) without their `seq`."""
        rows = np.zeros(len(self.ranges), GAP)
        rows["cause"] = int(GapCause.RECORDER_ENDED)
        rows["first_pulse"], rows["last_pulse"] = np.array(self.ranges, np.int64).reshape(-1, 2).T
        rows["missing"] = (rows["last_pulse"] - rows["first_pulse"]) // self.divisor + 1
        if self.count < len(self.pulses):
            rows["missing"] = self.count
        return rows


def ranges_of(pulses: Numbers, divisor: int) -> Ranges:
    """Rising pulse numbers as ranges of first and last, in which neighbours lie `divisor` apart."""
    breaks = np.flatnonzero(np.diff(pulses) != divisor)
    if not len(pulses):
        return ()
    firsts, lasts = pulses[np.r_[0, breaks + 1]], pulses[np.r_[breaks, len(pulses) - 1]]
    return tuple((int(a), int(b)) for a, b in zip(firsts, lasts, strict=True))


def told(run: Run) -> int:
    """Frames that the disk acknowledged, as the rows about syncs say; there may have been more."""
    return int(run.syncs["frames"].astype(np.int64).sum())


def look_at(run: Run, on_progress: Callable[[Path, int, int], None]) -> list[FileLeft]:
    """What is whole of each file of a run. Compares every picture with its checksum."""
    doubtful = max(0, sum(_rows_in(run, file) for file in run.files) - told(run))
    looked: list[FileLeft] = []
    acknowledged = 0
    for number, file in enumerate(run.files):
        acknowledged += int(file.table(layout.SYNCS, SYNC)["frames"].astype(np.int64).sum())
        looked.append(_File(run, number, doubtful, on_progress).left(acknowledged))
    return looked


def _rows_in(run: Run, file: RunFile) -> int:
    number = run.files.index(file)
    return sum(len(stream.parts[number]) for stream in _all_streams(run).values())


def _all_streams(run: Run) -> dict[str, Stream]:
    """Those of the run and of the line walk, by the path of their pictures."""
    own = {layout.data_path(name): stream for name, stream in run.streams.items()}
    return own | {layout.data_path(name, walk=True): stream for name, stream in run.walk_streams.items()}


def _start(stream: Stream, number: int) -> int:
    """The frames of a stream in the files before this one."""
    return sum(len(part) for part in stream.parts[:number])


class _File:
    """Looks at one file of a run. `doubtful`: rows of the whole run that may be of frames never acknowledged."""

    def __init__(self, run: Run, number: int, doubtful: int, on_progress: Callable[[Path, int, int], None]) -> None:
        self._run, self._number, self._doubtful = run, number, doubtful
        self._file = run.files[number]
        self._rows = _rows_in(run, self._file)
        self._compared = 0
        last_ns = max(int(s.frames["arrived_host_ns"].max(initial=0)) for s in _all_streams(run).values())
        self._late_ns = last_ns - DOUBT_NS
        self._tell = on_progress

    def left(self, acknowledged: int) -> FileLeft:
        lengths = {path: written(dataset) for path, dataset in self._file.tables().items()}
        for path in layout.LOGS:
            lengths |= self._texts(path, lengths[f"{path}/rows"])
        streams = {}
        for path, stream in _all_streams(self._run).items():
            streams[path] = self._stream(stream)
            lengths |= self._lengths_of(path, stream, streams[path].kept, lengths)
        own = {name: streams[layout.data_path(name)] for name in self._run.streams}
        kept = sum(one.kept for one in streams.values())
        return FileLeft(self._file.path, lengths, own, self._rows, kept, acknowledged, self._last_host_ns(lengths))

    def _stream(self, stream: Stream) -> StreamLeft:
        start, count = _start(stream, self._number), len(stream.parts[self._number])
        rows = stream.frames[start : start + count]
        later = sum(len(part) for part in stream.parts[self._number + 1 :])
        arrived = np.asarray(rows["arrived_host_ns"], np.int64)
        by_count, by_time = count - max(0, self._doubtful - later), int((arrived < self._late_ns).sum())
        sure = max(0, by_count)  # all before this one was acknowledged
        bad = self._damaged(stream, count)
        kept = next((i for i in bad if i >= max(sure, by_time)), count)
        pulses = np.asarray(rows["pulse_number"][:kept], np.int64)
        damaged = np.unique(pulses[[i for i in bad if i < kept]])
        unknown = (pulses == NO_PULSE) & (rows["evidence"][:kept] == Evidence.NONE)
        ranges = ranges_of(damaged, stream.divisor)
        return StreamLeft(stream.divisor, count, kept, min(kept, sure), ranges, pulses, int(unknown.sum()))

    def _damaged(self, stream: Stream, count: int) -> list[int]:
        """Frames of this file whose pictures differ from what the camera delivered, by index."""
        start = _start(stream, self._number)
        bad = []
        for index in range(count):
            try:
                stream.data.read(start + index)
            except SessionError:
                bad.append(index)
            self._compared += 1
            if self._compared % EVERY == 0 or self._compared == self._rows:
                self._tell(self._file.path, self._compared, self._rows)
        return bad

    def _lengths_of(self, path: str, stream: Stream, kept: int, lengths: Mapping[str, int]) -> dict[str, int]:
        """How much stays of a stream's pictures, and of the rows about them."""
        frames = path.replace("/data", "/frames")
        count = len(stream.parts[self._number])
        if kept == count and lengths[frames] > count:
            kept = min(lengths[frames], stream.parts[self._number].pictures.shape[0])  # rows behind a damaged one stay
        cut = {path: kept, frames: kept}
        packed = layout.packed_path(path)
        if packed in lengths:
            cut[packed] = kept
        extras = path.replace("/data", "/extras")
        if extras in lengths:
            beyond = np.flatnonzero(self._file.table(extras, EXTRA)["frame_index"] >= kept)
            cut[extras] = min([lengths[extras], *beyond[:1].tolist()])
        return cut

    def _texts(self, path: str, rows: int) -> dict[str, int]:
        """How much of a text log is whole: its last entry is an object of JSON."""
        table, text = self._file.tables()[f"{path}/rows"][:rows], self._file.array(f"{path}/text").tobytes()
        while rows and not _is_object(text[int(table["offset"][rows - 1]) :][: int(table["length"][rows - 1])]):
            rows -= 1
        ends = (table["offset"][:rows] + table["length"][:rows]).clip(max=len(text))
        return {f"{path}/rows": rows, f"{path}/text": int(ends.max(initial=0))}

    def _last_host_ns(self, lengths: Mapping[str, int]) -> int:
        pulses = self._file.table(layout.PULSES, PULSE)["arrived_host_ns"]
        logged = self._file.tables()[f"{layout.LOG}/rows"][: lengths[f"{layout.LOG}/rows"]]["host_ns"]
        return int(max(self._file.created_host_ns, pulses.max(initial=0), logged.max(initial=0)))


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def written(dataset: h5py.Dataset) -> int:
    """How many rows of a table are whole.

    It ends at the first row that is nothing but zeros: that was never written. Any other row whose `seq` is wrong has
    been changed, and what lies behind it is not given up for that.
    """
    rows = dataset[:]
    is_right = rows["seq"] == np.arange(1, len(rows) + 1)
    if is_right.all():
        return len(rows)
    first = int(np.argmin(is_right))
    if any(rows[first].tobytes()):
        return int(np.flatnonzero(is_right).max(initial=-1)) + 1
    return first - _is_torn(dataset, rows, first) if first else 0


def _is_torn(dataset: h5py.Dataset, rows: Rows, count: int) -> bool:
    """Whether the last of `count` rows lies across two sectors, and nothing of it reached the second.

    Rows of frames are told by the checksum, which stands at their end.
    """
    if dataset.dtype == FRAME:
        return False
    end = int(dataset.id.get_chunk_info(0).byte_offset or 0) + count * rows.dtype.itemsize
    behind = end % SECTOR
    return 0 < behind < rows.dtype.itemsize and not any(rows[count - 1].tobytes()[-behind:])


def missing_pulses(run: Run, stream: Stream, looked: Sequence[FileLeft]) -> Missing:
    """Pulses that the box sent to a stream, and of which nothing tells why they have no frame."""
    left = [one.streams[stream.name] for one in looked]
    frames = np.concatenate([one.pulse_numbers for one in left])
    first = 0
    if run.files[0].continues:  # the file before is not here: it has the frames up to the first one here
        first = int(frames[frames != NO_PULSE].min(initial=pulses_known(run)))
    due = np.arange(0, pulses_known(run), stream.divisor)
    missing = np.setdiff1d(due[due >= first], frames)
    gaps = stream.gaps[["first_pulse", "last_pulse"]]
    vague = stream.gaps["missing"] <= (gaps["last_pulse"] - gaps["first_pulse"]) // stream.divisor
    rows = run.not_stored[run.not_stored["stream"] == stream.name.encode()]
    lasts = np.where(rows["last_pulse"] < 0, pulses_known(run), rows["last_pulse"])
    missing = _outside(missing, gaps["first_pulse"][~vague], gaps["last_pulse"][~vague])
    missing = _outside(missing, rows["first_pulse"], lasts)
    counted = sum(one.unknown for one in left) + int(stream.gaps["missing"][vague].sum())
    return Missing(missing, stream.divisor, max(0, len(missing) - counted))


def _outside(pulses: Numbers, firsts: Numbers, lasts: Numbers) -> Numbers:
    """Pulses in none of the intervals."""
    for first, last in zip(firsts, lasts, strict=True):
        pulses = pulses[(pulses < first) | (pulses > last)]
    return pulses

"""What a run file holds: every group, dataset, dtype and unit. Writer and reader meet only here.

    /                         attributes: schema, subject, session, run, rig, protocol, simulated, outcome, ...
    /acquisition/<STREAM>/    data (n, ...) as in rig.pixels, frames FRAME (n,), gaps GAP, extras EXTRA
    /acquisition/<STREAM>/    packed PACKED, of a compressed stream, until the file is closed
    /heap                     uint8: the compressed pictures, until the file is closed
    /acquisition/             pulses PULSE, edges EDGE, clock_pairs CLOCK_PAIR, box_status BOX_STATUS
    /line_walk/<STREAM>/      data, frames: the same, for the line walk's own epoch and numbers
    /line_walk/               pulses PULSE
    /stimulus/presentation/   flips FLIP
    /stimulus/answers/        rows TEXT, text uint8: one JSON object an answer
    /intervals/               trials TRIAL, not_stored NOT_STORED
    /log/                     rows TEXT, text uint8: alarms, notes and ends, one JSON object each
    /telemetry/               syncs SYNC, queues QUEUE, disk DISK: how recording itself went, looked at every second
    /README                   a page about the file
    /config/                  rig, protocol, steps, devices, plan, versions, host, rig_files, description: UTF-8 text
    /config/calibration/      dated files beside rig.yaml, one text each
    /config/clips/<NAME>/     pts float64 (frames,): presentation times of the clip's pictures, s

While a run is recorded the tables have their planned size; rows not written yet are zero, and so is their `seq`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rig.pixels import FORMATS, PixelFormat
from rig.streams import (
    BOX_STATUS,
    CLOCK_PAIR,
    DISK,
    EDGE,
    EXTRA,
    FLIP,
    FRAME,
    GAP,
    NOT_STORED,
    PACKED,
    PULSE,
    QUEUE,
    SYNC,
    TRIAL,
)

SCHEMA = 1
HEAD_BYTES = 1 << 20  # HDF5's own tables lie first in a file: room for them, that of each frame not counted
WALK_FRAMES = 20  # room for the line walk of one stream: line 7 is sent 17; a camera that delivers more is alarmed

ACQUISITION, LINE_WALK = "/acquisition", "/line_walk"
PULSES, EDGES, CLOCK_PAIRS = f"{ACQUISITION}/pulses", f"{ACQUISITION}/edges", f"{ACQUISITION}/clock_pairs"
BOX_REPORTS = f"{ACQUISITION}/box_status"
WALK_PULSES = f"{LINE_WALK}/pulses"
FLIPS, ANSWERS = "/stimulus/presentation/flips", "/stimulus/answers"
TRIALS, NOT_STORED_ROWS = "/intervals/trials", "/intervals/not_stored"
LOG, CONFIG, HEAP = "/log", "/config", "/heap"
SYNCS, QUEUES, DISK_USE = "/telemetry/syncs", "/telemetry/queues", "/telemetry/disk"
ROWS_A_SECOND = {CLOCK_PAIRS: 10, BOX_REPORTS: 2, FLIPS: 260, SYNCS: 5, DISK_USE: 1}  # of tables that grow with time
SPARE_ROWS = 1000  # beyond those: before the box begins, and at the end
STEP_ROWS = 4  # of a step at most: its beginning and its end, and as much again; also of a part not stored, a stream
STEPS_BESIDE = 25  # parts not stored that no step of the protocol begins
ANSWER_BYTES = 1024  # of an answer, beside its text
LOG_ROWS, LOG_BYTES = 20_000, 2 << 20  # of the log
STREAM_LOG_BYTES = 1 << 20  # and for what a camera tells each time that it is armed or stopped, hundreds of features
LAST_ROWS, LAST_BYTES = 100, 256 << 10  # of the log are kept for what is said at the end
LOGS = (ANSWERS, LOG)


class Outcome(StrEnum):
    """How a run ended, in the recorder's words; never whether it is good (that is the verdict of verify)."""

    INCOMPLETE = "incomplete"  # until proven otherwise: killed, power loss
    FINISHED = "finished"  # the protocol reached its end
    STOPPED = "stopped"  # by the operator, or because the participant did not consent
    WITHDRAWN = "withdrawn"  # the participant wanted no more; the log says when
    DEVICE_LOST = "device_lost"  # which and when is in the log
    DISK_FULL = "disk_full"  # the disk refused a write
    CLOSE_FAILED = "close_failed"  # recorded, but not put in order at the end
    RECOVERED = "recovered"  # nobody closed it; rig recover put in order what was left, its log says what
    FAILED = "failed"  # a fault of the software itself, or the reserved room used up; the log says which

    @property
    def is_orderly(self) -> bool:
        """Whether it ended because somebody, or the protocol, wanted it to."""
        return self in (Outcome.FINISHED, Outcome.STOPPED, Outcome.WITHDRAWN)


@dataclass(frozen=True)
class StreamSpec:
    """One stream of a run file: its name, size and format of its pictures, and how many frames to reserve."""

    name: str
    height: int
    width: int
    capacity: int
    pixel_format: PixelFormat = FORMATS["Mono8"]
    is_compressed: bool = False  # those of the line walk never are
    due: int = 0  # frames of the whole length, also of what is not to be stored: any of them may be a gap or an extra

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture, as stored."""
        return self.pixel_format.shape(self.height, self.width)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one picture."""
        return self.pixel_format.size(self.height, self.width)


@dataclass(frozen=True)
class Table:
    """A table of fixed rows at `path`, reserved for `capacity` rows."""

    path: str
    dtype: np.dtype[np.void]
    capacity: int


@dataclass(frozen=True)
class TextLog:
    """A log of JSON texts: rows and bytes below `path`. The last ones are kept for what is said at the end."""

    path: str
    rows: int
    text_bytes: int
    last_rows: int = 0
    last_bytes: int = 0


def data_path(stream: str, *, walk: bool = False) -> str:
    """The pictures of a stream."""
    return f"{LINE_WALK if walk else ACQUISITION}/{stream}/data"


def frames_path(stream: str, *, walk: bool = False) -> str:
    """The frame rows of a stream."""
    return f"{LINE_WALK if walk else ACQUISITION}/{stream}/frames"


def is_pictures(path: str) -> bool:
    """Whether the pictures of a stream lie at a path, those of the line walk included."""
    parts = path.split("/")
    return len(parts) == 4 and f"/{parts[1]}" in (ACQUISITION, LINE_WALK) and parts[3] == "data"


def chunk_of(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where the chunk of picture `index` begins in a data set of pictures of this shape, as HDF5 wants it."""
    return (index, *(0 for _ in shape))


def packed_path(data: str) -> str:
    """The rows that tell where the compressed pictures of `data` lie in the heap."""
    return f"{data.removesuffix('/data')}/packed"


def gaps_path(stream: str) -> str:
    """The gap rows of a stream."""
    return f"{ACQUISITION}/{stream}/gaps"


def extras_path(stream: str) -> str:
    """The rows of a stream's frames that belong to no pulse."""
    return f"{ACQUISITION}/{stream}/extras"


@dataclass(frozen=True)
class Room:
    """What a run file has room for: its streams, a length, pulses, edges at the box's inputs, steps, and answers."""

    streams: tuple[StreamSpec, ...]
    seconds: float
    pulses: int
    edges: int
    steps: int = 0
    answers: int = 0  # beyond one a step: to the questions of a page, and the operator's guesses
    answer_bytes: int = 0  # of the texts of all answers, the longest to each question

    @property
    def frames(self) -> int:
        """Pictures of all streams."""
        return sum(spec.capacity for spec in self.streams)


def tables(room: Room) -> list[Table]:
    """The tables of a run file, those of its text logs apart."""
    by_time = {path: a_second * (int(room.seconds) + 1) + SPARE_ROWS for path, a_second in ROWS_A_SECOND.items()}
    by_step = STEP_ROWS * (room.steps + STEPS_BESIDE)
    rows = [
        Table(PULSES, PULSE, room.pulses),
        Table(EDGES, EDGE, room.edges),
        Table(CLOCK_PAIRS, CLOCK_PAIR, by_time[CLOCK_PAIRS]),
        Table(BOX_REPORTS, BOX_STATUS, by_time[BOX_REPORTS]),
        Table(WALK_PULSES, PULSE, 256),
        Table(FLIPS, FLIP, by_time[FLIPS]),
        Table(TRIALS, TRIAL, by_step),
        Table(NOT_STORED_ROWS, NOT_STORED, len(room.streams) * by_step),
        Table(SYNCS, SYNC, by_time[SYNCS]),
        Table(QUEUES, QUEUE, len(room.streams) * by_time[DISK_USE]),
        Table(DISK_USE, DISK, by_time[DISK_USE]),
    ]
    for spec in room.streams:
        holes = max(spec.capacity, spec.due)
        rows += [
            Table(frames_path(spec.name), FRAME, spec.capacity),
            Table(gaps_path(spec.name), GAP, holes),
            Table(extras_path(spec.name), EXTRA, holes),
            Table(frames_path(spec.name, walk=True), FRAME, WALK_FRAMES),
        ]
        if spec.is_compressed:
            rows.append(Table(packed_path(data_path(spec.name)), PACKED, spec.capacity))
    return rows


def text_logs(room: Room) -> tuple[TextLog, TextLog]:
    """The text logs of a run file: answers and the log."""
    answers = room.steps + room.answers + STEPS_BESIDE
    return (
        TextLog(ANSWERS, answers, room.answer_bytes + ANSWER_BYTES * answers),
        TextLog(LOG, LOG_ROWS, LOG_BYTES + STREAM_LOG_BYTES * len(room.streams), LAST_ROWS, LAST_BYTES),
    )


def written(rows: NDArray[np.void]) -> NDArray[np.void]:
    """The rows of a table up to the first that was never written."""
    wrong = np.flatnonzero(rows["seq"] != np.arange(1, len(rows) + 1, dtype=np.uint64))
    return rows[: wrong[0]] if len(wrong) else rows


def spelled_size(size: int) -> str:
    """Bytes for people: `12.3 MB`, `4.56 GB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

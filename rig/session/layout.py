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
    /config/                  rig, protocol, steps, devices, plan, versions, host, description: UTF-8 JSON or YAML text
    /config/calibration/      dated files beside rig.yaml, one text each
    /config/clips/<NAME>/     pts float64 (frames,): presentation times of the clip's pictures, s

While a run is recorded the tables have their planned size; rows not written yet are zero, and so is their `seq`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

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
ROWS_A_SECOND = {CLOCK_PAIRS: 10, FLIPS: 260, SYNCS: 5}  # at most; of tables that grow with time alone


class Outcome(StrEnum):
    """How a run ended, in the recorder's words; never whether it is good (that is the verdict of verify)."""

    INCOMPLETE = "incomplete"  # until proven otherwise: killed, power loss
    FINISHED = "finished"  # the protocol reached its end
    STOPPED = "stopped"  # by the operator
    DEVICE_LOST = "device_lost"  # which and when is in the log
    DISK_FULL = "disk_full"  # the disk refused a write
    CLOSE_FAILED = "close_failed"  # recorded, but not put in order at the end
    RECOVERED = "recovered"  # nobody closed it; rig recover put in order what was left, its log says what
    FAILED = "failed"  # a fault of the software itself, or the reserved room used up; the log says which

    @property
    def is_orderly(self) -> bool:
        """Whether it ended because somebody, or the protocol, wanted it to."""
        return self in (Outcome.FINISHED, Outcome.STOPPED)


@dataclass(frozen=True)
class StreamSpec:
    """One stream of a run file: its name, size and format of its pictures, and how many frames to reserve."""

    name: str
    height: int
    width: int
    capacity: int
    pixel_format: PixelFormat = FORMATS["Mono8"]
    is_compressed: bool = False  # those of the line walk never are

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
    """A log of JSON texts: rows and bytes below `path`."""

    path: str
    rows: int
    text_bytes: int


def data_path(stream: str, *, walk: bool = False) -> str:
    """The pictures of a stream."""
    return f"{LINE_WALK if walk else ACQUISITION}/{stream}/data"


def frames_path(stream: str, *, walk: bool = False) -> str:
    """The frame rows of a stream."""
    return f"{LINE_WALK if walk else ACQUISITION}/{stream}/frames"


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
    """What a run file has room for: its streams, a length, pulses, and edges at the box's inputs."""

    streams: tuple[StreamSpec, ...]
    seconds: float
    pulses: int
    edges: int

    @property
    def frames(self) -> int:
        """Pictures of all streams."""
        return sum(spec.capacity for spec in self.streams)


def tables(room: Room) -> list[Table]:
    """The tables of a run file, those of its text logs apart."""
    second = int(room.seconds) + 1
    rows = [
        Table(PULSES, PULSE, room.pulses),
        Table(EDGES, EDGE, room.edges),
        Table(CLOCK_PAIRS, CLOCK_PAIR, ROWS_A_SECOND[CLOCK_PAIRS] * second + 1000),
        Table(BOX_REPORTS, BOX_STATUS, 2 * second + 100),
        Table(WALK_PULSES, PULSE, 256),
        Table(FLIPS, FLIP, ROWS_A_SECOND[FLIPS] * second + 1000),
        Table(TRIALS, TRIAL, 4_000),
        Table(NOT_STORED_ROWS, NOT_STORED, 4_000),
        Table(SYNCS, SYNC, ROWS_A_SECOND[SYNCS] * second + 1000),
        Table(QUEUES, QUEUE, len(room.streams) * (second + 1000)),
        Table(DISK_USE, DISK, second + 1000),
    ]
    for spec in room.streams:
        rows += [
            Table(frames_path(spec.name), FRAME, spec.capacity),
            Table(gaps_path(spec.name), GAP, spec.capacity),
            Table(extras_path(spec.name), EXTRA, spec.capacity),
            Table(frames_path(spec.name, walk=True), FRAME, WALK_FRAMES),
        ]
        if spec.is_compressed:
            rows.append(Table(packed_path(data_path(spec.name)), PACKED, spec.capacity))
    return rows


def spelled_size(size: int) -> str:
    """Bytes for people: `12.3 MB`, `4.56 GB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


TEXT_LOGS = (TextLog(ANSWERS, 20_000, 2 << 20), TextLog(LOG, 20_000, 2 << 20))

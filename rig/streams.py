"""The nouns of a recording: what a frame, pulse, edge, flip, gap, extra, answer and clock pair *is*.

Each is a plain record with a fixed dtype, shared by devices, file and readers. The names carry unit and clock:

    *_host_ns       host clock, `perf_counter_ns`          *_number   given by the device, may have holes
    box_ticks       trigger box timer, unwrapped to 64 bit  *_index    place in the file, has none
    camera_ticks    the camera's own timestamp counter      *_pulse    pulse number of the recording run

`seq` is the first field of every row kept in a file: its index + 1, so that 0 means "not written yet" in a
preallocated table and a torn end is found without any count kept elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

NO_PULSE = -1  # no pulse belongs to it, or which one is not known
NO_FILM = -1  # film_frame and pts_s of a flip without a film
NO_COUNTER = -1  # the camera has no trigger counter

Picture = NDArray[np.uint8 | np.uint16]  # as delivered: see rig.pixels


class Evidence(IntEnum):
    """By what a stream's pulse numbers were decided; a higher value is stronger evidence."""

    NONE = 0
    HOST_ARRIVAL = 1  # order and count only
    LED = 2  # decoded from the picture, by verify only
    TIMESTAMPS = 3  # the camera's timestamps, anchored by the preamble
    COUNTER = 4  # trigger counter, confirmed by the timestamps


class Status(IntEnum):
    """How the driver handed a frame over."""

    OK = 0
    DAMAGED = 1  # the buffer was not filled as it should be; it is not stored, the error text is in the log


class GapCause(IntEnum):
    """Why pulses have no stored frame; from the camera's own numbers, never guessed."""

    UNKNOWN = 0  # the camera's numbers do not tell
    NOT_NUMBERED = 1  # the numbers go on without a hole: lost or swallowed trigger, or lost without a number
    LOST_AFTER_EXPOSURE = 2  # a hole in the numbers: exposed, but never delivered
    MIXED = 3  # some of each
    CAMERA_LOST = 4  # the camera was gone
    DAMAGED = 5  # delivered, but not whole; the device's error text is in the log
    RECORDER_ENDED = 6  # the recorder was killed, lost power or its disk before it was safe; noted by rig recover


FRAME = np.dtype(
    [
        ("seq", "<u4"),
        ("epoch", "<u2"),  # counts arms of this camera: 0 the line walk, 1 the run, 2 on: it was lost and came back
        ("evidence", "u1"),  # Evidence, of this frame's pulse number
        ("status", "u1"),  # Status
        ("frame_number", "<u8"),  # the camera's own, raw
        ("pulse_number", "<i8"),  # -1 (NO_PULSE) for an extra, and in the line walk
        ("camera_ticks", "<u8"),  # start of exposure on the camera's clock, raw
        ("counter", "<i8"),  # trigger counter, raw; -1 (NO_COUNTER) without one
        ("exposure_us", "<f8"),  # as reported with the frame
        ("line_status", "<u8"),
        ("arrived_host_ns", "<i8"),  # when the driver handed it over; order, never synchrony
        ("checksum", "<u8"),  # xxh3_64 of the frame's bytes, taken at arrival
    ]
)
PULSE = np.dtype(
    [
        ("seq", "<u4"),
        ("run_id", "<u4"),
        ("lines", "<u4"),  # bit c: line c carried it
        ("pulse_number", "<i8"),
        ("box_ticks", "<i8"),
        ("arrived_host_ns", "<i8"),
    ]
)
EDGE = np.dtype(
    [
        ("seq", "<u4"),
        ("run_id", "<u4"),
        ("input", "<u2"),  # number of the box input
        ("level", "<u2"),  # 1 rising, 0 falling
        ("last_pulse", "<i8"),  # last pulse sent before it
        ("box_ticks", "<i8"),
        ("arrived_host_ns", "<i8"),
    ]
)
FLIP = np.dtype(
    [
        ("seq", "<u4"),
        ("flip_number", "<u4"),
        ("step", "<i4"),  # index into the session's steps; -1 between steps
        ("film_frame", "<i4"),  # index of the clip picture on the screen; -1 none
        ("host_ns", "<i8"),  # when the flip returned
        ("screen_s", "<f8"),  # the stimulus program's own stamp of the flip, s
        ("pts_s", "<f8"),  # presentation time of that film frame in the clip, s
        ("patch", "u1"),  # 1: the photodiode patch is white
        ("late", "u1"),  # 1: more than 1.5 refresh periods after the flip before
        ("underrun", "u1"),  # 1: the decoder had no picture ready
        ("behind", "u1"),  # film frames this one still lags behind the clock
        ("skipped", "<u4"),  # film frames dropped before this one
    ]
)
GAP = np.dtype(
    [
        ("seq", "<u4"),
        ("cause", "<u4"),  # GapCause
        ("first_pulse", "<i8"),
        ("last_pulse", "<i8"),
        ("missing", "<i8"),  # pulses of the stream in it without a frame: all of them, or with host arrival alone fewer
        ("frames_exposed", "<i8"),  # camera numbers missing in the hole
    ]
)
EXTRA = np.dtype(
    [
        ("seq", "<u4"),
        ("epoch", "<u4"),
        ("frame_index", "<i8"),  # its place among the stored frames; -1 if not stored
        ("frame_number", "<u8"),
        ("after_pulse", "<i8"),  # the last pulse of this stream before it
        ("camera_ticks", "<u8"),
        ("arrived_host_ns", "<i8"),
    ]
)
NOT_STORED = np.dtype(
    [
        ("seq", "<u4"),
        ("stream", "S16"),
        ("reason", "S60"),
        ("first_pulse", "<i8"),
        ("last_pulse", "<i8"),  # -1: still open; a later row with the same first_pulse closes it
    ]
)
TRIAL = np.dtype(
    [
        ("seq", "<u4"),
        ("step", "<i4"),
        ("onset_host_ns", "<i8"),
        ("ended_host_ns", "<i8"),  # -1: not ended yet; a later row with the same step closes it
    ]
)
CLOCK_PAIR = np.dtype(
    [
        ("seq", "<u4"),
        ("clock", "S24"),  # box, camera:<STREAM> (ticks), utc, raw (CLOCK_MONOTONIC_RAW), screen (ns)
        ("reading", "<i8"),  # box: when the request was received
        ("reading_end", "<i8"),  # box: when the answer was sent; else the same as reading
        ("host_before_ns", "<i8"),
        ("host_after_ns", "<i8"),
    ]
)
BOX_STATUS = np.dtype(
    [
        ("seq", "<u4"),
        ("run_id", "<u4"),  # of the run that is sent, or was sent last
        ("pulses_sent", "<u4"),  # in that run
        ("events_sent", "<u4"),  # this and what follows is counted from the box's boot
        ("events_dropped", "<u4"),  # numbered and thrown away, the queue being full
        ("deepest_queue", "<u4"),  # most events that ever waited
        ("edges_late", "<u4"),  # output edges later than planned
        ("bad_frames", "<u4"),  # damaged requests
        ("input_rises", "<u4", (8,)),  # rising edges counted at each input
        ("box_ticks", "<i8"),
        ("arrived_host_ns", "<i8"),
    ]
)
PACKED = np.dtype(
    [
        ("seq", "<u4"),
        ("length", "<u4"),  # of its payload, bytes; that of the picture itself: it is not compressed
        ("offset", "<u8"),  # of its payload in /heap, bytes
    ]
)
TEXT = np.dtype(
    [
        ("seq", "<u4"),
        ("length", "<u4"),
        ("offset", "<u8"),  # of its UTF-8 JSON in the text dataset beside the rows
        ("host_ns", "<i8"),
    ]
)
SYNC = np.dtype(
    [
        ("seq", "<u4"),
        ("frames", "<u4"),  # frames acknowledged by it, all streams
        ("oldest_arrived_host_ns", "<i8"),  # the oldest of them; -1 if none
        ("started_host_ns", "<i8"),
        ("returned_host_ns", "<i8"),
    ]
)
QUEUE = np.dtype(
    [
        ("seq", "<u4"),
        ("buffers", "<u4"),  # frames that the camera's buffers hold
        ("stream", "S16"),
        ("host_ns", "<i8"),  # when it was looked
        ("waiting", "<u4"),  # frames taken from the camera whose buffers were not given back yet
        ("deepest", "<u4"),  # the most that waited since the row before
        ("span_ns", "<i8"),  # from the arrival of the first to that of the last of them, when they were most
        ("longest_ns", "<i8"),  # the longest that one waited since the row before, or has waited by now
    ]
)
DISK = np.dtype(
    [
        ("seq", "<u4"),
        ("actions", "<u4"),  # pictures, rows and texts that waited for the writer
        ("host_ns", "<i8"),  # when it was looked
        ("writes", "<u4"),  # handed to the system since the row before, pictures and batches of rows
        ("syncs", "<u4"),  # returned since the row before
        ("picture_bytes", "<i8"),  # of pictures, as they are stored, handed to the system since the row before
        ("writing_ns", "<i8"),  # spent in those writes
        ("longest_write_ns", "<i8"),  # the longest of them, or of the one that had not returned yet
        ("syncing_ns", "<i8"),  # spent in those syncs
        ("longest_sync_ns", "<i8"),  # the longest of them, or of the one that had not returned yet
        ("free_bytes", "<i8"),  # on the disk of the session, -1: the system did not tell
    ]
)


@dataclass(frozen=True)
class DeviceInfo:
    """Who a device says it is. `simulated` is read from the device like its serial number, never assumed."""

    kind: str  # camera, box or screen
    vendor: str
    model: str
    serial: str
    version: str
    simulated: bool
    # What it can and cannot do, e.g. {"counter_source": "Line1"}; printed and kept in the session.
    capabilities: dict[str, str | int | float | bool] = field(default_factory=dict)

    def declared(self, name: str) -> int | None:
        """A number that it declares of itself; None when it leaves it out, as a device of another make may."""
        value = self.capabilities.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(slots=True)
class Frame:
    """One picture as a camera delivered it. `pixels` is the driver's buffer, valid until `Camera.release`.

    Shape and dtype of `pixels` are those of the stream's pixel format (rig.pixels.PixelFormat.shape).
    """

    stream: str
    epoch: int
    frame_number: int
    camera_ticks: int
    counter: int
    exposure_us: float
    line_status: int
    status: Status
    error: str
    arrived_host_ns: int
    pixels: Picture
    slot: int  # the driver's buffer number
    checksum: int = 0
    frame_index: int = -1  # its place in the file, once it has one
    has_picture: bool = True  # False: a recording that is played lacks it, and `pixels` are none


class CameraEventKind(StrEnum):
    """What a camera may notice by itself."""

    OVERTRIGGER = "overtrigger"  # a trigger came while it could not expose
    OVERRUN = "overrun"  # a frame was lost inside the camera or the driver
    TEMPERATURE = "temperature"  # `value` is degrees Celsius
    OTHER = "other"  # `text` says what


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """What a camera noticed, beside its frames. It corroborates and never counts: events may be lost without notice."""

    stream: str
    kind: CameraEventKind
    text: str
    value: float | None
    camera_ticks: int  # of the event, on the camera's clock; 0 if it does not say
    arrived_host_ns: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """One trigger pulse that the box says it sent. `lines`: bit c set when line c carried it."""

    run_id: int
    pulse_number: int
    lines: int
    box_ticks: int
    arrived_host_ns: int


@dataclass(frozen=True, slots=True)
class BoxStatus:
    """How the box says it is; the fields are those of BOX_STATUS."""

    run_id: int
    pulses_sent: int
    events_sent: int
    events_dropped: int
    deepest_queue: int
    edges_late: int
    bad_frames: int
    input_rises: tuple[int, ...]
    box_ticks: int
    arrived_host_ns: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A change seen at an input of the box."""

    run_id: int
    input: int
    level: int
    last_pulse: int
    box_ticks: int
    arrived_host_ns: int


@dataclass(frozen=True, slots=True)
class Flip:
    """One refresh of the participant's screen; fields as in the FLIP row."""

    flip_number: int
    step: int
    film_frame: int
    host_ns: int
    screen_s: float
    pts_s: float
    patch: int
    late: int
    underrun: int
    behind: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a participant answered to one question, with the times of it (host clock, ns)."""

    step: int
    question: str
    answer: str  # of a choice its value, of a scale its number, of a text the text; empty where it was skipped
    onset_host_ns: int  # when it was first asked
    first_key_host_ns: int  # first key, or first move of the pointer, that was about it
    confirmed_host_ns: int
    is_skipped: bool = False  # left out on purpose, which is no empty answer
    is_confirmed: bool = True  # False: chosen or typed so far when the page ended, at confirmed_host_ns


@dataclass(frozen=True, slots=True)
class ClockPair:
    """Another clock read between two readings of the host clock; fields as in the CLOCK_PAIR row."""

    clock: str
    reading: int
    reading_end: int
    host_before_ns: int
    host_after_ns: int

    def moved(self, by_ns: int) -> ClockPair:
        """The same readings, with the host's so much later."""
        before_ns, after_ns = self.host_before_ns + by_ns, self.host_after_ns + by_ns
        return ClockPair(self.clock, self.reading, self.reading_end, before_ns, after_ns)


@dataclass(frozen=True, slots=True)
class Gap:
    """Pulses of one stream without a frame: `missing` of those from `first_pulse` to `last_pulse`, both included."""

    stream: str
    first_pulse: int
    last_pulse: int
    cause: GapCause
    frames_exposed: int
    missing: int

"""What each family of Basler cameras can tell with a frame and about itself, by the names in its node map.

    family           frame numbers        ticks                   counter                   counts
    ace USB          0, 1, ...            ChunkTimestamp          ChunkCounterValue         FrameTrigger or FrameStart
    ace GigE         1 ... 65535, 1, ...  ChunkTimestamp          ChunkTriggerinputcounter  FrameTrigger
    ace 2, dart M/R  as its connection    BslChunkTimestampValue  ChunkCounterValue         the trigger line
    emulation        0, 1, ...            none                    none

From docs.baslerweb.com and the ace manuals. A family is never asked for by its name: what is there, is used. What only
a real camera can show is listed in docs/reference/cameras.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rig.cameras.camera import Delay, Discipline, Origin, Shutter, TicksMark
from rig.cameras.features import Feature
from rig.cameras.nodes import Nodes
from rig.clock import Clock
from rig.config.rig import Camera
from rig.streams import NO_COUNTER, CameraEventKind, ClockPair

GIGE, USB, EMULATED = "BaslerGigE", "BaslerUsb", "BaslerCamEmu"  # device classes
INTERFACES = {GIGE: "gige", USB: "usb", EMULATED: "emulation"}

BLOCK_IDS = 65_535  # of a GigE camera without extended IDs: 1 to 65535
USB_TICKS_HZ = 1_000_000_000
LATCHES = 5
LATCHED = (("TimestampLatch", "TimestampLatchValue"), ("GevTimestampControlLatch", "GevTimestampValue"))
COUNTER = "Counter1"
SYNCHRONISED = ("Slave", "Master")  # states of a PTP clock that keeps the network's time

SETTINGS = (
    "AcquisitionFrameRate", "AcquisitionFrameRateEnable", "AcquisitionMode", "BalanceWhiteAuto",
    "DeviceLinkThroughputLimit", "DeviceLinkThroughputLimitMode", "ExposureAuto", "ExposureMode", "ExposureTime",
    "GainAuto", "GevSCPD", "GevSCPSPacketSize", "ResultingFrameRate", "SensorReadoutTime", "TriggerActivation",
    "TriggerDelay", "TriggerMode", "TriggerSelector", "TriggerSource",
)  # fmt: skip
# Of the line that triggers. Within the hold-off time after a signal that was taken, no other one is.
LINE_SETTINGS = ("BslInputHoldOffTime", "LineDebouncerTime", "LineFormat", "LineInverter", "LineMode")

# A GigE camera that hears nothing for so long gives itself up, and pylon asks for it several times within that. Longer,
# a loss would be told too late; shorter, a host that is late by moments would lose a healthy camera.
HEARTBEAT_MS = 1000
MARKS = {
    "ExposureStart": TicksMark.EXPOSURE_START,
    "FrameStart": TicksMark.FRAME_START,
    "ExposureEnd": TicksMark.EXPOSURE_END,
}  # by BslChunkTimestampSelector, the best first
EVENTS_ON = ("On", "GenICamEvent")  # of EventNotification; the second of older cameras

EVENTS = {  # by EventSelector
    "FrameStartOvertrigger": CameraEventKind.OVERTRIGGER,
    "FrameTriggerMissed": CameraEventKind.OVERTRIGGER,
    "FrameBufferOverrun": CameraEventKind.OVERRUN,
    "CriticalTemperature": CameraEventKind.TEMPERATURE,
    "OverTemperature": CameraEventKind.TEMPERATURE,
    "TemperatureStatusChanged": CameraEventKind.TEMPERATURE,
    "EventOverrun": CameraEventKind.OTHER,
}


def prepare(nodes: Nodes) -> None:
    """Frames without end, no other trigger than that of a frame, and room for every width and height."""
    nodes.set("AcquisitionMode", "Continuous")
    nodes.set("OffsetX", 0)
    nodes.set("OffsetY", 0)
    for trigger in nodes.choices("TriggerSelector"):
        if trigger != "FrameStart":
            with nodes.selected("TriggerSelector", trigger) as is_selected:
                if is_selected:
                    nodes.set("TriggerMode", "Off")


def set_heartbeat(transport: Nodes) -> int | None:
    """Let the loss of a GigE camera be noticed within a second; how it reads then, ms, None when it has no heartbeat.

    `transport` is pylon's node map of the connection, not that of the camera.
    """
    if not transport.is_there("HeartbeatTimeout"):
        return None
    allowed = transport.allowed("HeartbeatTimeout")
    low, step = int(allowed.low or 0), int(allowed.step or 1)
    transport.set("HeartbeatTimeout", max(low, low + (HEARTBEAT_MS - low) // step * step))
    heartbeat_ms = transport.read("HeartbeatTimeout")
    return heartbeat_ms if isinstance(heartbeat_ms, int) else None


def settings(nodes: Nodes, trigger_source: str) -> dict[str, Feature]:
    """How the features read now that decide whether it can be triggered, by their present names."""
    found = {name: nodes.value(name) for name in SETTINGS}
    with nodes.selected("LineSelector", trigger_source) as is_selected:
        if is_selected:
            found |= {name: nodes.value(name) for name in LINE_SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Numbering:
    """The frame numbers of a camera; as in Baseline."""

    first_valid: int
    modulus: int


def numbering(device_class: str, nodes: Nodes) -> Numbering:
    """By its connection, as pylon documents the block ID."""
    if device_class != GIGE:
        return Numbering(0, 0)
    modes = (nodes.read(name) for name in ("GevGVSPExtendedIDMode", "BslGevGVSPExtendedIDMode"))
    return Numbering(1, 0 if "On" in modes else BLOCK_IDS)


def ticks_hz(device_class: str, nodes: Nodes) -> int:
    """The frequency of its clock; 0 when it has none."""
    if device_class == EMULATED:
        return 0
    told = nodes.read("GevTimestampTickFrequency") if device_class == GIGE else None
    return told if isinstance(told, int) else USB_TICKS_HZ


@dataclass(frozen=True)
class Chunks:
    """The chunks that come with every frame, by their names in the frame's node map; empty: it does not come."""

    ticks: str = ""
    ticks_mark: TicksMark = TicksMark.FRAME_START
    counter: str = ""
    counter_source: str = ""
    exposure: str = ""
    line_status: str = ""

    def lacking(self, told: ChunkValues) -> str:
        """The chunk that should have come with a frame and did not, of those that its pulse rests on."""
        if self.ticks and told.ticks is None:
            return self.ticks
        return self.counter if self.counter and told.counter == NO_COUNTER else ""


@dataclass(frozen=True)
class ChunkValues:
    """What came with one frame."""

    ticks: int | None
    counter: int
    exposure_us: float | None
    line_status: int


def enable_chunks(nodes: Nodes, trigger_source: str) -> Chunks:
    """Let every frame bring its time, counter, exposure and lines, as far as the camera can; the counter is at 0 then.

    A counter that cannot be set to 0 is not used: what it stood at is not known.
    """
    if not nodes.choices("ChunkSelector") or not nodes.set("ChunkModeActive", value=True):
        return Chunks()
    has_ticks = _enabled(nodes, "Timestamp")
    has_mark = nodes.is_there("BslChunkTimestampSelector")
    counter = "ChunkCounterValue" if _enabled(nodes, "CounterValue") else ""
    if not counter and _enabled(nodes, "Triggerinputcounter"):
        counter = "ChunkTriggerinputcounter"
    source = start_counter(nodes, trigger_source) if counter else ""
    return Chunks(
        ticks=("BslChunkTimestampValue" if has_mark else "ChunkTimestamp") if has_ticks else "",
        ticks_mark=_mark(nodes) if has_ticks and has_mark else TicksMark.FRAME_START,
        counter=counter if source else "",
        counter_source=source,
        exposure="ChunkExposureTime" if _enabled(nodes, "ExposureTime") else "",
        line_status="ChunkLineStatusAll" if _enabled(nodes, "LineStatusAll") else "",
    )


def _enabled(nodes: Nodes, chunk: str) -> bool:
    """Enable a chunk; whether the camera has it."""
    with nodes.selected("ChunkSelector", chunk) as is_selected:
        return is_selected and nodes.set("ChunkEnable", value=True)


def _mark(nodes: Nodes) -> TicksMark:
    """The moment that its time stamps are of from now on: the best that it takes, or else the present one."""
    set_to = next((moment for moment in MARKS if nodes.set("BslChunkTimestampSelector", moment)), "")
    return MARKS.get(set_to, TicksMark.FRAME_START)


def start_counter(nodes: Nodes, trigger_source: str) -> str:
    """Set the counter to 0 and let it count; what it counts, empty when it cannot be used.

    The trigger line, or else triggers taken, or else frames; a counter of frames (FrameStart) does not count a trigger
    that was swallowed.
    """
    with nodes.selected("CounterSelector", COUNTER):
        sources = (trigger_source, "FrameTrigger", "FrameStart")
        source = next((each for each in sources if nodes.set("CounterEventSource", each)), "")
        if not source or not _counts_rising_edges(nodes, source):
            return ""
        if nodes.is_there("CounterDuration"):  # it would start again there
            nodes.set("CounterDuration", int(nodes.allowed("CounterDuration").high or 0))
        nodes.set("CounterResetSource", "Software")  # a counter without this feature is always reset by command
        if not nodes.is_there("CounterReset"):
            return ""
        nodes.execute("CounterReset")
        return source


def _counts_rising_edges(nodes: Nodes, source: str) -> bool:
    """Whether each pulse is counted once, at its beginning; what is no line has no edges to choose from."""
    has_edges = source.startswith("Line") and nodes.is_there("CounterEventActivation")
    return not has_edges or nodes.set("CounterEventActivation", "RisingEdge")


def read_chunks(chunks: Chunks, frame: Nodes) -> ChunkValues:
    """What came with a frame, from the frame's own node map; no time stamp of another moment than the mark."""
    moment = next(moment for moment, mark in MARKS.items() if mark is chunks.ticks_mark)
    is_marked = chunks.ticks != "BslChunkTimestampValue" or frame.set("BslChunkTimestampSelector", moment)
    if chunks.counter == "ChunkCounterValue":
        frame.set("ChunkCounterSelector", COUNTER)
    counter = _whole(frame, chunks.counter)
    return ChunkValues(
        ticks=_whole(frame, chunks.ticks) if is_marked else None,
        counter=NO_COUNTER if counter is None else counter,
        exposure_us=frame.number(chunks.exposure) if chunks.exposure else None,
        line_status=_whole(frame, chunks.line_status) or 0,
    )


def _whole(frame: Nodes, name: str) -> int | None:
    value = frame.read(name) if name else None
    return value if isinstance(value, int) else None


def latch(nodes: Nodes, clock: Clock, stream: str) -> tuple[ClockPair, ...]:
    """Its clock read against the host's, some times over; empty when it cannot be latched.

    When a latch becomes effective between the two host times is not specified, and varies.
    """
    for command, value in LATCHED:
        if nodes.is_there(command) and nodes.is_there(value):
            pairs = (_latched(nodes, clock, stream, command, value) for _ in range(LATCHES))
            return tuple(pair for pair in pairs if pair is not None)
    return ()


def _latched(nodes: Nodes, clock: Clock, stream: str, command: str, value: str) -> ClockPair | None:
    before = clock.now_ns()
    nodes.execute(command)
    after = clock.now_ns()
    reading = nodes.read(value)
    return ClockPair(f"camera:{stream}", reading, reading, before, after) if isinstance(reading, int) else None


def discipline(nodes: Nodes, *, has_clock: bool) -> Discipline:
    """What its clock follows now."""
    if not has_clock:
        return Discipline.NONE
    is_asked = any(nodes.read(name) is True for name in ("PtpEnable", "BslPtpEnable", "GevIEEE1588"))
    if not is_asked:
        return Discipline.FREE
    for command in ("PtpDataSetLatch", "GevIEEE1588DataSetLatch"):
        if nodes.is_there(command):
            nodes.execute(command)
    states = (nodes.read(name) for name in ("PtpStatus", "GevIEEE1588StatusLatched", "GevIEEE1588Status"))
    return Discipline.PTP if any(state in SYNCHRONISED for state in states) else Discipline.FREE


def delays(nodes: Nodes, config: Camera) -> dict[str, Delay]:
    """The delays between pulse and exposure that are known; that of the opto-coupler is not.

    What rig.yaml declares goes before what the camera says, as it was looked at with this camera's wires.
    """
    with nodes.selected("LineSelector", config.trigger_source) as is_selected:
        debouncer_us = nodes.number("LineDebouncerTime") if is_selected else None
    told = {
        "exposure_start": nodes.number("BslExposureStartDelay"),
        "debouncer": debouncer_us,
        "trigger": nodes.number("TriggerDelay"),
    }
    found = {name: Delay(us, Origin.DEVICE) for name, us in told.items() if us is not None}
    if config.start_delay_us is not None:
        found["exposure_start"] = Delay(config.start_delay_us, Origin.DECLARED)
    return found


def shutter(nodes: Nodes) -> Shutter:
    """How its rows expose. No camera tells the time from one row to the next: its readout time is a rough estimate."""
    is_rolling = nodes.value("SensorShutterMode") == "Rolling"  # in its other modes all rows begin at once
    return Shutter.ROLLING if is_rolling else Shutter.GLOBAL


def enable_events(nodes: Nodes) -> dict[str, str]:
    """Let it tell of what it notices; the node that changes then, by EventSelector."""
    found = {}
    for event in EVENTS.keys() & set(nodes.choices("EventSelector")):
        names = (f"Event{event}Data", f"{event}EventData")  # SFNC 2 and 1
        node = next((name for name in names if nodes.is_there(name)), "")
        with nodes.selected("EventSelector", event) as is_selected:
            if node and is_selected and any(nodes.set("EventNotification", word) for word in EVENTS_ON):
                found[event] = node
    return found


def event_ticks(nodes: Nodes, event: str) -> int:
    """When the event that is told now happened, on the camera's clock; 0 if it does not say."""
    for name in (f"Event{event}Timestamp", f"{event}EventTimestamp"):
        ticks = nodes.read(name)
        if isinstance(ticks, int):
            return ticks
    return 0


def capabilities(device_class: str, nodes: Nodes, chunks: Chunks, events: Iterable[str]) -> dict[str, Feature]:
    """What it can tell, to be printed and kept; `chunks` and `events` are those that could be enabled."""
    return {
        "interface": INTERFACES.get(device_class, device_class),
        "counter_source": chunks.counter_source,
        "timestamps": bool(ticks_hz(device_class, nodes)),
        "clock_pairs": any(nodes.is_there(command) for command, _ in LATCHED),
        "events": ", ".join(sorted(events)),
        "ptp": any(nodes.is_there(name) for name in ("PtpEnable", "BslPtpEnable", "GevIEEE1588")),
    }

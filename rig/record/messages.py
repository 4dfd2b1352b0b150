"""What the recorder's core is told and what it asks for: events in, actions out, plain records both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rig.cameras.camera import AtStop, Baseline
from rig.elicitation.steps import Step
from rig.errors import RigError
from rig.session.layout import Outcome
from rig.stimulus.screen import ScreenEvent
from rig.streams import CameraEvent, Frame
from rig.trigger.box import BoxEvent, PulsePlan

OperatorWord = Literal["start", "pause", "go_on", "repeat", "skip", "stop", "note", "guess"]


@dataclass(frozen=True, slots=True)
class Armed:
    """A camera is armed."""

    stream: str
    baseline: Baseline


@dataclass(frozen=True, slots=True)
class Stopped:
    """A camera has stopped; all its frames came before this."""

    stream: str
    at_stop: AtStop


@dataclass(frozen=True, slots=True)
class DeviceFailed:
    """A device refused or is gone. `device`: a stream, `box`, `screen`, `disk` or `recorder`."""

    device: str
    error: RigError


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync returned; times on the host clock."""

    frames: int
    oldest_arrived_host_ns: int
    started_host_ns: int
    returned_host_ns: int


@dataclass(frozen=True, slots=True)
class TableFull:
    """A table took no more rows; what comes beyond is counted."""

    table: str


@dataclass(frozen=True, slots=True)
class Queue:
    """The frames of one stream that wait in their camera's buffers; fields as in the QUEUE row."""

    buffers: int
    stream: str
    host_ns: int
    waiting: int
    deepest: int
    span_ns: int
    longest_ns: int


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What was asked of the disk, and how long it took; fields as in the DISK row."""

    actions: int
    host_ns: int
    writes: int
    syncs: int
    picture_bytes: int
    writing_ns: int
    longest_write_ns: int
    syncing_ns: int
    longest_sync_ns: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Stock:
    """How recording itself went in the last second, by telemetry.py."""

    queues: tuple[Queue, ...]
    disk: DiskUse


@dataclass(frozen=True, slots=True)
class RoomAdded:
    """The next file of the run is made, and has room for so many frames of each stream; see NextFile."""

    number: int
    frames: dict[str, int]


@dataclass(frozen=True, slots=True)
class RoomRefused:
    """The next file of the run was to be made and cannot be; the present one is nearly full."""

    error: RigError
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something went wrong that recording does not need; for the log."""

    text: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The operator wants the run to end in order."""


@dataclass(frozen=True, slots=True)
class AbortRequested:
    """The operator wants the run to end now."""


MOST_LETTERS = 1000  # of a note; the log has room for so many notes of that length as it has rows
CONFIDENCE = range(1, 6)  # of a guess: from not at all to quite sure


@dataclass(frozen=True, slots=True)
class OperatorSaid:
    """The operator, at a terminal of their own, wants something, or has something to say."""

    kind: OperatorWord
    host_ns: int  # when it came
    text: str = ""  # of a note
    value: str = ""  # of a guess: what was guessed
    confidence: int = 0  # of a guess, 1 to 5; 0: none was given
    trial: int = 0  # that is meant, from 1; 0: whichever goes on


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    BoxEvent
    | ScreenEvent
    | Frame
    | CameraEvent
    | Armed
    | Stopped
    | DeviceFailed
    | Synced
    | TableFull
    | Stock
    | RoomAdded
    | RoomRefused
    | Mishap
    | StopRequested
    | AbortRequested
    | OperatorSaid
    | Tick
)


@dataclass(frozen=True, slots=True)
class ArmCamera:
    """Arm one camera for an epoch; answered by Armed."""

    stream: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StopCamera:
    """End a camera's epoch; answered by Stopped."""

    stream: str


@dataclass(frozen=True, slots=True)
class StartBox:
    """Start a run of the box; answered by RunBegan or StartRefused."""

    plan: PulsePlan
    run_id: int


@dataclass(frozen=True, slots=True)
class StopBox:
    """End the box's run; answered by RunEnded."""


@dataclass(frozen=True, slots=True)
class PingBox:
    """Ask the box for a pair of clock readings."""


@dataclass(frozen=True, slots=True)
class ShowStep:
    """Show a step on the participant's screen; answered by StepBegan and StepEnded."""

    step: Step


@dataclass(frozen=True, slots=True)
class AbortStep:
    """End the step that is shown; answered by StepEnded."""


@dataclass(frozen=True, slots=True)
class StoreFrame:
    """Write a frame's picture as number `index` of the data set at `path`, then give its buffer back."""

    path: str
    index: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class ReleaseFrame:
    """Give a frame's buffer back unwritten."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class AppendRow:
    """Add a row, without `seq`, to a table."""

    path: str
    row: tuple[Any, ...]
    arrived_host_ns: int = -1  # of the frame whose row this is; -1: another kind of row


@dataclass(frozen=True, slots=True)
class AppendText:
    """Add a JSON record to a text log."""

    path: str
    host_ns: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NextFile:
    """Go on in the file that was made last: what comes goes there, of pictures those from an index on, by data set."""

    first: dict[str, int]


@dataclass(frozen=True, slots=True)
class CloseFile:
    """Put the run's files in order; the last action."""

    outcome: Outcome


Action = (
    ArmCamera
    | StopCamera
    | StartBox
    | StopBox
    | PingBox
    | ShowStep
    | AbortStep
    | StoreFrame
    | ReleaseFrame
    | AppendRow
    | AppendText
    | NextFile
    | CloseFile
)

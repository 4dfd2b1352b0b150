"""The seam of a camera: six methods that every backend fills, and what it must say about itself.

    describe --> CameraInfo     who it is, what it can, each configured feature: asked, allowed, got
    arm(epoch) --> Baseline     what its numbers, ticks, counter and delays mean from here on
    grab --> Frame              one picture as delivered, or what the driver got instead of one
         --> CameraEvent        beside the pictures: what the camera itself noticed; may be lost without notice
    release(frame)              its buffer is the driver's again
    stop --> AtStop             the features and its clock once more, to be compared with those at arm
    close

What a backend cannot do it declares (no ticks, no counter, ...); nothing is made up for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum

from rig.cameras.features import Feature, FeatureState
from rig.streams import CameraEvent, ClockPair, DeviceInfo, Frame


class Origin(StrEnum):
    """Where a number about a camera comes from."""

    MEASURED = "MEASURED"  # on this rig, from light or from its ExposureActive line
    DEVICE = "DEVICE"  # told by the camera
    DECLARED = "DECLARED"  # written in rig.yaml or in the maker's data sheet


class TicksMark(StrEnum):
    """The moment at which a camera reads its clock for a frame."""

    NONE = "NONE"  # it has no clock
    EXPOSURE_START = "EXPOSURE_START"
    EXPOSURE_END = "EXPOSURE_END"
    FRAME_START = "FRAME_START"  # the trigger was taken; exposure starts a constant delay later


class Shutter(StrEnum):
    """How the rows of a sensor expose."""

    GLOBAL = "GLOBAL"
    ROLLING = "ROLLING"  # one after another, a row time apart


class Discipline(StrEnum):
    """What a camera's clock follows."""

    NONE = "NONE"  # it has no clock
    FREE = "FREE"  # its own crystal
    PTP = "PTP"


@dataclass(frozen=True)
class Delay:
    """A delay between an edge on the trigger line and the start of exposure, us."""

    us: float
    origin: Origin


@dataclass(frozen=True)
class Baseline:
    """What a camera's numbers stood at when it was armed, and what they mean."""

    epoch: int  # counts arms of this camera, from 0
    first_frame_number: int  # the number of the first frame after this arm
    ticks_hz: int  # frequency of camera_ticks; 0: the camera has no timestamps
    counter: int  # trigger counter before the first trigger; NO_COUNTER without one
    counter_source: str  # what the counter counts, e.g. Line1 or FrameTrigger; empty without one
    features: dict[str, Feature]  # read back at arm
    first_valid_number: int = 0  # the lowest number a frame can have
    number_modulus: int = 0  # so many different numbers there are before they start again there; 0: they never do
    ticks_mark: TicksMark = TicksMark.EXPOSURE_START
    shutter: Shutter = Shutter.GLOBAL
    row_time_us: float = 0.0  # from the start of one row's exposure to that of the next; 0: GLOBAL, or not known
    delays: dict[str, Delay] = field(default_factory=dict)  # exposure_start, line, debouncer, trigger; those known
    shortest_period_us: float = 0.0  # a trigger so long after another one is always exposed; 0: not known
    discipline: Discipline = Discipline.FREE
    clock_pairs: tuple[ClockPair, ...] = ()  # its clock against the host's, where it can be latched

    def numbers_skipped(self, expected: int, frame_number: int) -> int:
        """How many numbers lie between the one that was to come and the one that came; negative: it went back."""
        skipped = frame_number - expected
        if not self.number_modulus:
            return skipped
        return (skipped + self.number_modulus // 2) % self.number_modulus - self.number_modulus // 2

    def number_after(self, frame_number: int) -> int:
        """The number that follows."""
        if not self.number_modulus:
            return frame_number + 1
        return self.first_valid_number + (frame_number + 1 - self.first_valid_number) % self.number_modulus


@dataclass(frozen=True)
class CameraInfo(DeviceInfo):
    """Who a camera is, how it is set, and what it can do; read from the device."""

    width: int = 0
    height: int = 0
    pixel_format: str = "Mono8"  # by its name in the SFNC
    features: tuple[FeatureState, ...] = ()  # every feature that rig.yaml asks for
    # Others that decide whether it can be triggered, as they read now, by SFNC name; those that it has.
    settings: dict[str, Feature] = field(default_factory=dict)
    resulting_hz: float | None = None  # the highest frame rate with these settings, if it says
    readout_us: float | None = None  # sensor readout, if it says
    warnings: tuple[str, ...] = ()  # what may lose frames or time although it can record, in words that name it


@dataclass(frozen=True)
class AtStop:
    """How a camera reads at the end of an epoch."""

    features: dict[str, Feature]  # the same ones as at arm
    clock_pairs: tuple[ClockPair, ...] = ()


def device_name(stream: str, serial: str) -> str:
    """How messages name a camera: its stream, and its serial number or user id."""
    return f"camera {stream} ({serial})"


class Camera(ABC):
    """A triggered camera. It never invents, repeats or renumbers a frame; what it lost shows in its numbers.

    Opening it writes the features that rig.yaml asks for; one that is refused does not keep it from being opened,
    but stands in `describe().features` and keeps it from being armed.
    """

    name: str  # the stream it feeds, e.g. HS

    @abstractmethod
    def describe(self) -> CameraInfo:
        """Who it is and how it is set, read from the device; blocks for some ms at most. Raises DeviceLost.

        Called by whoever opened it: `rig check`, and a recording before it arms; not while it is armed.
        """

    @abstractmethod
    def arm(self, epoch: int) -> Baseline:
        """Get ready for triggers of a new epoch. Called by the camera's own thread, before the box starts.

        Returns only when the sensor can see the next edge. Blocks; raises DeviceNotReady naming each feature that was
        refused (a ProblemList for several), or DeviceLost. After DeviceLost it may be called again, for a new epoch:
        it looks for the same camera, and raises DeviceLost, within a second, as long as that is not back.
        """

    @abstractmethod
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        """The next frame, in the order of exposure, or an event; None when neither came within `timeout_s`.

        Called by the camera's own thread only, between arm and stop. The frame's pixels are the driver's own
        buffer and stay valid until `release`. A buffer that was not filled is a frame with another status than OK
        and the device's error text; it is released like any. Events come best effort, in no order with the frames.
        Raises DeviceLost, within a second of the loss.
        """

    @abstractmethod
    def release(self, frame: Frame) -> None:
        """Give a frame's buffer back. Called once a frame, in any order, by the writer's thread or packers' threads.

        Does not block and never raises, also for frames of an earlier epoch and after the camera was lost.
        """

    @abstractmethod
    def stop(self) -> AtStop:
        """End the epoch and return the features as they read now. Called by the camera's own thread; blocks.

        Raises DeviceLost.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the camera back to whoever wants it next. Called by who opened it, after stop; never raises.

        A second call does nothing.
        """

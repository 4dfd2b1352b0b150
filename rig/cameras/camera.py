"""The seam of a camera: six methods that every backend fills, and what it must say about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal

from rig.streams import DeviceInfo, Frame

Origin = Literal["MEASURED", "DEVICE", "DECLARED"]
Feature = str | int | float | bool


@dataclass(frozen=True)
class Baseline:
    """What a camera's numbers stood at when it was armed, and what they mean."""

    epoch: int  # counts arms of this camera, from 0
    first_frame_number: int  # the number of the first frame after this arm
    number_modulus: int  # frame numbers wrap to 0 here; 0: they never wrap
    ticks_hz: int  # frequency of camera_ticks; 0: the camera has no timestamps
    counter: int  # trigger counter before the first trigger; NO_COUNTER without one
    counter_source: str  # what the counter counts, e.g. Line1 or FrameTrigger; empty without one
    exposure_start_delay_us: float  # trigger edge to start of exposure
    exposure_start_delay_origin: Origin
    features: dict[str, Feature] = field(default_factory=dict)  # read back at arm


class Camera(ABC):
    """A triggered camera. It never invents, repeats or renumbers a frame; what it lost shows in its numbers."""

    name: str  # the stream it feeds, e.g. HS

    @abstractmethod
    def describe(self) -> DeviceInfo:
        """Who it is, read from the device. Any thread, before arm; does not block."""

    @abstractmethod
    def arm(self, epoch: int) -> Baseline:
        """Get ready for triggers of a new epoch. Called by the camera's own thread, before the box starts.

        Returns only when the sensor can see the next edge. Blocks; raises DeviceNotReady naming the feature
        that was refused, or DeviceLost.
        """

    @abstractmethod
    def grab(self, timeout_s: float) -> Frame | None:
        """The next frame, in the order of exposure; None when none came within `timeout_s`.

        Called by the camera's own thread only, between arm and stop. The frame's pixels are the driver's own
        buffer and stay valid until `release`. Raises DeviceLost.
        """

    @abstractmethod
    def release(self, frame: Frame) -> None:
        """Give a frame's buffer back. Called by the writer's thread, once a frame, in any order; does not block."""

    @abstractmethod
    def stop(self) -> dict[str, Feature]:
        """End the epoch and return the features as they read now. Called by the camera's own thread; blocks."""

    @abstractmethod
    def close(self) -> None:
        """Give the camera back. Any thread, after stop; never raises; a second call does nothing."""

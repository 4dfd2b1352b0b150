"""The package of a maker that there is not: what docs/how-to/add-a-camera.md drives, on the simulated world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from rig.cameras.nodes import Nodes
from rig.errors import DeviceLost
from rig.sim.camera import SimulatedCamera
from rig.sim.sensor import Sensor
from rig.streams import CameraEvent, Frame, Picture

T = TypeVar("T")


class Gone(Exception):
    """The device does not answer."""


@dataclass
class Buffer:
    """One picture."""

    number: int
    ticks: int
    exposure_us: float
    error: str
    picture: Picture
    index: int


class Device:
    """An open device. `there` is the one on the bench, with the inside that it has."""

    there: ClassVar[tuple[SimulatedCamera, Sensor]]
    held: ClassVar[dict[int, Frame]]  # buffers outlive the device that filled them
    is_simulated = True

    def __init__(self, serial: str, buffers: int) -> None:
        self._camera, self._sensor = self.there
        try:
            assert self._camera.describe().serial == serial and buffers > 0
        except DeviceLost:
            self.start()  # what tells that it is there again
            self.stop()

    @property
    def nodes(self) -> Nodes:
        self._ask(self._camera.describe)  # none answers for a camera that is away
        return self._sensor.nodes

    def start(self) -> None:
        self._ask(lambda: self._camera.arm(0))

    def stop(self) -> None:
        self._ask(self._camera.stop)

    def fetch(self, timeout_s: float) -> Buffer | None:
        came = self._ask(lambda: self._camera.grab(timeout_s))
        while isinstance(came, CameraEvent):
            came = self._ask(lambda: self._camera.grab(0))
        if came is None:
            return None
        self.held[came.slot] = came
        return Buffer(came.frame_number, came.camera_ticks, came.exposure_us, came.error, came.pixels, came.slot)

    def queue(self, index: int) -> None:
        self._camera.release(self.held[index])

    def read_clock(self) -> int:
        return self._camera._clock_pair().reading

    def close(self) -> None:
        self._camera.close()

    def _ask(self, use: Callable[[], T]) -> T:
        try:
            return use()
        except DeviceLost:
            raise Gone from None

"""The driver of a simulated camera: the same seam as a real one, its frames from the simulated world."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rig.cameras.camera import AtStop, Baseline, Camera, CameraInfo, Delay, Origin
from rig.clock import Clock
from rig.errors import DeviceLost, DeviceNotReady
from rig.sim.sensor import TICKS_HZ, Message
from rig.streams import Frame, Picture, Status

ANSWER_S = 5.0
FIRST_FRAME_NUMBER = 0


class Link(ABC):
    """How driver and world speak: messages both ways, pictures in a pool that both see."""

    pool: Picture  # uint8 (slots, height, width)
    states: Picture  # uint8 (slots,): 1 while the slot belongs to the recorder

    @abstractmethod
    def send(self, message: Message) -> None:
        """Send a request to the sensor. Raises DeviceLost."""

    @abstractmethod
    def receive(self, timeout_s: float) -> Message | None:
        """The next message of the sensor; None when none came in time. Raises DeviceLost."""

    @abstractmethod
    def close(self) -> None:
        """Give the link back; never raises."""


class SimulatedCamera(Camera):
    """A camera of the simulated world."""

    def __init__(self, name: str, link: Link, clock: Clock) -> None:
        self.name = name
        self._link, self._clock = link, clock
        link.send({"do": "describe"})
        self._serial = str(self._answer("described")["serial"])

    def describe(self) -> CameraInfo:
        """The world says that it is simulated, and with which serial number."""
        can: dict[str, str | int | float | bool] = {"counter_source": "FrameTrigger", "timestamps": True, "ptp": False}
        return CameraInfo("camera", "rig", "simulated camera", self._serial, "1", simulated=True, capabilities=can)

    def arm(self, epoch: int) -> Baseline:
        """See Camera.arm."""
        self._link.send({"do": "arm", "epoch": epoch})
        armed = self._answer("armed")
        return Baseline(
            epoch=epoch,
            first_frame_number=FIRST_FRAME_NUMBER,
            ticks_hz=TICKS_HZ,
            counter=0,
            counter_source="FrameTrigger",
            delays={"exposure_start": Delay(armed["start_delay_us"], Origin.DECLARED)},
            features=armed["features"],
        )

    def grab(self, timeout_s: float) -> Frame | None:
        """See Camera.grab."""
        message = self._link.receive(timeout_s)
        if message is None or message["is"] != "frame":
            return None
        slot = message["slot"]
        return Frame(
            stream=self.name,
            epoch=message["epoch"],
            frame_number=message["number"],
            camera_ticks=message["ticks"],
            counter=message["counter"],
            exposure_us=message["exposure_us"],
            line_status=0,
            status=Status.OK,
            error="",
            arrived_host_ns=self._clock.now_ns(),
            pixels=self._link.pool[slot],
            slot=slot,
        )

    def release(self, frame: Frame) -> None:
        """See Camera.release."""
        self._link.states[frame.slot] = 0

    def stop(self) -> AtStop:
        """See Camera.stop. Frames that were under way and not grabbed are given back."""
        self._link.send({"do": "stop"})
        return AtStop(self._answer("stopped")["features"])

    def close(self) -> None:
        """See Camera.close."""
        self._link.close()

    def _answer(self, kind: str) -> Message:
        until = self._clock.now_ns() + int(ANSWER_S * 1e9)
        while self._clock.now_ns() <= until:
            message = self._link.receive(ANSWER_S)
            if message is None:
                break
            if message["is"] == kind:
                return message
            if message["is"] == "frame":
                self._link.states[message["slot"]] = 0
        raise DeviceNotReady(f"camera {self.name}", f"did not answer within {ANSWER_S:g} s")


def world_lost(name: str) -> DeviceLost:
    """The error of a link whose far end is gone."""
    return DeviceLost(f"camera {name}", "the simulated world is gone", hint="See world.log beside the run")

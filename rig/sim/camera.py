"""The driver of a simulated camera: the same seam as a real one, its frames from the simulated world."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from rig.cameras.camera import (
    AtStop,
    Baseline,
    Camera,
    CameraInfo,
    Delay,
    Discipline,
    Origin,
    Shutter,
    TicksMark,
    device_name,
)
from rig.cameras.features import Feature, FeatureState, feature_problems
from rig.clock import NS, Clock
from rig.errors import DeviceLost, DeviceNotReady, raise_all
from rig.sim.sensor import Message
from rig.streams import CameraEvent, CameraEventKind, ClockPair, Frame, Picture, Status

ANSWER_S = 5.0
CLOCK_PAIRS = 3  # at each arming and stop; the quickest is the best
SCRIBBLE = 0xAA


class Link(ABC):
    """How driver and world speak: messages both ways, pictures in a pool that both see."""

    pool: Picture  # (slots, *picture), of the camera's pixel format
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
        self._is_lost = self._scribbles = self._has_clock = False
        self._waiting: deque[Message] = deque()  # what came while its clock was read
        self._serial = "?"
        self._serial = self.describe().serial

    def describe(self) -> CameraInfo:
        """The world says that it is simulated, and with which serial number."""
        told = self._ask({"do": "describe"}, "described")
        can: dict[str, Feature] = {
            "counter_source": told["counter_source"],
            "timestamps": told["timestamps"],
            "ptp": False,
            "user_id": told["DeviceUserID"],
        }
        return CameraInfo(
            "camera",
            "rig",
            "simulated camera",
            told["DeviceSerialNumber"],
            "1",
            simulated=True,
            capabilities=can,
            width=told["Width"],
            height=told["Height"],
            pixel_format=told["PixelFormat"],
            features=tuple(FeatureState(**state) for state in told["features"]),
            settings=told["settings"],
            resulting_hz=told["resulting_hz"],
            readout_us=told["readout_us"],
        )

    def arm(self, epoch: int) -> Baseline:
        """See Camera.arm. One that was lost and is there again has started anew."""
        self._give_back_waiting()
        armed = self._ask({"do": "arm", "epoch": epoch}, "armed", "refused")
        states = [FeatureState(**state) for state in armed["features"]]
        raise_all(feature_problems(device_name(self.name, self._serial), states))
        self._scribbles, self._has_clock = armed["scribbles"], armed["ticks_hz"] > 0
        return Baseline(
            epoch=epoch,
            first_frame_number=armed["first_frame_number"],
            ticks_hz=armed["ticks_hz"],
            counter=armed["counter"],
            counter_source=armed["counter_source"],
            features=_read_back(armed),
            first_valid_number=armed["first_valid_number"],
            number_modulus=armed["number_modulus"],
            ticks_mark=TicksMark.EXPOSURE_START if self._has_clock else TicksMark.NONE,
            shutter=Shutter(armed["shutter"].upper()),
            row_time_us=armed["row_time_us"],
            delays={name: Delay(us, Origin(origin)) for name, (us, origin) in armed["delays"].items()},
            shortest_period_us=armed["shortest_period_us"],
            discipline=Discipline.FREE if self._has_clock else Discipline.NONE,
            clock_pairs=self._clock_pairs(),
        )

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        """See Camera.grab."""
        if self._is_lost:
            raise self._lost()
        message = self._waiting.popleft() if self._waiting else self._link.receive(timeout_s)
        if message is None:
            return None
        match message["is"]:
            case "frame":
                return self._frame(message)
            case "event":
                return self._event(message)
            case "lost":
                raise self._lost()
        return None

    def _frame(self, message: Message) -> Frame:
        slot = message["slot"]
        return Frame(
            stream=self.name,
            epoch=message["epoch"],
            frame_number=message["number"],
            camera_ticks=message["ticks"],
            counter=message["counter"],
            exposure_us=message["exposure_us"],
            line_status=message["line_status"],
            status=Status(message["status"]),
            error=message["error"],
            arrived_host_ns=self._clock.now_ns(),
            pixels=self._link.pool[slot],
            slot=slot,
        )

    def _event(self, message: Message) -> CameraEvent:
        kind, arrived_ns = CameraEventKind(message["kind"]), self._clock.now_ns()
        return CameraEvent(self.name, kind, message["text"], message["value"], message["ticks"], arrived_ns)

    def release(self, frame: Frame) -> None:
        """See Camera.release."""
        if self._scribbles:
            frame.pixels[...] = SCRIBBLE
        self._link.states[frame.slot] = 0

    def stop(self) -> AtStop:
        """See Camera.stop. Frames that were under way and not grabbed are given back."""
        self._give_back_waiting()
        return AtStop(_read_back(self._ask({"do": "stop"}, "stopped")), self._clock_pairs())

    def close(self) -> None:
        """See Camera.close."""
        self._link.close()

    def _clock_pairs(self) -> tuple[ClockPair, ...]:
        """Its clock, read between two readings of the host's."""
        return tuple(self._clock_pair() for _ in range(CLOCK_PAIRS)) if self._has_clock else ()

    def _clock_pair(self) -> ClockPair:
        before_ns = self._clock.now_ns()
        ticks = self._ask({"do": "latch"}, "latched")["ticks"]
        return ClockPair(f"camera:{self.name}", ticks, ticks, before_ns, self._clock.now_ns())

    def _ask(self, request: Message, *answers: str) -> Message:
        """Send a request and wait for its answer. A camera that was lost must be armed before anything else."""
        is_arming = request["do"] == "arm"
        if self._is_lost and not is_arming:
            raise self._lost()
        self._link.send(request)
        until = self._clock.now_ns() + int(ANSWER_S * NS)
        while self._clock.now_ns() <= until and (message := self._link.receive(ANSWER_S)) is not None:
            if message["is"] in answers:
                self._is_lost = False
                return message
            if message["is"] == "absent" or (message["is"] == "lost" and not is_arming):
                raise self._lost()
            if request["do"] == "latch":
                self._waiting.append(message)
            else:
                self._give_back(message)
        raise DeviceNotReady(f"camera {self.name}", f"did not answer within {ANSWER_S:g} s")

    def _give_back_waiting(self) -> None:
        while self._waiting:
            self._give_back(self._waiting.popleft())

    def _give_back(self, message: Message) -> None:
        """Free the buffer of a message that is a frame, which nobody wants."""
        if message["is"] == "frame":
            self._link.states[message["slot"]] = 0

    def _lost(self) -> DeviceLost:
        self._is_lost = True
        return DeviceLost(device_name(self.name, self._serial), "is gone", hint="Check its cable and its supply")


def _read_back(told: Message) -> dict[str, Feature]:
    """The features that were asked for and those that decide whether it is triggered, as they read."""
    asked = {state["name"]: state["got"] for state in told["features"] if state["got"] is not None}
    return {**told["settings"], **asked}


def world_lost(name: str) -> DeviceLost:
    """The error of a link whose far end is gone."""
    return DeviceLost(f"camera {name}", "the simulated world is gone", hint="See world.log beside the run")

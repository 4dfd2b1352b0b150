"""A Basler camera: the seam filled by pylon.

A frame is pylon's own buffer, not copied: its grab result is held here until the frame is released, and outlives stop,
the loss of the camera, and close. What each family of cameras can tell is in `family`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from math import ceil
from typing import Any

from pypylon import genicam, pylon

from rig.cameras.basler import family
from rig.cameras.basler.device import Device
from rig.cameras.basler.pylon import OTHER_PROGRAM, VERSION, damage, devices, picture, text_of
from rig.cameras.camera import AtStop, Baseline, Camera, CameraInfo, TicksMark, device_name
from rig.cameras.features import Feature, FeatureState, asked_of, feature_problems
from rig.cameras.nodes import Nodes, Refused, ask, asked_again
from rig.clock import NS, Clock
from rig.config.rig import Camera as CameraConfig
from rig.errors import DeviceError, DeviceLost, DeviceNotFound, DeviceNotReady, raise_all
from rig.pixels import FORMATS
from rig.streams import NO_COUNTER, CameraEvent, CameraEventKind, ClockPair, Frame, Status

READY_S = 2.0  # from start to waiting for a trigger
TEMPERATURE_NS = 10 * NS


class BaslerCamera(Camera):
    """A Basler camera, found by its serial number or user id."""

    DEVICE_CLASSES: tuple[str, ...] = (family.USB, family.GIGE)

    def __init__(self, name: str, config: CameraConfig, clock: Clock, *, buffers: int) -> None:
        """Find and open it and write its features. `buffers`: frames that can be held at once.

        Raises DeviceNotFound naming those that are there, DeviceNotReady when another program has it.
        """
        self.name = name
        self._config, self._clock, self._buffers = config, clock, buffers
        self._format = FORMATS[config.pixel_format]
        # Grab results by slot, each with the device that it came from, which is another one after a loss. A buffer is
        # filled again only when its result is let go.
        self._held: dict[int, tuple[Device, Any]] = {}
        self._slots = count()
        self._states: tuple[FeatureState, ...] = ()
        self._is_open = self._is_armed = False
        self._open()

    @property
    def subject(self) -> str:
        """How errors name it."""
        return device_name(self.name, self._config.serial or self._config.user_id or "")

    def describe(self) -> CameraInfo:
        """See Camera.describe."""
        with self._errors():
            info, nodes = self._device.camera.GetDeviceInfo(), self._nodes
            return CameraInfo(
                "camera",
                info.GetVendorName(),
                info.GetModelName(),
                info.GetSerialNumber(),
                str(nodes.value("DeviceFirmwareVersion") or nodes.value("DeviceVersion") or "not told"),
                simulated=self._class == family.EMULATED,
                capabilities=self._capabilities(),
                width=int(nodes.number("Width") or 0),
                height=int(nodes.number("Height") or 0),
                pixel_format=str(nodes.value("PixelFormat")),
                features=tuple(asked_again(nodes, state) for state in self._states),
                settings=family.settings(nodes, self._config.trigger_source),
                resulting_hz=nodes.number("ResultingFrameRate"),
                readout_us=nodes.number("SensorReadoutTime"),
                warnings=tuple(self._warnings()),
            )

    def arm(self, epoch: int) -> Baseline:
        """See Camera.arm."""
        if not self._is_open:
            self._open_again()
        with self._errors():
            self._states = tuple(asked_again(self._nodes, state) for state in self._states)
            raise_all(feature_problems(self.subject, self._states))
            self._epoch, self._chunks = epoch, self._enabled_chunks()
            pairs = family.latch(self._nodes, self._clock, self.name)
            baseline = self._baseline(pairs)
            self._look_at_ns = self._clock.now_ns()
            self._start()
        return baseline

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        """See Camera.grab."""
        if self._device.waiting:
            return self._device.waiting.popleft()
        with self._errors():
            if (warmth := self._temperature()) is not None:
                return warmth
            result = self._retrieved(timeout_s)
            return self._frame(result) if result.IsValid() else None

    def release(self, frame: Frame) -> None:
        """See Camera.release."""
        _, result = self._held.pop(frame.slot)
        result.Release()

    def stop(self) -> AtStop:
        """See Camera.stop. Frames that were not grabbed go back to pylon."""
        with self._errors():
            pairs = family.latch(self._nodes, self._clock, self.name)
            self._is_armed = False
            self._device.camera.StopGrabbing()
            return AtStop(self._features(), pairs)

    def close(self) -> None:
        """See Camera.close."""
        self._is_open = self._is_armed = False
        self._device.close()

    def _open(self) -> None:
        """Find, open and set it. Raises DeviceError; then it is not open."""
        try:
            self._device = Device(self._find(), self.name, self._clock)
        except genicam.GenericException as error:
            raise DeviceNotReady(self.subject, "cannot be opened", value=text_of(error), hint=OTHER_PROGRAM) from None
        self._is_open = True
        with self._errors():
            family.prepare(self._nodes)
            self._states = tuple(ask(self._nodes, *asked) for asked in asked_of(self._config).items())
            self._chunks = self._enabled_chunks()
            self._device.listen()

    @property
    def _nodes(self) -> Nodes:
        return self._device.nodes

    @property
    def _class(self) -> str:
        return self._device.device_class

    def _open_again(self) -> None:
        """After it was lost. Raises DeviceLost as long as it is not back."""
        try:
            self._open()
        except DeviceError as error:
            raise DeviceLost(self.subject, "is not back", hint="Check its cable") from error

    def _find(self) -> Any:
        """The device with its serial number or user id. Raises DeviceNotFound naming those that are there."""
        there = [device for device in devices() if device.GetDeviceClass() in self.DEVICE_CLASSES]
        for device in there:
            if self._config.serial in (None, device.GetSerialNumber()) and (
                self._config.user_id in (None, device.GetUserDefinedName())
            ):
                return device
        found = ", ".join(f"{device.GetSerialNumber()} ({device.GetModelName()})" for device in there) or "no camera"
        raise DeviceNotFound(self.subject, "is not there", allowed=f"found: {found}", hint="Check its cable and power")

    def _enabled_chunks(self) -> family.Chunks:
        """What comes with every frame from now on; the counter is at 0."""
        return family.enable_chunks(self._nodes, self._config.trigger_source)

    def _capabilities(self) -> dict[str, Feature]:
        """What it can tell, as it turned out when it was opened."""
        found = family.capabilities(self._class, self._nodes, self._chunks, self._device.events) | {"pylon": VERSION}
        beats = self._device.heartbeat_ms
        return found if beats is None else found | {"heartbeat_ms": beats}

    def _warnings(self) -> Iterator[str]:
        beats = self._device.heartbeat_ms
        if beats is not None and beats > family.HEARTBEAT_MS:
            yield (
                f"{self.subject}: HeartbeatTimeout stays at {beats} ms; at most {family.HEARTBEAT_MS} was asked for: "
                "that it is gone may be noticed later than a second after"
            )

    def _baseline(self, pairs: tuple[ClockPair, ...]) -> Baseline:
        nodes, numbers = self._nodes, family.numbering(self._class, self._nodes)
        hz = family.ticks_hz(self._class, nodes)
        highest_hz = None if self._class == family.EMULATED else nodes.number("ResultingFrameRate")
        return Baseline(
            epoch=self._epoch,
            first_frame_number=numbers.first_valid,
            ticks_hz=hz,
            counter=0 if self._chunks.counter else NO_COUNTER,
            counter_source=self._chunks.counter_source,
            features=self._features(),
            first_valid_number=numbers.first_valid,
            number_modulus=numbers.modulus,
            ticks_mark=self._chunks.ticks_mark if hz else TicksMark.NONE,
            shutter=family.shutter(nodes),
            delays=family.delays(nodes, self._config),
            shortest_period_us=1e6 / highest_hz if highest_hz else 0.0,
            discipline=family.discipline(nodes, has_clock=bool(hz)),
            clock_pairs=pairs,
        )

    def _start(self) -> None:
        """Start grabbing, and wait until the sensor waits for a trigger."""
        self._device.waiting.clear()
        self._device.camera.MaxNumBuffer.Value = self._buffers
        self._device.camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        can_tell = self._device.camera.CanWaitForFrameTriggerReady()
        if can_tell and not self._device.camera.WaitForFrameTriggerReady(
            int(READY_S * 1000), pylon.TimeoutHandling_Return
        ):
            self._device.camera.StopGrabbing()
            raise DeviceNotReady(self.subject, f"does not wait for triggers {READY_S:g} s after it was started")
        self._is_armed = True

    def _features(self) -> dict[str, Feature]:
        """The features that rig.yaml asks for, as they read now."""
        now = {state.name: self._nodes.value(state.name) for state in self._states}
        return {name: value for name, value in now.items() if value is not None}

    def _retrieved(self, timeout_s: float) -> Any:
        """A grab result; not valid when none came. Raises DeviceLost.

        Pylon cannot always say that a camera was removed, and asking it may then take for ever: any error counts as
        the loss of the camera, which is opened anew. One that is silent is told by the recorder's alarm.
        """
        try:
            result = self._device.camera.RetrieveResult(ceil(timeout_s * 1000), pylon.TimeoutHandling_Return)
        except genicam.GenericException as error:
            raise self._lost() from error
        if not result.IsValid() and self._device.was_removed:
            raise self._lost()
        return result

    def _frame(self, result: Any) -> Frame:
        height, width = self._config.height, self._config.width
        error = damage(result, self._format.size(height, width))
        told = family.read_chunks(family.Chunks() if error else self._chunks, self._device.told_with(result))
        if not error and (lacking := self._chunks.lacking(told)):
            error = f"it came without its {lacking}"
        ticks = told.ticks if self._chunks.ticks else result.TimeStamp  # never one of another moment
        slot = next(self._slots)
        self._held[slot] = self._device, result
        return Frame(
            stream=self.name,
            epoch=self._epoch,
            frame_number=result.BlockID,
            camera_ticks=0 if error else ticks or 0,
            counter=told.counter,
            exposure_us=self._config.exposure_us if told.exposure_us is None else told.exposure_us,
            line_status=told.line_status,
            status=Status.DAMAGED if error else Status.OK,
            error=error,
            arrived_host_ns=self._clock.now_ns(),
            pixels=picture(result, self._format, height, width),
            slot=slot,
        )

    def _temperature(self) -> CameraEvent | None:
        """Its temperature, now and then."""
        now = self._clock.now_ns()
        if now < self._look_at_ns:
            return None
        self._look_at_ns = now + TEMPERATURE_NS
        celsius = self._nodes.number("DeviceTemperature")
        if celsius is None:
            return None
        return CameraEvent(self.name, CameraEventKind.TEMPERATURE, "DeviceTemperature", celsius, 0, now)

    def _lost(self) -> DeviceLost:
        """It is gone; from now on it is to be opened again."""
        self.close()
        return DeviceLost(self.subject, "is gone", hint="Check its cable; it is taken up again when it is back")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns pylon's errors into ours: a camera that was removed is lost, another one is not ready."""
        if not self._is_open:
            raise self._lost()
        try:
            yield
        except (genicam.GenericException, Refused) as error:
            if self._device.is_gone:
                raise self._lost() from None
            raise DeviceNotReady(self.subject, "does not obey", value=text_of(error)) from None

"""A camera that pylon emulates, on a bench: its trigger, the truth of what it swallows, unplugging, damaged buffers.

`is_ready` asks pylon whether the camera would take a trigger now. It tells exactly which triggers are swallowed, and
is the truth of tests alone: no real camera can be asked before every edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rig.cameras.basler import camera

# What pylon keeps open for as long as it is loaded is there before any test begins.
from rig.cameras.basler.device import genicam, pylon
from rig.cameras.basler.emulation import EmulatedBaslerCamera
from rig.cameras.basler.pylon import devices
from rig.cameras.features import Feature
from rig.clock import HostClock
from rig.config.rig import Camera
from rig.testing.camera import Bench, OnWire

NAME, SERIAL, BUFFERS = "HS", "0815-0001", 8
PERIOD_NS, READY_MS = 15_000_000, 10_000  # a frame takes about 11 ms, and longer on a busy machine
BUSY_NS = 8_000_000  # so long after a trigger that was taken no other one is
CONFIG = {
    "backend": "basler-emulation",
    "serial": SERIAL,
    "line": 0,
    "divisor": 1,
    "exposure_us": 2000,
    "width": 96,
    "height": 64,
    "trigger_source": "Software",
}
FEATURES: dict[str, Feature] = {"AcquisitionFrameRateEnable": False, "AcquisitionFrameRate": 1000.0}


def config_of(**changes: object) -> Camera:
    return Camera.model_validate(CONFIG | {"features": FEATURES} | changes)


def is_ready(emulated: EmulatedBaslerCamera, timeout_ms: int = 0) -> bool:
    """Whether a trigger would be taken, now or within the time."""
    try:
        return emulated._device.camera.WaitForFrameTriggerReady(timeout_ms, pylon.TimeoutHandling_Return)
    except genicam.GenericException:  # it is not armed
        return False


class EmulatedBench:
    """Triggers the camera, takes it away and brings it back."""

    def __init__(self) -> None:
        self.clock = HostClock()
        self.camera = EmulatedBaslerCamera(NAME, config_of(), self.clock, buffers=BUFFERS)
        self._sent = 0
        self._taken_ns = 0  # when the last trigger that was in time was about to leave

    def send(self, gaps_ns: Sequence[int]) -> list[OnWire]:
        """An edge that is not to be swallowed waits until the camera can take it: a busy machine makes it late."""
        return [self._edge(gap_ns) for gap_ns in gaps_ns]

    @property
    def _can_take_one(self) -> bool:
        """Whether it will ever be ready: it is armed, and not all of its buffers are held."""
        return self.camera._is_armed and len(self.camera._held) < BUFFERS

    def _edge(self, gap_ns: int) -> OnWire:
        is_early = gap_ns < PERIOD_NS
        if not is_early:
            self.clock.sleep_until(self.clock.now_ns() + gap_ns)
            if self._can_take_one:
                is_ready(self.camera, READY_MS)
            self._taken_ns = self.clock.now_ns()
        at_ns, number = self.clock.now_ns(), self._sent
        self._sent += 1
        self.camera.trigger()
        return OnWire(number, at_ns, not is_early or self.clock.now_ns() - self._taken_ns < BUSY_NS)

    def settle(self) -> None:
        """An emulated frame that is under way comes within some 11 ms."""
        self.clock.sleep_until(self.clock.now_ns() + 4 * PERIOD_NS)

    def damage(self) -> None:
        is_ready(self.camera, READY_MS)  # so that it is not the frame under way
        nodes = self.camera._device.nodes
        nodes.write("ForceFailedBufferCount", 1)
        nodes.execute("ForceFailedBuffer")

    def unplug(self) -> None:
        """Pylon says that it was removed, as it does of a real one, and finds no camera any more."""
        camera.devices = list
        self.camera._device._removal.OnCameraDeviceRemoved(None)

    def replug(self) -> None:
        camera.devices = devices

    def reopen(self, features: dict[str, Feature]) -> EmulatedBaslerCamera:
        self.camera.close()
        config = config_of(features=FEATURES | features)
        self.camera = EmulatedBaslerCamera(NAME, config, self.clock, buffers=BUFFERS)
        return self.camera

    def close(self) -> None:
        self.replug()
        self.camera.close()


@contextmanager
def emulated() -> Iterator[EmulatedBench]:
    bench = EmulatedBench()
    try:
        yield bench
    finally:
        bench.close()


@contextmanager
def contract_bench() -> Iterator[Bench]:
    with emulated() as own:
        yield Bench(
            own.camera,
            own.clock,
            own.send,
            SERIAL,
            is_simulated=True,
            period_ns=PERIOD_NS,
            buffers=BUFFERS,
            settle=own.settle,
            too_early_ns=0,  # at once
            numbers_lost_frames=False,
            damage=own.damage,
            unplug=own.unplug,
            replug=own.replug,
            reopen=own.reopen,
            late_s=30,  # it may be busy
            read_only="DeviceModelName",
            rounds=("ExposureTime", 4000.37),
        )

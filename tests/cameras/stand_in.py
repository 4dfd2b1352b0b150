"""A device of pylon that is not there: grab results as pylon documents them, to try the driver's own work on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rig.cameras.basler import camera, family
from rig.cameras.basler.camera import BaslerCamera
from rig.cameras.basler.device import genicam
from rig.clock import VirtualClock
from rig.config.rig import Camera
from rig.streams import CameraEvent
from tests.cameras.fake_nodes import Fake, FakeNodes

SERIAL, USER_ID = "22812345", "left"
SHAPE = (64, 96)
CONFIG = {
    "backend": "basler",
    "serial": SERIAL,
    "line": 0,
    "divisor": 1,
    "exposure_us": 4000,
    "height": SHAPE[0],
    "width": SHAPE[1],
}


class Found:
    """What pylon says of a device that it found."""

    def __init__(self, serial: str = SERIAL, user_id: str = USER_ID, device_class: str = family.USB) -> None:
        self._serial, self._user_id, self._class = serial, user_id, device_class

    def GetSerialNumber(self) -> str:  # noqa: N802
        return self._serial

    def GetUserDefinedName(self) -> str:  # noqa: N802
        return self._user_id

    def GetDeviceClass(self) -> str:  # noqa: N802
        return self._class

    def GetModelName(self) -> str:  # noqa: N802
        return "acA1440-220um"

    def GetVendorName(self) -> str:  # noqa: N802
        return "Basler"


class Result:
    """A grab result with its chunks."""

    PaddingX = 0

    def __init__(self, block_id: int, chunks: dict[str, Fake], *, time_stamp: int = 0, error: str = "") -> None:
        self.BlockID, self.TimeStamp, self.chunks = block_id, time_stamp, FakeNodes(chunks)
        self.ErrorCode, self.ErrorDescription = (-520_093_676 if error else 0), error
        self.memory = np.full(SHAPE, block_id % 256, np.uint8)
        self.is_released = False

    def IsValid(self) -> bool:  # noqa: N802
        return True

    def GrabSucceeded(self) -> bool:  # noqa: N802
        return not self.ErrorDescription

    def GetImageMemoryView(self) -> memoryview:  # noqa: N802
        return memoryview(self.memory)

    def Release(self) -> None:  # noqa: N802
        self.is_released = True


class Nothing:
    """A grab result of a time-out."""

    def IsValid(self) -> bool:  # noqa: N802
        return False


class Grabber:
    """Stands for pylon's InstantCamera."""

    def __init__(self, found: Found) -> None:
        self.found, self.results, self.is_broken = found, deque[Result](), False
        self.MaxNumBuffer = SimpleNamespace(Value=10)
        self.strategy: Any = None

    def GetDeviceInfo(self) -> Found:  # noqa: N802
        return self.found

    def StartGrabbing(self, strategy: Any) -> None:  # noqa: N802
        self.strategy = strategy

    def StopGrabbing(self) -> None:  # noqa: N802
        self.results.clear()

    def CanWaitForFrameTriggerReady(self) -> bool:  # noqa: N802
        return False

    def RetrieveResult(self, timeout_ms: int, _: Any) -> Result | Nothing:  # noqa: N802
        if self.is_broken:
            raise genicam.RuntimeException("The device has been removed.", "", 0)
        return self.results.popleft() if self.results else Nothing()


class StandIn:
    """Stands for `Device`."""

    def __init__(self, found: Found, nodes: FakeNodes) -> None:
        self.camera, self.nodes, self.waiting = Grabber(found), nodes, deque[CameraEvent]()
        self.device_class, self.is_gone, self.is_closed = found.GetDeviceClass(), False, False
        self.events: dict[str, str] = {}
        self.heartbeat_ms: int | None = None

    @property
    def was_removed(self) -> bool:
        return self.is_gone

    def listen(self) -> None:
        self.events = family.enable_events(self.nodes)

    def told_with(self, result: Result) -> FakeNodes:
        return result.chunks

    def close(self) -> None:
        self.is_closed = True


class Rig:
    """The driver on stand-ins; `there` is what pylon finds."""

    def __init__(self, patch: pytest.MonkeyPatch, nodes: FakeNodes, *there: Found) -> None:
        self.clock, self.there, self.devices = VirtualClock(), list(there or [Found()]), list[StandIn]()
        patch.setattr(camera, "devices", lambda: self.there)
        patch.setattr(camera, "Device", lambda found, _stream, _clock: self._opened(StandIn(found, nodes)))

    def _opened(self, device: StandIn) -> StandIn:
        self.devices.append(device)
        return device

    @property
    def device(self) -> StandIn:
        return self.devices[-1]

    def open(self, **changes: object) -> BaslerCamera:
        return BaslerCamera("HS", Camera.model_validate(CONFIG | changes), self.clock, buffers=200)


@contextmanager
def stand_in(nodes: FakeNodes, *there: Found) -> Iterator[Rig]:
    with pytest.MonkeyPatch.context() as patch:
        yield Rig(patch, nodes, *there)

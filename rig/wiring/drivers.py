"""Which driver belongs to which name in rig.yaml, and what can be asked of drivers without any rig."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

from rig.cameras.camera import Camera
from rig.cameras.found import FeatureRow, FoundCamera
from rig.clock import Clock
from rig.config.backends import BASLER, EMULATED_SERIAL, EMULATION
from rig.config.rig import Box, Rig
from rig.config.rig import Camera as CameraConfig
from rig.config.rules import buffers_of
from rig.errors import DeviceNotFound
from rig.pixels import Snapshot
from rig.trigger.box import TriggerBox
from rig.wiring.devices import Devices

T = TypeVar("T")
CAMERAS = {  # by cameras.<STREAM>.backend; called with stream, configuration, clock and buffers
    BASLER: "rig.cameras.basler.camera:BaslerCamera",
    EMULATION: "rig.cameras.basler.emulation:EmulatedBaslerCamera",
}
DISCOVERIES = {  # by cameras.<STREAM>.backend: find(), and by serial number snapshot() and dump()
    BASLER: "rig.cameras.basler.discovery",
    EMULATION: "rig.cameras.basler.discovery",
}
REAL = DISCOVERIES.keys() - {EMULATION}  # backends of cameras that one can plug in
EMULATED_HINT = "So many cameras as PYLON_CAMEMU says are emulated: set it in the environment, e.g. PYLON_CAMEMU=1"
BOXES = {"serial": "rig.trigger.port:SerialBox"}  # by box.backend; called with the port, the clock and baud


def find_cameras() -> list[FoundCamera]:
    """The cameras that answer to any driver; simulated ones are not looked for. Blocks for some seconds at most.

    Raises DeviceNotReady when a driver cannot look.
    """
    return [camera for module in dict.fromkeys(DISCOVERIES.values()) for camera in import_module(module).find()]


def find_camera(serial: str) -> FoundCamera:
    """The camera with this serial number. Raises DeviceNotFound naming those that are there, or DeviceNotReady."""
    there = {camera.serial: camera for camera in find_cameras()}
    if serial not in there:
        allowed = f"found: {', '.join(there) or 'no camera'}"
        hint = EMULATED_HINT if serial.startswith(EMULATED_SERIAL) else ""
        raise DeviceNotFound(f"camera {serial or repr(serial)}", "is not there", allowed=allowed, hint=hint)
    return there[serial]


def snapshot(found: FoundCamera) -> Snapshot:
    """One picture of a camera, in free run and with its present features, which are as they were afterwards.

    Raises DeviceNotFound, or DeviceNotReady when no picture came.
    """
    taken: Snapshot = _discovery(found).snapshot(found.serial)
    return taken


def dump_features(found: FoundCamera) -> list[FeatureRow]:
    """All features of a camera that can be read, sorted by name. Raises DeviceNotFound or DeviceNotReady."""
    rows: list[FeatureRow] = _discovery(found).dump(found.serial)
    return rows


def _discovery(found: FoundCamera) -> ModuleType:
    """The module that can look at a camera without any rig."""
    return import_module(DISCOVERIES[found.backend])


def _driver(place: str) -> Callable[..., Any]:
    """The class at "module:class"."""
    module, name = place.split(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def open_box(box: Box, port: str, clock: Clock) -> TriggerBox:
    """The trigger box of a rig, by its backend, at `port`, sending nothing. Raises DeviceError naming the port."""
    opened: TriggerBox = _driver(BOXES[box.backend])(port, clock, baud=box.baud)
    or_close(opened, opened.end_left_over)
    return opened


def open_camera(rig: Rig, name: str, config: CameraConfig, clock: Clock) -> Camera:
    """A camera by its backend. Raises DeviceError naming it."""
    buffers = buffers_of(rig.box.rate_hz, config.divisor)
    opened: Camera = _driver(CAMERAS[config.backend])(name, config, clock, buffers=buffers)
    return opened


def or_close(opened: Devices | TriggerBox, use: Callable[[], T]) -> T:
    """What `use` returns; where it raises, what was opened is closed."""
    with ExitStack() as undo:
        undo.callback(opened.close)
        result = use()
        undo.pop_all()
    return result

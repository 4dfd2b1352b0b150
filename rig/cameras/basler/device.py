"""One open device of pylon, with the handlers that it calls, and the order in which all of that must end."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any

from pypylon import genicam, pylon

from rig.cameras.basler import family
from rig.cameras.basler.pylon import PylonNodes
from rig.cameras.nodes import Nodes
from rig.clock import Clock
from rig.streams import CameraEvent


class _Removal(pylon.ConfigurationEventHandler):  # type: ignore[misc]
    """Notes, in pylon's thread, that the camera was unplugged."""

    is_gone = False

    def OnCameraDeviceRemoved(self, camera: Any) -> None:  # noqa: ARG002, N802
        """See pylon."""
        self.is_gone = True


class _Events(pylon.CameraEventHandler):  # type: ignore[misc]
    """Takes the camera's events, in pylon's thread; short, as it holds up the next one."""

    def __init__(self, stream: str, nodes: Nodes, clock: Clock) -> None:
        super().__init__()
        self.waiting: deque[CameraEvent] = deque()
        self.names = tuple(family.EVENTS)
        self._stream, self._nodes, self._clock = stream, nodes, clock

    def OnCameraEvent(self, camera: Any, number: int, node: Any) -> None:  # noqa: ARG002, N802
        """See pylon."""
        name = self.names[number]
        ticks = family.event_ticks(self._nodes, name)
        self.waiting.append(CameraEvent(self._stream, family.EVENTS[name], name, None, ticks, self._clock.now_ns()))


class Device:
    """An open device. Whoever holds a grab result of it must hold the device too: pylon does not survive otherwise."""

    def __init__(self, found: Any, stream: str, clock: Clock) -> None:
        """Open what `devices` found. Raises pylon's GenericException; then it is closed again."""
        self.camera = pylon.InstantCamera()  # the first one, so that Python drops it before the handlers
        self.device_class: str = found.GetDeviceClass()
        self.events: dict[str, str] = {}  # that it tells: the node that changes then, by EventSelector
        self._removal = _Removal()
        self.camera.RegisterConfiguration(self._removal, pylon.RegistrationMode_ReplaceAll, pylon.Cleanup_None)
        try:
            self.camera.Attach(pylon.TlFactory.GetInstance().CreateDevice(found))
            self.camera.GrabCameraEvents.Value = True
            self.camera.Open()
            self.heartbeat_ms = family.set_heartbeat(PylonNodes(self.camera.GetTLNodeMap()))
        except genicam.GenericException:
            self.close()
            raise
        self.nodes: Nodes = PylonNodes(self.camera.GetNodeMap())
        self._events = _Events(stream, self.nodes, clock)
        self.waiting = self._events.waiting

    @property
    def was_removed(self) -> bool:
        """Whether pylon has told that it was unplugged."""
        return self._removal.is_gone

    @property
    def is_gone(self) -> bool:
        """Whether it was unplugged, as far as pylon has noticed; asks pylon."""
        return self.was_removed or self.camera.IsCameraDeviceRemoved()

    def listen(self) -> None:
        """Let it tell what it notices, as far as it can; that comes to `waiting`."""
        self.events = family.enable_events(self.nodes)
        for event, node in self.events.items():
            number = self._events.names.index(event)
            self.camera.RegisterCameraEventHandler(
                self._events, node, number, pylon.RegistrationMode_Append, pylon.Cleanup_None
            )

    def told_with(self, result: Any) -> Nodes:
        """The node map of what came with a frame."""
        return PylonNodes(result.GetChunkDataNodeMap())

    def close(self) -> None:
        """Give it back; never raises. What was grabbed stays valid. It never calls a handler afterwards."""
        with suppress(genicam.GenericException):
            self.camera.DestroyDevice()
        for node in self.events.values():
            self.camera.DeregisterCameraEventHandler(self._events, node)
        self.events = {}
        self.camera.DeregisterConfiguration(self._removal)

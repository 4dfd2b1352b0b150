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

HEARTBEAT_MS = 800  # of a GigE camera; pylon's own 3 s would tell too late that it is gone


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
        self._event_nodes: list[str] = []
        self._removal = _Removal()
        self.camera.RegisterConfiguration(self._removal, pylon.RegistrationMode_ReplaceAll, pylon.Cleanup_None)
        try:
            self.camera.Attach(pylon.TlFactory.GetInstance().CreateDevice(found))
            self.camera.GrabCameraEvents.Value = True
            self.camera.Open()
            PylonNodes(self.camera.GetTLNodeMap()).set("HeartbeatTimeout", HEARTBEAT_MS)
        except genicam.GenericException:
            self.close()
            raise
        self.nodes: Nodes = PylonNodes(self.camera.GetNodeMap())
        self._events = _Events(stream, self.nodes, clock)
        self.waiting = self._events.waiting

    @property
    def is_gone(self) -> bool:
        """Whether it was unplugged, as far as pylon has noticed."""
        return self._removal.is_gone or self.camera.IsCameraDeviceRemoved()

    def listen(self) -> None:
        """Let it tell what it notices, as far as it can; that comes to `waiting`."""
        for event, node in family.enable_events(self.nodes).items():
            number = self._events.names.index(event)
            self.camera.RegisterCameraEventHandler(
                self._events, node, number, pylon.RegistrationMode_Append, pylon.Cleanup_None
            )
            self._event_nodes.append(node)

    def told_with(self, result: Any) -> Nodes:
        """The node map of what came with a frame."""
        return PylonNodes(result.GetChunkDataNodeMap())

    def close(self) -> None:
        """Give it back; never raises. What was grabbed stays valid. It never calls a handler afterwards."""
        with suppress(genicam.GenericException):
            self.camera.DestroyDevice()
        for node in self._event_nodes:
            self.camera.DeregisterCameraEventHandler(self._events, node)
        self._event_nodes.clear()
        self.camera.DeregisterConfiguration(self._removal)

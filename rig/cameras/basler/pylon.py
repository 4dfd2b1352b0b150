"""Pylon itself: its devices, its node maps as ours, its grab results, and its errors in a user's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pypylon import genicam, pylon

from rig.cameras.features import Feature
from rig.cameras.nodes import Allowed, Nodes, Refused
from rig.errors import DeviceNotFound, DeviceNotReady
from rig.pixels import PixelFormat
from rig.streams import Picture

VERSION = str(pylon.GetPylonVersionString())
NO_BLOCK_ID = 2**64 - 1
RENAMED = {"RGB8Packed": "RGB8", "BGR8Packed": "BGR8"}  # pixel formats of older cameras, with their present names
OTHER_PROGRAM = "Close other programs that use it, such as pylon Viewer"


class PylonNodes(Nodes):
    """A node map of pylon."""

    _KINDS: tuple[tuple[Any, type[Feature]], ...] = (
        (pylon.EnumParameter, str), (pylon.BooleanParameter, bool), (pylon.IntegerParameter, int),
        (pylon.FloatParameter, float), (pylon.StringParameter, str),
    )  # fmt: skip

    def __init__(self, node_map: Any) -> None:
        self._map = node_map

    def names(self) -> list[str]:
        """All features, sorted."""
        nodes = (node.GetNode() for node in self._map.GetNodes())
        return sorted(node.GetName() for node in nodes if node.IsFeature())

    def is_there(self, name: str) -> bool:
        """See Nodes.is_there."""
        return bool(genicam.IsImplemented(self._map.GetNode(name)))

    def is_writable(self, name: str) -> bool:
        """See Nodes.is_writable."""
        return bool(genicam.IsWritable(self._map.GetNode(name)))

    def read(self, name: str) -> Feature | None:
        """See Nodes.read."""
        node = self._map.GetNode(name)
        kind = self._kind(node)
        if kind is None or not genicam.IsReadable(node):
            return None
        try:
            value = kind(node.Value)
            return self._present(name, value) if isinstance(value, str) else value
        except genicam.GenericException:
            return None

    def write(self, name: str, value: Feature) -> None:
        """See Nodes.write."""
        node = self._map.GetNode(name)
        try:
            if name == "PixelFormat":
                value = next((word for word in node.Symbolics if self._present(name, word) == value), value)
            node.Value = float(value) if self._kind(node) is float else value
        except genicam.GenericException as error:
            raise Refused(text_of(error)) from None

    def execute(self, name: str) -> None:
        """See Nodes.execute."""
        try:
            self._map.GetNode(name).Execute()
        except genicam.GenericException as error:
            raise Refused(text_of(error)) from None

    def allowed(self, name: str) -> Allowed:
        """See Nodes.allowed."""
        node = self._map.GetNode(name)
        kind = self._kind(node)
        try:
            if kind is int:
                return Allowed(int, node.Min, node.Max, node.Inc)
            if kind is float:
                return Allowed(float, node.Min, node.Max)
            if isinstance(node, pylon.EnumParameter):
                return Allowed(str, choices=tuple(self._present(name, word) for word in node.Symbolics))
        except genicam.GenericException:
            pass  # it does not say now
        return Allowed(kind or str)

    def _present(self, name: str, word: str) -> str:
        """How a value is called now."""
        return RENAMED.get(word, word) if name == "PixelFormat" else word

    def _kind(self, node: Any) -> type[Feature] | None:
        return next((kind for parameter, kind in self._KINDS if isinstance(node, parameter)), None)


def text_of(error: Exception) -> str:
    """What went wrong, without the place in pylon's source code."""
    return re.split(r" : \w+ thrown", str(error))[0].strip().rstrip(".")


def damage(result: Any, whole_bytes: int) -> str:
    """What is wrong with a buffer, in pylon's words; empty when it holds a whole picture."""
    if not result.GrabSucceeded():
        return f"0x{result.ErrorCode & 0xFFFFFFFF:08X} {result.ErrorDescription}"
    if result.PaddingX or result.GetImageMemoryView().nbytes < whole_bytes:
        return f"its rows are padded by {result.PaddingX} bytes, or it is smaller than {whole_bytes} bytes"
    return "it has no block ID" if result.BlockID == NO_BLOCK_ID else ""


def picture(result: Any, pixel_format: PixelFormat, height: int, width: int) -> Picture:
    """A buffer's own memory as an array of the format's shape; zeros where it does not hold a whole picture.

    It is valid as long as the grab result is neither released nor dropped.
    """
    shape = pixel_format.shape(height, width)
    view = result.GetImageMemoryView()
    if view.nbytes < pixel_format.size(height, width):
        return np.zeros(shape, pixel_format.dtype)
    return np.frombuffer(view, pixel_format.dtype, int(np.prod(shape))).reshape(shape)


def devices() -> list[Any]:
    """All cameras that pylon finds. Raises DeviceNotReady when it cannot look."""
    try:
        return list(pylon.TlFactory.GetInstance().EnumerateDevices())
    except genicam.GenericException as error:
        raise DeviceNotReady("pylon", "cannot look for cameras", value=text_of(error)) from None


@contextmanager
def opened(serial: str) -> Iterator[tuple[Any, PylonNodes]]:
    """Any camera by its serial number, with its present features. Raises DeviceNotFound or DeviceNotReady."""
    there = {device.GetSerialNumber(): device for device in devices()}
    if serial not in there:
        raise DeviceNotFound(f"camera {serial}", "is not there", allowed=f"found: {', '.join(there) or 'no camera'}")
    camera = pylon.InstantCamera()
    try:
        camera.Attach(pylon.TlFactory.GetInstance().CreateDevice(there[serial]))
        camera.RegisterConfiguration(
            pylon.ConfigurationEventHandler(), pylon.RegistrationMode_ReplaceAll, pylon.Cleanup_Delete
        )
        camera.Open()
        yield camera, PylonNodes(camera.GetNodeMap())
    except genicam.GenericException as error:
        raise DeviceNotReady(f"camera {serial}", "does not obey", value=text_of(error), hint=OTHER_PROGRAM) from None
    finally:
        camera.DestroyDevice()

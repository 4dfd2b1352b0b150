"""Basler cameras that no rig.yaml names yet: which are there, a picture of one, its features."""

from __future__ import annotations

from pypylon import pylon

from rig.cameras.basler import family
from rig.cameras.basler.pylon import damage, devices, opened, picture
from rig.cameras.found import FeatureRow, FoundCamera
from rig.config.backends import BASLER, EMULATION
from rig.errors import DeviceNotReady
from rig.pixels import FORMATS, IN_WORDS, Snapshot

SNAPSHOT_S = 5.0


def find() -> list[FoundCamera]:
    """All Basler cameras that answer; emulated ones only if the environment asks for them: see `emulation`."""
    return [
        FoundCamera(
            backend=EMULATION if device.GetDeviceClass() == family.EMULATED else BASLER,
            vendor=device.GetVendorName(),
            model=device.GetModelName(),
            serial=device.GetSerialNumber(),
            user_id=device.GetUserDefinedName(),
            interface=family.INTERFACES.get(device.GetDeviceClass(), device.GetDeviceClass()),
            is_simulated=device.GetDeviceClass() == family.EMULATED,
        )
        for device in devices()
    ]


def snapshot(serial: str) -> Snapshot:
    """One picture in free run, with the camera's present features, which are as they were afterwards.

    Raises DeviceNotFound, or DeviceNotReady when no picture comes or it is of an unknown format.
    """
    with opened(serial) as (camera, nodes), nodes.selected("TriggerSelector", "FrameStart"):
        name = str(nodes.read("PixelFormat"))
        if name not in FORMATS:
            raise DeviceNotReady(f"camera {serial}", "is no pixel format of ours", value=name, allowed=IN_WORDS)
        with nodes.selected("TriggerMode", "Off"):
            camera.StartGrabbingMax(1)
            result = camera.RetrieveResult(int(SNAPSHOT_S * 1000), pylon.TimeoutHandling_Return)
            camera.StopGrabbing()
        height, width = int(nodes.number("Height") or 0), int(nodes.number("Width") or 0)
        problem = damage(result, FORMATS[name].size(height, width)) if result.IsValid() else "no picture came"
        if problem:
            raise DeviceNotReady(f"camera {serial}", problem, hint="Take its trigger cable off and try again")
        taken = picture(result, FORMATS[name], height, width).copy()
        result.Release()
        return Snapshot(taken, FORMATS[name], height, width)


def dump(serial: str) -> list[FeatureRow]:
    """All features of a camera that can be read, sorted by name. Raises DeviceNotFound or DeviceNotReady."""
    with opened(serial) as (_, nodes):
        values = {name: nodes.read(name) for name in nodes.names()}
        return [
            FeatureRow(name, value, str(nodes.allowed(name)), nodes.is_writable(name))
            for name, value in values.items()
            if value is not None
        ]

"""Grabbing: a frame from its camera, with the checksum that goes with it from there on."""

from __future__ import annotations

from collections.abc import Iterator

import xxhash

from rig.cameras.camera import Camera
from rig.record.telemetry import Telemetry
from rig.streams import CameraEvent, Frame


def grab(camera: Camera, timeout_s: float, telemetry: Telemetry) -> Frame | CameraEvent | None:
    """The camera's next frame and its checksum (xxh3_64 of its bytes), or an event; None when neither came in time."""
    came = camera.grab(timeout_s)
    if isinstance(came, Frame):
        telemetry.took(came)
        came.checksum = xxhash.xxh3_64_intdigest(came.pixels.data)
    return came


def drain(camera: Camera, telemetry: Telemetry) -> Iterator[Frame | CameraEvent]:
    """All that has arrived and waits in the driver; before a camera is stopped, so that no frame is lost."""
    while (came := grab(camera, 0, telemetry)) is not None:
        yield came

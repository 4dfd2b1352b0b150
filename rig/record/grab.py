"""Grabbing: a frame from its camera, with the checksum that goes with it from there on."""

from __future__ import annotations

from collections.abc import Iterator

import xxhash

from rig.cameras.camera import Camera
from rig.streams import Frame


def grab(camera: Camera, timeout_s: float) -> Frame | None:
    """The camera's next frame and its checksum (xxh3_64 of its bytes); None when none came in time."""
    frame = camera.grab(timeout_s)
    if frame is not None:
        frame.checksum = xxhash.xxh3_64_intdigest(frame.pixels.data)
    return frame


def drain(camera: Camera) -> Iterator[Frame]:
    """All frames that have arrived and wait in the driver; before a camera is stopped, so that none is lost."""
    while (frame := grab(camera, 0)) is not None:
        yield frame

"""Cameras armed for a test of the rig: all at once, and stopped in any case; their frames as they wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rig.cameras.camera import Camera
from rig.streams import Frame

GRAB_S = 0.005  # from one look at what waits to the next


@contextmanager
def armed(cameras: Mapping[str, Camera]) -> Iterator[list[Camera]]:
    """All cameras, armed; at the end those that could be are stopped. Raises DeviceNotReady and DeviceLost."""
    found: list[Camera] = []
    try:
        for camera in cameras.values():
            camera.arm(0)
            found.append(camera)
        yield found
    finally:
        for camera in found:
            camera.stop()


def frames_waiting(cameras: Sequence[Camera]) -> Iterator[Frame]:
    """Every frame that waits, camera by camera; its buffer is given back before the next one."""
    for camera in cameras:
        while (came := camera.grab(0)) is not None:
            if isinstance(came, Frame):
                yield came
                camera.release(came)

"""One picture of each camera of a rig, exposed by the rig's own pulses, as in a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from rig.cameras.camera import Camera
from rig.clock import Clock
from rig.errors import DeviceNotReady
from rig.streams import Frame, Picture, Status
from rig.trigger.box import PulsePlan, TriggerBox
from rig.trigger.trial import run_box

WITHIN_S = 3.0  # the preamble is through after seven slowest periods, 1.8 s at most
GRAB_S = 0.005


def take_pictures(
    cameras: Mapping[str, Camera],
    box: TriggerBox,
    clock: Clock,
    plan: PulsePlan,
    *,
    is_ended: Callable[[], bool] = lambda: False,
) -> dict[str, Picture]:
    """Arm all cameras, send pulses until each has given a picture, and return copies of them by stream.

    Blocks for some seconds, or until `is_ended()`; then some may be missing. Raises DeviceNotReady naming the cameras
    that gave none within WITHIN_S, and DeviceLost; the cameras are stopped in any case.
    """
    pictures: dict[str, Picture] = {}
    armed: list[Camera] = []

    def is_enough(seconds: float) -> bool:
        return is_ended() or len(pictures) == len(cameras) or seconds > WITHIN_S

    try:
        for camera in cameras.values():
            camera.arm(0)
            armed.append(camera)
        turns = run_box(box, clock, plan, is_enough, each_turn=lambda: _grab_waiting(armed, pictures), turn_s=GRAB_S)
        with closing(turns) as events:
            for _ in events:
                pass
    finally:
        for camera in armed:
            camera.stop()
    missing = [name for name in cameras if name not in pictures]
    if missing and not is_ended():
        hint = "Find out by: rig box selftest --cameras"
        raise DeviceNotReady(f"camera {' and '.join(missing)}", f"no picture came within {WITHIN_S:g} s", hint=hint)
    return {name: pictures[name] for name in cameras if name in pictures}


def _grab_waiting(cameras: Sequence[Camera], pictures: dict[str, Picture]) -> None:
    """Take every frame that waits, keep the newest picture of each camera, and give its buffer back."""
    for camera in cameras:
        while (came := camera.grab(0)) is not None:
            if isinstance(came, Frame):
                if came.status is Status.OK:
                    pictures[camera.name] = came.pixels.copy()
                camera.release(came)

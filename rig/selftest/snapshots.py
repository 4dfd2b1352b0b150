"""One picture of each camera of a rig, exposed by the rig's own pulses, as in a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial

from rig.cameras.camera import Camera
from rig.clock import Clock
from rig.errors import DeviceNotReady
from rig.selftest.armed import GRAB_S, armed, frames_waiting
from rig.streams import Picture, Status
from rig.trigger.box import PulsePlan, TriggerBox
from rig.trigger.trial import run_box

WITHIN_S = 3.0  # the preamble is through after seven slowest periods, 1.8 s at most


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

    def is_enough(seconds: float) -> bool:
        return is_ended() or len(pictures) == len(cameras) or seconds > WITHIN_S

    with armed(cameras) as all_armed:
        grab = partial(_grab_waiting, all_armed, pictures)
        with closing(run_box(box, clock, plan, is_enough, each_turn=grab, turn_s=GRAB_S)) as events:
            for _ in events:
                pass
    missing = [name for name in cameras if name not in pictures]
    if missing and not is_ended():
        hint = "Find out by: rig box selftest --cameras"
        raise DeviceNotReady(f"camera {' and '.join(missing)}", f"no picture came within {WITHIN_S:g} s", hint=hint)
    return {name: pictures[name] for name in cameras if name in pictures}


def _grab_waiting(cameras: Sequence[Camera], pictures: dict[str, Picture]) -> None:
    """Take every frame that waits, and keep the newest picture of each camera."""
    for frame in frames_waiting(cameras):
        if frame.status is Status.OK:
            pictures[frame.stream] = frame.pixels.copy()

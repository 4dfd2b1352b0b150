"""A camera that is played: the frames of a recorded run come again, each when the clock comes to its time.

    arm(epoch) --> what it said when it was armed for that epoch --> its frames, its events, its loss --> stop

Numbers, ticks, counter and pictures are the recorded ones, and what was lost is lost again. Nothing is asked of a
device, so nothing is read back from one. A frame that finds all buffers held is lost, as with any camera; a frame that
was not stored on purpose comes for its numbers' sake, without a picture (`has_picture`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from rig.cameras.camera import AtStop, Baseline, Camera, CameraInfo, device_name
from rig.cameras.recorded import NOT_STORED, Arm, CameraTold, RecordedCamera, RecordedFrame
from rig.clock import NS
from rig.errors import DeviceLost
from rig.pixels import FORMATS
from rig.session.playback import Playback, Tape
from rig.streams import CameraEvent, Frame, Status

# An attempt so short before it was armed is the one with which it came back: recorders try again every half a second.
ARMING_NS = NS * 9 // 20
CHANGED = "its picture in the recorded run is not what the camera delivered"


class ReplayedCamera(Camera):
    """A camera of a recorded run."""

    def __init__(self, name: str, playback: Playback, *, buffers: int, recorded: RecordedCamera | None = None) -> None:
        """`buffers`: so many frames can be held at once. `recorded`: what it plays, if not the camera of that name."""
        self.name = name
        self._playback, self._recorded = playback, recorded or RecordedCamera(name, playback)
        self._info = self._recorded.info()
        form = FORMATS[self._info.pixel_format]
        self._shape, self._dtype = form.shape(self._info.height, self._info.width), form.dtype
        self._free = deque(range(buffers))  # taken by the camera's thread, given back by others
        self._arm: Arm | None = None
        self._tape: Tape[CameraTold] = playback.tape(())
        self._lost: DeviceLost | None = None

    def describe(self) -> CameraInfo:
        """See Camera.describe: the recorded camera, and that it is played."""
        if self._lost is not None:
            raise self._lost
        return self._info

    def arm(self, epoch: int) -> Baseline:
        """See Camera.arm. Returns when it was armed then; a camera that was lost is back no sooner than it was."""
        self._playback.begin()
        self._tape.drop()
        self._arm = arm = self._recorded.arm(epoch)
        shift_ns, now_ns = self._playback.shift_ns, self._playback.clock.now_ns()
        is_away = arm is not None and now_ns < arm.armed_host_ns + shift_ns - ARMING_NS
        if arm is None or (self._lost is not None and is_away):
            raise self._gone(epoch)
        self._playback.wait_until(arm.armed_host_ns)
        self._tape, self._lost = self._playback.tape(arm.happenings), None
        pairs = tuple(pair.moved(shift_ns) for pair in arm.baseline.clock_pairs)
        return replace(arm.baseline, clock_pairs=pairs)

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        """See Camera.grab."""
        if self._lost is not None:
            raise self._lost
        self._tape.wait(timeout_s)
        while (came := self._tape.next()) is not None:
            match came[1]:
                case DeviceLost() as lost:
                    self._tape.drop()
                    self._lost = lost
                    raise lost
                case CameraEvent() as event:
                    return replace(event, arrived_host_ns=event.arrived_host_ns + self._playback.shift_ns)
                case RecordedFrame() as recorded if self._free and not self._is_beyond(recorded):
                    return self._frame(recorded)
        return None

    def _is_beyond(self, recorded: RecordedFrame) -> bool:
        """Whether it is of a pulse after the end of a run that was stopped early."""
        end = self._playback.end
        return end is not None and int(recorded.row["pulse_number"]) >= end.pulses

    def _frame(self, recorded: RecordedFrame) -> Frame:
        row, status, error = recorded.row, Status(int(recorded.row["status"])), recorded.error
        pixels = np.zeros(self._shape, self._dtype)
        if recorded.index != NOT_STORED and self._arm is not None and not self._arm.read(recorded.index, pixels):
            status, error = Status.DAMAGED, CHANGED
        return Frame(
            stream=self.name,
            epoch=int(row["epoch"]),
            frame_number=int(row["frame_number"]),
            camera_ticks=int(row["camera_ticks"]),
            counter=int(row["counter"]),
            exposure_us=float(row["exposure_us"]),
            line_status=int(row["line_status"]),
            status=status,
            error=error,
            arrived_host_ns=int(row["arrived_host_ns"]) + self._playback.shift_ns,
            pixels=pixels,
            slot=self._free.popleft(),
            has_picture=recorded.index != NOT_STORED,
        )

    def release(self, frame: Frame) -> None:
        """See Camera.release."""
        self._free.append(frame.slot)

    def stop(self) -> AtStop:
        """See Camera.stop. Where all was played, it returns when it had stopped then.

        How it read then is not told of a run that was stopped earlier.
        """
        if self._lost is not None:
            raise self._lost
        assert self._arm is not None  # the seam: stop follows arm
        is_over, stopped = self._tape.next_host_ns() is None, self._arm.stopped()
        self._tape.drop()
        if stopped is None or self._playback.end is not None:
            return AtStop({})
        if is_over:
            self._playback.wait_until(stopped[0])
        return AtStop(
            stopped[1].features, tuple(pair.moved(self._playback.shift_ns) for pair in stopped[1].clock_pairs)
        )

    def close(self) -> None:
        """See Camera.close. The recording is its owner's."""

    def _gone(self, epoch: int) -> DeviceLost:
        """It was not there, or not any more, in the recorded run."""
        if self._lost is None:
            problem = f"was not armed for epoch {epoch} in the recorded run"
            self._lost = DeviceLost(device_name(self.name, self._info.serial), problem)
        return self._lost

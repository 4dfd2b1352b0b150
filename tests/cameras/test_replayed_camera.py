"""The contract of a camera, taken by that of a recorded run; what it plays, against the file by plain h5py."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.cameras.camera import Baseline
from rig.cameras.recorded import RecordedFrame
from rig.cameras.replayed import ReplayedCamera
from rig.clock import NS, VirtualClock
from rig.errors import DeviceLost, RigError, Truncated
from rig.session.playback import Playback
from rig.streams import CameraEvent, Frame, Status
from rig.testing.camera import Bench, CameraContract
from tests.cameras.replayed import Bare, GrowingCamera, replayed_bench
from tests.rigs import record, write_protocol, write_rig

BUFFERS = 40


class TestReplayedCamera(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return replayed_bench()


class SharesOneBuffer(ReplayedCamera):
    def _frame(self, recorded: RecordedFrame) -> Frame:
        frame = super()._frame(recorded)
        self.shared = getattr(self, "shared", frame.pixels)
        self.shared[...] = frame.pixels
        return replace(frame, pixels=self.shared)


class HasBuffersWithoutEnd(ReplayedCamera):
    def _frame(self, recorded: RecordedFrame) -> Frame:
        self._free.append(99)
        return super()._frame(recorded)


class ForgetsBuffers(ReplayedCamera):
    def release(self, frame: Frame) -> None:
        pass


class KeepsTheTapeOfTheArmBefore(ReplayedCamera):
    def arm(self, epoch: int) -> Baseline:
        before = self._tape
        baseline = super().arm(epoch)
        self._tape = before if epoch else self._tape
        return baseline


class IsBackAtOnce(ReplayedCamera):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            return None


class ForgetsTheShift(ReplayedCamera):
    def _frame(self, recorded: RecordedFrame) -> Frame:
        frame = super()._frame(recorded)
        return replace(frame, arrived_host_ns=frame.arrived_host_ns - self._playback.shift_ns)


class TellsAPictureBeforeItsTime(ReplayedCamera):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        due_ns = self._tape.next_host_ns()
        if due_ns is not None:
            self._playback.clock.sleep_until(due_ns)
        return super().grab(0)


class HidesDamage(ReplayedCamera):
    def _frame(self, recorded: RecordedFrame) -> Frame:
        return replace(super()._frame(recorded), status=Status.OK, error="")


MUTANTS = [
    (SharesOneBuffer, "test_a_held_picture_is_never_overwritten"),
    (HasBuffersWithoutEnd, "test_a_full_pool_loses_frames_and_the_numbers_show_the_hole"),
    (ForgetsBuffers, "test_buffers_are_given_back_in_any_order"),
    (KeepsTheTapeOfTheArmBefore, "test_no_frame_of_an_earlier_epoch_comes_after_rearming"),
    (IsBackAtOnce, "test_a_lost_camera_is_named"),
    (ForgetsTheShift, "test_a_frame_arrives_after_its_exposure"),
    (TellsAPictureBeforeItsTime, "test_waiting_for_nothing_ends_in_time"),
    (HidesDamage, "test_a_damaged_frame_says_so_and_gives_its_buffer_back"),
]


@pytest.mark.parametrize(("mutant", "test"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_replayed_camera_that_misbehaves_fails_the_test_that_forbids_it(
    mutant: type[ReplayedCamera], test: str
) -> None:
    class Taken(CameraContract):
        def bench(self) -> AbstractContextManager[Bench]:
            return replayed_bench(mutant)

    with pytest.raises((AssertionError, RigError)):
        getattr(Taken(), test)()


def test_a_lost_camera_is_back_with_the_attempt_that_brought_it_back_then() -> None:
    """A recorder asks every half a second; an attempt that fails then fails now, whenever exactly it comes."""
    clock = VirtualClock(100 * NS)
    recorded = GrowingCamera(clock)
    camera = ReplayedCamera("HS", Bare(clock), buffers=BUFFERS, recorded=recorded)
    camera.arm(0)
    recorded.unplug()
    with pytest.raises(DeviceLost):
        camera.grab(1)
    recorded.replug()
    back_ns = clock.now_ns() + NS
    recorded.arms_at(back_ns)
    for waits_s, is_back in ((0.0, False), (0.5, False), (0.7, True)):
        clock.sleep_until(back_ns - NS + round(waits_s * NS))
        if is_back:
            assert camera.arm(1).epoch == 1
            assert clock.now_ns() == back_ns
        else:
            with pytest.raises(DeviceLost):
                camera.arm(1)


# --- a run file ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    faults = "lost_frames: 2, damaged_frames: 1, overheatings: 1, first_pulse: 20, last_pulse: 140"
    rig, protocol = write_rig(folder, faults=faults), write_protocol(folder, ("still", 1.5, "all"))
    return record(folder, rig, protocol).path


@pytest.fixture
def playback(recorded: Path) -> Iterator[Playback]:
    with closing(Playback(recorded, VirtualClock(5 * NS))) as opened:
        yield opened


def played(playback: Playback, name: str, *, holds: bool = False) -> tuple[list[Frame], list[CameraEvent]]:
    """What a camera tells in its two epochs, each released at once unless it is held."""
    camera = ReplayedCamera(name, playback, buffers=BUFFERS)
    frames, events = list[Frame](), list[CameraEvent]()
    for epoch in (0, 1):
        camera.arm(epoch)
        while camera._tape.next_host_ns() is not None:
            match camera.grab(1):
                case Frame() as frame:
                    frames.append(frame)
                    if not holds:
                        camera.release(frame)
                case CameraEvent() as event:
                    events.append(event)
        camera.stop()
    return frames, events


def whole(frames: list[Frame], epoch: int) -> list[Frame]:
    return [frame for frame in frames if frame.status is Status.OK and frame.epoch == epoch]


@pytest.mark.parametrize("name", ["HS", "NIR"])
def test_it_plays_the_frames_that_are_in_the_file(recorded: Path, playback: Playback, name: str) -> None:
    frames, _ = played(playback, name)
    with h5py.File(recorded, locking=False) as file:
        for epoch, group in ((0, "line_walk"), (1, "acquisition")):
            rows, data = file[f"/{group}/{name}/frames"][:], file[f"/{group}/{name}/data"][:]
            rows = rows[rows["seq"] > 0]
            own = whole(frames, epoch)
            assert np.array_equal(np.stack([frame.pixels for frame in own]), data[: len(rows)])
            for field in ("frame_number", "camera_ticks", "counter", "exposure_us", "line_status"):
                assert [getattr(frame, field) for frame in own] == rows[field].tolist(), field
            shifts = {
                frame.arrived_host_ns - int(then) for frame, then in zip(own, rows["arrived_host_ns"], strict=True)
            }
            assert shifts == {playback.shift_ns}
            assert playback.shift_ns != 0


def test_it_plays_damaged_frames_and_what_the_camera_noticed(playback: Playback) -> None:
    told = {name: played(playback, name) for name in ("HS", "VIS", "NIR")}
    damaged = [frame for frames, _ in told.values() for frame in frames if frame.status is Status.DAMAGED]
    logged = playback.run.log_of("damaged")
    assert [(frame.stream, frame.frame_number, frame.error) for frame in damaged] == [
        (entry["stream"], entry["frame_number"], entry["text"]) for entry in logged
    ]
    events = [(event.stream, event.text, event.value) for _, events in told.values() for event in events]
    assert events == [(entry["stream"], entry["text"], entry["value"]) for entry in playback.run.log_of("camera_event")]
    assert damaged
    assert events


def test_a_picture_that_was_changed_in_the_file_is_played_as_damaged(recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    shutil.copyfile(recorded, copy)
    with h5py.File(copy, locking=False) as file:
        offset = file["/acquisition/HS/data"].id.get_chunk_info_by_coord((7, 0, 0)).byte_offset
        number = int(file["/acquisition/HS/frames"][7]["frame_number"])
    with copy.open("r+b") as raw:
        raw.seek(offset + 100)
        raw.write(b"\x00\xff\x00")
    with closing(Playback(copy, VirtualClock())) as playback:
        frames, _ = played(playback, "HS")
    errors = {frame.frame_number: frame.error for frame in frames if frame.status is Status.DAMAGED and frame.epoch}
    assert errors[number] == "its picture in the recorded run is not what the camera delivered"


def test_what_finds_all_buffers_held_is_lost(playback: Playback) -> None:
    frames, _ = played(playback, "HS", holds=True)
    assert len(frames) == BUFFERS


def test_it_says_that_it_is_played_and_of_which_run(playback: Playback) -> None:
    info = ReplayedCamera("HS", playback, buffers=BUFFERS).describe()
    assert (info.serial, info.simulated, info.width, info.pixel_format) == ("SIM-HS", True, 96, "Mono8")
    assert info.capabilities["replayed_from"] == "sub-001_ses-01_run-01"


def test_an_epoch_that_was_never_armed_cannot_be(playback: Playback) -> None:
    camera = ReplayedCamera("HS", playback, buffers=BUFFERS)
    with pytest.raises(DeviceLost, match=r"camera HS \(SIM-HS\): was not armed for epoch 2 in the recorded run"):
        camera.arm(2)


def test_a_file_that_tells_nonsense_of_a_camera_is_an_error_about_the_file(playback: Playback) -> None:
    for entry in playback.run.log_of("armed", "HS"):
        del entry["baseline"]["counter"]
    camera = ReplayedCamera("HS", playback, buffers=BUFFERS)
    with pytest.raises(Truncated, match=r"session.h5: what a device told: cannot be read"):
        camera.arm(0)

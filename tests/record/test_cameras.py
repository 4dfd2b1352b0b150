"""The core's cameras: damaged frames, what a camera says of itself, and one that is lost and comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from rig.cameras.camera import AtStop, Baseline
from rig.errors import DeviceLost, DeviceNotReady
from rig.record.messages import (
    AppendText,
    ArmCamera,
    Armed,
    CloseFile,
    DeviceFailed,
    ReleaseFrame,
    StartBox,
    StopCamera,
    Stopped,
    StopRequested,
    StoreFrame,
    Tick,
)
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import StepEnded
from rig.streams import CameraEvent, CameraEventKind, Status
from rig.trigger.box import RunEnded
from tests.record.test_run import RUN, STREAMS, Rehearsal, frame

S = 1_000_000_000


@pytest.fixture
def recording(tmp_path) -> Rehearsal:
    rehearsal = Rehearsal(tmp_path)
    rehearsal.begin()
    return rehearsal


def gone(rehearsal: Rehearsal, name: str = "VIS") -> None:
    rehearsal.tell(DeviceFailed(name, DeviceLost(f"camera {name}", "is gone")))


def of_vis(alarms: Iterable[str]) -> list[str]:
    return [alarm for alarm in alarms if alarm.startswith("VIS")]


def records(rehearsal: Rehearsal, kind: str) -> list[dict]:
    return [a.record for a in rehearsal.asked(AppendText) if a.record["kind"] == kind]


def event(kind: CameraEventKind, value: float | None = None) -> CameraEvent:
    return CameraEvent("HS", kind, "text", value, 5, 6)


def test_a_frame_that_comes_before_all_are_armed_is_an_extra(tmp_path):
    """A ghost, or one left over from the line walk; the others go on to be armed."""
    rehearsal = Rehearsal(tmp_path)
    rehearsal.walk(armed=STREAMS[:1])
    early = frame("HS", 1, 0, 0)
    rehearsal.tell(early)
    assert rehearsal.asked(StoreFrame)
    rehearsal.arm(1, STREAMS[1:])
    assert rehearsal.asked(StartBox)
    assert list(rehearsal.run.counts) == list(STREAMS)


def test_a_damaged_frame_is_given_back_and_logged_with_its_number_and_text(recording):
    damaged = replace(frame("HS", 1, 7, 0), status=Status.DAMAGED, error="0xE1000014: incomplete")
    recording.tell(damaged)
    assert recording.asked(ReleaseFrame) == [ReleaseFrame(damaged)]
    assert not recording.asked(StoreFrame)
    (record,) = records(recording, "damaged")
    assert (record["frame_number"], record["text"]) == (7, "0xE1000014: incomplete")


def test_many_damaged_frames_are_one_alarm_with_a_running_count(recording):
    for number in range(30):
        recording.tell(replace(frame("HS", 1, number, 0), status=Status.DAMAGED, error=f"error {number}"))
    assert recording.run.alarms == ["HS: damaged frames: 30 so far"]


def test_overtriggers_and_overruns_alarm_once_each_with_their_count_and_temperature_is_logged_alone(recording):
    for kind in (CameraEventKind.OVERTRIGGER, CameraEventKind.OVERTRIGGER, CameraEventKind.OVERRUN):
        recording.tell(event(kind))
    recording.tell(event(CameraEventKind.TEMPERATURE, 71.5))
    (record,) = records(recording, "camera_event")
    assert (record["what"], record["value"]) == (CameraEventKind.TEMPERATURE, 71.5)
    assert recording.run.alarms == ["HS: triggers that came too early: 2 so far", "HS: overruns: 1 so far"]


def test_a_lost_camera_is_asked_to_arm_for_a_new_epoch_again_and_again(recording):
    gone(recording)
    asked = []
    for _ in range(4):
        recording.tell(Tick(), 0.6)
        asked += recording.asked(ArmCamera)
        gone(recording)
    assert asked == [ArmCamera("VIS", 2)] * 4
    assert [alarm for alarm in recording.run.alarms if "gone" in alarm] == ["VIS: camera VIS: is gone"]


def test_it_is_not_asked_again_while_it_has_not_answered(recording):
    gone(recording)
    recording.tell(Tick(), 0.6)
    assert recording.asked(ArmCamera)
    recording.tell(Tick(), 5.0)
    assert not recording.asked(ArmCamera)


def test_a_camera_that_is_there_again_but_refuses_a_feature_is_told_with_its_reason(recording):
    gone(recording)
    recording.tell(DeviceFailed("VIS", DeviceNotReady("camera VIS: ExposureTime", "is out of range")))
    assert "VIS: camera VIS: ExposureTime: is out of range" in recording.run.alarms
    recording.tell(Tick(), 0.6)
    assert recording.asked(ArmCamera) == [ArmCamera("VIS", 2)]


def test_when_it_is_back_its_alarm_stands_no_more_and_another_loss_is_another_alarm(recording):
    gone(recording)
    recording.tell(Tick(), 0.6)
    recording.tell(Armed("VIS", Baseline(2, 0, S, -1, "", {})))
    assert of_vis(recording.run.standing_alarms) == []
    gone(recording)
    assert of_vis(recording.run.alarms) == ["VIS: camera VIS: is gone"] * 2
    assert of_vis(recording.run.standing_alarms) == ["VIS: camera VIS: is gone"]
    recording.tell(Tick(), 0.6)
    assert recording.asked(ArmCamera) == [ArmCamera("VIS", 3)]


def end(rehearsal: Rehearsal, streams: tuple[str, ...]) -> None:
    for step in range(2):
        rehearsal.tell(StepEnded(step, rehearsal.now, "time"))
    rehearsal.tell(RunEnded(RUN, 100, 0, rehearsal.now))
    rehearsal.tell(Tick(), 1.0)
    for name in streams:
        rehearsal.tell(Stopped(name, AtStop({})))


def test_a_run_whose_camera_came_back_ends_as_finished_and_one_whose_camera_did_not_as_device_lost(tmp_path):
    for returns, outcome in ((True, Outcome.FINISHED), (False, Outcome.DEVICE_LOST)):
        rehearsal = Rehearsal(tmp_path)
        rehearsal.begin()
        gone(rehearsal)
        if returns:
            rehearsal.tell(Tick(), 0.6)
            rehearsal.tell(Armed("VIS", Baseline(2, 0, S, -1, "", {})))
        end(rehearsal, STREAMS if returns else ("HS", "NIR"))
        assert rehearsal.asked(CloseFile) == [CloseFile(outcome)]


def test_a_camera_that_is_back_only_after_the_stop_is_stopped_at_once_and_ends_nothing(recording):
    gone(recording)
    recording.tell(Tick(), 0.6)
    recording.tell(StopRequested())
    recording.tell(Armed("VIS", Baseline(2, 0, S, -1, "", {})))
    assert recording.asked(StopCamera) == [StopCamera("VIS")]
    recording.tell(Stopped("VIS", AtStop({})))
    assert recording.run.state is RunState.DRAINING


def test_a_camera_lost_while_the_run_drains_does_not_end_it_before_the_others_have_stopped(recording):
    recording.tell(StopRequested())
    gone(recording)
    assert recording.run.state is RunState.DRAINING
    recording.tell(RunEnded(RUN, 100, 0, recording.now))
    recording.tell(Tick(), 1.0)
    assert {a.stream for a in recording.asked(StopCamera)} == {"HS", "NIR"}


def test_without_any_camera_the_run_waits_a_minute_for_one_and_then_ends(recording):
    for name in STREAMS:
        gone(recording, name)
    recording.tell(Tick(), 50.0)
    assert recording.run.state is RunState.RECORDING
    recording.tell(Tick(), 15.0)
    assert recording.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]

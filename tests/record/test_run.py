"""The recorder's core, edge by edge of its diagram: events in, actions out, nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from rig.cameras.camera import AtStop, Baseline
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.elicitation.unroll import unroll
from rig.errors import DeviceLost, StorageError
from rig.record.messages import (
    AbortRequested,
    AbortStep,
    AppendRow,
    AppendText,
    ArmCamera,
    Armed,
    CloseFile,
    DeviceFailed,
    PingBox,
    ReleaseFrame,
    ShowStep,
    StartBox,
    StopBox,
    StopCamera,
    Stopped,
    StopRequested,
    StoreFrame,
    TableFull,
    Tick,
)
from rig.record.plan import plan_run
from rig.record.run import SCREEN_IS_LOST, Run
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan, StepEnded
from rig.streams import BoxStatus, Frame, Pulse, Status
from rig.trigger.box import (
    Booted,
    BoxAnswers,
    BoxSilent,
    EventsLost,
    LineReport,
    RunBegan,
    RunEnded,
    RunLeftOver,
    RunMode,
    StartRefused,
)
from tests.rigs import QUESTION, write_protocol, write_rig

STREAMS = ("HS", "VIS", "NIR")
WALK, RUN = 11, 12
BOX = "trigger box at /dev/ttyACM7"
S = 1_000_000_000
TICK_NS = S // 20


class Rehearsal:
    """A core, with a clock that moves when told."""

    def __init__(self, tmp_path, *, store: str = "all") -> None:
        protocol = write_protocol(tmp_path, ("still", 2, store))
        protocol.write_text(protocol.read_text() + QUESTION)
        rig = read_rig(write_rig(tmp_path)).rig
        steps = unroll(read_protocol(protocol).protocol, STREAMS, {})
        self.run = Run(plan_run(rig, steps), walk_id=WALK, run_id=RUN, box_name=BOX)
        self.now = S
        self.actions = self.run.begin()

    def tell(self, event: object, after_s: float = 0.001) -> list[object]:
        """Before a tick that is told late the others come as ever: this recorder is not held up."""
        at, self.actions = self.now + round(after_s * S), []
        while isinstance(event, Tick) and self.now + TICK_NS < at:
            self.now += TICK_NS
            self.actions += self.run.step(Tick(), self.now)
        self.now = at
        self.actions += self.run.step(event, self.now)
        return self.actions

    def asked(self, kind: type) -> list:
        return [a for a in self.actions if isinstance(a, kind)]

    def wait(self, seconds: float) -> None:
        """Let time pass, tick by tick; nothing else happens."""
        for _ in range(round(seconds / 0.05)):
            self.tell(Tick(), 0.05)

    def arm(self, epoch: int, streams=STREAMS) -> None:
        for name in streams:
            self.tell(Armed(name, Baseline(epoch, 0, S, -1, "", {})))

    def walk(self, armed=STREAMS) -> None:
        """To the moment at which the recording run is asked for, if all are `armed`."""
        self.arm(0)
        for line, name in enumerate(STREAMS):
            for number in range(3 + 2 * line):
                self.tell(frame(name, 0, number, number * S // 25))
        self.tell(RunEnded(WALK, 15, 0, self.now))
        self.tell(Tick(), 0.6)
        assert {a.stream for a in self.asked(StopCamera)} == set(STREAMS)
        for name in STREAMS:
            self.tell(Stopped(name, AtStop({})))
        self.arm(1, armed)

    def begin(self) -> None:
        """To the first step on the screen."""
        self.walk()
        self.tell(RunBegan(RUN, 0, self.now))
        self.tell(Tick(), 0.3)

    def drain(self, pulses: int) -> None:
        self.tell(RunEnded(RUN, pulses, 0, self.now))
        self.tell(Tick(), 1.0)
        for name in STREAMS:
            self.tell(Stopped(name, AtStop({})))


def frame(stream: str, epoch: int, number: int, ticks: int) -> Frame:
    return Frame(stream, epoch, number, ticks, -1, 1.0, 0, Status.OK, "", 0, np.zeros((64, 96), np.uint8), 0)


@pytest.fixture
def rehearsal(tmp_path) -> Rehearsal:
    return Rehearsal(tmp_path)


def alarms(rehearsal: Rehearsal) -> list[str]:
    return [a.record["text"] for a in rehearsal.asked(AppendText) if a.record["kind"] == "alarm"]


def test_begin_arms_every_camera_for_the_line_walk(rehearsal):
    assert rehearsal.run.state is RunState.ARMING
    assert rehearsal.asked(ArmCamera) == [ArmCamera(name, 0) for name in STREAMS]


def test_no_pulse_is_asked_for_before_every_camera_is_armed(rehearsal):
    rehearsal.arm(0, STREAMS[:2])
    assert not rehearsal.asked(StartBox)
    rehearsal.arm(0, STREAMS[2:])
    (start,) = rehearsal.asked(StartBox)
    assert start.run_id == WALK
    assert start.plan.mode is RunMode.WALK


def test_frames_of_the_line_walk_are_kept_apart(rehearsal):
    rehearsal.arm(0)
    rehearsal.tell(frame("NIR", 0, 0, 0))
    assert [a.path for a in rehearsal.asked(StoreFrame)] == ["/line_walk/NIR/data"]


def test_after_the_walk_cameras_are_armed_again_in_a_new_epoch_and_the_recording_run_starts(rehearsal):
    rehearsal.walk()
    (start,) = rehearsal.asked(StartBox)
    assert (start.run_id, start.plan.mode) == (RUN, RunMode.RECORD)
    assert rehearsal.run.state is RunState.ARMING
    rehearsal.tell(RunBegan(RUN, 0, rehearsal.now))
    assert rehearsal.run.state is RunState.RECORDING


@pytest.mark.parametrize("last", STREAMS)
def test_no_pulse_of_the_recording_run_is_asked_for_before_every_camera_is_armed_again(rehearsal, last):
    rehearsal.walk([name for name in STREAMS if name != last])
    assert not rehearsal.asked(StartBox)
    rehearsal.tell(Tick(), 0.5)
    assert not rehearsal.asked(StartBox)
    rehearsal.arm(1, [last])
    assert [start.run_id for start in rehearsal.asked(StartBox)] == [RUN]


def test_swapped_cables_alarm_at_the_walk_by_name(tmp_path):
    rehearsal = Rehearsal(tmp_path)
    rehearsal.arm(0)
    for name, count in (("HS", 3), ("VIS", 7), ("NIR", 5)):
        for number in range(count):
            rehearsal.tell(frame(name, 0, number, number))
    rehearsal.tell(RunEnded(WALK, 15, 0, rehearsal.now))
    rehearsal.tell(Tick(), 0.6)
    for name in STREAMS:
        rehearsal.tell(Stopped(name, AtStop({})))
    assert [a.split(":")[0] for a in rehearsal.run.alarms] == ["VIS", "NIR"]


def test_the_first_step_waits_for_the_preamble(rehearsal):
    rehearsal.walk()
    rehearsal.tell(RunBegan(RUN, 0, rehearsal.now))
    rehearsal.tell(Tick(), 0.2)
    assert not rehearsal.asked(ShowStep)
    rehearsal.tell(Tick(), 0.05)
    assert [a.step.name for a in rehearsal.asked(ShowStep)] == ["still"]


def test_the_end_of_a_step_shows_the_next_and_the_end_of_the_last_stops_the_box(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StepBegan(0, rehearsal.now))
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    assert [a.step.name for a in rehearsal.asked(ShowStep)] == ["felt-q"]
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))
    assert rehearsal.asked(StopBox)
    assert rehearsal.run.state is RunState.DRAINING


def test_drained_and_stopped_the_run_is_closed_as_finished(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))
    rehearsal.drain(100)
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.FINISHED)]
    assert rehearsal.run.state is RunState.CLOSED


def test_a_recorder_that_was_held_up_itself_takes_neither_box_nor_camera_for_late(rehearsal):
    """What they told meanwhile is read behind the tick with which it wakes."""
    rehearsal.begin()
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))
    rehearsal.wait(0.1)
    rehearsal.now += 60 * S
    rehearsal.tell(Tick())
    rehearsal.tell(RunEnded(RUN, 100, 0, rehearsal.now))
    rehearsal.wait(1.0)
    rehearsal.now += 60 * S
    rehearsal.tell(Tick())
    for name in STREAMS:
        rehearsal.tell(Stopped(name, AtStop({})))
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.FINISHED)]


def test_a_box_that_ends_its_run_unasked_is_alarmed_and_the_run_did_not_finish(rehearsal):
    rehearsal.begin()
    rehearsal.tell(RunEnded(RUN, 100, 0, rehearsal.now))
    assert alarms(rehearsal) == [f"{BOX}: ended its run without being asked to"]
    rehearsal.tell(Tick(), 1.0)
    for name in STREAMS:
        rehearsal.tell(Stopped(name, AtStop({})))
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_box_that_never_tells_its_end_is_alarmed_and_the_run_did_not_finish(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))
    rehearsal.tell(Tick(), 10.0)
    assert "did not tell the end" in alarms(rehearsal)[0]
    for name in STREAMS:
        rehearsal.tell(Stopped(name, AtStop({})))
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_cameras_that_see_nothing_of_the_walk_point_to_the_cables_and_not_to_the_box(rehearsal):
    rehearsal.arm(0)
    rehearsal.tell(RunEnded(WALK, 15, 0, rehearsal.now))
    rehearsal.tell(Tick(), 0.6)
    assert alarms(rehearsal) == ["no camera saw the line walk; check the trigger cables"]


def test_the_part_that_is_not_stored_begins_by_the_clock_when_messages_are_late(tmp_path):
    rehearsal = Rehearsal(tmp_path, store="[VIS]")
    rehearsal.walk()
    rehearsal.tell(RunBegan(RUN, 0, rehearsal.now))
    rehearsal.tell(Pulse(RUN, 0, 7, 0, rehearsal.now))
    rehearsal.now += S // 2
    rehearsal.tell(Tick())  # the first step, half a second after the last message of the box
    group = 4 * (50 // 4 + 1)
    pulses = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, *range(12, 80)]
    for number, pulse in enumerate(pulses):
        slot = [0, 1, 3][pulse // 4] if pulse < 12 else pulse // 4 + 3
        rehearsal.tell(frame("HS", 1, number, (slot * 4 + pulse % 4) * S // 100), 0)
        rows = [a.row for a in rehearsal.asked(AppendRow) if a.path == "/intervals/not_stored"]
        if rows:
            break
    assert rows[0][2] == group


def test_missing_frames_at_the_end_are_gaps(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))
    rehearsal.drain(100)
    rows = {a.path: a.row for a in rehearsal.asked(AppendRow)}
    assert rows["/acquisition/HS/gaps"][1:3] == (0, 99)
    assert rows["/acquisition/VIS/gaps"][1:3] == (0, 96)


def test_the_operators_stop_ends_in_order_and_the_second_one_at_once(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StopRequested())
    assert rehearsal.asked(StopBox)
    assert rehearsal.asked(AbortStep)
    assert rehearsal.run.state is RunState.DRAINING
    rehearsal.tell(AbortRequested())
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.STOPPED)]


def test_a_stop_while_arming_closes_at_once(rehearsal):
    rehearsal.tell(StopRequested())
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.STOPPED)]


def test_a_camera_that_fails_to_arm_ends_the_run_and_is_named(rehearsal):
    rehearsal.tell(DeviceFailed("VIS", DeviceLost("camera VIS", "is gone")))
    assert alarms(rehearsal) == ["camera VIS: is gone"]
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_camera_lost_while_recording_leaves_the_others_going(rehearsal):
    rehearsal.begin()
    rehearsal.tell(DeviceFailed("VIS", DeviceLost("camera VIS", "is gone")))
    assert rehearsal.run.state is RunState.RECORDING
    rehearsal.tell(StepEnded(0, rehearsal.now, "time"))
    rehearsal.tell(StepEnded(1, rehearsal.now, "key"))
    rehearsal.tell(RunEnded(RUN, 100, 0, rehearsal.now))
    rehearsal.tell(Tick(), 1.0)
    assert {a.stream for a in rehearsal.asked(StopCamera)} == {"HS", "NIR"}
    for name in ("HS", "NIR"):
        rehearsal.tell(Stopped(name, AtStop({})))
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_screen_that_never_ends_its_step_is_told_within_seconds_and_counts_as_lost(rehearsal):
    rehearsal.begin()
    rehearsal.wait(2.1)
    assert "screen: has said nothing for 0.8 s" in rehearsal.run.alarms
    rehearsal.wait(10)
    assert {"screen: did not end step 1", f"screen: {SCREEN_IS_LOST}"} <= set(rehearsal.run.alarms)
    assert rehearsal.run.state is RunState.RECORDING
    rehearsal.tell(StopRequested())
    rehearsal.drain(100)
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_camera_that_falls_silent_is_told_by_name(rehearsal):
    rehearsal.begin()
    for number in range(25):
        for name in ("HS", "NIR"):
            rehearsal.tell(frame(name, 1, number, number * S // 10), 0.05)
            rehearsal.tell(Tick())
    assert "VIS: has said nothing for 0.8 s" in rehearsal.run.alarms
    assert not [alarm for alarm in rehearsal.run.alarms if alarm.startswith(("HS: has", "NIR: has"))]


def test_lost_frames_are_told_by_the_name_of_their_stream(rehearsal):
    rehearsal.begin()
    pulses = [p for p in range(260) if p != 140]  # it takes a second to tell it from a clock that was set
    for number, pulse in enumerate(pulses):
        slot = [0, 1, 3][pulse // 4] if pulse < 12 else pulse // 4 + 3
        rehearsal.tell(frame("HS", 1, number, (slot * 4 + pulse % 4) * S // 100))
    assert rehearsal.run.alarms == ["HS: frames are being lost"]


def test_a_device_that_fails_while_the_run_drains_outranks_the_operators_stop(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StopRequested())
    rehearsal.tell(DeviceFailed("VIS", DeviceLost("camera VIS", "is gone")))
    assert rehearsal.run.outcome is Outcome.DEVICE_LOST


def test_room_that_is_nearly_used_up_ends_the_run_in_order_with_a_postamble(tmp_path):
    rehearsal = Rehearsal(tmp_path)
    rehearsal.begin()
    keeper = rehearsal.run.keepers["HS"]
    capacity = keeper.counts.stored + 400
    keeper._capacity = capacity
    number = 0
    while rehearsal.run.state is RunState.RECORDING:
        slot = [0, 1, 3][number // 4] if number < 12 else number // 4 + 3
        rehearsal.tell(frame("HS", 1, number, (slot * 4 + number % 4) * S // 100), 0.01)
        number += 1
    assert rehearsal.asked(StopBox)
    assert capacity - keeper.counts.stored > 100  # a second, a group and the postamble
    assert rehearsal.run.outcome is Outcome.FAILED


def test_pulses_that_were_told_and_have_no_frame_at_an_abort_are_gaps(rehearsal):
    rehearsal.begin()
    for pulse in range(20):
        rehearsal.tell(Pulse(RUN, pulse, 7 if pulse % 4 == 0 else 1, pulse * 20_000, rehearsal.now))
    rehearsal.tell(AbortRequested())
    rows = {a.path: a.row for a in rehearsal.asked(AppendRow)}
    assert rows["/acquisition/HS/gaps"][1:3] == (0, 19)
    assert rows["/acquisition/NIR/gaps"][1:3] == (0, 16)


def test_a_dead_window_does_not_end_the_recording(rehearsal):
    rehearsal.begin()
    rehearsal.tell(DeviceFailed("screen", DeviceLost("screen", "is gone")))
    assert rehearsal.run.state is RunState.RECORDING
    assert alarms(rehearsal) == ["screen: is gone", SCREEN_IS_LOST]


def test_a_lost_box_lets_frames_go_on_and_ends_when_none_comes(rehearsal):
    rehearsal.begin()
    rehearsal.tell(DeviceFailed("box", DeviceLost("box", "is gone")))
    rehearsal.tell(Tick(), 0.6)
    assert rehearsal.run.state is RunState.RECORDING
    rehearsal.tell(frame("HS", 1, 0, 0))
    rehearsal.tell(Tick(), 2.1)
    assert rehearsal.run.state is RunState.RECORDING
    rehearsal.tell(Tick(), 2.1)
    assert rehearsal.run.state is RunState.DRAINING
    rehearsal.tell(Tick(), 5.0)
    for name in STREAMS:
        rehearsal.tell(Stopped(name, AtStop({})))
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def status(run_id: int = RUN, late: int = 0) -> BoxStatus:
    return BoxStatus(run_id, 24, 26, 0, 1, late, 0, (0,) * 8, 0, 0)


def test_a_run_left_over_on_the_box_is_noted_and_ours_is_waited_for_longer(rehearsal):
    rehearsal.arm(0)
    rehearsal.tell(RunLeftOver(99))
    (note,) = rehearsal.asked(AppendText)
    assert note.record["text"] == "the box still sent run 99, which nobody listened to; it was stopped first"
    rehearsal.tell(Tick(), 15.0)
    assert rehearsal.run.state is RunState.ARMING
    rehearsal.tell(Tick(), 10.0)
    assert rehearsal.run.state is RunState.CLOSED


def test_a_box_that_does_not_answer_is_alarmed_and_the_recording_goes_on(rehearsal):
    rehearsal.begin()
    rehearsal.tell(BoxSilent(3.0))
    assert alarms(rehearsal) == [f"{BOX}: has not answered for 3 s, though its port is open; pulses may go on"]
    assert rehearsal.run.state is RunState.RECORDING


def test_pulses_that_the_box_says_were_late_are_alarmed_once(rehearsal):
    rehearsal.begin()
    rehearsal.tell(status(late=2))
    assert len(alarms(rehearsal)) == 1
    assert [a.path for a in rehearsal.asked(AppendRow)] == ["/acquisition/box_status"]
    rehearsal.tell(status(late=3))
    assert alarms(rehearsal) == []


def test_cameras_stop_when_the_last_frames_are_there_and_the_box_has_said_how_it_went(rehearsal):
    rehearsal.begin()
    rehearsal.tell(StopRequested())
    for number in range(24):
        for name in STREAMS if number % 4 == 0 else STREAMS[:1]:
            slot = (0, 1, 3, 8, 10, 11)[number // 4]
            ticks = (4 * slot + number % 4) * S // 100
            rehearsal.tell(frame(name, 1, number if name == "HS" else number // 4, ticks))
    rehearsal.tell(status())  # from before the end
    for event in (RunEnded(RUN, 24, 0, rehearsal.now), LineReport(0, 0, 0)):
        rehearsal.tell(event)
        assert not rehearsal.asked(StopCamera)
    rehearsal.tell(status())
    assert {a.stream for a in rehearsal.asked(StopCamera)} == set(STREAMS)


def test_what_went_wrong_on_the_line_is_in_the_log_at_the_end(rehearsal):
    rehearsal.begin()
    rehearsal.tell(LineReport(3, 4, 5))
    rehearsal.tell(AbortRequested())
    (line,) = [a.record for a in rehearsal.asked(AppendText) if a.record["kind"] == "line"]
    assert line == {"kind": "line", "bad_frames": 3, "foreign_events": 4, "unanswered": 5}


def test_a_table_that_is_full_is_alarmed_and_the_recording_goes_on(rehearsal):
    rehearsal.begin()
    rehearsal.tell(TableFull("/acquisition/edges"))
    assert alarms(rehearsal) == ["the room reserved for /acquisition/edges is used up; its further rows are lost"]
    assert rehearsal.run.state is RunState.RECORDING


def test_a_box_that_restarts_ends_the_run(rehearsal):
    rehearsal.begin()
    rehearsal.tell(Booted(8, "brown out"))
    assert "restarted" in alarms(rehearsal)[0]
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_refused_start_ends_the_run_with_its_reason(rehearsal):
    rehearsal.arm(0)
    rehearsal.tell(StartRefused(WALK, "base period"))
    assert "base period" in alarms(rehearsal)[0]
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_box_that_never_answers_the_start_is_named(rehearsal):
    rehearsal.arm(0)
    rehearsal.tell(Tick(), 10.0)
    assert "no answer to the start" in alarms(rehearsal)[0]
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_full_disk_ends_the_run(rehearsal):
    rehearsal.begin()
    rehearsal.tell(DeviceFailed("disk", StorageError("run.h5", "refused a write")))
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DISK_FULL)]


def test_a_frame_of_another_epoch_is_refused_and_alarmed(rehearsal):
    rehearsal.begin()
    rehearsal.tell(frame("HS", 0, 0, 0))
    assert rehearsal.asked(ReleaseFrame)
    assert not rehearsal.asked(StoreFrame)
    assert "epoch 0 in epoch 1" in alarms(rehearsal)[0]


def test_frames_after_the_end_are_given_back(rehearsal):
    rehearsal.tell(StopRequested())
    rehearsal.tell(frame("HS", 0, 0, 0))
    assert rehearsal.asked(ReleaseFrame)


def test_the_clocks_are_compared_five_times_a_second(rehearsal):
    rehearsal.begin()
    pings = sum(bool(rehearsal.tell(Tick(), 0.05)) and bool(rehearsal.asked(PingBox)) for _ in range(40))
    assert pings == pytest.approx(10, abs=1)


def test_pulses_of_walk_and_run_go_to_tables_of_their_own(rehearsal):
    rehearsal.tell(Pulse(WALK, 0, 1, 5, 6))
    assert rehearsal.asked(AppendRow)[0].path == "/line_walk/pulses"
    rehearsal.tell(Pulse(RUN, 0, 7, 5, 6))
    assert rehearsal.asked(AppendRow)[0].path == "/acquisition/pulses"


def test_a_walk_that_begins_late_is_not_given_up_while_it_runs(rehearsal):
    rehearsal.arm(0)
    rehearsal.tell(RunBegan(WALK, 0, rehearsal.now), 3.0)
    for line, name in enumerate(STREAMS):
        for number in range(3 + 2 * line):
            rehearsal.tell(frame(name, 0, number, number * S // 25), 0.04)
    rehearsal.tell(Tick(), 1.5)
    assert not rehearsal.asked(StopCamera)
    rehearsal.tell(RunEnded(WALK, 15, 0, rehearsal.now))
    rehearsal.tell(Tick(), 0.6)
    assert len(rehearsal.asked(StopCamera)) == 3
    assert rehearsal.run.alarms == []


def test_a_walk_that_never_begins_is_the_boxs_fault_and_not_a_cables(rehearsal):
    rehearsal.arm(0)
    for number in range(2):
        rehearsal.tell(frame("HS", 0, number, number))
    rehearsal.tell(Tick(), 5.1)
    assert alarms(rehearsal) == [f"{BOX}: no answer to the start; check the box's supply. Pulses may go on"]
    assert rehearsal.asked(StopBox)
    assert rehearsal.asked(CloseFile) == [CloseFile(Outcome.DEVICE_LOST)]


def test_a_box_that_tells_of_no_pulse_is_alarmed_within_a_second_until_it_tells_again(rehearsal):
    rehearsal.begin()
    rehearsal.tell(Pulse(RUN, 0, 7, 0, rehearsal.now))
    rehearsal.wait(0.75)
    silence = f"box: {BOX}: has told of no pulse for 0.8 s; pulses may go on"
    assert silence not in rehearsal.run.alarms
    rehearsal.wait(0.1)
    assert silence in rehearsal.run.standing_alarms
    rehearsal.tell(Pulse(RUN, 1, 7, 1, rehearsal.now))
    rehearsal.wait(0.05)
    assert silence not in rehearsal.run.standing_alarms
    assert rehearsal.run.state is RunState.RECORDING


def test_a_box_that_tells_of_pulses_is_not_alarmed(rehearsal):
    rehearsal.begin()
    for number in range(8):
        rehearsal.tell(Pulse(RUN, number, 7, number, rehearsal.now), 0.5)
        rehearsal.tell(Tick())
    assert not [alarm for alarm in rehearsal.run.alarms if "pulse" in alarm]


def test_lost_events_are_one_alarm_with_a_running_total(rehearsal):
    rehearsal.begin()
    rehearsal.tell(EventsLost(7, 1))
    assert rehearsal.run.alarms == [f"box: {BOX}: 1 event of the box was lost so far; a lost event is no lost pulse"]
    rehearsal.tell(EventsLost(20, 11))
    assert [a.record["kind"] for a in rehearsal.asked(AppendText)] == ["events_lost"]
    assert rehearsal.run.alarms == [f"box: {BOX}: 12 events of the box were lost so far; a lost event is no lost pulse"]


def test_a_box_that_answers_again_is_noted_and_leaves_the_standing_alarms(rehearsal):
    rehearsal.begin()
    rehearsal.tell(BoxSilent(3.0))
    (told,) = rehearsal.run.standing_alarms
    assert "has not answered for 3 s" in told
    rehearsal.tell(BoxAnswers())
    assert [a.record["text"] for a in rehearsal.asked(AppendText)] == [f"{BOX} answers again"]
    assert rehearsal.run.standing_alarms == []
    assert rehearsal.run.alarms == [told]
    rehearsal.tell(BoxSilent(3.0))
    assert rehearsal.run.standing_alarms == [told]


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_camera_that_never_answers_is_named_and_ends_the_run(tmp_path, epoch):
    """Its driver hangs while it arms, for the line walk or for the run."""
    rehearsal = Rehearsal(tmp_path)
    if epoch:
        rehearsal.walk(armed=STREAMS[:2])
    else:
        rehearsal.arm(0, STREAMS[:2])
    rehearsal.tell(Tick())
    rehearsal.tell(Tick(), after_s=15)
    assert rehearsal.run.state is RunState.ARMING
    rehearsal.tell(Tick(), after_s=6)
    assert (rehearsal.run.state, rehearsal.run.outcome) == (RunState.CLOSED, Outcome.DEVICE_LOST)
    (hung,) = [alarm for alarm in rehearsal.run.alarms if "did not answer within 20 s" in alarm]
    assert hung.startswith("NIR: ")

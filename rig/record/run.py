"""The recorder's core: told what happened, it says what to do. It has no clock, no thread and no file.

    IDLE --begin--> ARMING --------------------------------------> RECORDING --> DRAINING ---> CLOSED
                    arm, line walk, stop, arm again, start the box  steps, one    wait for the
                    (any failure: straight to CLOSED)               after another last frames, stop

    Why it ended is the outcome, not the state: FINISHED, STOPPED, DEVICE_LOST, DISK_FULL, FAILED.

A lost camera or screen never ends a recording by itself: what is left goes on, and an alarm says so.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum, auto
from functools import singledispatchmethod

from rig.cameras.camera import Baseline
from rig.record.alarms import Alarms, log, note
from rig.record.box_reports import BoxReports
from rig.record.keeping import Counts, Storing, StreamKeeper
from rig.record.line_walk import LineWalk
from rig.record.messages import (
    AbortRequested,
    AbortStep,
    Action,
    AppendText,
    ArmCamera,
    Armed,
    CloseFile,
    DeviceFailed,
    Event,
    PingBox,
    ReleaseFrame,
    ShowStep,
    StartBox,
    StopBox,
    StopCamera,
    Stopped,
    StopRequested,
    Synced,
    TableFull,
    Tick,
)
from rig.record.plan import RunPlan
from rig.record.rows import Kept, ended_row, pulse_row, row_of
from rig.record.watch import BOX, SCREEN, Watch
from rig.session import layout
from rig.session.layout import Outcome
from rig.stimulus.screen import ScreenNote, StepBegan, StepEnded
from rig.streams import Answer, BoxStatus, CameraEvent, ClockPair, Edge, Flip, Frame, GapCause, Pulse
from rig.trigger.box import (
    LEFTOVER_S,
    PREAMBLE,
    TICKS_HZ,
    Booted,
    BoxAnswers,
    BoxSilent,
    EventsLost,
    LineReport,
    RunBegan,
    RunEnded,
    RunLeftOver,
    StartRefused,
)

NS = 1_000_000_000
WALK_EPOCH, RUN_EPOCH = 0, 1
PING_NS = NS // 5  # 5 Hz, the rate that docs/explanation measured for clock pairs
SETTLE_NS = NS // 2  # how long the last frames of a run may take to arrive
ACKNOWLEDGE_S = 2.0  # a frame that the disk has not acknowledged for so long is an alarm
ANSWER_S = 5.0  # the box is asked to start for 3 s; then it has refused
LATE_S = 2.0  # how much later than planned an answer of the box may come before it counts as lost


class RunState(Enum):
    """Where a run stands."""

    IDLE = auto()
    ARMING = auto()
    RECORDING = auto()
    DRAINING = auto()
    CLOSED = auto()


class Run:
    """One run. `step(event, now_host_ns)` returns the actions that follow, in order."""

    def __init__(self, plan: RunPlan, *, walk_id: int, run_id: int, box_name: str) -> None:
        self.state, self.outcome = RunState.IDLE, Outcome.INCOMPLETE
        self.step_index = -1
        self.keepers: dict[str, StreamKeeper] = {}
        self._plan, self._walk_id, self._run_id = plan, walk_id, run_id
        self._alarms = Alarms(box_name)
        self._walk = LineWalk(plan)
        self._epoch = WALK_EPOCH
        self._cameras = set(plan.names)  # those that are not lost
        self._waiting = set(plan.names)  # cameras that have not answered yet
        self._baselines: dict[str, Baseline] = {}
        self._capacity = {spec.name: spec.capacity for spec in plan.streams}
        self._latest: Pulse | None = None  # the last pulse of the recording run that was told of
        self._pulses_sent: int | None = None
        self._has_box, self._has_screen = True, True
        self._deadline: int | None = None  # of the box's answer, or of the last frames
        self._steps_from: int | None = None
        self._next_ping = 0
        self._onset_ns = -1  # first flip of the step on the screen
        self._arrived = -1  # frames when it was last looked whether any still arrive without the box
        self._watch = Watch(plan.group_s)
        self._reports = BoxReports(run_id)
        self._told_late: list[Pulse] = []  # the last pulse told before the stop, and those after it

    @property
    def counts(self) -> dict[str, Counts]:
        """How each stream stands; empty before the recording run."""
        return {name: keeper.counts for name, keeper in self.keepers.items()}

    @property
    def alarms(self) -> list[str]:
        """All alarms so far, each with its source."""
        return self._alarms.texts

    @property
    def standing_alarms(self) -> list[str]:
        """The alarms without those of what is over."""
        return self._alarms.standing

    def begin(self) -> list[Action]:
        """Arm for the line walk."""
        self.state = RunState.ARMING
        return [ArmCamera(name, WALK_EPOCH) for name in self._plan.names]

    def step(self, event: Event, now: int) -> list[Action]:
        """Take one event at `now` (host ns)."""
        if self.state is RunState.CLOSED:
            return [ReleaseFrame(event)] if isinstance(event, Frame) else []
        return self._on(event, now)

    @singledispatchmethod
    def _on(self, event: Event, now: int) -> list[Action]:
        raise TypeError(f"no event: {event!r} at {now}")

    @_on.register
    def _(self, event: Synced, now: int) -> list[Action]:
        waited_ns = event.returned_host_ns - event.oldest_arrived_host_ns
        text = f"frames were not acknowledged within {ACKNOWLEDGE_S:g} s"
        return [row_of(event), *(self._alarms.sound(now, text, "disk") if waited_ns > ACKNOWLEDGE_S * NS else [])]

    @_on.register(Edge | ClockPair | Flip)
    def _(self, event: Kept, now: int) -> list[Action]:
        if isinstance(event, Flip):
            self._watch.heard(SCREEN, now)
        return [row_of(event)]

    @_on.register
    def _(self, event: TableFull, now: int) -> list[Action]:
        return self._alarms.sound(
            now, f"the room reserved for {event.table} is used up; its further rows are lost", "disk"
        )

    # --- cameras ---------------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: Armed, now: int) -> list[Action]:
        self._baselines[event.stream] = event.baseline
        self._waiting.discard(event.stream)
        record = {"kind": "armed", "stream": event.stream, "epoch": self._epoch, "baseline": asdict(event.baseline)}
        return [log(now, record), *self._when_all_armed(now)]

    def _when_all_armed(self, now: int) -> list[Action]:
        """No pulse is sent before every camera says it is armed."""
        if self._waiting or self.state is not RunState.ARMING:
            return []
        self._waiting = set(self._cameras)
        if self._epoch == WALK_EPOCH:
            self._deadline = now + int(ANSWER_S * NS)
            return [StartBox(self._plan.walk, self._walk_id)]
        for name in self._plan.names:
            divisor = self._plan.lines[name].divisor
            keeper = StreamKeeper(name, divisor, self._plan.pulses, self._baselines[name], self._capacity[name])
            self.keepers[name] = keeper
            self._watch.heard(name, now)
        self._deadline = now + int(ANSWER_S * NS)
        return [StartBox(self._plan.pulses, self._run_id)]

    @_on.register
    def _(self, event: Frame, now: int) -> list[Action]:
        if event.error:
            text = f"frame {event.frame_number}: {event.error}"
            return [*self._alarms.sound(now, text, event.stream), *self._frame(event, now)]
        return self._frame(event, now)

    def _frame(self, frame: Frame, now: int) -> list[Action]:
        if frame.epoch != self._epoch:
            text = f"delivered a frame of epoch {frame.epoch} in epoch {self._epoch}"
            return [*self._alarms.sound(now, text, frame.stream), ReleaseFrame(frame)]
        if self._epoch == WALK_EPOCH:
            return self._walk.frame(frame)
        self._watch.heard(frame.stream, now)
        keeper = self.keepers[frame.stream]
        lost = keeper.counts.lost
        actions = keeper.frame(frame)
        if keeper.counts.lost > lost:
            actions += self._alarms.sound(now, "frames are being lost", frame.stream)
        if keeper.is_nearly_full and self.state is RunState.RECORDING:
            actions += self._alarms.sound(
                now, "the room that was reserved is nearly used up: the run ends", frame.stream
            )
            actions += self._stop(Outcome.FAILED, now)
        return actions + self._when_drained()

    @_on.register
    def _(self, event: CameraEvent, now: int) -> list[Action]:
        return [log(now, {**asdict(event), "kind": "camera_event", "what": event.kind})]

    @_on.register
    def _(self, event: Stopped, now: int) -> list[Action]:
        self._waiting.discard(event.stream)
        record = {"kind": "stopped", "stream": event.stream, "epoch": self._epoch, **asdict(event.at_stop)}
        return [log(now, record), *self._when_all_stopped(now)]

    def _when_all_stopped(self, now: int) -> list[Action]:
        if self._waiting:
            return []
        if self.state is RunState.DRAINING:
            return self._close(now)
        # A wrong walk alarms and the recording goes on: what the cameras saw can be told from the file.
        actions = [action for stream, text in self._walk.faults() for action in self._alarms.sound(now, text, stream)]
        self._epoch, self._waiting = RUN_EPOCH, set(self._cameras)
        return actions + [ArmCamera(name, RUN_EPOCH) for name in self._plan.names if name in self._cameras]

    # --- trigger box -----------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: RunBegan, now: int) -> list[Action]:
        is_walk = event.run_id == self._walk_id
        began = {"kind": "began", "run_id": event.run_id, "walk": is_walk, "box_ticks": event.box_ticks}
        if is_walk:
            self._walk.has_begun = True
            self._deadline = now + int((self._walk.pulses * self._plan.group_s + LATE_S) * NS)
        else:
            self.state, self._deadline = RunState.RECORDING, None
            self._watch.heard(BOX, now)
            self._steps_from = now + int(len(PREAMBLE) * self._plan.group_s * NS)
        return [log(now, began)]

    @_on.register
    def _(self, event: RunEnded, now: int) -> list[Action]:
        ended = {"run_id": event.run_id, "walk": event.run_id == self._walk_id, "pulses_sent": event.pulses_sent}
        actions: list[Action] = [log(now, {"kind": "ended", **ended, "box_ticks": event.box_ticks})]
        self._deadline = now + SETTLE_NS
        self._walk.has_begun = self._walk.has_ended = True
        if event.run_id != self._walk_id:
            if self.state is RunState.RECORDING:
                self.state = RunState.DRAINING
                actions += self._alarms.of_box(now, "ended its run without being asked to")
                self._end_as(Outcome.DEVICE_LOST)
            self._reports.run_ended()
            actions += self._box_ended(event.pulses_sent)
        return actions

    def _box_ended(self, pulses_sent: int | None) -> list[Action]:
        self._pulses_sent = pulses_sent
        return [action for keeper in self.keepers.values() for action in keeper.ended(pulses_sent, self._told_late)]

    @_on.register
    def _(self, event: StartRefused, now: int) -> list[Action]:
        return [*self._alarms.of_box(now, f"start refused: {event.reason}"), *self._give_up(Outcome.DEVICE_LOST, now)]

    @_on.register
    def _(self, event: Pulse, now: int) -> list[Action]:
        is_walk = event.run_id == self._walk_id
        if not is_walk:
            self._latest = event
            self._watch.heard(BOX, now)
            if self.state is RunState.DRAINING:
                self._told_late.append(event)
        return [pulse_row(event, walk=is_walk)]

    @_on.register
    def _(self, event: RunLeftOver, now: int) -> list[Action]:
        if self._deadline is not None:
            self._deadline += int(LEFTOVER_S * NS)
        return self._alarms.left_over(now, event.run_id)

    @_on.register(BoxSilent | BoxAnswers)
    def _(self, event: BoxSilent | BoxAnswers, now: int) -> list[Action]:
        if isinstance(event, BoxSilent):
            return self._alarms.box_silent(now, event.seconds)
        return self._alarms.box_answers(now)

    @_on.register(BoxStatus | LineReport)
    def _(self, event: BoxStatus | LineReport, now: int) -> list[Action]:
        alarm = self._reports.take(event)
        actions: list[Action] = [row_of(event)] if isinstance(event, BoxStatus) else []
        return [*actions, *(self._alarms.of_box(now, alarm) if alarm else []), *self._when_drained()]

    @_on.register
    def _(self, event: EventsLost, now: int) -> list[Action]:
        return self._alarms.events_lost(now, event)

    @_on.register
    def _(self, event: Booted, now: int) -> list[Action]:
        text = f"restarted (boot {event.boots}, cause: {event.cause}); pulses have stopped"
        actions = self._alarms.of_box(now, text)
        return actions + (self._give_up(Outcome.DEVICE_LOST, now) if self.state is not RunState.IDLE else [])

    # --- screen ----------------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: StepBegan, now: int) -> list[Action]:  # noqa: ARG002
        self._onset_ns = event.host_ns
        return [row_of(event)]

    @_on.register
    def _(self, event: StepEnded, now: int) -> list[Action]:
        is_current = self.state is RunState.RECORDING and event.step == self.step_index
        return [ended_row(event, self._onset_ns), *(self._next_step(now) if is_current else [])]

    @_on.register
    def _(self, event: Answer, now: int) -> list[Action]:
        return [AppendText(layout.ANSWERS, now, asdict(event))]

    @_on.register
    def _(self, event: ScreenNote, now: int) -> list[Action]:
        return [log(now, {"kind": "note", "text": f"screen: {event.text}"})]

    def _next_step(self, now: int) -> list[Action]:
        """Show the next step; after the last one end the run, unless the box ends it by itself."""
        self.step_index += 1
        if self.step_index < len(self._plan.steps):
            step = self._plan.steps[self.step_index]
            self._store(set(step.store), step.reason, now)
            self._watch.step_shown(step, now)
            return [ShowStep(step)]
        self._watch.forget(SCREEN)
        return self._stop(Outcome.FINISHED, now)

    def _store(self, kept: set[str], reason: str, now: int) -> None:
        """Keep frames of these streams alone, from the next group on that no camera has seen yet."""
        group = self._plan.pulses.group
        seen = max([self._pulse_now(now), *(k.last_pulse for k in self.keepers.values())])
        from_pulse = (max(seen, 0) // group + 1) * group
        for name, keeper in self.keepers.items():
            keeper.change(Storing(from_pulse, is_kept=name in kept, reason="" if name in kept else reason))

    def _pulse_now(self, now: int) -> int:
        """The pulse that is being sent, by the time since the last one was told: messages may be late by a second."""
        if self._latest is None:
            return 0
        periods = (now - self._latest.arrived_host_ns) * TICKS_HZ // NS // self._plan.pulses.period_ticks
        return self._latest.pulse_number + (max(periods, 0) if self._has_box else 0)

    # --- ends ------------------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: StopRequested, now: int) -> list[Action]:  # noqa: ARG002
        if self.state is RunState.RECORDING:
            return [note(now, "stopped by the operator"), *self._stop(Outcome.STOPPED, now)]
        return [] if self.state is RunState.DRAINING else self._give_up(Outcome.STOPPED, now)

    @_on.register
    def _(self, event: AbortRequested, now: int) -> list[Action]:  # noqa: ARG002
        return [note(now, "aborted by the operator"), *self._give_up(Outcome.STOPPED, now)]

    @_on.register
    def _(self, event: DeviceFailed, now: int) -> list[Action]:
        actions = self._alarms.sound(now, str(event.error), event.device, cause=event.error.__cause__)
        if event.device == "disk":
            return actions + self._give_up(Outcome.DISK_FULL, now)
        if self.state is RunState.ARMING or event.device == "recorder":
            outcome = Outcome.FAILED if event.device == "recorder" else Outcome.DEVICE_LOST
            return actions + self._give_up(outcome, now)
        self._end_as(Outcome.DEVICE_LOST)
        if event.device == SCREEN:
            self._screen_lost()
            return actions
        if event.device == "box":
            self._has_box, self._deadline = False, now + SETTLE_NS
            self._watch.forget(BOX)
            return actions
        return actions + self._camera_lost(event.device, now)

    def _camera_lost(self, name: str, now: int) -> list[Action]:
        self._cameras.discard(name)
        self._watch.forget(name)
        self._waiting.discard(name)
        if not self._cameras:
            return self._give_up(Outcome.DEVICE_LOST, now)
        return self._when_all_stopped(now) if self.state is RunState.DRAINING else []

    def _end_as(self, outcome: Outcome) -> None:
        """A failure outranks an orderly end; among equals the first stays."""
        if self.outcome is Outcome.INCOMPLETE or (self.outcome.is_orderly and not outcome.is_orderly):
            self.outcome = outcome

    def _stop(self, outcome: Outcome, now: int) -> list[Action]:
        """End in order: the box completes its group and sends the postamble."""
        self._end_as(outcome)
        self.state = RunState.DRAINING
        self._store(set(self._plan.names), "", now)
        if self._has_box:  # without it nobody can ask for an end, and the body goes on
            for keeper in self.keepers.values():
                keeper.hold(self._latest.pulse_number + 1 if self._latest else 0)
        self._told_late = [self._latest] if self._latest else []
        self._deadline = now + int(((len(PREAMBLE) + 2) * self._plan.group_s + LATE_S) * NS)
        return [*([StopBox()] if self._has_box else []), *([AbortStep()] if self._has_screen else [])]

    def _give_up(self, outcome: Outcome, now: int) -> list[Action]:
        """End at once: stop what runs, wait for nothing."""
        self._end_as(outcome)
        stop: list[Action] = [StopBox()] if self._has_box else []
        return [*stop, *self._box_ended(None), *self._close(now)]

    @_on.register
    def _(self, event: Tick, now: int) -> list[Action]:  # noqa: ARG002
        actions: list[Action] = []
        if now >= self._next_ping and self._has_box:
            self._next_ping = now + PING_NS
            actions.append(PingBox())
        if self._steps_from is not None and now >= self._steps_from:
            self._steps_from = None
            if self.state is RunState.RECORDING:
                actions += self._next_step(now)
        return actions + self._look(now) + self._when_late(now)

    def _look(self, now: int) -> list[Action]:
        """Tell who has fallen silent; a screen that does not end its step counts as lost."""
        if self.state is not RunState.RECORDING:
            return []
        silent_s = self._watch.silent_s
        actions = [action for name in self._watch.silent(now) for action in self._alarms.silent(now, name, silent_s)]
        if self._watch.step_is_overdue(now):
            self._screen_lost()
            text = f"did not end step {self.step_index + 1}; no further step is shown"
            actions += self._alarms.sound(now, text, SCREEN)
        return actions

    def _screen_lost(self) -> None:
        self._has_screen = False
        self._watch.forget(SCREEN)
        self._end_as(Outcome.DEVICE_LOST)

    def _when_late(self, now: int) -> list[Action]:
        """The box did not answer, or the last frames had their time to arrive."""
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        if self.state is RunState.ARMING:
            return self._walk_is_over(now)
        if self.state is RunState.RECORDING:
            return self._without_box(now)
        if self._pulses_sent is None and self._has_box:
            self._end_as(Outcome.DEVICE_LOST)
            text = "did not tell the end of its run; pulses may go on, and its last frames may have no pulse number"
            return [*self._alarms.of_box(now, text), *self._stop_cameras()]
        return self._stop_cameras()

    def _without_box(self, now: int) -> list[Action]:
        """The box has a supply of its own and may go on: record while frames still arrive."""
        arrived = sum(keeper.counts.arrived for keeper in self.keepers.values())
        if arrived == self._arrived:
            return self._stop(Outcome.DEVICE_LOST, now)
        self._arrived = arrived
        self._deadline = now + int(LATE_S * NS)
        return []

    def _walk_is_over(self, now: int) -> list[Action]:
        if self._epoch == WALK_EPOCH and self._walk.has_begun and not self._walk.saw_nothing:
            return [StopCamera(name) for name in self._plan.names]
        if self._epoch == WALK_EPOCH and self._walk.has_ended:
            actions = self._alarms.sound(now, "no camera saw the line walk; check the trigger cables", "box")
        else:
            actions = self._alarms.of_box(now, "no answer to the start; check the box's supply. Pulses may go on")
        return [*actions, *self._give_up(Outcome.DEVICE_LOST, now)]

    def _when_drained(self) -> list[Action]:
        """Stop the cameras as soon as each has delivered its last pulse's frame, and the box has said how it went."""
        is_over = self._pulses_sent is not None and self._reports.is_final
        if self.state is not RunState.DRAINING or not is_over or self._deadline is None:
            return []
        assert self._pulses_sent is not None
        last = self._pulses_sent - 1
        if any(self.keepers[n].last_pulse < last - last % self._plan.lines[n].divisor for n in self._cameras):
            return []
        self._deadline = None
        return self._stop_cameras()

    def _stop_cameras(self) -> list[Action]:
        self._waiting = set(self._cameras)
        return [StopCamera(name) for name in self._plan.names if name in self._cameras]

    def _close(self, now: int) -> list[Action]:
        """Note the holes at the end and close the file."""
        actions: list[Action] = []
        if self._pulses_sent is None:
            actions += self._box_ended(None)
        told = self._latest.pulse_number + 1 if self._latest else None
        for name, keeper in self.keepers.items():
            cause = GapCause.UNKNOWN if name in self._cameras else GapCause.CAMERA_LOST
            actions += keeper.close(self._pulses_sent or told, cause)
        self.state = RunState.CLOSED
        record = {"kind": "outcome", "outcome": str(self.outcome), "text": "; ".join(self.alarms)}
        return [*actions, log(now, self._reports.record()), log(now, record), CloseFile(self.outcome)]

"""The recorder's core: told what happened, it says what to do. It has no clock, no thread and no file.

    IDLE
     | begin
    ARMING          arm the cameras, walk the lines, stop, arm again, start the box
     |   +--------- a device failed, hangs, refused or restarted; a stop or an abort ----------------+
     | the box has begun                                                                             |
    RECORDING       the steps, one after another                                                     |
     |   +--------- an abort; disk or recorder failed; the box restarted; no camera for a minute ----+
     | the last step is over; no consent; a stop; the box ended by itself, or it and all frames are  |
     | gone; no room is left                                                                         |
    DRAINING        the box sends its postamble, the last frames come, the cameras stop              |
     |   +--------- an abort; disk or recorder failed; the box restarted; a camera hangs ------------+
     | every camera has stopped                                                                      |
    CLOSED <-----------------------------------------------------------------------------------------+

Why it ended is the outcome, not the state. The first reason stays; but a failure takes the place of an orderly end:

    INCOMPLETE --+--> FINISHED   the last step is over ---------+
                 +--> STOPPED    a stop, an abort, no consent --+
                 +--> WITHDRAWN  the participant withdrew ------+   takes the place of the two above
                 +----------------------------------------------+--> DEVICE_LOST   box, camera or screen
                                                                +--> DISK_FULL     the disk failed, or is full
                                                                +--> FAILED        this program
    any of them, once CLOSED ------------------------------------> CLOSE_FAILED  the file cannot be put in order

A lost camera or screen never ends a recording by itself: what is left goes on, and an alarm says so. A camera that
comes back goes on in the same stream; then the run may still be FINISHED. What it lost is in its gap.
"""

from __future__ import annotations

from functools import cache, singledispatchmethod

from rig.clock import NS
from rig.errors import DeviceLost
from rig.record.alarms import Alarms, log, note
from rig.record.box_reports import BoxReports
from rig.record.cameras import RUN_EPOCH, WALK_EPOCH, Cameras
from rig.record.keeping import Counts, StreamKeeper
from rig.record.messages import (
    AbortRequested,
    AbortStep,
    Action,
    Armed,
    CloseFile,
    DeviceFailed,
    Event,
    OperatorSaid,
    ReleaseFrame,
    RoomAdded,
    RoomRefused,
    ShowStep,
    StartBox,
    Stock,
    StopBox,
    Stopped,
    StopRequested,
    Tick,
)
from rig.record.noting import Noting
from rig.record.plan import RunPlan
from rig.record.pulses_told import PulsesTold
from rig.record.room import RoomWatch
from rig.record.rows import pulse_row, row_of
from rig.record.states import RunState
from rig.record.steps_shown import WITHDRAWN, StepsShown
from rig.record.watch import BOX, SCREEN, Watch
from rig.record.wishes import Wishes
from rig.session.decided import ABORTED, STOPPED
from rig.session.layout import Outcome
from rig.session.presented import SCREEN_LOST
from rig.stimulus.screen import StepEnded, Withdrawn
from rig.streams import BoxStatus, Frame, Pulse
from rig.trigger.box import (
    LEFTOVER_S,
    PREAMBLE,
    Booted,
    LineReport,
    RunBegan,
    RunEnded,
    RunLeftOver,
    StartRefused,
)

SCREEN_IS_LOST = (
    f"{SCREEN_LOST}, and the recording goes on; to end it in order press Ctrl-C in rig record, or e in rig operate"
)
SETTLE_NS = NS // 2  # how long the last frames of a run may take to arrive
ANSWER_S = 5.0  # the box is asked to start for 3 s; then it has refused
LATE_S = 2.0  # how much later than planned an answer of the box may come before it counts as lost


class Run:
    """One run. `step(event, now_host_ns)` returns the actions that follow, in order."""

    def __init__(self, plan: RunPlan, *, walk_id: int, run_id: int, box_name: str) -> None:
        self.state, self.outcome = RunState.IDLE, Outcome.INCOMPLETE
        self._plan, self._walk_id, self._run_id = plan, walk_id, run_id
        self._alarms = Alarms(box_name)
        self._watch = Watch(plan.periods_s)
        self._cameras = Cameras(plan, self._alarms, self._watch)
        self._walk, self._is_walking = self._cameras.walk, True
        self._pulses = PulsesTold(plan.pulses.period_ticks)
        self.steps = StepsShown(plan.course, plan.lead, self._watch)
        self.wishes = Wishes(self.steps)
        self._noting = Noting(run_id, self._alarms, self._watch, self._cameras, self.steps)
        self._room = RoomWatch(plan, self._alarms, self._cameras)
        self._has_box = True
        self._deadline: int | None = None  # of the box's answer, or of the last frames
        self._reports = BoxReports(run_id)
        # Going through the method `_on` makes a new function for each event, a tenth of what a recording computes.
        self._handler_of = cache(Run.__dict__["_on"].dispatcher.dispatch)

    @property
    def keepers(self) -> dict[str, StreamKeeper]:
        """What keeps each stream; empty before the recording run."""
        return self._cameras.keepers

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
        return self._cameras.arm(WALK_EPOCH)

    def step(self, event: Event, now: int) -> list[Action]:
        """Take one event at `now` (host ns)."""
        if self.state is RunState.CLOSED:
            return [ReleaseFrame(event)] if isinstance(event, Frame) else []
        kind: type = type(event)
        actions: list[Action] = self._handler_of(kind)(self, event, now)
        return actions

    @singledispatchmethod
    def _on(self, event: Event, now: int) -> list[Action]:
        return self._noting.take(event, now)

    # --- cameras ---------------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: Armed, now: int) -> list[Action]:
        armed = self._cameras.armed(event, now, is_recording=self.state is RunState.RECORDING)
        return [*armed, *self._when_all_armed(now)]

    def _when_all_armed(self, now: int) -> list[Action]:
        """No pulse is sent before every camera says it is armed."""
        if self._cameras.are_answering or self.state is not RunState.ARMING:
            return []
        self._deadline = now + int(ANSWER_S * NS)
        if self._is_walking:
            return [StartBox(self._plan.walk, self._walk_id)]
        self._cameras.begin(now)
        self._cameras.store(*self.steps.kept_at_first(self._plan.names), 0)
        return [StartBox(self._plan.pulses, self._run_id)]

    @_on.register
    def _(self, event: Frame, now: int) -> list[Action]:
        actions = self._cameras.frame(event, now)
        if self._cameras.is_nearly_full(event.stream) and self.state is RunState.RECORDING:
            actions += self._alarms.sound(
                now, "the room that was reserved is nearly used up: the run ends", event.stream
            )
            actions += self._stop(Outcome.FAILED, now)
        return actions + self._when_drained(now)

    @_on.register
    def _(self, event: Stopped, now: int) -> list[Action]:
        return [*self._cameras.stopped(event, now), *self._when_all_stopped(now)]

    def _when_all_stopped(self, now: int) -> list[Action]:
        if self._cameras.are_answering or not self._cameras.is_stopping:
            return []
        if self.state is RunState.DRAINING:
            return self._close(now)
        # A wrong walk alarms and the recording goes on: what the cameras saw can be told from the file.
        actions = [action for stream, text in self._walk.faults() for action in self._alarms.sound(now, text, stream)]
        self._is_walking = False
        return actions + self._cameras.arm(RUN_EPOCH)

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
            self._watch.begin(now)
            self.steps.begin_at(now + int(len(PREAMBLE) * self._plan.group_s * NS))
            self._heed_withdrawal(now)
        return [log(now, began)]

    @_on.register
    def _(self, event: RunEnded, now: int) -> list[Action]:
        ended = {"run_id": event.run_id, "walk": event.run_id == self._walk_id, "pulses_sent": event.pulses_sent}
        without = {} if event.has_postamble else {"postamble": False}
        actions: list[Action] = [log(now, {"kind": "ended", **ended, "box_ticks": event.box_ticks, **without})]
        self._deadline = now + SETTLE_NS
        self._walk.has_begun = self._walk.has_ended = True
        if event.run_id != self._walk_id:
            if self.state is RunState.RECORDING:
                self.state = RunState.DRAINING
                actions += self._alarms.of_box(now, "ended its run without being asked to")
                self._end_as(Outcome.DEVICE_LOST)
            self._reports.run_ended()
            actions += self._box_ended(event.pulses_sent, has_postamble=event.has_postamble)
        return actions

    def _box_ended(self, pulses_sent: int | None, *, has_postamble: bool = True) -> list[Action]:
        self._pulses.sent = pulses_sent
        return self._cameras.ended(pulses_sent, self._pulses.after_stop, has_postamble=has_postamble)

    @_on.register
    def _(self, event: StartRefused, now: int) -> list[Action]:
        return [*self._alarms.of_box(now, f"start refused: {event.reason}"), *self._give_up(Outcome.DEVICE_LOST, now)]

    @_on.register
    def _(self, event: Pulse, now: int) -> list[Action]:
        is_walk = event.run_id == self._walk_id
        if not is_walk:
            is_stopping = self.state is RunState.DRAINING
            self._pulses.told(event, is_stopping=is_stopping)
            self._watch.heard(BOX, now)
            if not is_stopping:
                self._cameras.times.told_pulse(event)
        return [pulse_row(event, walk=is_walk)]

    @_on.register
    def _(self, event: RunLeftOver, now: int) -> list[Action]:
        if self._deadline is not None:
            self._deadline += int(LEFTOVER_S * NS)
        return self._alarms.left_over(now, event.run_id)

    @_on.register(BoxStatus | LineReport)
    def _(self, event: BoxStatus | LineReport, now: int) -> list[Action]:
        alarm = self._reports.take(event)
        actions: list[Action] = [row_of(event)] if isinstance(event, BoxStatus) else []
        return [*actions, *(self._alarms.of_box(now, alarm) if alarm else []), *self._when_drained(now)]

    @_on.register
    def _(self, event: Booted, now: int) -> list[Action]:
        text = f"restarted (boot {event.boots}, cause: {event.cause}); pulses have stopped"
        actions = self._alarms.of_box(now, text)
        return actions + (self._give_up(Outcome.DEVICE_LOST, now) if self.state is not RunState.IDLE else [])

    # --- screen ----------------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: StepEnded, now: int) -> list[Action]:
        actions = self.steps.ended(event, now, is_recording=self.state is RunState.RECORDING)
        self._heed_withdrawal(now)
        return actions + self._go_on(now)

    def _go_on(self, now: int) -> list[Action]:
        """Show the next step if it is due; after the last one end the run, unless the box ends it by itself."""
        if self.state is not RunState.RECORDING or not self.steps.is_free(now):
            return []
        if self.steps.held:
            self._store(set(), self.steps.held, now)
            return []
        step = self.steps.next(now)
        if step is None:
            return self._stop(self.steps.ends_as, now)
        self._store(*self.steps.kept(step), now)
        return [ShowStep(step)]

    def _store(self, kept: set[str], reason: str, now: int) -> None:
        """Keep frames of these streams alone, from the next group on that no camera has seen yet."""
        group = self._plan.pulses.group
        seen = max(self._pulses.number_at(now, goes_on=self._has_box), self._cameras.last_pulse, 0)
        self._cameras.store(kept, reason, (seen // group + 1) * group)

    # --- operator and participant ----------------------------------------------------------------------------

    @_on.register
    def _(self, event: OperatorSaid, now: int) -> list[Action]:
        actions = self.wishes.said(event, now, is_recording=self.state is RunState.RECORDING) + self._go_on(now)
        return actions + (self._on(StopRequested(), now) if event.kind == "stop" else [])

    @_on.register
    def _(self, event: Withdrawn, now: int) -> list[Action]:
        actions = self.wishes.withdrawn(event, now)
        self._heed_withdrawal(now)
        return actions + self._go_on(now)

    def _heed_withdrawal(self, now: int) -> None:
        """Nothing of who withdrew is stored any more, be it while the box sends its postamble."""
        if self.steps.withdrawal and self.state in (RunState.RECORDING, RunState.DRAINING):
            self._store(set(), WITHDRAWN, now)
        if self.steps.withdrawal and self.state is RunState.DRAINING:
            self._end_as(Outcome.WITHDRAWN)

    # --- room ------------------------------------------------------------------------------------------------

    @_on.register(RoomAdded | RoomRefused | Stock)
    def _(self, event: RoomAdded | RoomRefused | Stock, now: int) -> list[Action]:
        """At its end a run needs no more room: a file that was made for it is removed when it is closed."""
        actions = self._noting.take(event, now) if isinstance(event, Stock) else []
        if self.state is not RunState.RECORDING:
            return actions
        actions += self._room.take(event, now)
        return actions + (self._stop(self._room.ends_as, now) if self._room.ends_as else [])

    # --- ends ------------------------------------------------------------------------------------------------

    @_on.register
    def _(self, event: StopRequested, now: int) -> list[Action]:  # noqa: ARG002
        if self.state is RunState.RECORDING:
            return [note(now, STOPPED), *self._stop(Outcome.STOPPED, now)]
        return [] if self.state is RunState.DRAINING else self._give_up(Outcome.STOPPED, now)

    @_on.register
    def _(self, event: AbortRequested, now: int) -> list[Action]:  # noqa: ARG002
        return [note(now, ABORTED), *self._give_up(Outcome.STOPPED, now)]

    @_on.register
    def _(self, event: DeviceFailed, now: int) -> list[Action]:
        is_still_lost = event.device in self.keepers and event.device not in self._cameras.here
        if is_still_lost and isinstance(event.error, DeviceLost):
            return self._camera_lost(event, now)
        actions = self._alarms.sound(now, str(event.error), event.device, cause=event.error.__cause__)
        if event.device == "disk":
            return actions + self._give_up(Outcome.DISK_FULL, now)
        if self.state is RunState.ARMING or event.device == "recorder":
            outcome = Outcome.FAILED if event.device == "recorder" else Outcome.DEVICE_LOST
            return actions + self._give_up(outcome, now)
        if event.device == SCREEN:
            return actions + self._screen_lost(now)
        if event.device == BOX:
            self._end_as(Outcome.DEVICE_LOST)
            self._has_box, self._deadline = False, now + SETTLE_NS
            self._watch.forget(BOX)
            return actions
        return actions + self._camera_lost(event, now)

    def _camera_lost(self, event: DeviceFailed, now: int) -> list[Action]:
        is_recording = self.state is RunState.RECORDING
        actions = self._cameras.lost(event, now, may_return=is_recording)
        if is_recording:
            return actions
        self._end_as(Outcome.DEVICE_LOST)
        return actions + self._when_all_stopped(now)

    def _end_as(self, outcome: Outcome) -> None:
        """A failure outranks an orderly end, a withdrawal any other orderly end; among equals the first stays."""
        if outcome.is_orderly and self.steps.withdrawal:
            outcome = Outcome.WITHDRAWN
        outranks = outcome is Outcome.WITHDRAWN or not outcome.is_orderly
        if self.outcome is Outcome.INCOMPLETE or (self.outcome.is_orderly and outranks):
            self.outcome = outcome

    def _stop(self, outcome: Outcome, now: int) -> list[Action]:
        """End in order: the box completes its group and sends the postamble."""
        self._end_as(outcome)
        self.state = RunState.DRAINING
        self._store(*self.steps.kept_at_end(self._plan.names), now)
        if self._has_box:  # without it nobody can ask for an end, and the body goes on
            self._cameras.hold(self._pulses.next)
        self._pulses.stop()
        self._deadline = now + int(((len(PREAMBLE) + 2) * self._plan.group_s + LATE_S) * NS)
        return [*([StopBox()] if self._has_box else []), *([AbortStep()] if self.steps.has_screen else [])]

    def _give_up(self, outcome: Outcome, now: int) -> list[Action]:
        """End at once: stop what runs, wait for nothing."""
        self._end_as(outcome)
        stop: list[Action] = [StopBox()] if self._has_box else []
        return [*stop, *self._box_ended(None), *self._close(now)]

    @_on.register
    def _(self, event: Tick, now: int) -> list[Action]:  # noqa: ARG002
        self._excuse(self._watch.held_up(now))
        actions = self._reports.ping(now) if self._has_box else []
        hung = self._cameras.hung(now)
        if hung:
            return [*actions, *self._cameras.not_waited_for(hung, now), *self._give_up(Outcome.DEVICE_LOST, now)]
        actions += self._go_on(now)
        if self.state is RunState.RECORDING:
            actions += self._cameras.try_again(now) + self._look(now)
        return actions + self._when_late(now)

    def _excuse(self, held_up_ns: int) -> None:
        """While this program stood still nobody was late: what came meanwhile waits behind this tick."""
        self._cameras.excuse(held_up_ns)
        if self._deadline is not None:
            self._deadline += held_up_ns

    def _look(self, now: int) -> list[Action]:
        """Tell who has fallen silent; a screen that does not end its step counts as lost."""
        if self._cameras.have_been_gone(now):
            return [note(now, "no camera came back"), *self._give_up(Outcome.DEVICE_LOST, now)]
        actions = self._alarms.silences(now, *self._watch.look(now), self._watch.silent_s)
        if self._watch.step_is_overdue(now):
            actions += self._alarms.sound(now, f"did not end step {self.steps.index + 1}", SCREEN)
            actions += self._screen_lost(now)
        return actions

    def _screen_lost(self, now: int) -> list[Action]:
        """What the cameras see of the participant may be worth it: only the operator can say when it is enough."""
        self.steps.lost()
        self._end_as(Outcome.DEVICE_LOST)
        return self._alarms.sound(now, SCREEN_IS_LOST, SCREEN)

    def _when_late(self, now: int) -> list[Action]:
        """The box did not answer, or the last frames had their time to arrive."""
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        if self.state is RunState.ARMING:
            return self._walk_is_over(now)
        if self.state is RunState.RECORDING:
            return self._without_box(now)
        if self._pulses.sent is None and self._has_box:
            self._end_as(Outcome.DEVICE_LOST)
            text = "did not tell the end of its run; pulses may go on, and its last frames may have no pulse number"
            return [*self._alarms.of_box(now, text), *self._stop_cameras(now)]
        return self._stop_cameras(now)

    def _without_box(self, now: int) -> list[Action]:
        """The box has a supply of its own and may go on: record while frames still arrive."""
        if not self._cameras.still_deliver():
            return self._stop(Outcome.DEVICE_LOST, now)
        self._deadline = now + int(LATE_S * NS)
        return []

    def _walk_is_over(self, now: int) -> list[Action]:
        if self._is_walking and self._walk.has_begun and not self._walk.saw_nothing:
            return self._stop_cameras(now)
        if self._is_walking and self._walk.has_ended:
            actions = self._alarms.sound(now, "no camera saw the line walk; check the trigger cables", "box")
        else:
            actions = self._alarms.of_box(now, "no answer to the start; check the box's supply. Pulses may go on")
        return [*actions, *self._give_up(Outcome.DEVICE_LOST, now)]

    def _when_drained(self, now: int) -> list[Action]:
        """Stop the cameras as soon as each has delivered its last pulse's frame, and the box has said how it went."""
        sent = self._pulses.sent if self._reports.is_final else None
        if self.state is not RunState.DRAINING or sent is None or self._deadline is None:
            return []
        if not self._cameras.have_all(sent):
            return []
        self._deadline = None
        return self._stop_cameras(now)

    def _stop_cameras(self, now: int) -> list[Action]:
        return [*self._cameras.stop(), *self._when_all_stopped(now)]

    def _close(self, now: int) -> list[Action]:
        """Note the holes at the end and close the file."""
        actions: list[Action] = []
        if self._pulses.sent is None:
            actions += self._box_ended(None)
        actions += self._cameras.close(self._pulses.count, now)
        if len(self._cameras.here) < len(self._plan.names):
            self._end_as(Outcome.DEVICE_LOST)
        self.state = RunState.CLOSED
        record = {"kind": "outcome", "outcome": str(self.outcome), "text": "; ".join(self.alarms)}
        return [*actions, log(now, self._reports.record()), log(now, record), CloseFile(self.outcome)]

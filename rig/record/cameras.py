"""The cameras of one run: armed, walked, recorded, and armed again when one was lost and comes back.

    armed(0) -- line walk -- stopped -- armed(1) -- frames ... ------------------------------ stopped
                                                       | lost: the others go on      ^
                                                       +--> tried again and again ---+ armed(2): a group begins anew

Part of the recorder's core: no clock, no thread, no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rig.cameras.camera import Baseline
from rig.clock import NS
from rig.record.alarms import Alarms, log
from rig.record.box_times import BoxTimes
from rig.record.keeping import Storing, StreamKeeper
from rig.record.line_walk import LineWalk
from rig.record.messages import Action, ArmCamera, Armed, DeviceFailed, ReleaseFrame, StopCamera, Stopped
from rig.record.plan import RunPlan
from rig.record.rows import row_of
from rig.record.watch import Watch
from rig.session import layout
from rig.streams import CameraEvent, CameraEventKind, Edge, Frame, GapCause, Pulse, Status

WALK_EPOCH, RUN_EPOCH = 0, 1
RETRY_NS = NS // 2  # from one attempt to arm a lost camera again to the next
NONE_LEFT_S = 60.0  # so long no camera at all may be there
ANSWER_S = 20.0  # an arm or a stop takes seconds on a busy bus; later the driver hangs
LOSES = "frames are being lost"
ALARMED = {CameraEventKind.OVERTRIGGER: "triggers that came too early", CameraEventKind.OVERRUN: "overruns"}


class Cameras:
    """The cameras of one run. `here`: those that are not lost. Times are host ns."""

    def __init__(self, plan: RunPlan, alarms: Alarms, watch: Watch) -> None:
        self.keepers: dict[str, StreamKeeper] = {}
        self.here = set(plan.names)
        self.walk = LineWalk(plan)
        self.times = BoxTimes(plan.pulses)
        self.is_stopping = False
        self._plan, self._alarms, self._watch = plan, alarms, watch
        self._epochs = dict.fromkeys(plan.names, WALK_EPOCH)
        self._waiting: set[str] = set()  # cameras that have not answered yet
        self._asked_ns: int | None = None  # when they were asked; None until the next tick
        self._capacity = {spec.name: spec.capacity for spec in plan.streams}
        self._losses: dict[str, str] = {}  # of those not here: what was alarmed
        self._lost_by_then: dict[str, int] = {}  # pulses known to be lost when the last frame came
        self._likely: set[str] = set()  # streams whose loss was told of before it was certain
        self._try_at: dict[str, int] = {}
        self._none_since: int | None = None
        self._arrived = -1  # frames when it was last asked whether any still arrive

    @property
    def are_answering(self) -> bool:
        """Whether one was asked to arm or stop and has not answered yet."""
        return bool(self._waiting)

    @property
    def arrived(self) -> int:
        """Frames of the recording run so far, of all cameras."""
        return sum(keeper.counts.arrived for keeper in self.keepers.values())

    def still_deliver(self) -> bool:
        """Whether any frame has arrived since this was last asked."""
        before, self._arrived = self._arrived, self.arrived
        return self._arrived != before

    @property
    def last_pulse(self) -> int:
        """The last pulse that any camera is known to have seen."""
        return max((keeper.last_pulse for keeper in self.keepers.values()), default=0)

    # --- arming and stopping ---------------------------------------------------------------------------------

    def arm(self, epoch: int) -> list[Action]:
        """Arm all for a new epoch."""
        self.is_stopping = False
        self._waiting, self._asked_ns = set(self.here), None
        names = [name for name in self._plan.names if name in self.here]
        self._epochs |= dict.fromkeys(names, epoch)
        return [ArmCamera(name, epoch) for name in names]

    def stop(self) -> list[Action]:
        """Stop all; those that are lost are not tried again."""
        self.is_stopping = True
        self._waiting, self._asked_ns = set(self.here), None
        self._try_at.clear()
        return [StopCamera(name) for name in self._plan.names if name in self.here]

    def hung(self, now: int) -> list[str]:
        """Those that were asked to arm or stop too long ago and have not answered. Called at every tick."""
        if self._asked_ns is None:
            self._asked_ns = now
        return sorted(self._waiting) if now - self._asked_ns > ANSWER_S * NS else []

    def excuse(self, held_up_ns: int) -> None:
        """The recorder itself was held up for so long: they have as much longer to answer."""
        if self._asked_ns is not None:
            self._asked_ns += held_up_ns

    def not_waited_for(self, hung: Sequence[str], now: int) -> list[Action]:
        """A driver hangs: nobody waits for it any longer."""
        text = f"did not answer within {ANSWER_S:g} s; its driver hangs. Unplug it, plug it in, and start again"
        return [action for name in hung for action in self._alarms.sound(now, text, name)]

    def armed(self, event: Armed, now: int, *, is_recording: bool) -> list[Action]:
        """One says that it is armed."""
        name, baseline = event.stream, event.baseline
        record = {"kind": "armed", "stream": name, "epoch": baseline.epoch, "baseline": asdict(baseline)}
        told = [log(now, record), *(row_of(pair) for pair in baseline.clock_pairs)]
        self._waiting.discard(name)
        if name not in self.here:
            back = self._back(name, baseline, now) if is_recording else [StopCamera(name)]
            return told + back
        if baseline.epoch == RUN_EPOCH:  # a ghost may come before the others are armed
            divisor, capacity = self._plan.lines[name].divisor, self._capacity[name]
            self.keepers[name] = StreamKeeper(name, divisor, self._plan.pulses, baseline, capacity, self.times)
        return told

    def begin(self, now: int) -> None:
        """All are armed for the recording run."""
        self.keepers = {name: self.keepers[name] for name in self._plan.names}
        for name in self.keepers:
            self._watch.heard(name, now)

    def stopped(self, event: Stopped, now: int) -> list[Action]:
        """One has stopped."""
        self._waiting.discard(event.stream)
        epoch = self._epochs[event.stream]
        record = {"kind": "stopped", "stream": event.stream, "epoch": epoch, **asdict(event.at_stop)}
        return [log(now, record), *(row_of(pair) for pair in event.at_stop.clock_pairs)]

    # --- lost and back ---------------------------------------------------------------------------------------

    def lost(self, event: DeviceFailed, now: int, *, may_return: bool) -> list[Action]:
        """One is gone, or is still not back."""
        name, text = event.device, str(event.error)
        if may_return:
            self._try_at[name] = now + RETRY_NS
        if name not in self.here:
            return []
        self._losses[name] = text
        self.here.discard(name)
        self._waiting.discard(name)
        self._watch.forget(name)
        self._none_since = None if self.here else now
        keeper = self.keepers.get(name)
        return keeper.lost() if keeper else []

    def try_again(self, now: int) -> list[Action]:
        """Ask those that are lost to arm again, when it is time; each answers with Armed or DeviceFailed."""
        due = [name for name, at in self._try_at.items() if now >= at]
        for name in due:
            del self._try_at[name]
            self.keepers[name].asked_to_return()
        return [ArmCamera(name, self._epochs[name] + 1) for name in due]

    def have_been_gone(self, now: int) -> bool:
        """Whether there has been no camera at all for too long."""
        return self._none_since is not None and now - self._none_since > NONE_LEFT_S * NS

    def _back(self, name: str, baseline: Baseline, now: int) -> list[Action]:
        self.here.add(name)
        self._none_since = None
        self._epochs[name] = baseline.epoch
        self._watch.heard(name, now)
        self.keepers[name].returns(baseline)
        why = f"is back, armed for epoch {baseline.epoch}; its stream goes on with the next group"
        return self._alarms.take_back(now, self._losses.pop(name), name, why)

    # --- what they tell --------------------------------------------------------------------------------------

    def frame(self, frame: Frame, now: int) -> list[Action]:
        """One delivered a frame, or what it got instead."""
        damaged = self._damaged(frame, now) if frame.status is not Status.OK else []
        if frame.epoch != self._epochs[frame.stream]:
            text = f"delivered a frame of epoch {frame.epoch} in epoch {self._epochs[frame.stream]}"
            return [*damaged, *self._alarms.sound(now, text, frame.stream), ReleaseFrame(frame)]
        if frame.epoch == WALK_EPOCH:
            return damaged + (self.walk.frame(frame) if frame.status is Status.OK else [ReleaseFrame(frame)])
        if frame.stream in self.here:
            self._watch.heard(frame.stream, now)
        keeper = self.keepers[frame.stream]
        lost, missing = keeper.counts.lost, keeper.counts.missing
        actions = damaged + keeper.frame(frame)
        actions += self._loss(keeper, now, is_certain=keeper.counts.lost > lost)
        self._lost_by_then[frame.stream] = keeper.counts.lost
        if keeper.counts.missing != missing:
            actions += self._alarms.missing(now, keeper.counts.missing, frame.stream)
        return actions

    def _loss(self, keeper: StreamKeeper, now: int, *, is_certain: bool) -> list[Action]:
        """Frames are lost, or most likely are: told at once, and taken back if the camera's clock was set instead."""
        name = keeper.stream
        if is_certain:
            self._likely.discard(name)
            return self._alarms.sound(now, LOSES, name)
        if keeper.is_in_doubt:
            actions = self._alarms.sound(now, LOSES, name)
            self._likely |= {name} if actions else set()
            return actions
        if name not in self._likely:
            return []
        self._likely.discard(name)
        return self._alarms.take_back(now, LOSES, name, "lost no frame after all: its timestamps jumped")

    def _damaged(self, frame: Frame, now: int) -> list[Action]:
        record = {"kind": "damaged", "stream": frame.stream, "epoch": frame.epoch, "frame_number": frame.frame_number}
        return [log(now, {**record, "text": frame.error}), *self._alarms.count(now, "damaged frames", frame.stream)]

    def event(self, event: CameraEvent, now: int) -> list[Action]:
        """One noticed something by itself."""
        record = log(now, {**asdict(event), "kind": "camera_event", "what": event.kind})
        what = ALARMED.get(event.kind)
        return [record, *(self._alarms.count(now, what, event.stream) if what else [])]

    def edge(self, edge: Edge) -> None:
        """An input of the box changed; it may be an exposure."""
        name = self._plan.inputs.get(edge.input)
        if name in self.keepers and edge.level:
            self.keepers[name].exposed(edge)

    def go_on(self, frames: Mapping[str, int]) -> dict[str, int]:
        """There is room for so many frames of each stream in a new file; index of its first picture by data set."""
        first = {layout.data_path(name): keeper.counts.stored for name, keeper in self.keepers.items()}
        for name, keeper in self.keepers.items():
            keeper.go_on(frames[name])
        return first

    def is_nearly_full(self, stream: str) -> bool:
        """Whether what is left of a stream's room is needed to end in order."""
        return stream in self.keepers and self.keepers[stream].is_nearly_full

    # --- what is wanted of their frames ----------------------------------------------------------------------

    def store(self, kept: set[str], reason: str, from_pulse: int) -> None:
        """Keep frames of these streams alone from a pulse on."""
        for name, keeper in self.keepers.items():
            keeper.change(Storing(from_pulse, is_kept=name in kept, reason="" if name in kept else reason))

    def hold(self, from_pulse: int) -> None:
        """See Pairs.hold."""
        for keeper in self.keepers.values():
            keeper.hold(from_pulse)

    def ended(self, pulses_sent: int | None, told: Sequence[Pulse], *, has_postamble: bool) -> list[Action]:
        """See Pairs.ended."""
        keepers = self.keepers.values()
        return [a for keeper in keepers for a in keeper.ended(pulses_sent, told, has_postamble=has_postamble)]

    def have_all(self, pulses_sent: int) -> bool:
        """Whether each has delivered the frame of its last pulse."""
        return all(self.keepers[name].has_all(pulses_sent) for name in self.here)

    def close(self, pulses_sent: int | None, now: int) -> list[Action]:
        """No frame follows: note the holes at the end."""
        actions: list[Action] = []
        for name, keeper in self.keepers.items():
            cause = GapCause.UNKNOWN if name in self.here else GapCause.CAMERA_LOST
            actions += keeper.close(pulses_sent, cause, now)
            found = keeper.counts.lost - self._lost_by_then.get(name, 0)
            if found:
                text = f"pulses without a frame, found when the run had ended: {found}"
                actions += self._alarms.sound(now, text, name)
        return actions

"""What is told of a run and does not change its course: it becomes a row, a record of the log, or an alarm."""

from __future__ import annotations

from rig.clock import NS
from rig.record.alarms import Alarms, note
from rig.record.cameras import Cameras
from rig.record.messages import Action, Event, Mishap, Queue, Stock, Synced, TableFull
from rig.record.rows import row_of
from rig.record.steps_shown import StepsShown
from rig.record.watch import BOX, FIRST_FLIP_S, SCREEN, Watch
from rig.stimulus.screen import MakingReady, ScreenNote, StepBegan
from rig.streams import Answer, CameraEvent, ClockPair, Edge, Flip
from rig.trigger.box import BoxAnswers, BoxSilent, EventsLost

ACKNOWLEDGE_S = 2.0  # a frame that the disk has not acknowledged for so long is an alarm


class Noting:
    """Takes what the core itself need not know. Times are host ns."""

    def __init__(self, run_id: int, alarms: Alarms, watch: Watch, cameras: Cameras, steps: StepsShown) -> None:
        self._run_id, self._alarms, self._watch = run_id, alarms, watch
        self._cameras, self._steps = cameras, steps
        self._not_ready = ""  # the alarm that a film takes long to be made ready, while it does

    def take(self, event: Event, now: int) -> list[Action]:
        """Note one event. Raises TypeError for what is none."""
        match event:
            case Edge() | ClockPair() | Flip():
                return self._row(event, now)
            case Synced():
                return self._synced(event, now)
            case Stock():
                return self._stock(event, now)
            case CameraEvent():
                return self._cameras.event(event, now)
            case MakingReady() | StepBegan() | Answer() | ScreenNote():
                return self._of_screen(event, now)
            case Mishap():
                return [note(now, event.text)]
            case TableFull():
                text = f"the room reserved for {event.table} is used up; its further rows are lost"
                return self._alarms.sound(now, text, "disk")
        return self._of_box(event, now)

    def _making_ready(self, event: MakingReady, now: int) -> list[Action]:
        """However long it takes nothing is lost; but nobody sees by the neutral screen why it stays."""
        if self._watch.making_ready(now) < FIRST_FLIP_S:
            return []
        self._not_ready = f"the film of step {event.step + 1} is decoded up to its beginning; the screen stays neutral"
        return self._alarms.sound(now, self._not_ready, SCREEN)

    def _has_begun(self, event: StepBegan, now: int) -> list[Action]:
        text, self._not_ready = self._not_ready, ""
        told = self._alarms.take_back(now, text, SCREEN, "the film has begun") if text else []
        return [*told, *self._steps.began(event)]

    def _of_screen(self, event: MakingReady | StepBegan | Answer | ScreenNote, now: int) -> list[Action]:
        match event:
            case MakingReady():
                return self._making_ready(event, now)
            case StepBegan():
                return self._has_begun(event, now)
            case Answer():
                return self._steps.answered(event, now)
        if event.is_alarm:
            return self._alarms.sound(now, event.text, SCREEN)
        return [note(now, f"screen: {event.text}")]

    def _of_box(self, event: Event, now: int) -> list[Action]:
        match event:
            case BoxSilent():
                return self._alarms.box_silent(now, event.seconds)
            case BoxAnswers():
                return self._alarms.box_answers(now)
            case EventsLost():
                self._cameras.times.events_lost += event.count
                return self._alarms.events_lost(now, event)
        raise TypeError(f"no event: {event!r} at {now}")

    def _row(self, event: Edge | ClockPair | Flip, now: int) -> list[Action]:
        match event:
            case Flip():
                self._watch.heard(SCREEN, now)
            case Edge() if event.run_id == self._run_id:
                self._cameras.edge(event)
            case ClockPair() if event.clock == SCREEN:
                self._watch.alive(SCREEN, now)
            case ClockPair() if event.clock == BOX:
                self._cameras.times.told_pair(event)
        return [row_of(event)]

    def _synced(self, event: Synced, now: int) -> list[Action]:
        """Its row is the storage's to write: the last ones return when there is no core any more."""
        return self._when_slow(now, event.returned_host_ns - event.oldest_arrived_host_ns)

    def _when_slow(self, now: int, waited_ns: int) -> list[Action]:
        text = f"frames were not acknowledged within {ACKNOWLEDGE_S:g} s"
        return self._alarms.sound(now, text, "disk") if waited_ns > ACKNOWLEDGE_S * NS else []

    def _stock(self, event: Stock, now: int) -> list[Action]:
        """A disk that takes nothing is told of while it does not: its syncs tell of it only when they return."""
        actions: list[Action] = [row_of(event.disk)]
        for queue in event.queues:
            actions += [row_of(queue), *self._queue(queue, event.disk.picture_bytes, now)]
        return actions + self._when_slow(now, max(event.disk.longest_write_ns, event.disk.longest_sync_ns))

    def _queue(self, queue: Queue, written_bytes: int, now: int) -> list[Action]:
        """Alarmed from half full on, until a quarter: what comes when the buffers are full is lost."""
        if queue.deepest * 4 < queue.buffers:
            return self._alarms.written(now, queue.stream)
        if queue.waiting * 2 < queue.buffers:
            return []
        waiting = f"{queue.span_ns / NS:.1f} s of frames wait to be written, {queue.waiting} in {queue.buffers} buffers"
        text = f"{waiting}; the disk took {written_bytes / 1e6:.1f} MB in the last second"
        return self._alarms.waiting(now, text, queue.stream)

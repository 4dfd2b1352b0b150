"""A trigger box that is played: it sends no pulse, and tells of those that a recorded run tells of.

    start(walk) ----> the line walk of the recorded run --+
    start(record) --> its recording run ------------------+--> events, when the clock comes to the time of each
    clock pairs, reports and mishaps ---------------------+

Its ticks, counts and pulse numbers are the recorded ones; run ids are those that it is asked for, and host times are
moved by the playback's shift. It can send nothing but what was sent then, and ends where that ended, or, when it is
stopped long before that, with the group of pulses that is sent then: its postamble is not in the recording.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import merge
from operator import itemgetter

from rig.errors import DeviceLost
from rig.session.playback import Playback, Tape, wait_until_due
from rig.streams import BoxStatus, ClockPair, DeviceInfo, Edge, Pulse
from rig.trigger.box import BoxEvent, PulsePlan, RunBegan, RunEnded, RunMode, StartRefused, TriggerBox
from rig.trigger.recorded import RecordedBox, Told
from rig.trigger.words import busy_with

CANNOT = {"test_modes": False, "exact_count": False}
BOX = "box"


class ReplayedBox(TriggerBox):
    """The trigger box of a recorded run."""

    def __init__(self, playback: Playback) -> None:
        self.name = f"trigger box {playback.words}"
        self._playback = playback
        with playback.reading():
            self._recorded = RecordedBox(playback.run, self.name)
        self._beside: Tape[Told] | None = None  # from the first ping, or the beginning of a run on
        self._runs: dict[RunMode, Tape[Told]] = {}
        self._ids: dict[int, int] = {}  # by recorded run id, the one that was asked for
        self._is_sending: int | None = None  # the run that was asked for and has not ended
        self._refused: list[BoxEvent] = []
        self._end: Tape[Told] | None = None  # of a run that was stopped early
        self._lost: DeviceLost | None = None

    def describe(self) -> DeviceInfo:
        """See TriggerBox.describe: the recorded box, and that it is played."""
        told = self._playback.told_of(BOX)
        return DeviceInfo(**{**told, "capabilities": {**told["capabilities"], **CANNOT}})

    def start(self, plan: PulsePlan, run_id: int) -> None:
        """See TriggerBox.start. What was not recorded is refused."""
        if run_id in self._ids.values():
            return
        if self._is_sending is not None:
            reason = busy_with(self._is_sending)
        else:
            reason = self._recorded.objection(plan) or ("it was played already" if plan.mode in self._runs else "")
        if reason:
            self._refused.append(StartRefused(run_id, reason))
            return
        self._playback.begin()
        self._ids[self._recorded.run_ids[plan.mode]] = self._is_sending = run_id
        self._runs[plan.mode] = self._playback.tape(self._recorded.run(plan.mode))

    def stop(self) -> None:
        """See TriggerBox.stop. The recording run ends where it was recorded to end, or with the present group."""
        if RunMode.RECORD not in self._runs or self._end is not None:
            return
        self._playback.stop(self._recorded.end_ns())
        if (end := self._playback.end) is not None:
            run_id = self._recorded.run_ids[RunMode.RECORD]
            ended = RunEnded(run_id, end.pulses, end.box_ticks, end.told_ns, has_postamble=False)
            self._end = self._playback.tape([(end.told_ns, ended)])

    def ping(self) -> None:
        """See TriggerBox.ping. Clock pairs come when they were read then, from now on."""
        self._playback.begin()
        self._tell_beside()

    def events(self, timeout_s: float) -> list[BoxEvent]:
        """See TriggerBox.events."""
        if self._lost is not None:
            raise self._lost
        if not self._refused:
            wait_until_due(self._playback.clock, timeout_s, *self._tapes)
        due = merge(*map(Tape.take_timed, self._tapes), key=itemgetter(0))
        told, self._refused = self._refused, []
        for _, event in due:
            if isinstance(event, DeviceLost):
                self._lost = self._gone(event)
                break
            if not self._is_beyond(event):
                told.append(self._moved(event))
        if self._lost is not None and not told:
            raise self._lost
        return told

    @property
    def _tapes(self) -> tuple[Tape[Told], ...]:
        return (*self._runs.values(), *(tape for tape in (self._beside, self._end) if tape is not None))

    def _is_beyond(self, event: Told) -> bool:
        """Whether it is of what comes after the end of a run that was stopped early."""
        end = self._playback.end
        match event:
            case Pulse() if end is not None:
                return event.run_id == self._recorded.run_ids[RunMode.RECORD] and event.pulse_number >= end.pulses
            case Edge() if end is not None:
                return event.last_pulse >= end.pulses
            case BoxStatus() if end is not None:
                return event.box_ticks > end.box_ticks
        return False

    def _tell_beside(self) -> None:
        if self._beside is None:
            self._beside = self._playback.tape(self._recorded.beside_runs())

    def _gone(self, lost: DeviceLost) -> DeviceLost:
        """It is asked no more, and nothing of it may wait to be told."""
        for tape in self._tapes:
            tape.drop()
        return lost

    def _moved(self, event: BoxEvent) -> BoxEvent:
        """The event with today's run id and host times."""
        shift_ns, ids = self._playback.shift_ns, self._ids
        match event:
            case RunBegan():
                self._tell_beside()
                return replace(event, run_id=ids[event.run_id], host_ns=event.host_ns + shift_ns)
            case RunEnded():
                self._is_sending = None
                return replace(event, run_id=ids[event.run_id], host_ns=event.host_ns + shift_ns)
            case StartRefused():
                self._is_sending = None
                return replace(event, run_id=ids[event.run_id])
            case Pulse() | Edge() | BoxStatus():
                run_id, arrived_ns = ids.get(event.run_id, event.run_id), event.arrived_host_ns + shift_ns
                return replace(event, run_id=run_id, arrived_host_ns=arrived_ns)
            case ClockPair():
                return event.moved(shift_ns)
        return event

    def close(self) -> None:
        """See TriggerBox.close. The recording is its owner's."""

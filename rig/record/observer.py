"""Sees what the core sees: keeps the status line, the operator's terminal, the ledger and a scripted participant told.

Whatever goes wrong in it is noted in the log, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from rig.clock import NS, Clock, Reading, read_raw, read_utc
from rig.elicitation.steps import Step
from rig.record.booking import Booking
from rig.record.keeping import Counts
from rig.record.messages import Event, Mishap, Tick
from rig.record.run import Run
from rig.record.states import RunState
from rig.record.steps_shown import WITHDRAWN
from rig.record.storage import Storage
from rig.record.telling import Standing, Telling
from rig.stimulus.screen import StepBegan
from rig.streams import ClockPair
from rig.trigger.box import RunEnded

UTC_EVERY_S = 10


@dataclass(frozen=True)
class Status:
    """How a recording stands; for one status line a second."""

    seconds: float
    state: RunState
    step: str  # name of what is on the screen; empty before and after
    step_number: int  # from 1; 0 before
    steps: int
    counts: dict[str, Counts]
    stored_bytes: int
    free_bytes: int  # on the session's disk; -1: the system did not tell
    alarms: tuple[str, ...]  # without those of what is over
    is_simulated: bool  # any device of it
    held: str = ""  # why it does not go its way: waiting for the operator's start, a pause, or a withdrawal


class _Devices(TypedDict):
    """What status line and operator's terminal are both told."""

    counts: dict[str, Counts]
    stored_bytes: int
    free_bytes: int
    alarms: tuple[str, ...]
    is_simulated: bool


class Observer:
    """Called by the core's thread."""

    def __init__(
        self,
        run: Run,
        steps: tuple[Step, ...],
        storage: Storage,
        clock: Clock,
        *,
        is_virtual: bool,
        is_simulated: bool,
        on_status: Callable[[Status], None],
        on_step: Callable[[Step], None],
        booking: Booking,
        telling: Telling | None,
    ) -> None:
        self.tell: Callable[[Event], None] = lambda _: None
        self._run, self._steps, self._storage, self._clock = run, steps, storage, clock
        self._is_virtual, self._is_simulated = is_virtual, is_simulated
        self._on_status, self._on_step = on_status, on_step
        self._booking, self._telling = booking, telling
        self._began_ns = clock.now_ns()
        self._seconds = 0

    def on_event(self, event: Event) -> None:
        """Look at an event before the core takes it."""
        if isinstance(event, Tick):
            self._tell_state(is_due=False)
            return
        if isinstance(event, RunEnded):
            self._read_clocks()
        elif isinstance(event, StepBegan):
            self._beside("the scripted participant", self._on_step, self._steps[event.step])
        self._beside("the ledger", self._booking.event, event)
        if self._telling is not None and not self._beside("the channel", self._telling.event, event):
            self._telling = None

    def on_second(self) -> None:
        """Show the status; now and then read the other clocks of this machine. An alarm is shown at once, too."""
        if self._seconds % UTC_EVERY_S == 0:
            self._read_clocks()
        self._seconds += 1
        if not self._beside("the status", lambda: self._on_status(self._status())):
            self._on_status = lambda _: None
        self._tell_state(is_due=True)

    def _tell_state(self, *, is_due: bool) -> None:
        telling, now = self._telling, self._clock.now_ns()
        if telling is None:
            return
        if not self._beside("the channel", lambda: self._tell_to(telling, now, is_due=is_due)):
            self._telling = None

    def _tell_to(self, telling: Telling, now: int, *, is_due: bool) -> None:
        if is_due:
            telling.show(now, self._standing())
        else:
            telling.look(now, self._standing)

    def ended(self) -> None:
        """Tell the operator's terminal how it ended, as the last it is told."""
        self._tell_state(is_due=True)

    def _beside(self, what: str, work: Callable[..., None], *of: object) -> bool:
        """Do what is not recording itself; whether it went well."""
        try:
            work(*of)
        except Exception as exc:
            self.tell(Mishap(f"{what}: {exc}"))
            return False
        return True

    def _read_clocks(self) -> None:
        """Read this machine's other clocks against the host clock; virtual time has none."""
        if not self._is_virtual:
            self.tell(_pair("utc", read_utc(self._clock)))
            self.tell(_pair("raw", read_raw(self._clock)))

    @property
    def _seconds_on(self) -> float:
        return (self._clock.now_ns() - self._began_ns) / NS

    def _status(self) -> Status:
        run, shown = self._run, self._run.steps.course.step
        return Status(
            seconds=self._seconds_on,
            state=run.state,
            step=shown.name if shown else "",
            step_number=min(run.steps.index + 1, len(self._steps)),
            steps=len(self._steps),
            held=self._held,
            **self._devices(),
        )

    @property
    def _held(self) -> str:
        steps = self._run.steps
        if steps.course.is_withdrawn:
            return WITHDRAWN
        return "" if steps.is_on else steps.held

    def _standing(self) -> Standing:
        run, steps = self._run, self._run.steps
        return Standing(
            state=run.state,
            outcome=run.outcome,
            seconds=self._seconds_on,
            step=steps.course.step,
            step_seconds=steps.seconds_on(self._clock.now_ns()),
            trials=steps.course.trials,
            may_guess=steps.may_guess,
            guess=steps.course.guess,
            is_paused=steps.is_paused,
            is_between=not steps.is_on,
            is_waiting=steps.is_waiting,
            is_withdrawn=steps.course.is_withdrawn,
            refused=tuple(run.wishes.refused),
            **self._devices(),
        )

    def _devices(self) -> _Devices:
        return {
            "counts": self._run.counts,
            "stored_bytes": self._storage.stored_bytes,
            "free_bytes": self._storage.telemetry.free_bytes,
            "alarms": tuple(self._run.standing_alarms),
            "is_simulated": self._is_simulated,
        }


def _pair(clock: str, reading: Reading) -> ClockPair:
    value = reading.reading_ns
    return ClockPair(clock, value, value, reading.host_before_ns, reading.host_after_ns)

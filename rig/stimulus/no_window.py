"""In the place of the participant's screen where a protocol shows nothing: steps begin and end by the clock alone.

No window, no process, no flip. It is no simulation of a screen: there is none to be seen, and the session says so.
"""

from __future__ import annotations

from rig.clock import NS, Clock
from rig.elicitation.steps import Step
from rig.stimulus.screen import Screen, ScreenEvent, StepBegan, StepEnded
from rig.streams import ClockPair, DeviceInfo

MODEL = "no window"
ALIVE_NS = NS // 2  # so often it tells its clock during a step, so that nobody takes it for lost


class NoWindow(Screen):
    """Shows nothing, for as long as each step says; in real and in virtual time. Its clock is the host clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._step: Step | None = None
        self._ends_ns = self._alive_ns = 0  # when the step ends, and when a sign of life is due
        self._told: list[ScreenEvent] = [_pair(clock.now_ns())]

    def describe(self) -> DeviceInfo:
        """That there is no window; not simulated, as nothing is left out that the protocol asks for."""
        return DeviceInfo("screen", "rig", MODEL, "", "1", simulated=False, capabilities={"sound": False})

    def next_host_ns(self) -> int | None:
        """When `events` will next have something, host clock ns; None while no step goes on."""
        if self._told:
            return self._clock.now_ns()
        return min(self._ends_ns, self._alive_ns) if self._step else None

    def show(self, step: Step) -> None:
        """Begin a step, now."""
        now_ns = self._clock.now_ns()
        seconds = step.max_seconds if step.seconds is None else step.seconds
        self._step, self._ends_ns, self._alive_ns = step, now_ns + round(seconds * NS), now_ns + ALIVE_NS
        self._told.append(StepBegan(step.index, now_ns))

    def events(self, timeout_s: float) -> list[ScreenEvent]:
        """What has happened by now on the clock; sleeps on the clock until something has, at most `timeout_s`."""
        latest_ns, due_ns = self._clock.now_ns() + round(timeout_s * NS), self.next_host_ns()
        self._clock.sleep_until(latest_ns if due_ns is None else min(due_ns, latest_ns))
        self._look(self._clock.now_ns())
        told, self._told = self._told, []
        return told

    def _look(self, now_ns: int) -> None:
        if self._step and now_ns >= self._ends_ns:
            self._end(self._ends_ns, "time")
        elif self._step and now_ns >= self._alive_ns:
            self._alive_ns = now_ns + ALIVE_NS
            self._told.append(_pair(now_ns))

    def _end(self, host_ns: int, ended_by: str) -> None:
        if self._step:
            self._told += [StepEnded(self._step.index, host_ns, ended_by), _pair(self._clock.now_ns())]
        self._step = None

    def abort(self) -> None:
        """End the step now."""
        self._end(self._clock.now_ns(), "abort")

    def close(self) -> None:
        """There is nothing to give back."""


def _pair(host_ns: int) -> ClockPair:
    return ClockPair("screen", host_ns, host_ns, host_ns, host_ns)

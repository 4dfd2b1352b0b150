"""Simulated cameras that misbehave: what they are made of, and those that change one thing that is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rig.cameras.camera import AtStop, Baseline, CameraInfo
from rig.clock import NS
from rig.errors import DeviceLost, DeviceNotReady, ProblemList
from rig.sim.camera import SimulatedCamera
from rig.streams import CameraEvent, ClockPair, Frame, Status

MS = 1_000_000
Make = type[SimulatedCamera]


class Mutant(SimulatedCamera):
    """Changes what it is told by hooks, and remembers what mutants need."""

    epoch = -1
    grabbed = 0  # frames of this epoch
    is_lost = was_lost = False

    def describe(self) -> CameraInfo:
        return self.info(super().describe())

    def arm(self, epoch: int) -> Baseline:
        self.epoch, self.grabbed = epoch, 0
        return self.baseline(super().arm(epoch))

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            came = super().grab(timeout_s)
        except DeviceLost:
            self.was_lost = True
            raise
        if isinstance(came, CameraEvent):
            return self.event(came)
        if came is None:
            return None
        self.grabbed += 1
        return self.frame(came)

    def stop(self) -> AtStop:
        return self.at_stop(super().stop())

    def info(self, info: CameraInfo) -> CameraInfo:
        return info

    def baseline(self, baseline: Baseline) -> Baseline:
        return baseline

    def frame(self, frame: Frame) -> Frame | CameraEvent | None:
        return frame

    def event(self, event: CameraEvent) -> CameraEvent | None:
        return event

    def at_stop(self, at_stop: AtStop) -> AtStop:
        return at_stop

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def wait(self, seconds: float) -> None:
        self._clock.sleep_until(self.now_ns() + round(seconds * NS))


def hooked(**hooks: Callable[..., Any]) -> Make:
    """A mutant with these hooks in place of its own methods."""
    return type("Hooked", (Mutant,), hooks)


def says(**changes: Any) -> Make:
    """It describes itself otherwise."""
    return hooked(info=lambda _, info: replace(info, **changes))


def can(**changes: Any) -> Make:
    return hooked(info=lambda _, info: replace(info, capabilities=info.capabilities | changes))


def state(name: str, **changes: Any) -> Make:
    """One of its features, if it is among those that are asked for, is told otherwise."""

    def info(_: Mutant, told: CameraInfo) -> CameraInfo:
        states = (replace(each, **changes) if each.name == name else each for each in told.features)
        return replace(told, features=tuple(states))

    return hooked(info=info)


def arms(**changes: Any) -> Make:
    """It is armed with another baseline."""
    return hooked(baseline=lambda _, baseline: replace(baseline, **changes))


def armed(change: Callable[[Baseline], dict[str, Any]]) -> Make:
    return hooked(baseline=lambda _, baseline: replace(baseline, **change(baseline)))


def gives(**changes: Any) -> Make:
    """Every frame is told otherwise."""
    return hooked(frame=lambda _, frame: replace(frame, **changes))


def given(change: Callable[[Frame], dict[str, Any]], number: int | None = None) -> Make:
    """Every frame is told otherwise, or that with a number in its epoch, from 1."""

    def frame(self: Mutant, came: Frame) -> Frame:
        return replace(came, **change(came)) if number in (None, self.grabbed) else came

    return hooked(frame=frame)


def ticks(by_ns: int) -> Make:
    return given(lambda frame: {"camera_ticks": frame.camera_ticks + by_ns})


def arrived(by_ns: int, number: int | None = None) -> Make:
    return given(lambda frame: {"arrived_host_ns": frame.arrived_host_ns + by_ns}, number)


def numbered(by: int, number: int | None = None) -> Make:
    return given(lambda frame: {"frame_number": frame.frame_number + by}, number)


def counted(by: int, number: int | None = None) -> Make:
    return given(lambda frame: {"counter": frame.counter + by}, number)


def damaged(**changes: Any) -> Make:
    return given(lambda frame: changes if frame.status is Status.DAMAGED else {})


def noticed(**changes: Any) -> Make:
    return hooked(event=lambda _, event: replace(event, **changes))


def pairs(change: Callable[[ClockPair], dict[str, Any]]) -> Make:
    """Each reading of its clock, at arm, is told otherwise."""
    return armed(lambda b: {"clock_pairs": tuple(replace(pair, **change(pair)) for pair in b.clock_pairs)})


def pairs_at_stop(change: Callable[[ClockPair], dict[str, Any]]) -> Make:
    def at_stop(_: Mutant, told: AtStop) -> AtStop:
        return replace(told, clock_pairs=tuple(replace(pair, **change(pair)) for pair in told.clock_pairs))

    return hooked(at_stop=at_stop)


def shifted(pair: ClockPair, by_ns: int) -> dict[str, Any]:
    """Read at another time, and showing what it would have shown then."""
    return {
        "host_before_ns": pair.host_before_ns + by_ns,
        "host_after_ns": pair.host_after_ns + by_ns,
        "reading": pair.reading + by_ns,
        "reading_end": pair.reading_end + by_ns,
    }


def refuses(change: Callable[[ProblemList], Exception]) -> Make:
    """It tells otherwise what was refused."""

    def arm(self: Mutant, epoch: int) -> Baseline:
        try:
            return Mutant.arm(self, epoch)
        except ProblemList as found:
            raise change(found) from None

    return hooked(arm=arm)


def without_values(found: ProblemList) -> Exception:
    return ProblemList([DeviceNotReady(each.subject, each.problem) for each in found.problems])


def once_lost(change: Callable[[Frame], dict[str, Any]]) -> Make:
    """Frames after it was plugged in again are told otherwise."""
    return hooked(frame=lambda self, frame: replace(frame, **change(frame)) if self.was_lost else frame)

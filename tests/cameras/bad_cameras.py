"""Simulated cameras that misbehave in what they do, each in one way."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from rig.cameras.camera import AtStop, Baseline, CameraInfo
from rig.errors import DeviceLost, ProblemList
from rig.sim.camera import SimulatedCamera
from rig.streams import NO_COUNTER, CameraEvent, CameraEventKind, ClockPair, Frame, Status
from tests.cameras.mutants import Mutant


class HidesARefusal(Mutant):
    """Says of each feature that it reads as it was asked for."""

    def info(self, info: CameraInfo) -> CameraInfo:
        return replace(info, features=tuple(replace(each, got=each.asked, refusal="") for each in info.features))


class ArmsAllTheSame(Mutant):
    """Takes no notice of what was refused."""

    def arm(self, epoch: int) -> Baseline:
        try:
            return super().arm(epoch)
        except ProblemList:
            return Baseline(epoch, 0, 0, NO_COUNTER, "", {})


class TellsTheFeaturesOfArming(Mutant):
    """Does not read them when it is stopped."""

    features: dict[str, Any]

    def baseline(self, baseline: Baseline) -> Baseline:
        self.features = baseline.features
        return baseline

    def at_stop(self, at_stop: AtStop) -> AtStop:
        return replace(at_stop, features=self.features)


class DescribesItselfOnce(Mutant):
    """And as it was then, whatever became of it."""

    described: CameraInfo | None = None

    def describe(self) -> CameraInfo:
        self.described = self.described or super().describe()
        return self.described


class ClosesOnce(Mutant):
    is_closed = False

    def close(self) -> None:
        assert not self.is_closed, "closed twice"
        self.is_closed = True
        super().close()


class TellsAnOldReading(Mutant):
    """At its stop as at its arming."""

    pairs: tuple[ClockPair, ...] = ()

    def baseline(self, baseline: Baseline) -> Baseline:
        self.pairs = baseline.clock_pairs
        return baseline

    def at_stop(self, at_stop: AtStop) -> AtStop:
        pairs = zip(self.pairs, at_stop.clock_pairs, strict=True)
        told = (replace(new, reading=old.reading, reading_end=old.reading) for old, new in pairs)
        return replace(at_stop, clock_pairs=tuple(told))


class TellsAnEventForAFrame(Mutant):
    def frame(self, frame: Frame) -> Frame | CameraEvent | None:
        if self.grabbed != 2:
            return frame
        self.release(frame)
        return CameraEvent(self.name, CameraEventKind.OVERRUN, "lost", None, 0, frame.arrived_host_ns)


class FreeRuns(Mutant):
    """Gives a frame when none is there."""

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        came, now = super().grab(timeout_s), self.now_ns()
        told = self.epoch, 0, now, 1, 2000.0, 0, Status.OK, "", now, self._link.pool[0], 0
        return Frame(self.name, *told) if came is None else came


class RepeatsAFrame(Mutant):
    repeats = 3
    repeated: Frame | None = None

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        repeated, self.repeated = self.repeated, None
        return repeated or super().grab(timeout_s)

    def frame(self, frame: Frame) -> Frame:
        self.repeated = frame if self.grabbed == self.repeats else None
        return frame


class RepeatsTheLastFrame(RepeatsAFrame):
    repeats = 7


class SwapsPictures(Mutant):
    """The right rows in the right order, but two pictures changed places."""

    def frame(self, frame: Frame) -> Frame:
        swapped = {0: 1, 1: 0}.get(frame.slot, frame.slot)
        return replace(frame, pixels=self._link.pool[swapped])


class ShowsAnotherPicture(Mutant):
    """That of the buffer before."""

    def frame(self, frame: Frame) -> Frame:
        return replace(frame, pixels=self._link.pool[frame.slot - 1])


class PromisesTooMuch(Mutant):
    def baseline(self, baseline: Baseline) -> Baseline:
        return replace(baseline, shortest_period_us=baseline.shortest_period_us * 0.9)


class HasEndlessNumbers(Mutant):
    """And says so, where numbers of 16 bits were announced."""

    def baseline(self, baseline: Baseline) -> Baseline:
        self.first = baseline.first_frame_number
        return replace(baseline, number_modulus=2**32)

    def frame(self, frame: Frame) -> Frame:
        return replace(frame, frame_number=self.first + self.grabbed - 1)


class CountsFrames(Mutant):
    """Hides swallowed triggers, as a counter fed by the start of frames does, without saying so."""

    def frame(self, frame: Frame) -> Frame:
        return replace(frame, counter=self.grabbed)


class DeliversStaleFrames(Mutant):
    """What was not grabbed when it was stopped comes after it is armed again, under the new epoch."""

    def __init__(self, *args: Any) -> None:
        self.stale: deque[Frame] = deque()
        super().__init__(*args)

    def stop(self) -> AtStop:
        while isinstance(came := SimulatedCamera.grab(self, 0), Frame):
            self.stale.append(came)
        return super().stop()

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        return replace(self.stale.popleft(), epoch=self.epoch) if self.stale else super().grab(timeout_s)


class ShowsOldPicturesLater(Mutant):
    """From its second epoch on, those of another buffer."""

    def frame(self, frame: Frame) -> Frame:
        return replace(frame, pixels=self._link.pool[frame.slot - self.epoch])


class NumbersOn(Mutant):
    """Its numbers survive a stop, and it does not say so."""

    def frame(self, frame: Frame) -> Frame:
        return replace(frame, frame_number=frame.frame_number + 4 * self.epoch)


class CountsOn(Mutant):
    def frame(self, frame: Frame) -> Frame:
        return replace(frame, counter=frame.counter + 4 * self.epoch)


class ArmsTooLate(Mutant):
    """Says that it is armed before it sees edges: the first one is missed."""

    def frame(self, frame: Frame) -> Frame | None:
        if self.grabbed == 1:
            self.release(frame)
            return None
        return frame


class WaitsOtherwise(Mutant):
    times = 0.0

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        return super().grab(self.times * timeout_s)


class WaitsTooLong(WaitsOtherwise):
    times = 2.0


class ReusesHeldBuffers(Mutant):
    def frame(self, frame: Frame) -> Frame:
        self.release(frame)
        return frame


class ReusesHeldBuffersAfterStop(Mutant):
    def at_stop(self, at_stop: AtStop) -> AtStop:
        self._link.states[:] = 0
        return at_stop


class IgnoresEarlierEpochs(Mutant):
    """What was grabbed in one cannot be given back in another."""

    def release(self, frame: Frame) -> None:
        if frame.epoch == self.epoch:
            super().release(frame)


class Renumbers(Mutant):
    """As if nothing had been lost."""

    def frame(self, frame: Frame) -> Frame:
        return replace(frame, frame_number=self.grabbed - 1)


class ForgetsBuffers(Mutant):
    def release(self, frame: Frame) -> None:
        if frame.frame_number % 5:
            super().release(frame)


class KeepsDamagedBuffers(Mutant):
    def release(self, frame: Frame) -> None:
        if frame.status is Status.OK:
            super().release(frame)


class WantsBuffersInOrder(Mutant):
    """A buffer is free again only when all that were grabbed before it are."""

    def __init__(self, *args: Any) -> None:
        self.held: deque[Frame] = deque()
        self.given_back: set[int] = set()
        super().__init__(*args)

    def frame(self, frame: Frame) -> Frame:
        self.held.append(frame)
        return frame

    def release(self, frame: Frame) -> None:
        self.given_back.add(frame.slot)
        while self.held and self.held[0].slot in self.given_back:
            super().release(self.held.popleft())


class ScribblesOnTheFirst(Mutant):
    """On the first picture, when the third comes, while it is held."""

    def frame(self, frame: Frame) -> Frame:
        self._link.pool[0][...] = 0 if self.grabbed == 3 else self._link.pool[0]
        return frame


class SpoilsACorner(Mutant):
    """Of the first picture, while it is held."""

    def frame(self, frame: Frame) -> Frame:
        self._link.pool[0][-1, -1] += self.grabbed > 1
        return frame


class ReleasesSlowly(Mutant):
    def release(self, frame: Frame) -> None:
        self.wait(0.1)
        super().release(frame)


class IsLostInSilence(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            return None


class StopsThoughItIsLost(Mutant):
    def stop(self) -> AtStop:
        try:
            return super().stop()
        except DeviceLost:
            return AtStop({})


class ArmsLate(Mutant):
    """Looks for a camera that is away for longer than a second."""

    def arm(self, epoch: int) -> Baseline:
        try:
            return super().arm(epoch)
        except DeviceLost:
            self.wait(2)
            raise


class NoticesItsLossLate(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            self.wait(2)
            raise


class IsNamelessWhenLost(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            raise DeviceLost("a camera", "is gone") from None


class CannotBeClosedWhenLost(Mutant):
    def close(self) -> None:
        assert not self._is_lost, "is gone"
        super().close()


class IsLostForGood(Mutant):
    def arm(self, epoch: int) -> Baseline:
        if self.was_lost:
            raise DeviceLost(self.name, "is gone")
        return super().arm(epoch)


class ForgetsItsFeatures(Mutant):
    """When it is plugged in again it is as the factory made it."""

    def baseline(self, baseline: Baseline) -> Baseline:
        features = baseline.features | ({"ExposureTime": 10_000.0} if self.was_lost else {})
        return replace(baseline, features=features)


class OverwritesWhenItIsBack(Mutant):
    def baseline(self, baseline: Baseline) -> Baseline:
        if self.was_lost:
            self._link.pool[:] = 0
        return baseline

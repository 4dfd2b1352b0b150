"""The contract of a camera, taken by the simulated one, and proof that the contract catches a bad one."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager, closing
from dataclasses import replace

import pytest

from rig.cameras.camera import AtStop, Baseline, CameraInfo, Shutter, TicksMark
from rig.clock import NS
from rig.errors import DeviceLost, ProblemList
from rig.sim.camera import SimulatedCamera
from rig.streams import CameraEvent, CameraEventKind, ClockPair, Frame, Status
from rig.testing.camera import Bench, CameraContract
from tests.cameras.benches import WorldThread, real_time_bench, virtual_bench


class TestSimulatedCameraInVirtualTime(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return virtual_bench()


class TestSimulatedCameraBehindASocketInRealTime(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return real_time_bench()


class TestSimulatedCameraWhoseNumbersHave16Bits(CameraContract):
    """1 to 65535, and they start again within each test."""

    def bench(self) -> AbstractContextManager[Bench]:
        return virtual_bench(wraps=True)


class TestSimulatedCameraThatCanDoLess(CameraContract):
    """No clock, no counter, and a rolling shutter with packed pictures."""

    def bench(self) -> AbstractContextManager[Bench]:
        sensor = {"timestamps": False, "counter": "none", "shutter": "rolling"}
        return virtual_bench(pixel_format="Mono12p", simulated=sensor)


class TestSimulatedCameraThatCountsFrames(CameraContract):
    """In colour."""

    def bench(self) -> AbstractContextManager[Bench]:
        return virtual_bench(pixel_format="RGB8", simulated={"counter": "frame"})


class Mutant(SimulatedCamera):
    """Remembers what mutants need; changes each frame by `spoil`."""

    epoch = grabbed = 0

    def arm(self, epoch: int) -> Baseline:
        self.epoch, self.grabbed = epoch, 0
        return super().arm(epoch)

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        frame = super().grab(timeout_s)
        if not isinstance(frame, Frame):
            return frame
        self.grabbed += 1
        return self.spoil(frame)

    def spoil(self, frame: Frame) -> Frame | None:
        return frame


class SaysItIsReal(Mutant):
    def describe(self) -> CameraInfo:
        return replace(super().describe(), simulated=False)


class DeniesItsClock(Mutant):
    def describe(self) -> CameraInfo:
        info = super().describe()
        return replace(info, capabilities=info.capabilities | {"timestamps": False})


class LeavesOutAFeature(Mutant):
    def describe(self) -> CameraInfo:
        info = super().describe()
        return replace(info, features=info.features[:-1])


class HidesARefusal(Mutant):
    """Says of each feature that it reads as it was asked for."""

    def describe(self) -> CameraInfo:
        info = super().describe()
        return replace(info, features=tuple(replace(state, got=state.asked, refusal="") for state in info.features))


class TellsOneRefusalAtATime(Mutant):
    def arm(self, epoch: int) -> Baseline:
        try:
            return super().arm(epoch)
        except ProblemList as found:
            raise found.problems[0] from None


class SaysItsTicksMarkNothing(Mutant):
    def arm(self, epoch: int) -> Baseline:
        return replace(super().arm(epoch), ticks_mark=TicksMark.NONE)


class RollsInNoTime(Mutant):
    def arm(self, epoch: int) -> Baseline:
        return replace(super().arm(epoch), shutter=Shutter.ROLLING)


class DeliversOneLongRow(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, pixels=frame.pixels.reshape(1, -1))


class TellsAnOldReadingOfItsClock(Mutant):
    pairs: tuple[ClockPair, ...] = ()

    def arm(self, epoch: int) -> Baseline:
        baseline = super().arm(epoch)
        self.pairs = baseline.clock_pairs
        return baseline

    def stop(self) -> AtStop:
        later = super().stop().clock_pairs
        return AtStop({}, tuple(replace(new, reading=old.reading) for old, new in zip(self.pairs, later, strict=True)))


class StampsTheEndOfReadout(Mutant):
    """30 ms late, by the same clock."""

    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, camera_ticks=frame.camera_ticks + 30_000_000)


class PromisesTooMuch(Mutant):
    def arm(self, epoch: int) -> Baseline:
        baseline = super().arm(epoch)
        return replace(baseline, shortest_period_us=baseline.shortest_period_us * 0.9)


class SaysItsNumbersNeverEnd(Mutant):
    def arm(self, epoch: int) -> Baseline:
        return replace(super().arm(epoch), number_modulus=0)


class TellsAnEventForAFrame(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        frame = super().grab(timeout_s)
        if self.grabbed != 2 or not isinstance(frame, Frame):
            return frame
        self.release(frame)
        return CameraEvent(self.name, CameraEventKind.OVERRUN, "lost", None, 0, frame.arrived_host_ns)


class HidesDamage(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, status=Status.OK, error="")


class KeepsDamagedBuffers(Mutant):
    def release(self, frame: Frame) -> None:
        if frame.status is Status.OK:
            super().release(frame)


class AnnouncesAWrongNumber(Mutant):
    def arm(self, epoch: int) -> Baseline:
        return replace(super().arm(epoch), first_frame_number=1)


class KeepsEarlyTriggers(Mutant):
    """Counts frames of the time before it was armed."""

    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, frame_number=frame.frame_number + 2)


class FreeRuns(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        frame = super().grab(timeout_s)
        if frame is None and self.epoch >= 0:
            now = self._clock.now_ns()
            return Frame(self.name, self.epoch, 0, now, 1, 2000.0, 0, 0, "", now, self._link.pool[0], 0)  # type: ignore[arg-type]
        return frame


class RepeatsAFrame(Mutant):
    repeated: Frame | None = None

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        if self.repeated is not None:
            frame, self.repeated = self.repeated, None
            return frame
        return super().grab(timeout_s)

    def spoil(self, frame: Frame) -> Frame:
        self.repeated = frame if self.grabbed == 3 else None
        return frame


class SwapsPictures(Mutant):
    """The right rows in the right order, but two pictures changed places."""

    def spoil(self, frame: Frame) -> Frame:
        swapped = {0: 1, 1: 0}.get(frame.slot, frame.slot)
        return replace(frame, pixels=self._link.pool[swapped])


class StampsInMilliseconds(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, camera_ticks=frame.camera_ticks // 1_000_000 * 1_000_000)


class SaysAWrongRate(Mutant):
    def arm(self, epoch: int) -> Baseline:
        return replace(super().arm(epoch), ticks_hz=1_001_000_000)


class CountsInPairs(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, counter=frame.counter // 2 * 2)


class CountsFrames(Mutant):
    """Hides swallowed triggers, as a counter fed by the start of frames does, without saying so."""

    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, counter=self.grabbed)


class DeliversStaleFrames(Mutant):
    """What was not grabbed when it was stopped comes after it is armed again, under the new epoch."""

    def __init__(self, *args: object) -> None:
        self.stale: deque[Frame] = deque()
        super().__init__(*args)  # type: ignore[arg-type]

    def stop(self) -> AtStop:
        while (frame := super().grab(0)) is not None:
            self.stale.append(frame)
        return super().stop()

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        return replace(self.stale.popleft(), epoch=self.epoch) if self.stale else super().grab(timeout_s)


class KeepsTheOldEpoch(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, epoch=0)


class NumbersOn(Mutant):
    """Its numbers survive a stop, and it does not say so."""

    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, frame_number=frame.frame_number + 4 * self.epoch)


class CountsOn(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, counter=frame.counter + 4 * self.epoch)


class ArmsTooLate(Mutant):
    """Says that it is armed before it sees edges: the first one is missed."""

    def spoil(self, frame: Frame) -> Frame | None:
        if self.grabbed == 1:
            self.release(frame)
            return None
        return frame


class DoesNotWait(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        return super().grab(0)


class ReusesHeldBuffers(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        self.release(frame)
        return frame


class Renumbers(Mutant):
    def spoil(self, frame: Frame) -> Frame:
        return replace(frame, frame_number=self.grabbed - 1)


class ForgetsBuffers(Mutant):
    def release(self, frame: Frame) -> None:
        if frame.frame_number % 5:
            super().release(frame)


class WantsBuffersInOrder(Mutant):
    """A buffer is free again only when all that were grabbed before it are."""

    def __init__(self, *args: object) -> None:
        self.held: deque[Frame] = deque()
        self.given_back: set[int] = set()
        super().__init__(*args)  # type: ignore[arg-type]

    def spoil(self, frame: Frame) -> Frame:
        self.held.append(frame)
        return frame

    def release(self, frame: Frame) -> None:
        self.given_back.add(frame.slot)
        while self.held and self.held[0].slot in self.given_back:
            super().release(self.held.popleft())


class ChangesItsExposure(Mutant):
    def stop(self) -> AtStop:
        return AtStop(super().stop().features | {"ExposureTime": 2100.0})


class IsLostInSilence(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            return None


class NoticesItsLossLate(Mutant):
    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            self._clock.sleep_until(self._clock.now_ns() + 2 * NS)
            raise


class IsLostForGood(Mutant):
    was_lost = False

    def arm(self, epoch: int) -> Baseline:
        if self.was_lost:
            raise DeviceLost(self.name, "is gone")
        return super().arm(epoch)

    def grab(self, timeout_s: float) -> Frame | CameraEvent | None:
        try:
            return super().grab(timeout_s)
        except DeviceLost:
            self.was_lost = True
            raise


class LosesBuffersWithTheCamera(Mutant):
    """What was grabbed before the loss cannot be given back."""

    def release(self, frame: Frame) -> None:
        if frame.epoch == self.epoch:
            super().release(frame)


class ClosesOnce(Mutant):
    is_closed = False

    def close(self) -> None:
        assert not self.is_closed, "closed twice"
        self.is_closed = True


MUTANTS = {
    SaysItIsReal: "test_it_says_who_it_is_and_whether_it_is_simulated",
    DeniesItsClock: "test_what_it_cannot_do_is_declared",
    LeavesOutAFeature: "test_every_feature_that_is_asked_for_is_told_as_it_reads",
    HidesARefusal: "test_features_that_are_refused_are_told_all_at_once",
    TellsOneRefusalAtATime: "test_features_that_are_refused_are_told_all_at_once",
    SaysItsTicksMarkNothing: "test_arming_says_what_a_frame_means",
    RollsInNoTime: "test_arming_says_what_a_frame_means",
    DeliversOneLongRow: "test_a_picture_has_the_shape_of_its_pixel_format",
    TellsAnOldReadingOfItsClock: "test_its_clock_is_read_between_two_readings_of_the_host",
    StampsTheEndOfReadout: "test_its_clock_is_read_between_two_readings_of_the_host",
    PromisesTooMuch: "test_triggers_at_the_shortest_period_are_all_exposed",
    SaysItsNumbersNeverEnd: "test_numbers_start_again_where_it_said",
    TellsAnEventForAFrame: "test_an_event_comes_beside_the_frames_and_never_for_one",
    HidesDamage: "test_a_damaged_frame_says_so_and_gives_its_buffer_back",
    KeepsDamagedBuffers: "test_a_damaged_frame_says_so_and_gives_its_buffer_back",
    AnnouncesAWrongNumber: "test_arming_says_where_its_numbers_start",
    KeepsEarlyTriggers: "test_no_frame_comes_before_a_trigger",
    FreeRuns: "test_no_frame_comes_before_a_trigger",
    RepeatsAFrame: "test_every_trigger_gives_one_frame_in_order",
    SwapsPictures: "test_every_trigger_gives_one_frame_in_order",
    StampsInMilliseconds: "test_timestamps_pass_as_time_does_on_the_wire",
    SaysAWrongRate: "test_timestamps_pass_as_time_does_on_the_wire",
    CountsInPairs: "test_the_counter_counts_the_edges",
    CountsFrames: "test_a_trigger_that_comes_too_early_gives_no_frame_but_is_counted",
    DeliversStaleFrames: "test_no_frame_of_an_earlier_epoch_comes_after_rearming",
    KeepsTheOldEpoch: "test_no_frame_of_an_earlier_epoch_comes_after_rearming",
    NumbersOn: "test_numbers_and_counter_start_again_as_the_new_baseline_says",
    CountsOn: "test_numbers_and_counter_start_again_as_the_new_baseline_says",
    ArmsTooLate: "test_the_first_edge_after_arming_is_exposed",
    DoesNotWait: "test_waiting_for_nothing_ends_in_time",
    ReusesHeldBuffers: "test_a_held_picture_is_never_overwritten",
    Renumbers: "test_a_full_pool_loses_frames_and_the_numbers_show_the_hole",
    ForgetsBuffers: "test_buffers_are_given_back_in_any_order",
    WantsBuffersInOrder: "test_buffers_are_given_back_in_any_order",
    ChangesItsExposure: "test_stop_reads_the_features_as_they_were_at_arm",
    IsLostInSilence: "test_a_lost_camera_is_named",
    NoticesItsLossLate: "test_a_lost_camera_is_named",
    IsLostForGood: "test_a_camera_that_is_back_can_be_armed_again",
    LosesBuffersWithTheCamera: "test_a_camera_that_is_back_can_be_armed_again",
    ClosesOnce: "test_closing_twice_is_harmless",
}


@pytest.mark.parametrize(("mutant", "test"), MUTANTS.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_camera_that_misbehaves_fails_the_test_that_forbids_it(mutant: type[SimulatedCamera], test: str) -> None:
    class Misbehaving(CameraContract):
        def bench(self) -> AbstractContextManager[Bench]:
            return virtual_bench(mutant, wraps=test == "test_numbers_start_again_where_it_said")

    with pytest.raises(AssertionError):
        getattr(Misbehaving(), test)()


def test_every_test_of_the_contract_has_a_mutant() -> None:
    assert set(MUTANTS.values()) == {name for name in vars(CameraContract) if name.startswith("test_")}


def test_a_camera_whose_world_has_ended_is_lost() -> None:
    with closing(WorldThread()) as world, closing(SimulatedCamera("HS", world.link, world.clock)) as camera:
        camera.arm(0)
        world.end()
        for use in (lambda: camera.grab(1), lambda: camera.arm(1), camera.stop, camera.describe):
            with pytest.raises(DeviceLost, match="camera HS: the simulated world is gone"):
                use()

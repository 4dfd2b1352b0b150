"""What becomes of a camera's buffers: whole, damaged, held, or of a camera that was lost. Part of CameraContract."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import numpy as np

from rig.cameras.camera import Baseline
from rig.clock import NS
from rig.errors import DeviceLost
from rig.streams import Frame, Picture, Status
from rig.testing.camera_bench import (
    LOSS_S,
    PATIENCE_S,
    TURN_S,
    Bench,
    BenchTests,
    counters_after,
    numbers_from,
)


class BufferTests(BenchTests):
    """A picture that is held stays as it is; a buffer that is given back is used again."""

    def test_a_held_picture_is_never_overwritten(self) -> None:
        """All buffers held, and as many edges again: every picture is what it was when it was grabbed."""
        with self.bench() as bench:
            bench.camera.arm(0)
            edges = bench.pulses(bench.buffers)
            held, copies = _grabbed(bench, len(edges))
            bench.pulses(bench.buffers)
            bench.settle()
            assert _changed(held, copies) == []
            bench.check_shown(held, edges)

    def test_what_was_grabbed_before_it_was_stopped_is_held_and_can_be_given_back(self) -> None:
        """Its buffer is not used in the next epoch, whose frames go round all others, until it is released."""
        with self.bench() as bench:
            bench.camera.arm(0)
            bench.pulses(2)
            held, copies = _grabbed(bench, 2)
            bench.camera.stop()
            bench.camera.arm(1)
            for _ in range(3):
                bench.release(bench.take(bench.buffers - len(held))[1])
            assert _changed(held, copies) == []
            bench.release(held)
            bench.take(bench.buffers)

    def test_a_full_pool_loses_frames_and_the_numbers_show_the_hole(self) -> None:
        """A frame without a buffer is lost; it is neither made up for nor hidden by renumbering."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            _, held = bench.take(bench.buffers)
            bench.pulses(3)
            bench.nothing_comes()
            bench.release(held)
            edges, frames = bench.take(2)
            start = bench.buffers + (3 if bench.numbers_lost_frames else 0)
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, start=start, count=2)
            counted = bench.buffers + 3
            assert [frame.counter for frame in frames] == counters_after(baseline, [counted + 1, counted + 2])
            bench.check_shown(frames, edges)

    def test_buffers_are_given_back_in_any_order(self) -> None:
        """By another thread: while one is held for long, the others go round and no frame is lost."""
        with self.bench() as bench:
            bench.camera.arm(0)
            edges, held = bench.take(1)
            for _ in range(3):
                _, frames = bench.take(bench.buffers - 1)
                writer = Thread(target=bench.release, args=(frames[1::2] + frames[::2][::-1],))
                writer.start()
                writer.join()
            bench.check_shown(held, edges)

    def test_release_does_not_block(self) -> None:
        """The writer has no time to wait."""
        with self.bench() as bench:
            bench.camera.arm(0)
            bench.release(bench.take(2)[1])

    def test_a_damaged_frame_says_so_and_gives_its_buffer_back(self) -> None:
        """Its status and the device's own words; it has its number, and those around it are whole."""
        with self.bench() as bench:
            if bench.damage is None:
                return
            baseline = bench.camera.arm(0)
            edges = bench.pulses(1)
            frames = bench.collect(1)  # it is over before the damage is asked for
            bench.damage()
            edges += bench.pulses(2)
            frames += bench.collect(2)
            told = [(frame.status, bool(frame.error)) for frame in frames]
            assert told == [(Status.OK, False), (Status.DAMAGED, True), (Status.OK, False)]
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=3)
            bench.check_shown(frames[::2], edges[::2])
            bench.release(frames)
            bench.take(bench.buffers)

    def test_a_lost_camera_is_named(self) -> None:
        """All that can be asked raises DeviceLost with its name within a second; `close` still does not raise."""
        with self.bench() as bench:
            if bench.unplug is None:
                return
            camera = bench.camera
            camera.arm(0)
            bench.unplug()
            lost_ns = bench.clock.now_ns()
            for use in (lambda: camera.grab(TURN_S), camera.stop, camera.describe, lambda: camera.arm(1)):
                assert camera.name in _loss(use).subject.split()
                assert bench.clock.now_ns() - lost_ns <= (LOSS_S + bench.late_s) * NS
            camera.close()

    def test_a_camera_that_is_back_can_be_armed_again(self) -> None:
        """For a new epoch, with numbers as it then says; frames of the time before stay whole and can be given back."""
        with self.bench() as bench:
            if bench.unplug is None or bench.replug is None:
                return
            features = bench.camera.arm(0).features
            bench.pulses(3)
            held, copies = _grabbed(bench, 3)
            bench.unplug()
            _loss(lambda: bench.camera.grab(TURN_S))
            _loss(lambda: bench.camera.arm(1))
            bench.pulses(2)
            bench.replug()
            bench.pulses(2)
            baseline = _armed(bench, 1)
            assert baseline.features == features
            new_edges, frames = bench.take(bench.buffers - len(held))
            assert _changed(held, copies) == []
            bench.check_shown(frames, new_edges)
            assert {frame.epoch for frame in frames} == {1}
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=len(frames))
            assert [frame.counter for frame in frames] == counters_after(baseline, range(1, len(frames) + 1))
            bench.release(held + frames)
            bench.take(bench.buffers)


def _grabbed(bench: Bench, count: int) -> tuple[list[Frame], list[Picture]]:
    """The next frames, and a copy of each picture from the moment when it was grabbed."""
    frames: list[Frame] = []
    copies: list[Picture] = []
    while len(frames) < count:
        frames += bench.collect(1)
        copies.append(frames[-1].pixels.copy())
    return frames, copies


def _changed(frames: list[Frame], copies: list[Picture]) -> list[int]:
    """The frames, by their number, whose picture is another now."""
    together = zip(frames, copies, strict=True)
    return [frame.frame_number for frame, copy in together if not np.array_equal(frame.pixels, copy)]


def _loss(use: Callable[[], object]) -> DeviceLost:
    """Use a lost camera until it says so."""
    for _ in range(round(PATIENCE_S / TURN_S)):
        try:
            use()
        except DeviceLost as lost:
            return lost
    raise AssertionError(f"DeviceLost was not raised within {PATIENCE_S:g} s")


def _armed(bench: Bench, epoch: int) -> Baseline:
    """Arm a camera that is being plugged in again, as soon as it is there."""
    until_ns = bench.clock.now_ns() + round(PATIENCE_S * NS)
    while bench.clock.now_ns() < until_ns:
        try:
            return bench.camera.arm(epoch)
        except DeviceLost:
            bench.clock.sleep_until(bench.clock.now_ns() + round(TURN_S * NS))
    raise AssertionError(f"could not be armed again within {PATIENCE_S:g} s")

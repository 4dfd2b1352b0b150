"""What every camera must do, as tests: a backend makes a bench, and takes them all.

    class TestMyCamera(CameraContract):
        @contextmanager
        def bench(self) -> Iterator[Bench]:
            with my_camera_on_a_pulse_generator() as (camera, generator):
                yield Bench(camera, HostClock(), generator.send, serial="22812345", is_simulated=False, ...)

The bench reaches the camera past its driver: it raises edges on the trigger wire, and reads in a picture which edge
exposed it. What a backend cannot do is said by a field of its bench, never by overriding a test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from threading import Thread
from typing import NamedTuple

import numpy as np

from rig.cameras.camera import Baseline, Camera
from rig.clock import NS, Clock
from rig.errors import DeviceLost
from rig.streams import NO_COUNTER, Frame, Picture, Status

PATIENCE_S = 30.0
TURN_S = 0.05


class OnWire(NamedTuple):
    """One edge on the camera's trigger wire."""

    number: int  # counts edges since the bench was opened, from 0
    wire_ns: int  # when it rose, on any clock that runs at the right rate


@dataclass
class Bench:
    """A camera, the clock it is used with, and what the bench knows and does without asking its driver."""

    camera: Camera
    clock: Clock
    # One edge for each gap: the first so long after now, each other so long after the one before it (ns). Returns
    # when the last has risen.
    send: Callable[[Sequence[int]], list[OnWire]]
    serial: str
    is_simulated: bool
    period_ns: int  # an edge so long after another one is always exposed
    buffers: int  # so many frames can be held at once
    settle: Callable[[], None]  # returns when every frame of the edges so far has reached the driver or is lost
    rate_tolerance: float = 1e-3  # of the camera's clock
    tick_tolerance_ns: float = 20_000  # of one timestamp
    too_early_ns: int | None = None  # an edge so soon after another one is swallowed; None: cannot be brought about
    counts_swallowed: bool = True  # whether the camera's counter counts a swallowed edge
    shows: Callable[[Picture], int] | None = (
        None  # the number of the edge that a picture shows; None: pictures tell not
    )
    unplug: Callable[[], None] | None = None  # take the camera away for good

    def pulses(self, count: int) -> list[OnWire]:
        """So many edges, one period apart."""
        return self.send([self.period_ns] * count)

    def collect(self, count: int) -> list[Frame]:
        """The next frames; none is released. Fails when they do not come."""
        frames: list[Frame] = []
        for _ in range(count + round(PATIENCE_S / TURN_S)):
            if len(frames) == count:
                return frames
            came = self.camera.grab(TURN_S)
            frames += [came] if isinstance(came, Frame) else []
        raise AssertionError(f"{len(frames)} of {count} frames within {PATIENCE_S:g} s")

    def take(self, count: int) -> tuple[list[OnWire], list[Frame]]:
        """So many edges, and the frames of all of them; none is released."""
        return self.pulses(count), self.collect(count)

    def nothing_comes(self) -> None:
        """Fails when a frame arrives that nobody waits for."""
        self.settle()
        assert self.camera.grab(TURN_S) is None, "a frame came that no edge caused"

    def release(self, frames: Sequence[Frame]) -> None:
        """Give their buffers back, in this order."""
        for frame in frames:
            self.camera.release(frame)

    def check_shown(self, frames: Sequence[Frame], edges: Sequence[OnWire]) -> None:
        """Fails when the pictures are not those of these edges, in this order."""
        if self.shows is not None:
            assert [self.shows(frame.pixels) for frame in frames] == [edge.number for edge in edges]


def numbers_from(baseline: Baseline, *, start: int = 0, count: int) -> list[int]:
    """The frame numbers of `count` exposures of an epoch, from its exposure `start` on."""
    numbers = [baseline.first_frame_number]
    while len(numbers) < start + count:
        numbers.append(baseline.number_after(numbers[-1]))
    return numbers[start:]


def counters_after(baseline: Baseline, edges: Sequence[int]) -> list[int]:
    """The counter at the edges of an epoch that are counted so far, the first being 1."""
    return [NO_COUNTER if baseline.counter == NO_COUNTER else baseline.counter + edge for edge in edges]


class CameraContract(ABC):
    """The tests. Every one opens a bench of its own."""

    @abstractmethod
    def bench(self) -> AbstractContextManager[Bench]:
        """A camera that is open and not armed; closed, and nothing left behind, when the context ends."""

    def test_it_says_who_it_is_and_whether_it_is_simulated(self) -> None:
        """Kind, maker, model, serial number and version are read from the device."""
        with self.bench() as bench:
            info = bench.camera.describe()
            assert info.kind == "camera"
            assert (info.serial, info.simulated) == (bench.serial, bench.is_simulated)
            assert all((bench.camera.name, info.vendor, info.model, info.version))

    def test_arming_says_where_its_numbers_start(self) -> None:
        """The first frame has the number, epoch and stream that were announced, and the counter after one edge."""
        with self.bench() as bench:
            baseline = bench.camera.arm(3)
            edges, (frame,) = bench.take(1)
            assert (baseline.epoch, frame.epoch, frame.stream) == (3, 3, bench.camera.name)
            assert frame.frame_number == baseline.first_frame_number
            assert [frame.counter] == counters_after(baseline, [1])
            assert bool(baseline.counter_source) == (baseline.counter != NO_COUNTER)
            assert (frame.status, frame.error) == (Status.OK, "")
            assert frame.exposure_us > 0
            bench.check_shown([frame], edges)

    def test_no_frame_comes_before_a_trigger(self) -> None:
        """Neither by itself, nor of an edge that came before it was armed."""
        with self.bench() as bench:
            bench.pulses(2)
            baseline = bench.camera.arm(0)
            bench.nothing_comes()
            _, (frame,) = bench.take(1)
            assert frame.frame_number == baseline.first_frame_number

    def test_every_trigger_gives_one_frame_in_order(self) -> None:
        """N edges, N frames and not one more; their numbers are consecutive, their pictures those of the edges."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            edges, frames = bench.take(bench.buffers)
            bench.nothing_comes()
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=len(edges))
            bench.check_shown(frames, edges)
            arrived = [frame.arrived_host_ns for frame in frames]
            assert arrived == sorted(arrived)
            assert arrived[-1] <= bench.clock.now_ns()

    def test_timestamps_pass_as_time_does_on_the_wire(self) -> None:
        """Between any two frames as many ticks as the time between their edges, at the rate it announced."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            if not baseline.ticks_hz:
                return
            edges = bench.send([bench.period_ns * half_periods // 2 for half_periods in (2, 4, 2, 7, 3)])
            frames = bench.collect(len(edges))
        for (edge, frame), (next_edge, next_frame) in pairwise(zip(edges, frames, strict=True)):
            passed_ns = next_edge.wire_ns - edge.wire_ns
            told_ns = (next_frame.camera_ticks - frame.camera_ticks) / baseline.ticks_hz * NS
            assert abs(told_ns - passed_ns) <= bench.tick_tolerance_ns + bench.rate_tolerance * passed_ns

    def test_the_counter_counts_the_edges(self) -> None:
        """One more with every edge; a camera without a counter says NO_COUNTER in every frame."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            _, frames = bench.take(5)
            assert [frame.counter for frame in frames] == counters_after(baseline, range(1, 6))

    def test_a_trigger_that_comes_too_early_gives_no_frame_but_is_counted(self) -> None:
        """The numbers go on without a hole, since nothing was exposed; the counter shows that there was an edge."""
        with self.bench() as bench:
            if bench.too_early_ns is None:
                return
            baseline = bench.camera.arm(0)
            first, second, _, last = bench.send([bench.period_ns, bench.period_ns, bench.too_early_ns, bench.period_ns])
            frames = bench.collect(3)
            bench.nothing_comes()
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=3)
            counted = (1, 2, 4) if bench.counts_swallowed else (1, 2, 3)
            assert [frame.counter for frame in frames] == counters_after(baseline, counted)
            bench.check_shown(frames, [first, second, last])

    def test_no_frame_of_an_earlier_epoch_comes_after_rearming(self) -> None:
        """Neither one that waited to be grabbed nor one that was under way; one that was grabbed stays as it was."""
        with self.bench() as bench:
            bench.camera.arm(0)
            edges = bench.pulses(5)
            held = bench.collect(2)
            bench.camera.stop()
            bench.camera.arm(1)
            bench.nothing_comes()
            new_edges, frames = bench.take(3)
            assert [frame.epoch for frame in held + frames] == [0, 0, 1, 1, 1]
            bench.check_shown(held, edges[:2])
            bench.check_shown(frames, new_edges)

    def test_numbers_and_counter_start_again_as_the_new_baseline_says(self) -> None:
        """In every epoch anew."""
        with self.bench() as bench:
            for epoch in range(3):
                baseline = bench.camera.arm(epoch)
                assert baseline.epoch == epoch
                _, frames = bench.take(4)
                assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=4)
                assert [frame.counter for frame in frames] == counters_after(baseline, range(1, 5))
                bench.release(frames)
                bench.camera.stop()

    def test_the_first_edge_after_arming_is_exposed(self) -> None:
        """Arming returns only when the sensor is ready, whatever it was doing when it was stopped."""
        with self.bench() as bench:
            bench.camera.arm(0)
            bench.pulses(1)
            bench.camera.stop()
            baseline = bench.camera.arm(1)
            edges = bench.send([0])
            (frame,) = bench.collect(1)
            assert (frame.epoch, frame.frame_number) == (1, baseline.first_frame_number)
            bench.check_shown([frame], edges)

    def test_waiting_for_nothing_ends_in_time(self) -> None:
        """`grab` blocks for its timeout and not much longer."""
        with self.bench() as bench:
            bench.camera.arm(0)
            before = bench.clock.now_ns()
            assert bench.camera.grab(0.1) is None
            assert 0.09 <= (bench.clock.now_ns() - before) / NS < PATIENCE_S

    def test_a_held_picture_is_never_overwritten(self) -> None:
        """All buffers held, and as many edges again: every picture is what it was when it was grabbed."""
        with self.bench() as bench:
            bench.camera.arm(0)
            edges = bench.pulses(bench.buffers)
            held = bench.collect(1)
            copies = [held[0].pixels.copy()]
            for _ in edges[1:]:
                held += bench.collect(1)
                copies.append(held[-1].pixels.copy())
            bench.pulses(bench.buffers)
            bench.settle()
            assert all(np.array_equal(frame.pixels, copy) for frame, copy in zip(held, copies, strict=True))
            bench.check_shown(held, edges)

    def test_a_full_pool_loses_frames_and_the_numbers_show_the_hole(self) -> None:
        """A frame without a buffer is lost; it is neither made up for nor hidden by renumbering."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            _, held = bench.take(bench.buffers)
            bench.pulses(3)
            bench.nothing_comes()
            bench.release(held)
            edges, frames = bench.take(2)
            start = bench.buffers + 3
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, start=start, count=2)
            assert [frame.counter for frame in frames] == counters_after(baseline, [start + 1, start + 2])
            bench.check_shown(frames, edges)

    def test_buffers_are_given_back_in_any_order(self) -> None:
        """By another thread: while one is held for long, the others go round and no frame is lost."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            edges, held = bench.take(1)
            for turn in range(3):
                _, frames = bench.take(bench.buffers - 1)
                start = 1 + turn * (bench.buffers - 1)
                assert [f.frame_number for f in frames] == numbers_from(baseline, start=start, count=len(frames))
                writer = Thread(target=bench.release, args=(frames[1::2] + frames[::2][::-1],))
                writer.start()
                writer.join()
            bench.check_shown(held, edges)

    def test_stop_reads_the_features_as_they_were_at_arm(self) -> None:
        """Nothing has changed them in between, such as an automatic exposure."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            bench.take(2)
            assert baseline.features
            assert bench.camera.stop().features == baseline.features

    def test_a_lost_camera_is_named(self) -> None:
        """`grab` and `arm` raise DeviceLost with the camera's name; `close` still does not raise."""
        with self.bench() as bench:
            if bench.unplug is None:
                return
            bench.camera.arm(0)
            bench.unplug()
            for use in (lambda: bench.camera.grab(TURN_S), lambda: bench.camera.arm(1)):
                assert bench.camera.name in _loss(use).subject
            bench.camera.close()

    def test_closing_twice_is_harmless(self) -> None:
        """The second call does nothing."""
        with self.bench() as bench:
            bench.camera.close()
            bench.camera.close()


def _loss(use: Callable[[], object]) -> DeviceLost:
    """Use a lost camera until it says so."""
    for _ in range(round(PATIENCE_S / TURN_S)):
        try:
            use()
        except DeviceLost as lost:
            return lost
    raise AssertionError(f"DeviceLost was not raised within {PATIENCE_S:g} s")

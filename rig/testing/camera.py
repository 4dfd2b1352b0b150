"""What every camera must do, as tests: a backend makes a bench, and takes them all.

    class TestMyCamera(CameraContract):
        @contextmanager
        def bench(self) -> Iterator[Bench]:
            with my_camera_on_a_pulse_generator() as (camera, generator):
                yield Bench(camera, HostClock(), generator.send, serial="22812345", is_simulated=False, ...)

The bench reaches the camera past its driver: it raises edges on the trigger wire, and reads in a picture which edge
exposed it. What a backend cannot do is declared in its Baseline or by a field of its bench, never by overriding a test;
the test that would need it passes over it, and `pytest -s` prints all of it (see `inabilities`).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from rig.clock import NS
from rig.pixels import FORMATS
from rig.testing.camera_bench import (
    QUICK_S,
    Bench,
    Known,
    OnWire,
    counters_after,
    counts_swallowed,
    inabilities,
    numbers_from,
)
from rig.testing.camera_buffers import BufferTests
from rig.testing.camera_clock import ClockTests
from rig.testing.camera_says import SaysTests

__all__ = ["Bench", "CameraContract", "Known", "OnWire", "inabilities"]


class CameraContract(SaysTests, ClockTests, BufferTests):
    """The tests. Every one opens a bench of its own, with `bench`."""

    def test_arming_says_where_its_numbers_start(self) -> None:
        """The first frame has the number, epoch and stream that were announced, and the counter after one edge."""
        with self.bench() as bench:
            baseline = bench.camera.arm(3)
            edges, (frame,) = bench.take(1)
            assert (baseline.epoch, frame.epoch, frame.stream) == (3, 3, bench.camera.name)
            assert frame.frame_number == baseline.first_frame_number
            assert [frame.counter] == counters_after(baseline, [1])
            bench.check_shown([frame], edges)

    def test_a_picture_has_the_shape_of_its_pixel_format(self) -> None:
        """As it is delivered, in one piece of memory."""
        with self.bench() as bench:
            info = bench.camera.describe()
            bench.camera.arm(0)
            _, (frame,) = bench.take(1)
            form = FORMATS[info.pixel_format]
            assert (frame.pixels.shape, frame.pixels.dtype) == (form.shape(info.height, info.width), form.dtype)
            assert frame.pixels.flags.c_contiguous

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
            edges, frames = bench.take(bench.buffers - 1)
            bench.nothing_comes()
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=len(edges))
            bench.check_shown(frames, edges)

    def test_triggers_at_the_shortest_period_are_all_exposed(self) -> None:
        """Where it says how short that is."""
        with self.bench() as bench:
            shortest_ns = ceil(bench.camera.arm(0).shortest_period_us * 1000)
            if not shortest_ns:
                return
            edges = bench.send([bench.period_ns] + [shortest_ns] * (bench.buffers - 1))
            bench.check_shown(bench.collect(len(edges)), edges)

    def test_numbers_start_again_where_it_said(self) -> None:
        """After the highest one the first valid one follows, and nothing else changes."""
        with self.bench() as bench:
            if bench.wraps_within is None:
                return
            baseline = bench.camera.arm(0)
            numbers: list[int] = []
            while len(numbers) < bench.wraps_within + 2:
                _, frames = bench.take(1)
                numbers += [frame.frame_number for frame in frames]
                bench.release(frames)
            assert numbers == numbers_from(baseline, count=len(numbers))
            top = baseline.first_valid_number + baseline.number_modulus - 1
            assert (top, baseline.first_valid_number) in pairwise(numbers)

    def test_the_counter_counts_the_edges(self) -> None:
        """One more with every edge; a camera without a counter says NO_COUNTER in every frame."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            _, frames = bench.take(5)
            assert [frame.counter for frame in frames] == counters_after(baseline, range(1, 6))

    def test_a_trigger_that_comes_too_early_gives_no_frame_but_is_counted(self) -> None:
        """The numbers go on without a hole, since nothing was exposed; a counter of edges shows that there was one."""
        with self.bench() as bench:
            if bench.too_early_ns is None:
                return
            gaps_ns = [bench.period_ns, bench.period_ns, bench.too_early_ns, bench.period_ns]
            baseline, (first, second, _, last) = bench.too_early(gaps_ns)
            frames = bench.collect(3)
            bench.nothing_comes()
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=3)
            counted = (1, 2, 4) if counts_swallowed(bench, baseline.counter_source) else (1, 2, 3)
            assert [frame.counter for frame in frames] == counters_after(baseline, counted)
            bench.check_shown(frames, [first, second, last])

    def test_an_event_comes_beside_the_frames_and_never_for_one(self) -> None:
        """Whatever it notices, such as a trigger that came too early, every exposure has its frame."""
        with self.bench() as bench:
            early = [bench.too_early_ns] if bench.too_early_ns is not None else []
            baseline, edges = bench.too_early([bench.period_ns, *early, bench.period_ns, bench.period_ns])
            frames, events = bench.collect_all(3)
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=3)
            bench.check_shown(frames, [edges[0], *edges[-2:]])
            assert [event for event in events if event.stream != bench.camera.name or not event.text] == []
            assert [event for event in events if event.arrived_host_ns > bench.clock.now_ns()] == []
            if bench.known.notices_early is not None:
                assert bool(events) == bench.known.notices_early

    def test_no_frame_of_an_earlier_epoch_comes_after_rearming(self) -> None:
        """Neither one that waited to be grabbed nor one that was under way."""
        with self.bench() as bench:
            bench.camera.arm(0)
            bench.pulses(5)
            bench.collect(2)
            bench.camera.stop()
            bench.camera.arm(1)
            bench.nothing_comes()
            edges, frames = bench.take(3)
            assert {frame.epoch for frame in frames} == {1}
            bench.check_shown(frames, edges)

    def test_numbers_and_counter_start_again_as_the_new_baseline_says(self) -> None:
        """In every epoch anew."""
        with self.bench() as bench:
            for epoch in range(3):
                baseline = bench.camera.arm(epoch)
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
            bench.camera.arm(1)
            edges = bench.send([0])
            bench.check_shown(bench.collect(1), edges)

    def test_waiting_for_nothing_ends_in_time(self) -> None:
        """`grab` blocks for its timeout and not much longer."""
        with self.bench() as bench:
            bench.camera.arm(0)
            before_ns = bench.clock.now_ns()
            came = bench.camera.grab(0.1)
            assert 0.09 <= (bench.clock.now_ns() - before_ns) / NS <= 0.1 + QUICK_S + bench.late_s
            assert came is None

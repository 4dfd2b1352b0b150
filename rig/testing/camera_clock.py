"""What a camera's clock must tell, and when its frames arrive. Part of CameraContract."""

from __future__ import annotations

from itertools import pairwise

from rig.cameras.camera import Baseline, TicksMark
from rig.clock import NS
from rig.streams import ClockPair, Frame
from rig.testing.camera_bench import Bench, BenchTests


class ClockTests(BenchTests):
    """Ticks pass as time does, mark what they are said to, and lie where readings of the clock put them."""

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

    def test_ticks_mark_the_moment_that_it_says(self) -> None:
        """Start or end of exposure, or the trigger itself, in every frame: by edges and readings of its clock."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            if bench.known.exposure_start_us is None or not baseline.clock_pairs:
                return
            edges, frames = bench.take(4)
        off_ns = [
            _told_ns(baseline, frame) - edge.wire_ns - _marked_after_ns(bench, baseline, frame)
            for edge, frame in zip(edges, frames, strict=True)
        ]
        unsure_ns = _unsure_ns(baseline.clock_pairs[0]) + bench.rate_tolerance * len(edges) * bench.period_ns
        assert [off for off in off_ns if abs(off) > unsure_ns + bench.tick_tolerance_ns] == []

    def test_its_clock_is_read_between_two_readings_of_the_host(self) -> None:
        """At arm and at stop, by the name of its stream; no exposure lies before arming or after its frame came."""
        with self.bench() as bench:
            began_ns = bench.clock.now_ns()
            baseline = bench.camera.arm(0)
            armed_ns = bench.clock.now_ns()
            _, frames = bench.take(5)
            at_stop = bench.camera.stop()
            assert bool(at_stop.clock_pairs) == bool(baseline.clock_pairs)
            if not baseline.clock_pairs:
                return
            first, last = baseline.clock_pairs[0], at_stop.clock_pairs[-1]
            pairs = [*baseline.clock_pairs, *at_stop.clock_pairs]
            assert {pair.clock for pair in pairs} == {f"camera:{bench.camera.name}"}
            assert [pair for pair in pairs if pair.reading_end < pair.reading] == []
            read_ns = [t for pair in pairs for t in (pair.host_before_ns, pair.host_after_ns)]
            times_ns = [began_ns, *read_ns[: 2 * len(baseline.clock_pairs)], armed_ns]
            times_ns += [*read_ns[2 * len(baseline.clock_pairs) :], bench.clock.now_ns()]
            assert times_ns == sorted(times_ns)
            passed_ns = last.host_before_ns - first.host_before_ns
            told_ns = (last.reading - first.reading) / baseline.ticks_hz * NS
            unsure_ns = _unsure_ns(first) + _unsure_ns(last)
            assert abs(told_ns - passed_ns) <= unsure_ns + bench.tick_tolerance_ns + bench.rate_tolerance * passed_ns
            assert first.reading <= frames[0].camera_ticks
            assert [f for f in frames if _told_ns(baseline, f) > f.arrived_host_ns + unsure_ns] == []

    def test_a_frame_arrives_after_its_exposure(self) -> None:
        """By the host's clock, in the order of exposure."""
        with self.bench() as bench:
            bench.camera.arm(0)
            before_ns = bench.clock.now_ns()
            _, frames = bench.take(4)
            grabbed_ns = bench.clock.now_ns()
        arrived_ns = [frame.arrived_host_ns for frame in frames]
        assert [*arrived_ns, grabbed_ns] == sorted([*arrived_ns, grabbed_ns])
        for number, frame in enumerate(frames, 1):
            waited_ns = (1 - bench.rate_tolerance) * (number * bench.period_ns + frame.exposure_us * 1000)
            assert frame.arrived_host_ns >= before_ns + waited_ns


def _told_ns(baseline: Baseline, frame: Frame) -> float:
    """What its ticks mark, on the host's clock by the first reading of the camera's."""
    first = baseline.clock_pairs[0]
    return first.host_before_ns + (frame.camera_ticks - first.reading) / baseline.ticks_hz * NS


def _marked_after_ns(bench: Bench, baseline: Baseline, frame: Frame) -> float:
    """So long after its edge lies what its ticks are said to mark."""
    start_us = bench.known.exposure_start_us or 0.0
    after_us = {TicksMark.EXPOSURE_START: start_us, TicksMark.EXPOSURE_END: start_us + frame.exposure_us}
    return after_us.get(baseline.ticks_mark, 0.0) * 1000


def _unsure_ns(pair: ClockPair) -> int:
    return pair.host_after_ns - pair.host_before_ns

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

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from math import ceil
from threading import Thread

import numpy as np

from rig.cameras.camera import Baseline, Discipline, Origin, Shutter, TicksMark
from rig.cameras.features import Feature, spelled
from rig.clock import NS
from rig.errors import DeviceLost, ProblemList, RigError
from rig.pixels import FORMATS
from rig.streams import NO_COUNTER, Status
from rig.testing.camera_bench import PATIENCE_S, TURN_S, Bench, OnWire, counters_after, inabilities, numbers_from

__all__ = ["Bench", "CameraContract", "OnWire", "inabilities"]

ALWAYS_ASKED = (
    "PixelFormat", "Width", "Height", "OffsetX", "OffsetY", "TriggerSelector", "TriggerMode", "TriggerSource",
    "ExposureTime",
)  # fmt: skip
DELAYS = {"exposure_start", "line", "debouncer", "trigger"}


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

    def test_what_it_cannot_do_is_declared(self) -> None:
        """Its capabilities say the same as its baseline; all that is passed over is printed."""
        with self.bench() as bench:
            info, baseline = bench.camera.describe(), bench.camera.arm(0)
            assert info.capabilities.get("timestamps") == (baseline.ticks_hz > 0)
            assert info.capabilities.get("counter_source") == baseline.counter_source
            print(f"\n{info.vendor} {info.model} ({type(bench.camera).__name__}):")  # noqa: T201
            for text in inabilities(bench, info, baseline):
                print(f"  {text}")  # noqa: T201

    def test_every_feature_that_is_asked_for_is_told_as_it_reads(self) -> None:
        """None is left out or refused, and they are the same when it is armed."""
        with self.bench() as bench:
            info = bench.camera.describe()
            states = {state.name: state for state in info.features}
            assert set(ALWAYS_ASKED) <= set(states)
            assert [state.problem for state in info.features if state.problem] == []
            told = (states["Width"].got, states["Height"].got, states["PixelFormat"].got)
            assert told == (info.width, info.height, info.pixel_format)
            baseline = bench.camera.arm(0)
            assert {name: baseline.features.get(name) for name in states} == {n: s.got for n, s in states.items()}

    def test_features_that_are_refused_are_told_all_at_once(self) -> None:
        """It is opened all the same and says what is allowed; arming names each with the value that was asked for."""
        with self.bench() as bench:
            if bench.reopen is None:
                return
            asked: dict[str, Feature] = {"NoSuchFeature": 12345, "ExposureTime": 98765432100}
            asked |= {bench.read_only: 54321} if bench.read_only else {}
            asked |= dict([bench.rounds]) if bench.rounds else {}
            camera = bench.reopen(asked)
            states = {state.name: state for state in camera.describe().features}
            assert all(states[name].asked == value and states[name].problem for name, value in asked.items())
            assert states["ExposureTime"].allowed and states["NoSuchFeature"].got is None
            found = _error(lambda: camera.arm(0))
            assert isinstance(found, ProblemList) and len(found.problems) == len(asked)
            for name, value in asked.items():
                told = [str(problem) for problem in found.problems if name in str(problem)]
                parts = (camera.name, spelled(value), states[name].allowed)
                assert len(told) == 1 and all(part in told[0] for part in parts)

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

    def test_arming_says_what_a_frame_means(self) -> None:
        """What its ticks mark, how its rows expose, and each delay that it knows of with its origin."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            has_clock = baseline.ticks_hz > 0
            assert (baseline.ticks_mark is not TicksMark.NONE) == has_clock
            assert (baseline.discipline is not Discipline.NONE) == has_clock
            assert (baseline.row_time_us > 0) == (baseline.shutter is Shutter.ROLLING)
            assert all(delay.us >= 0 and isinstance(delay.origin, Origin) for delay in baseline.delays.values())
            assert set(baseline.delays) <= DELAYS
            assert baseline.first_valid_number <= baseline.first_frame_number
            if baseline.number_modulus:
                assert baseline.first_frame_number < baseline.first_valid_number + baseline.number_modulus

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

    def test_its_clock_is_read_between_two_readings_of_the_host(self) -> None:
        """At arm and at stop, by the name of its stream; exposures lie where these readings put them."""
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
            assert all(pair.reading <= pair.reading_end for pair in pairs)
            times = [t for pair in pairs for t in (pair.host_before_ns, pair.host_after_ns)]
            assert times == sorted(times) and began_ns <= times[0] and times[-1] <= bench.clock.now_ns()
            assert baseline.clock_pairs[-1].host_after_ns <= armed_ns
            passed_ns = last.host_before_ns - first.host_before_ns
            told_ns = (last.reading - first.reading) / baseline.ticks_hz * NS
            unsure_ns = sum(pair.host_after_ns - pair.host_before_ns for pair in (first, last))
            assert abs(told_ns - passed_ns) <= unsure_ns + bench.tick_tolerance_ns + bench.rate_tolerance * passed_ns
            assert first.reading <= frames[0].camera_ticks and frames[-1].camera_ticks <= last.reading_end
            exposed_ns = first.host_before_ns + (frames[0].camera_ticks - first.reading) / baseline.ticks_hz * NS
            assert armed_ns - unsure_ns <= exposed_ns <= frames[0].arrived_host_ns + unsure_ns

    def test_triggers_at_the_shortest_period_are_all_exposed(self) -> None:
        """Where it says how short that is."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            shortest_ns = ceil(baseline.shortest_period_us * 1000)
            if not shortest_ns:
                return
            edges = bench.send([bench.period_ns] + [shortest_ns] * (bench.buffers - 1))
            frames = bench.collect(len(edges))
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=len(edges))
            bench.check_shown(frames, edges)

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

    def test_an_event_comes_beside_the_frames_and_never_for_one(self) -> None:
        """Whatever it notices, of a trigger that came too early or of a full pool, every exposure has its frame."""
        with self.bench() as bench:
            baseline = bench.camera.arm(0)
            early = [bench.too_early_ns] if bench.too_early_ns else []
            edges = bench.send([bench.period_ns, *early, bench.period_ns, bench.period_ns])
            frames, events = bench.collect_all(3)
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=3)
            bench.check_shown(frames, [edges[0], *edges[-2:]])
            assert all(event.stream == bench.camera.name and event.text for event in events)
            assert all(event.arrived_host_ns <= bench.clock.now_ns() for event in events)

    def test_a_damaged_frame_says_so_and_gives_its_buffer_back(self) -> None:
        """Its status and the device's own words; it has its number, and those around it are whole."""
        with self.bench() as bench:
            if bench.damage is None:
                return
            baseline = bench.camera.arm(0)
            edges = bench.pulses(1)
            bench.damage()
            edges += bench.pulses(2)
            frames = bench.collect(3)
            assert [frame.status for frame in frames] == [Status.OK, Status.DAMAGED, Status.OK]
            assert [bool(frame.error) for frame in frames] == [False, True, False]
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=3)
            bench.check_shown(frames[::2], edges[::2])
            bench.release(frames)
            _, frames = bench.take(bench.buffers)
            assert [f.frame_number for f in frames] == numbers_from(baseline, start=3, count=bench.buffers)

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
            start = bench.buffers + (3 if bench.numbers_lost_frames else 0)
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, start=start, count=2)
            counted = bench.buffers + 3
            assert [frame.counter for frame in frames] == counters_after(baseline, [counted + 1, counted + 2])
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
        """`grab`, `stop` and `arm` raise DeviceLost with its name within a second; `close` still does not raise."""
        with self.bench() as bench:
            if bench.unplug is None:
                return
            bench.camera.arm(0)
            bench.unplug()
            lost_ns = bench.clock.now_ns()
            for use in (lambda: bench.camera.grab(TURN_S), bench.camera.stop, lambda: bench.camera.arm(1)):
                assert bench.camera.name in _loss(use).subject
                assert bench.clock.now_ns() - lost_ns <= bench.loss_within_s * NS
            bench.camera.close()

    def test_a_camera_that_is_back_can_be_armed_again(self) -> None:
        """For a new epoch, with numbers as it then says; frames of the time before stay whole and can be given back."""
        with self.bench() as bench:
            if bench.unplug is None or bench.replug is None:
                return
            bench.camera.arm(0)
            edges, held = bench.take(3)
            bench.unplug()
            _loss(lambda: bench.camera.grab(TURN_S))
            _loss(lambda: bench.camera.arm(1))
            bench.pulses(2)
            bench.replug()
            bench.pulses(2)
            baseline = _armed(bench, 1)
            new_edges, frames = bench.take(bench.buffers - len(held))
            bench.check_shown(held, edges)
            bench.check_shown(frames, new_edges)
            assert [frame.epoch for frame in frames] == [1] * len(frames)
            assert [frame.frame_number for frame in frames] == numbers_from(baseline, count=len(frames))
            assert [frame.counter for frame in frames] == counters_after(baseline, range(1, len(frames) + 1))
            bench.release(held + frames)
            assert len(bench.take(bench.buffers)[1]) == bench.buffers
            assert bench.camera.stop().features == baseline.features

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


def _armed(bench: Bench, epoch: int) -> Baseline:
    """Arm a camera that is being plugged in again, as soon as it is there."""
    until_ns = bench.clock.now_ns() + round(PATIENCE_S * NS)
    while bench.clock.now_ns() < until_ns:
        try:
            return bench.camera.arm(epoch)
        except DeviceLost:
            bench.clock.sleep_until(bench.clock.now_ns() + round(TURN_S * NS))
    raise AssertionError(f"could not be armed again within {PATIENCE_S:g} s")


def _error(use: Callable[[], object]) -> RigError:
    """What it raises."""
    try:
        use()
    except RigError as error:
        return error
    raise AssertionError("nothing was refused")

"""Every fault of a simulated camera, against the number burnt into each picture and the pulses that the box told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rig.cameras.camera import Baseline
from rig.clock import NS, VirtualClock
from rig.config.rig import Rig
from rig.errors import DeviceLost, ProblemList
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import LONG, ONCE, Committed, Fault, extras, lost_pulses
from rig.sim.links import LocalLink
from rig.sim.world import World, pool_shape
from rig.streams import CameraEvent, CameraEventKind, Frame, Status
from rig.trigger import wire
from tests.burnt_in import NO_PULSE, burnt_in_number
from tests.sim.test_box import NONCE, START
from tests.sim.test_world import rig

MS = 1_000_000
RUN = replace(START, body_groups=110)  # 4.4 s of groups of 4 at 100 Hz
WINDOW = {"first_pulse": 60, "last_pulse": 360}
PERIODS_NS = {"HS": 10 * MS, "VIS": 40 * MS}


class Watched:
    """A world without recorder: each camera's frames are taken and given back; one that is lost is armed again."""

    def __init__(self, of: Rig) -> None:
        self.clock = VirtualClock(0)
        self.world = World(of, 0, None)
        self.cameras = {
            name: SimulatedCamera(name, LocalLink(name, self.world, pool_shape(of, name)), self.clock)
            for name in of.cameras
        }
        self.frames: dict[str, list[Frame]] = {name: [] for name in of.cameras}
        self.events: dict[str, list[CameraEvent]] = {name: [] for name in of.cameras}
        self.baselines: dict[str, list[Baseline]] = {name: [] for name in of.cameras}
        self.lost_at_ns: dict[str, int] = {}
        self.pulses: dict[str, dict[int, float]] = {}
        self._decoder = wire.Decoder()
        self._lines = {name: camera.line for name, camera in of.cameras.items()}
        self.arm()

    def arm(self) -> None:
        for name, camera in self.cameras.items():
            self._arm(name, camera)

    def stop(self) -> None:
        for camera in self.cameras.values():
            camera.stop()

    def run(self, start: wire.Start, seconds: float = 6) -> Watched:
        """Send a run; the pulses that the box tells of it, us on its own clock."""
        self.pulses = {name: {} for name in self.cameras}
        messages = wire.Hello(0, wire.PROTOCOL, NONCE), start
        self.world.box.receive(b"".join(map(wire.to_frame, messages)), self.clock.now_ns())
        for _ in range(round(seconds * 200)):
            self.clock.sleep_until(self.clock.now_ns() + NS // 200)
            self.world.run_until(self.clock.now_ns())
            self._read_box()
            for name, camera in self.cameras.items():
                self._take(name, camera)
        return self

    def _read_box(self) -> None:
        for message in self._decoder.feed(self.world.box.take_output(self.clock.now_ns())):
            for event in message.events if isinstance(message, wire.Events) else ():
                for name, line in self._lines.items():
                    if event.kind & 0xF0 == wire.Kind.PULSE and event.kind >> line & 1:
                        self.pulses[name][event.pulse] = event.ticks / 2

    def _take(self, name: str, camera: SimulatedCamera) -> None:
        try:
            while (came := camera.grab(0)) is not None:
                if isinstance(came, CameraEvent):
                    self.events[name].append(came)
                    continue
                self.frames[name].append(replace(came, pixels=came.pixels.copy()))
                camera.release(came)
        except DeviceLost:
            self.lost_at_ns.setdefault(name, self.clock.now_ns())
            self._arm(name, camera)

    def _arm(self, name: str, camera: SimulatedCamera) -> None:
        try:
            self.baselines[name].append(camera.arm(len(self.baselines[name])))
        except DeviceLost:
            pass

    def committed(self, *faults: Fault) -> list[Committed]:
        return [entry for entry in self.world.truth.committed if entry.fault in faults]

    def by_pulse(self, name: str) -> dict[int, Frame]:
        """The whole frames, by the number in their picture."""
        return {burnt_in_number(f.pixels): f for f in self.frames[name] if f.status is Status.OK}


def watched(*, seed: int = 3, **faults: Any) -> Watched:
    return Watched(rig(seed=seed, faults=WINDOW | faults)).run(RUN)


@cache
def without_faults() -> Watched:
    """To be read alone."""
    return watched()


def grabbed(camera: SimulatedCamera) -> Frame:
    came = camera.grab(0)
    assert isinstance(came, Frame)
    return came


def check_truth(seen: Watched) -> None:
    """Pulses without a whole frame and frames too many are those of the truth, exactly."""
    truth = seen.world.truth.committed
    for name, pulses in seen.pulses.items():
        numbers = Counter(burnt_in_number(f.pixels) for f in seen.frames[name] if f.status is Status.OK)
        assert lost_pulses(truth, name) == sorted(set(pulses) - set(numbers))
        twice = [number for number, times in numbers.items() for _ in range(times - 1) if number != NO_PULSE]
        told = extras(truth, name)
        assert sorted(twice) == sorted(t.pulse for t in told if t.fault is Fault.DUPLICATE_FRAME)
        assert numbers[NO_PULSE] == sum(t.fault is Fault.GHOST_FRAME for t in told)


ELSEWHERE = {"frozen_frames", "ghost_swallows"}  # of pictures, and of two faults at once: test_camera_timing.py


@pytest.mark.parametrize("key", sorted({*ONCE, *LONG} - ELSEWHERE))
def test_the_truth_tells_every_pulse_without_a_frame_and_every_frame_too_many(key: str) -> None:
    seen = watched(**{key: 3})
    check_truth(seen)
    fault = ONCE.get(key) or next(iter(LONG[key].values()))
    if key in ONCE and key != "ghost_frames":  # a ghost that VIS is too busy for is none
        assert len(seen.committed(fault)) == 3
    assert len(seen.committed(fault)) >= 2
    assert not {entry.fault for entry in seen.committed(*ONCE.values())} - {fault}


@pytest.mark.parametrize("seed", range(2))
def test_the_truth_is_exact_for_all_faults_together(seed: int) -> None:
    faults = dict.fromkeys(ONCE, 4) | dict.fromkeys(LONG, 1) | dict.fromkeys(ELSEWHERE, 0)
    check_truth(watched(seed=seed, away_s=0.3, scribbles=True, bumped_numbers=True, first_frame_delay_s=0.2, **faults))


def test_without_faults_every_pulse_has_its_frame_and_nothing_is_told() -> None:
    seen = without_faults()
    check_truth(seen)
    assert seen.world.truth.committed == []
    assert seen.events == {"HS": [], "VIS": []}
    assert min(len(frames) for frames in seen.frames.values()) > 100


def test_a_lost_frame_leaves_a_hole_in_the_numbers_and_an_unnumbered_one_does_not() -> None:
    for key, hole in (("lost_frames", 1), ("unnumbered_frames", 0), ("lost_pulses", 0)):
        seen = watched(**{key: 6})
        for name in seen.frames:
            numbers = [frame.frame_number for frame in seen.frames[name]]
            lost = len(lost_pulses(seen.world.truth.committed, name))
            assert sum(after - before - 1 for before, after in pairwise(numbers)) == hole * lost


def test_a_damaged_frame_has_its_number_the_error_text_and_half_a_picture() -> None:
    seen = watched(damaged_frames=4)
    damaged = [f for frames in seen.frames.values() for f in frames if f.status is Status.DAMAGED]
    assert [f.error[:10] for f in damaged] == ["0xE1000014"] * 4
    assert all(f.pixels[:32].any() and not f.pixels[32:].any() for f in damaged)
    struck = sorted(t.pulse for t in seen.committed(Fault.DAMAGED_FRAME))
    assert sorted(burnt_in_number(f.pixels) for f in damaged) == struck


@pytest.mark.parametrize(
    ("key", "fault", "late_ms"), [("late_frames", Fault.LATE_FRAME, 300), ("stalls", Fault.STALL, 500)]
)
def test_frames_that_are_held_back_come_so_late_in_their_order_and_then_all_at_once(
    key: str, fault: Fault, late_ms: int
) -> None:
    prompt, seen = without_faults(), watched(**{key: 1})
    (held,) = seen.committed(fault)
    usual, late = prompt.by_pulse(held.stream), seen.by_pulse(held.stream)
    waited = {p: late[p].arrived_host_ns - usual[p].arrived_host_ns for p in usual}
    assert waited[held.pulse] == late_ms * MS
    assert [frame.frame_number for frame in seen.frames[held.stream]] == list(range(len(usual)))
    behind = [pulse for pulse, ns in waited.items() if ns]
    assert behind == [p for p in usual if held.pulse <= p < held.pulse + late_ms // 10]
    assert len({late[pulse].arrived_host_ns for pulse in behind}) == 1


def test_a_clock_step_moves_the_ticks_of_all_later_frames_and_nothing_else() -> None:
    steady, seen = without_faults(), watched(clock_steps=2)
    for name, period_ns in PERIODS_NS.items():
        usual, stepped = steady.by_pulse(name), seen.by_pulse(name)
        moved = {p: stepped[p].camera_ticks - usual[p].camera_ticks for p in usual}
        steps = {
            after: moved[after] - moved[before] for before, after in pairwise(moved) if moved[after] != moved[before]
        }
        assert sorted(steps) == sorted(t.pulse for t in seen.committed(Fault.CLOCK_STEP) if t.stream == name)
        assert all(NS // 50 <= step <= 10 * NS for step in steps.values())
        assert {p: f.counter for p, f in stepped.items()} == {p: f.counter for p, f in usual.items()}
        assert period_ns < NS
    assert len(seen.committed(Fault.CLOCK_STEP)) == 2


def test_exposures_longer_than_the_period_swallow_every_second_pulse() -> None:
    seen = watched(long_exposures=1)
    long = seen.committed(Fault.LONG_EXPOSURE)
    name, divisor = long[0].stream, {"HS": 1, "VIS": 4}[long[0].stream]
    first = long[0].pulse
    assert [t.pulse for t in long] == list(range(first, first + 16 * divisor, 2 * divisor))
    swallowed = [t.pulse for t in seen.committed(Fault.SWALLOWED)]
    assert swallowed == [pulse + divisor for pulse in [t.pulse for t in long]]
    frames = seen.by_pulse(name)
    assert {frames[t.pulse].exposure_us for t in long} == {1.5 * PERIODS_NS[name] / 1000}
    counted = [frames[pulse + 2 * divisor].counter - frames[pulse].counter for pulse in [t.pulse for t in long]]
    assert counted == [2] * 8  # it counts edges on the line
    assert [event.kind for event in seen.events[name]] == [CameraEventKind.OVERTRIGGER] * 8


def test_a_camera_that_overheats_says_so_before_it_loses_frames() -> None:
    seen = watched(overheatings=1)
    hot, lost = seen.committed(Fault.HOT), seen.committed(Fault.OVERHEATED)
    name = hot[0].stream
    told = [(event.kind, event.value) for event in seen.events[name]]
    assert told == [(CameraEventKind.TEMPERATURE, 88.0)] * 4
    assert max(t.pulse for t in hot) < min(t.pulse for t in lost)
    assert len(lost) == 12


@pytest.mark.parametrize("seed", range(2))
def test_a_bus_reset_takes_two_cameras_at_one_instant_and_brings_both_back_anew(seed: int) -> None:
    seen = watched(seed=seed, bus_resets=1, away_s=0.7, kept_numbers=True)
    lost = {name: lost_pulses(seen.world.truth.committed, name) for name in seen.frames}
    for name, divisor in (("HS", 1), ("VIS", 4)):
        assert lost[name] == list(range(lost[name][0], lost[name][-1] + 1, divisor))
        assert len(seen.baselines[name]) == 2
        after = [frame for frame in seen.frames[name] if frame.epoch == 1]
        assert after[0].frame_number == seen.baselines[name][1].first_frame_number
        assert after[0].counter == 1
        assert after[0].camera_ticks < 4 * NS < seen.frames[name][0].camera_ticks + 4 * NS
    gone = [min(lost[name]) for name in lost]
    assert abs(gone[0] - gone[1]) <= 4  # HS loses what was under way, VIS its next pulse
    assert abs(len(lost["HS"]) - 71) <= 3


def test_a_camera_that_is_back_loses_pulses_until_it_is_armed_and_is_of_no_use_before() -> None:
    of = rig(faults={"away_s": 0.02, "stale_frames": True})
    world, clock = World(of, 0, None), VirtualClock(0)
    link = LocalLink("HS", world, pool_shape(of, "HS"))
    camera, sensor = SimulatedCamera("HS", link, clock), world.sensors["HS"]
    camera.arm(0)
    sensor.edge(0, 0, 10 * MS, walk=False)
    world.run_until(20 * MS)
    frame = grabbed(camera)
    camera.release(frame)
    camera.stop()
    camera.arm(1)  # a stale frame waits
    sensor.go_away(20 * MS)
    for pulse in range(1, 7):
        world.run_until((10 + 10 * pulse) * MS)
        sensor.edge((10 + 10 * pulse) * MS, pulse, 10 * MS, walk=False)
    assert lost_pulses(world.truth.committed, "HS") == [1, 2, 3, 4, 5, 6]
    grabbed(camera)
    for use in (lambda: camera.grab(0), camera.stop, camera.describe, lambda: camera.grab(0)):
        with pytest.raises(DeviceLost, match=r"camera HS \(s\): is gone"):
            use()
    baseline = camera.arm(2)
    sensor.edge(80 * MS, 7, 10 * MS, walk=False)
    world.run_until(100 * MS)
    frame = grabbed(camera)
    assert (frame.frame_number, burnt_in_number(frame.pixels)) == (baseline.first_frame_number, 7)
    assert lost_pulses(world.truth.committed, "HS") == [1, 2, 3, 4, 5, 6]


def test_a_stale_frame_that_nobody_took_gives_its_buffer_back() -> None:
    of = rig(faults={"stale_frames": True})
    world, clock = World(of, 0, None), VirtualClock(0)
    link = LocalLink("HS", world, pool_shape(of, "HS"))
    camera = SimulatedCamera("HS", link, clock)
    camera.arm(0)
    world.sensors["HS"].edge(0, 0, 10 * MS, walk=False)
    world.run_until(20 * MS)
    frame = grabbed(camera)
    camera.release(frame)
    camera.arm(1)
    camera.arm(2)
    assert link.states.sum() == 1  # of the second arming
    camera.stop()
    assert link.states.sum() == 0


@pytest.mark.parametrize("key", ["disconnects", "bus_resets"])
def test_a_camera_that_goes_away_for_good_stays_away(key: str) -> None:
    seen = watched(away_s=0, **{key: 1})
    for name, since_ns in seen.lost_at_ns.items():
        assert since_ns < seen.clock.now_ns() - NS
        with pytest.raises(DeviceLost, match=f"camera {name}"):
            seen.cameras[name].arm(7)
        assert set(range(max(lost_pulses(seen.world.truth.committed, name)), max(seen.pulses[name]))) == set()
    assert len(seen.lost_at_ns) == {"disconnects": 1, "bus_resets": 2}[key]


def test_numbers_of_16_bits_leave_out_0_and_wrap_between_the_pulses_given() -> None:
    seen = watched(wrapping_numbers=True)
    for name, frames in seen.frames.items():
        baseline = seen.baselines[name][0]
        assert (baseline.first_valid_number, baseline.number_modulus) == (1, 65535)
        numbers = [frame.frame_number for frame in frames]
        assert numbers == [(baseline.first_frame_number - 1 + k) % 65535 + 1 for k in range(len(numbers))]
        wrapped = burnt_in_number(frames[numbers.index(1)].pixels)
        assert WINDOW["first_pulse"] - 4 <= wrapped <= WINDOW["last_pulse"]


def test_numbers_that_are_bumped_or_kept_are_not_those_announced() -> None:
    seen = Watched(rig(faults=WINDOW | {"bumped_numbers": True})).run(RUN)
    for name, frames in seen.frames.items():
        bump = frames[0].frame_number - seen.baselines[name][0].first_frame_number
        assert 1 <= bump <= 50
        assert [frame.frame_number for frame in frames] == list(range(bump, bump + len(frames)))
    kept = Watched(rig(faults=WINDOW | {"kept_numbers": True})).run(RUN)
    first = len(kept.frames["HS"])
    kept.stop()
    kept.arm()
    kept.run(replace(RUN, run_id=9))
    assert kept.baselines["HS"][1].first_frame_number == 0
    assert kept.frames["HS"][first].frame_number == first
    assert [t.fault for t in kept.world.truth.committed] == [Fault.KEPT_NUMBERS] * 2


def test_a_stale_frame_is_the_last_one_of_the_epoch_before_under_the_new_one() -> None:
    seen = watched(stale_frames=True)
    last = {name: frames[-1] for name, frames in seen.frames.items()}
    before = {name: len(frames) for name, frames in seen.frames.items()}
    seen.stop()
    seen.arm()
    seen.run(replace(RUN, run_id=9))
    for name, old in last.items():
        stale, first = seen.frames[name][before[name] : before[name] + 2]
        assert (stale.epoch, first.epoch) == (1, 1)
        assert (stale.frame_number, stale.camera_ticks, stale.counter) == (
            old.frame_number,
            old.camera_ticks,
            old.counter,
        )
        assert np.array_equal(stale.pixels, old.pixels)
        assert (first.frame_number, burnt_in_number(first.pixels)) == (0, 0)
        assert extras(seen.world.truth.committed, name) == [Committed(Fault.STALE_FRAME, name, -1)]


def test_the_first_frame_of_an_epoch_is_delivered_late_and_the_others_behind_it() -> None:
    prompt, seen = without_faults(), watched(first_frame_delay_s=0.4)
    for name in seen.frames:
        usual, late = prompt.frames[name], seen.frames[name]
        assert late[0].arrived_host_ns - usual[0].arrived_host_ns == 400 * MS
        assert late[-1].arrived_host_ns == usual[-1].arrived_host_ns
        assert [f.frame_number for f in late] == [f.frame_number for f in usual]


def test_features_that_are_rounded_without_a_word_are_seen_when_they_are_read_back() -> None:
    with pytest.raises(ProblemList) as found:
        Watched(rig(hs={"exposure_us": 4000, "features": {"Gain": 1.23}}, faults={"rounded_features": True}))
    texts = [str(problem) for problem in found.value.problems]
    assert [text.split(": ")[1] for text in texts] == ["ExposureTime", "Gain"]
    assert "4000 reads back as 3996; 1 to 1000000 in steps of 17" in texts[0]


def test_a_buffer_is_overwritten_as_soon_as_it_is_given_back() -> None:
    for scribbles in (False, True):
        of = rig(faults={"scribbles": scribbles})
        world, clock = World(of, 0, None), VirtualClock(0)
        camera = SimulatedCamera("HS", LocalLink("HS", world, pool_shape(of, "HS")), clock)
        camera.arm(0)
        world.sensors["HS"].edge(0, 7, 10 * MS, walk=False)
        world.run_until(20 * MS)
        frame = grabbed(camera)
        assert burnt_in_number(frame.pixels) == 7
        camera.release(frame)
        assert bool((frame.pixels == 0xAA).all()) is scribbles


def test_a_camera_reads_its_rows_one_after_another_and_swallows_what_comes_before() -> None:
    """8 us a row: a sensor of 1000 rows gives 125 frames a second however short it exposes."""
    for height, hz in ((1000, 125), (500, 250)):
        of = rig(hs={"height": height, "exposure_us": 100, "start_delay_us": 0})
        world, clock = World(of, 0, None), VirtualClock(0)
        camera = SimulatedCamera("HS", LocalLink("HS", world, pool_shape(of, "HS")), clock)
        info, baseline = camera.describe(), camera.arm(0)
        assert (info.resulting_hz, info.readout_us) == (hz, 8.0 * height)
        assert baseline.shortest_period_us == 1e6 / hz
        for pulse, gap_us in enumerate((0, 8 * height, 8 * height - 1, 8 * height)):
            clock.sleep_until(clock.now_ns() + gap_us * 1000)
            world.run_until(clock.now_ns())
            world.sensors["HS"].edge(clock.now_ns(), pulse, 10 * MS, walk=False)
        world.run_until(NS)
        came = [camera.grab(0) for _ in range(5)]
        assert [burnt_in_number(f.pixels) for f in came if isinstance(f, Frame)] == [0, 1, 3]
        assert lost_pulses(world.truth.committed, "HS") == [2]


def test_a_driver_that_takes_no_frames_is_not_flooded_with_events() -> None:
    of = rig()
    world, clock = World(of, 0, None), VirtualClock(0)
    link = LocalLink("HS", world, pool_shape(of, "HS"))
    camera = SimulatedCamera("HS", link, clock)
    camera.arm(0)
    for pulse in range(700):  # its buffers hold 400
        world.run_until(pulse * 10 * MS)
        world.sensors["HS"].edge(pulse * 10 * MS, pulse, 10 * MS, walk=False)
    world.run_until(8 * NS)
    came = [camera.grab(0) for _ in range(500)]
    assert sum(isinstance(each, Frame) for each in came) == 400
    assert [each.kind for each in came if isinstance(each, CameraEvent)] == [CameraEventKind.OVERRUN] * 16
    assert lost_pulses(world.truth.committed, "HS") == list(range(400, 700))

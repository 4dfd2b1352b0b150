"""Cameras that expose at another time than they say, or by themselves; against edges, ticks, numbers and pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rig.clock import NS
from rig.sim.faults import Committed, Fault, extras, lost_pulses
from rig.trigger import wire
from tests.burnt_in import NO_PULSE, burnt_in_number
from tests.sim.test_misbehaving import PERIODS_NS, Watched, check_truth, watched
from tests.sim.test_world import RUN, Bare, rig

LONGER = replace(RUN, body_groups=60)  # 2.6 s


def ran(start: wire.Start = LONGER, **faults: Any) -> Bare:
    bare = Bare(rig(faults=faults))
    bare.run(start, start.body_groups * 0.04 + 1)
    return bare


def starts_us(bare: Bare, name: str) -> np.ndarray:
    """From each pulse of VIS, whose ExposureActive line is stamped exactly, to its exposure."""
    rises = [t for level, t in bare.edges({"HS": 0, "VIS": 5}[name]) if level]
    return np.array(rises) - list(bare.pulses_us(rig().cameras[name].line).values())


@pytest.mark.parametrize(
    ("faults", "fault", "late_us"),
    [
        ({"falling_edge": "VIS"}, Fault.FALLING_EDGE, 1000),
        ({"undeclared_delay_us": {"VIS": 300}}, Fault.UNDECLARED_DELAY, 300),
        ({"undeclared_delay_us": {"VIS": 40.5}, "falling_edge": "VIS"}, Fault.UNDECLARED_DELAY, 1040.5),
    ],
)
def test_a_camera_exposes_late_and_declares_the_usual_delay(
    faults: dict[str, Any], fault: Fault, late_us: float
) -> None:
    bare, usual = ran(**faults), ran()
    assert starts_us(bare, "VIS") == pytest.approx(120 + late_us, abs=0.6)
    assert starts_us(usual, "VIS") == pytest.approx(120, abs=0.6)
    moved = [a[0]["ticks"] - b[0]["ticks"] for a, b in zip(bare.frames["VIS"], usual.frames["VIS"], strict=True)]
    assert np.array(moved) / 1000 == pytest.approx(late_us, rel=60e-6)  # the camera's clock
    assert {message["line_status"] for message, _ in bare.frames["VIS"]} == {int(late_us + 120 < 1000)}
    assert Committed(fault, "VIS", -1) in bare.world.truth.committed
    declared = [bare.world.sensors["VIS"]._baseline()[key] for key in ("delays", "shortest_period_us")]
    assert declared == [usual.world.sensors["VIS"]._baseline()[key] for key in ("delays", "shortest_period_us")]
    assert starts_us(bare, "HS") == pytest.approx(starts_us(usual, "HS"))


def test_exposures_jitter_by_the_strength_given_and_again_the_same() -> None:
    usual, jittered = ran(), ran(start_jitter_us={"VIS": 80, "HS": 80})
    late = starts_us(jittered, "VIS") - 120
    assert late.min() >= -0.5
    assert np.sqrt((late**2).mean()) == pytest.approx(80, rel=0.35)  # 66 of them
    ticks = [np.array([message["ticks"] for message, _ in each.frames["HS"]]) for each in (jittered, usual)]
    assert np.sqrt(((ticks[0] - ticks[1]) ** 2.0).mean()) / 1000 == pytest.approx(80, rel=0.15)
    assert np.array_equal(late, starts_us(ran(start_jitter_us={"VIS": 80, "HS": 80}), "VIS") - 120)


def test_timestamps_are_off_while_exposures_are_in_time() -> None:
    usual, jittered = ran(), ran(timestamp_jitter_us={"HS": 80})
    ticks = [np.array([message["ticks"] for message, _ in each.frames["HS"]]) for each in (jittered, usual)]
    off_us = (ticks[0] - ticks[1]) / 1000
    assert off_us.std() == pytest.approx(80, rel=0.15)
    assert abs(off_us.mean()) < 20
    assert np.array_equal(starts_us(jittered, "HS"), starts_us(usual, "HS"))
    assert jittered.world.truth.committed == [Committed(Fault.TIMESTAMP_JITTER, "HS", -1)]


@pytest.mark.parametrize("ppm", [-5000, -40, 5000])
def test_a_camera_clock_is_as_fast_as_was_asked_for(ppm: float) -> None:
    bare = ran(clock_ppm={"VIS": ppm})
    ticks = [message["ticks"] for message, _ in bare.frames["VIS"]]
    pulses_us = list(bare.pulses_us(1).values())
    rate = (ticks[-1] - ticks[0]) / (pulses_us[-1] - pulses_us[0]) / 1000
    assert (rate - 1) * 1e6 == pytest.approx(ppm, abs=1)


def test_a_clock_steps_back_by_up_to_10_s_and_its_ticks_stay_above_zero() -> None:
    steady, seen = watched(), watched(clock_steps_back=2)
    found = []
    for name in PERIODS_NS:
        usual, stepped = steady.by_pulse(name), seen.by_pulse(name)
        moved = {p: stepped[p].camera_ticks - usual[p].camera_ticks for p in usual}
        found += [(name, b, moved[b] - moved[a]) for a, b in pairwise(moved) if moved[a] != moved[b]]
        assert min(frame.camera_ticks for frame in stepped.values()) > 0
    told = {(t.stream, t.pulse) for t in seen.committed(Fault.CLOCK_STEP_BACK)}
    assert {(name, pulse) for name, pulse, _ in found} == told
    assert len(told) == 2
    assert all(-10 * NS <= step <= -NS // 50 for _, _, step in found)


def test_swapped_cables_show_in_the_line_walk_alone() -> None:
    walk = replace(RUN, mode=wire.Mode.WALK)
    frames = {}
    for swapped in ([], ["HS", "VIS"]):
        bare = ran(walk, swapped_cables=swapped)
        frames[bool(swapped)] = {name: len(came) for name, came in bare.frames.items()}
    assert frames == {False: {"HS": 3, "VIS": 5}, True: {"HS": 5, "VIS": 3}}
    assert bare.world.truth.committed == [Committed(Fault.SWAPPED_CABLES, name, -1) for name in ("VIS", "HS")]


def test_from_a_pulse_on_a_camera_exposes_at_a_rate_of_its_own_and_says_so_when_it_is_asked() -> None:
    bare = ran(free_run="VIS", free_run_pulse=101)
    began = [t for level, t in bare.edges(5) if level]
    pulses = bare.pulses_us(1)
    triggered = [pulse for pulse in pulses if pulse < 104]
    assert np.array(began[: len(triggered)]) - [pulses[p] for p in triggered] == pytest.approx(120, abs=0.6)
    own = np.diff(began[len(triggered) :])
    assert own == pytest.approx(1e6 / 25.0545, abs=1)
    assert len(own) > 40
    burnt = [burnt_in_number(picture) for _, picture in bare.frames["VIS"]]
    assert burnt[: len(triggered)] == triggered
    assert set(burnt[len(triggered) :]) == {NO_PULSE}
    numbers = [message["number"] for message, _ in bare.frames["VIS"]]
    assert numbers == list(range(len(numbers)))
    assert bare.world.truth.committed == [Committed(Fault.FREE_RUN, "VIS", 104)]
    assert [bare.world.sensors[n].nodes.read("TriggerMode") for n in ("HS", "VIS")] == ["On", "Off"]
    assert [burnt_in_number(picture) for _, picture in bare.frames["HS"]] == list(bare.pulses_us(0))


def test_a_camera_in_free_run_exposes_without_any_pulse_until_it_is_stopped() -> None:
    seen = Watched(rig(faults={"free_run": "HS", "free_run_hz": 99.5})).run(RUN, seconds=2)
    ticks = np.array([frame.camera_ticks for frame in seen.frames["HS"]])
    assert len(ticks) == pytest.approx(2 * 99.5, abs=2)
    assert np.diff(ticks) == pytest.approx(NS / 99.5, rel=60e-6)
    assert seen.baselines["HS"][0].features["TriggerMode"] == "On"
    assert seen.cameras["HS"].stop().features["TriggerMode"] == "Off"
    assert len(seen.frames["VIS"]) == len(seen.pulses["VIS"])


def test_a_frozen_frame_is_the_picture_before_under_a_new_number() -> None:
    seen = watched(frozen_frames=5)
    told = {(t.stream, t.pulse) for t in seen.committed(Fault.FROZEN_FRAME)}
    assert len(told) == 5
    found = set()
    for name, frames in seen.frames.items():
        assert [frame.frame_number for frame in frames] == list(range(len(frames)))
        assert np.diff([frame.camera_ticks for frame in frames]).min() > 0
        pulses = list(seen.pulses[name])
        repeated = [i for i, (a, b) in enumerate(pairwise(frames), 1) if np.array_equal(a.pixels, b.pixels)]
        found |= {(name, pulses[i]) for i in repeated}
    assert found == told


@pytest.mark.parametrize("seed", range(3))
def test_a_ghost_and_the_pulse_lost_after_it_leave_all_counts_equal(seed: int) -> None:
    seen = Watched(rig(hs={"start_delay_us": 0}, seed=seed, faults={"ghost_swallows": 2, "last_pulse": 130})).run(
        LONGER
    )
    check_truth(seen)
    struck = [t.pulse for t in extras(seen.world.truth.committed, "HS")]
    assert len(struck) == 2
    assert lost_pulses(seen.world.truth.committed, "HS") == [pulse + 1 for pulse in struck]
    frames = seen.frames["HS"]
    assert len(frames) == len(seen.pulses["HS"])
    assert [frame.frame_number for frame in frames] == list(range(len(frames)))
    assert [frame.counter for frame in frames] == list(range(1, len(frames) + 1))
    gaps_ms = np.rint(np.diff([frame.camera_ticks for frame in frames]) / 1e6)
    assert [gaps_ms[pulse + 0 : pulse + 2].tolist() for pulse in _places(frames, struck)] == [[5, 15]] * 2


def _places(frames: list[Any], pulses: list[int]) -> list[int]:
    """Where the frames of these pulses are."""
    burnt = [burnt_in_number(frame.pixels) for frame in frames]
    return [burnt.index(pulse) for pulse in pulses]

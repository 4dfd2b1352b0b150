"""When the pins of the box change, to the cycle: under full load, in random configurations, and when it is stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from rig.streams import BoxStatus, Pulse
from rig.trigger.box import LinePlan, PulsePlan, RunBegan, RunEnded, RunMode
from tests.trigger.firmware import proofs
from tests.trigger.firmware.plans import plans
from tests.trigger.firmware.proofs import CYCLES_US, DEMO, of_kind, powered
from tests.trigger.firmware.simavr import LED_PINS, LINE_PINS, TICK

LIMIT_CYCLES = 4  # 0.25 us; the ceiling. What is reached is 0
CLOSEST = PulsePlan(2000, (LinePlan(0, 1, 200), LinePlan(1, 1, 264), LinePlan(2, 4, 328)), 392, body_groups=250)


def test_3000_pulses_under_full_load_are_exact_and_all_told(tmp_path: Path) -> None:
    with powered(tmp_path, inputs="busy") as (chip, box):
        seen = proofs.full_load(chip, box, replace(DEMO, body_groups=744), 1)
    assert seen.pulses == 3000
    assert seen.edges == 2 * (3000 + 750 + 750)  # 4:1 exact
    assert (seen.skew_cycles, seen.jitter_cycles, seen.drift_cycles, seen.stamp_error_cycles) == (0, 0, 0, 0)
    assert max(map(abs, seen.led_late_cycles)) <= LIMIT_CYCLES
    assert seen.led_late_cycles[0] == seen.led_late_cycles[1]
    assert (seen.wrong_by_led, seen.lost, seen.dropped, seen.late, seen.overruns) == (0, 0, 0, 0, 0)
    assert seen.statuses >= 30 // 2
    assert -TICK <= seen.timed_late_us[0] * 16 <= seen.timed_late_us[1] * 16 <= TICK
    assert seen.polled_late_us[-1] <= 150
    assert seen.missed_inputs == 0


def test_random_configurations_are_exact(tmp_path: Path) -> None:
    with powered(tmp_path, inputs="busy") as (chip, box):
        runs = iter(range(1, 1000))

        @settings(max_examples=12)
        @given(plans())
        def exact(plan: PulsePlan) -> None:
            mark = len(chip.edges())
            told = proofs.send(chip, box, plan, next(runs))
            edges = chip.edges(mark)
            assert not proofs.deviations(edges, plan).any()
            assert proofs.is_told_in_full(edges, told)  # also where edges of the busy inputs are lost
            assert of_kind(told, BoxStatus)[-1].edges_late == 0

        exact()


def test_1000_hz_with_edges_32_us_apart_is_exact(tmp_path: Path) -> None:
    with powered(tmp_path, inputs="busy") as (chip, box):
        told = proofs.send(chip, box, CLOSEST, 1)
        edges = chip.edges()
    assert not proofs.deviations(edges, CLOSEST).any()
    assert len(of_kind(told, Pulse)) == 256 * 4
    assert of_kind(told, BoxStatus)[-1].edges_late == 0
    assert len(set(proofs.led_deviations(edges, CLOSEST).tolist())) == 1


def test_the_line_walk_is_exact_and_dark(tmp_path: Path) -> None:
    walk = replace(DEMO, mode=RunMode.WALK)
    with powered(tmp_path, inputs="busy") as (chip, box):
        told = proofs.send(chip, box, walk, 1)
        edges = chip.edges()
    assert not proofs.deviations(edges, walk).any()
    assert [len(proofs.rises_of(edges, pin)) for pin in LINE_PINS] == [3, 5, 7]
    assert len(proofs.edges_of(edges, *LED_PINS)) == 0
    assert of_kind(told, RunEnded)[0].pulses_sent == 15


def test_a_stop_at_any_moment_is_group_aligned(tmp_path: Path) -> None:
    moments = np.random.default_rng(4).uniform(0, 0.7, 8)
    with powered(tmp_path, inputs="busy") as (chip, box):
        for run_id, seconds in enumerate(moments, 1):
            mark = len(chip.edges())
            told = proofs.stop_after(chip, box, DEMO, run_id, seconds)
            edges = chip.edges(mark)
            assert proofs.is_group_aligned(edges, DEMO)
            assert proofs.skews(edges).max() == 0  # no VIS or NIR pulse without its HS pulse
            assert of_kind(told, RunEnded)[0].pulses_sent == len(proofs.rises_of(edges, LINE_PINS[0]))


def test_the_sync_leds_are_dark_outside_a_run_and_show_the_first_code_from_its_start(tmp_path: Path) -> None:
    plan = replace(DEMO, body_groups=2)
    with powered(tmp_path) as (chip, box):
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    origin = int(proofs.tick_origin(edges, told)[0])
    began, ended = (of_kind(told, kind)[0].box_ticks * TICK + origin for kind in (RunBegan, RunEnded))
    leds = proofs.edges_of(edges, *LED_PINS)["cycle"].astype(np.int64)
    assert (leds >= began - TICK).all()
    assert (leds <= ended + 1600).all()  # 100 us
    after_start = began + 16_000  # 1 ms, before pulse 0
    assert proofs.leds_at(edges, np.array([after_start, ended + 1600])).tolist() == [0xB5A3C & 1, 0]


@pytest.mark.parametrize(
    ("stall_us", "late_us"),
    [(100, [100]), (2500, [1500, 1500, 2500])],  # HS falls 1 ms after the rise, VIS and NIR 2 ms
    ids=["within one edge", "over several edges"],
)
def test_edges_that_come_late_are_reported_by_the_box_and_the_next_ones_are_on_time(
    tmp_path: Path, stall_us: int, late_us: list[int]
) -> None:
    """The processor stands still at the falls after a pulse of all lines, as if interrupts had been kept away."""
    plan = replace(DEMO, body_groups=30)
    with powered(tmp_path) as (chip, box):
        chip.stall(stall_us * CYCLES_US, at_rise=40 + 1)  # pulse 40 is the 41st
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    leds = proofs.led_deviations(edges, plan)
    off = np.concatenate([proofs.deviations(edges, plan), leds - np.median(leds)])
    assert np.sort(off[off != 0]) == pytest.approx(np.array(late_us) * CYCLES_US, abs=50 * CYCLES_US)
    assert of_kind(told, BoxStatus)[-1].edges_late >= 1
    assert len(of_kind(told, Pulse)) == 36 * 4

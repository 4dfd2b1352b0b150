"""The test modes of the sync LED, as they are on its pin, to the cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rig.trigger.box import LinePlan, PulsePlan, RunMode
from tests.trigger.firmware import proofs
from tests.trigger.firmware.proofs import powered
from tests.trigger.firmware.simavr import LED_PINS, LINE_PINS, TICK, Edges, Simavr

PERIOD = 4000
LINES = (LinePlan(0, 1, 400), LinePlan(1, 4, 800))
OFFSETS = (*range(24), 63, 64, 65, 399, 400, 401, *range(790, 812), 1999, 2000, 3000, 3936, *range(3976, 4000))
FLASH_TICKS = 400
LIMIT_CYCLES = 4


def send(chip: Simavr, box: proofs.SerialBox, mode: RunMode, run_id: int, **test: int) -> tuple[Edges, Edges]:
    """A short test run: the rises of its base line, and the edges of LED A."""
    plan = PulsePlan(PERIOD, LINES, 2000, mode, 3, **test)
    mark = len(chip.edges())
    proofs.send(chip, box, plan, run_id)
    edges = chip.edges(mark)
    assert not proofs.deviations(edges, plan).any()
    assert len(proofs.edges_of(edges, *LED_PINS[1:])) == 0  # B1 and B2 stay dark
    return proofs.rises_of(edges, LINE_PINS[0]), proofs.edges_of(edges, LED_PINS[0])


def test_the_led_edge_moves_by_one_tick_for_each_tick_of_its_offset(tmp_path: Path) -> None:
    lags = []
    with powered(tmp_path) as (chip, box):
        for run_id, offset in enumerate(OFFSETS, 1):
            pulses, led = send(chip, box, RunMode.TEST_EDGE, run_id, test_offset_ticks=offset)
            seen = led["cycle"].astype(np.int64)
            assert led["level"].tolist() == [1, 0] * 6, offset
            lags += (seen - pulses - offset * TICK).tolist()
    assert len(set(lags)) == 1
    assert abs(lags[0]) <= LIMIT_CYCLES


def test_the_led_flashes_for_200_us_at_its_offset_after_each_pulse(tmp_path: Path) -> None:
    lags = []
    with powered(tmp_path) as (chip, box):
        for run_id, offset in enumerate(OFFSETS[::3], 1):
            pulses, led = send(chip, box, RunMode.TEST_FLASH, run_id, test_offset_ticks=offset)
            seen = led["cycle"].astype(np.int64)
            whole = len(pulses) - 1  # the end of the run may cut the last flash
            assert led["level"].tolist() == [1, 0] * len(pulses), offset
            assert (seen[1::2] - seen[::2] == FLASH_TICKS * TICK)[:whole].all(), offset
            lags += (seen[::2] - pulses - offset * TICK).tolist()
    assert len(set(lags)) == 1
    assert abs(lags[0]) <= LIMIT_CYCLES


@pytest.mark.parametrize("period", [400, 401, 2000, 65_535, 131_069, 131_070])
def test_the_free_running_led_has_its_own_period_from_pulse_0_on(tmp_path: Path, period: int) -> None:
    plan = PulsePlan(20_000, LINES, 2000, RunMode.TEST_FREE, 8, test_period_ticks=period)
    with powered(tmp_path) as (chip, box):
        proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    pulses, led = proofs.rises_of(edges, LINE_PINS[0]), proofs.edges_of(edges, LED_PINS[0])
    halves = (period // 2, period - period // 2)
    inside = led[led["cycle"] < pulses[0] + plan.slot_ticks * 8 * TICK - 1]  # what follows is the dark after the run
    assert abs(int(led["cycle"][0]) - int(pulses[0])) <= LIMIT_CYCLES
    gaps = np.diff(inside["cycle"].astype(np.int64)) // TICK
    assert len(gaps) >= 8 * plan.slot_ticks // halves[1] - 2
    assert gaps.tolist() == [halves[i % 2] for i in range(len(gaps))]
    assert led["level"][-1] == 0

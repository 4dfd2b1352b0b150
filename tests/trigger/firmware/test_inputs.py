"""What the box counts and stamps at its inputs, and what it does when more comes than its line can carry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rig.streams import BoxStatus, Edge, Pulse
from rig.trigger.box import EventsLost, LinePlan, PulsePlan
from tests.trigger.firmware import proofs
from tests.trigger.firmware.proofs import CYCLES_US, DEMO, of_kind, powered
from tests.trigger.firmware.simavr import INPUT_PINS, LINE_PINS, TIMED_INPUT

RESOLUTION_US = 150  # of polling, as the box declares


def lost(told: list[proofs.BoxEvent]) -> int:
    return sum(event.count for event in of_kind(told, EventsLost))


def test_under_noise_at_every_input_pulses_stay_exact_and_all_told_and_losses_are_counted(tmp_path: Path) -> None:
    plan = replace(DEMO, body_groups=100)
    with powered(tmp_path, inputs="noise") as (chip, box):
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
        chip.calm()
        after = proofs.send(chip, box, replace(plan, body_groups=1), 2)  # by its end the queue is empty
    statuses = of_kind(told + after, BoxStatus)
    assert len(of_kind(told, Pulse)) == 106 * 4
    assert not proofs.deviations(edges, plan).any()
    assert len(statuses) >= 2
    assert statuses[-1].edges_late == 0
    assert statuses[-1].events_dropped > 10_000
    assert lost(told + after) == statuses[-1].events_dropped


def test_short_pulses_at_polled_inputs_are_all_counted_and_told(tmp_path: Path) -> None:
    """Pulses of 250 us at the marker, 5 to 25 ms apart, beside full load."""
    with powered(tmp_path, inputs="short") as (chip, box):
        told = proofs.send(chip, box, replace(DEMO, body_groups=100), 1)
        edges = chip.edges()
    origin = int(proofs.tick_origin(edges, told)[0])
    late = proofs.lateness(edges, told, origin, 3)
    assert len(late) >= 400
    assert late.max() <= RESOLUTION_US * CYCLES_US
    assert sum(proofs.missed_counts(edges, of_kind(told, BoxStatus)[-1], origin)) == 0


def test_the_timed_input_is_stamped_within_a_tick_of_a_loop_back_wire(tmp_path: Path) -> None:
    plan = replace(DEMO, body_groups=20)
    with powered(tmp_path, inputs="loop") as (chip, box):
        told = proofs.send(chip, box, plan, 1)
    pulses = of_kind(told, Pulse)
    rises = [edge for edge in of_kind(told, Edge) if edge.input == TIMED_INPUT and edge.level]
    delays = [edge.box_ticks - pulse.box_ticks for edge, pulse in zip(rises, pulses, strict=True)]
    assert set(delays) <= {0, 1}
    assert [edge.last_pulse for edge in rises] == [pulse.pulse_number for pulse in pulses]


@pytest.mark.parametrize("jumper", [False, True], ids=["115200 baud", "250000 baud"])
def test_the_declared_rate_of_events_is_carried_and_beyond_it_edges_give_way_to_pulses(
    tmp_path: Path, jumper: bool
) -> None:
    """A loop-back wire makes three events of each pulse, so a base rate makes any rate of events."""
    with powered(tmp_path, inputs="loop", jumper=jumper) as (chip, box):
        declared = int(box.describe().capabilities["events_per_s"])
        period = max(2000, 3 * 2_000_000 // declared)
        within = PulsePlan(period, (LinePlan(0, 1, 200),), 1000, body_groups=2 * 2_000_000 // period)
        told = proofs.send(chip, box, within, 1)
        assert lost(told) == of_kind(told, BoxStatus)[-1].events_dropped == 0
        assert len(of_kind(told, Edge)) == 2 * len(of_kind(told, Pulse))


def test_more_events_than_the_line_carries_are_lost_by_count_and_pulses_never(tmp_path: Path) -> None:
    plan = PulsePlan(2000, (LinePlan(0, 1, 200),), 1000, body_groups=3000)  # with the wire, 3000 events a second
    with powered(tmp_path, inputs="loop") as (chip, box):
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    status = of_kind(told, BoxStatus)[-1]
    assert [pulse.pulse_number for pulse in of_kind(told, Pulse)] == list(range(3006))
    assert lost(told) == status.events_dropped > 0
    assert len(of_kind(told, Edge)) + status.events_dropped == 2 * 3006
    assert status.input_rises[TIMED_INPUT] == len(proofs.rises_of(edges, INPUT_PINS[TIMED_INPUT])) == 3006
    assert not np.any(proofs.deviations(edges, plan))
    assert len(proofs.rises_of(edges, LINE_PINS[0])) == 3006

"""A main loop that stands still for too long, which is not expected.

What it missed is lost by count, and nothing is told with a wrong number or time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.streams import BoxStatus, Pulse
from rig.trigger import wire
from rig.trigger.box import PREAMBLE, EventsLost, LinePlan, PulsePlan, RunEnded
from tests.trigger.firmware import proofs
from tests.trigger.firmware.line import Line
from tests.trigger.firmware.proofs import DEMO, of_kind, powered
from tests.trigger.firmware.simavr import INPUT_PINS, LINE_PINS, TICK, TIMED_INPUT, Simavr, edges_of

KEPT = 8  # pulses that wait for the main loop
FAST = PulsePlan(2000, (LinePlan(0, 1, 200), LinePlan(1, 4, 400)), 1000)


@pytest.mark.parametrize(
    ("plan", "seconds", "pulses"),  # of the body, which has no silent slots
    [
        (replace(FAST, body_groups=200), 0.4, 400),
        (replace(DEMO, body_groups=25), 0.07, 7),
        (replace(DEMO, body_groups=25), 0.5, 50),
        (replace(DEMO, body_groups=60), 1.5, 150),
    ],
    ids=["more pulses than 8 bits count", "two wraps of the timer", "many wraps", "past the watchdog's first time-out"],
)
def test_pulses_sent_meanwhile_are_exact_and_the_rest_told_rightly(
    tmp_path: Path, plan: PulsePlan, seconds: float, pulses: int
) -> None:
    with powered(tmp_path) as (chip, box):
        chip.away(seconds, at_rise=sum(PREAMBLE) * plan.group + 1)
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    numbers = [pulse.pulse_number for pulse in of_kind(told, Pulse)]
    lost, status = sum(event.count for event in of_kind(told, EventsLost)), of_kind(told, BoxStatus)[-1]
    sent = len(proofs.rises_of(edges, LINE_PINS[0]))
    assert not proofs.deviations(edges, plan).any()
    assert len(set(proofs.tick_origin(edges, told).tolist())) == 1  # each told one with its own number and time
    assert numbers == sorted(set(numbers))
    assert lost == status.events_dropped == sent - len(numbers)
    assert max(0, pulses - KEPT - 1) <= lost <= max(0, pulses - KEPT + 1)
    assert of_kind(told, RunEnded)[0].pulses_sent == status.pulses_sent == sent
    assert status.edges_late == 0


def test_the_end_of_a_run_that_comes_meanwhile_has_its_own_time(tmp_path: Path) -> None:
    plan = replace(DEMO, body_groups=5)
    with powered(tmp_path) as (chip, box):
        chip.away(0.9, at_rise=4)  # the run takes 0.68 s
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    origin, last = int(proofs.tick_origin(edges, told)[0]), proofs.rises_of(edges, LINE_PINS[0])[-1]
    ended = of_kind(told, RunEnded)[0]
    assert ended.box_ticks * TICK + origin == last + plan.period_ticks * TICK
    assert ended.pulses_sent == 11 * 4


def test_an_edge_at_the_timed_input_whose_age_cannot_be_known_is_lost_by_count(tmp_path: Path) -> None:
    with Simavr(tmp_path, leash_s=0.02) as chip, Line(chip) as line:  # what follows is at most 0.04 s late
        for level in (1, 0):
            chip.input(TIMED_INPUT, level)
            line.hear(0.02)
        chip.away(0.2)
        line.hear(0.01)
        chip.input(TIMED_INPUT, 1)
        line.hear(0.3)
        chip.input(TIMED_INPUT, 0)
        line.hear(0.02)
        events = [event for heard in line.heard if isinstance(heard, wire.Events) for event in heard.events]
        status, edges = line.status(), edges_of(chip.edges(), INPUT_PINS[TIMED_INPUT])
    rise, fall = wire.Kind.RISE | TIMED_INPUT, wire.Kind.FALL | TIMED_INPUT
    assert [event.kind for event in events] == [rise, fall, fall]
    cycles = edges["cycle"].astype(int)[[0, 1, 3]]
    origins = [int(cycle) - event.ticks * TICK for cycle, event in zip(cycles, events, strict=True)]
    assert max(origins) - min(origins) <= TICK  # the box's clock went on meanwhile
    assert (status.dropped, status.input_rises[TIMED_INPUT]) == (1, 2)

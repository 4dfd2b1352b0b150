"""A run without a recorder is started once, ends in order whatever ends it, and a box that fails it is named."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise

import pytest

from rig.clock import NS
from rig.errors import DeviceNotReady
from rig.streams import BoxStatus, ClockPair, Pulse
from rig.trigger import wire
from rig.trigger.box import BoxEvent, LinePlan, PulsePlan, RunBegan, RunEnded, RunLeftOver, RunMode
from rig.trigger.port import SerialBox
from rig.trigger.trial import run_box
from tests.trigger.benches import VirtualRig, virtual_rig

PLAN = PulsePlan(20_000, (LinePlan(0, 1, 2000), LinePlan(1, 4, 2000)), 18_000)
GROUP = 4


def run(rig: VirtualRig, plan: PulsePlan, seconds: float = 1) -> list[BoxEvent]:
    with closing(run_box(rig.box, rig.clock, plan, lambda sent_s: sent_s >= seconds)) as events:
        return list(events)


def test_a_run_of_a_second_sends_a_second_of_pulses_and_its_postamble() -> None:
    with virtual_rig() as rig:
        events = run(rig, PLAN, seconds=1)
        ended = next(event for event in events if isinstance(event, RunEnded))
        assert sum(isinstance(event, RunBegan) for event in events) == 1
        assert ended.pulses_sent == rig.sim.pulses_sent == sum(isinstance(event, Pulse) for event in events)
        slots_ns = 12 * GROUP * 10_000_000  # preamble and postamble
        body_ns = rig.wires.seen[-1].host_ns - rig.wires.seen[0].host_ns - slots_ns
        assert NS // 2 < body_ns < NS * 3 // 2
        assert len(rig.wires.seen) % GROUP == 0


def test_pings_go_on_all_the_while_and_the_box_reports_at_the_end() -> None:
    with virtual_rig() as rig:
        events = run(rig, PLAN, seconds=4)
        pairs = [event for event in events if isinstance(event, ClockPair)]
        assert 20 <= len(pairs) <= 26  # five a second, also while the postamble is sent
        (last,) = [event for event in events if isinstance(event, BoxStatus)][-1:]
        assert events.index(last) > next(i for i, event in enumerate(events) if isinstance(event, RunEnded))
        assert last.pulses_sent == rig.sim.pulses_sent


def test_a_line_walk_ends_by_itself() -> None:
    walk = PulsePlan(PLAN.period_ticks, PLAN.lines, PLAN.led_phase_ticks, RunMode.WALK)
    with virtual_rig() as rig:
        events = run(rig, walk, seconds=1000)
        assert [event.pulses_sent for event in events if isinstance(event, RunEnded)] == [3 + 5]
        assert [seen.lines for seen in rig.wires.seen] == [1] * 3 + [2] * 5


def test_what_is_enough_before_it_began_is_not_begun() -> None:
    with virtual_rig() as rig:
        assert run(rig, PLAN, seconds=0) == []
        rig.box.events(1)
        assert rig.sim.runs_begun == []


def test_each_turn_is_called_to_the_end_and_ends_nothing() -> None:
    turns_ns: list[int] = []
    with virtual_rig() as rig:
        note = lambda: turns_ns.append(rig.clock.now_ns())  # noqa: E731
        with closing(
            run_box(rig.box, rig.clock, PLAN, lambda sent_s: sent_s >= 1, each_turn=note, turn_s=0.01)
        ) as events:
            told = list(events)
        (ended_ns,) = [event.host_ns for event in told if isinstance(event, RunEnded)]
    assert turns_ns[-1] >= ended_ns
    assert max(b - a for a, b in pairwise(turns_ns)) <= 11_000_000


@pytest.mark.parametrize("interruption", [None, KeyboardInterrupt])
def test_a_run_that_is_left_early_is_stopped(interruption: type[BaseException] | None) -> None:
    with virtual_rig() as rig:
        events = run_box(rig.box, rig.clock, PLAN, lambda sent_s: False)
        while not isinstance(next(events), Pulse):
            pass
        if interruption is None:
            events.close()
        else:
            with pytest.raises(interruption):
                events.throw(interruption)
        sent = rig.sim.pulses_sent
        rig.clock.sleep_until(rig.clock.now_ns() + NS)
        rig.sim.run_until(rig.clock.now_ns())
        assert 0 < sent == rig.sim.pulses_sent
        assert sent % GROUP == 0


def test_a_box_that_refuses_is_named_with_its_reason() -> None:
    with virtual_rig() as rig, pytest.raises(DeviceNotReady) as raised:
        run(rig, PulsePlan(20_000, (LinePlan(0, 65, 2000),), 18_000))
    assert "serial SIM1" in raised.value.subject
    assert "divisor" in raised.value.problem
    assert rig.wires.seen == []


def test_a_box_that_restarts_in_mid_run_is_named() -> None:
    with virtual_rig() as rig:
        with (
            pytest.raises(DeviceNotReady, match=r"serial SIM1: restarted .watchdog., and its pulses stopped"),
            closing(run_box(rig.box, rig.clock, PLAN, lambda sent_s: False)) as events,
        ):
            for event in events:
                if isinstance(event, Pulse) and event.pulse_number == 50:
                    rig.reboot()
        assert len(rig.wires.seen) < 60


def test_a_box_that_falls_silent_in_mid_run_is_named_within_seconds() -> None:
    cut = [False]
    with virtual_rig(to_host=lambda data: b"" if cut[0] else data) as rig:
        with (
            pytest.raises(DeviceNotReady, match=r"serial SIM1: has (not answered|told nothing of its run) for \d s"),
            closing(run_box(rig.box, rig.clock, PLAN, lambda sent_s: False)) as events,
        ):
            for event in events:
                if isinstance(event, Pulse) and not cut[0]:
                    cut[0], since_ns = True, rig.clock.now_ns()
        assert rig.clock.now_ns() - since_ns < 6 * NS


def test_a_run_that_another_program_left_over_is_ended_first() -> None:
    with virtual_rig() as rig:
        rig.box.start(PLAN, 5)
        rig.box.events(0.5)
        rig.box.close()
        box = SerialBox(rig.url, rig.clock)
        with closing(run_box(box, rig.clock, PLAN, lambda sent_s: sent_s >= 1)) as events:
            told = list(events)
        box.close()
        assert any(isinstance(event, RunLeftOver) for event in told)
        assert sum(isinstance(event, Pulse) for event in told) >= 100
        assert len(rig.sim.runs_begun) == 2


def test_a_start_that_gets_lost_is_repeated_and_starts_once() -> None:
    lost: list[bytes] = []

    def swallow_first_start(data: bytes) -> bytes:
        messages = wire.Decoder().feed(data)
        if not lost and any(isinstance(message, wire.Start) for message in messages):
            lost.append(data)
            return b""
        return data

    with virtual_rig(to_box=swallow_first_start) as rig:
        run(rig, PLAN)
        assert lost
        assert len(rig.sim.runs_begun) == 1

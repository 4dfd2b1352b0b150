"""The simulated serial line: how long bytes take over each bridge, what fits through it, and what must give way."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.clock import NS
from rig.trigger import wire
from tests.sim.test_box import START, Bare, events_of, status_in

MS = 1_000_000
BYTE_NS = 10 * NS / 115_200
PING_BYTES, PONG_BYTES = 6, 14
# most up, most down, bytes on a UART
BRIDGES = {"ideal": (0, 0, 0), "native": (1, 1, 0), "16u2": (1, 4.1, 1), "ftdi": (1, 16, 1)}


def trips(bridge: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """How long PINGs took to the box and their PONGs back, by the stamps in them; ns."""
    bare, up, down = Bare(bridge=bridge), [], []
    for number in range(count):
        sent = bare.now
        bare.box.receive(wire.to_frame(wire.Ping(number % 256)), sent)
        arrived = b""
        while not arrived:
            bare.now = bare.box.next_host_ns() or bare.now
            arrived = bare.box.take_output(bare.now)
        pong = wire.from_frame(arrived[:-1])
        assert isinstance(pong, wire.Pong)
        assert pong.request == number % 256
        up.append(pong.rx_ticks * 500 - sent)
        down.append(bare.now - pong.tx_ticks * 500)
    return np.array(up), np.array(down)


@pytest.mark.parametrize("bridge", BRIDGES)
def test_a_bridge_delays_bytes_uniformly_up_to_its_own_latency_and_by_the_time_on_the_uart(bridge: str) -> None:
    most_up_ms, most_down_ms, has_uart = BRIDGES[bridge]
    for trip, most_ms, size in zip(
        trips(bridge, 1000), (most_up_ms, most_down_ms), (PING_BYTES, PONG_BYTES), strict=True
    ):
        waited = trip - size * BYTE_NS * has_uart
        assert -500 <= waited.min() <= 500 + 0.01 * most_ms * MS  # a tick is 500 ns
        assert 0.99 * most_ms * MS - 500 <= waited.max() <= most_ms * MS + 500
        assert waited.mean() == pytest.approx(most_ms * MS / 2, rel=0.1, abs=500)


@pytest.mark.parametrize(
    ("bridge", "baud", "told"), [("native", 115_200, 0), ("16u2", 115_200, 115_200), ("ftdi", 250_000, 250_000)]
)
def test_it_says_how_fast_its_line_is_and_how_many_events_fit(bridge: str, baud: int, told: int) -> None:
    identity = Bare(bridge=bridge, baud=baud).hello()
    assert isinstance(identity, wire.Identity)
    assert (identity.baud, identity.events_per_s) == (told, {0: 0, 115_200: 1000, 250_000: 1500}[told])


def answers(bare: Bare, seconds: float, edges_per_s: int = 0) -> list[wire.Message]:
    """What is told in so much time, PINGs five times a second, edges on input 5."""
    told, level = [], 0
    steps = max(edges_per_s, 1000)
    for step in range(round(seconds * steps)):
        if step % (steps // 5) == 0:
            bare.box.receive(wire.to_frame(wire.Ping(step // (steps // 5) % 256)), bare.now)
        if edges_per_s:
            level = 1 - level
            bare.box.input_edge(bare.now, 5, level)
        told += bare.wait(1 / steps)
    return told


FAST = replace(START, period_ticks=2000, led_phase_ticks=1800, widths_ticks=(400, 400, 400), body_groups=1250)


@pytest.mark.parametrize("bridge", ["16u2", "ftdi"])
def test_the_declared_rate_of_pulses_gets_through_while_pings_are_answered(bridge: str) -> None:
    bare = Bare(bridge=bridge)
    bare.hello()
    told = [*bare.say(FAST), *answers(bare, 6)]
    status = status_in(bare.say(wire.AskStatus(1)))
    assert (status.dropped, status.pulses_sent) == (0, 1256 * 4)
    assert status.deepest_queue < 64
    assert [e.pulse for e in events_of(told) if e.kind & 0xF0 == wire.Kind.PULSE] == list(range(1256 * 4))
    assert len([message for message in told if isinstance(message, wire.Pong)]) == 30


def test_above_it_edges_are_dropped_before_any_pulse_and_the_lost_ones_are_counted_exactly() -> None:
    bare = Bare(bridge="16u2")
    bare.hello()
    told = [*bare.say(replace(FAST, body_groups=500)), *answers(bare, 3, edges_per_s=5000)]
    told += bare.wait(1)
    status = status_in(bare.say(wire.AskStatus(1)))
    events = [message for message in told if isinstance(message, wire.Events)]
    pulses = [event.pulse for event in events_of(told) if event.kind & 0xF0 == wire.Kind.PULSE]
    assert pulses == list(range(506 * 4))
    assert all(b.first_seq >= a.first_seq + len(a.events) for a, b in pairwise(events))
    assert status.next_seq - len(events_of(told)) == status.dropped > 5000
    assert status.input_rises[5] == 7500
    assert 40 <= status.deepest_queue <= 64


def test_answers_do_not_tell_of_events_that_have_not_left() -> None:
    """Every event below the next_seq of a STATUS came before it."""
    bare = Bare(bridge="ftdi")
    bare.hello()
    told = bare.say(replace(FAST, period_ticks=4000), then_s=0.1)
    for number in range(40):
        bare.box.receive(wire.to_frame(wire.AskStatus(number)), bare.now)
        told += bare.wait(0.0171)
    told, came = told + bare.wait(0.1), 0
    for message in told:
        if isinstance(message, wire.Events):
            came = message.first_seq + len(message.events)
        elif isinstance(message, wire.Status):
            assert message.next_seq == came
    assert len([message for message in told if isinstance(message, wire.Status)]) == 40


def test_events_of_two_runs_are_never_in_one_message() -> None:
    bare = Bare(bridge="16u2")
    bare.hello()
    told = bare.say(replace(FAST, body_groups=0), then_s=0.11)
    for number in range(30):
        bare.box.input_edge(bare.now, 5, number % 2)
    told += bare.say(replace(FAST, run_id=6, body_groups=0), then_s=1.0)
    edges = [m.run_id for m in told if isinstance(m, wire.Events) for e in m.events if e.kind & 0x0F == 5]
    assert edges == [5] * 30
    begins = [m.run_id for m in told if isinstance(m, wire.Events) for e in m.events if e.kind == wire.Kind.RUN_BEGAN]
    assert begins == [5, 6]


def test_the_last_input_is_stamped_exactly_and_the_others_at_most_150_us_late_in_order() -> None:
    bare = Bare(seed=3)
    bare.hello()
    told = []
    for number in range(6):
        for moment in range(200):
            bare.box.input_edge(bare.now, number, moment % 2)
            told += [(bare.now, event) for event in events_of(bare.wait(0.0007 if moment % 2 else 0.01))]
        told += [(0, event) for event in events_of(bare.wait(0.1))]
    for number in range(6):
        ticks = [event.ticks for _, event in told if event.kind & 0x0F == number]
        moments = np.cumsum([0, *([10_000_000, 700_000] * 100)])[:200] + 100_000_000
        moments = moments + number * (100 * 10_700_000 + 100_000_000)
        late_us = (np.array(ticks) * 500 - moments) / 1000
        assert len(late_us) == 200
        if number == 5:
            assert (np.abs(late_us) <= 0.5).all()
        else:
            assert (late_us > 0).all() and (late_us <= 150).all()
            assert late_us.mean() == pytest.approx(75, abs=15)


THINGS = st.lists(
    st.tuples(
        st.integers(0, 200),  # so many 0.1 ms after the one before
        st.one_of(st.integers(0, 400), st.integers(0, 40), st.none()),  # an edge so many 0.1 ms ago, or a PING
        st.sampled_from([0, 5]),  # at a polled input, or the one that is stamped exactly
    ),
    max_size=40,  # so many edges always find room
)


@given(bridge=st.sampled_from(sorted(BRIDGES)), things=THINGS)
def test_whatever_it_has_to_tell_leaves_within_a_tenth_of_a_second_though_it_sees_it_late(
    bridge: str, things: list[tuple[int, int | None, int]]
) -> None:
    bare, told = Bare(bridge=bridge), []
    for number, (after, ago, input_number) in enumerate(things):
        told += bare.wait(after / 10_000)
        if ago is None:
            told += bare.say(wire.Ping(number), then_s=0)
        else:
            bare.box.input_edge(max(0, bare.now - ago * MS // 10), input_number, number % 2)
    told += bare.wait(0.1)
    pings = [number for number, (_, ago, _) in enumerate(things) if ago is None]
    assert [message.request for message in told if isinstance(message, wire.Pong)] == pings
    assert len(events_of(told)) == len(things) - len(pings)
    assert bare.box.next_host_ns() is None  # nothing is still under way

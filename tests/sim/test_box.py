"""The simulated box against what the firmware must do, spoken to with bare messages."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.clock import NS
from rig.sim.box import SimulatedBox
from rig.trigger import wire

NONCE = 77
START = wire.Start(1, NONCE, 5, wire.Mode.RECORD, 20_000, 4, 18_000, (1, 4, 4), (2000, 2000, 2000))


class Bare:
    """A box and a line to it, without any driver."""

    def __init__(self, **settings: Any) -> None:
        self.rises: list[tuple[int, int, int, bool]] = []
        self.leds: list[tuple[int, int]] = []
        on_lines, on_leds = (lambda *rise: self.rises.append(rise)), (lambda *change: self.leds.append(change))
        self.box = SimulatedBox(on_lines, on_leds=on_leds, **settings)
        self.now = 0
        self._decoder = wire.Decoder()

    def say(self, *messages: wire.Message, then_s: float = 0.1) -> list[wire.Message]:
        """Send messages and return what comes in the time after."""
        self.box.receive(b"".join(map(wire.to_frame, messages)), self.now)
        return self.wait(then_s)

    def wait(self, seconds: float) -> list[wire.Message]:
        self.now += round(seconds * NS)
        self.box.run_until(self.now)
        return self._decoder.feed(self.box.take_output(self.now))

    def hello(self) -> wire.Message:
        return self.say(wire.Hello(0, wire.PROTOCOL, NONCE))[0]


def events_of(messages: list[wire.Message]) -> list[wire.Event]:
    return [event for message in messages if isinstance(message, wire.Events) for event in message.events]


def status_in(messages: list[wire.Message]) -> wire.Status:
    return next(message for message in messages if isinstance(message, wire.Status))


def refusal(messages: list[wire.Message]) -> tuple[int, int]:
    errors = [message for message in messages if isinstance(message, wire.Error)]
    assert len(errors) == 1
    return errors[0].code, errors[0].detail


def test_it_says_that_it_is_simulated() -> None:
    identity = Bare().hello()
    assert isinstance(identity, wire.Identity)
    assert wire.Capability.SIMULATED & identity.capabilities
    assert identity.inputs == 6
    assert (identity.request, identity.nonce) == (0, NONCE)


def test_another_protocol_version_is_refused_with_its_own() -> None:
    assert refusal(Bare().say(wire.Hello(0, 9, NONCE))) == (wire.Refusal.WRONG_VERSION, wire.PROTOCOL)


def test_a_start_without_hello_or_with_another_nonce_is_refused() -> None:
    bare = Bare()
    assert refusal(bare.say(START)) == (wire.Refusal.NO_HELLO, 0)
    bare.hello()
    assert refusal(bare.say(replace(START, nonce=78))) == (wire.Refusal.WRONG_NONCE, 0)
    assert bare.rises == []


def test_the_same_start_gets_the_same_answer_and_another_one_is_busy() -> None:
    bare = Bare()
    bare.hello()
    first, again = _started(bare.say(START, START))
    assert first == again
    assert refusal(bare.say(replace(START, run_id=6))) == (wire.Refusal.BUSY, 5)
    bare.wait(5.0)
    assert _started(bare.say(START, then_s=5.0)) == [first]
    assert bare.box.runs_begun == [5]
    assert len(bare.rises) == (3 + 4 + 3) * 4


def _started(messages: list[wire.Message]) -> list[wire.Started]:
    return [message for message in messages if isinstance(message, wire.Started)]


def test_pulse_0_comes_2_ms_after_the_start_was_accepted() -> None:
    bare = Bare()
    bare.hello()
    told = bare.say(START)
    pulse = next(event for event in events_of(told) if event.kind & 0xF0 == wire.Kind.PULSE)
    assert pulse.ticks - _started(told)[0].ticks == 4000


LIMITS = [
    ({"run_id": 0}, wire.Refusal.BAD_RUN_ID, 0),
    ({"mode": 5}, wire.Refusal.BAD_MODE, 5),
    ({"period_ticks": 1999}, wire.Refusal.BAD_PERIOD, 1999),
    ({"divisors": (1, 65, 4)}, wire.Refusal.BAD_DIVISOR, 65),
    ({"divisors": (2, 4, 4)}, wire.Refusal.NO_BASE_LINE, 0),
    ({"divisors": (0, 0, 0)}, wire.Refusal.NO_BASE_LINE, 0),
    ({"divisors": (1, 9, 8)}, wire.Refusal.GROUP_TOO_LONG, 72),
    ({"widths_ticks": (199, 2000, 2000)}, wire.Refusal.BAD_WIDTH, 199),
    ({"widths_ticks": (19_937, 2000, 2000)}, wire.Refusal.BAD_WIDTH, 19_937),
    ({"widths_ticks": (2000, 2063, 2000)}, wire.Refusal.EDGES_TOO_CLOSE, 63),
    ({"widths_ticks": (2000, 2000, 18_001)}, wire.Refusal.EDGES_TOO_CLOSE, 1),
    ({"led_phase_ticks": 0}, wire.Refusal.BAD_LED_PHASE, 0),
    ({"led_phase_ticks": 19_937}, wire.Refusal.BAD_LED_PHASE, 19_937),
    ({"mode": wire.Mode.TEST_EDGE, "test_offset_ticks": 20_000}, wire.Refusal.BAD_TEST_OFFSET, 20_000),
    ({"mode": wire.Mode.TEST_FLASH, "test_offset_ticks": 20_000}, wire.Refusal.BAD_TEST_OFFSET, 20_000),
    ({"mode": wire.Mode.TEST_FREE, "test_period_ticks": 399}, wire.Refusal.BAD_TEST_PERIOD, 399),
    ({"mode": wire.Mode.TEST_FREE, "test_period_ticks": 131_071}, wire.Refusal.BAD_TEST_PERIOD, 131_071),
]


@pytest.mark.parametrize(("change", "code", "detail"), LIMITS)
def test_a_start_out_of_its_limits_is_refused_by_name(change: dict[str, int], code: int, detail: int) -> None:
    bare = Bare()
    bare.hello()
    assert refusal(bare.say(replace(START, **change))) == (code, detail)
    assert bare.wait(1.0) == []
    assert bare.rises == []


@pytest.mark.parametrize(
    "change",
    [
        {"period_ticks": 2000, "widths_ticks": (200, 200, 264), "led_phase_ticks": 1936},
        {"period_ticks": 65_535, "widths_ticks": (65_471, 2000, 2000)},
        {"divisors": (1, 64, 0)},
        {"widths_ticks": (18_000, 2064, 2000)},
        {"mode": wire.Mode.TEST_EDGE, "test_offset_ticks": 19_999},
        {"mode": wire.Mode.TEST_FLASH, "test_offset_ticks": 0},
        {"mode": wire.Mode.TEST_FREE, "test_period_ticks": 400},
        {"mode": wire.Mode.TEST_FREE, "test_period_ticks": 131_070},
    ],
)
def test_a_start_at_its_limits_is_accepted(change: dict[str, int]) -> None:
    bare = Bare()
    bare.hello()
    assert len(_started(bare.say(replace(START, **change)))) == 1


def test_unused_lines_carry_no_pulse_and_have_no_walk() -> None:
    bare = Bare()
    bare.hello()
    bare.say(replace(START, divisors=(1, 0, 2), body_groups=1), then_s=2.0)
    assert [lines for _, lines, _, _ in bare.rises] == [0b101, 0b001] * 7
    bare.rises.clear()
    bare.say(replace(START, run_id=6, divisors=(1, 0, 2), mode=wire.Mode.WALK), then_s=2.0)
    assert [(lines, walk) for _, lines, _, walk in bare.rises] == [(0b001, True)] * 3 + [(0b100, True)] * 7


def test_its_clock_is_off_by_its_error_and_wraps_on_the_wire() -> None:
    bare = Bare(ppm=1000.0, start_ticks=2**32 - 1_000_000)
    bare.hello()
    told = bare.say(replace(START, body_groups=100), then_s=10.0)
    host_s = (bare.rises[-1][0] - bare.rises[0][0]) / NS
    assert host_s == pytest.approx(((6 + 100 + 5) * 4 + 3) * 0.01 / 1.001, abs=1e-6)
    assert all(0 <= event.ticks < 2**32 for event in events_of(told))
    assert any(b.ticks < a.ticks for a, b in pairwise(events_of(told)))


def test_events_have_one_sequence_in_messages_of_at_most_eleven() -> None:
    bare = Bare()
    bare.hello()
    messages = bare.say(START, then_s=1.0)
    for number in range(20):
        bare.box.input_edge(bare.now, 3, number % 2)
    messages += bare.say(replace(START, run_id=6), then_s=2.0)
    told = [message for message in messages if isinstance(message, wire.Events)]
    assert max(len(message.events) for message in told) == wire.MAX_EVENTS
    assert told[0].first_seq == 0
    assert all(b.first_seq == a.first_seq + len(a.events) for a, b in pairwise(told))
    assert {message.run_id for message in told} == {5, 6}


def test_status_counts_what_was_sent_and_what_came_in() -> None:
    bare = Bare()
    bare.hello()
    bare.say(START, then_s=0.2)
    bare.box.input_edge(bare.now, 2, 1)
    bare.box.receive(b"\xaa\xbb\0", bare.now)
    running = status_in(bare.say(wire.AskStatus(9)))
    bare.wait(5.0)
    ended = status_in(bare.say(wire.AskStatus(10)))
    assert (running.state, running.run_id, running.bad_frames) == (wire.State.RUNNING, 5, 1)
    assert running.input_rises == (0, 0, 1, 0, 0, 0, 0, 0)
    assert (ended.state, ended.pulses_sent, ended.queued) == (wire.State.IDLE, len(bare.rises), 0)


def test_messages_for_the_host_are_bad_frames_like_damaged_ones() -> None:
    bare = Bare()
    assert bare.say(wire.Boot(3, 1), wire.Pong(1, 2, 3)) == []
    bare.box.receive(b"\xaa\xbb\0", bare.now)
    assert status_in(bare.say(wire.AskStatus(9))).bad_frames == 3


@pytest.mark.parametrize("bad", [b"\xaa\xbb\0", wire.to_frame(wire.Boot(3, 1))], ids=["damaged", "for the host"])
def test_a_bad_frame_is_not_a_word_of_the_host(bad: bytes) -> None:
    bare = Bare()
    bare.hello()
    bare.say(replace(START, body_groups=wire.UNTIL_STOP, quiet_s=1))
    for _ in range(10):
        bare.box.receive(bad, bare.now)
        bare.wait(0.2)
    assert status_in(bare.say(wire.AskStatus(9))).state == wire.State.IDLE


def test_stop_is_accepted_when_nothing_runs_and_without_hello() -> None:
    assert Bare().say(wire.Stop(3)) == [wire.Stopping(3, 0)]


def test_a_reset_ends_the_run_and_forgets_the_nonce() -> None:
    bare = Bare()
    bare.hello()
    bare.say(START, then_s=0.2)
    sent = len(bare.rises)
    bare.box.reset(bare.now, wire.Cause.BROWN_OUT)
    assert bare.wait(1.0) == [wire.Boot(2, wire.Cause.BROWN_OUT)]
    assert refusal(bare.say(START)) == (wire.Refusal.NO_HELLO, 0)
    assert len(bare.rises) == sent


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_no_bytes_start_a_run_or_stop_one(chunks: list[bytes]) -> None:
    bare = Bare()
    bare.hello()
    for chunk in chunks:
        bare.box.receive(chunk, bare.now)
    bare.wait(0.1)
    assert bare.box.runs_begun == []
    bare.box.receive(b"\0", bare.now)
    bare.say(START, then_s=0.05)
    for chunk in chunks:
        bare.box.receive(chunk, bare.now)
    bare.wait(3.0)
    assert bare.box.runs_begun == [5]
    assert len(bare.rises) == 40

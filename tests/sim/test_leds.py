"""The sync LEDs: what their lines do in each kind of run, to the tick, and what a camera's exposure makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.sim.leds import LedHistory
from rig.trigger import wire
from tests.sim.test_box import START, Bare

TICK_NS = 500
PERIOD, PHASE = START.period_ticks, START.led_phase_ticks


def m_sequence(length: int) -> list[int]:
    """s[k+20] = s[k+3] xor s[k], s[0] to s[19] the bits of 0xB5A3C, lowest first."""
    bits = [0xB5A3C >> k & 1 for k in range(20)]
    while len(bits) < length:
        bits.append(bits[-17] ^ bits[-20])
    return bits


def code(pulse: int) -> int:
    """The mask that docs/reference/wire-format.md gives for a pulse."""
    gray = (pulse % 4) ^ (pulse % 4 >> 1)
    return m_sequence(pulse + 1)[pulse] | gray << 1


def lit(bare: Bare, start: wire.Start, seconds: float) -> tuple[list[int], list[tuple[int, int]]]:
    """A run: ticks of its pulses, and of the changes of the LEDs with their masks, from the first pulse on."""
    bare.hello()
    bare.say(start, then_s=seconds)
    pulse_0 = bare.rises[0][0]
    changes = [((host_ns - pulse_0) / TICK_NS, mask) for host_ns, mask in bare.leds]
    assert all(ticks == round(ticks) for ticks, _ in changes)
    return [round((rise[0] - pulse_0) / TICK_NS) for rise in bare.rises], [(round(t), mask) for t, mask in changes]


def sampled(changes: list[tuple[int, int]], ticks: int) -> int:
    """The mask at an instant."""
    return [mask for since, mask in [(-(10**9), 0), *changes] if since <= ticks][-1]


def test_in_a_recording_run_the_leds_show_the_code_of_the_pulse_to_come_and_change_at_the_phase() -> None:
    pulses, changes = lit(Bare(), replace(START, body_groups=38), 3.0)
    assert len(pulses) == 44 * 4
    assert code(0) == 0  # so that START changes nothing
    for number, ticks in enumerate(pulses):
        assert sampled(changes, ticks) == code(number), number
        assert sampled(changes, ticks + PHASE - 1) == code(number), number
        if number < len(pulses) - 1:
            assert sampled(changes, ticks + PHASE) == code(number + 1), number
    phases = {ticks + PHASE for ticks in pulses}
    assert {ticks for ticks, _ in changes[:-1]} <= phases
    assert code(len(pulses)) != 0
    assert changes[-2:] == [(pulses[-1] + PHASE, code(len(pulses))), (pulses[-1] + PERIOD, 0)]  # the run's end


def test_the_leds_are_dark_in_the_line_walk() -> None:
    bare = Bare()
    bare.hello()
    bare.say(replace(START, mode=wire.Mode.WALK), then_s=1.0)
    assert len(bare.rises) == 15
    assert bare.leds == []


TEST = replace(START, body_groups=3)


@pytest.mark.parametrize("offset", [0, 1, 2, 7777, 19_999])
def test_an_edge_comes_at_its_offset_on_after_even_pulses_and_off_after_odd_ones(offset: int) -> None:
    pulses, changes = lit(Bare(), replace(TEST, mode=wire.Mode.TEST_EDGE, test_offset_ticks=offset), 1.0)
    assert pulses == [number * PERIOD for number in range(12)]  # groups alone
    assert changes == [(number * PERIOD + offset, 1 - number % 2) for number in range(12)]


@pytest.mark.parametrize("offset", [0, 1, 2, 7777, 19_600])
def test_a_flash_of_200_us_comes_at_its_offset_after_each_pulse(offset: int) -> None:
    _, changes = lit(Bare(), replace(TEST, mode=wire.Mode.TEST_FLASH, test_offset_ticks=offset), 1.0)
    due = [(number * PERIOD + offset + after, mask) for number in range(12) for after, mask in ((0, 1), (400, 0))]
    assert changes == due


def test_a_flash_that_reaches_beyond_the_run_ends_with_it() -> None:
    _, changes = lit(Bare(), replace(TEST, mode=wire.Mode.TEST_FLASH, test_offset_ticks=19_999), 1.0)
    assert changes[-2:] == [(12 * PERIOD - 1, 1), (12 * PERIOD, 0)]
    assert len(changes) == 24


@pytest.mark.parametrize("period", [400, 401, 10_001, 131_070])
def test_the_free_led_blinks_from_pulse_0_to_the_end_on_in_its_first_half(period: int) -> None:
    start = replace(TEST, mode=wire.Mode.TEST_FREE, test_period_ticks=period, body_groups=10)
    _, changes = lit(Bare(), start, 1.0)
    ends = 40 * PERIOD
    due = [(k * period + half, mask) for k in range(ends // period + 1) for half, mask in ((0, 1), (period // 2, 0))]
    due = [change for change in due if change[0] < ends]
    assert changes == due + [(ends, 0)] * due[-1][1]


def test_a_test_run_until_stop_ends_with_its_group() -> None:
    bare = Bare()
    bare.hello()
    until_stop = replace(START, mode=wire.Mode.TEST_EDGE, body_groups=wire.UNTIL_STOP)
    bare.say(until_stop, then_s=0.187)
    bare.say(wire.Stop(3), then_s=1.0)
    assert len(bare.rises) == 20
    assert bare.leds[-1][1] == 0


def test_a_reset_darkens_the_leds() -> None:
    bare = Bare()
    bare.hello()
    bare.say(START, then_s=0.2)
    assert bare.leds[-1][1] != 0
    bare.box.reset(bare.now, wire.Cause.WATCHDOG)
    assert bare.leds[-1] == (bare.now, 0)
    bare.wait(1.0)
    assert bare.leds[-1][0] < bare.now


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 7)), max_size=30), st.integers(0, 500), st.data())
def test_the_share_of_an_exposure_is_what_counting_its_nanoseconds_gives(
    steps: list[tuple[int, int]], begins: int, data: Any
) -> None:
    ends = begins + data.draw(st.integers(1, 500))
    history, lines = LedHistory(), np.zeros(1001, int)
    for since, mask in sorted(steps, key=lambda step: step[0]):
        history.change(since, mask)
        lines[since:] = mask
    counted = [(lines[begins:ends] >> led & 1).mean() for led in range(3)]
    np.testing.assert_allclose(history.shares(begins, ends), counted)


def test_the_past_is_forgotten_only_beyond_the_longest_exposure() -> None:
    history, second = LedHistory(), 1_000_000_000
    for k in range(20_001):  # 10 s
        history.change(k * second // 2000, k % 2)
    assert history.shares(9 * second, 10 * second)[0] == pytest.approx(0.5)
    assert len(history._changes) < 6010

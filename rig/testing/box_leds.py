"""What a trigger box must do with its sync LEDs. Part of TriggerBoxContract; docs/reference/wire-format.md says it."""

from __future__ import annotations

from itertools import pairwise

from rig.streams import Pulse
from rig.testing.bench import LED_PHASE_TICKS, PERIOD_TICKS, Bench, BenchTests, OnLeds, ns_per_tick, of_kind
from rig.trigger.box import PulsePlan, RunMode, StartRefused

FLASH_TICKS = 400
HALF_A_TICK = 0.5  # so near LED edges are to where they should be
FIRST_BITS = 0xB5A3C  # of the code, lowest first


def code_of(pulses: int) -> list[int]:
    """The LEDs of each pulse, written anew from the documented polynomial: bit 0 A, bit 1 B1, bit 2 B2."""
    bits = [FIRST_BITS >> k & 1 for k in range(20)]
    while len(bits) < pulses:
        bits.append(bits[-17] ^ bits[-20])  # s[k+20] = s[k+3] xor s[k]
    gray = (0b00, 0b01, 0b11, 0b10)
    return [bits[n] | gray[n % 4] << 1 for n in range(pulses)]


class LedTests(BenchTests):
    """The code of a recording, and the test modes, on the LED wires."""

    def test_the_sync_leds_show_the_code_of_each_pulse(self) -> None:
        """They change at the LED phase after each pulse, to the code of the next one; dark before and after."""
        with self.bench() as bench:
            if bench.leds is None or not bench.can("record", "sync_leds"):
                return
            pulses, changes, since_ticks = _run(bench, bench.plan(body_groups=20), 41)
        due = code_of(len(pulses))
        assert [_shown(changes, since_ticks, at) for at in _starts(pulses)] == due
        phases = [at + LED_PHASE_TICKS for at in _starts(pulses)]
        after = [_shown(changes, since_ticks, at + 1) for at in phases[:-1]]
        before = [_shown(changes, since_ticks, at - 1) for at in phases]
        assert after == due[1:]
        assert before == due
        assert changes[-1].mask == 0

    def test_the_leds_are_dark_during_the_line_walk(self) -> None:
        """No camera is to take its pictures for those of a recording."""
        with self.bench() as bench:
            if bench.leds is None or not bench.can("walk"):
                return
            bench.run(bench.plan(mode=RunMode.WALK), 42)
            assert [change.mask for change in bench.leds() if change.mask] == []

    def test_a_test_edge_is_at_its_offset_from_each_pulse_to_the_tick(self) -> None:
        """LED A alone: on in even pulses, off in odd ones; an offset of one tick more is one tick later."""
        for offset in (700, 701, PERIOD_TICKS - 100):
            with self.bench() as bench:
                if not _can_test(bench):
                    return
                asked = bench.plan(mode=RunMode.TEST_EDGE, body_groups=6, test_offset_ticks=offset)
                pulses, changes, since_ticks = _run(bench, asked, 43)
            due = [(at + offset, 1 - n % 2) for n, at in enumerate(_starts(pulses))]
            _assert_changes(changes, since_ticks, due)

    def test_a_test_flash_is_at_its_offset_from_each_pulse_to_the_tick(self) -> None:
        """LED A alone, for 200 us after every pulse."""
        for offset in (0, 900, 901):
            with self.bench() as bench:
                if not _can_test(bench):
                    return
                asked = bench.plan(mode=RunMode.TEST_FLASH, body_groups=5, test_offset_ticks=offset)
                pulses, changes, since_ticks = _run(bench, asked, 44)
            due = [
                (at + offset + after, level) for at in _starts(pulses) for after, level in ((0, 1), (FLASH_TICKS, 0))
            ]
            _assert_changes(changes, since_ticks, due)

    def test_a_free_running_led_blinks_with_its_own_period(self) -> None:
        """From pulse 0 on, on in the first half of each period, whatever the pulses do; dark after the run."""
        for period in (3001, 12_000):
            with self.bench() as bench:
                if not _can_test(bench):
                    return
                asked = bench.plan(mode=RunMode.TEST_FREE, body_groups=5, test_period_ticks=period)
                pulses, changes, since_ticks = _run(bench, asked, 45)
            lasts = len(pulses) * PERIOD_TICKS
            due = [(at + half, 1 - bool(half)) for at in range(0, lasts, period) for half in (0, period // 2)]
            until = [change for change in due if change[0] < lasts - PERIOD_TICKS]
            _assert_changes(changes[: len(until)], since_ticks[: len(until)], until)
            assert changes[-1].mask == 0

    def test_a_test_out_of_its_limits_is_refused_by_name(self) -> None:
        """An offset that reaches the next pulse, and periods too short and too long."""
        with self.bench() as bench:
            if not _can_test(bench):
                return
            bad = [
                ("test offset", bench.plan(mode=RunMode.TEST_EDGE, body_groups=1, test_offset_ticks=PERIOD_TICKS)),
                ("test period", bench.plan(mode=RunMode.TEST_FREE, body_groups=1, test_period_ticks=399)),
                ("test period", bench.plan(mode=RunMode.TEST_FREE, body_groups=1, test_period_ticks=131_071)),
            ]
            for run_id, (word, asked) in enumerate(bad, 46):
                reasons = [refused.reason for refused in of_kind(bench.run(asked, run_id), StartRefused)]
                assert len(reasons) == 1
                assert word in reasons[0]
            assert bench.on_wires() == []

    def test_a_test_run_is_groups_alone(self) -> None:
        """Without preamble and postamble, one period after another."""
        with self.bench() as bench:
            if not bench.can("test_modes"):
                return
            pulses = of_kind(bench.run(bench.plan(mode=RunMode.TEST_FLASH, body_groups=6), 49), Pulse)
        assert len(pulses) >= bench.plan().group * 6
        assert [pulse.lines for pulse in pulses] == [bench.lines_of(n) for n in range(len(pulses))]
        assert len(pulses) % bench.plan().group == 0
        assert {b.box_ticks - a.box_ticks for a, b in pairwise(pulses)} == {PERIOD_TICKS}


def _can_test(bench: Bench) -> bool:
    return bench.leds is not None and bench.can("test_modes")


def _run(bench: Bench, asked: PulsePlan, run_id: int) -> tuple[list[Pulse], list[OnLeds], list[float]]:
    """The pulses of a run, the changes of the LEDs, and when each was, in box ticks after pulse 0."""
    pulses = of_kind(bench.run(asked, run_id), Pulse)
    wires = bench.on_wires()
    assert bench.leds is not None
    assert len(pulses) == len(wires) > 1
    changes = [b for a, b in pairwise([OnLeds(0, 0), *bench.leds()]) if b.mask != a.mask]
    tick_ns = ns_per_tick(pulses, wires)
    return pulses, changes, [(change.host_ns - wires[0].host_ns) / tick_ns for change in changes]


def _starts(pulses: list[Pulse]) -> list[int]:
    """When each pulse was, in box ticks after pulse 0."""
    return [pulse.box_ticks - pulses[0].box_ticks for pulse in pulses]


def _shown(changes: list[OnLeds], since_ticks: list[float], at_ticks: float) -> int:
    """The LEDs at a time; dark before their first change."""
    return next(
        (c.mask for c, since in zip(reversed(changes), reversed(since_ticks), strict=True) if since <= at_ticks), 0
    )


def _assert_changes(changes: list[OnLeds], since_ticks: list[float], due: list[tuple[int, int]]) -> None:
    """The LEDs changed to these masks at these times, and never else."""
    assert [change.mask for change in changes] == [mask for _, mask in due]
    off = [abs(since - at) for since, (at, _) in zip(since_ticks, due, strict=True)]
    assert max(off) < HALF_A_TICK, f"an edge of the LED is {max(off):.2f} ticks off"

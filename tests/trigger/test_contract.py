"""The contract of a trigger box, taken by the simulated one, and proof that the contract catches a bad one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from rig.sim.box import ABILITIES, SimulatedBox
from rig.sim.leds import Change
from rig.sim.pulses import Run
from rig.testing.trigger import Bench, TriggerBoxContract
from rig.trigger import driver, wire
from tests.trigger.benches import real_time_bench, virtual_rig


class TestSimulatedBoxInVirtualTime(TriggerBoxContract):
    @contextmanager
    def bench(self) -> Iterator[Bench]:
        with virtual_rig() as rig:
            yield rig.bench


class TestSimulatedBoxBehindASocketInRealTime(TriggerBoxContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return real_time_bench()


CAN_ALL = ABILITIES & ~wire.Capability.SIMULATED


class WithoutRecord(SimulatedBox):
    """Says that it can do less than it could."""

    CANNOT = wire.Capability.RECORD

    def _greet(self, hello: wire.Hello, host_ns: int) -> wire.Message:
        answer = super()._greet(hello, host_ns)
        return replace(answer, capabilities=ABILITIES & ~self.CANNOT) if isinstance(answer, wire.Identity) else answer


class WithoutCount(WithoutRecord):
    """Knows no end of a run but STOP, no walk, tests, LEDs, timed input, and no end by itself."""

    CANNOT = CAN_ALL & ~wire.Capability.RECORD

    def _begin(self, start: wire.Start, host_ns: int) -> Run:
        return super()._begin(replace(start, quiet_s=0), host_ns)

    def _light(self, mask: int, host_ns: int) -> None:
        pass

    def _objection(self, start: wire.Start) -> tuple[wire.Refusal, int] | None:
        if start.body_groups != wire.UNTIL_STOP or start.mode != wire.Mode.RECORD:
            return wire.Refusal.BAD_MODE, start.mode
        return super()._objection(start)


class WithoutAny(WithoutRecord):
    CANNOT = CAN_ALL

    def _begin(self, start: wire.Start, host_ns: int) -> Run:
        raise AssertionError("it was asked for what it says that it cannot do")


class WithLess(SimulatedBox):
    """Has fewer lines and inputs, and must not be asked for others."""

    LINES, INPUTS = 2, 1

    def _greet(self, hello: wire.Hello, host_ns: int) -> wire.Message:
        answer = super()._greet(hello, host_ns)
        if not isinstance(answer, wire.Identity):
            return answer
        untimed = ABILITIES & ~wire.Capability.TIMED_INPUT  # its last input is one of the first of the real one
        return replace(answer, lines=self.LINES, inputs=self.INPUTS, capabilities=untimed)

    def _objection(self, start: wire.Start) -> tuple[wire.Refusal, int] | None:
        assert not any(start.divisors[self.LINES :]), "it was asked for a line that it does not have"
        return super()._objection(start)

    def input_edge(self, host_ns: int, number: int, level: int) -> None:
        assert number < self.INPUTS, "an input was moved that it does not have"
        super().input_edge(host_ns, number, level)


class WithOneLine(WithLess):
    LINES, INPUTS = 1, 2


LESS_ABLE = [WithoutRecord, WithoutCount, WithoutAny, WithLess, WithOneLine]
ALL_TESTS = sorted(name for name in dir(TriggerBoxContract) if name.startswith("test_"))


def take(box: type[SimulatedBox], test: str) -> None:
    """Take one test of the contract in virtual time."""

    class Taken(TriggerBoxContract):
        @contextmanager
        def bench(self) -> Iterator[Bench]:
            with virtual_rig(make=box) as rig:
                yield rig.bench

    getattr(Taken(), test)()


@pytest.mark.parametrize("box", LESS_ABLE)
def test_a_box_that_says_what_it_cannot_do_passes_the_whole_contract(box: type[SimulatedBox]) -> None:
    for test in ALL_TESTS:
        take(box, test)


class StartsTwice(SimulatedBox):
    def _start(self, start: wire.Start, host_ns: int) -> wire.Message:
        if self._run and self._run.is_over:
            self._run = None
        return super()._start(start, host_ns)


class StopsAtOnce(SimulatedBox):
    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        if not run.must_stop:
            super()._pulse(ticks, lines, run, host_ns)


class TellsWrongLines(SimulatedBox):
    def _tell(self, kind: int, pulse: int, ticks: int, host_ns: int) -> None:
        super()._tell(wire.Kind.PULSE | 1 if kind & 0xF0 == wire.Kind.PULSE else kind, pulse, ticks, host_ns)


class LosesAPulseInSilence(SimulatedBox):
    def _tell(self, kind: int, pulse: int, ticks: int, host_ns: int) -> None:
        if not (kind & 0xF0 == wire.Kind.PULSE and pulse == 17):
            super()._tell(kind, pulse, ticks, host_ns)


class MissesAPulse(SimulatedBox):
    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        wires, self._on_lines = self._on_lines, (lambda *_: None) if run.pulses_sent == 17 else self._on_lines
        super()._pulse(ticks, lines, run, host_ns)
        self._on_lines = wires


class CountsWrong(SimulatedBox):
    def _tell(self, kind: int, pulse: int, ticks: int, host_ns: int) -> None:
        super()._tell(kind, pulse + (kind == wire.Kind.RUN_ENDED), ticks, host_ns)


class StampsUnsteadily(SimulatedBox):
    def _tell(self, kind: int, pulse: int, ticks: int, host_ns: int) -> None:
        super()._tell(kind, pulse, ticks + pulse % 2, host_ns)


class RunsFast(SimulatedBox):
    """Its clock is 3 % wrong, and its pulses with it."""

    def __init__(self, on_lines: object, **settings: object) -> None:
        super().__init__(on_lines, **{**settings, "ppm": 30_000.0})  # type: ignore[arg-type]


class WalksAllLines(SimulatedBox):
    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        super()._pulse(ticks, 7 if run.is_walk else lines, run, host_ns)


class AcceptsAnything(SimulatedBox):
    def _objection(self, start: wire.Start) -> tuple[wire.Refusal, int] | None:
        return None


class PulsesOnAfterReset(SimulatedBox):
    def reset(self, host_ns: int, cause: wire.Cause) -> None:
        agenda = list(self._agenda)
        super().reset(host_ns, cause)
        self._agenda.extend(agenda)
        self._agenda.sort()


class LightsATickLate(SimulatedBox):
    def _play(self, changes: Iterator[Change], pulse_ticks: int, run: Run) -> None:
        super()._play(((ticks + 1, mask) for ticks, mask in changes), pulse_ticks, run)


class SwapsItsLeds(SimulatedBox):
    def _light(self, mask: int, host_ns: int) -> None:
        super()._light(mask & 1 | (mask & 2) << 1 | (mask & 4) >> 1, host_ns)


class LightsInTheWalk(SimulatedBox):
    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        super()._pulse(ticks, lines, run, host_ns)
        self._light(run.is_walk, host_ns)


class StaysLit(SimulatedBox):
    def _light(self, mask: int, host_ns: int) -> None:
        if mask:
            super()._light(mask, host_ns)


class HasAPreambleInTests(SimulatedBox):
    def _begin(self, start: wire.Start, host_ns: int) -> Run:
        return super()._begin(replace(start, mode=wire.Mode.RECORD), host_ns)


class CountsFallsToo(SimulatedBox):
    def _see(self, ticks: int, number: int, level: int, host_ns: int) -> None:
        self._rises[number] += 1 - level
        super()._see(ticks, number, level, host_ns)


class StampsEdgesLate(SimulatedBox):
    def _see(self, ticks: int, number: int, level: int, host_ns: int) -> None:
        super()._see(ticks + 3, number, level, host_ns)


class TakesAnyNonce(SimulatedBox):
    def _objection(self, start: wire.Start) -> tuple[wire.Refusal, int] | None:
        return super()._objection(replace(start, nonce=self._nonce or 0))


class NeedsNoHello(SimulatedBox):
    def _objection(self, start: wire.Start) -> tuple[wire.Refusal, int] | None:
        self._nonce = start.nonce
        return super()._objection(start)


class AnswersAnewEachTime(SimulatedBox):
    def _start(self, start: wire.Start, host_ns: int) -> wire.Message:
        answer = super()._start(start, host_ns)
        return replace(answer, ticks=host_ns % 2**32) if isinstance(answer, wire.Started) else answer


class SpeaksAnyVersion(SimulatedBox):
    def _greet(self, hello: wire.Hello, host_ns: int) -> wire.Message:
        return super()._greet(replace(hello, protocol=wire.PROTOCOL), host_ns)


class OverlooksDamage(SimulatedBox):
    def _status(self, ask: wire.AskStatus, host_ns: int) -> wire.Status:
        return replace(super()._status(ask, host_ns), bad_frames=0)


class NeverMindsTheQuiet(SimulatedBox):
    def _begin(self, start: wire.Start, host_ns: int) -> Run:
        return super()._begin(replace(start, quiet_s=0), host_ns)


class StopsAtOnceWhenQuiet(SimulatedBox):
    def _slot(self, ticks: int, run: Run, host_ns: int) -> None:
        was_to_stop = run.must_stop
        super()._slot(ticks, run, host_ns)
        run.is_over |= run.must_stop and not was_to_stop and bool(run.start.quiet_s)

    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        if not run.is_over:
            super()._pulse(ticks, lines, run, host_ns)


class SendsAGroupLess(SimulatedBox):
    def _begin(self, start: wire.Start, host_ns: int) -> Run:
        counted = start.body_groups not in (0, wire.UNTIL_STOP)
        return super()._begin(replace(start, body_groups=start.body_groups - counted), host_ns)


class WalksWrongAndDoesNothingElse(WithoutRecord, WalksAllLines):
    CANNOT = CAN_ALL & ~wire.Capability.WALK


class StopsAtOnceWithoutCount(WithoutCount, StopsAtOnce):
    pass


class TellsWrongLinesWithoutCount(WithoutCount, TellsWrongLines):
    pass


class ReportsWrong(SimulatedBox):
    def _status(self, ask: wire.AskStatus, host_ns: int) -> wire.Status:
        status = super()._status(ask, host_ns)
        return replace(status, pulses_sent=status.pulses_sent + 1)


MUTANTS = [
    (StartsTwice, "test_the_same_run_id_never_starts_twice"),
    (StartsTwice, "test_a_request_that_is_repeated_gets_the_same_answer_and_does_nothing_more"),
    (StopsAtOnce, "test_stop_completes_the_group_and_sends_the_postamble"),
    (TellsWrongLines, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
    (LosesAPulseInSilence, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
    (MissesAPulse, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
    (CountsWrong, "test_a_run_begins_and_ends_once_with_its_run_id"),
    (StampsUnsteadily, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
    (RunsFast, "test_ticks_follow_the_wires"),
    (WalksAllLines, "test_the_line_walk_pulses_one_line_at_a_time"),
    (AcceptsAnything, "test_a_plan_out_of_its_limits_is_refused_by_name"),
    (AcceptsAnything, "test_a_test_out_of_its_limits_is_refused_by_name"),
    (PulsesOnAfterReset, "test_a_reboot_during_a_run_is_told_and_pulses_do_not_restart"),
    (LightsATickLate, "test_the_sync_leds_show_the_code_of_each_pulse"),
    (LightsATickLate, "test_a_test_edge_is_at_its_offset_from_each_pulse_to_the_tick"),
    (LightsATickLate, "test_a_test_flash_is_at_its_offset_from_each_pulse_to_the_tick"),
    (LightsATickLate, "test_a_free_running_led_blinks_with_its_own_period"),
    (StaysLit, "test_the_sync_leds_show_the_code_of_each_pulse"),
    (StaysLit, "test_a_free_running_led_blinks_with_its_own_period"),
    (SwapsItsLeds, "test_the_sync_leds_show_the_code_of_each_pulse"),
    (LightsInTheWalk, "test_the_leds_are_dark_during_the_line_walk"),
    (HasAPreambleInTests, "test_a_test_run_is_groups_alone"),
    (CountsFallsToo, "test_every_rise_of_an_input_is_counted"),
    (StampsEdgesLate, "test_edges_are_stamped_when_they_were"),
    (TakesAnyNonce, "test_a_start_needs_the_nonce_of_the_last_hello"),
    (NeedsNoHello, "test_a_start_before_any_hello_is_refused"),
    (AnswersAnewEachTime, "test_a_request_that_is_repeated_gets_the_same_answer_and_does_nothing_more"),
    (SpeaksAnyVersion, "test_a_hello_of_another_version_is_refused_with_the_boxs_own"),
    (OverlooksDamage, "test_garbage_is_counted_and_neither_answered_nor_obeyed"),
    (NeverMindsTheQuiet, "test_a_host_that_falls_quiet_ends_the_run_in_order"),
    (StopsAtOnceWhenQuiet, "test_a_host_that_falls_quiet_ends_the_run_in_order"),
    (ReportsWrong, "test_how_a_run_went_is_told_after_its_end"),
    (SendsAGroupLess, "test_a_run_of_a_count_sends_so_many_groups"),
    (WalksWrongAndDoesNothingElse, "test_the_line_walk_pulses_one_line_at_a_time"),
    (StopsAtOnceWithoutCount, "test_stop_completes_the_group_and_sends_the_postamble"),
    (StopsAtOnceWithoutCount, "test_preamble_and_postamble_frame_the_body"),
    (TellsWrongLinesWithoutCount, "test_every_pulse_is_told_with_its_number_lines_and_ticks"),
]


@pytest.mark.parametrize(("mutant", "test"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_box_that_misbehaves_fails_the_test_that_forbids_it(mutant: type[SimulatedBox], test: str) -> None:
    with pytest.raises(AssertionError):
        take(mutant, test)


def test_a_box_that_does_what_it_says_that_it_cannot_fails_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a driver of its own that lets everything through."""
    monkeypatch.setattr(driver, "inability", lambda *_: "")
    for box in (WithoutRecord, WalksWrongAndDoesNothingElse):
        with pytest.raises(AssertionError):
            take(box, "test_what_it_says_that_it_cannot_do_it_refuses")

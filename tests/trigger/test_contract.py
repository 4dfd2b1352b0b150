"""The contract of a trigger box, taken by the simulated one, and proof that the contract catches a bad one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from rig.sim.box import SimulatedBox
from rig.sim.pulses import Run
from rig.testing.trigger import Bench, TriggerBoxContract
from rig.trigger import wire
from tests.trigger.benches import real_time_bench, virtual_rig


class TestSimulatedBoxInVirtualTime(TriggerBoxContract):
    @contextmanager
    def bench(self) -> Iterator[Bench]:
        with virtual_rig() as rig:
            yield rig.bench


class TestSimulatedBoxBehindASocketInRealTime(TriggerBoxContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return real_time_bench()


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


MUTANTS = {
    StartsTwice: "test_the_same_run_id_never_starts_twice",
    StopsAtOnce: "test_stop_completes_the_group_and_sends_the_postamble",
    TellsWrongLines: "test_every_pulse_is_told_with_its_number_lines_and_ticks",
    LosesAPulseInSilence: "test_every_pulse_is_told_with_its_number_lines_and_ticks",
    MissesAPulse: "test_every_pulse_is_told_with_its_number_lines_and_ticks",
    CountsWrong: "test_a_run_begins_and_ends_once_with_its_run_id",
    StampsUnsteadily: "test_every_pulse_is_told_with_its_number_lines_and_ticks",
    RunsFast: "test_ticks_follow_the_wires",
    WalksAllLines: "test_the_line_walk_pulses_one_line_at_a_time",
    AcceptsAnything: "test_a_plan_out_of_its_limits_is_refused_by_name",
    PulsesOnAfterReset: "test_a_reboot_during_a_run_is_told_and_pulses_do_not_restart",
}


@pytest.mark.parametrize(("mutant", "test"), MUTANTS.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_box_that_misbehaves_fails_the_test_that_forbids_it(mutant: type[SimulatedBox], test: str) -> None:
    class Mutant(TriggerBoxContract):
        @contextmanager
        def bench(self) -> Iterator[Bench]:
            with virtual_rig(make=mutant) as rig:
                yield rig.bench

    with pytest.raises(AssertionError):
        getattr(Mutant(), test)()

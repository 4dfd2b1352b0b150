"""Requests that are repeated, refused or damaged: nothing starts twice, and nothing stops the pulses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rig.streams import BoxStatus
from rig.trigger import wire
from rig.trigger.box import RunBegan, RunEnded
from tests.trigger.firmware import proofs
from tests.trigger.firmware.garbage import garbage
from tests.trigger.firmware.line import NONCE, Line, start_of
from tests.trigger.firmware.proofs import DEMO, of_kind, powered
from tests.trigger.firmware.simavr import LINE_PINS, Simavr

ENDLESS = start_of(7, body_groups=wire.UNTIL_STOP)


def pulses(chip: Simavr) -> int:
    return len(proofs.rises_of(chip.edges(), LINE_PINS[0]))


def test_a_start_is_refused_before_hello_and_with_a_wrong_nonce(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        assert line.refused(start_of(7)) == (wire.Refusal.NO_HELLO, 0)
        assert line.hello().nonce == NONCE
        assert line.refused(start_of(7, nonce=NONCE + 1)) == (wire.Refusal.WRONG_NONCE, 0)
        line.hello(NONCE + 1)
        assert line.refused(start_of(7)) == (wire.Refusal.WRONG_NONCE, 0)
        line.hear(0.5)
        assert pulses(chip) == 0


def test_a_start_whose_answer_was_lost_may_be_repeated_in_the_run_and_after_it(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        line.hello()
        first = line.ask(replace(ENDLESS, request=1), wire.Started)
        again = [line.ask(replace(ENDLESS, request=request), wire.Started) for request in (1, 2)]
        assert line.status().state == wire.State.RUNNING
        line.ask(wire.Stop(3), wire.Stopping)
        status = line.until_idle()
        after = line.ask(replace(ENDLESS, request=4), wire.Started)
        line.hear(0.5)
        assert {(a.run_id, a.ticks) for a in (first, *again, after)} == {(7, first.ticks)}
        assert status.pulses_sent == pulses(chip)


def test_another_run_is_refused_while_one_is_sent_and_accepted_after_it(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        line.hello()
        line.ask(ENDLESS, wire.Started)
        assert line.refused(start_of(8, request=2)) == (wire.Refusal.BUSY, 7)
        assert line.hello().run_id == 7
        line.ask(wire.Stop(3), wire.Stopping)
        sent = line.until_idle().pulses_sent
        line.ask(start_of(8, request=2), wire.Started)
        line.until_idle()
        assert pulses(chip) == sent + 7 * 4


def test_stop_is_accepted_without_hello_and_when_nothing_runs(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        assert line.ask(wire.Stop(3), wire.Stopping).run_id == 0


def test_a_host_of_another_version_is_told_the_version_of_the_box(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        assert line.refused(wire.Hello(1, 99, 1)) == (wire.Refusal.WRONG_VERSION, wire.PROTOCOL)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"run_id": 0}, (wire.Refusal.BAD_RUN_ID, 0)),
        ({"mode": 9}, (wire.Refusal.BAD_MODE, 9)),
        ({"period_ticks": 1999}, (wire.Refusal.BAD_PERIOD, 1999)),
        ({"divisors": (1, 65, 4)}, (wire.Refusal.BAD_DIVISOR, 65)),
        ({"widths_ticks": (199, 400, 400)}, (wire.Refusal.BAD_WIDTH, 199)),
        ({"widths_ticks": (200, 400, 1937)}, (wire.Refusal.BAD_WIDTH, 1937)),
        ({"led_phase_ticks": 63}, (wire.Refusal.BAD_LED_PHASE, 63)),
        ({"led_phase_ticks": 1937}, (wire.Refusal.BAD_LED_PHASE, 1937)),
        ({"widths_ticks": (200, 263, 400)}, (wire.Refusal.EDGES_TOO_CLOSE, 63)),
        ({"divisors": (1, 9, 8)}, (wire.Refusal.GROUP_TOO_LONG, 72)),
        ({"divisors": (2, 4, 4)}, (wire.Refusal.NO_BASE_LINE, 0)),
        ({"mode": 2, "test_offset_ticks": 2000}, (wire.Refusal.BAD_TEST_OFFSET, 2000)),
        ({"mode": 3, "test_offset_ticks": 2**32 - 1}, (wire.Refusal.BAD_TEST_OFFSET, 2**32 - 1)),
        ({"mode": 4, "test_period_ticks": 399}, (wire.Refusal.BAD_TEST_PERIOD, 399)),
        ({"mode": 4, "test_period_ticks": 131_071}, (wire.Refusal.BAD_TEST_PERIOD, 131_071)),
    ],
    ids=str,
)
def test_what_is_out_of_the_limits_is_refused_with_the_number_at_fault(
    tmp_path: Path, change: dict[str, int], refusal: tuple[wire.Refusal, int]
) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        line.hello()
        assert line.refused(replace(start_of(7), **change)) == refusal  # type: ignore[arg-type]
        line.ask(start_of(7, request=2), wire.Started)
        line.until_idle()
        assert pulses(chip) == 7 * 4


def test_50_000_bytes_of_garbage_in_a_run_change_nothing_and_are_counted(tmp_path: Path) -> None:
    damage = garbage(50_000, seed=5)
    with powered(tmp_path, inputs="busy") as (chip, box):
        told = proofs.run_beside(chip, box, DEMO, 1, damage)
        edges, report = chip.edges(), chip.report()
    status = of_kind(told, BoxStatus)[-1]
    assert proofs.is_group_aligned(edges, DEMO)
    assert proofs.is_told_in_full(edges, told)
    assert (status.edges_late, status.events_dropped) == (0, 0)
    assert len(of_kind(told, RunBegan)) == len(of_kind(told, RunEnded)) == 1
    assert report["overruns"] == 0
    assert status.bad_frames == len(damage)


def test_the_box_that_no_host_talks_to_ends_its_run_in_order(tmp_path: Path) -> None:
    quiet = replace(start_of(7, body_groups=wire.UNTIL_STOP), quiet_s=1)
    with Simavr(tmp_path) as chip, Line(chip) as line:
        line.hello()
        line.ask(quiet, wire.Started)
        line.hear(1.5)
        status = line.status()
        sent = proofs.rises_of(chip.edges(), LINE_PINS[0])
    assert status.state == wire.State.IDLE
    assert status.pulses_sent == len(sent) >= 900
    assert np.diff(sent[::4]).tolist()[-2:] == [2 * 4 * 16_000, 4 * 16_000]  # the postamble


@pytest.mark.parametrize("bad", [b"\xaa\xbb\0", wire.to_frame(wire.Boot(3, 1))], ids=["damaged", "for the host"])
def test_a_bad_frame_is_counted_and_is_not_a_word_of_the_host(tmp_path: Path, bad: bytes) -> None:
    quiet = replace(start_of(7, body_groups=wire.UNTIL_STOP), quiet_s=1)
    with Simavr(tmp_path) as chip, Line(chip) as line:
        line.hello()
        line.ask(quiet, wire.Started)
        for _ in range(8):
            line.write(bad)
            line.hear(0.2)
        status = line.status()
    assert (status.state, status.bad_frames) == (wire.State.IDLE, 8)

"""What the box says and does when it boots, whatever made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.trigger import wire
from rig.trigger.box import Booted, RunBegan, RunEnded
from tests.trigger.firmware import proofs
from tests.trigger.firmware.line import Line, start_of
from tests.trigger.firmware.proofs import DEMO, of_kind, powered
from tests.trigger.firmware.simavr import BYTE_OUT, LED_PINS, LINE_PINS, Simavr

Cause = wire.Cause
RESETS = {"LINE": "reset line", "BROWNOUT": "brown out", "WATCHDOG": "watchdog"}


def boots(folder: Path) -> int:
    """Switch a box on that keeps its EEPROM in `folder`, ask for its boot counter, and switch it off."""
    with Simavr(folder) as chip, Line(chip) as line:
        return line.hello().boots


def test_the_boot_counter_survives_a_power_cut(tmp_path: Path) -> None:
    assert [boots(tmp_path) for _ in range(4)] == [1, 2, 3, 4]


def test_a_new_box_gives_itself_a_serial_number_and_keeps_it(tmp_path: Path) -> None:
    serials = []
    for _ in range(2):
        with Simavr(tmp_path) as chip, Line(chip) as line:
            serials.append(line.hello().serial)
    assert serials[0] == serials[1]
    assert serials[0].rstrip(b"\0").isalnum()


def test_a_power_cut_while_the_counter_is_written_costs_no_count(tmp_path: Path) -> None:
    """Every state that the EEPROM passes through when its bytes are written one by one, in either order."""
    eeprom = tmp_path / "eeprom"
    for _ in range(3):
        last = boots(tmp_path)
    before = eeprom.read_bytes()
    assert boots(tmp_path) == last + 1
    after = eeprom.read_bytes()
    changed = [at for at in range(len(before)) if before[at] != after[at]]
    assert changed
    for order in (changed, changed[::-1]):
        for written in range(len(order)):
            torn = bytearray(before)
            for at in order[:written]:
                torn[at] = after[at]
            eeprom.write_bytes(torn)
            assert boots(tmp_path) in (last + 1, last + 2), (order, written)


@pytest.mark.parametrize("reset", RESETS)
def test_a_reset_in_a_run_is_told_with_its_cause_and_pulses_do_not_restart(tmp_path: Path, reset: str) -> None:
    with powered(tmp_path, inputs="busy") as (chip, box):
        box.start(DEMO, 1)
        proofs.listen(chip, box, RunBegan)
        proofs.listen(chip, box, seconds=0.5)
        chip.reset(reset)
        told = proofs.listen(chip, box, Booted, seconds=5)
        mark = len(chip.edges())
        told += proofs.listen(chip, box, seconds=1)
        edges = chip.edges(mark)
        assert of_kind(told, Booted) == [Booted(2, RESETS[reset])]
        assert len(proofs.edges_of(edges, *LINE_PINS, *LED_PINS)) == 0
        assert of_kind(proofs.send(chip, box, replace(DEMO, body_groups=1), 2), RunEnded)[0].pulses_sent == 28


def test_a_reset_takes_every_line_down(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, Line(chip) as line:
        line.hello()
        line.ask(start_of(3, body_groups=wire.UNTIL_STOP), wire.Started)
        line.hear(0.3)
        chip.reset("LINE")
        edges = proofs.edges_of(chip.edges(), *LINE_PINS, *LED_PINS)
    last = {pin: edges["level"][edges["pin"] == pin][-1] for pin in (*LINE_PINS, *LED_PINS)}
    assert set(last.values()) == {0}


@pytest.mark.parametrize(
    ("left_in_r2", "after_power", "after_reset"),
    [
        (None, Cause.POWER_ON, Cause.RESET_LINE),  # no bootloader: the chip's own flags
        (1, Cause.POWER_ON, Cause.POWER_ON),
        (2, Cause.UNKNOWN, Cause.RESET_LINE),
        (10, Cause.UNKNOWN, Cause.RESET_LINE),  # with its own watchdog's flag
        (4, Cause.UNKNOWN, Cause.BROWN_OUT),
        (5, Cause.POWER_ON, Cause.POWER_ON),
        (8, Cause.UNKNOWN, Cause.UNKNOWN),  # its own watchdog alone, which starts us each time
        (0, Cause.UNKNOWN, Cause.UNKNOWN),
        (0x12, Cause.UNKNOWN, Cause.UNKNOWN),  # no flags at all
        (0xFF, Cause.UNKNOWN, Cause.UNKNOWN),
        (-1, Cause.UNKNOWN, Cause.UNKNOWN),  # an old one that leaves r2 alone
    ],
)
def test_the_cause_of_a_boot_is_told_as_far_as_the_bootloader_can_be_believed(
    tmp_path: Path, left_in_r2: int | None, after_power: Cause, after_reset: Cause
) -> None:
    """After a loss of power r2 may hold anything, so that only a power-on is believed then."""
    with Simavr(tmp_path, bootloader=left_in_r2) as chip, Line(chip) as line:
        assert line.status().cause == after_power
        chip.reset("LINE")
        line.hear(0.2)
        assert [heard.cause for heard in line.heard if isinstance(heard, wire.Boot)][-1] == after_reset


def test_a_hang_is_told_by_the_mark_that_the_watchdog_left_when_a_bootloader_has_cleared_the_flags(
    tmp_path: Path,
) -> None:
    with Simavr(tmp_path, bootloader=10) as chip, Line(chip) as line:
        assert line.status().cause == Cause.UNKNOWN
        chip.reset("WATCHDOG")
        line.hear(2.5)
        assert line.status().cause == Cause.WATCHDOG
        chip.reset("LINE")
        line.hear(0.2)
        assert line.status().cause == Cause.RESET_LINE


def test_a_main_that_came_back_in_time_leaves_no_mark_and_is_watched_as_before(tmp_path: Path) -> None:
    with Simavr(tmp_path, bootloader=10) as chip, Line(chip) as line:
        for cause, reset in ((Cause.RESET_LINE, "LINE"), (Cause.WATCHDOG, "WATCHDOG")):
            chip.away(1.5)
            line.hear(1.7)
            boots = line.status().boots
            chip.reset(reset)
            line.hear(2.5)
            status = line.status()
            assert (status.boots, status.cause) == (boots + 1, cause)


@pytest.mark.parametrize(("jumper", "baud", "cycles"), [(False, 115_200, 1360), (True, 250_000, 640)])
def test_the_jumper_chooses_the_rate_of_the_line(tmp_path: Path, jumper: bool, baud: int, cycles: int) -> None:
    with Simavr(tmp_path, jumper=jumper) as chip, Line(chip) as line:
        assert line.hello().baud == baud
        sent = chip.edges()
    gaps = proofs.np.diff(sent["cycle"][sent["pin"] == BYTE_OUT])
    assert cycles <= gaps.min() < 2 * cycles  # ten bits, and the time until main looks again

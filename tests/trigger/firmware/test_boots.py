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


@pytest.mark.parametrize(("jumper", "baud", "cycles"), [(False, 115_200, 1360), (True, 250_000, 640)])
def test_the_jumper_chooses_the_rate_of_the_line(tmp_path: Path, jumper: bool, baud: int, cycles: int) -> None:
    with Simavr(tmp_path, jumper=jumper) as chip, Line(chip) as line:
        assert line.hello().baud == baud
        sent = chip.edges()
    gaps = proofs.np.diff(sent["cycle"][sent["pin"] == BYTE_OUT])
    assert cycles <= gaps.min() < 2 * cycles  # ten bits, and the time until main looks again

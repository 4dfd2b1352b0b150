"""The simulated chip's own ends: its wires, its cable, and that it does what it is told."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from rig.errors import DeviceLost
from rig.trigger.box import RunBegan
from tests.trigger.firmware import proofs
from tests.trigger.firmware.line import Line
from tests.trigger.firmware.proofs import DEMO, powered
from tests.trigger.firmware.simavr import INPUT_PINS, LED_PINS, LINE_PINS, Simavr, edges_of, masks, rising


def wires_told(text: str, kind: str) -> list[tuple[int, int]]:
    words = (line.split() for line in text.splitlines())
    return [(int(ns), int(mask)) for what, ns, mask in words if what == kind]


def test_its_wires_tell_every_pulse_and_led_with_one_time_base(tmp_path: Path) -> None:
    wires = tmp_path / "wires"
    with powered(tmp_path, wires=wires) as (chip, box), socket.socket(socket.AF_UNIX) as far:
        far.connect(str(wires))
        proofs.send(chip, box, replace(DEMO, body_groups=5), 1)
        edges, text = chip.edges(), far.recv(1 << 20).decode()
    for kind, seen in (("P", rising(edges)), ("L", masks(edges, LED_PINS))):
        told = wires_told(text, kind)
        assert [mask for _, mask in told] == [mask for _, mask in seen]
        began_ns = {ns - cycle * 125 // 2 for (ns, _), (cycle, _) in zip(told, seen, strict=True)}
        assert max(began_ns) - min(began_ns) <= 1


def test_levels_that_come_by_the_wires_are_at_the_input_and_counted_even_when_they_come_at_once(tmp_path: Path) -> None:
    wires = tmp_path / "wires"
    with Simavr(tmp_path, wires=wires) as chip, Line(chip) as line, socket.socket(socket.AF_UNIX) as far:
        far.connect(str(wires))
        far.sendall(b"I 2 1\nI 2 0\n" * 50)
        line.hear(0.1)
        assert edges_of(chip.edges(), INPUT_PINS[2])["level"].tolist() == [1, 0] * 50
        assert line.status().input_rises[2] == 50


def test_a_cable_that_is_pulled_out_is_named_and_the_box_goes_on(tmp_path: Path) -> None:
    with powered(tmp_path) as (chip, box):
        box.start(DEMO, 1)
        proofs.listen(chip, box, RunBegan)
        proofs.listen(chip, box, seconds=0.2)
        mark, port = len(chip.edges()), chip.port
        chip.unplug()
        with pytest.raises(DeviceLost, match=port):
            proofs.listen(chip, box, seconds=1)
        chip.clock.sleep_until(chip.clock.now_ns() + 500_000_000)
        assert len(proofs.rises_of(chip.edges(mark), LINE_PINS[0])) >= 45


def test_what_it_does_not_understand_it_says(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, pytest.raises(RuntimeError, match="not understood"):
        chip.command("fly")

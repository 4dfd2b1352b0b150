"""A bench of the contract on the firmware: what is on the pins comes from the trace, past the driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.clock import NS
from rig.testing.trigger import Bench, OnInput, OnLeds, OnWires
from rig.trigger.port import SerialBox
from tests.trigger.firmware.simavr import INPUT_PINS, LED_PINS, Simavr, edges_of, masks, ns_of, rising

LEASH_S = 2.0  # longer than any call of the contract blocks, in real time


class FirmwareRig:
    """The firmware with power, and everything the contract wants to know about it."""

    def __init__(self, chip: Simavr, box: SerialBox) -> None:
        self.chip, self.box = chip, box
        self.bench = Bench(
            box,
            chip.clock,
            self.on_wires,
            chip.input,
            reboot=lambda: chip.reset("LINE"),
            leds=self.on_leds,
            on_inputs=self.on_inputs,
            raw=self.raw,
        )

    def on_wires(self) -> list[OnWires]:
        return [OnWires(ns_of(cycle), lines) for cycle, lines in rising(self.chip.edges())]

    def on_leds(self) -> list[OnLeds]:
        return [OnLeds(ns_of(cycle), mask) for cycle, mask in masks(self.chip.edges(), LED_PINS)]

    def on_inputs(self) -> list[OnInput]:
        rows = edges_of(self.chip.edges(), *INPUT_PINS)
        columns = (rows[name].tolist() for name in ("cycle", "pin", "level"))
        return [OnInput(ns_of(cycle), INPUT_PINS.index(pin), level) for cycle, pin, level in zip(*columns, strict=True)]

    def raw(self, data: bytes, seconds: float) -> bytes:
        """Over the driver's own port, because a second opening of it would be refused."""
        port, heard = self.box._port, b""
        until_ns = self.chip.clock.now_ns() + round(seconds * NS)
        port.write(data)
        port.timeout = 0.01
        while self.chip.clock.now_ns() < until_ns:
            heard += port.read(4096)
        return heard


@contextmanager
def firmware_bench(folder: Path) -> Iterator[Bench]:
    """A chip with power for one test, in a new place below `folder`, at the speed of a real one."""
    place = folder / f"box-{len(list(folder.iterdir()))}"
    place.mkdir()
    with Simavr(place, speed="real", leash_s=LEASH_S) as chip:
        box = SerialBox(chip.port, chip.clock)
        try:
            yield FirmwareRig(chip, box).bench
        finally:
            box.close()

"""`rig box flash`: put the firmware onto a board."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from rig.cli.box.opened import PortOption, RigOption, named, rig_of


class Bootloader(StrEnum):
    """Which bootloader the board has; they talk at different speeds."""

    NEW = "new"
    OLD = "old"


def flash(
    rig: RigOption = None,
    port: PortOption = None,
    bootloader: Annotated[Bootloader, typer.Option(help="old: Nanos until 2018.")] = Bootloader.NEW,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,  # noqa: FBT002
) -> None:
    """Put the trigger box's firmware onto an Arduino Uno R3 or a Nano. Needs the program avrdude.

    Asks the chip first what it is, and refuses all but an ATmega328P; reads back what was written; then asks the box
    who it is. What was on the board before is gone. A board whose flashing failed can be flashed again.

    Example: rig box flash --port /dev/ttyACM0
    """
    from rich.console import Console
    from rich.markup import escape

    from rig.clock import HostClock
    from rig.errors import DeviceNotReady, UserError
    from rig.trigger.flash import NEW_BAUD, OLD_BAUD, firmware_on, require_avrdude, require_chip, write_firmware
    from rig.trigger.port import BAUD

    meant = rig_of(rig, port)
    where = meant.box.port if meant else port or ""
    if "://" in where:
        raise UserError(where, "is no board that firmware could be put onto", allowed="a serial port")
    console, clock = Console(highlight=False), HostClock()
    baud = OLD_BAUD if bootloader is Bootloader.OLD else NEW_BAUD
    box_baud = meant.box.baud if meant else BAUD
    require_avrdude()
    with console.status("looking who is there"):
        before = firmware_on(where, clock, box_baud=box_baud)
    console.print(f"{escape(where)}: {named(before) if before else 'no trigger box with this firmware yet'}")
    with console.status("asking the chip what it is; up to a minute"):
        require_chip(where, baud)
    console.print("the chip is an ATmega328P")
    if not yes:
        typer.confirm("Write the firmware onto this board? What is on it now will be gone.", abort=True)
    with console.status("writing the firmware and reading it back; do not unplug"):
        write_firmware(where, baud)
    console.print("written, read back, the same")
    with console.status("waiting for the box"):
        after = firmware_on(where, clock, box_baud=box_baud)
    if after is None:
        hint = "Unplug it, plug it in again, then: rig box ping"
        raise DeviceNotReady(f"board at {where}", "was written, but does not answer as a trigger box", hint=hint)
    console.print(f"now: {named(after)}")

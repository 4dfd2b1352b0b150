"""`rig box flash`: put the firmware onto a board."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli.box.opened import BaudOption, PortOption, RigOption, meant_box, named, until_ended

if TYPE_CHECKING:
    from rig.streams import DeviceInfo
    from rig.trigger.flash import Found

UDEV = Path("/etc/udev/rules.d")


class Bootloader(StrEnum):
    """Which bootloader the board has; they talk at different speeds."""

    NEW = "new"
    OLD = "old"


def flash(
    rig: RigOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    bootloader: Annotated[Bootloader, typer.Option(help="old: Nanos until 2018.")] = Bootloader.NEW,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,  # noqa: FBT002
) -> None:
    """Put the trigger box's firmware onto an Arduino Uno R3 or a Nano. Needs the program avrdude.

    Asks the chip first what it is, and refuses all but an ATmega328P; reads back what was written; then asks the box
    who it is, and says where the udev rules lie that give it a stable name. What was on the board before is gone. A
    board whose flashing failed can be flashed again.

    Example: rig box flash --port /dev/ttyACM0
    """
    from rich.console import Console
    from rich.markup import escape

    from rig.clock import HostClock
    from rig.errors import UserError
    from rig.trigger.flash import NEW_BAUD, OLD_BAUD, firmware_on, require_avrdude, require_chip, write_firmware

    meant = meant_box(rig, port, baud)
    where = meant.port
    if "://" in where:
        raise UserError(where, "rig box flash needs a board at a serial port", hint="Give --port")
    console, clock = Console(highlight=False), HostClock()
    board_baud = OLD_BAUD if bootloader is Bootloader.OLD else NEW_BAUD
    require_avrdude()
    with console.status("looking who is there"):
        before = firmware_on(where, clock, box_baud=meant.baud)
    console.print(f"{escape(where)}: {named(before.info) if before.info else before.words}")
    if before.is_stranger:
        typer.confirm("Another baud rate (--baud), or another device? Ask its chip all the same?", abort=True)
    # Only meanwhile: a question must be left at once, not when it was answered.
    with until_ended() as is_ended, console.status("asking the chip what it is; up to a minute"):
        require_chip(where, board_baud, is_ended)
    console.print("the chip is an ATmega328P")
    if not yes:
        typer.confirm("Write the firmware onto this board? What is on it now will be gone.", abort=True)
    with until_ended() as is_ended, console.status("writing the firmware and reading it back; do not unplug"):
        write_firmware(where, board_baud, is_ended=is_ended)
    console.print("written, read back, the same")
    with console.status("waiting for the box"):
        after = firmware_on(where, clock, box_baud=meant.baud)
    console.print(f"now: {named(_require_box(where, after))}")
    _tell_of_udev_rules(UDEV)


def _require_box(port: str, found: Found) -> DeviceInfo:
    from rig.errors import DeviceNotReady

    if found.info is None:
        hint = "Does its jumper fit the baud rate (--baud)? Unplug it, plug it in again, then: rig box ping"
        raise DeviceNotReady(f"board at {port}", f"was written, but: {found.words}", hint=hint)
    return found.info


def _tell_of_udev_rules(folder: Path) -> None:
    """Where the udev rules lie in this installation, as long as they are not among those in `folder`."""
    from rig.trigger.flash import UDEV_RULES

    if folder.is_dir() and not (folder / UDEV_RULES.name).exists():
        typer.echo("to have it as /dev/rig-box, and kept from other programs:")
        typer.echo(f"  sudo cp {quote(str(UDEV_RULES))} {folder}/")
        typer.echo("  sudo udevadm control --reload && sudo udevadm trigger")

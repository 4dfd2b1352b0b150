"""Puts the firmware that comes with this program onto an Arduino board, by avrdude.

    who is there? --> signature: an ATmega328P? --> write and read back --> who is there?

Nothing is written before the chip has said what it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rig.clock import Clock
from rig.errors import DeviceError, DeviceNotFound, DeviceNotReady, UserError
from rig.streams import DeviceInfo
from rig.trigger.port import BAUD, SerialBox, require_port

FIRMWARE = Path(__file__).parent / "firmware" / "box.hex"
ENDS_WITHIN_S = 120  # avrdude gives up by itself after 56 s without an answer; writing takes 10 s
SIGNATURE = "1E 95 0F"
NEW_BAUD, OLD_BAUD = 115_200, 57_600  # of the bootloaders: Uno, and Nano since 2018; Nano before

_CHIPS = {
    SIGNATURE: "an ATmega328P",
    "1E 95 14": "an ATmega328 without P",
    "1E 95 16": "an ATmega328PB",
    "1E 94 06": "an ATmega168",
    "1E 94 0B": "an ATmega168P",
    "1E 95 87": "an ATmega32U4 (Leonardo, Micro)",
    "1E 98 01": "an ATmega2560 (Mega)",
}


def require_avrdude() -> str:
    """Where avrdude is. Raises UserError when it is not installed."""
    program = shutil.which("avrdude")
    if program is None:
        problem = "is not installed; it is the program that puts firmware onto boards"
        raise UserError("avrdude", problem, hint="On Debian and Ubuntu: sudo apt install avrdude")
    return program


def firmware_on(port: str, clock: Clock, *, box_baud: int = BAUD) -> DeviceInfo | None:
    """Which box answers at a port; None for a board without our firmware, or with another version of it.

    `box_baud` is the rate of the box itself, not of its bootloader. Raises DeviceNotFound or DeviceNotReady when the
    port is not there, held or forbidden, and DeviceNotReady when the box is sending pulses.
    """
    require_port(port)
    try:
        box = SerialBox(port, clock, baud=box_baud)
    except (DeviceNotFound, DeviceNotReady):
        return None
    try:
        if run_id := box.identity.run_id:
            hint = "End that session, or unplug the box and plug it in again"
            raise DeviceNotReady(f"trigger box at {port}", f"is sending pulses (run {run_id})", hint=hint)
        return box.describe()
    finally:
        box.close()


def require_chip(port: str, baud: int) -> None:
    """Ask the board which chip it has. Blocks up to a minute. Raises DeviceNotReady unless it is an ATmega328P.

    UserError when avrdude is not installed; DeviceNotFound when the board does not answer.
    """
    said = _avrdude(port, baud, ["-F", "-n", "-qq", "-U", "signature:r:-:h"])  # -F: tell it, whatever it is
    found = re.search(r"^(0x[0-9a-f]+),(0x[0-9a-f]+),(0x[0-9a-f]+)", said, re.MULTILINE | re.IGNORECASE)
    if found is None:
        raise _unexpected(port, said)
    signature = " ".join(f"{int(byte, 16):02X}" for byte in found.groups())
    if signature != SIGNATURE:
        chip = f"{_CHIPS.get(signature, 'an unknown chip')}, signature {signature}"
        allowed, hint = (
            f"it must be an ATmega328P, signature {SIGNATURE}",
            "Take an Arduino Uno R3, or a Nano with that chip",
        )
        raise DeviceNotReady(_board(port), "is on it; nothing was written", value=chip, allowed=allowed, hint=hint)


def write_firmware(port: str, baud: int, image: Path = FIRMWARE) -> None:
    """Write the firmware and read it back. Blocks about 10 s. Raises DeviceError; the board may be half written then.

    Such a board keeps its bootloader, so that the same command can be given again.
    """
    if not image.is_file():
        raise UserError(
            str(image), "does not exist", hint="Install rig again; in a checkout: make -C rig/trigger/firmware"
        )
    _avrdude(port, baud, ["-D", "-q", "-U", f"flash:w:{image}:i"])


def _avrdude(port: str, baud: int, arguments: Sequence[str]) -> str:
    """Run avrdude on the board; what it printed. Raises the DeviceError that its failure means."""
    board = ["-p", "m328p", "-c", "arduino", "-P", port, "-b", str(baud)]
    try:
        done = subprocess.run(
            [require_avrdude(), *board, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=ENDS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _mute(port, baud) from None
    if done.returncode:
        raise _failure(port, baud, done.stdout)
    return done.stdout


def _failure(port: str, baud: int, said: str) -> DeviceError:
    """What a failure of avrdude means; it says so in words that differ between its versions."""
    if re.search(r"can(no|')t open (port|device)", said):
        hint = "Plug the board in again, close what uses the port, and look at the port's name"
        return DeviceNotFound(_board(port), "the port cannot be opened", hint=hint)
    if re.search(r"not in sync|not responding|unable to open programmer", said):
        return _mute(port, baud)
    if re.search(r"verification (mismatch|error)", said):
        hint = "Give the same command again; if that does not help, take another cable, then another board"
        return DeviceNotReady(_board(port), "what was read back differs from what was written", hint=hint)
    return _unexpected(port, said)


def _mute(port: str, baud: int) -> DeviceNotFound:
    other = "old" if baud == NEW_BAUD else "new"
    hint = f"Try --bootloader {other}; take everything off pins D0 and D1; is it an Arduino at all?"
    return DeviceNotFound(_board(port), f"its bootloader does not answer at {baud} baud", hint=hint)


def _unexpected(port: str, said: str) -> DeviceNotReady:
    lines = [line.strip() for line in said.splitlines() if line.strip() and "TIOCMGET" not in line]
    return DeviceNotReady(_board(port), f"avrdude failed: {' / '.join(lines[-3:]) or 'without a word'}")


def _board(port: str) -> str:
    return f"board at {port}"

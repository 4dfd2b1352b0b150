"""Puts the firmware that comes with this program onto an Arduino board, by avrdude.

    who is there? --> signature: an ATmega328P? --> write and read back --> who is there?

Nothing is written before the chip has said what it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rig import host
from rig.clock import Clock
from rig.errors import DeviceError, DeviceNotFound, DeviceNotReady, UserError
from rig.streams import DeviceInfo
from rig.trigger.port import Mute, NotABox, OtherVersion, SerialBox

FIRMWARE = Path(__file__).parent / "firmware" / "box.hex"
UDEV_RULES = FIRMWARE.parent / "99-rig-box.rules"
ENDS_WITHIN_S = 120  # avrdude gives up by itself after 56 s without an answer; writing takes 10 s
LOOK_S = 0.1  # so often it is looked whether avrdude is to be ended
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


@dataclass(frozen=True)
class Found:
    """What is at a port: a box that says who it is, or something else, in words."""

    info: DeviceInfo | None
    words: str = ""
    is_stranger: bool = False  # sends what no box of ours sends: perhaps it is no board to write to


def firmware_on(port: str, clock: Clock, *, box_baud: int) -> Found:
    """What answers at a port: a box, one of another version, nothing as from an empty board, or a stranger.

    `box_baud` is the rate of the box itself, not of its bootloader. Raises DeviceNotFound or DeviceNotReady when the
    port is not there, held or forbidden, and DeviceNotReady when the box says that it is sending pulses.
    """
    try:
        box = SerialBox(port, clock, baud=box_baud)
    except Mute as mute:
        return Found(None, f"{mute.problem}, as on a board without our firmware")
    except OtherVersion as other:
        return Found(None, f"a trigger box of another version: {other.problem}")
    except NotABox as stranger:
        return Found(None, stranger.problem, is_stranger=True)
    try:
        if run_id := box.identity.run_id:
            hint = "End that session, or unplug the box and plug it in again"
            raise DeviceNotReady(f"trigger box at {port}", f"is sending pulses (run {run_id})", hint=hint)
        return Found(box.describe())
    finally:
        box.close()


def require_chip(port: str, baud: int, is_ended: Callable[[], bool] = lambda: False) -> None:
    """Ask the board which chip it has. Blocks up to a minute. Raises DeviceNotReady unless it is an ATmega328P.

    UserError when avrdude is not there or cannot be executed; DeviceNotFound when the board does not answer. avrdude
    is ended when `is_ended()`, which is asked several times a second; that raises DeviceNotReady.
    """
    asking = ["-F", "-n", "-qq", "-U", "signature:r:-:h"]  # -F: tell it, whatever it is
    said = _avrdude(port, baud, asking, is_ended)
    if is_ended():
        raise DeviceNotReady(_board(port), "was not asked to the end; nothing was written")
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


def write_firmware(port: str, baud: int, image: Path = FIRMWARE, is_ended: Callable[[], bool] = lambda: False) -> None:
    """Write the firmware and read it back. Blocks about 10 s. Raises DeviceError; the board may be half written then.

    Such a board keeps its bootloader, so that the same command can be given again. `is_ended` as in require_chip.
    """
    if not image.is_file():
        raise UserError(
            str(image), "does not exist", hint="Install rig again; in a checkout: make -C rig/trigger/firmware"
        )
    _avrdude(port, baud, ["-D", "-q", "-U", f"flash:w:{image}:i"], is_ended)
    if is_ended():
        hint = "Give the same command again: a board keeps its bootloader"
        raise DeviceNotReady(_board(port), "may be half written now", hint=hint)


def _avrdude(port: str, baud: int, arguments: Sequence[str], is_ended: Callable[[], bool]) -> str:
    """Run avrdude on the board; what it printed. Raises the DeviceError that its failure means.

    When `is_ended()` it is ended, with all that it started, and what it printed until then is given.
    """
    command = [require_avrdude(), "-p", "m328p", "-c", "arduino", "-P", port, "-b", str(baud), *arguments]
    # Into a file and no pipe: what avrdude leaves running may hold its output for ever, and nobody waits for that.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        code = _run(command, output, is_ended)
        output.seek(0)
        said = output.read()
    if is_ended():
        return said
    if code is None:
        raise _mute(port, baud)
    if code:
        raise _failure(port, baud, said)
    return said


def _run(command: Sequence[str], output: IO[str], is_ended: Callable[[], bool]) -> int | None:
    """The exit code; None when it was ended, as time was up or `is_ended()`. Raises UserError if it does not start.

    It leads a process group of its own: Ctrl-C reaches this program alone, which ends the whole group.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0
        )
    except OSError as error:
        hint = "It may be damaged. On Debian and Ubuntu: sudo apt install --reinstall avrdude"
        raise UserError(command[0], f"cannot be executed ({error.strerror})", hint=hint) from None
    with process:
        for _ in range(round(ENDS_WITHIN_S / LOOK_S)):
            try:
                return process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if is_ended():
                    break
        host.end_process_group(process.pid, force=True)
    return None


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

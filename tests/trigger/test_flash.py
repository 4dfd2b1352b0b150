"""Firmware goes onto the right chip only, is verified, and what hinders it is said with what to do about it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import serial

from rig.clock import HostClock
from rig.errors import DeviceNotFound, DeviceNotReady, RigError, UserError
from rig.sim.box import SimulatedBox
from rig.trigger.flash import (
    NEW_BAUD,
    OLD_BAUD,
    UDEV_RULES,
    firmware_on,
    require_avrdude,
    require_chip,
    write_firmware,
)
from rig.trigger.port import BAUD
from tests.trigger.avrdude import (
    DIFFERS,
    MUTE,
    NO_PORT,
    READ_328,
    READ_2560,
    Answer,
    Avrdude,
    installed,
    that_sleeps,
)
from tests.trigger.pty_box import OtherVersion, Thermometer, pty_box, simulated, that_is, that_runs
from tests.waiting import wait_for

PORT = "/dev/ttyACM0"


@pytest.fixture
def avrdude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Avrdude:
    return installed(tmp_path / "bin", monkeypatch)


def after(option: str, asked: list[str]) -> str:
    return asked[asked.index(option) + 1]


@pytest.mark.parametrize(("baud", "spelled"), [(NEW_BAUD, "115200"), (OLD_BAUD, "57600")])
def test_the_chip_is_asked_without_writing(avrdude: Avrdude, baud: int, spelled: str) -> None:
    require_chip(PORT, baud)
    (asked,) = avrdude.asked
    assert [after(option, asked) for option in ("-p", "-c", "-P", "-b")] == ["m328p", "arduino", PORT, spelled]
    assert "-n" in asked
    assert after("-U", asked) == "signature:r:-:h"


@pytest.mark.parametrize(
    ("answer", "chip"),
    [(READ_328, "ATmega328 without P, signature 1E 95 14"), (READ_2560, "ATmega2560 (Mega), signature 1E 98 01")],
)
def test_another_chip_is_refused_by_name(avrdude: Avrdude, answer: Answer, chip: str) -> None:
    avrdude.answers(read=answer)
    with pytest.raises(DeviceNotReady) as raised:
        require_chip(PORT, NEW_BAUD)
    assert chip in raised.value.value
    assert "nothing was written" in str(raised.value)
    assert "an ATmega328P, signature 1E 95 0F" in raised.value.allowed


def test_the_shipped_firmware_is_written_verified_and_nothing_else_erased(
    avrdude: Avrdude,
    tmp_path: Path,
) -> None:
    image = tmp_path / "box.hex"
    image.write_text(":00000001FF\n")
    write_firmware(PORT, NEW_BAUD, image)
    (asked,) = avrdude.asked
    assert after("-U", asked) == f"flash:w:{image}:i"
    assert "-D" in asked
    assert not {"-V", "-n", "-F", "-e"} & set(asked)  # no verification, no writing, any chip, erase all


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (NO_PORT, DeviceNotFound, "the port cannot be opened. Plug the board in again"),
        (MUTE, DeviceNotFound, "bootloader does not answer at 115200 baud. Try --bootloader old"),
        (("", "avrdude OS error: ioctl TIOCMGET\nstrange\n", 1), DeviceNotReady, "avrdude failed: strange"),
        (("", "", 1), DeviceNotReady, "avrdude failed: without a word"),
        (("no signature\n", "", 0), DeviceNotReady, "avrdude failed: no signature"),
        (
            ("", 'ser_open(): can\'t open device "/dev/x": No such file or directory\n', 1),
            DeviceNotFound,
            "cannot be opened",
        ),
        (("", "avrdude: stk500_recv(): programmer is not responding\n", 1), DeviceNotFound, "--bootloader old"),
    ],
)
def test_what_avrdude_says_is_said_with_what_to_do(
    avrdude: Avrdude,
    answer: Answer,
    kind: type[RigError],
    words: str,
) -> None:
    avrdude.answers(read=answer)
    with pytest.raises(kind) as raised:
        require_chip(PORT, NEW_BAUD)
    assert raised.value.subject == f"board at {PORT}"
    assert words in str(raised.value)


def test_a_board_that_does_not_answer_at_the_old_rate_may_have_the_new_bootloader(avrdude: Avrdude) -> None:
    avrdude.answers(read=MUTE)
    with pytest.raises(DeviceNotFound, match=r"57600 baud\. Try --bootloader new"):
        require_chip(PORT, OLD_BAUD)


def test_firmware_that_reads_back_otherwise_is_an_error(avrdude: Avrdude, tmp_path: Path) -> None:
    avrdude.answers(write=DIFFERS)
    image = tmp_path / "box.hex"
    image.touch()
    with pytest.raises(DeviceNotReady, match="read back differs from what was written"):
        write_firmware(PORT, NEW_BAUD, image)


def test_without_avrdude_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"avrdude: is not installed.*sudo apt install avrdude"):
        require_avrdude()


@pytest.mark.parametrize("content", ["", "#!/no/such/interpreter\n"])
def test_an_avrdude_that_cannot_be_executed_is_an_error_that_names_it(avrdude: Avrdude, content: str) -> None:
    program = avrdude.folder / "avrdude"
    program.write_text(content)
    with pytest.raises(UserError, match=r"cannot be executed \(.+\).*sudo apt install --reinstall avrdude") as raised:
        require_chip(PORT, NEW_BAUD)
    assert raised.value.subject == str(program)


def test_what_avrdude_leaves_running_with_its_output_keeps_nobody_waiting(avrdude: Avrdude) -> None:
    left = avrdude.folder / "left"
    script = f"#!/bin/sh\nsleep 60 &\necho $! > {left}\necho 0x1e,0x95,0xf\n"
    (avrdude.folder / "avrdude").write_text(script)
    require_chip(PORT, NEW_BAUD)
    pid = int(left.read_text())
    assert Path(f"/proc/{pid}/exe").exists()  # nobody waited for its end
    os.kill(pid, signal.SIGKILL)


def test_an_avrdude_that_never_ends_is_ended(avrdude: Avrdude, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = that_sleeps(avrdude, when="signature:")
    wait = subprocess.Popen.wait

    def wait_asleep(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        """Its time counts from when it sleeps."""
        wait_for(lambda: pids.exists() and pids.read_text().endswith("\n"), "it does not fall asleep")
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait_asleep)
    monkeypatch.setattr("rig.trigger.flash.ENDS_WITHIN_S", 0.2)
    with pytest.raises(DeviceNotFound, match="does not answer at 115200 baud"):
        require_chip(PORT, NEW_BAUD)
    ends = [Path("/proc", pid, "exe") for pid in pids.read_text().split()]
    wait_for(lambda: not any(end.exists() for end in ends), "it still runs")


def test_firmware_that_is_not_there_is_told_before_anything_is_written(avrdude: Avrdude, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        write_firmware(PORT, NEW_BAUD, tmp_path / "nowhere.hex")
    assert avrdude.asked == []


def test_a_box_that_answers_says_its_version() -> None:
    with pty_box(simulated(seed=7)) as port:
        found = firmware_on(port, HostClock(), box_baud=BAUD)
        assert found.info is not None
        assert (found.info.serial, found.info.version) == ("SIM7", "1.0.0")
        assert not found.is_stranger


@pytest.mark.parametrize(
    ("box", "words", "is_stranger"),
    [
        (None, r"nothing answers within 4 s, as on a board without our firmware", False),
        (OtherVersion, r"another version: it speaks version 2 of the wire format, .* speaks version 1", False),
        (Thermometer, r"sends \d+ bytes at 115200 baud that are no answer of a trigger box", True),
    ],
)
def test_a_mute_board_another_version_and_a_stranger_are_told_apart(
    box: type[SimulatedBox] | None, words: str, is_stranger: bool
) -> None:
    with pty_box(that_is(box) if box else None) as port:
        found = firmware_on(port, HostClock(), box_baud=BAUD)
    assert found.info is None
    assert re.search(words, found.words)
    assert found.is_stranger == is_stranger


def test_a_port_that_another_program_holds_is_an_error_and_no_empty_board() -> None:
    with (
        pty_box(simulated()) as port,
        serial.Serial(port, exclusive=True),
        pytest.raises(DeviceNotFound, match="held by another program"),
    ):
        firmware_on(port, HostClock(), box_baud=BAUD)


def test_a_box_that_sends_pulses_is_left_alone() -> None:
    with pty_box(that_runs(77)) as port, pytest.raises(DeviceNotReady, match=r"is sending pulses \(run 77\)"):
        firmware_on(port, HostClock(), box_baud=BAUD)


def test_a_port_that_is_not_there_is_an_error_and_no_board_without_firmware() -> None:
    with pytest.raises(DeviceNotFound, match="no such port"):
        firmware_on("/dev/ttyNOWHERE", HostClock(), box_baud=BAUD)


# udev


def _rules() -> list[list[str]]:
    """The parts of each rule."""
    lines = UDEV_RULES.read_text().splitlines()
    return [re.split(r",\s*", line) for line in lines if line and not line.startswith("#")]


def test_every_rule_is_well_formed_and_every_jump_leads_somewhere() -> None:
    parts = [part for rule in _rules() for part in rule]
    assert all(re.fullmatch(r'[A-Z]+(\{\w+\})?(==|!=|=|\+=)"[^"]*"', part) for part in parts)
    jumps = {part[6:-1] for part in parts if part.startswith("GOTO=")}
    assert jumps == {part[7:-1] for part in parts if part.startswith("LABEL=")}


def test_the_rules_know_the_boards_and_keep_modem_manager_away() -> None:
    known = {
        tuple(part.split('"')[1] for part in rule[:2]) for rule in _rules() if rule[0].startswith("ATTRS{idVendor}")
    }
    uno = {("2341", "0043"), ("2341", "0001"), ("2a03", "0043")}
    assert known == uno | {("1a86", "7523"), ("0403", "6001")}
    parts = [part for rule in _rules() for part in rule]
    assert {'ENV{ID_MM_DEVICE_IGNORE}="1"', 'ENV{ID_MM_PORT_IGNORE}="1"', 'SYMLINK+="rig-box"'} <= set(parts)

"""The box.hex that users flash is what the sources make, byte for byte, and nothing of this machine is in it."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).parents[3] / "rig/trigger/firmware"
COMPILER = "5.4.0"
FLASH_BYTES = 32_256  # of an Uno, beside its bootloader
RAM_BYTES, STACK_BYTES = 2048, 300  # what is left beside the variables; the deepest stack seen has 116 bytes
RECORD = re.compile(r":([0-9A-F]{2})([0-9A-F]{4})([0-9A-F]{2})((?:[0-9A-F]{2})*)([0-9A-F]{2})")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a copy of the sources was built: `box.hex` and `made/box.elf`."""
    found = subprocess.run(["avr-gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.strip()
    assert found == COMPILER, f"box.hex is made by gcc-avr {COMPILER}; here is {found}: another makes another file"
    folder = tmp_path_factory.mktemp("firmware") / "somewhere else"
    shutil.copytree(FIRMWARE, folder, ignore=shutil.ignore_patterns("box.hex", "build"))
    make = subprocess.run(["make", "-C", folder, "BUILD=made"], capture_output=True, text=True)
    assert make.returncode == 0, make.stderr
    return folder


def image(text: str) -> bytes:
    """The bytes that Intel HEX records put into flash, from address 0 on without a hole."""
    flash = b""
    for line in text.split():
        match = RECORD.fullmatch(line)
        assert match, line
        assert sum(bytes.fromhex(line[1:])) % 256 == 0, line
        if match[3] == "00":
            assert int(match[2], 16) == len(flash), line
            flash += bytes.fromhex(match[4])
    return flash


def size_of(elf: Path, *sections: str) -> int:
    """Bytes that some sections take."""
    lines = subprocess.run(["avr-size", "-A", elf], capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(sections))


def test_committed_file_is_what_the_sources_make(built: Path) -> None:
    committed, made = ((folder / "box.hex").read_bytes() for folder in (FIRMWARE, built))
    assert hashlib.sha256(made).hexdigest() == hashlib.sha256(committed).hexdigest()


def test_it_fits_beside_the_bootloader_of_an_uno() -> None:
    assert 0 < len(image((FIRMWARE / "box.hex").read_text())) <= FLASH_BYTES


def test_variables_leave_room_for_the_stack(built: Path) -> None:
    assert size_of(built / "made/box.elf", ".data", ".bss", ".noinit") <= RAM_BYTES - STACK_BYTES


def test_no_path_or_address_is_in_it(built: Path) -> None:
    flash = image((FIRMWARE / "box.hex").read_text())
    assert b"rig box 328P" in flash  # so that texts would be found
    folders = (built, FIRMWARE, FIRMWARE.parents[2], Path.home() / "x", Path(tempfile.gettempdir()))
    private = [*(str(folder) for folder in folders), "/usr/", "://", "www.", "boot.c", "main.c"]
    assert [text for text in private if text.encode() in flash] == []

"""A stand-in for avrdude on PATH: writes down what it was asked, and prints what avrdude 7.1 prints.

Its answers were taken from avrdude 7.1 itself, talking to a bootloader made of a few lines of Python.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = """\
#!{python} -S
import json, sys
asked = sys.argv[1:]
with open({log!r}, "a") as log:
    print(json.dumps(asked), file=log)
writes = any(argument.startswith("flash:") for argument in asked)
out, err, code = {write!r} if writes else {read!r}
print(out, end="")
print(err, end="", file=sys.stderr)
sys.exit(code)
"""
Answer = tuple[str, str, int]  # standard output, standard error, exit code
READ_328P: Answer = ("0x1e,0x95,0xf\n", "", 0)
READ_328: Answer = ("0x1e,0x95,0x14\n", "avrdude warning: expected signature for ATmega328P is 1E 95 0F\n", 0)
READ_2560: Answer = ("0x1e,0x98,0x1\n", "avrdude warning: expected signature for ATmega328P is 1E 95 0F\n", 0)
NO_PORT: Answer = (
    "",
    "avrdude OS error: cannot open port PORT: No such file or directory\n"
    "avrdude error: unable to open programmer arduino on port PORT\n",
    1,
)
MUTE: Answer = (
    "",
    "avrdude error: programmer is not responding\navrdude warning: attempt 10 of 10: not in sync: resp=0x00\n"
    "avrdude error: unable to open programmer arduino on port PORT\n",
    1,
)
WRITTEN: Answer = ("", "avrdude: 5966 bytes of flash written\navrdude: 5966 bytes of flash verified\n", 0)
DIFFERS: Answer = (
    "",
    "avrdude warning: verification mismatch\n        device 0x0d != input 0x0c at addr 0x0000 (error)\n"
    "avrdude error: verification mismatch\n",
    1,
)


@dataclass
class Avrdude:
    """The stand-in; `folder` is to be first on PATH."""

    folder: Path

    def answers(self, read: Answer = READ_328P, write: Answer = WRITTEN) -> None:
        """Install it with these answers."""
        self.folder.mkdir(exist_ok=True)
        text = SCRIPT.format(python=sys.executable, log=str(self._log), read=read, write=write)
        (self.folder / "avrdude").write_text(text)
        (self.folder / "avrdude").chmod(0o755)

    @property
    def asked(self) -> list[list[str]]:
        """The arguments of each call."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def path(self) -> str:
        """PATH with it."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    @property
    def _log(self) -> Path:
        return self.folder / "asked"


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Avrdude:
    """First on PATH, and answering as for a good board."""
    avrdude = Avrdude(folder)
    avrdude.answers()
    monkeypatch.setenv("PATH", avrdude.path)
    return avrdude


def that_sleeps(avrdude: Avrdude, *, when: str) -> Path:
    """Make it a script that falls asleep, with a child, when asked for `when`; the file with the numbers of both."""
    pids = avrdude.folder / "pids"
    script = f"""\
#!/bin/sh
case "$*" in *{when}*) sleep 60 & echo $$ $! > {pids}; wait ;; esac
echo 0x1e,0x95,0xf
"""
    (avrdude.folder / "avrdude").write_text(script)
    return pids

"""Who the box says it is: not a bit less or more than it can do, because the host asks only for what is declared."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rig.trigger import wire
from tests.trigger.firmware.line import NONCE, Line
from tests.trigger.firmware.simavr import Simavr

EVERYTHING_BUT_SIMULATED = 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256


@pytest.mark.parametrize(("jumper", "baud", "events_per_s"), [(False, 115_200, 1000), (True, 250_000, 1500)])
def test_it_declares_exactly_what_it_can(tmp_path: Path, jumper: bool, baud: int, events_per_s: int) -> None:
    with Simavr(tmp_path, jumper=jumper) as chip, Line(chip) as line:
        identity = line.hello()
    assert re.fullmatch(rb"[0-9A-F]{8}\0{4}", identity.serial)
    assert replace(identity, serial=b"", ticks=0) == wire.Identity(
        request=9,
        protocol=1,
        nonce=NONCE,
        major=1,
        minor=0,
        patch=0,
        capabilities=EVERYTHING_BUT_SIMULATED,
        serial=b"",
        model=b"rig box 328P".ljust(16, b"\0"),
        tick_hz=2_000_000,
        ticks=0,
        boots=1,
        run_id=0,
        next_seq=0,
        baud=baud,
        events_per_s=events_per_s,
        lines=3,
        inputs=6,
    )

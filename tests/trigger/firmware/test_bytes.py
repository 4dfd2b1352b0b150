"""The firmware's bytes against the reference, without the codec: requests by hand, answers by the page's offsets."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import serial

from tests.trigger.firmware import proofs
from tests.trigger.firmware.simavr import BOOTED_NS, LINE_PINS, TICK, Simavr, rising
from tests.trigger.test_wire import REFERENCE, START_BYTES

HELLO_BYTES = bytes.fromhex("01 09 01 04 03 02 01")
NONCE, RUN_ID = 0x01020304, 0x0A0B0C0D
IDENTITY, STARTED, STATUS, EVENTS = 0x81, 0x82, 0x85, 0x90
SIZES = {"u8": 1, "u16": 2, "u32": 4, "bytes": 1}


def checksum(message: bytes) -> bytes:
    """CRC-16/CCITT-FALSE, bit by bit."""
    register = 0xFFFF
    for byte in message:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return register.to_bytes(2, "little")


def framed(message: bytes) -> bytes:
    """Each part between two zeros behind the distance to the next of them; parts are shorter than 254 bytes."""
    parts = (message + checksum(message)).split(b"\0")
    return b"".join(bytes([len(part) + 1]) + part for part in parts) + b"\0"


def unframed(frame: bytes) -> bytes:
    """The message of a frame without its delimiter; fails when it is damaged."""
    out = b""
    while frame:
        out, frame = out + frame[1 : frame[0]] + b"\0", frame[frame[0] :]
    message, check = out[:-3], out[-3:-1]
    assert check == checksum(message)
    return message


def unpacked(name: str, message: bytes) -> dict[str, int | bytes | list[int]]:
    """The fields of a message, by the offsets and types of its table in the reference."""
    section = REFERENCE.read_text("utf-8").split(f"### {name}\n")[1].split("\n### ")[0]
    out: dict[str, int | bytes | list[int]] = {}
    for offset, field, kind, times in re.findall(r"^\| (\d+) \| `(\w+)` \| (\w+)(?: × (\d+))? \|", section, re.M):
        at, size, count = int(offset), SIZES[kind], int(times or 1)
        numbers = [int.from_bytes(message[at + i * size :][:size], "little") for i in range(count)]
        out[field] = bytes(numbers) if kind == "bytes" else numbers if times else numbers[0]
    return out


class Wire:
    """The serial line as bytes."""

    def __init__(self, chip: Simavr, port: serial.Serial) -> None:
        self.chip, self.heard = chip, list[bytes]()
        self._port, self._rest = port, b""

    def hear(self, seconds: float) -> None:
        """Add what the box says in so much simulated time."""
        until_ns = self.chip.clock.now_ns() + round(seconds * 1e9)
        while self.chip.clock.now_ns() < until_ns:
            *frames, self._rest = (self._rest + self._port.read(4096)).split(b"\0")
            self.heard += [unframed(frame) for frame in frames if frame]

    def ask(self, message: bytes, answer: int) -> bytes:
        """The answer of this type to a request."""
        before = len(self.heard)
        self._port.write(framed(message))
        self.hear(0.1)
        (found,) = [heard for heard in self.heard[before:] if heard[0] == answer]
        return found


def test_the_firmware_takes_and_sends_the_bytes_of_the_reference(tmp_path: Path) -> None:
    with Simavr(tmp_path) as chip, serial.Serial(chip.port, timeout=0.005) as port:
        wire = Wire(chip, port)
        chip.clock.sleep_until(BOOTED_NS)
        port.reset_input_buffer()  # BOOT, perhaps without its beginning: opening the port throws away what came before
        identity = unpacked("IDENTITY", wire.ask(HELLO_BYTES, IDENTITY))
        started = wire.ask(START_BYTES, STARTED)
        for level in (1, 0, 1, 0, 1):
            chip.input(3, level)
            wire.hear(0.01)
        wire.hear(1)
        message = wire.ask(bytes.fromhex("05 77"), STATUS)
        edges = chip.edges()
    told = {"request": 9, "protocol": 1, "nonce": NONCE, "tick_hz": 2_000_000, "boots": 1, "run_id": 0, "next_seq": 0}
    able = 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256  # all but SIMULATED
    told |= {"capabilities": able, "baud": 115_200, "events_per_s": 1000, "lines": 3, "inputs": 6}
    assert {name: identity[name] for name in told} == told
    assert started[:6] == bytes([STARTED, 2]) + RUN_ID.to_bytes(4, "little")
    assert_is_the_run_asked_for(edges)
    status = unpacked("STATUS", message)
    now = int.from_bytes(started[6:], "little") + 1  # any time after the start
    told = {"request": 0x77, "state": 1, "run_id": RUN_ID, "mode": 0, "boots": 1, "dropped": 0, "late": 0}
    told |= {"bad_frames": 0, "input_rises": [0, 0, 0, 3, 0, 0, 0, 0]}
    assert {name: status[name] for name in told} == told
    assert int(status["ticks"]) > now  # type: ignore[arg-type]
    assert_events_are_the_pins(wire.heard, edges, status)


def assert_is_the_run_asked_for(edges: proofs.Edges) -> None:
    """100 Hz, lines 1 and 2 at every fourth pulse, all 1 ms wide: the numbers in START_BYTES."""
    for pin, period in zip(LINE_PINS, (160_000, 640_000, 640_000), strict=True):
        rows = proofs.edges_of(edges, pin)[: 16 if pin == LINE_PINS[0] else 4]
        cycles = rows["cycle"].astype(np.int64)
        assert set((cycles[1::2] - cycles[::2]).tolist()) == {16_000}
        assert set(np.diff(cycles[::2]).tolist()) == {period}


def assert_events_are_the_pins(
    heard: list[bytes], edges: proofs.Edges, status: dict[str, int | bytes | list[int]]
) -> None:
    """RUN_BEGAN first, and then each pulse with its lines and number; as many as the STATUS says that there were."""
    events = []
    for message in heard:
        if message[0] == EVENTS:
            assert message[1:5] == RUN_ID.to_bytes(4, "little")
            assert int.from_bytes(message[5:9], "little") == len(events)
            events += [message[at : at + 9] for at in range(9, len(message), 9)]
    assert events[0][0] == 0x40
    assert len(events) >= int(status["next_seq"])  # type: ignore[arg-type]
    pulses = [(event[0], int.from_bytes(event[1:5], "little")) for event in events if event[0] & 0xF0 == 0x10]
    on_pins = [(0x10 | mask, number) for number, (_, mask) in enumerate(rising(edges))]
    assert len(pulses) >= 90
    assert pulses == on_pins[: len(pulses)]
    first = next(event for event in events if event[0] & 0xF0 == 0x10)
    rises = np.array([cycle for cycle, _ in rising(edges)])
    origin = rises[0] - int.from_bytes(first[5:9], "little") * TICK
    sent = (rises <= int(status["ticks"]) * TICK + origin).sum()  # type: ignore[call-overload]
    assert abs(int(status["pulses_sent"]) - sent) <= 1  # type: ignore[call-overload]

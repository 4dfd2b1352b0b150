"""The wire format: every message both ways, and no harm from damage."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rig.trigger import wire

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "wire-format.md"
LONGEST_EVENTS = wire.Events(
    7, 100, tuple(wire.Event(wire.Kind.PULSE | 5, n, n * 20_000) for n in range(wire.MAX_EVENTS))
)
START_BYTES = bytes.fromhex(
    "02 02 04 03 02 01 0d 0c 0b 0a 00 20 4e ff ff ff ff 50 46 01 04 04 d0 07 d0 07 d0 07 00 00 00 00 00 00 00 00 00 00"
)
SAMPLES: list[wire.Message] = [
    wire.Hello(1, wire.PROTOCOL, 0xDEADBEEF),
    wire.Start(2, 1, 2, 0, 20_000, wire.UNTIL_STOP, 18_000, (1, 4, 4), (2000, 2000, 300), 5, 6, 600),
    wire.Stop(3),
    wire.Ping(4),
    wire.AskStatus(5),
    wire.Identity(
        1, 1, 9, 1, 2, 3, 0x0F, b"S1".ljust(12, b"\0"), b"M".ljust(16, b"\0"), 2_000_000, 0, 1, 0, 0, 115_200, 900, 3, 8
    ),
    wire.Started(2, 77, 123_456),
    wire.Stopping(3, 77),
    wire.Pong(4, 0, 0xFFFFFFFF),
    wire.Status(5, 1, 77, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 4, (1, 2, 3, 4, 5, 6, 7, 8)),
    wire.Events(7, 99, (wire.Event(wire.Kind.RISE | 4, wire.NO_PULSE_YET, 5),)),
    wire.Boot(3, wire.Cause.WATCHDOG),
    wire.Error(2, wire.Start.TYPE, wire.Refusal.BUSY, 77),
]


def test_every_message_comes_out_as_it_went_in() -> None:
    assert {type(message) for message in SAMPLES} == set(wire.MESSAGES.values())
    decoder = wire.Decoder()
    sent = [*SAMPLES, LONGEST_EVENTS]
    assert decoder.feed(b"".join(map(wire.to_frame, sent))) == sent
    assert decoder.bad_frames == 0


def test_a_message_cut_anywhere_comes_out_whole() -> None:
    for message in SAMPLES:
        frame = wire.to_frame(message)
        for cut in range(len(frame)):
            decoder = wire.Decoder()
            assert decoder.feed(frame[:cut]) == []
            assert decoder.feed(frame[cut:]) == [message]


def test_a_frame_holds_a_zero_only_at_its_end_and_is_never_too_long() -> None:
    for message in [*SAMPLES, LONGEST_EVENTS]:
        frame = wire.to_frame(message)
        assert frame.index(0) == len(frame) - 1
        assert len(frame) < wire.MAX_FRAME_BYTES


def test_the_checksum_is_crc_16_ccitt_false() -> None:
    # The check value of the catalogue of parametrised CRC algorithms for "123456789".
    register = 0xFFFF
    for byte in b"123456789":
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    assert register == 0x29B1 == wire.crc_hqx(b"123456789", 0xFFFF)


def test_bytes_of_a_start_are_those_of_the_reference() -> None:
    # Written out by hand; firmware/test_bytes.py gives the same bytes to the chip.
    start = wire.Start(2, 0x01020304, 0x0A0B0C0D, 0, 20_000, 0xFFFFFFFF, 18_000, (1, 4, 4), (2000, 2000, 2000))
    assert start.pack() == START_BYTES


def test_single_damaged_bytes_never_pass_for_another_message() -> None:
    for message in SAMPLES:
        frame = wire.to_frame(message)
        for place in range(len(frame)):
            for flip in (0x01, 0x80, 0xFF):
                damaged = bytearray(frame)
                damaged[place] ^= flip
                decoder = wire.Decoder()
                assert decoder.feed(bytes(damaged) + b"\0") == []
                assert decoder.bad_frames >= 1


def test_after_damage_the_next_message_is_whole() -> None:
    decoder = wire.Decoder()
    frame = wire.to_frame(SAMPLES[0])
    assert decoder.feed(frame[3:] + frame) == [SAMPLES[0]]
    assert decoder.feed(b"\xaa" * 10_000 + b"\0" + frame) == [SAMPLES[0]]
    assert decoder.bad_frames == 2


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_garbage_never_raises_and_never_grows(chunks: list[bytes]) -> None:
    decoder = wire.Decoder()
    for chunk in chunks:
        decoder.feed(chunk)
        assert len(decoder._tail) < wire.MAX_FRAME_BYTES


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_cobs_gives_any_bytes_back_without_a_zero(data: bytes) -> None:
    encoded = wire.cobs_encode(data)
    assert 0 not in encoded
    assert wire.cobs_decode(encoded) == data


def test_the_reference_lists_every_message_with_its_type_and_size() -> None:
    rows = re.findall(r"^\| `(0x[0-9a-f]{2})` \| (\w+) \| ([0-9]+)( \+ 9k)? \|", REFERENCE.read_text("utf-8"), re.M)
    listed = {int(number, 16): (name, int(size), bool(k)) for number, name, size, k in rows}
    packed = {
        kind.TYPE: (_shouted(kind.__name__), 1 + kind.LAYOUT.size, kind is wire.Events)
        for kind in wire.MESSAGES.values()
    }
    assert listed == packed


def test_the_reference_lists_every_field_in_its_place() -> None:
    text = REFERENCE.read_text("utf-8")
    for kind in wire.MESSAGES.values():
        section = text.split(f"### {_shouted(kind.__name__)}\n")[1].split("\n### ")[0]
        rows = re.findall(r"^\| ([0-9]+) \| `(\w+)` \| (u8|u16|u32|bytes|events)(?: × ([0-9]+))? \|", section, re.M)
        names = [name for _, name, _, _ in rows]
        assert names == [field for field in kind.__dataclass_fields__ if field not in ("TYPE", "LAYOUT", "EVENT")]
        width = {"u8": 1, "u16": 2, "u32": 4, "bytes": 1, "events": 0}
        place = 1
        for offset, _, type_name, count in rows:
            assert int(offset) == place
            place += width[type_name] * int(count or 1)
        assert place == 1 + kind.LAYOUT.size


def test_the_reference_lists_every_number_with_its_name() -> None:
    text = REFERENCE.read_text("utf-8")
    for numbers in (wire.Mode, wire.State, wire.Capability, wire.Refusal, wire.Cause):
        for number in numbers:
            assert re.search(rf"^\| {int(number)} \| {number.name} \|", text, re.M), f"{number!r} is missing"
    for kind in wire.Kind:
        assert f"| `0x{int(kind):02x}` | {kind.name} |" in text


def _shouted(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()

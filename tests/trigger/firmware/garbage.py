"""Bytes that no host should send: noise, and damaged copies of real requests."""

from __future__ import annotations

from random import Random

from rig.trigger import wire
from tests.trigger.firmware.line import start_of


def garbage(size: int, seed: int) -> list[bytes]:
    """Bad frames, each with its delimiter, of at least `size` bytes in all; none makes a request."""
    random, out, left = Random(seed), list[bytes](), size
    while left > 0:
        body = random.choice((_noise, _damaged, _cut, _unknown))(random).replace(b"\0", b"\1")
        if wire.from_frame(body) is None:
            out.append(body + b"\0")
            left -= len(out[-1])
    return out


def _noise(random: Random) -> bytes:
    return random.randbytes(random.choice((1, 2, 3, 5, 40, 130, 600)))


def _request(random: Random) -> bytes:
    run_id = random.randint(1, 2**32 - 1)
    message = random.choice((start_of(run_id), wire.Stop(1), wire.Ping(2), wire.AskStatus(3), wire.Hello(4, 1, 5)))
    return wire.to_frame(message)[:-1]


def _damaged(random: Random) -> bytes:
    frame = bytearray(_request(random))
    for _ in range(random.randint(1, 3)):
        frame[random.randrange(len(frame))] ^= 1 << random.randrange(8)
    return bytes(frame)


def _cut(random: Random) -> bytes:
    frame = _request(random)
    at = random.randrange(1, len(frame))
    return frame[:at] if random.random() < 0.5 else frame[:at] + _request(random)


def _unknown(random: Random) -> bytes:
    """A whole frame with a good checksum, of a type or length that does not exist."""
    data = bytes([random.choice((0x06, 0x01, 0x02, 0x42))]) + random.randbytes(random.randint(0, 60))
    return wire.cobs_encode(data + wire.crc_hqx(data, 0xFFFF).to_bytes(2, "little"))

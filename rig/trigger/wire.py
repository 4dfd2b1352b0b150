"""What the computer and the trigger box say to each other, byte for byte (docs/reference/wire-format.md).

    message:  type u8 | fields, little endian
    frame:    COBS( message | CRC-16/CCITT-FALSE of it, u16 ) | 0x00

COBS leaves no zero byte inside a frame, so that after any damage the next zero is the start of something whole.
HELLO, ERROR and the first four bytes of IDENTITY keep their layout in every version of the protocol.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from struct import Struct, error
from typing import ClassVar, NamedTuple, Self

PROTOCOL = 1
MAX_FRAME_BYTES = 128  # encoded, delimiter included; longer is damage
MAX_EVENTS = 11  # in one EVENTS message: 1000 a second fit through 115200 baud
LINES = 3
STATUS_INPUTS = 8  # counters in STATUS; how many inputs a box has it says in IDENTITY
UNTIL_STOP = 0xFFFF_FFFF  # body_groups of a run that only STOP ends
NO_PULSE_YET = 0xFFFF_FFFF  # pulse of an input event before the first pulse of its run


class Mode(IntEnum):
    """What a START asks for. The test modes send groups alone, and no sync code on the LEDs."""

    RECORD = 0
    WALK = 1
    TEST_EDGE = 2  # LED A changes at an offset from each pulse: on in even pulses, off in odd ones
    TEST_FLASH = 3  # LED A flashes for 200 us at an offset from each pulse
    TEST_FREE = 4  # LED A blinks with a period of its own, half of it on


class State(IntEnum):
    """What the box is doing, in STATUS."""

    IDLE = 0
    RUNNING = 1
    STOPPING = 2  # completes its group and the postamble


class Capability(IntFlag):
    """What a box can do, in IDENTITY."""

    SIMULATED = 1
    RECORD = 2  # preamble, group-aligned stop, postamble
    WALK = 4
    EXACT_COUNT = 8
    SYNC_LEDS = 16
    TEST_MODES = 32
    TIMED_INPUT = 64  # one input is stamped by hardware
    QUIET_BOUND = 128  # ends a run when the host stays quiet
    BOOT_COUNTER = 256  # survives loss of power


class Refusal(IntEnum):
    """Why a request was refused, in ERROR; what `detail` holds is said beside each."""

    WRONG_VERSION = 1  # the box's protocol version
    NO_HELLO = 2
    WRONG_NONCE = 3
    BUSY = 4  # run id that runs
    BAD_RUN_ID = 16
    BAD_MODE = 17  # mode
    BAD_PERIOD = 18  # ticks
    BAD_DIVISOR = 19  # divisor
    BAD_WIDTH = 20  # ticks
    BAD_LED_PHASE = 21  # ticks
    EDGES_TOO_CLOSE = 22  # ticks between them
    GROUP_TOO_LONG = 23  # pulses
    NO_BASE_LINE = 24
    BAD_TEST_OFFSET = 25  # ticks
    BAD_TEST_PERIOD = 26  # ticks


class Cause(IntEnum):
    """Why the box booted, as far as its bootloader lets it know."""

    UNKNOWN = 0
    POWER_ON = 1
    RESET_LINE = 2
    BROWN_OUT = 3
    WATCHDOG = 4


class Kind(IntEnum):
    """Kinds of events: the high four bits; the low four are the lines of a pulse or the number of an input."""

    PULSE = 0x10
    FALL = 0x20
    RISE = 0x30
    RUN_BEGAN = 0x40
    RUN_ENDED = 0x50  # its pulse field is the count of pulses sent


class Event(NamedTuple):
    """One event: `kind` with its low bits, absolute pulse number of the run, box ticks (32 bits)."""

    kind: int
    pulse: int
    ticks: int


@dataclass(frozen=True)
class Message:
    """What every message has: a type, a layout of its fields, and both ways between fields and bytes."""

    TYPE: ClassVar[int]
    LAYOUT: ClassVar[Struct]

    def pack(self) -> bytes:
        """The message without checksum and framing."""
        return bytes([self.TYPE]) + self.LAYOUT.pack(*(getattr(self, field.name) for field in fields(self)))

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """From the bytes after the type. Raises struct.error for a wrong length."""
        return cls(*cls.LAYOUT.unpack(body))


@dataclass(frozen=True)
class Hello(Message):
    """Who are you? From here on only a START with this nonce is accepted."""

    TYPE, LAYOUT = 0x01, Struct("<BBI")
    request: int
    protocol: int
    nonce: int


@dataclass(frozen=True)
class Start(Message):
    """Send this run, unless a run of this id was sent already. A line that is not used has divisor 0."""

    TYPE, LAYOUT = 0x02, Struct("<BIIBHIHBBBHHHIIH")
    request: int
    nonce: int
    run_id: int
    mode: int
    period_ticks: int
    body_groups: int
    led_phase_ticks: int
    divisors: tuple[int, int, int]
    widths_ticks: tuple[int, int, int]
    test_offset_ticks: int = 0
    test_period_ticks: int = 0
    quiet_s: int = 0  # end the run when nothing is heard for so long; 0: never

    def pack(self) -> bytes:
        """The message without checksum and framing."""
        head = (self.request, self.nonce, self.run_id, self.mode, self.period_ticks, self.body_groups)
        tail = (self.test_offset_ticks, self.test_period_ticks, self.quiet_s)
        body = self.LAYOUT.pack(*head, self.led_phase_ticks, *self.divisors, *self.widths_ticks, *tail)
        return bytes([self.TYPE]) + body

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """From the bytes after the type. Raises struct.error for a wrong length."""
        values = cls.LAYOUT.unpack(body)
        return cls(*(*values[:7], values[7:10], values[10:13], *values[13:]))


@dataclass(frozen=True)
class Stop(Message):
    """Complete the group that runs, send the postamble, end. Always accepted, also when nothing runs."""

    TYPE, LAYOUT = 0x03, Struct("<B")
    request: int


@dataclass(frozen=True)
class Ping(Message):
    """What time is it?"""

    TYPE, LAYOUT = 0x04, Struct("<B")
    request: int


@dataclass(frozen=True)
class AskStatus(Message):
    """How are you?"""

    TYPE, LAYOUT = 0x05, Struct("<B")
    request: int


@dataclass(frozen=True)
class Identity(Message):
    """Answer to HELLO. `ticks` is the box's time now, `run_id` the run that is sent, 0 if none."""

    TYPE, LAYOUT = 0x81, Struct("<BBI3BH12s16sIIIIIIHBB")
    request: int
    protocol: int
    nonce: int
    major: int
    minor: int
    patch: int
    capabilities: int
    serial: bytes
    model: bytes
    tick_hz: int
    ticks: int
    boots: int
    run_id: int
    next_seq: int  # sequence number of the next event that will be sent
    baud: int  # rate of its serial line; 0: none, a USB device of its own
    events_per_s: int  # told a second in all, pulses before input edges; more may be dropped; 0: all are told
    lines: int
    inputs: int


@dataclass(frozen=True)
class Started(Message):
    """Answer to START: accepted, now or before, at `ticks`."""

    TYPE, LAYOUT = 0x82, Struct("<BII")
    request: int
    run_id: int
    ticks: int


@dataclass(frozen=True)
class Stopping(Message):
    """Answer to STOP; `run_id` is the run that ends, 0 if none runs."""

    TYPE, LAYOUT = 0x83, Struct("<BI")
    request: int
    run_id: int


@dataclass(frozen=True)
class Pong(Message):
    """Answer to PING: when it came and when this answer left, box ticks."""

    TYPE, LAYOUT = 0x84, Struct("<BII")
    request: int
    rx_ticks: int
    tx_ticks: int


@dataclass(frozen=True)
class Status(Message):
    """Answer to ASK_STATUS. Events below `next_seq` have left before it; `queued` more wait."""

    TYPE, LAYOUT = 0x85, Struct("<BBIBIIIIIBBIIIB8I")
    request: int
    state: int
    run_id: int  # the run that is sent, or was sent last
    mode: int
    ticks: int
    pulses_sent: int
    ended_ticks: int  # when the last run ended
    boots: int
    next_seq: int
    queued: int
    deepest_queue: int
    dropped: int  # events numbered but thrown away, the queue being full
    late: int  # output edges later than planned
    bad_frames: int
    cause: int  # of the last boot
    input_rises: tuple[int, ...]  # rising edges counted at each input since boot

    def pack(self) -> bytes:
        """The message without checksum and framing."""
        head = [getattr(self, field.name) for field in fields(self)[:-1]]
        return bytes([self.TYPE]) + self.LAYOUT.pack(*head, *self.input_rises)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """From the bytes after the type. Raises struct.error for a wrong length."""
        values = cls.LAYOUT.unpack(body)
        return cls(*(*values[:-STATUS_INPUTS], values[-STATUS_INPUTS:]))


@dataclass(frozen=True)
class Events(Message):
    """Up to eleven events with consecutive sequence numbers, all of one run. Sent unasked."""

    TYPE, LAYOUT = 0x90, Struct("<II")
    EVENT: ClassVar[Struct] = Struct("<BII")
    run_id: int
    first_seq: int
    events: tuple[Event, ...]

    def pack(self) -> bytes:
        """The message without checksum and framing."""
        head = bytes([self.TYPE]) + self.LAYOUT.pack(self.run_id, self.first_seq)
        return head + b"".join(self.EVENT.pack(*event) for event in self.events)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """From the bytes after the type. Raises struct.error for a wrong length."""
        run_id, first_seq = cls.LAYOUT.unpack(body[: cls.LAYOUT.size])
        rest = body[cls.LAYOUT.size :]
        if not 1 <= len(rest) // cls.EVENT.size <= MAX_EVENTS:
            raise error(f"{len(rest)} bytes of events")
        return cls(run_id, first_seq, tuple(map(Event._make, cls.EVENT.iter_unpack(rest))))


@dataclass(frozen=True)
class Boot(Message):
    """The box has started. It forgets nonce and run, and its ticks and sequence numbers begin at 0."""

    TYPE, LAYOUT = 0x91, Struct("<IB")
    boots: int
    cause: int


@dataclass(frozen=True)
class Error(Message):
    """A request was refused; nothing was changed."""

    TYPE, LAYOUT = 0xFF, Struct("<BBBI")
    request: int
    refused: int  # type of the request
    code: int
    detail: int


MESSAGES: dict[int, type[Message]] = {
    kind.TYPE: kind
    for kind in (
        *(Hello, Start, Stop, Ping, AskStatus),
        *(Identity, Started, Stopping, Pong, Status),
        *(Events, Boot, Error),
    )
}


def cobs_encode(data: bytes) -> bytes:
    """The same bytes without a zero; one byte longer for every 254, and one."""
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out += bytes([len(run) + 1]) + run
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """The bytes before encoding; None when `data` cannot have come from it."""
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        run = data[at + 1 : at + code]
        if code == 0 or len(run) != code - 1:
            return None
        at += code
        out += run
        if code < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def to_frame(message: Message) -> bytes:
    """A message as it goes over the wire."""
    data = message.pack()
    return cobs_encode(data + crc_hqx(data, 0xFFFF).to_bytes(2, "little")) + b"\0"


def from_frame(frame: bytes) -> Message | None:
    """A message from a frame without its delimiter; None when it is damaged or unknown."""
    data = cobs_decode(frame)
    if data is None or len(data) < 3 or crc_hqx(data[:-2], 0xFFFF) != int.from_bytes(data[-2:], "little"):
        return None
    kind = MESSAGES.get(data[0])
    try:
        return kind.unpack(data[1:-2]) if kind else None
    except error:
        return None


class Decoder:
    """Turns a stream of bytes, cut anywhere and possibly damaged, into messages. Never raises."""

    def __init__(self) -> None:
        self.bad_frames = 0  # damaged, of unknown type, or of wrong length
        self._tail = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, oldest first."""
        *frames, self._tail = (self._tail + data).split(b"\0")
        if len(self._tail) >= MAX_FRAME_BYTES:
            # Without a delimiter for so long it is no frame of ours: keep one damaged byte, to count it once.
            self._tail = self._tail[:1]
        messages = [from_frame(frame) if len(frame) < MAX_FRAME_BYTES else None for frame in frames if frame]
        self.bad_frames += messages.count(None)
        return [message for message in messages if message is not None]

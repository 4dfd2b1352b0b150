"""Damaged and senseless bytes for the host's end of the line, and a driver in a run that has to bear them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from rig.clock import NS
from rig.streams import Edge, Pulse
from rig.testing.trigger import plan
from rig.trigger import wire
from rig.trigger.box import BoxEvent
from rig.trigger.driver import Driver
from tests.trigger.test_driver import greeted, identity

RUN = 5
STEP_NS = NS // 100


@dataclass
class Result:
    """What came of it. `told` are events of the run, `sent` those of undamaged messages."""

    bytes_fed: int
    sent: set[tuple[int, ...]]
    told: set[tuple[int, ...]]
    bad_frames: int

    @property
    def invented(self) -> set[tuple[int, ...]]:
        """Events told that nobody sent."""
        return self.told - self.sent


def events_of(run_id: int, first_seq: int, random: Random) -> wire.Events:
    kinds = (wire.Kind.PULSE | 7, wire.Kind.RISE | 2, wire.Kind.FALL | 2)
    events = tuple(
        wire.Event(random.choice(kinds), first_seq + i, (first_seq + i) * 20_000) for i in range(random.randint(1, 11))
    )
    return wire.Events(run_id, first_seq, events)


def spoiled(frame: bytes, random: Random) -> bytes:
    """The frame with one to four changes: bits, bytes lost, bytes doubled, a piece of something else."""
    data = bytearray(frame)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(max(1, len(data)))
        match random.randrange(4):
            case 0:
                data[at : at + 1] = bytes([(data[at] if data else 0) ^ 1 << random.randrange(8)])
            case 1:
                del data[at : at + random.randint(1, 8)]
            case 2:
                data[at:at] = data[at : at + random.randint(1, 8)]
            case 3:
                data[at:at] = random.randbytes(random.randint(1, 30))
    return bytes(data)


def stream(random: Random, made: dict[bytes, wire.Events]) -> Iterator[bytes]:
    """Without end: noise, damaged messages, and now and then a whole one. `made`: all messages, by their frame."""
    seq = 0
    while True:
        message = events_of(RUN, seq, random)
        frame = wire.to_frame(message)
        made[frame[:-1]] = message
        match random.randrange(6):
            case 0:
                yield random.randbytes(random.randint(1, 200))
            case 1:
                seq += len(message.events)
                yield b"\0" + frame  # the zero ends whatever damage came before
            case _:
                yield spoiled(frame, random)


def fuzz(seed: int, most_bytes: int) -> Result:
    """Feed a driver that waits for the events of a run."""
    random, driver = Random(seed), started()
    result, fed, made, now_ns = Result(0, set(), set(), 0), bytearray(), dict[bytes, wire.Events](), NS
    for data in stream(random, made):
        if len(fed) >= most_bytes:
            break
        fed += data
        now_ns += STEP_NS
        cut = random.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            result.told |= {key for event in driver.feed(piece, now_ns) if (key := key_of(event))}
        driver.outgoing(now_ns)
    whole = [made[frame] for frame in bytes(fed).split(b"\0") if frame in made]  # some came through in spite of all
    result.sent |= {tuple(event) for message in whole for event in message.events}
    result.bytes_fed, result.bad_frames = len(fed), driver.bad_frames
    return result


def started() -> Driver:
    driver = greeted(replace(identity(request=1), baud=115_200))
    driver.start(plan(), RUN)
    driver.outgoing(2)
    return driver


def key_of(event: BoxEvent) -> tuple[int, ...] | None:
    """A pulse or an edge as it was on the wire; box ticks of so few are their low 32 bits."""
    match event:
        case Pulse():
            return (wire.Kind.PULSE | event.lines, event.pulse_number, event.box_ticks)
        case Edge():
            kind = wire.Kind.RISE if event.level else wire.Kind.FALL
            return (kind | event.input, event.last_pulse, event.box_ticks)
    return None

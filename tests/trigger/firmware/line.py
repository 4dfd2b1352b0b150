"""The box's serial line without a driver: single messages there and back, for what the driver never does."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

import serial

from rig.clock import NS
from rig.trigger import wire
from tests.trigger.firmware.simavr import BOOTED_NS, Simavr

NONCE = 0x1234ABCD
Answer = TypeVar("Answer", bound=wire.Message)


def start_of(run_id: int, *, request: int = 1, nonce: int = NONCE, body_groups: int = 1) -> wire.Start:
    """A START of 1000, 250 and 250 Hz."""
    shape = (2000, body_groups, 1800, (1, 4, 4), (200, 400, 400))
    return wire.Start(request, nonce, run_id, wire.Mode.RECORD, *shape)


class Line:
    """The open port; a context manager. Times are simulated."""

    def __init__(self, chip: Simavr) -> None:
        self.chip = chip
        self._port = serial.Serial(chip.port, timeout=0.005, write_timeout=5)
        self._decoder = wire.Decoder()
        self._heard: list[wire.Message] = []  # since the last request
        self.heard: list[wire.Message] = []  # all of it
        chip.clock.sleep_until(BOOTED_NS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._port.close()

    def write(self, data: bytes) -> None:
        """Any bytes, in pieces that the line takes while the simulation goes on."""
        for at in range(0, len(data), 1024):
            self._port.write(data[at : at + 1024])
            self.hear(0)

    def hear(self, seconds: float) -> list[wire.Message]:
        """What the box says in the next so many seconds."""
        until_ns, fresh = self.chip.clock.now_ns() + round(seconds * NS), list[wire.Message]()
        while True:
            fresh += self._decoder.feed(self._port.read(4096))
            if self.chip.clock.now_ns() >= until_ns:
                self._heard += fresh
                self.heard += fresh
                return fresh

    def ask(self, message: wire.Message, kind: type[Answer], seconds: float = 1.0) -> Answer:
        """Send a request and return its answer; fails when it does not come."""
        self._heard.clear()
        self.write(wire.to_frame(message))
        until_ns = self.chip.clock.now_ns() + round(seconds * NS)
        while self.chip.clock.now_ns() < until_ns:
            for heard in self._heard:
                if isinstance(heard, kind) and heard.request == message.request:  # type: ignore[attr-defined]
                    return heard
            self.hear(0.005)
        raise AssertionError(f"no {kind.__name__} within {seconds:g} s; heard {self._heard[-3:]}")

    def hello(self, nonce: int = NONCE) -> wire.Identity:
        """Say HELLO."""
        return self.ask(wire.Hello(9, wire.PROTOCOL, nonce), wire.Identity)

    def status(self) -> wire.Status:
        """Ask for STATUS."""
        return self.ask(wire.AskStatus(8), wire.Status)

    def refused(self, message: wire.Message) -> tuple[wire.Refusal, int]:
        """Why a request was refused, and the detail."""
        error = self.ask(message, wire.Error)
        assert error.refused == message.TYPE
        return wire.Refusal(error.code), error.detail

    def until_idle(self) -> wire.Status:
        """Wait for the end of the run."""
        while (status := self.status()).state != wire.State.IDLE:
            self.hear(0.01)
        return status

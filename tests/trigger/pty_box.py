"""A simulated box behind a pty: a serial port that pyserial and other programs can open by its path."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rig.clock import HostClock
from rig.sim.box import SimulatedBox
from rig.trigger import wire


class PtyBox:
    """Runs a box as real time passes; `box` None: a board that says nothing."""

    def __init__(self, box: SimulatedBox | None) -> None:
        self._box, self._clock = box, HostClock()
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        self.port = os.ttyname(self._far)
        self._is_wanted = True
        self._thread = threading.Thread(target=self._run, name="pty box")
        self._thread.start()

    def close(self) -> None:
        self._is_wanted = False
        self._thread.join()
        os.close(self._near)
        os.close(self._far)

    def _run(self) -> None:
        while self._is_wanted:
            now = self._clock.now_ns()
            if self._box and (out := self._box.take_output(now)):
                os.write(self._near, out)
            if select.select([self._near], [], [], 0.002)[0]:
                data = os.read(self._near, 4096)
                if self._box:
                    self._box.receive(data, self._clock.now_ns())


def simulated(seed: int = 1) -> SimulatedBox:
    return SimulatedBox(lambda *_: None, start_host_ns=HostClock().now_ns(), seed=seed)


def that_runs(run_id: int) -> SimulatedBox:
    """A box that sends a run which somebody else started."""
    box, now = simulated(), HostClock().now_ns()
    start = wire.Start(2, 9, run_id, wire.Mode.RECORD, 20_000, wire.UNTIL_STOP, 18_000, (1, 0, 0), (2000, 0, 0))
    for message in (wire.Hello(1, wire.PROTOCOL, 9), start):
        box.receive(wire.to_frame(message), now)
    return box


class OtherVersion(SimulatedBox):
    """A box whose firmware speaks the version after ours: it refuses HELLO, and takes nothing else."""

    def _greet(self, hello: wire.Hello, host_ns: int) -> wire.Message:
        return wire.Error(hello.request, hello.TYPE, wire.Refusal.WRONG_VERSION, wire.PROTOCOL + 1)


class Thermometer(SimulatedBox):
    """No box at all: a device that sends lines of text, whatever it is asked."""

    def take_output(self, host_ns: int) -> bytes:
        return b"21.5 C\r\n"


def that_is(kind: type[SimulatedBox]) -> SimulatedBox:
    """One of these."""
    return kind(lambda *_: None, start_host_ns=HostClock().now_ns())


@contextmanager
def pty_box(box: SimulatedBox | None) -> Iterator[str]:
    """The path of the port."""
    pty = PtyBox(box)
    try:
        yield pty.port
    finally:
        pty.close()

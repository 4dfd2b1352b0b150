"""Trigger lines that reach into the simulated world or out of it, as lines of text on a socket, ns on the host clock.

A trigger box outside, as our firmware on a simulated chip, whose wires reach the simulated cameras:

    from the box    P <ns> <mask>          trigger lines that rose at this instant, bit c for line c
                    L <ns> <mask>          sync LEDs from now on: bit 0 A, 1 B1, 2 B2
    to the box      I <number> <level>     an input changes now

Wires have no numbers, so pulses are counted here: first those of the line walk, then those of the recording run.
And from the simulated box to cameras outside this world, which pylon emulates: lines P alone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

from rig import host

OnLines = Callable[[int, int, int, bool], None]
OnLeds = Callable[[int, int], None]


def told_pulse(host_ns: int, lines: int) -> bytes:
    """The line of text that tells a pulse."""
    return b"P %d %d\n" % (host_ns, lines)


class WireThread:
    """Fires cameras outside the simulated world, in a thread of its own, as its trigger lines rise."""

    def __init__(self, end: socket.socket, fires: Mapping[int, Callable[[], None]]) -> None:
        """`fires`: what is on a line, by its number. It reads `end`, which stays the caller's."""
        self._end, self._fires = end, fires
        self._thread = threading.Thread(target=self._run, name="wire")
        self._thread.start()

    def close(self) -> None:
        """End it; never raises."""
        self._end.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _run(self) -> None:
        host.ask_real_time(host.Priority.WORLD)
        begun = b""
        while data := self._end.recv(1 << 16):
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                self._rise(int(line.split()[2]))

    def _rise(self, lines: int) -> None:
        for number, fire in self._fires.items():
            if lines >> number & 1:
                fire()


class OutsideBox:
    """The wires of such a box. Its far end may go at any time: then nothing rises any more."""

    def __init__(self, far: socket.socket, on_lines: OnLines, on_leds: OnLeds, walk_pulses: int) -> None:
        """`walk_pulses`: how many pulses the line walk sends in all."""
        self.late_ns = 0  # by how much the latest line came after what it tells of
        self._far, self._on_lines, self._on_leds = far, on_lines, on_leds
        self._walk_pulses, self._pulses = walk_pulses, 0
        self._begun = b""

    def read(self, now_host_ns: int) -> bool:
        """Take what has come by now; False when the far end is gone. Must not be called unless there is something."""
        try:
            data = self._far.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._take(line.decode("ascii"), now_host_ns)
        return bool(data)

    def input_edge(self, host_ns: int, number: int, level: int) -> None:  # noqa: ARG002  it happens now
        """An input of the box changes."""
        try:
            self._far.sendall(b"I %d %d\n" % (number, level))
        except OSError:
            pass  # it is gone

    def _take(self, line: str, now_host_ns: int) -> None:
        what, *numbers = line.split()
        host_ns, mask = map(int, numbers)
        self.late_ns = max(0, now_host_ns - host_ns)
        if what == "L":
            self._on_leds(host_ns, mask)
            return
        number = self._pulses - self._walk_pulses
        self._pulses += 1
        self._on_lines(host_ns, mask, number if number >= 0 else self._pulses - 1, number < 0)

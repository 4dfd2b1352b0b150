"""A trigger box outside this program whose wires reach the simulated cameras: our firmware on a simulated chip.

One socket, lines of text, ns on the host clock:

    from the box    P <ns> <mask>          trigger lines that rose at this instant, bit c for line c
                    L <ns> <mask>          sync LEDs from now on: bit 0 A, 1 B1, 2 B2
    to the box      I <number> <level>     an input changes now

Wires have no numbers, so pulses are counted here: first those of the line walk, then those of the recording run.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

OnLines = Callable[[int, int, int, bool], None]
OnLeds = Callable[[int, int], None]


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

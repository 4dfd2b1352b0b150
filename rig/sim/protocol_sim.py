"""Serial ports named `sim://NAME`: pyserial opens a simulated trigger box as if it were plugged in.

    SerialBox --> pyserial --> Serial (here) --> Endpoint --+-- VirtualEndpoint: a box in this thread, on virtual time
                                                            +-- SocketEndpoint: a box in another process

pyserial finds this module by its name, `protocol_` and the scheme; importing it makes the scheme known.
"""

from __future__ import annotations

import errno
import select
import socket
from typing import Any
from typing import Protocol as Interface

import serial

from rig.clock import NS, Clock
from rig.config.rules import SIMULATED_PORT
from rig.sim.box import SimulatedBox

# pyserial looks for handlers in these packages, by name.
serial.protocol_handler_packages.append("rig.sim")


class Endpoint(Interface):
    """The far end of a simulated serial line. What fails raises OSError."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def read(self, size: int, timeout_s: float | None) -> bytes:
        """1 to `size` bytes, as soon as there are any; empty after `timeout_s`. None waits for ever."""

    def waiting(self) -> int:
        """Bytes that `read` would give at once."""

    def close(self) -> None:
        """Give the line back."""


class World(Interface):
    """What moves on while a virtual box is waited for."""

    def next_host_ns(self) -> int | None:
        """When something is due next; None: nothing is."""

    def run_until(self, host_ns: int) -> None:
        """Do everything that is due by `host_ns`."""


class VirtualEndpoint:
    """A box in this thread: a read that waits moves the world and the virtual clock on until bytes are there."""

    def __init__(self, box: SimulatedBox, world: World, clock: Clock) -> None:
        """`world` runs the box along with everything else that is simulated; the box itself will do, alone."""
        self._box, self._world, self._clock = box, world, clock
        self._buffer = b""

    def write(self, data: bytes) -> None:
        """Send all of `data`, now on the virtual clock."""
        self._box.receive(data, self._clock.now_ns())

    def read(self, size: int, timeout_s: float | None) -> bytes:
        """As Endpoint. Without a timeout it raises TimeoutError when nothing is ever going to come."""
        deadline = None if timeout_s is None else self._clock.now_ns() + round(timeout_s * NS)
        while not self.waiting() and self._move_on(deadline):
            pass
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def waiting(self) -> int:
        """As Endpoint; does what is due by now first."""
        now = self._clock.now_ns()
        self._world.run_until(now)
        self._buffer += self._box.take_output(now)
        return len(self._buffer)

    def close(self) -> None:
        """Nothing to give back; the box goes on."""

    def _move_on(self, deadline_ns: int | None) -> bool:
        """Move on to the next thing that happens, at most to the deadline; False when that is now."""
        times = [t for t in (self._world.next_host_ns(), deadline_ns) if t is not None]
        if not times:
            raise TimeoutError("a read without a timeout, and nothing is ever going to happen")
        if deadline_ns == self._clock.now_ns():
            return False
        self._clock.sleep_until(min(times))
        return True


class SocketEndpoint:
    """A box in another process or thread, at the far end of a socket pair, in real time."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes the socket over: `close` closes it."""
        self._socket = sock

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._socket.sendall(data)

    def read(self, size: int, timeout_s: float | None) -> bytes:
        """As Endpoint. Raises ConnectionResetError when the far end is gone."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return b""
        data = self._socket.recv(size)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the simulated box is gone")
        return data

    def waiting(self) -> int:
        """As Endpoint, at most 4096. Raises ConnectionResetError when the far end is gone."""
        if not select.select([self._socket], [], [], 0)[0]:
            return 0
        data = self._socket.recv(4096, socket.MSG_PEEK)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the simulated box is gone")
        return len(data)

    def close(self) -> None:
        """Close the socket; for the far end that is an unplugged cable."""
        self._socket.close()


_endpoints: dict[str, Endpoint] = {}


def register(name: str, endpoint: Endpoint) -> str:
    """Make `endpoint` the port `sim://NAME`, in the place of an earlier one; returns that URL."""
    _endpoints[name] = endpoint
    return SIMULATED_PORT + name


def unregister(name: str) -> None:
    """Take the port `sim://NAME` away again; nothing happens if it is not there."""
    _endpoints.pop(name, None)


class Serial(serial.SerialBase):
    """What pyserial opens for `sim://NAME`. Line settings are accepted and mean nothing."""

    def open(self) -> None:
        """Connect to the registered endpoint. Raises SerialException when there is none of that name."""
        name = str(self.port).removeprefix(SIMULATED_PORT)
        if name not in _endpoints:
            known = ", ".join(sorted(_endpoints)) or "none"
            raise serial.SerialException(errno.ENOENT, f"no simulated box is called {name}; there are: {known}")
        self._endpoint = _endpoints[name]
        self.is_open = True

    def close(self) -> None:
        """Give the line back; a second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._endpoint.close()

    def read(self, size: int = 1, /) -> bytes:
        """1 to `size` bytes as soon as there are any, empty after the timeout. Raises SerialException."""
        self._need_open()
        try:
            return self._endpoint.read(size, self.timeout)
        except OSError as error:
            raise _unplugged(error) from error

    def write(self, data: Any, /) -> int:
        """Send all of `data`. Raises SerialException when the box is gone."""
        self._need_open()
        try:
            self._endpoint.write(bytes(data))
        except OSError as error:
            raise _unplugged(error) from error
        return len(data)

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once. Raises SerialException when the box is gone."""
        self._need_open()
        try:
            return self._endpoint.waiting()
        except OSError as error:
            raise _unplugged(error) from error

    def reset_input_buffer(self) -> None:
        """Throw away what has come and was not read."""
        while waiting := self.in_waiting:
            self.read(waiting)

    def _reconfigure_port(self, **_: Any) -> None:
        """pyserial calls it when a line setting changes; there is no line to set."""

    def _need_open(self) -> None:
        if not self.is_open:
            raise serial.PortNotOpenError


def _unplugged(error: OSError) -> serial.SerialException:
    return serial.SerialException(error.errno or errno.EIO, f"device disconnected: {error}")

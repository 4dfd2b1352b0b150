"""How the simulated world is reached: in this thread under the virtual clock, or over sockets in a process of its own.

a socket a camera carries JSON lines both ways; its pictures lie in memory that both processes map:
[ one byte a slot: 1 while the recorder has it | padding to 4096 | slot 0 | slot 1 | ... ]
"""

from __future__ import annotations

import json
import mmap
import os
import socket
from collections import deque
from math import prod

import numpy as np

from rig import host
from rig.sim.camera import Link, world_lost
from rig.sim.sensor import Message
from rig.sim.world import PoolShape, World, empty_pool
from rig.streams import Picture

PAGE = 4096


class LocalLink(Link):
    """A link to a world in the same thread: requests are done at once, messages wait until they are asked for."""

    def __init__(self, name: str, world: World, shape: PoolShape) -> None:
        self._name, self._world = name, world
        self._messages: deque[Message] = deque()
        self.pool, self.states = empty_pool(shape)
        world.attach(name, self._messages.append, self.pool, self.states)

    @property
    def is_telling(self) -> bool:
        """Whether a message waits."""
        return bool(self._messages)

    def send(self, message: Message) -> None:
        """See Link.send."""
        self._world.command(self._name, message, self._world.now_ns)

    def receive(self, timeout_s: float) -> Message | None:  # noqa: ARG002  virtual time: there is nobody to wait for
        """See Link.receive."""
        return self._messages.popleft() if self._messages else None

    def close(self) -> None:
        """See Link.close."""


class JsonSocket:
    """JSON lines over a socket, for either end."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._buffer = b""
        self._ready: deque[Message] = deque()

    def send(self, message: Message) -> None:
        """Send one message. Raises OSError when the far end is gone."""
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Message | None:
        """The next message, within the socket's own timeout; None on time-out. Raises EOFError at the end."""
        if not self._ready:
            self.read()
        return self._ready.popleft() if self._ready else None

    def read(self) -> deque[Message]:
        """Read what is there and return all messages that wait. Raises EOFError at the end."""
        try:
            data = self.socket.recv(1 << 16)
        except (TimeoutError, BlockingIOError):
            return self._ready
        if not data:
            raise EOFError
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._ready.extend(json.loads(line) for line in lines)
        return self._ready


def map_pool(fd: int, shape: PoolShape) -> tuple[Picture, Picture]:
    """Pool and slot states in shared memory; the mapping lives as long as the arrays."""
    memory = mmap.mmap(fd, pool_bytes(shape))
    states = np.frombuffer(memory, np.uint8, shape.slots)
    pool = np.frombuffer(memory, shape.dtype, shape.slots * prod(shape.picture), _padded(shape.slots))
    return pool.reshape(shape.slots, *shape.picture), states


def pool_bytes(shape: PoolShape) -> int:
    """Size of a shared pool, with its states."""
    return _padded(shape.slots) + shape.slots * prod(shape.picture) * np.dtype(shape.dtype).itemsize


def _padded(slots: int) -> int:
    return -(-slots // PAGE) * PAGE


class SocketLink(Link):
    """A link to a world in another process."""

    def __init__(self, name: str, shape: PoolShape) -> None:
        self._name = name
        near, self.far = socket.socketpair()
        self._socket = JsonSocket(near)
        self.memory = host.shared_memory(f"rig-{name}", pool_bytes(shape))
        self.pool, self.states = map_pool(self.memory, shape)
        self.pool[:] = 0  # touched before the run, so that no frame waits for a page

    def hand_over(self) -> None:
        """The other process has its ends now; drop them here."""
        self.far.close()
        os.close(self.memory)

    def send(self, message: Message) -> None:
        """See Link.send."""
        try:
            self._socket.send(message)
        except OSError:
            raise world_lost(self._name) from None

    def receive(self, timeout_s: float) -> Message | None:
        """See Link.receive."""
        try:
            self._socket.socket.settimeout(max(timeout_s, 1e-6))
            return self._socket.receive()
        except (EOFError, OSError):
            raise world_lost(self._name) from None

    def close(self) -> None:
        """See Link.close."""
        self._socket.socket.close()

"""The events that the simulated box has to tell, in their order; edges are dropped when there is no room.

Events are numbered when they leave. Those that were dropped take their numbers together, before the message that
follows: so what is missing is known exactly, and a message still holds as many events as it can.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rig.trigger import wire

ROOM = 64  # events that wait
KEPT_FOR_PULSES = 24  # of these, for everything but edges at the inputs


class _Waiting(NamedTuple):
    run_id: int
    event: wire.Event


class EventQueue:
    """Events that wait for the line. `bounded`: it holds no more than the memory of a small chip."""

    def __init__(self, *, bounded: bool) -> None:
        self.dropped = self.deepest = 0
        self.next_seq = 0  # number of the next event that will be sent, 32 bits
        self._bounded = bounded
        self._waiting: deque[_Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: wire.Event, run_id: int) -> None:
        """Keep an event while there is room: edges leave room for pulses."""
        is_edge = event.kind & 0xF0 in (wire.Kind.RISE, wire.Kind.FALL)
        if self._bounded and len(self._waiting) >= ROOM - KEPT_FOR_PULSES * is_edge:
            self.dropped += 1
            self._count(1)
            return
        self._waiting.append(_Waiting(run_id, event))
        self.deepest = max(self.deepest, len(self._waiting))

    def take(self) -> wire.Events:
        """The next message: events of one run. There must be one that waits."""
        run_id, first_seq = self._waiting[0].run_id, self.next_seq
        batch: list[wire.Event] = []
        while self._waiting and len(batch) < wire.MAX_EVENTS and self._waiting[0].run_id == run_id:
            batch.append(self._waiting.popleft().event)
        self._count(len(batch))
        return wire.Events(run_id, first_seq, tuple(batch))

    def _count(self, events: int) -> None:
        self.next_seq = (self.next_seq + events) % 2**32

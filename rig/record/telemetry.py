"""How recording itself goes: which frames wait in their cameras' buffers, and how long the disk takes.

    camera --took--> the camera's own buffers --gave--> camera       a queue for each stream, counted, never copied
                     writer, syncer ----------> disk                 how long each call took

Looked at once a second (`stock`). Told of by all threads; none of them waits for more than an addition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rig.clock import Clock
from rig.record.messages import DiskUse, Queue, Stock
from rig.streams import Frame


class _Waiting:
    """The frames of one camera whose buffers were not given back yet."""

    def __init__(self, buffers: int) -> None:
        self._buffers = buffers
        self._arrived_ns: dict[int, int] = {}  # by the frame's identity, oldest first
        self._deepest = self._span_ns = self._longest_ns = 0

    def took(self, frame: Frame) -> None:
        self._arrived_ns[id(frame)] = frame.arrived_host_ns
        if len(self._arrived_ns) >= self._deepest:
            self._deepest = len(self._arrived_ns)
            self._span_ns = frame.arrived_host_ns - next(iter(self._arrived_ns.values()))

    def gave(self, frame: Frame, now: int) -> None:
        waited_ns = now - self._arrived_ns.pop(id(frame), now)
        if waited_ns > self._longest_ns:
            self._longest_ns = waited_ns

    def queue(self, stream: str, now: int) -> Queue:
        """How it stands; what is the most from now on begins with what waits now."""
        arrived_ns = list(self._arrived_ns.values())
        longest_ns = max(self._longest_ns, now - min(arrived_ns, default=now))
        found = Queue(self._buffers, stream, now, len(arrived_ns), self._deepest, self._span_ns, longest_ns)
        self._deepest, self._longest_ns = len(arrived_ns), 0
        self._span_ns = arrived_ns[-1] - arrived_ns[0] if arrived_ns else 0
        return found


class _Calls:
    """Calls of one kind, made by one thread: how many returned, and how long they took. Times are ns."""

    def __init__(self) -> None:
        self._began_ns: int | None = None
        self._count = self._total_ns = self._longest_ns = 0

    def began(self, now: int) -> None:
        """One assignment: needs no lock."""
        self._began_ns = now

    def returned(self, now: int) -> None:
        took_ns = now - self._began_ns if self._began_ns is not None else 0
        self._began_ns = None
        self._count += 1
        self._total_ns += took_ns
        if took_ns > self._longest_ns:
            self._longest_ns = took_ns

    def taken(self, now: int) -> tuple[int, int, int]:
        """Count, sum and longest since this was last asked; one that has not returned counts for the longest."""
        under_way_ns = now - self._began_ns if self._began_ns is not None else 0
        found = self._count, self._total_ns, max(self._longest_ns, under_way_ns)
        self._count = self._total_ns = self._longest_ns = 0
        return found


class Telemetry:
    """What there is to measure of one recording."""

    def __init__(self, clock: Clock, buffers: Mapping[str, int], free_bytes: Callable[[], int]) -> None:
        """`buffers`: frames that each camera's buffers hold. `free_bytes` of the session's disk; may raise OSError."""
        self.free_bytes = -1  # of the session's disk when it was last looked at; -1: the system did not tell
        self._clock, self._look_at_free = clock, free_bytes
        self._lock = threading.Lock()
        self._waiting = {stream: _Waiting(count) for stream, count in buffers.items()}
        self._writes, self._syncs = _Calls(), _Calls()
        self._picture_bytes = 0

    def took(self, frame: Frame) -> None:
        """A frame was taken from its camera, and has one of its buffers."""
        with self._lock:
            self._waiting[frame.stream].took(frame)

    def gave(self, frame: Frame) -> None:
        """A frame's buffer was given back to its camera."""
        with self._lock:
            self._waiting[frame.stream].gave(frame, self._clock.now_ns())

    def writing(self) -> None:
        """The system is about to be handed something. A plain call, as `wrote`: there are two for every frame."""
        self._writes.began(self._clock.now_ns())

    def wrote(self, picture_bytes: int) -> None:
        """What `writing` began has returned, with so many bytes of pictures written."""
        now = self._clock.now_ns()
        with self._lock:
            self._writes.returned(now)
            self._picture_bytes += picture_bytes

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """While a sync is waited for."""
        self._syncs.began(self._clock.now_ns())
        try:
            yield
        finally:
            now = self._clock.now_ns()
            with self._lock:
                self._syncs.returned(now)

    def stock(self, actions: int) -> Stock:
        """All of it since this was last asked; `actions` wait for the writer."""
        self.free_bytes, now = self._free(), self._clock.now_ns()
        with self._lock:
            queues = tuple(waiting.queue(stream, now) for stream, waiting in self._waiting.items())
            writes, writing_ns, longest_write_ns = self._writes.taken(now)
            syncs, syncing_ns, longest_sync_ns = self._syncs.taken(now)
            written, self._picture_bytes = self._picture_bytes, 0
        times = writing_ns, longest_write_ns, syncing_ns, longest_sync_ns
        return Stock(queues, DiskUse(actions, now, writes, syncs, written, *times, self.free_bytes))

    def _free(self) -> int:
        try:
            return self._look_at_free()
        except OSError:
            return -1

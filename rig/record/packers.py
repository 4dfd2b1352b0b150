"""Packs pictures of compressed streams in threads of their own, at ordinary priority, on all cores.

    core --StoreFrame--> take --Packing-----------------------------> writer thread: waits for it, writes the payload
                          +----> packer threads: payload made, camera's buffer given back ---^

The writer takes each picture in its turn among everything else that is to be written, so that the row of a frame never
goes before its picture. Payloads wait in buffers made beforehand. When all are in use, because the disk is slow, frames
wait in their cameras' buffers; the grab threads never wait.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig import host
from rig.record.messages import Action, StoreFrame
from rig.record.plan import RunPlan
from rig.session import packing
from rig.session.layout import data_path
from rig.streams import Frame

WAITING_S = 0.5  # of pictures whose payloads may wait for the disk; a sync holds a write up for 0.3 s at most
LEAST_WAITING = 4

Buffer = NDArray[np.uint8]


@dataclass(frozen=True)
class Kind:
    """The pictures of one data set, and how many of their payloads may wait to be written."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    waiting: int

    @property
    def room(self) -> int:
        """Bytes that the buffer of one payload has."""
        return packing.room_for(self.shape, self.dtype)

    def buffers(self) -> list[Buffer]:
        """A buffer for each, written to once, so that no picture waits for a page of memory."""
        return [np.full(self.room, 0, np.uint8) for _ in range(self.waiting)]


def kinds(plan: RunPlan) -> dict[str, Kind]:
    """The compressed pictures of a run, by their data set."""
    return {
        data_path(spec.name): Kind(
            spec.shape, spec.pixel_format.dtype, max(LEAST_WAITING, plan.frames(spec.name, WAITING_S))
        )
        for spec in plan.streams
        if spec.is_compressed
    }


class Packing:
    """A picture on its way: picture `index` of the data set at `path`."""

    def __init__(self, action: StoreFrame, give_back: Callable[[Packing], None]) -> None:
        self.path, self.index, self.frame = action.path, action.index, action.frame
        self.buffer: Buffer | None = None  # from when a packer begins until the payload is written
        self._give_back = give_back
        self._is_done = threading.Event()
        self._payload: memoryview | None = None
        self._error: Exception | None = None

    def pack(self, release: Callable[[Frame], None]) -> None:
        """Make the payload and give the camera its buffer back. Called by a packer."""
        assert self.buffer is not None
        try:
            try:
                self._payload = packing.pack(self.frame.pixels, self.buffer)
            finally:
                release(self.frame)
        except Exception as exc:  # whatever it is, the writer tells of it
            self._error = exc
        finally:
            self._is_done.set()

    def payload(self) -> memoryview:
        """Wait for it; good until `close`. Raises what packing raised."""
        self._is_done.wait()
        if self._error is not None:
            raise self._error
        assert self._payload is not None
        return self._payload

    def close(self) -> None:
        """Wait for it, and let another picture have its buffer."""
        self._is_done.wait()
        self._give_back(self)


class Packers:
    """The threads. `take` is called by one thread, `Packing` is then the writer's."""

    def __init__(self, of: Mapping[str, Kind], release: Callable[[Frame], None]) -> None:
        self._release = release
        self._free = {path: kind.buffers() for path, kind in of.items()}
        self._jobs: deque[Packing] = deque()
        self._changed, self._is_over = threading.Condition(), False
        count = host.cores() if of else 0
        self._threads = [threading.Thread(target=self._work, name=f"packer-{n}") for n in range(count)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """End when everything that was taken is packed."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def take(self, action: Action) -> Action | Packing:
        """What the writer is to be given for an action; never blocks."""
        if not isinstance(action, StoreFrame) or action.path not in self._free:
            return action
        job = Packing(action, self._give_back)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return job

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.pack(self._release)

    def _next(self) -> Packing | None:
        """The next job, with a buffer; None at the end.

        Always in order, also when the first has to wait and another would not: the writer waits for the first.
        """
        with self._changed:
            while not (self._jobs and self._free[self._jobs[0].path]):
                if self._is_over and not self._jobs:
                    return None
                self._changed.wait()
            job = self._jobs.popleft()
            job.buffer = self._free[job.path].pop()
            self._changed.notify()  # the next one may have what it needs, too
            return job

    def _give_back(self, job: Packing) -> None:
        assert job.buffer is not None
        with self._changed:
            self._free[job.path].append(job.buffer)
            self._changed.notify()
        job.buffer = None

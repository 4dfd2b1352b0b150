"""One interface for every way to store frames, the plainest ways, and the loop that measures them all alike.

    loop --put--> store --flush--> system --fdatasync (a thread of its own, every 0.25 s)--> disk

Needs numpy alone, so that it runs beside any library; see own_stores.py and peer_stores.py for the others.
"""

from __future__ import annotations

import os
import queue
import resource
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8 | np.uint16]
FLUSH_EVERY = 25  # frames: a quarter of a second at 100 fps
SYNC_EVERY_S = 0.25
PRIVATE = os.O_RDWR | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True)
class Shape:
    """What is to be stored: how many frames, and their size in px; Mono8."""

    frames: int
    height: int
    width: int

    @property
    def frame_bytes(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class Stored:
    """What a file holds: how many frames, each read by its index, or all read in order."""

    frames: int
    read: Callable[[int], Picture]
    in_order: Callable[[], Iterable[Picture]]

    @classmethod
    def one_by_one(cls, frames: int, read: Callable[[int], Picture]) -> Stored:
        return cls(frames, read, lambda: map(read, range(frames)))


class Store(ABC):
    """A new file, or folder, at `path`. All is called by one thread; what `begin_sync` returns, by another."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self.shape = path, shape

    def arriving(self, pictures: Picture) -> Iterator[Picture]:
        """The frames to store, as they reach the thread that stores them."""
        return (stamped(pictures, index) for index in range(self.shape.frames))

    @abstractmethod
    def put(self, index: int, picture: Picture) -> None:
        """Store the next picture; its memory is the caller's again when this returns."""

    def flush(self) -> None:  # noqa: B027
        """Hand everything that was put to the system, as far as the library can."""

    def begin_sync(self) -> Callable[[], None]:
        """What returns when the disk has all that is flushed now."""
        return self.sync

    def sync(self) -> None:
        """Return when the disk has what was flushed."""
        sync_path(self.path)

    @abstractmethod
    def close(self) -> None:
        """Put the file in order and close it."""

    @staticmethod
    @abstractmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:
        """Open what lies at `path` for reading, as a user of the library does: a generator for `contextmanager`."""


class BareWrite(Store):
    """`write()` into a fresh file, and nothing else: the limit."""

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        self._fd = os.open(path, PRIVATE)

    def put(self, index: int, picture: Picture) -> None:  # noqa: ARG002
        view = picture.data.cast("B")
        while view:
            view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:
        frames = path.stat().st_size // shape.frame_bytes
        data = np.memmap(path, np.uint8, "r", shape=(frames, shape.height, shape.width))
        yield Stored.one_by_one(frames, lambda index: np.array(data[index]))


class Fallocated(BareWrite):
    """`write()` into a file whose room was reserved beforehand."""

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        os.posix_fallocate(self._fd, 0, shape.frames * shape.frame_bytes)
        os.fsync(self._fd)


class SyncedAtEnd(BareWrite):
    """`write()` into a fresh file, one fsync at the end: nothing is safe before."""

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        self._put = 0

    def put(self, index: int, picture: Picture) -> None:
        super().put(index, picture)
        self._put += 1

    def sync(self) -> None:
        if self._put == self.shape.frames:
            os.fsync(self._fd)


def sync_path(path: Path) -> None:
    """Sync a file; any descriptor of it will do."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Cost:
    """What storing took: whole time with the last sync, CPU of all threads, longest `put`; closing apart."""

    frames: int
    seconds: float
    cpu_s: float
    longest_put_ms: float
    close_s: float


class _SyncThread:
    """Syncs when asked, one sync at a time; what comes meanwhile goes with the next."""

    def __init__(self, begin_sync: Callable[[], Callable[[], None]]) -> None:
        self._begin_sync = begin_sync
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._due = time.perf_counter() + SYNC_EVERY_S
        self._is_idle = True
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ask(self) -> None:
        """Sync now, when none is under way and SYNC_EVERY_S have passed since the last one began."""
        now = time.perf_counter()
        if self._is_idle and now >= self._due:
            self._is_idle, self._due = False, now + SYNC_EVERY_S
            self._asked.put(self._begin_sync())

    def join(self) -> None:
        """Wait for its end. Raises the OSError of a sync that failed."""
        self._asked.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (sync := self._asked.get()) is not None:
            try:
                sync()
            except OSError as exc:
                self._error = exc
            self._is_idle = True


@contextmanager
def _syncing(store: Store) -> Iterator[_SyncThread]:
    thread = _SyncThread(store.begin_sync)
    try:
        yield thread
    finally:
        thread.join()


def stamped(pictures: Picture, index: int) -> Picture:
    """The picture to store as number `index`: one of `pictures`, its number written into its first pixels."""
    picture: Picture = pictures[index % len(pictures)]
    picture[0, :8] = np.frombuffer(index.to_bytes(8, "little"), np.uint8)
    return picture


def put_all(store: Store, pictures: Picture, on_flush: Callable[[int], None]) -> float:
    """Put all frames, flushing every FLUSH_EVERY; `on_flush` is told how many were flushed. The longest `put`, s."""
    longest_s = 0.0
    for index, picture in enumerate(store.arriving(pictures)):
        began = time.perf_counter()
        store.put(index, picture)
        longest_s = max(longest_s, time.perf_counter() - began)
        if (index + 1) % FLUSH_EVERY == 0:
            store.flush()
            on_flush(index + 1)
    store.flush()
    return longest_s


def measure(store: Store, pictures: Picture) -> Cost:
    """Store all frames with a sync every SYNC_EVERY_S from a thread of its own, then close."""
    began, cpu_began_s = time.perf_counter(), cpu_s()
    with _syncing(store) as thread:
        longest_s = put_all(store, pictures, lambda _flushed: thread.ask())
    store.begin_sync()()
    done = time.perf_counter()
    cost_cpu_s = cpu_s() - cpu_began_s
    store.close()
    return Cost(store.shape.frames, done - began, cost_cpu_s, longest_s * 1e3, time.perf_counter() - done)


def cpu_s() -> float:
    """CPU seconds of this process, all threads, the system's work for it included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

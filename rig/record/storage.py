"""Carries out what the core wants written, and lets the disk acknowledge it.

    core --actions--> queue --> writer thread (frames, rows, flush) --ticket--> sync thread --Synced--> core

The grab threads never wait for any of it: a frame waits in its camera's own buffer, which the writer gives back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rig import host
from rig.clock import NS, Clock
from rig.errors import StorageError
from rig.record.messages import (
    Action,
    AppendRow,
    AppendText,
    CloseFile,
    DeviceFailed,
    Event,
    ReleaseFrame,
    StoreFrame,
    Synced,
    TableFull,
)
from rig.session.layout import LOG, Outcome
from rig.session.writer import SessionWriter
from rig.streams import Frame

FLUSH_NS = NS // 4


@dataclass(frozen=True, slots=True)
class Ticket:
    """Frames that the system has been handed and the disk has not acknowledged."""

    frames: int
    oldest_arrived_host_ns: int


class Storage:
    """The writing itself, for one thread."""

    def __init__(self, writer: SessionWriter, release: Callable[[Frame], None]) -> None:
        self.writer = writer
        self.stored_bytes = 0
        self._release = release
        self._rows: list[int] = []  # arrival of each frame whose row waits for the flush
        self._unsynced: list[int] = []  # arrival of each frame that the system has, and the disk may not
        self._has_failed = False
        self._full: set[str] = set()  # tables told of

    def do(self, action: Action) -> None:
        """Write what one action asks for. Raises StorageError once; after that frames are only given back."""
        match action:
            case StoreFrame():
                self._store(action)
            case ReleaseFrame():
                self._release(action.frame)
            case AppendRow() if not self._has_failed:
                self.writer.append(action.path, action.row)
                if action.arrived_host_ns >= 0:
                    self._rows.append(action.arrived_host_ns)
            case AppendText() if not self._has_failed:
                with self._writing():
                    self.writer.append_text(action.path, action.host_ns, action.record)

    def flush(self) -> None:
        """Hand all rows to the system. Raises StorageError once."""
        if self._has_failed:
            return
        with self._writing():
            self.writer.flush()
        self._unsynced += self._rows
        self._rows.clear()

    def newly_full(self) -> list[TableFull]:
        """Tables that dropped a row for the first time since this was last asked."""
        full = self.writer.dropped().keys() - self._full
        self._full |= full
        return [TableFull(table) for table in sorted(full)]

    def take_ticket(self) -> Ticket:
        """What a sync that begins now will acknowledge: frames whose picture and row the system has."""
        ticket = Ticket(len(self._unsynced), min(self._unsynced, default=-1))
        self._unsynced.clear()
        return ticket

    def _store(self, action: StoreFrame) -> None:
        try:
            if not self._has_failed:
                with self._writing():
                    self.writer.store_frame(action.path, action.index, action.frame.pixels)
                self.stored_bytes += action.frame.pixels.nbytes
        finally:
            self._release(action.frame)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            self.fail()
            raise

    def close(self, outcome: Outcome, host_ns: int) -> None:
        """Put the file in order; rows that a full table did not take are told in its log. Raises StorageError."""
        for table, rows in self.writer.dropped().items():
            text = f"{rows} rows of {table} did not fit into the room that was reserved"
            record = {"kind": "alarm", "stream": "disk", "text": text, "table": table, "rows": rows}
            self.writer.append_text(LOG, host_ns, record)
        self.writer.close(outcome)

    def fail(self) -> None:
        """The disk refused: nothing is written any more."""
        self._has_failed = True


def sync(writer: SessionWriter, ticket: Ticket, clock: Clock) -> Synced:
    """Wait until the disk acknowledges a ticket. Raises OSError."""
    started = clock.now_ns()
    host.sync_data(writer.fd)
    return Synced(ticket.frames, ticket.oldest_arrived_host_ns, started, clock.now_ns())


class StorageThreads:
    """A writer thread and a sync thread around a Storage."""

    def __init__(self, storage: Storage, clock: Clock, tell: Callable[[Event], None]) -> None:
        self._storage, self._clock, self._tell = storage, clock, tell
        # No SimpleQueue: on CPython 3.11 a timed `get` of one that is woken without an item may wait for ever.
        self._actions: queue.Queue[Action] = queue.Queue()
        self._tickets: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._is_syncing = False
        self.close_error: StorageError | None = None
        self._threads = [
            threading.Thread(target=self._write, name="writer"),
            threading.Thread(target=self._sync, name="syncer"),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def do(self, action: Action) -> None:
        """Queue an action; never blocks."""
        self._actions.put(action)

    def join(self) -> None:
        """Wait until CloseFile is done."""
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """Actions that the writer has not got to."""
        return self._actions.qsize()

    def _write(self) -> None:
        host.ask_real_time(host.Priority.RECORDER)
        due = self._clock.now_ns() + FLUSH_NS
        while True:
            try:
                action = self._actions.get(timeout=max(0.0, (due - self._clock.now_ns()) / NS))
            except queue.Empty:
                action = None
            if isinstance(action, CloseFile):
                self._close(action)
                return
            if action is not None:
                self._attempt(partial(self._storage.do, action))
            if self._clock.now_ns() >= due:
                due = self._clock.now_ns() + FLUSH_NS
                self._attempt(self._flush)

    def _flush(self) -> None:
        """Rows go to the system in any case; at most one sync is under way, what comes meanwhile goes with the next."""
        self._storage.flush()
        for event in self._storage.newly_full():
            self._tell(event)
        if not self._is_syncing:
            self._is_syncing = True
            self._tickets.put(self._storage.take_ticket())

    def _sync(self) -> None:
        host.ask_real_time(host.Priority.RECORDER)
        while (ticket := self._tickets.get()) is not None:
            self._attempt(partial(self._sync_one, ticket))
            self._is_syncing = False

    def _sync_one(self, ticket: Ticket) -> None:
        synced = sync(self._storage.writer, ticket, self._clock)
        if ticket.frames:
            self._tell(synced)

    def _close(self, action: CloseFile) -> None:
        self._tickets.put(None)
        self._threads[1].join()
        self.close_error = self._attempt(lambda: self._storage.close(action.outcome, self._clock.now_ns()))

    def _attempt(self, work: Callable[[], None]) -> StorageError | None:
        """Do it; whatever goes wrong ends the run in order, and never this thread: buffers must be given back."""
        path, device = str(self._storage.writer.path), "disk"
        try:
            work()
        except StorageError as exc:
            error = exc
        except OSError as exc:
            error = StorageError(path, f"was not written: {exc.strerror}")
        except Exception as exc:  # a bug here would otherwise stop all storing without a word
            error, device = StorageError(path, f"was not written, by a fault of this program: {exc!r}"), "recorder"
        else:
            return None
        self._storage.fail()
        self._tell(DeviceFailed(device, error))
        return error

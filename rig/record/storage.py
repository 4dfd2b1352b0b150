"""Carries out what the core wants written, and lets the disk acknowledge it.

    core --actions--> queue --> writer thread (frames, rows, flush) --ticket--> sync thread --Synced--> core
                        +-- packers.py: pictures of compressed streams, on their way

The grab threads never wait for any of it: a frame waits in its camera's own buffer, which the writer gives back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rig import host
from rig.clock import NS, Clock
from rig.errors import RigError, StorageError
from rig.record.messages import (
    Action,
    AppendRow,
    AppendText,
    CloseFile,
    DeviceFailed,
    Event,
    NextFile,
    ReleaseFrame,
    RoomAdded,
    RoomRefused,
    StoreFrame,
    Synced,
    TableFull,
)
from rig.record.packers import Kind, Packers, Packing
from rig.record.rows import row_of
from rig.record.telemetry import Telemetry
from rig.session.files import RunFiles
from rig.session.layout import LOG, Outcome
from rig.session.packing import pack
from rig.session.writer import SessionWriter
from rig.streams import Frame

FLUSH_NS = NS // 4
LAST_WORDS = 100  # what is told of a failure goes to the log with the close
REPORT = "Report it; the log in the run file says more"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Frames that the system has been handed and the disk has not acknowledged."""

    frames: int
    oldest_arrived_host_ns: int
    files: tuple[SessionWriter, ...] = ()  # in which they lie


class Storage:
    """The writing itself, for one thread."""

    def __init__(
        self,
        writer: RunFiles,
        release: Callable[[Frame], None],
        telemetry: Telemetry,
        compressed: Mapping[str, Kind] | None = None,
    ) -> None:
        """`compressed`: the data sets whose pictures are packed; see packers.kinds."""
        self.writer, self.telemetry = writer, telemetry
        self.compressed = compressed or {}
        self._scratch = {path: np.empty(kind.room, np.uint8) for path, kind in self.compressed.items()}
        self.stored_bytes = 0
        self.release = release
        self._rows: list[int] = []  # arrival of each frame whose row waits for the flush
        self._unsynced: list[int] = []  # arrival of each frame that the system has, and the disk may not
        self._failure: StorageError | None = None
        self._longest_ns: int | None = None  # that a frame waited until the disk had acknowledged it
        self._last_words: list[AppendText] = []  # of the log, once nothing else is written
        self._full: set[str] = set()  # tables told of

    def do(self, action: Action | Packing) -> None:
        """Write what one action asks for. Raises StorageError once; after that frames are only given back."""
        match action:
            case StoreFrame():
                self._store(action)
            case AppendRow() if self._failure is None:
                self.writer.append(action.path, action.row)
                if action.arrived_host_ns >= 0:
                    self._rows.append(action.arrived_host_ns)
            case Packing():
                self._store_packed(action)
            case ReleaseFrame():
                self.release(action.frame)
            case AppendText() if self._failure is None:
                self._write(0, self.writer.append_text, action.path, action.host_ns, action.record)
            case AppendText() if action.path == LOG and len(self._last_words) < LAST_WORDS:
                self._last_words.append(action)
            case NextFile():
                self.writer.go_on(action.first)

    def flush(self) -> None:
        """Hand all rows to the system. Raises StorageError once."""
        if self._failure is not None:
            return
        self._write(0, self.writer.flush)
        self._unsynced += self._rows
        self._rows.clear()

    def newly_full(self) -> list[TableFull]:
        """Tables that dropped a row for the first time since this was last asked."""
        full = self.writer.dropped().keys() - self._full
        self._full |= full
        return [TableFull(table) for table in sorted(full)]

    def take_ticket(self) -> Ticket:
        """What a sync that begins now will acknowledge: frames whose picture and row the system has."""
        ticket = Ticket(len(self._unsynced), min(self._unsynced, default=-1), self.writer.take_unsynced())
        self._unsynced.clear()
        return ticket

    def note_sync(self, synced: Synced) -> None:
        """Keep the row of a sync that has returned; one that acknowledged no frame has none."""
        if synced.frames:
            self.do(row_of(synced))
            self._longest_ns = max(synced.returned_host_ns - synced.oldest_arrived_host_ns, self._longest_ns or 0)

    @property
    def slowest_ms(self) -> float | None:
        """The longest from a frame's arrival until the disk had acknowledged it; None when not all were, or none."""
        return None if self._failure is not None or self._longest_ns is None else self._longest_ns / 1e6

    def _store(self, action: StoreFrame) -> None:
        try:
            if self._failure is not None:
                return
            if action.path in self._scratch:
                payload = pack(action.frame.pixels, self._scratch[action.path])
                self._write_payload(action.path, action.index, payload)
            else:
                pixels = action.frame.pixels
                self._write(pixels.nbytes, self.writer.store_frame, action.path, action.index, pixels)
        finally:
            self.release(action.frame)

    def _store_packed(self, packing: Packing) -> None:
        """Write what packer threads have made of a picture; they have given its frame back already."""
        try:
            if self._failure is None:
                self._write_payload(packing.path, packing.index, packing.payload())
        finally:
            packing.close()

    def _write_payload(self, path: str, index: int, payload: memoryview) -> None:
        self._write(len(payload), self.writer.store_packed, path, index, payload)

    def _write(self, picture_bytes: int, hand_over: Callable[..., object], *what: object) -> None:
        """Hand something to the system, of which so many bytes are pictures. Raises StorageError, the last."""
        written = 0
        self.telemetry.writing()
        try:
            hand_over(*what)
            written = picture_bytes
        except StorageError as error:
            self._failure = error
            raise
        finally:
            self.telemetry.wrote(written)
        self.stored_bytes += written

    def close(self, outcome: Outcome, clock: Clock) -> None:
        """Put the file in order; rows that a full table did not take are told in its log. Raises StorageError.

        A disk that does not take the last words may still let the file be put in order. What has failed since the core
        decided on an orderly outcome makes it none.
        """
        refused = self._failure if outcome.is_orderly else None
        try:
            self._say_last(outcome, clock.now_ns())
            self._sync_last(clock)
        except StorageError as error:
            refused = error if outcome is not Outcome.DISK_FULL else None
        self.writer.close(outcome if refused is None else Outcome.CLOSE_FAILED)
        if refused is not None:
            raise refused

    def _say_last(self, outcome: Outcome, host_ns: int) -> None:
        if outcome is not Outcome.DISK_FULL:
            for told in self._last_words:
                self.writer.append_text(told.path, told.host_ns, told.record)
        for table, rows in self.writer.dropped().items():
            text = f"{rows} rows of {table} did not fit into the room that was reserved"
            record = {"kind": "alarm", "stream": "disk", "text": text, "table": table, "rows": rows}
            self.writer.append_text(LOG, host_ns, record)

    def _sync_last(self, clock: Clock) -> None:
        """Acknowledge what the close would, while there can still be a row about it."""
        if self._failure is not None:
            return
        self.flush()
        try:
            with self.telemetry.syncing():
                self.note_sync(sync(self.take_ticket(), clock))
        except OSError as exc:
            raise self._not_written(exc) from exc

    def failed(self, exc: Exception) -> DeviceFailed:
        """Write nothing any more; what the core is told of an exception of this class or of a sync."""
        device = "disk" if isinstance(exc, OSError | StorageError) else "recorder"
        match exc:
            case StorageError():
                self._failure = exc
            case OSError():
                self._failure = self._not_written(exc)
            case _:
                self._failure = _fault(self.writer, "was not written", exc)
        return DeviceFailed(device, self._failure)

    def _not_written(self, exc: OSError) -> StorageError:
        return StorageError(str(self.writer.path), f"was not written: {exc.strerror}")


def _fault(files: RunFiles, problem: str, cause: Exception) -> StorageError:
    """What is told of an exception that nobody foresaw; its own words go to the log."""
    error = StorageError(str(files.path), f"{problem}, by a fault of this program", hint=REPORT)
    error.__cause__ = cause
    return error


def sync(ticket: Ticket, clock: Clock) -> Synced:
    """Wait until the disk acknowledges a ticket. Raises OSError."""
    started = clock.now_ns()
    for file in ticket.files:
        file.sync()
    return Synced(ticket.frames, ticket.oldest_arrived_host_ns, started, clock.now_ns())


def next_file(files: RunFiles) -> RoomAdded | RoomRefused:
    """Make the next file of a run; whatever goes wrong is told, and the run can end in order in the present one."""
    try:
        return RoomAdded(*files.arm_next())
    except RigError as error:
        return RoomRefused(error, Outcome.DISK_FULL)
    except OSError as exc:
        refused = StorageError(str(files.path), f"gets no further file: {exc.strerror}")
        return RoomRefused(refused, Outcome.DISK_FULL)
    except Exception as exc:  # a bug here must not end a recording that still has room
        return RoomRefused(_fault(files, "gets no further file", exc), Outcome.FAILED)


class StorageThreads:
    """A writer thread and a sync thread around a Storage, and one that makes a further file when it is needed."""

    def __init__(self, storage: Storage, clock: Clock, tell: Callable[[Event], None]) -> None:
        self._storage, self._clock, self._tell = storage, clock, tell
        # No SimpleQueue: on CPython 3.11 a timed `get` of one that is woken without an item may wait for ever.
        self._actions: queue.Queue[list[Action | Packing]] = queue.Queue()
        self._held: list[Action | Packing] = []
        self._taken = self._done = 0  # actions
        self._packers = Packers(storage.compressed, storage.release)
        self._tickets: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._returned: queue.SimpleQueue[Synced] = queue.SimpleQueue()
        self._wanted: queue.SimpleQueue[RunFiles | None] = queue.SimpleQueue()  # those that need another
        self._is_syncing = False
        self._is_awaited = False  # the sync under way, by frames that came too late for it
        self.close_error: RigError | None = None
        self._threads = [
            threading.Thread(target=self._write, name="writer"),
            threading.Thread(target=self._sync, name="syncer"),
            threading.Thread(target=self._make_files, name="successor"),
        ]

    def start(self) -> None:
        """Begin."""
        self._packers.start()
        for thread in self._threads:
            thread.start()

    def do(self, action: Action) -> None:
        """Keep an action for the next `hand_over`; never blocks. Waking the writer for each costs more than it does.

        Pictures that are to be packed do not wait: the packers have them at once.
        """
        self._held.append(self._packers.take(action))
        self._taken += 1
        if isinstance(action, CloseFile):
            self.hand_over()

    def hand_over(self) -> None:
        """Give the writer what was kept, by the thread that calls `do`; to be called many times a second."""
        if self._held:
            self._actions.put(self._held)
            self._held = []

    def join(self) -> None:
        """Wait until CloseFile is done."""
        for thread in self._threads:
            thread.join()
        self._packers.join()

    @property
    def waiting(self) -> int:
        """Actions that the writer has not got to."""
        return self._taken - self._done

    def _write(self) -> None:
        host.ask_real_time(host.Priority.RECORDER)
        due = self._clock.now_ns() + FLUSH_NS
        while True:
            for action in self._next(due):
                if isinstance(action, CloseFile):
                    self._close(action)
                    return
                self._attempt(self._storage.do, action)
                self._done += 1
            self._note_syncs()
            if self._clock.now_ns() >= due or (self._is_awaited and not self._is_syncing):
                due = self._clock.now_ns() + FLUSH_NS
                self._attempt(self._flush)

    def _next(self, due: int) -> list[Action | Packing]:
        """What is to be done, or nothing when it does not come before `due`, host ns."""
        try:
            return self._actions.get(timeout=max(0.0, (due - self._clock.now_ns()) / NS))
        except queue.Empty:
            return []

    def _flush(self) -> None:
        """Rows go to the system in any case; at most one sync is under way, what comes meanwhile goes with the next."""
        self._storage.flush()
        for event in self._storage.newly_full():
            self._tell(event)
        if self._storage.writer.ask_next():
            self._wanted.put(self._storage.writer)
        self._is_awaited = self._is_syncing  # looked at once: one that ends meanwhile wakes the writer
        if not self._is_awaited:
            self._is_syncing = True
            self._tickets.put(self._storage.take_ticket())

    def _sync(self) -> None:
        host.ask_real_time(host.Priority.RECORDER)
        while (ticket := self._tickets.get()) is not None:
            self._attempt(self._sync_one, ticket)
            self._is_syncing = False
            self._actions.put([])  # wakes the writer: what came meanwhile waits for the next sync

    def _sync_one(self, ticket: Ticket) -> None:
        with self._storage.telemetry.syncing():
            synced = sync(ticket, self._clock)
        self._returned.put(synced)
        if ticket.frames:
            self._tell(synced)

    def _note_syncs(self) -> None:
        """In the writer's thread, which alone writes; the core may be gone when the last ones return."""
        while not self._returned.empty():
            self._attempt(self._storage.note_sync, self._returned.get())

    def _make_files(self) -> None:
        """At ordinary priority: it takes a second of time, and nobody waits for it."""
        while (files := self._wanted.get()) is not None:
            self._tell(next_file(files))

    def _close(self, action: CloseFile) -> None:
        self._tickets.put(None)
        self._wanted.put(None)
        for thread in self._threads[1:]:
            thread.join()
        self._note_syncs()
        self.close_error = self._attempt(self._storage.close, action.outcome, self._clock)

    def _attempt(self, work: Callable[..., None], *of: object) -> RigError | None:
        """Do it; whatever goes wrong ends the run in order, and never this thread: buffers must be given back."""
        try:
            work(*of)
        except Exception as exc:  # a bug here would otherwise stop all storing without a word
            failed = self._storage.failed(exc)
            self._tell(failed)
            return failed.error
        return None

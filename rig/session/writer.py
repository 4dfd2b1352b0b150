"""Writes one run file so that whatever was acknowledged survives anything.

While a run is recorded there are only plain writes, to places known since it was armed (arming.py), and syncs that
acknowledge them. HDF5 comes back for `close` alone (closing.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rig import host
from rig.errors import StorageError
from rig.session import layout
from rig.session.arming import Header, arm
from rig.session.closing import close_file
from rig.session.journal import part_of
from rig.session.layout import Outcome, Room, Table
from rig.streams import Picture


@dataclass
class _Rows:
    """A table's place in the file and the rows that wait for the next flush."""

    table: Table
    offset: int
    written: int = 0
    dropped: int = 0
    pending: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.written + len(self.pending)


class SessionWriter:
    """One run file, open for recording. All methods are called by one thread, but `sync` by another."""

    def __init__(self, path: Path, header: Header, room: Room) -> None:
        """Create `path`, reserve all its room and sync it. Raises SessionExists, StorageError."""
        self.path = path
        self._stored: dict[str, int] = {}
        self.fd, places = arm(path, header, room)
        self._rows = {p: _Rows(table, places.rows[p]) for p, table in places.tables.items()}
        self._logs, self._text_used = places.logs, dict.fromkeys(places.logs, 0)
        self._text_offsets, self._frame_offsets = places.texts, places.pictures
        self._compressed, self._heap, self._heap_used = places.compressed, places.heap, 0
        self._pictures_from = places.pictures_from

    def store_frame(self, path: str, index: int, pixels: Picture) -> None:
        """Write one picture, shaped as in rig.pixels, at its place. Raises StorageError; the file keeps what it had."""
        self._write(pixels.data, self._frame_offsets[path][index])
        self._stored[path] = index + 1

    def store_packed(self, path: str, index: int, payload: memoryview) -> None:
        """Write the payload of picture `index`, the next one of its data set. Raises StorageError, as `store_frame`."""
        rows = layout.packed_path(path)
        assert self._rows[rows].count == index, "the rows of packed pictures are in the order of the pictures"
        self._write(payload, self._heap + self._heap_used)
        self.append(rows, (len(payload), self._heap_used))
        self._heap_used += len(payload)

    def append(self, path: str, row: tuple[Any, ...]) -> None:
        """Add a row, without its `seq`, to a table; it reaches the file with the next `flush`.

        A full table drops the row and counts it: a flood of edges must not end a recording.
        """
        rows = self._rows[path]
        if rows.count >= rows.table.capacity:
            rows.dropped += 1
            return
        rows.pending.append((rows.count + 1, *row))

    def append_text(self, path: str, host_ns: int, record: Mapping[str, Any]) -> None:
        """Add a JSON record to a text log. Raises StorageError.

        One that does not fit is dropped and counted. The outcome, and what tells of dropped rows, have room kept.
        """
        # Half a letter, as a broken input method may send it, has no UTF-8; its escape says the same in JSON.
        data = json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace")
        log, used = self._logs[path], self._text_used[path]
        rows, is_last = f"{path}/rows", record.get("kind") == "outcome" or "table" in record
        kept_rows, kept_bytes = (0, 0) if is_last else (log.last_rows, log.last_bytes)
        if used + len(data) > log.text_bytes - kept_bytes or self.left(rows) <= kept_rows:
            self._rows[rows].dropped += 1
            return
        self._write(memoryview(data), self._text_offsets[path] + used)
        self._text_used[path] = used + len(data)
        self.append(rows, (len(data), used, host_ns))

    def flush(self) -> bool:
        """Hand all waiting rows to the system; whether there were any. Raises StorageError."""
        waiting = [rows for rows in self._rows.values() if rows.pending]
        for rows in waiting:
            data = np.array(rows.pending, rows.table.dtype).tobytes()
            self._write(memoryview(data), rows.offset + rows.written * rows.table.dtype.itemsize)
            rows.written += len(rows.pending)
            rows.pending.clear()
        return bool(waiting)

    def sync(self) -> None:
        """Return when all that was written is on the disk; the system then holds no picture in memory. Raises OSError.

        Otherwise a recording would push everything else out of there, film clips that are shown too, and a system
        without a free page takes twice as long to store a picture.
        """
        host.sync_data(self.fd)
        host.forget(self.fd, self._pictures_from)

    def left(self, path: str) -> int:
        """Rows that still fit into a table, or bytes into the text of a log."""
        if path in self._rows:
            return self._rows[path].table.capacity - self._rows[path].count
        log = path.removesuffix("/text")
        return self._logs[log].text_bytes - self._text_used[log]

    def dropped(self) -> dict[str, int]:
        """Rows that a full table did not take, by table; empty when none."""
        return {path: rows.dropped for path, rows in self._rows.items() if rows.dropped}

    def close(self, outcome: Outcome) -> None:
        """Flush, sync, cut every dataset to what was written, note the outcome, make the file read-only.

        Raises StorageError when the disk refuses; what was synced before stays readable as it is.
        """
        try:
            try:
                self._flush_last(outcome)
                host.sync_file(self.fd)
                close_file(self.path, self._lengths(), outcome)
            finally:
                os.close(self.fd)
        except OSError as exc:
            raise StorageError(str(self.path), f"was not put in order at the end: {exc}") from exc

    def _flush_last(self, outcome: Outcome) -> None:
        """A disk that is full may still take rows into the room reserved for them, or refuse them."""
        try:
            self.flush()
        except StorageError:
            if outcome is not Outcome.DISK_FULL:
                raise

    def discard(self) -> None:
        """Remove the file, into which nothing was written. Raises OSError."""
        os.close(self.fd)
        for path in (self.path, part_of(self.path)):
            host.remove(path)

    def _lengths(self) -> dict[str, int]:
        """How much of each dataset was written."""
        pictures = {path: self._stored.get(path, 0) for path in self._frame_offsets}
        packed = {layout.packed_path(path): path for path in self._compressed}  # each becomes a picture at the close
        rows = {packed.get(path, path): rows.written for path, rows in self._rows.items()}
        return pictures | rows | {f"{path}/text": used for path, used in self._text_used.items()}

    def _write(self, data: memoryview, offset: int) -> None:
        try:
            host.write_at(self.fd, data, offset)
        except OSError as exc:
            raise StorageError(str(self.path), f"refused a write: {exc.strerror}") from exc

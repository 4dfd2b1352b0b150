"""Writes one run over several files, as if they were one.

    index of a picture   0 ........ 899 | 900 ........ 2399 | 2400 ...
    file                 run-01         | run-02            | run-03      each a run file of its own (writer.py)

A session may outlast its plan, and a file never grows. So another is made while the present one is still written, and
everything new goes there: pictures by their index, the row of a picture to the file of that picture, and all else as
it comes. Each file but the first says in its attribute `continues` which one it goes on from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rig import host
from rig.errors import StorageError
from rig.session.arming import Header
from rig.session.layout import Outcome, Room, data_path, frames_path
from rig.session.writer import SessionWriter
from rig.streams import Picture


@dataclass(frozen=True)
class _Part:
    """One file, and the index of its first picture by data set; it has none of a data set that is not among them."""

    writer: SessionWriter
    first: Mapping[str, int]

    def begins(self, path: str) -> int:
        return self.first.get(path, sys.maxsize)


class RunFiles:
    """The files of one run, open for recording. All methods are called by one thread, but `arm_next` by another."""

    def __init__(
        self,
        path_of: Callable[[int], Path],
        header: Header,
        room: Room,
        *,
        least: Mapping[str, int],
        next_room: Callable[[int], Room],
    ) -> None:
        """Make the first file. Raises SessionExists, StorageError.

        `path_of` gives the path of each file by its number; `least`: rows left in a table, or bytes in the text of a
        log, at which the next file is to be made; `next_room`: what that one has room for when so many bytes are free,
        raises StorageError.
        """
        self._path_of, self._header = path_of, header
        self._least, self._next_room = least, next_room
        both = [(spec.name, walk) for spec in room.streams for walk in (True, False)]
        self._pictures_of = {frames_path(name, walk=walk): data_path(name, walk=walk) for name, walk in both}
        self._frame_rows = dict.fromkeys(self._pictures_of, 0)
        self._number = int(header.attributes["run"])  # of the file that was made last
        first = SessionWriter(path_of(self._number), header, room)
        self._parts = [_Part(first, dict.fromkeys(self._pictures_of.values(), 0))]
        self._unsynced = {first}
        self._next: SessionWriter | None = None
        self._is_asked = False

    @property
    def paths(self) -> list[Path]:
        """The files so far, in order."""
        return [part.writer.path for part in self._parts]

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self._now.path

    @property
    def _now(self) -> SessionWriter:
        return self._parts[-1].writer

    # --- one file after another ------------------------------------------------------------------------------

    def ask_next(self) -> bool:
        """Whether the next file should be made now, because the present one is nearly full; true once for each."""
        if self._is_asked or all(self._now.left(table) > rows for table, rows in self._least.items()):
            return False
        self._is_asked = True
        return True

    def arm_next(self) -> tuple[int, dict[str, int]]:
        """Make the next file, beside what is written; its number, and room for how many frames of each stream.

        Called by any one thread. Raises SessionExists, StorageError.
        """
        room = self._next_room(host.free_bytes(self.path.parent))
        number = self._number + 1
        more = {"run": number, "continues": self._number}
        header = replace(self._header, attributes=self._header.attributes | more)
        self._next = SessionWriter(self._path_of(number), header, room)
        self._number = number
        return number, {spec.name: spec.capacity for spec in room.streams}

    def go_on(self, first: Mapping[str, int]) -> None:
        """From now on write to the file that was made last; `first`: index of its first picture by data set."""
        assert self._next is not None, "no file was made"
        self._parts.append(_Part(self._next, dict(first)))
        self._next, self._is_asked = None, False

    def _of_picture(self, path: str, index: int) -> _Part:
        last = self._parts[-1]  # nearly always
        if index >= last.begins(path):
            return last
        return next(part for part in reversed(self._parts) if part.begins(path) <= index)

    # --- writing ---------------------------------------------------------------------------------------------

    def store_frame(self, path: str, index: int, pixels: Picture) -> None:
        """See SessionWriter.store_frame; `index` counts over all files."""
        part = self._of_picture(path, index)
        part.writer.store_frame(path, index - part.begins(path), pixels)
        self._unsynced.add(part.writer)

    def store_packed(self, path: str, index: int, payload: memoryview) -> None:
        """See SessionWriter.store_packed; `index` counts over all files."""
        part = self._of_picture(path, index)
        part.writer.store_packed(path, index - part.begins(path), payload)
        self._unsynced.add(part.writer)

    def append(self, path: str, row: tuple[Any, ...]) -> None:
        """See SessionWriter.append. The rows of frames lie beside their pictures, whatever was begun meanwhile."""
        writer = self._now
        if path in self._frame_rows:
            writer = self._of_picture(self._pictures_of[path], self._frame_rows[path]).writer
            self._frame_rows[path] += 1
        writer.append(path, row)

    def append_text(self, path: str, host_ns: int, record: Mapping[str, Any]) -> None:
        """See SessionWriter.append_text."""
        self._now.append_text(path, host_ns, record)
        self._unsynced.add(self._now)

    def flush(self) -> None:
        """Hand all waiting rows to the system. Raises StorageError."""
        for part in self._parts:
            if part.writer.flush():
                self._unsynced.add(part.writer)

    def take_unsynced(self) -> tuple[SessionWriter, ...]:
        """Files that the system was handed something for since this was last asked, in any order; to be synced."""
        unsynced = tuple(self._unsynced)
        self._unsynced.clear()
        return unsynced

    def dropped(self) -> dict[str, int]:
        """Rows that a full table did not take, by table; empty when none."""
        rows: dict[str, int] = {}
        for part in self._parts:
            for table, count in part.writer.dropped().items():
                rows[table] = rows.get(table, 0) + count
        return rows

    def close(self, outcome: Outcome) -> None:
        """Close all files, the last one last, so that the run counts as closed when all are.

        Raises the StorageError of the first that is not put in order; those behind it then say so, too.
        """
        unremoved = self._discard_unused()
        failed: StorageError | None = None
        for part in self._parts:
            try:
                part.writer.close(outcome if failed is None else Outcome.CLOSE_FAILED)
            except StorageError as error:
                failed = failed or error
        failed = failed or unremoved
        if failed is not None:
            raise failed

    def _discard_unused(self) -> StorageError | None:
        """Remove the file that was made for the run when it ended before that was begun; what refused it, if any."""
        if self._next is not None:
            try:
                self._next.discard()
            except OSError as exc:
                return StorageError(str(self._next.path), f"cannot be removed: {exc.strerror}")
        return None

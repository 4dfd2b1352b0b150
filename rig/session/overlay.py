"""A file as it would be: reads come from the disk, writes stay in memory, page by page."""

from __future__ import annotations

import io
import os

from rig import host

PAGE = 4096


class Overlay(io.RawIOBase):
    """A file object over `fd`, which is only read. `pages` are the changed ones by number, `size` its new length."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd, self._at = fd, 0
        self.size = os.fstat(fd).st_size
        self.pages: dict[int, bytearray] = {}
        self._expected: tuple[int, int] | None = None

    def expect(self, at: int, length: int) -> None:
        """The next write of just these bytes is of what lies there already: it is not kept."""
        self._expected = at, length

    @property
    def is_expecting(self) -> bool:
        """Whether that write has not come."""
        return self._expected is not None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def seekable(self) -> bool:
        """It has a position."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; returns it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """The place it stands at."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Give it another length."""
        self.size = self._at if size is None else size
        return self.size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`; what lies behind the end reads as zeros, as HDF5 reserves room before it writes there."""
        wanted = memoryview(buffer).cast("B")
        known = host.read_at(self._fd, len(wanted), self._at)
        wanted[: len(known)] = known
        wanted[len(known) :] = bytes(len(wanted) - len(known))
        for number, start, end in self._touched(len(wanted)):
            if page := self.pages.get(number):
                at = number * PAGE
                wanted[start - self._at : end - self._at] = page[start - at : end - at]
        self._at += len(wanted)
        return len(wanted)

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        """Keep `data` in memory."""
        given = memoryview(data).cast("B")
        if self._expected == (self._at, len(given)):
            self._expected = None
            return self._passed(len(given))
        for number, start, end in self._touched(len(given)):
            page, at = self._page(number), number * PAGE
            page[start - at : end - at] = given[start - self._at : end - self._at]
        return self._passed(len(given))

    def _passed(self, length: int) -> int:
        """So many bytes were written."""
        self._at += length
        self.size = max(self.size, self._at)
        return length

    def _touched(self, length: int) -> list[tuple[int, int, int]]:
        """Of the next `length` bytes: number of each page, and from where to where they lie in it."""
        end = self._at + length
        numbers = range(self._at // PAGE, -(-end // PAGE))
        return [(n, max(self._at, n * PAGE), min(end, (n + 1) * PAGE)) for n in numbers]

    def _page(self, number: int) -> bytearray:
        if number not in self.pages:
            self.pages[number] = bytearray(host.read_at(self._fd, PAGE, number * PAGE).ljust(PAGE, b"\0"))
        return self.pages[number]

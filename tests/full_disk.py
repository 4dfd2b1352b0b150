"""A disk that is full after so many bytes of a run, though the room of its journal is reserved."""

from __future__ import annotations

import errno

import pytest

from rig import host


def fill_disk_after(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """From `size` bytes on, no matter to which file, the file that is written to first refuses every write."""
    left, first, write = [size], [], host.write_at

    def full_disk(fd: int, data: bytes | memoryview, offset: int) -> None:
        first.append(fd)  # the run file
        left[0] -= memoryview(data).nbytes
        if left[0] < 0 and fd == first[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(fd, data, offset)

    monkeypatch.setattr(host, "write_at", full_disk)

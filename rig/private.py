"""Files as this program makes them: for their owner only, and there at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rig import host
from rig.errors import StorageError


@contextmanager
def made(path: Path) -> Iterator[int]:
    """A file open for writing, for its owner only if it is new; what is in it stays. Raises OSError."""
    fd = host.open_private(path)
    try:
        yield fd
    finally:
        os.close(fd)


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path` at once or not at all, readable by the owner only. Raises StorageError."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        with made(part) as fd:
            host.cut(fd, 0)
            host.write_at(fd, data, 0)
            host.sync_data(fd)
        host.make_private(part)
        host.rename(part, path)
    except OSError as exc:
        with suppress(OSError):
            host.remove(part)
        raise StorageError(
            str(path),
            f"cannot be written: {exc.strerror}",
            hint="Check the disk, the permissions, and whether the folder exists",
        ) from None


def sync_path(path: Path) -> None:
    """Return when a file that is not open is on the disk, whoever wrote to it. Raises OSError."""
    with host.opened(path, os.O_RDWR) as fd:
        host.sync_file(fd)

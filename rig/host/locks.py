"""Who holds a file, and which other program has it open."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


def hold_alone(fd: int) -> None:
    """Keep everybody else from holding this file, for as long as `fd` is open. Raises BlockingIOError if held."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _show_held(fd)


def hold_shared(fd: int) -> None:
    """Let readers in and keep other writers out, for as long as `fd` is open. Raises BlockingIOError if held."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _show_held(fd)


_LOCK = struct.Struct("hhqqi4x")  # the system's struct flock on 64 bits: kind, whence, start, length, process


def _show_held(fd: int) -> None:
    """Let `is_held` see it. HDF5, which locks files by flock alone, neither sees nor minds it."""
    if sys.platform == "linux":
        import fcntl

        only_writes = fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY
        kind = fcntl.F_WRLCK if only_writes else fcntl.F_RDLCK  # what the system grants such a descriptor
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK.pack(kind, os.SEEK_SET, 0, 0, 0))


def is_held(path: Path) -> bool:
    """Whether a recorder, or a command that puts it in order, holds this file right now. Raises OSError.

    Nothing is locked to find out: who looks gets in nobody's way, another who looks included.
    """
    if sys.platform != "linux":
        return False
    import fcntl

    with path.open("rb") as file:
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, *_ = _LOCK.unpack(fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked))
    return bool(kind != fcntl.F_UNLCK)


def held_files() -> set[tuple[int, int]]:
    """Device and inode of every file that some process holds as `hold_shared` does; nothing is held to find out."""
    if sys.platform != "linux":
        return set()
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:  # there is no such list
        return set()
    held = [lock[5].split(":") for lock in locks if lock[1] == "FLOCK" and lock[3] == "READ"]
    return {(os.makedev(int(major, 16), int(minor, 16)), int(inode)) for major, minor, inode in held}


class Holder(NamedTuple):
    """A process that has a file open."""

    pid: int
    program: str


def holder_of(path: Path) -> Holder | None:
    """Another process that has a device open, as far as this user may see; None where there is none, or no /proc."""
    if sys.platform != "linux":
        return None
    wanted = path.resolve()
    found = next((process for process in _others() if wanted in _open_files(process)), None)
    return Holder(int(found.name), _program(found)) if found is not None else None


def _others() -> Iterator[Path]:
    """What the system shows of every process but this one."""
    return (process for process in Path("/proc").glob("[0-9]*") if int(process.name) != os.getpid())


def _open_files(process: Path) -> list[Path]:
    try:
        return [fd.readlink() for fd in (process / "fd").iterdir()]
    except OSError:  # somebody else's, or it has just ended
        return []


def _program(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "?"


def is_written_by_others(*endings: str) -> bool:
    """Whether another process, as far as this user may see, has a file open for writing whose name ends so."""
    if sys.platform != "linux":
        return False
    return any(_is_written_by(process, endings) for process in _others())


def _is_written_by(process: Path, endings: tuple[str, ...]) -> bool:
    try:
        files = list((process / "fd").iterdir())
    except OSError:  # somebody else's, or it has just ended
        return False
    return any(_is_written(fd, endings) for fd in files)


def _is_written(fd: Path, endings: tuple[str, ...]) -> bool:
    try:
        if not str(fd.readlink()).endswith(endings):
            return False
        flags = (fd.parents[1] / "fdinfo" / fd.name).read_text().split("flags:")[1].split()[0]
    except (OSError, IndexError):  # it has just been closed
        return False
    return bool(int(flags, 8) & (os.O_WRONLY | os.O_RDWR))

"""Files and folders: what is written, read, synced and renamed, and whose they are."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`. Raises OSError; ENOSPC when the disk is full."""
    view = memoryview(data).cast("B")
    done = 0
    while done < len(view):
        if sys.platform == "win32":
            os.lseek(fd, offset + done, os.SEEK_SET)
            done += os.write(fd, view[done:])
        else:
            done += os.pwrite(fd, view[done:], offset + done)


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Up to `size` bytes from `offset`; fewer only at the end of the file. Raises OSError."""
    if sys.platform == "win32":
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)
    return os.pread(fd, size, offset)


def read_into(fd: int, out: memoryview, offset: int) -> bool:
    """Fill `out` with the bytes from `offset`; False when the file ends before. Raises OSError."""
    done = 0
    while done < len(out):
        if sys.platform == "win32":
            os.lseek(fd, offset + done, os.SEEK_SET)
            part = os.read(fd, len(out) - done)
            count = len(part)
            out[done : done + count] = part
        else:
            count = os.preadv(fd, [out[done:]], offset + done)
        if count == 0:
            return False
        done += count
    return True


def open_private(path: Path) -> int:
    """A file open for writing, for its owner only if it is new; what is in it stays. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A file open for reading, or as `flags` say. Raises OSError."""
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def rename(old: Path, new: Path) -> None:
    """Give a file or folder another name, at once; what had that name is gone. Raises OSError."""
    old.replace(new)


def remove(path: Path) -> None:
    """Remove a file. Raises OSError."""
    path.unlink()


def make_folder(path: Path) -> None:
    """Make a folder for its owner only. Raises OSError, FileExistsError when it is there."""
    path.mkdir(mode=PRIVATE_FOLDER)


def remove_folder(path: Path) -> None:
    """Remove an empty folder. Raises OSError."""
    path.rmdir()


def cut(fd: int, size: int) -> None:
    """Give an open file another length. Raises OSError."""
    os.ftruncate(fd, size)


def sync_file(fd: int) -> None:
    """Return when `fd`, its length and its reserved room are on the disk. Raises OSError."""
    os.fsync(fd)


def sync_data(fd: int) -> None:
    """Return when everything written to `fd` is on the disk."""
    if sys.platform == "win32":
        os.fsync(fd)
    else:
        os.fdatasync(fd)


def reserve(fd: int, size: int) -> None:
    """Reserve room for `size` bytes. Raises OSError ENOSPC when they do not fit."""
    if sys.platform != "win32":
        os.posix_fallocate(fd, 0, size)


def sync_folder(path: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    if sys.platform != "win32":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def data_ranges(fd: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """From where to where something was written in an open file; all between is holes, which read as zeros.

    Only what lies from `start` to `end`. Raises OSError.
    """
    if sys.platform == "win32":
        yield start, end
        return
    while start < end:
        try:
            begin = os.lseek(fd, start, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # nothing but a hole up to the end of the file
                return
            raise
        if begin >= end:
            return
        start = min(os.lseek(fd, begin, os.SEEK_HOLE), end)
        yield begin, start


def forget(fd: int, start: int = 0) -> None:
    """Drop a file from memory, from byte `start` on, so that it is read from the disk. What is not synced yet stays."""
    if sys.platform == "linux":
        os.posix_fadvise(fd, start, 0, os.POSIX_FADV_DONTNEED)


def put_times(path: Path, modified_ns: int) -> None:
    """Let a file say that it was last changed at `modified_ns` (UTC). Raises OSError."""
    os.utime(path, ns=(modified_ns, modified_ns))


def make_private(path: Path) -> None:
    """Only the owner may read or write it."""
    path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE)


def make_read_only(path: Path) -> None:
    """Nobody may write it any more; only the owner may read it."""
    path.chmod(0o400)


def may_write(folder: Path) -> bool:
    """Whether new files may be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def is_read_only(path: Path) -> bool:
    """Whether a file is not to be written, be it that its owner or root could all the same. Raises OSError."""
    return not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK)


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of `folder`."""
    return shutil.disk_usage(folder).free


def read_own(path: Path, most: int) -> bytes:
    """All of a file of this user's. Raises OSError when it is somebody else's, no file, or larger than `most` bytes."""
    flags = os.O_RDONLY
    if sys.platform != "win32":
        flags |= os.O_NONBLOCK  # a pipe is not waited for
    with opened(path, flags) as fd:
        found = os.fstat(fd)
        is_own = sys.platform == "win32" or found.st_uid == os.geteuid()
        if not (is_own and stat.S_ISREG(found.st_mode) and found.st_size <= most):
            raise PermissionError(errno.EACCES, f"it is no file of this user's of at most {most} bytes", str(path))
        return read_at(fd, found.st_size, 0)


def own_folder(parent: Path, name: str) -> Path:
    """The folder `name` of this user alone in a folder that all may use; made when it is missing.

    Raises OSError when it cannot be made, PermissionError when somebody else made it.
    """
    if sys.platform == "win32":  # the folder for temporary files is the user's own there
        folder = parent / name
        folder.mkdir(exist_ok=True)
        return folder
    folder = parent / f"{name}-{os.getuid()}"
    folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EACCES, "it is open to somebody else", str(folder))
    return folder


def cache_folder() -> Path:
    """Where programs keep for this user what they can make anew; it need not be there. Raises OSError: nowhere."""
    name, usual = ("LOCALAPPDATA", "AppData/Local") if sys.platform == "win32" else ("XDG_CACHE_HOME", ".cache")
    given = Path(os.environ.get(name, ""))
    if given.is_absolute():  # the XDG specification: any other is to be ignored
        return given
    try:
        return Path.home() / usual
    except RuntimeError as exc:
        raise FileNotFoundError(errno.ENOENT, f"this user has no folder: {exc}") from None


def shared_memory(name: str, size: int) -> int:
    """An open file of `size` zero bytes that lives in memory and is gone when its last descriptor closes."""
    if sys.platform == "linux":
        fd = os.memfd_create(name, 0)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, size)
    return fd


def owning_group(path: Path) -> str:
    """The group whose members may open a device, by name; empty where there are no groups."""
    if sys.platform == "win32":
        return ""
    import grp

    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return ""

"""Every call that differs between operating systems; nothing else asks which system this is."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import IO, NamedTuple

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


@contextmanager
def made(path: Path) -> Iterator[int]:
    """A file open for writing, as by open_private."""
    fd = open_private(path)
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


def sync_path(path: Path) -> None:
    """The same for a file that is not open, whoever wrote to it. Raises OSError."""
    with opened(path, os.O_RDWR) as fd:
        sync_file(fd)


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


def make_private(path: Path) -> None:
    """Only the owner may read or write it."""
    path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE)


def make_read_only(path: Path) -> None:
    """Nobody may write it any more; only the owner may read it."""
    path.chmod(0o400)


def may_write(folder: Path) -> bool:
    """Whether new files may be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of `folder`."""
    return shutil.disk_usage(folder).free


def cores() -> int:
    """Processor cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Priority(IntEnum):
    """Real-time priorities; the more a delay would falsify, the higher."""

    SCREEN = 10  # window, decoder, virtual display: a late flip is logged
    RECORDER = 20  # grab, writer and sync threads: a late frame waits in its camera's buffer
    WORLD = 30  # the simulated cameras: late, they would not be the hardware they stand for


def ask_real_time(priority: Priority) -> str:
    """Ask for real-time priority for the calling thread; "" when granted, else the reason why not."""
    if sys.platform == "win32":
        return "not asked for on Windows"
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except PermissionError:
        return "real-time priority refused"
    return ""


_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}  # the number of the system call
_IOPRIO_IDLE, _THIS_THREAD = 3 << 13, (1, 0)


def stand_back() -> None:
    """Let every other program go first, at the processor and at the disk.

    Of the disk's queues only BFQ keeps to it, so that who writes much must also write little at a time.
    """
    if sys.platform == "linux":
        import ctypes

        os.setpriority(os.PRIO_PROCESS, 0, 19)
        number = _IOPRIO_SET.get(os.uname().machine)
        if number is not None:
            ctypes.CDLL(None).syscall(number, *_THIS_THREAD, _IOPRIO_IDLE)


def settings(pattern: str, root: Path = Path("/")) -> dict[str, str]:
    """Settings that the system shows as files, by path below `root`, e.g. those of `proc/sys/net/core/rmem_max`.

    Empty where there are none, as on Windows; a file that may not be read is left out.
    """
    found: dict[str, str] = {}
    for path in sorted(root.glob(pattern)):
        try:
            found[str(path.relative_to(root))] = path.read_text().strip()
        except OSError:
            pass
    return found


def is_masked(unit: str, root: Path = Path("/")) -> bool:
    """Whether the administrator has forbidden a unit of systemd, such as sleep.target."""
    link = root / "etc/systemd/system" / unit
    return link.is_symlink() and link.readlink() == Path("/dev/null")


def real_time_refused(priority: Priority) -> str:
    """What `ask_real_time` would say, without keeping the priority: children would inherit it."""
    answer = ask_real_time(priority)
    if sys.platform != "win32" and not answer:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return answer


def raw_clock_ns() -> int:
    """CLOCK_MONOTONIC_RAW in ns, which time services never slew; the host clock where there is none."""
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    return time.perf_counter_ns()


def thread_cpu_ns(ident: int) -> int:
    """CPU time of a living thread of this process, by its `threading` ident, ns; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    return time.clock_gettime_ns(time.pthread_getcpuclockid(ident))


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


# Not ported to Windows: a child's pipe has to be handed over there as a handle (STARTUPINFO.lpAttributeList), and to
# be read in a thread, because nothing waits for a pipe with a time-out. The simulated world and the window need it.
NO_PIPES = "processes of its own cannot be started on Windows yet"


def start_process(
    command: Sequence[str],
    *,
    output: IO[bytes],
    stdin: int,
    pass_fds: Sequence[int],
    env: Mapping[str, str] | None,
    dies_with_parent: bool,
) -> subprocess.Popen[bytes]:
    """Start a process that inherits `pass_fds` and no other descriptor, and prints into `output`. Raises OSError.

    With `dies_with_parent` it stays in this process's group and is ended by the system when the calling thread is
    gone; else it leads a group of its own, which the terminal's Ctrl-C does not reach.
    """
    if sys.platform == "win32":
        raise OSError(NO_PIPES)
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=output,
        stderr=output,
        env=env,
        pass_fds=pass_fds,
        process_group=None if dies_with_parent else 0,
        preexec_fn=die_with_parent if dies_with_parent else None,
    )


def connect_local(path: str) -> socket.socket:
    """A socket to the Unix socket at `path`. Raises OSError, on Windows always."""
    if sys.platform == "win32":
        raise OSError(errno.EAFNOSUPPORT, "no Unix sockets on this system")
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(path)
    except OSError:
        end.close()
        raise
    return end


def is_readable(fd: int, timeout_s: float) -> bool:
    """Whether a pipe has something to read, or has ended; waits at most `timeout_s` for it."""
    if sys.platform == "win32":
        raise OSError(NO_PIPES)
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs. Windows is not asked, and every process is taken to run."""
    if sys.platform != "win32":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # somebody else's
            pass
    return True


def process_mark(pid: int) -> str:
    """What tells a running process from every other that had its number before, or will; empty when none runs.

    Where the system does not say when it began, as on Windows, it is the number alone.
    """
    if sys.platform != "linux":
        return str(pid) if is_alive(pid) else ""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{boot} {rest[18]}"  # when it began, in clock ticks since the system did


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


def end_signals() -> tuple[int, ...]:
    """What asks a command to end: Ctrl-C, a polite kill and, where there is such a thing, a terminal that is closed."""
    import signal

    if sys.platform == "win32":
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def pause_signals() -> tuple[int, ...]:
    """What would let a program stand still until it is told to go on: Ctrl-Z, and the terminal of another's turn."""
    import signal

    if sys.platform == "win32":
        return ()
    return signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU


def is_writable(fd: int, timeout_s: float) -> bool:
    """Whether a terminal or pipe takes something, or refuses it at once; waits at most `timeout_s` for it.

    Windows is not asked, and everything is taken to be.
    """
    if sys.platform == "win32":
        return True
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(timeout_s * 1000))


@contextmanager
def keys_at_once(fd: int) -> Iterator[None]:
    """Let a terminal give each key as it is pressed, Ctrl-C and Ctrl-Z too, and show none of them."""
    if sys.platform == "win32":
        yield
        return
    import termios

    before = termios.tcgetattr(fd)
    plain = termios.tcgetattr(fd)
    plain[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    plain[6][termios.VMIN], plain[6][termios.VTIME] = 1, 0
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, plain)
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def typed(fd: int) -> bytes | None:
    """What was typed at a terminal since the last call, UTF-8; does not wait. None: the terminal is gone."""
    if sys.platform == "win32":
        import msvcrt

        keys = ""
        while msvcrt.kbhit():
            keys += msvcrt.getwch()
        return keys.encode("utf-8", "replace")
    try:
        return (os.read(fd, 1 << 12) or None) if is_readable(fd, 0) else b""
    except OSError:  # hung up
        return None


def end_process_group(pid: int, *, force: bool) -> None:
    """Ask a child and all its children to end, or end them at once."""
    if sys.platform == "win32":
        import signal

        os.kill(pid, signal.SIGTERM)
    else:
        import signal

        try:
            os.killpg(pid, signal.SIGKILL if force else signal.SIGTERM)
        except ProcessLookupError:
            pass


def die_with_parent() -> None:
    """In a child: be ended by the system when the parent is gone, whatever ended it."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)


def port_errors() -> tuple[type[Exception], ...]:
    """Everything that a serial port can raise when it fails."""
    if sys.platform == "win32":
        return (OSError,)
    import termios

    return (OSError, termios.error)


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
        for fd in (process / "fd").iterdir():
            if str(fd.readlink()).endswith(endings):
                flags = (process / "fdinfo" / fd.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & (os.O_WRONLY | os.O_RDWR):
                    return True
    except (OSError, IndexError):  # somebody else's, or it has just ended
        pass
    return False


def owning_group(path: Path) -> str:
    """The group whose members may open a device, by name; empty where there are no groups."""
    if sys.platform == "win32":
        return ""
    import grp

    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return ""

"""What this computer has and how it is set up: cores, memory, clocks, priorities."""

from __future__ import annotations

import os
import sys
import time
from enum import IntEnum
from pathlib import Path


def cores() -> int:
    """Processor cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_display() -> bool:
    """Whether there is a desktop: without one a browser would take this terminal, or not come at all."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def free_memory_bytes() -> int | None:
    """Memory that programs may still take; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # of mallopt, see malloc.h
_LARGE_BYTES = 1048576


def give_memory_back() -> None:
    """Give what this process frees back to the system at once: for who holds much for a moment, and then only waits.

    glibc keeps it otherwise, for each thread apart. Where memory is kept in another way nothing is changed.
    """
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_ARENA_MAX, 1)
            mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


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


def real_time_refused(priority: Priority) -> str:
    """What `ask_real_time` would say, without keeping the priority: children would inherit it."""
    answer = ask_real_time(priority)
    if sys.platform != "win32" and not answer:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return answer


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


def port_errors() -> tuple[type[Exception], ...]:
    """Everything that a serial port can raise when it fails."""
    if sys.platform == "win32":
        return (OSError,)
    import termios

    return (OSError, termios.error)

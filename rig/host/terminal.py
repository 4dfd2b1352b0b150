"""Pipes, sockets and terminals."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rig.host.processes import NO_PIPES


def is_readable(fd: int, timeout_s: float) -> bool:
    """Whether a pipe has something to read, or has ended; waits at most `timeout_s` for it."""
    if sys.platform == "win32":
        raise OSError(NO_PIPES)
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


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

"""Opens a run file for reading, and says in one sentence what is wrong with one that is damaged or is none of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from stat import S_ISREG

import h5py

from rig import host
from rig.config.find import look_up
from rig.errors import NotASession, RigError, SessionError, Truncated
from rig.session.journal import journal_of
from rig.session.layout import HEAD_BYTES

FOREIGN = "It was written by another program, or is damaged"
CACHE_BYTES = 0  # of chunks: they would take memory for each open data set, and hide rows that a recorder adds
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_EOF_OFFSETS = {0: 40, 1: 44, 2: 28, 3: 28}  # superblock version -> where the length of the file stands in it
# What h5py, numpy and json raise when a file is not as it should be.
_BROKEN = (
    OSError, KeyError, IndexError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError, MemoryError,
)  # fmt: skip


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turns whatever goes wrong while a part of a file is read into one sentence about it. Raises Truncated."""
    try:
        yield
    except RigError:
        raise
    except _BROKEN as exc:
        hint = "Other parts of the file may be good: rig verify tells which"
        raise Truncated(f"{path}: {what}", f"cannot be read ({_short(exc)})", hint=hint) from None


def _short(exc: BaseException) -> str:
    return str(exc).splitlines()[0][:120] if str(exc) else type(exc).__name__


def open_file(path: Path) -> h5py.File:
    """Open for reading without taking HDF5's own lock, so that no reader is ever in a recorder's way.

    Raises NotASession, or Truncated for a file whose end is missing.
    """
    found = look_up("", path, NotASession)
    if found is None:
        raise NotASession(str(path), "does not exist")
    if not S_ISREG(found.st_mode):  # a pipe would be waited for
        raise NotASession(str(path), "is not a file")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as exc:
        raise NotASession(str(path), f"cannot be read: {exc.strerror}") from None
    if not head:
        raise NotASession(str(path), "is empty", hint="Nothing of a session is in it")
    if not head.startswith(_SIGNATURE):
        raise NotASession(str(path), "is no HDF5 file", hint="Nothing of a session is in it")
    _refuse_half_closed(path)
    try:
        return _open_beside_others(path)
    except _BROKEN as exc:
        raise _why_closed(path, head, found.st_size, exc) from None


def _refuse_half_closed(path: Path) -> None:
    """While a journal lies beside it, a file may be changed in some places and not in others."""
    if not journal_of(path).exists():
        return
    if host.is_held(path):
        hint = "It is being closed right now: try again in a moment"
    else:
        hint = f"Finish it: rig recover {quote(str(path.parent))}"
    raise SessionError(str(path), "is half closed", hint=hint)


def _open_beside_others(path: Path) -> h5py.File:
    """HDF5 refuses a second handle of the same process that locks otherwise; then lock as the first one does."""
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=CACHE_BYTES)
    except OSError as exc:
        if "locking flag" not in str(exc):
            raise
        return h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)


def _why_closed(path: Path, head: bytes, size: int, exc: BaseException) -> SessionError:
    """The error for an HDF5 file that does not open: how much of it is there."""
    start = _EOF_OFFSETS.get(head[8], 64) if len(head) > 8 else 64
    planned = int.from_bytes(head[start : start + 8], "little") if start + 8 <= len(head) else 0
    if 0 < size < planned < 1 << 60:
        problem = f"is cut off: {size:,} of {planned:,} bytes are there ({100 * size // planned} %)"
        hint = "Copy it again from where it was recorded"
        if size > HEAD_BYTES:  # pictures come behind HDF5's own tables
            hint = f"Pictures before the cut may still be in it: keep it. {hint}"
        return Truncated(str(path), problem, hint=hint)
    return NotASession(str(path), f"is a damaged HDF5 file ({_short(exc)})", hint="Copy it again from the original")

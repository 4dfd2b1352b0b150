"""Finds what crashes have left below a folder, by names alone: no file is opened but to see whether it is held."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from rig import host
from rig.errors import NotASession, RigError
from rig.session.arming import arming_of
from rig.session.folder import RUN_SUFFIX, find_runs, is_bare, is_run_name, is_under_way, sessions_below

_BESIDE = (".arming", ".journal", ".journal-part", ".rewritten")


def files_left(session: Path) -> list[Path]:
    """The run files of a session, those included of which only what lies beside them is there, in order.

    `session` is its folder or a file in it. Empty when a crash left the folder alone.
    Raises NotASession.
    """
    folder = session if session.is_dir() else session.parent
    begin = "" if session.is_dir() else session.name.split("_run-")[0]
    made = {p.with_suffix(".h5") for p in _beside(folder) if p.name.startswith(begin)}
    try:
        return sorted({*find_runs(session), *made})
    except NotASession:
        if made or is_bare(session):
            return sorted(made)
        raise


def _beside(folder: Path) -> list[Path]:
    """What lies beside run files until they are closed."""
    if is_under_way(folder):
        return []
    try:
        found = list(folder.iterdir())
    except OSError:  # find_runs says why
        return []
    return [p for p in found if p.suffix in _BESIDE and is_run_name(p.with_suffix(".h5").name)]


def not_closed_within(directory: Path, seconds: float) -> tuple[list[Path], bool]:
    """What `not_closed` finds in so many seconds, and whether that is all. Nobody waits longer, however slow the disk.

    Of HDF5 nothing is asked: it would keep the whole program waiting.
    """
    found: list[Path] = []

    def look() -> None:
        for folder in not_closed(directory):
            found.append(folder)

    thread = threading.Thread(target=look, name="leftovers", daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found), not thread.is_alive()


def not_closed(directory: Path) -> Iterator[Path]:
    """Session folders below `directory` that hold a file nobody closed and nobody records, newest first.

    It is told by what lies beside a run file until it is closed. Never raises.
    """
    try:
        sessions = sessions_below(directory)
    except (RigError, OSError):
        return
    for folder in sorted(sessions, key=_changed_ns, reverse=True):
        if any(not _is_held(run) for run in _unclosed(folder)):
            yield folder


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _unclosed(folder: Path) -> set[Path]:
    """The run files of a session beside which something lies, and those in which nothing is."""
    try:
        with os.scandir(folder) as entries:
            return {Path(entry.path).with_suffix(".h5") for entry in entries if _tells_of_unclosed(entry)}
    except OSError:
        return set()


def _tells_of_unclosed(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(_BESIDE) or (entry.name.endswith(RUN_SUFFIX) and not entry.stat().st_size)


def _is_held(run: Path) -> bool:
    try:
        return any(path.exists() and host.is_held(path) for path in (arming_of(run), run))
    except OSError:
        return False

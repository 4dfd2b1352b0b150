"""Finds what crashes have left below a folder, by names and attributes alone: no picture is looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rig import host
from rig.errors import NotASession, RigError
from rig.session import journal
from rig.session.folder import RUN_SUFFIX, find_runs, is_run_name, sessions_below
from rig.session.layout import Outcome
from rig.session.runfile import RunFile

MOST_OPENED = 40  # files that are opened at most to find out how they ended; a closed one is told by its rights
_BESIDE = (".arming", ".journal", ".journal-part", ".rewritten")


def arming_of(path: Path) -> Path:
    """Where a run file lies while it is made."""
    return path.with_suffix(".arming")


def files_left(session: Path) -> list[Path]:
    """The run files of a session, those included of which only what lies beside them is there, in order.

    `session` is its folder or a file in it. Raises NotASession when there is nothing of a session.
    """
    folder = session if session.is_dir() else session.parent
    begin = "" if session.is_dir() else session.name.split("_run-")[0]
    made = {p.with_suffix(".h5") for p in _beside(folder) if p.name.startswith(begin)}
    try:
        return sorted({*find_runs(session), *made})
    except NotASession:
        if made:
            return sorted(made)
        raise


def _beside(folder: Path) -> list[Path]:
    """What lies beside run files until they are closed."""
    try:
        found = list(folder.iterdir())
    except OSError:  # find_runs says why
        return []
    return [p for p in found if p.suffix in _BESIDE and is_run_name(p.with_suffix(".h5").name)]


def not_closed(directory: Path) -> list[Path]:
    """Session folders below `directory` that hold a file nobody closed and nobody records, newest first.

    Never raises, and looks at no more than needed: it is asked while somebody waits for a recording to begin.
    """
    try:
        sessions = sessions_below(directory)
    except RigError:
        return []
    to_open = [MOST_OPENED]
    newest = sorted(sessions, key=_changed_ns, reverse=True)
    return [folder for folder in newest if any(_is_left(path, to_open) for path in _doubtful(folder))]


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _doubtful(folder: Path) -> Iterator[Path]:
    """What may be left of a run: what lies beside it until it is closed, and run files that can be written to."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_BESIDE) or _is_writable_run(entry):
                    yield Path(entry.path)
    except OSError:
        pass


def _is_writable_run(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(RUN_SUFFIX) and bool(entry.stat().st_mode & 0o200)


def _is_left(path: Path, to_open: list[int]) -> bool:
    try:
        run_file = path.with_suffix(".h5")
        if any(p.exists() and host.is_held(p) for p in (arming_of(run_file), run_file)):
            return False
        if path.suffix != ".h5":
            return True
        if to_open[0] == 0 or not path.stat().st_size:
            return True
        to_open[0] -= 1
        return journal.journal_of(path).exists() or _outcome(path) is Outcome.INCOMPLETE
    except (RigError, OSError):
        return False


def _outcome(path: Path) -> Outcome:
    with RunFile(path) as file:
        return file.outcome

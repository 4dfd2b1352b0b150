"""Where a session lies on the disk, how its files are named, and how a new one gets a place of its own.

DIR/sub-<ID>/ses-<NN>/sub-<ID>_ses-<NN>_run-<RR>_session.h5        a run: nothing else belongs to the recorder
                      sub-<ID>_ses-<NN>_run-<RR>_verdict.json      verdict, report and pictures lie beside it
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rig import host
from rig.errors import NotASession, SessionExists, StorageError, UserError

SUBJECT = re.compile(r"[A-Za-z0-9]{1,64}")
MAX_NUMBER = 9999
RUN_SUFFIX = "_session.h5"

_RUN_NAME = re.compile(r"(?P<session>sub-[A-Za-z0-9]+_ses-\d{2,4})_run-(?P<run>\d{2,4})_session\.h5")
_SESSION_FOLDER = re.compile(r"ses-(\d{2,4})")


@dataclass(frozen=True)
class SessionFolder:
    """One session's folder, which exists. `number` counts from 1."""

    path: Path
    subject: str
    number: int

    def run_path(self, run: int) -> Path:
        """The file of run `run` (from 1); need not exist."""
        return self.path / f"sub-{self.subject}_ses-{self.number:02d}_run-{run:02d}{RUN_SUFFIX}"


def check_subject(subject: str) -> str:
    """Return `subject` unchanged. Raises UserError unless it is a pseudonym of letters and digits."""
    if not SUBJECT.fullmatch(subject):
        allowed = "letters and digits only, at most 64; a pseudonym, never a name"
        raise UserError("--subject", "is not allowed", value=repr(subject), allowed=allowed)
    return subject


def new_session(directory: Path, subject: str, number: int | None = None) -> SessionFolder:
    """Make the folder of a new session below `directory`, readable by the owner only.

    Without `number` it is the one after the highest that exists. Two recorders that race never get the same
    folder. Raises UserError for a subject or number that is not allowed, SessionExists when `number` is taken or
    when another subject differs only in upper and lower case, StorageError when the disk refuses.
    """
    check_subject(subject)
    if number is not None and not 1 <= number <= MAX_NUMBER:
        raise UserError("--session", "is not allowed", value=str(number), allowed=f"1 to {MAX_NUMBER}")
    try:
        _make_folders(directory)
        home = _subject_folder(directory, subject)
        return _take(home, subject, number)
    except OSError as exc:
        raise StorageError(str(directory), f"cannot hold a new session: {exc.strerror}") from None


def _make_folders(directory: Path) -> None:
    """Make `directory` and what is missing above it, all of them private."""
    if directory.exists():
        return
    _make_folders(directory.parent)
    directory.mkdir(mode=host.PRIVATE_FOLDER, exist_ok=True)


def _subject_folder(directory: Path, subject: str) -> Path:
    """The subject's folder, made if it is missing; refused beside one that differs only in case."""
    home = directory / f"sub-{subject}"
    try:
        home.mkdir(mode=host.PRIVATE_FOLDER)
        made = True
    except FileExistsError:
        made = False
    twins = [p.name for p in directory.iterdir() if p.name != home.name and p.name.lower() == home.name.lower()]
    if twins:
        if made:
            home.rmdir()
        problem = f"differs only in upper and lower case from {twins[0][4:]}, which has sessions here"
        hint = "On many disks the two would share their files: take another pseudonym"
        raise SessionExists("--subject", problem, value=subject, hint=hint)
    return home


def _take(home: Path, subject: str, number: int | None) -> SessionFolder:
    """Make the session's folder: mkdir succeeds for exactly one of several recorders."""
    while True:
        chosen = number if number is not None else max(_numbers(home), default=0) + 1
        path = home / f"ses-{chosen:02d}"
        try:
            path.mkdir(mode=host.PRIVATE_FOLDER)
        except FileExistsError:
            if number is not None:
                hint = "Nothing is ever overwritten: leave --session out for the next free number"
                raise SessionExists("--session", f"exists already: {path}", value=str(number), hint=hint) from None
            continue
        host.make_private(path)
        host.sync_folder(home)
        return SessionFolder(path, subject, chosen)


def _numbers(home: Path) -> list[int]:
    matches = [_SESSION_FOLDER.fullmatch(p.name) for p in home.iterdir()]
    return [int(m.group(1)) for m in matches if m]


def find_runs(path: Path) -> list[Path]:
    """The run files of one session, in order of their runs; `path` is its folder or any file in it.

    A file of another name that ends in .h5 stands for itself alone. Raises NotASession when there is no run,
    naming the sessions that lie below.
    """
    if not path.exists():
        raise NotASession(str(path), "does not exist")
    if path.is_file() and path.suffix == ".h5" and not _RUN_NAME.fullmatch(path.name):
        return [path]
    folder = path if path.is_dir() else path.parent
    runs = _runs_in(folder)
    if path.is_file():
        stem = path.name.split("_run-")[0]
        runs = [run for run in runs if run.name.split("_run-")[0] == stem]
    _refuse_unless_one_session(path, folder, runs)
    return runs


def _runs_in(folder: Path) -> list[Path]:
    try:
        found = [(m, p) for p in folder.iterdir() if (m := _RUN_NAME.fullmatch(p.name))]
    except OSError as exc:
        raise NotASession(str(folder), f"cannot be read: {exc.strerror}") from None
    return [p for _, p in sorted(found, key=lambda pair: (pair[0]["session"], int(pair[0]["run"])))]


def _refuse_unless_one_session(path: Path, folder: Path, runs: list[Path]) -> None:
    sessions = sorted({run.name.split("_run-")[0] for run in runs})
    if len(sessions) > 1:
        raise NotASession(str(path), f"holds several sessions: {', '.join(sessions)}", hint="Name a file of one")
    if not runs:
        below = [str(p) for p in sessions_below(folder)][:5] if path.is_dir() else []
        hint = f"Sessions below it: {', '.join(below)}" if below else ""
        allowed = f"the folder of a session, or a file in it whose name ends in {RUN_SUFFIX}"
        raise NotASession(str(path), "holds no run of a session", allowed=allowed, hint=hint)


def sessions_below(directory: Path) -> list[Path]:
    """The session folders `sub-*/ses-*` below `directory`, which may itself be one subject's folder; sorted."""
    found = [*directory.glob("sub-*/ses-*"), *directory.glob("ses-*")]
    return sorted(p for p in found if p.is_dir() and _SESSION_FOLDER.fullmatch(p.name))


def beside(run_path: Path, suffix: str) -> Path:
    """The file that lies beside a run: `..._session.h5` and "verdict.json" give `..._verdict.json`."""
    stem = run_path.name.removesuffix(RUN_SUFFIX).removesuffix(".h5")
    return run_path.with_name(f"{stem}_{suffix}")


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path` at once or not at all, readable by the owner only. Raises StorageError."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, host.PRIVATE_FILE)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            host.sync_data(file.fileno())
        host.make_private(part)
        part.replace(path)
    except OSError as exc:
        with suppress(OSError):
            part.unlink()
        raise StorageError(
            str(path),
            f"cannot be written: {exc.strerror}",
            hint="Check the disk, the permissions, and whether the folder exists",
        ) from None

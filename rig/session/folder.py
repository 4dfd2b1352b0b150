"""Where a session lies on the disk, how its files are named, and how a new one gets a place of its own.

DIR/sub-<ID>/ses-<NN>/sub-<ID>_ses-<NN>_run-<RR>_session.h5        a run: nothing else belongs to the recorder
                      sub-<ID>_ses-<NN>_run-<RR>_verdict.json      verdict, overview and pictures lie beside it
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from rig import host
from rig.config.find import look_up
from rig.errors import NotASession, SessionExists, StorageError, UserError
from rig.private import made

SUBJECT = re.compile(r"[A-Za-z0-9]{1,64}")
MAX_NUMBER = 9999
RUN_SUFFIX = "_session.h5"
DELETING = ".deleting"  # ends the hidden name of a session's folder while its files are removed

_NUMBER = "(0[1-9]|[1-9][0-9]{1,3})"  # 1 to MAX_NUMBER as the names below write them; no other name is ours
_RUN_NAME = re.compile(rf"(?P<session>sub-{SUBJECT.pattern}_ses-{_NUMBER})_run-(?P<run>{_NUMBER})_session\.h5")
_SESSION_FOLDER = re.compile(f"ses-{_NUMBER}")
_TAKEN = re.compile(rf"\.?ses-{_NUMBER}(\..*)?")  # also by a copy under way, or by a session moved to an archive
_UNDER_WAY = re.compile(
    rf"\.ses-{_NUMBER}\.(part|moved|replaced|deleting)"
)  # what rig archive or a deletion is not done with


@dataclass(frozen=True)
class SessionFolder:
    """One session's folder, which exists. `number` counts from 1."""

    path: Path
    subject: str
    number: int

    def run_path(self, run: int) -> Path:
        """The file of run `run` (from 1); need not exist."""
        return self.path / f"{run_name(self.subject, self.number, run)}{RUN_SUFFIX}"


def folder_named(path: Path) -> SessionFolder | None:
    """The session that a path stands for by its last two names, sub-<ID>/ses-<NN>; None by other names.

    It need not exist.
    """
    subject, found = path.parent.name.removeprefix("sub-"), _SESSION_FOLDER.fullmatch(path.name)
    if not found or not SUBJECT.fullmatch(subject) or subject == path.parent.name:
        return None
    return SessionFolder(path, subject, int(found.group(1)))


def run_name(subject: str, session: int, run: int) -> str:
    """What all files about a run begin with."""
    return f"sub-{subject}_{_session_name(session)}_run-{run:02d}"


def _session_name(number: int) -> str:
    return f"ses-{number:02d}"


def check_subject(subject: str) -> str:
    """Return `subject` unchanged. Raises UserError unless it is a pseudonym of letters and digits."""
    if not SUBJECT.fullmatch(subject):
        allowed = "letters and digits only, at most 64; a pseudonym, never a name"
        raise UserError("--subject", "is not allowed", value=repr(subject), allowed=allowed)
    return subject


def new_session(directory: Path, subject: str, number: int | None = None) -> SessionFolder:
    """Make the folder of a new session below `directory`, readable by the owner only.

    Without `number` it is the one after the highest that exists. Two recorders that race never get the same
    folder. Raises UserError for a subject or number that is not allowed, SessionExists when `number` is taken, when
    none is left, or when another subject differs only in upper and lower case, StorageError when the disk refuses.
    """
    check_subject(subject)
    if number is not None and not 1 <= number <= MAX_NUMBER:
        raise UserError("--session", "is not allowed", value=str(number), allowed=f"1 to {MAX_NUMBER}")
    folder_for(directory)
    try:
        _make_folders(directory)
        home = _subject_folder(directory, subject)
        return _take(home, subject, number)
    except OSError as exc:
        raise StorageError(str(exc.filename or directory), f"cannot hold a new session: {exc.strerror}") from None


def folder_for(directory: Path, option: str = "--out") -> Path:
    """The folder that is there already, `directory` or the nearest above it, below which files can be made.

    Makes nothing. Raises StorageError naming what is in the way (a file, a link that leads nowhere, a read-only
    folder), and the `option` by which another place can be chosen.
    """
    hint = f"Choose another place with {option}"
    for path in [directory, *directory.parents]:
        found = look_up("", path, StorageError)
        if found is not None and not S_ISDIR(found.st_mode):
            raise StorageError(str(path), "is not a folder", hint=hint)
        if found is not None and not host.may_write(path):
            raise StorageError(str(path), "may not be written to", hint=hint)
        if found is not None:
            return path
        if path.is_symlink():
            raise StorageError(str(path), "is a link that leads nowhere", hint=hint)
    raise StorageError(str(directory), "lies nowhere", hint=hint)


def _make_folders(directory: Path) -> None:
    """Make `directory` and what is missing above it, all of them private."""
    if directory.exists():
        return
    _make_folders(directory.parent)
    with suppress(FileExistsError):  # another recorder may just have made it
        host.make_folder(directory)
    host.sync_folder(directory.parent)


def _subject_folder(directory: Path, subject: str) -> Path:
    """The subject's folder, made if it is missing; refused beside one that differs only in case."""
    home = directory / f"sub-{subject}"
    try:
        host.make_folder(home)
        made = True
    except FileExistsError:
        made = False
        if not home.is_dir():
            raise StorageError(str(home), "is not a folder", hint="Sessions of this subject go there") from None
    twins = [p.name for p in directory.iterdir() if p.name != home.name and p.name.lower() == home.name.lower()]
    if twins:
        if made:
            host.remove_folder(home)
        problem = f"differs only in upper and lower case from {twins[0][4:]}, which has sessions here"
        hint = "On many disks the two would share their files: take another pseudonym"
        raise SessionExists("--subject", problem, value=subject, hint=hint)
    host.sync_folder(directory)
    return home


def _take(home: Path, subject: str, number: int | None) -> SessionFolder:
    """Make the session's folder: mkdir succeeds for exactly one of several recorders."""
    while True:
        chosen = number if number is not None else _next_number(home)
        path = home / _session_name(chosen)
        try:
            if number is not None and (there := _taken(home).get(number)):
                raise FileExistsError(str(there))
            host.make_folder(path)
        except FileExistsError as exc:
            if number is not None:
                problem = f"exists already: {exc.filename or exc}"
                hint = "Nothing is ever overwritten: leave --session out for the next free number"
                raise SessionExists("--session", problem, value=str(number), hint=hint) from None
            continue
        host.make_private(path)
        host.sync_folder(home)
        return SessionFolder(path, subject, chosen)


def _next_number(home: Path) -> int:
    """The number after the highest there is. Raises SessionExists when that is more than a number may be."""
    highest = max(_taken(home), default=0)
    if highest == MAX_NUMBER:
        problem, hint = "is the highest number, and is taken", "Give a number that is free with --session"
        raise SessionExists(str(home / _session_name(highest)), problem, allowed=f"1 to {MAX_NUMBER}", hint=hint)
    return highest + 1


def _taken(home: Path) -> dict[int, Path]:
    """The numbers of sessions that a subject has or had here, and what stands for each."""
    return {int(m.group(1)): path for path in home.iterdir() if (m := _TAKEN.fullmatch(path.name))}


def misplaced(run_path: Path, subject: str, session: int, run: int) -> str:
    """How the names of a run's file and folders contradict whose run it is; empty when none does.

    A name that is none of ours, as of a copy, says nothing. `subject`, `session`, `run`: as written in the file.
    """
    own, file, folder = run_name(subject, session, run), run_path.name, run_path.absolute().parent
    right = {file: own + RUN_SUFFIX} if is_run_name(file) else {}
    if _SESSION_FOLDER.fullmatch(folder.name):
        right |= {folder.name: _session_name(session)}
        right |= {folder.parent.name: f"sub-{subject}"} if folder.parent.name.startswith("sub-") else {}
    wrong = [name for name, should_be in right.items() if name != should_be]
    return f"it is {own} by what is in it, but lies under the name {', '.join(wrong)}" if wrong else ""


def is_run_name(name: str) -> bool:
    """Whether a file's name says whose run it is."""
    return _RUN_NAME.fullmatch(name) is not None


def find_runs(path: Path) -> list[Path]:
    """The run files of one session, in order of their runs; `path` is its folder or any file in it.

    A file of another name that ends in .h5 stands for itself alone. Raises NotASession when there is no run,
    naming the sessions that lie below, and when it cannot be looked up.
    """
    found = look_up("", path, NotASession)
    if found is None:
        raise NotASession(str(path), "does not exist")
    is_folder = S_ISDIR(found.st_mode)
    _refuse_under_way(path, path if is_folder else path.parent)
    if S_ISREG(found.st_mode) and path.suffix == ".h5" and not is_run_name(path.name):
        return [path]
    runs = _runs_in(path if is_folder else path.parent)
    if not is_folder:
        stem = path.name.split("_run-")[0]
        runs = [run for run in runs if run.name.split("_run-")[0] == stem]
    _refuse_unless_one_session(path, runs, is_folder=is_folder)
    return runs


def is_under_way(folder: Path) -> bool:
    """Whether a copy, a move or a deletion that is not finished has this folder: it is no session's."""
    return _UNDER_WAY.fullmatch(folder.resolve().name) is not None


def _refuse_under_way(path: Path, folder: Path) -> None:
    if not is_under_way(folder):
        return
    if folder.resolve().suffix == DELETING:
        problem, hint = "is what is left of a session that is being deleted", "Run the same rig subjects delete again"
    else:
        problem = "belongs to a copy or a move that rig archive has not finished"
        hint = "Run the same rig archive again: it goes on from there"
    raise NotASession(str(path), problem, hint=hint)


def _runs_in(folder: Path) -> list[Path]:
    found = [(m, p) for p in _listed(folder) if (m := _RUN_NAME.fullmatch(p.name))]
    return [p for _, p in sorted(found, key=lambda pair: (pair[0]["session"], int(pair[0]["run"])))]


def _listed(folder: Path, *, folders: bool = False) -> list[Path]:
    """What lies in a folder, or only the folders in it, sorted. Raises NotASession when it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not folders or path.is_dir())
    except OSError as exc:
        raise NotASession(str(folder), f"cannot be read: {exc.strerror}") from None


def _refuse_unless_one_session(path: Path, runs: list[Path], *, is_folder: bool) -> None:
    sessions = sorted({run.name.split("_run-")[0] for run in runs})
    if len(sessions) > 1:
        raise NotASession(str(path), f"holds several sessions: {', '.join(sessions)}", hint="Name a file of one")
    if not runs:
        below = [str(p) for p in sessions_below(path)][:5] if is_folder else []
        hint = f"Sessions below it: {', '.join(below)}" if below else ""
        allowed = f"the folder of a session, or a file in it whose name ends in {RUN_SUFFIX}"
        raise NotASession(str(path), "holds no run of a session", allowed=allowed, hint=hint)


def is_bare(folder: Path) -> bool:
    """Whether it is the folder of a session in which nothing was recorded, as a crash may leave it."""
    if not _SESSION_FOLDER.fullmatch(folder.name) or not folder.is_dir():
        return False
    return not any(path.suffix == ".h5" for path in _listed(folder))


def sessions_below(directory: Path) -> list[Path]:
    """The session folders `sub-*/ses-*` below `directory`, which may itself be one subject's folder; sorted.

    A subject's folder that cannot be read stands for the sessions in it. Raises NotASession when `directory` cannot;
    what is no folder has none.
    """
    place = look_up("", directory, NotASession)
    if place is None or not S_ISDIR(place.st_mode):
        return []
    found = _sessions_in(directory)
    for home in (p for p in _listed(directory, folders=True) if p.name.startswith("sub-")):
        try:
            found += _sessions_in(home)
        except NotASession:
            found.append(home)
    return sorted(found, key=_by_number)


def _by_number(folder: Path) -> tuple[Path, int, str]:
    """Below the same subject ses-100 comes after ses-99."""
    session = _SESSION_FOLDER.fullmatch(folder.name)
    return (folder.parent, int(session.group(1)), "") if session else (folder, 0, folder.name)


def _sessions_in(home: Path) -> list[Path]:
    return [p for p in _listed(home, folders=True) if _SESSION_FOLDER.fullmatch(p.name)]


def beside(run_path: Path, suffix: str) -> Path:
    """The file that lies beside a run: `..._session.h5` and "verdict.json" give `..._verdict.json`."""
    stem = run_path.name.removesuffix(RUN_SUFFIX).removesuffix(".h5")
    return run_path.with_name(f"{stem}_{suffix}")


def remove_beside(path: Path) -> None:
    """Remove a file that lies beside a run, if it is there. Raises StorageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StorageError(str(path), f"cannot be removed: {exc.strerror}", hint="It is in the way: move it") from None


@contextmanager
def held_alone(lock: Path) -> Iterator[None]:
    """Keep out every other that asks for the file `lock`, in this process or another.

    It is made, and removed at the end: it says nothing when nobody holds it. Raises OSError, BlockingIOError when
    another holds it.
    """
    with made(lock) as fd:
        host.hold_alone(fd)
        if not _is_at(lock, fd):
            raise BlockingIOError(errno.EAGAIN, "whoever held it has just removed it", str(lock))
        try:
            yield
        finally:
            with suppress(OSError):
                host.remove(lock)


def _is_at(path: Path, fd: int) -> bool:
    """Whether the open file still has this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False

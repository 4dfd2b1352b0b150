"""Removes every file of a session, and leaves in the ledger who, when and why.

    noted in the ledger, marker ses-NN.deleted --> ses-NN/ becomes .ses-NN.deleting/ --> its files removed, then itself
                                                                                     --> noted as done

From the rename on no command takes it for a session. Whatever breaks it off, a second call goes on from there. The
marker keeps the number from being given again, also where there is no ledger.
"""

from __future__ import annotations

import json
from pathlib import Path

from rig import host
from rig.clock import utc_now
from rig.errors import NotASession, StorageError
from rig.private import write_private
from rig.session.arming import arming_of
from rig.session.folder import DELETING, RUN_SUFFIX, SessionFolder, folder_named
from rig.subjects.entries import Tombstone
from rig.subjects.ledger import Ledger

_ARCHIVING = (".{}.moved", ".{}.part", ".{}.part-lock", ".{}.part-state", ".{}.replaced")  # what is beside it meanwhile
_AGAIN = "Mend that, then run the same rig subjects delete again: it goes on from there"


def delete_session(folder: Path, ledger: Ledger, reason: str) -> Tombstone:
    """Remove all files of the session in `folder`, which is named sub-<ID>/ses-<NN>; what the ledger keeps of it.

    Goes on with a deletion that was broken off; one that is done already is told as it was. Copies elsewhere, such as
    in an archive, are not known here. Raises NotASession when there is none; StorageError when it is being recorded,
    read or archived, or the disk or the ledger refuses: then it is as it was, or hidden and partly removed.
    """
    session = _session_at(folder)
    done = ledger.tombstone(session.subject, session.number)
    if not session.path.exists() and not _hidden(session).exists():
        if done is None:
            raise _no_session(session)
        return done if done.done_utc else ledger.end_deletion(session.subject, session.number)
    _refuse_in_use(session.path)
    _refuse_archiving(session)
    ledger.ask_deletion(session.subject, session.number, reason)
    try:
        _remove(session, ledger)
    except OSError as exc:
        subject = str(exc.filename or session.path)
        raise StorageError(subject, f"cannot be removed: {exc.strerror}", hint=_AGAIN) from None
    return ledger.end_deletion(session.subject, session.number)


def _session_at(folder: Path) -> SessionFolder:
    """Whose session it is, by names as they stand on the disk: some disks find sub-a01 for sub-A01 as well."""
    path = folder.absolute()
    session = folder_named(path)
    if session is None:
        raise NotASession(str(folder), "does not say whose it is", allowed="a folder named sub-<ID>/ses-<NN>")
    if path.is_symlink() or path.parent.is_symlink():
        raise StorageError(str(folder), "is a link", hint=f"Delete the session itself: {path.resolve()}")
    home = path.parent
    if home.exists() and home.name not in {other.name for other in home.parent.iterdir()}:
        raise NotASession(str(folder), "does not exist; a subject's name there differs in upper and lower case")
    return session


def _hidden(session: SessionFolder) -> Path:
    return session.path.with_name(f".{session.path.name}{DELETING}")


def _no_session(session: SessionFolder) -> NotASession:
    marker = session.path.with_name(f"{session.path.name}.archived")
    if not marker.exists():
        return NotASession(str(session.path), "does not exist")
    try:
        where = str(json.loads(marker.read_bytes())["to"])
    except (OSError, ValueError, KeyError, TypeError):
        where = "an archive"
    hint = "Delete it there, with --out and the archive's folder"
    return NotASession(str(session.path), f"was moved to {where}", hint=hint)


def _refuse_in_use(folder: Path) -> None:
    """Raises StorageError while a program records, reads or copies it."""
    for run in sorted(folder.glob(f"*{RUN_SUFFIX}")):
        if any(path.is_file() and host.is_held(path) for path in (arming_of(run), run)):
            raise StorageError(str(run), "is being recorded or put in order right now", hint="Wait for its end")
        if holder := host.holder_of(run):
            hint = "Wait for its end, or end it"
            raise StorageError(str(run), f"is open in {holder.program} (process {holder.pid})", hint=hint)


def _refuse_archiving(session: SessionFolder) -> None:
    for name in _ARCHIVING:
        path = session.path.with_name(name.format(session.path.name))
        if path.exists():
            hint = "Run the same rig archive again to its end, then delete"
            raise StorageError(str(path), "belongs to a copy or a move that rig archive has not finished", hint=hint)


def _remove(session: SessionFolder, ledger: Ledger) -> None:
    """Hide it, then remove it. Raises OSError, StorageError."""
    hidden, home = _hidden(session), session.path.parent
    marker = session.path.with_name(f"{session.path.name}.deleted")
    write_private(marker, (json.dumps({"kind": "rig-deleted", "when_utc": utc_now()}) + "\n").encode())
    if session.path.exists():
        host.rename(session.path, hidden)
        host.sync_folder(home)
        try:
            _refuse_in_use(hidden)
        except StorageError:  # somebody began with it at the last moment
            host.rename(hidden, session.path)
            host.remove(marker)
            host.sync_folder(home)
            ledger.cancel_deletion(session.subject, session.number)
            raise
    _remove_folder(hidden)
    host.sync_folder(home)


def _remove_folder(folder: Path) -> None:
    """Remove a folder and all that lies in it; of a link the link alone."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before it
        if path.is_dir() and not path.is_symlink():
            host.remove_folder(path)
        else:
            host.remove(path)
    host.remove_folder(folder)

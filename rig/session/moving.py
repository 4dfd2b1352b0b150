"""Removes the source of an archived session, so that at every moment there is a whole session or none.

    ses-01/  --marker, rename-->  ses-01.archived, .ses-01.moved/  --remove files, then the folder-->  ses-01.archived

The marker says where the session went, and keeps its number from being given to another session.
"""

from __future__ import annotations

import json
from pathlib import Path

from rig import host
from rig.clock import utc_now
from rig.errors import StorageError
from rig.private import write_private
from rig.session.archived import Archived, Job, State, files_in, prove_equal, remove_folder
from rig.session.copying import Identity, Pace

ON_AGAIN = "Run the same command again: it goes on from there"
KEEP_BOTH = "Its source was moved before: touch nothing, look for another copy, and look after that disk"


def once_at(path: Path) -> Path | None:
    """The folder of a session that was moved away from `path`, or half moved; None when there never was one."""
    folder = path.absolute()
    is_gone = not folder.exists() and (_marker_of(folder).exists() or _moved(folder).exists())
    return path if is_gone else None


def _marker_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.archived")


def _moved(folder: Path) -> Path:
    """The source while its files are removed: no command takes it for a session."""
    return folder.with_name(f".{folder.name}.moved")


def check_target(job: Job) -> None:
    """Raise StorageError unless the archive holds the session that was moved there."""
    if not job.target.exists():
        problem = f"was moved to {_where(_marker_of(job.source))}, and is not at {job.target}"
        raise StorageError(str(job.source), problem, hint="Give the DEST that it was moved to")


def _where(marker: Path) -> str:
    try:
        return str(json.loads(marker.read_bytes())["to"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another folder"


def check_place(job: Job) -> None:
    """Raise StorageError unless the source can be found again, under its own name, when a move was broken off."""
    if job.source.is_symlink():
        hint = f"Move the session itself: {job.source.resolve()}"
        raise StorageError(str(job.source), "is a link; it is not moved", hint=hint)
    place = job.source.absolute()
    if (place.parent.name, place.name) != (job.subject, job.session):
        own = f"{job.subject}/{job.session}"
        raise StorageError(
            str(job.source), f"does not lie in a folder {own}; it is not moved", hint="Archive it without --move"
        )


def remove_source(job: Job, files: dict[str, Identity]) -> str:
    """Remove the source, whose `files` are proved to be in the archive; why that was not possible, or "".

    Anything in it that was changed or added since keeps all of it.
    """
    moved = _moved(job.source)
    try:
        if not _set_aside(job, moved, files):
            return f"the source was changed after it was copied, and stays. Move {job.target} away, then again"
        remove_folder(moved, files, job.manifest)
    except (OSError, StorageError) as exc:
        return _why_left(job, exc)
    return ""


def _set_aside(job: Job, moved: Path, files: dict[str, Identity]) -> bool:
    """Give the source a name that no command takes for a session; False when it is not what was copied."""
    if files_in(job.source, job.manifest) != files:
        return False
    _mark(job)
    host.rename(job.source, moved)
    host.sync_folder(job.source.parent)
    if files_in(moved, job.manifest) == files:
        return True
    host.rename(moved, job.source)  # somebody was in it already
    host.remove(_marker_of(job.source))
    host.sync_folder(job.source.parent)
    return False


def _mark(job: Job) -> None:
    """Say in the place of the source where it went."""
    text = json.dumps({"kind": "rig-archived", "to": str(job.target.absolute()), "when_utc": utc_now()})
    write_private(_marker_of(job.source), f"{text}\n".encode())


def _why_left(job: Job, exc: OSError | StorageError) -> str:
    why = exc.problem if isinstance(exc, StorageError) else exc.strerror or str(exc)
    moved = _moved(job.source)
    if moved.exists():
        return f"the source is half removed, and {moved} has the rest: {why}. {ON_AGAIN}"
    return f"the source is as it was: {why}. {ON_AGAIN}"


def go_on(job: Job, pace: Pace) -> Archived:
    """Finish a move that was broken off; what is left of the source is compared once more before it goes.

    Also for one that was finished: then the archive is read and compared with its manifest.
    """
    moved = _moved(job.source)
    left = files_in(moved, job.manifest) if moved.exists() else {}
    kept = prove_equal(moved, left, job, pace, is_whole=False, hint=KEEP_BOTH)
    note = "its source was moved before"
    try:
        if moved.exists():
            _mark(job)  # a power cut may have taken it
            remove_folder(moved, left, job.manifest)
    except (OSError, StorageError) as exc:
        return Archived(job.source, job.target, State.NOT_REMOVED, kept, [], _why_left(job, exc))
    return Archived(job.source, job.target, State.MOVED, kept, [note])

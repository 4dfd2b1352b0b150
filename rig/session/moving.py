"""Removes the source of an archived session, so that at every moment there is a whole session or none.

    ses-01/  --marker, rename-->  ses-01.archived, .ses-01.moved/  --remove files, then the folder-->  ses-01.archived

The marker says where the session went, and keeps its number from being given to another session.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from rig import host
from rig.clock import utc_now
from rig.errors import StorageError
from rig.session.archived import Archived, Job, State, changed, files_in, prove_equal
from rig.session.copying import Identity, Pace
from rig.session.folder import write_private


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


def remove_source(job: Job, files: dict[str, Identity]) -> None:
    """Remove the source, whose `files` are proved to be in the archive. Raises StorageError, OSError.

    Anything in it that was changed or added since keeps all of it.
    """
    if files_in(job.source, job.manifest) != files:
        raise changed(job.source)
    text = json.dumps({"kind": "rig-archived", "to": str(job.target.absolute()), "when_utc": utc_now()})
    write_private(_marker_of(job.source), f"{text}\n".encode())
    moved = _moved(job.source)
    host.rename(job.source, moved)
    host.sync_folder(job.source.parent)
    if files_in(moved, job.manifest) != files:  # by somebody who was in it already
        host.rename(moved, job.source)
        raise changed(job.source)
    _remove(moved, [*files, job.manifest])


def go_on(job: Job, pace: Pace) -> Archived:
    """Finish a move that was broken off; what is left of the source is compared once more before it goes.

    Also for one that was finished: then the archive is read and compared with its manifest.
    """
    moved = _moved(job.source)
    left = files_in(moved, job.manifest) if moved.exists() else {}
    kept = prove_equal(moved, left, job, pace, is_whole=False)
    if moved.exists():
        _remove(moved, [*left, job.manifest])
    return Archived(job.source, job.target, State.MOVED, kept, ["its source was moved before"])


def _remove(moved: Path, names: Collection[str]) -> None:
    """Remove these files, and the folder."""
    for path in (moved / name for name in names):
        if path.exists():
            host.remove(path)
    for folder in sorted((p for p in moved.rglob("*") if p.is_dir()), reverse=True):
        host.remove_folder(folder)
    host.sync_folder(moved)
    host.remove_folder(moved)
    host.sync_folder(moved.parent)

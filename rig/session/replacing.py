"""Puts a copy of a session in the place of one that was archived before its files were closed.

    ses-01/ (as a crash had left it) --> .ses-01.replaced/      .ses-01.part/ --> ses-01/      .ses-01.replaced/ removed

Its source is there all the while, and goes only after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rig import host
from rig.errors import RigError, SessionError, SessionExists
from rig.session.archived import Job, is_copy, prove_archived, remove_folder
from rig.session.copying import Identity, Pace
from rig.session.folder import find_runs
from rig.session.journal import journal_of
from rig.session.layout import Outcome
from rig.session.manifest import read_manifest
from rig.session.runfile import RunFile


def why_not_closed(run: Path) -> str:
    """What keeps a run file from being closed; empty when it is."""
    try:
        with RunFile(run) as file:
            return "was not closed" if file.outcome is Outcome.INCOMPLETE else ""
    except SessionError as exc:
        return "was not closed" if journal_of(run).exists() else f"cannot be read ({exc.problem})"


def is_earlier(job: Job, files: Mapping[str, Identity], pace: Pace) -> bool:
    """Whether the archive holds the same runs as they were before they were closed, and nothing but that.

    Raises OSError; ChecksumError when what it holds is damaged: that is for people to look at.
    """
    try:
        kept = read_manifest(job.target / job.manifest)
        runs = {run.name: run for run in find_runs(job.target)}
    except RigError:
        return False
    if set(kept) | {job.manifest} != {
        p.relative_to(job.target).as_posix() for p in job.target.rglob("*") if p.is_file()
    }:
        return False
    left = {name for name, run in runs.items() if why_not_closed(run)}
    journals = {journal_of(job.target / name).name for name in left}
    others = set(kept) - left - journals
    if not left or not set(runs) & set(files) or not others <= set(files):
        return False
    if not all(_is_same_run(job, name) for name in left & set(files)):
        return False
    for file in kept.values():
        prove_archived(job.target / file.name, file, pace)
    return all(is_copy(job.source / name, job.target / name, kept[name], pace) for name in others)


def _is_same_run(job: Job, name: str) -> bool:
    """Whether both files are of one recording, and that of the source is closed."""
    source = job.source / name
    return not why_not_closed(source) and _origin(source) == _origin(job.target / name)


def _origin(run: Path) -> tuple[object, ...]:
    try:
        with RunFile(run) as file:
            return file.run_id, file.created_host_ns, file.head.get("created_utc"), file.number
    except SessionError:
        return (run,)


def set_aside(job: Job) -> None:
    """Take the earlier copy out of the way of a proved one. Raises OSError, SessionExists when that is not possible."""
    if job.replaced.exists():
        raise SessionExists(str(job.replaced), "is there already", hint="Move it away, then again")
    host.rename(job.target, job.replaced)
    host.sync_folder(job.home)


def clear(job: Job) -> None:
    """Remove an earlier copy whose place is taken. Raises OSError; what nobody had archived is left."""
    if job.replaced.exists():
        manifest = job.replaced / job.manifest
        names = read_manifest(manifest) if manifest.exists() else {}  # it goes last
        remove_folder(job.replaced, names, job.manifest)

"""A session in an archive: where it lies there, and whether it is there whole.

DEST/sub-<ID>/ses-<NN>/            the session, with a manifest: taken for a session by every command
DEST/sub-<ID>/.ses-<NN>.part/      a copy that is not proved yet, each file named *.part: taken by none
              .ses-<NN>.part-state, .part-lock
              .ses-<NN>.replaced/  an earlier copy, until the one in its place is safe (replacing.py)
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from rig import host
from rig.config.find import look_up
from rig.errors import ChecksumError, SessionExists, StorageError
from rig.session import compressing
from rig.session.copying import Identity, Pace, checksum_of
from rig.session.manifest import NOTHING_TOUCHED, Kept, manifest_name, read_manifest

PART = ".part"
MOVE_AWAY = "The source was not touched. Move the archived session away, then again"
# Of no use but where they lie: room kept for a close, a copy that a close is making, a text that is being written.
_TRANSIENT = re.compile(r".*_session\.(journal-part|rewritten)|\..*\.part-\d+")


class State(StrEnum):
    """What became of a session that was to be archived."""

    ARCHIVED = "archived"  # copied, read back, equal
    ALREADY = "already archived"  # both were read again, and are equal
    MOVED = "moved"  # archived, and the source removed
    NOT_REMOVED = "not removed"  # archived, and the source, or some of it, is still there
    FAILED = "not safe"  # the source is as it was


@dataclass(frozen=True)
class Archived:
    """What was done with one session, whose copy is proved. `notes` are for people.

    `problem`: why the source was not removed, if it was to be.
    """

    source: Path
    target: Path
    state: State
    kept: list[Kept]
    notes: list[str]
    problem: str = ""


@dataclass
class Job:
    """A session and where it goes."""

    source: Path
    subject: str  # sub-001
    session: str  # ses-01
    destination: Path
    notes: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The subject's folder in the archive."""
        return self.destination / self.subject

    @property
    def target(self) -> Path:
        """The session's folder in the archive."""
        return self.home / self.session

    @property
    def part(self) -> Path:
        """The folder of the copy while it is not proved."""
        return self.home / f".{self.session}{PART}"

    @property
    def manifest(self) -> str:
        """The name of the manifest in that folder."""
        return manifest_name(f"{self.subject}_{self.session}")

    @property
    def replaced(self) -> Path:
        """The folder of an earlier copy while another one takes its place."""
        return self.home / f".{self.session}.replaced"

    def beside(self, suffix: str) -> Path:
        """A file beside the folder of the copy."""
        return self.home / f".{self.session}{PART}-{suffix}"

    def part_of(self, name: str) -> Path:
        """Where a file of the session is copied to."""
        return self.part / f"{name}{PART}"


def changed(path: Path) -> StorageError:
    """The error about a source that somebody wrote to."""
    hint = "Nothing is wrong with the source. Run the same command again: what changed is copied anew"
    return StorageError(str(path), "was changed while it was copied", hint=hint)


def files_in(folder: Path, manifest: str) -> dict[str, Identity]:
    """Every file of a session by its name in the folder, sorted, but the manifest and what is of no use elsewhere.

    Raises StorageError for a link.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        if not S_ISREG(stat.st_mode) and not S_ISDIR(stat.st_mode):
            raise StorageError(str(path), "is neither a file nor a folder", hint="Move it out of the session")
        if S_ISREG(stat.st_mode) and path != folder / manifest and not _TRANSIENT.fullmatch(path.name):
            found[path.relative_to(folder).as_posix()] = Identity.of(stat)
    return found


def prove_equal(
    folder: Path, names: Collection[str], job: Job, pace: Pace, *, is_whole: bool = True, hint: str = MOVE_AWAY
) -> list[Kept]:
    """Read these files of `folder` and the archived session, and compare them with each other and with the manifest.

    `is_whole`: they are all that the session has; `hint`: what to do when the archive is damaged. Raises SessionExists
    when the archive holds another session of that name, ChecksumError when it is damaged.
    """
    kept = read_manifest(job.target / job.manifest)
    apart = set(kept) ^ set(names) if is_whole else set(names) - set(kept)
    if apart:
        problem = f"holds another session, or not all of it: {', '.join(sorted(apart)[:5])}"
        raise SessionExists(str(job.target), problem, hint=NOTHING_TOUCHED)
    for file in kept.values():
        prove_archived(job.target / file.name, file, pace, hint)
    for name in names:
        if not is_copy(folder / name, job.target / name, kept[name], pace):
            problem = f"differs from {folder / name}: it is another session, or one was changed since"
            raise SessionExists(str(job.target / name), problem, hint=NOTHING_TOUCHED)
    return list(kept.values())


def prove_archived(path: Path, file: Kept, pace: Pace, hint: str = MOVE_AWAY) -> None:
    """Read a file of the archive. Raises ChecksumError unless it is as its manifest says."""
    if look_up("", path, StorageError) is None or checksum_of(path, pace) != file.checksum:
        problem = "is missing, damaged, or was changed since: it differs from its checksum in the archive"
        raise ChecksumError(str(path), problem, hint=hint)


def is_copy(source: Path, target: Path, file: Kept, pace: Pace) -> bool:
    """Whether a file holds what the archived one does, which is as its manifest says."""
    if not file.compressed:
        return checksum_of(source, pace) == file.checksum
    try:
        compressing.compare(source, target, pace)
    except ChecksumError:
        return False
    return True


def remove_folder(folder: Path, names: Collection[str], last: str) -> None:
    """Remove these files, what is of no use without them, the folders, and before the outermost the file `last`.

    Nothing else is removed, and a folder is not when something else lies in it. Raises OSError.
    """
    paths = sorted(folder.rglob("*"), reverse=True)  # what lies in a folder before it
    for path in paths:
        if path.is_file() and (path.relative_to(folder).as_posix() in names or _TRANSIENT.fullmatch(path.name)):
            host.remove(path)
    for path in paths:
        if path.is_dir():
            host.remove_folder(path)
    host.sync_folder(folder)
    if (folder / last).exists():
        host.remove(folder / last)
    host.remove_folder(folder)
    host.sync_folder(folder.parent)

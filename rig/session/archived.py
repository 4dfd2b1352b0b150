"""A session in an archive: where it lies there, and whether it is there whole.

DEST/sub-<ID>/ses-<NN>/            the session, with a manifest: taken for a session by every command
DEST/sub-<ID>/.ses-<NN>.part/      a copy that is not proved yet, each file named *.part: taken by none
              .ses-<NN>.part-state, .part-lock
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from rig.config.find import look_up
from rig.errors import ChecksumError, SessionExists, StorageError
from rig.session import compressing
from rig.session.copying import Identity, Pace, checksum_of
from rig.session.manifest import NOTHING_TOUCHED, Kept, manifest_name, read_manifest

PART = ".part"


class State(StrEnum):
    """What became of a session that was to be archived."""

    ARCHIVED = "archived"  # copied, read back, equal
    ALREADY = "already archived"  # both were read again, and are equal
    MOVED = "moved"  # archived, and the source removed
    FAILED = "not safe"  # the source is as it was


@dataclass(frozen=True)
class Archived:
    """What was done with one session. `notes` are for people."""

    source: Path
    target: Path
    state: State
    kept: list[Kept]
    notes: list[str]


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
    """Every file of a session by its name in the folder, sorted, but the manifest. Raises StorageError for a link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        if S_ISREG(stat.st_mode) and path != folder / manifest:
            found[path.relative_to(folder).as_posix()] = Identity.of(stat)
        elif not S_ISREG(stat.st_mode) and not S_ISDIR(stat.st_mode):
            raise StorageError(str(path), "is neither a file nor a folder", hint="Move it out of the session")
    return found


def prove_equal(folder: Path, names: Collection[str], job: Job, pace: Pace, *, is_whole: bool = True) -> list[Kept]:
    """Read these files of `folder` and the archived session, and compare them with each other and with the manifest.

    `is_whole`: they are all that the session has. Raises SessionExists when the archive holds another session of that
    name, ChecksumError when it is damaged.
    """
    kept = read_manifest(job.target / job.manifest)
    apart = set(kept) ^ set(names) if is_whole else set(names) - set(kept)
    if apart:
        problem = f"holds another session, or not all of it: {', '.join(sorted(apart)[:5])}"
        raise SessionExists(str(job.target), problem, hint=NOTHING_TOUCHED)
    for file in kept.values():
        _prove_archived(job.target / file.name, file, pace)
    for name in names:
        _compare(folder / name, job.target / name, kept[name], pace)
    return list(kept.values())


def _prove_archived(path: Path, file: Kept, pace: Pace) -> None:
    if look_up("", path, StorageError) is None or checksum_of(path, pace) != file.checksum:
        problem = "is missing, damaged, or was changed since: it differs from its checksum in the archive"
        raise ChecksumError(
            str(path), problem, hint="The source was not touched. Move the archived session away, then again"
        )


def _compare(source: Path, target: Path, file: Kept, pace: Pace) -> None:
    if file.compressed:
        compressing.compare(source, target, pace)
    elif checksum_of(source, pace) != file.checksum:
        problem = f"differs from {source}: it is another session, or one was changed since"
        raise SessionExists(str(target), problem, hint=NOTHING_TOUCHED)

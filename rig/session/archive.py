"""Copies a session to another disk, proves the copy by reading it back, and only then may remove the source.

    SESSION --> DEST/sub-<ID>/.ses-<NN>.part/*.part --all equal--> manifest, rename --> DEST/sub-<ID>/ses-<NN>/
                                                                                          |
    with --move:  marker ses-<NN>.archived, rename to .ses-<NN>.moved, remove  <----------+

Until the rename nothing at DEST is taken for a session. Each step can be broken off; the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from stat import S_IMODE

import xxhash

from rig import host
from rig.clock import Clock
from rig.config.find import require_folder
from rig.errors import (
    ChecksumError,
    NotASession,
    RigError,
    SessionExists,
    StorageError,
    UserError,
    raise_all,
)
from rig.private import write_private
from rig.session import compressing, moving, replacing
from rig.session.archived import PART, Archived, Job, State, changed, files_in, prove_equal
from rig.session.copying import Identity, Pace, checksum_of, copy_blocks, read_back
from rig.session.folder import RUN_SUFFIX, find_runs, held_alone, is_run_name, sessions_below
from rig.session.layout import spelled_size
from rig.session.manifest import NOTHING_TOUCHED, Kept, Progress, manifest_of

WAIT = "Wait for its end, then run the same command again"
AGAIN = f"The source was not touched. {moving.ON_AGAIN}"
REPLACED = "an earlier copy, made before the session was closed, was replaced"


def _job_for(path: Path, destination: Path) -> Job:
    """What `path`, a session's folder or a file in it, asks for; also one that is half moved, or was moved before.

    Raises NotASession, UserError when `destination` is the session or lies in it.
    """
    folder = moving.once_at(path)
    if folder is None:
        runs = find_runs(path)
        folder = runs[0].parent
        if folder.name in ("", ".."):  # as of the folder that one is in
            folder = folder.resolve()
        if not is_run_name(runs[0].name):
            raise NotASession(
                str(path), "does not say whose it is", allowed=f"a run named as rig record does, {RUN_SUFFIX}"
            )
        subject, session = runs[0].name.split("_")[:2]
    else:
        subject, session = folder.parent.name, folder.name
    job = Job(folder, subject, session, destination)
    _refuse_itself(job)
    return job


def _refuse_itself(job: Job) -> None:
    source = job.source.resolve()
    if job.target.resolve() == source:
        raise UserError("DEST", "is where the session lies", value=str(job.destination), hint="Choose another")
    if source in [job.destination.resolve(), *job.destination.resolve().parents]:
        raise UserError(
            "DEST", f"lies in the session {job.source}", value=str(job.destination), allowed="another folder"
        )


def jobs_for(paths: list[Path], destination: Path) -> list[Job]:
    """What the user asks for, each session once. Raises everything that keeps it from being begun."""
    _check_destination(destination)
    jobs: dict[Path, Job] = {}
    problems: list[RigError] = []
    for path in paths:
        try:
            job = _job_for(path, destination)
            jobs.setdefault(job.source.resolve(), job)
        except RigError as exc:
            problems.append(exc)
    raise_all(problems)
    return list(jobs.values())


def work_bytes(job: Job) -> int:
    """About how many bytes have to be handled; 0 when that cannot be told."""
    try:
        return 2 * sum(found.size for found in files_in(job.source, job.manifest).values())
    except (OSError, RigError):
        return 0


def _check_destination(destination: Path) -> None:
    # It must exist: a disk that is not mounted must not be taken for an empty one.
    require_folder("DEST", destination)
    if not host.may_write(destination):
        raise StorageError(str(destination), "may not be written to", hint="Choose another DEST")


def archive(
    job: Job, clock: Clock, *, move: bool = False, compress: bool = False, tell: Callable[[int], None] = lambda _: None
) -> Archived:
    """Copy a session, read it back, compare, and with `move` remove the source; `tell` is given bytes that are done.

    Returns only when the copy is proved, also when the source could not be removed. Raises a RigError otherwise; the
    source is as it was then.
    """
    pace = Pace(clock, lambda: is_recorded_beside(job.source.parent.parent), tell)
    if not job.source.exists():
        moving.check_target(job)
        with _refusals(job, moving.ON_AGAIN), _alone(job):
            return moving.go_on(job, pace)
    with _refusals(job, AGAIN):
        closed = _look_at(job, move=move)
        with _alone(job):
            files = files_in(job.source, job.manifest)
            to_compress = {name for name in closed if compress and compressing.is_of_use(job.source / name)}
            state, kept = _bring_over(job, files, to_compress, pace)
            _clear(job)
            problem = moving.remove_source(job, files) if move else ""
    if move:
        state = State.NOT_REMOVED if problem else State.MOVED
    return Archived(job.source, job.target, state, kept, job.notes, problem)


@contextmanager
def _refusals(job: Job, hint: str) -> Iterator[None]:
    """Turns what the system refuses into an error of the user's."""
    try:
        yield
    except OSError as exc:
        problem = f"cannot be archived: {exc.strerror or exc}"
        raise StorageError(str(exc.filename or job.target), problem, hint=hint) from exc


def _bring_over(job: Job, files: dict[str, Identity], to_compress: set[str], pace: Pace) -> tuple[State, list[Kept]]:
    """Let the archive hold the session: by a copy, unless it is there."""
    is_there = job.target.exists()
    if is_there and not replacing.is_earlier(job, files, pace):
        return State.ALREADY, prove_equal(job.source, files, job, pace)
    kept = _Copy(job, files, to_compress, pace).make(replace=is_there)
    if is_there:
        job.notes.append(REPLACED)
    return State.ARCHIVED, kept


def is_recorded_beside(directory: Path) -> bool:
    """Whether a recorder is at work on this machine, as far as can be seen, or below `directory`."""
    if host.is_written_by_others(RUN_SUFFIX, Path(RUN_SUFFIX).stem + ".arming"):
        return True
    held = host.held_files()
    runs = (run for folder in sessions_below(directory) for run in folder.glob(f"*{RUN_SUFFIX}")) if held else ()
    return any((found.st_dev, found.st_ino) in held for found in (run.stat() for run in runs))


def _look_at(job: Job, *, move: bool) -> set[str]:
    """The names of the runs that are closed. Raises StorageError for a session that may not be archived now."""
    runs = find_runs(job.source)
    if move:
        moving.check_place(job)
    if list(job.source.glob("*.arming")) or any(run.stat().st_size == 0 for run in runs):
        hint = "Wait a moment; when it stays so, a crash left it: rig recover"
        raise StorageError(str(job.source), "is being armed for a recording", hint=hint)
    closed = set()
    for run in runs:
        if host.is_held(run):
            raise StorageError(str(run), "is being recorded right now", hint=WAIT)
        if not (problem := replacing.why_not_closed(run)):
            closed.add(run.name)
            continue
        if move:
            hint = f"rig recover {quote(str(job.source))}, then again. Without --move it is copied as it is"
            raise StorageError(str(run), f"{problem}; it is not moved", hint=hint)
        job.notes.append(f"{run.name} {problem}: copied as it is")
    return closed


@contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Keep other archivings of this session out, and make the subject's folder."""
    _make_home(job)
    with ExitStack() as held:
        try:
            held.enter_context(held_alone(job.beside("lock")))
        except BlockingIOError:
            raise StorageError(str(job.target), "is being archived by another rig archive", hint=WAIT) from None
        yield


def _make_home(job: Job) -> None:
    """Make the subject's folder in the archive. Raises SessionExists beside one that differs only in case."""
    names = [path.name for path in job.destination.iterdir()]
    twins = [name for name in names if name.lower() == job.subject.lower() and name != job.subject]
    if twins:
        problem = f"differs only in upper and lower case from {twins[0]}, which is there"
        hint = "On many disks the two would share their files. Give another DEST"
        raise SessionExists(str(job.home), problem, hint=hint)
    if not job.home.is_dir():
        host.make_folder(job.home)
        host.sync_folder(job.destination)


class _Copy:
    """The copying of one session, file by file, until it is published."""

    def __init__(self, job: Job, files: dict[str, Identity], to_compress: set[str], pace: Pace) -> None:
        self._job, self._files, self._to_compress, self._pace = job, files, to_compress, pace
        self._progress = Progress(job.beside("state"))

    def make(self, *, replace: bool) -> list[Kept]:
        """Bring all files over, prove them, and publish them, with `replace` in the place of an earlier copy.

        Raises ChecksumError, StorageError, OSError.
        """
        self._tidy()
        self._check_room()
        kept = [self._bring(name) for name in self._files]
        if files_in(self._job.source, self._job.manifest) != self._files:
            raise changed(self._job.source)
        self._publish(kept, replace=replace)
        return kept

    def _tidy(self) -> None:
        """What an earlier run left: files that belong here get back the names of copies, others go."""
        part = self._job.part
        self._make_folder(part)
        for path in [p for p in sorted(part.rglob("*")) if p.is_file()]:
            name = path.relative_to(part).as_posix()
            if name in self._files:
                host.rename(path, self._job.part_of(name))
            elif name.removesuffix(PART) not in self._files or not name.endswith(PART):
                host.remove(path)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of the copy, and what is missing above it; never the subject's, whose disk may be gone."""
        if not folder.is_dir():
            if folder != self._job.part:
                self._make_folder(folder.parent)
            host.make_folder(folder)
        host.make_private(folder)

    def _check_room(self) -> None:
        """Raise StorageError when what is still to be copied does not fit."""
        parts = [self._job.part_of(name) for name in self._files]
        needed = sum(_occupied(self._job.source / name) for name in self._files)
        needed -= sum(_occupied(part) for part in parts if part.exists())
        free = host.free_bytes(self._job.destination)
        if needed > free:
            problem = f"has {spelled_size(free)} free, and {spelled_size(needed)} are needed"
            raise StorageError(str(self._job.destination), problem, hint="Free some room, or choose another DEST")

    def _bring(self, name: str) -> Kept:
        """Copy one file and prove it, unless that was done before."""
        source, part, identity = self._job.source / name, self._job.part_of(name), self._files[name]
        is_packed = name in self._to_compress
        kept = self._progress.proved(name, identity, part)
        if kept and kept.compressed == is_packed:
            self._pace.rest(2 * identity.size)
            return kept
        self._make_folder(part.parent)
        try:
            checksum = self._compress(name) if is_packed else self._copy(name)
        except ChecksumError:
            self._progress.start_anew(name)
            raise
        if Identity.of(source.stat()) != identity:
            raise changed(source)
        self._put_rights_and_times(source, part)
        kept = Kept(name, part.stat().st_size, checksum, identity.modified_ns, is_packed)
        self._progress.note_proved(identity, part, kept)
        return kept

    def _copy(self, name: str) -> str:
        source, part, identity = self._job.source / name, self._job.part_of(name), self._files[name]
        blocks = self._progress.blocks(name, identity, part)
        for digest in copy_blocks(source, part, len(blocks), self._pace):
            blocks.append(digest)
            host.sync_folder(part.parent)
            self._progress.note_blocks(name, identity, blocks)
        return read_back(part, blocks, self._pace)

    def _compress(self, name: str) -> str:
        """One that was broken off is begun anew."""
        source, part = self._job.source / name, self._job.part_of(name)
        self._progress.start_anew(name)
        compressing.compress(source, part, self._pace)
        checksum = checksum_of(part, self._pace)
        damaged = compressing.compare(source, part, self._pace)
        if damaged:
            self._note(f"{name}: {damaged} pictures were damaged in the source already, and are so in the copy")
        return checksum

    def _put_rights_and_times(self, source: Path, part: Path) -> None:
        found = source.stat()
        try:
            part.chmod(host.PRIVATE_FILE if S_IMODE(found.st_mode) & 0o200 else 0o400)
            host.put_times(part, found.st_mtime_ns)
        except PermissionError:  # some file systems keep neither
            self._note("DEST keeps no permissions: whoever has the disk can read it")
        with host.opened(part) as fd:  # which may be read-only by now
            host.sync_file(fd)
        host.sync_folder(part.parent)

    def _note(self, text: str) -> None:
        if text not in self._job.notes:
            self._job.notes.append(text)

    def _publish(self, kept: list[Kept], *, replace: bool) -> None:
        """All files are equal: give them their names, then the folder. From that rename on it is a session."""
        job = self._job
        self._write_manifest(job.part_of(job.manifest), manifest_of(kept))
        for name in [*self._files, job.manifest]:
            host.rename(job.part_of(name), job.part / name)
        for folder in [*(p for p in job.part.rglob("*") if p.is_dir()), job.part]:
            host.sync_folder(folder)
        if replace:
            replacing.set_aside(job)
        if job.target.exists():
            raise SessionExists(str(job.target), "has come into being meanwhile", hint=NOTHING_TOUCHED)
        host.rename(job.part, job.target)
        host.sync_folder(job.home)

    def _write_manifest(self, path: Path, data: bytes) -> None:
        write_private(path, data)
        if checksum_of(path, self._pace) != xxhash.xxh3_128_hexdigest(data):
            raise ChecksumError(str(path), "read back, it differs from what was written", hint=AGAIN)


def _occupied(path: Path) -> int:
    """Bytes that a file takes on its disk: its holes take none."""
    found = path.stat()
    return min(found.st_size, getattr(found, "st_blocks", 1 << 62) * 512)


def _clear(job: Job) -> None:
    """Remove the note of what was done and an earlier copy, also those that a crash left beside a whole session."""
    replacing.clear(job)
    if job.beside("state").exists():
        host.remove(job.beside("state"))
        host.sync_folder(job.home)

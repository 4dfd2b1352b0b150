"""Archives, looked at from outside: what they hold, and what a power cut leaves of an archiving.

A disk holds `sessions/sub-001/ses-01`, and `nas`, where it is to go.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import h5py
import hdf5plugin  # noqa: F401  the filter of compressed pictures
import numpy as np
import pytest

import rig.session.archive
from rig.clock import VirtualClock
from rig.errors import NotASession, RigError
from rig.session.archive import archive, jobs_for
from rig.session.archived import Archived, State
from rig.session.copying import Identity
from rig.session.folder import find_runs, sessions_below
from tests.power import DiskLog

SOURCE, NAS, TARGET = Path("sessions/sub-001/ses-01"), Path("nas"), Path("nas/sub-001/ses-01")


def bring(session: Path, dest: Path, **options: bool) -> Archived:
    """Archive a session, in no time."""
    (job,) = jobs_for([session], dest)
    return archive(job, VirtualClock(), **options)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, the manifests of archives apart."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith("_archive.json")]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_no_session(dest: Path) -> None:
    """No command takes anything at DEST for a session: neither folders nor files, also when they are named."""
    assert sessions_below(dest) == []
    for path in [p for p in dest.rglob("*") if p.suffix != ".tsv"]:
        with pytest.raises(NotASession):
            find_runs(path)


def assert_equal_hdf5(one: Path, other: Path) -> None:
    """By plain h5py: every object, its attributes, its values."""
    with h5py.File(one) as first, h5py.File(other) as second:
        names: list[str] = []
        first.visit(names.append)
        theirs: list[str] = []
        second.visit(theirs.append)
        assert names == theirs
        assert dict(first.attrs) == dict(second.attrs)
        for name in names:
            mine, yours = first[name], second[name]
            assert {k: str(v) for k, v in mine.attrs.items()} == {k: str(v) for k, v in yours.attrs.items()}
            if isinstance(mine, h5py.Dataset):
                assert (mine.dtype, mine.shape, mine.maxshape) == (yours.dtype, yours.shape, yours.maxshape), name
                assert np.asarray(mine[()]).tobytes() == np.asarray(yours[()]).tobytes() or mine[()] == yours[()], name


def assert_same(target: Path, original: Path, *, compressed: bool = False) -> None:
    """An archived session is as its source was: the same files, and equal or, `compressed`, telling the same."""
    ours, theirs = tree(target), tree(original)
    assert sorted(ours) == sorted(theirs)
    for name in theirs:
        if compressed and name.endswith(".h5"):
            assert_equal_hdf5(original / name, target / name)
        else:
            assert ours[name] == theirs[name], name


@dataclass(frozen=True)
class Archiving:
    """One archiving as the disk saw it. `original`: the session as it was."""

    log: DiskLog
    original: Path
    options: dict[str, bool]


def log_an_archiving(folder: Path, session: Path, *, earlier: Path | None = None, **options: bool) -> Archiving:
    """What is asked of the disk while a copy of `session` is archived; `earlier`: what DEST holds of it already."""
    disk = folder / "disk"
    shutil.copytree(session, disk / SOURCE)
    (disk / NAS).mkdir()
    if earlier is not None:
        shutil.copytree(earlier, disk / TARGET)
    log = DiskLog(disk, is_shared=True)
    with _by_size_and_time(), log.logging():
        bring(disk / SOURCE, disk / NAS, **options)
    return Archiving(log, session, options)


@contextmanager
def _by_size_and_time() -> Iterator[None]:
    """After a power cut here files have other inodes than before. Whoever records on this machine does not count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Identity, "of", classmethod(lambda cls, found: cls(found.st_size, found.st_mtime_ns, 0)))
        patch.setattr(rig.session.archive, "is_recorded_beside", lambda _: False)
        yield


def wrong_after_a_cut(done: Archiving, place: int, random: Random, folder: Path) -> str:
    """What is wrong when the power goes at operation `place`, and after the same command was given again; or ""."""
    folder.mkdir()
    done.log.cut_at(place, random, folder)
    try:
        _assert_one_is_whole(done, folder)
        with _by_size_and_time():
            state = bring(folder / SOURCE, folder / NAS, **done.options).state
        _assert_ended_well(done, state, folder)
    except (AssertionError, RigError, OSError, pytest.fail.Exception) as exc:
        return f"operation {place}: {type(exc).__name__}: {exc}"
    return ""


def _assert_one_is_whole(done: Archiving, folder: Path) -> None:
    """A session at the source, or in the archive; and what is there is whole, or looks like none."""
    is_source, is_target = (bool(sessions_below(folder / name)) for name in ("sessions", "nas"))
    if is_source:
        assert_same(folder / SOURCE, done.original)
    else:
        assert_no_session(folder / "sessions")
    if is_target:
        is_earlier = is_source and _outcomes(folder / TARGET) == {"incomplete"}  # not replaced yet
        if not is_earlier:
            assert_same(folder / TARGET, done.original, compressed=done.options.get("compress", False))
    else:
        assert_no_session(folder / NAS)
    assert is_source or is_target, "no session is left"


def _outcomes(session: Path) -> set[str]:
    found = set()
    for run in session.glob("*_session.h5"):
        with h5py.File(run) as file:
            found.add(str(file.attrs["outcome"]))
    return found


def _assert_ended_well(done: Archiving, state: State, folder: Path) -> None:
    is_move = done.options.get("move", False)
    assert state in ([State.MOVED] if is_move else [State.ARCHIVED, State.ALREADY])
    assert_same(folder / TARGET, done.original, compressed=done.options.get("compress", False))
    assert listed((folder / TARGET).parent) == ["ses-01"]
    assert listed((folder / SOURCE).parent) == (["ses-01.archived"] if is_move else ["ses-01"])

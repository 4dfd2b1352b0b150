"""A film is decoded once for the user of a machine; what is kept of it can be lost, broken and refused at no cost."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from rig import host
from rig.check.preflight import check
from rig.clips import known
from rig.clips.counted import Counted, count
from rig.clips.examine import examine
from rig.clips.known import counted_once
from rig.clips.manifest import find_clip, find_clips
from rig.clips.pinning import pin
from rig.elicitation.protocol import read_protocol
from rig.errors import ClipError
from tests.films import make_film, sha256_of
from tests.rights import without_root
from tests.rigs import write_film_protocol, write_rig


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what is counted is kept: nothing is yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/rig/films"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the films that were decoded, in order."""
    names: list[str] = []

    def told(path: Path, in_s: float | None = None, out_s: float | None = None) -> Counted:
        names.append(path.name)
        return count(path, in_s, out_s)

    monkeypatch.setattr(known, "count", told)
    return names


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mkv", 12, size=(32, 24), times_ms=[7 + round(i * 1000 / 30) for i in range(12)])


def once(film: Path, in_s: float | None = None, out_s: float | None = None) -> Counted:
    return counted_once(film, sha256_of(film), in_s, out_s)


def test_the_second_time_says_all_that_the_first_did(film: Path, decoded: list[str]) -> None:
    for part in ((None, None), (0.1, None), (None, 0.3), (0.1, 0.3)):
        fresh, first, second = count(film, *part), once(film, *part), once(film, *part)
        assert first == second == fresh
        assert second.ready_s == first.ready_s
    assert decoded == [film.name] * 4


def test_whatever_it_depends_on_is_another_count(
    film: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    once(film)
    shutil.copy(film, film.with_name("other.mkv"))
    once(film.with_name("other.mkv"))  # the same bytes
    assert decoded == [film.name]
    shutil.copy(film, film.with_suffix(".webm"))  # FFmpeg looks at that, too
    once(film.with_suffix(".webm"))
    monkeypatch.setattr(known, "COUNTING", -1)
    once(film)
    monkeypatch.setattr(av, "library_versions", {**av.library_versions, "libavcodec": (0, 0, 0)})
    once(film)
    monkeypatch.setattr(av, "__version__", "0")
    once(film)
    once(film)
    assert decoded == [film.name, "film.webm", *[film.name] * 3]
    make_film(film, 5, size=(32, 24))
    assert len(once(film).pts_s) == 5


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[:-20],
    "one digit is another": lambda data: data.replace(b"32", b"33"),
    "no text": lambda data: b"\xff" + data,
    "of another version": lambda data: b"{}\n{}",
    "another's": lambda data: data.replace(b'"first": 0', b'"first": 3'),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_not_as_it_was_written_is_replaced(film: Path, store: Path, decoded: list[str], how: str) -> None:
    fresh = once(film)
    (kept,) = store.iterdir()
    data = kept.read_bytes()
    kept.write_bytes(BROKEN[how](data))
    assert kept.read_bytes() != data
    assert once(film) == once(film) == fresh
    assert decoded == [film.name] * 2


def pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def huge(place: Path) -> None:
    os.truncate(place, 1 << 40)


def folder(place: Path) -> None:
    place.unlink()
    place.mkdir()
    (place / "in it").touch()


@pytest.mark.parametrize("put", [pipe, huge, folder])
def test_what_is_no_file_of_ours_in_its_place_is_not_read(
    film: Path, store: Path, decoded: list[str], put: Callable[[Path], None]
) -> None:
    fresh = once(film)
    put(next(store.iterdir()))
    with within(30):
        assert once(film) == fresh
    assert decoded == [film.name] * 2
    again = 3 if put is folder else 2  # nothing takes the place of a folder
    assert once(film) == fresh
    assert len(decoded) == again


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Who waits for a pipe that nobody writes to is interrupted."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for ever"))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_what_another_user_counted_is_not_believed(
    film: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    once(film)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    once(film)
    assert len(decoded) == 2


def test_a_count_under_the_name_of_another_is_not_believed(film: Path, store: Path, decoded: list[str]) -> None:
    once(film, 0.1)
    (other,) = store.iterdir()
    fresh = once(film)
    (own,) = set(store.iterdir()) - {other}
    shutil.copy(other, own)
    assert once(film) == fresh
    assert len(decoded) == 3


def test_where_nothing_can_be_kept_it_is_decoded_each_time(
    film: Path, store: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as on_a_full_disk:
        on_a_full_disk.setattr(host, "write_at", full)
        assert once(film) == once(film)
    assert list(store.iterdir()) == []
    store.rmdir()
    store.touch()  # in the folder's place
    assert once(film) == once(film)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _no_home)
    assert once(film) == once(film)
    assert len(decoded) == 6


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_folder_without_rights_costs_nothing_but_the_time(
    decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_root() as (folder, take_rights):
        film = make_film(folder / "film.mp4", 5, size=(32, 24))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        once(film)
        (kept,) = (folder / "rig/films").iterdir()
        take_rights(kept, 0)
        take_rights(kept.parent, 0o500)
        assert once(film) == once(film)
    assert len(decoded) == 3


def test_only_the_owner_reads_what_is_kept_and_nothing_else_stays(film: Path, store: Path) -> None:
    once(film)
    (kept,) = store.iterdir()
    assert (kept.suffix, kept.stat().st_mode & 0o777) == (".json", 0o600)
    assert film.name not in kept.read_text()


def test_a_refused_film_is_looked_at_again(tmp_path: Path, store: Path, decoded: list[str]) -> None:
    film = make_film(tmp_path / "vfr.mkv", 4, size=(32, 24), times_ms=[0, 40, 80, 200])
    for _ in range(2):
        with pytest.raises(ClipError, match="no constant frame rate"):
            once(film)
    assert len(decoded) == 2
    assert not store.exists()


@pytest.mark.parametrize("then", ["another", "gone"])
def test_a_film_that_is_replaced_while_it_is_counted_is_refused(
    film: Path, store: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Its pictures would be called those of the film whose sha256 was counted before."""

    def replaced(path: Path, *part: float | None) -> Counted:
        found = count(make_film(path, 5, size=(32, 24)), *part)
        if then == "gone":
            path.unlink()
        return found

    monkeypatch.setattr(known, "count", replaced)
    said = {"another": "was replaced while it was counted", "gone": "cannot be read: No such file"}
    with pytest.raises(ClipError, match=said[then]):
        once(film)
    assert not store.exists()


def test_who_comes_second_replaces_what_the_first_has_kept(
    film: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = known.count

    def both(path: Path, *part: float | None) -> Counted:
        monkeypatch.setattr(known, "count", told)
        once(film)  # another process, meanwhile
        return told(path, *part)

    monkeypatch.setattr(known, "count", both)
    assert once(film) == once(film)
    assert len(decoded) == 2


def test_what_import_has_counted_no_command_decodes_again(tmp_path: Path, decoded: list[str]) -> None:
    protocol = write_film_protocol(tmp_path, frames=10)
    pin(protocol, "film", tmp_path / "film.mp4")
    assert decoded == ["film.mp4"]
    file = read_protocol(protocol)
    clips = find_clips(file)
    assert [clip.clip for clip in examine(file)] == list(clips.values())
    found = check(str(write_rig(tmp_path)), str(protocol), tmp_path, with_devices=False)
    assert (found.problems, found.films.clips) == ([], clips)
    assert decoded == ["film.mp4"]
    make_film(tmp_path / "film.mp4", 11)
    found = check(str(tmp_path / "rig-1.yaml"), str(protocol), tmp_path, with_devices=False)
    assert ["another film than the protocol names" in str(problem) for problem in found.problems] == [True]


def test_a_film_that_is_another_one_now_is_refused_however_well_the_first_is_known(film: Path) -> None:
    sha256 = sha256_of(film)
    find_clip("film", film.name, sha256, film.parent)
    film.write_bytes(film.read_bytes() + b"\0")
    with pytest.raises(ClipError, match="another film than the protocol names"):
        find_clip("film", film.name, sha256, film.parent)


@pytest.mark.parametrize(
    ("system", "given", "place"),
    [
        ("linux", {"XDG_CACHE_HOME": "/var/a"}, "/var/a"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache"),
        ("linux", {"XDG_CACHE_HOME": "not/absolute"}, "/home/me/.cache"),
        ("win32", {"XDG_CACHE_HOME": "/var/a", "LOCALAPPDATA": "/local"}, "/local"),
    ],
)
def test_it_lies_where_the_system_has_such_files(
    monkeypatch: pytest.MonkeyPatch, system: str, given: dict[str, str], place: str
) -> None:
    for name, value in {"HOME": "/home/me", **given}.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as there:
        there.setattr(sys, "platform", system)
        found = host.cache_folder()
    assert found == Path(place)

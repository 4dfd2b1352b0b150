"""Film frames as they are asked for, in any order: each carries its number, and is never another one."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rig.errors import ClipError, UserError
from rig.session.reader import Session
from rig.session.timeline import Timeline
from rig.web import film as film_module
from rig.web.film import Film, Films
from tests.films import clip_of, make_film, number_of, sha256_of
from tests.handmade import Plan, make_run

FRAMES = 120
# One key frame; several, with frames that are shown before the key frame they need (open GOP); key frames alone.
KINDS: dict[str, dict[str, Any]] = {
    "one key frame": {"options": {"g": "999", "bf": "2"}},
    "open groups": {"options": {"x264-params": "keyint=12:open-gop=1:bframes=3:scenecut=0"}},
    "closed groups": {"options": {"g": "10", "bf": "3"}, "fps": Fraction(30000, 1001)},
    "key frames alone": {"options": {"g": "1"}},
}


def number_in(jpeg: bytes) -> int:
    return number_of(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))


def orders() -> dict[str, list[int]]:
    anyhow = list(range(FRAMES))
    random.Random(1).shuffle(anyhow)
    return {"on": list(range(0, FRAMES, 7)), "back": list(range(FRAMES - 1, 60, -1)), "anyhow": anyhow[:40]}


@pytest.fixture(scope="module", params=list(KINDS))
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", FRAMES, **KINDS[request.param])


@pytest.fixture
def opened(film: Path):
    pts_s = np.array(clip_of(film).pts_s)
    found = Film(film, 0, pts_s)
    yield found
    found.close()


@pytest.mark.parametrize("order", list(orders()))
def test_in_any_order_each_frame_is_the_one_asked_for(opened: Film, order: str) -> None:
    for number in orders()[order]:
        frames = list(opened.frames_at(number))
        assert frames[-1][0] == number
        for at, frame in frames:
            assert number_of(frame.to_ndarray(format="rgb24")) == at


def test_behind_a_jump_a_frame_is_the_same_to_the_last_bit(opened: Film, film: Path) -> None:
    """As decoded from the start: not half of it, as a frame that needs one before the key frame would be."""
    with av.open(str(film)) as container:
        whole = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for number in (70, 23, 24, 25, 47, 99, 48):
        [*_, (_, frame)] = opened.frames_at(number)
        assert np.array_equal(frame.to_ndarray(format="rgb24"), whole[number]), number


def test_going_back_frames_before_are_kept_so_that_few_steps_decode(film: Path, tmp_path: Path) -> None:
    with _played(film, tmp_path) as (films, line):
        films.jpeg(line, "bunny", 80)
        decoded = _counting(films)
        for number in range(79, 79 - 27, -1):
            assert number_in(films.jpeg(line, "bunny", number)) == number
    assert len(decoded) <= 4  # of 27: each brings about eight more


def test_a_jump_counts_from_the_start_only_where_it_must(opened: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Film, "_counted", lambda _: iter(()))
    for number in (119, 60, 71, 35, 34, 0, 100):
        assert list(opened.frames_at(number))[-1][0] == number


def test_frames_before_the_first_key_frame_and_damaged_ones_are_passed_over() -> None:
    """Most decoders leave them out by themselves."""
    told = [(0.1, False, False), (0.2, True, False), (0.3, False, True), (0.4, False, False)]
    frames = [SimpleNamespace(time=at, key_frame=key, is_corrupt=bad) for at, key, bad in told]
    found = Film(Path("film.mp4"), 0, np.arange(10) / 10)._told(iter(frames), 0.0)
    assert [number for number, _ in found] == [2, 4]


def test_a_part_of_a_film_counts_from_its_own_first_frame(film: Path) -> None:
    pts_s = np.array(clip_of(film).pts_s)
    part = Film(film, 40, pts_s[40:] - pts_s[40])
    for number in (5, 60, 59, 0, 79):
        assert number_of(list(part.frames_at(number))[-1][1].to_ndarray(format="rgb24")) == 40 + number
    part.close()


def test_times_that_do_not_tell_frames_apart_are_not_believed(film: Path) -> None:
    """A table whose times are those of other frames, or of none: then frames are counted from the start."""
    for pts_s in (np.zeros(FRAMES), np.arange(FRAMES) / 7.3):
        found = Film(film, 0, pts_s)
        for number in (50, 10, 90, 89):
            assert number_of(list(found.frames_at(number))[-1][1].to_ndarray(format="rgb24")) == number
        found.close()


def test_a_film_of_uneven_times_is_told_by_them(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(1).integers(20, 80, 60)).tolist()
    path = make_film(tmp_path / "film.mkv", 60, times_ms=times, options={"g": "9"})
    found = Film(path, 0, (np.array(times) - times[0]) / 1000)
    for number in (50, 10, 30, 29, 59, 0):
        assert number_of(list(found.frames_at(number))[-1][1].to_ndarray(format="rgb24")) == number
    found.close()


def test_a_wide_film_is_sent_smaller_and_the_oldest_pictures_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _played(make_film(tmp_path / "clip.mp4", 12, size=(1280, 720)), tmp_path) as (films, line):
        jpeg = films.jpeg(line, "bunny", 3)
        assert Image.open(io.BytesIO(jpeg)).size == (960, 540)
        monkeypatch.setattr(film_module, "MOST_BYTES", 3 * len(jpeg))
        for number in range(12):
            assert number_in(films.jpeg(line, "bunny", number)) == number
        assert 1 <= len(films._jpegs) <= 4
        assert films._bytes == sum(map(len, films._jpegs.values()))


def test_a_film_that_is_not_here_and_a_frame_it_has_not_are_said(film: Path, tmp_path: Path) -> None:
    with _played(film, tmp_path) as (films, line), pytest.raises(UserError, match="such film frame; 0 to 119"):
        films.jpeg(line, "bunny", FRAMES)
    with (
        _played(film, tmp_path / "other", sha256="0" * 64) as (films, line),
        pytest.raises(ClipError, match="sha256"),
    ):
        films.jpeg(line, "bunny", 0)


@contextmanager
def _played(film: Path, folder: Path, sha256: str = "") -> Iterator[tuple[Films, Timeline]]:
    """The clip `bunny` of a session, which is that film."""
    (folder / "films").mkdir(parents=True)
    copy = folder / "films/clip.mp4"
    copy.write_bytes(film.read_bytes())
    plan = Plan(clip_sha256=sha256 or sha256_of(copy), clip_frames=len(clip_of(copy).pts_s))
    with closing(Films()) as films, Session(make_run(folder, plan), clips=copy.parent) as session:
        yield films, session.timelines[0]


def _counting(films: Films) -> list[int]:
    """What is decoded from now on."""
    asked: list[int] = []
    assert films._film
    plain: Callable[[int], Any] = films._film.frames_at

    def counted(number: int) -> Any:
        asked.append(number)
        return plain(number)

    films._film.frames_at = counted  # type: ignore[method-assign]
    return asked

"""The film player hands over every picture in order, never waits, and leaves no thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rig.clips.decode import scaled
from rig.clock import NS, HostClock
from rig.stimulus.player import AHEAD, FilmPlayer
from tests.films import clip_of, make_film, number_of


def _wait_for(film: FilmPlayer) -> None:
    clock = HostClock()
    end_ns = clock.now_ns() + 30 * NS
    while not film.is_ready and clock.now_ns() < end_ns:
        clock.sleep_until(clock.now_ns() + NS // 1000)
    assert film.is_ready


def test_pictures_are_the_film_frames_asked_for(tmp_path: Path) -> None:
    film = FilmPlayer(clip_of(make_film(tmp_path / "film.mp4", 60, options={"bf": "3"})), (80, 60))
    try:
        seen = []
        for target in range(60):
            _wait_for(film) if target % 10 == 0 else None
            picture = film.take(target)
            assert film.film_frame == target and (picture.width, picture.height) == (80, 60)
            seen.append(number_of(scaled(picture, (80, 60), "rgb24").to_ndarray()))
        assert seen == list(range(60))
        assert film.take(59) is None  # nothing new
        assert not film.has_failed
    finally:
        film.close()


def test_clip_that_begins_within_its_film_plays_that_part(tmp_path: Path) -> None:
    whole = clip_of(make_film(tmp_path / "film.mp4", 60, options={"bf": "3"}))
    film = FilmPlayer(replace(whole, first=30, pts_s=whole.pts_s[:8]), (80, 60))
    try:
        _wait_for(film)
        seen = [number_of(scaled(film.take(target), (80, 60), "rgb24").to_ndarray()) for target in range(8)]
        assert seen == list(range(30, 38))
        assert film.take(8) is None
        assert not film.has_failed
    finally:
        film.close()


def test_decoder_that_is_late_gives_the_nearest_before(tmp_path: Path) -> None:
    film = FilmPlayer(clip_of(make_film(tmp_path / "film.mp4", 60)), (160, 120))
    try:
        _wait_for(film)
        film.take(59)
        assert AHEAD - 1 <= film.film_frame <= 59
    finally:
        film.close()


def test_film_that_is_longer_than_the_buffer_can_be_left_at_once(tmp_path: Path) -> None:
    film = FilmPlayer(clip_of(make_film(tmp_path / "film.mp4", 60)), (160, 120))
    film.close()


def test_film_is_jumped_to_and_left_at_once_while_it_is_decoded_up_to_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, left = clip_of(make_film(tmp_path / "film.mp4", 3)), []
    clip = replace(clip, first=1, pts_s=clip.pts_s[:2], at_s=0.04, may_jump=True)

    def endless(*part: object, is_left: Callable[[], bool]) -> Iterator[object]:
        left.append(part)
        while not is_left():
            HostClock().sleep_until(HostClock().now_ns() + NS // 1000)
        yield from ()

    monkeypatch.setattr("rig.stimulus.player.decoded", endless)
    FilmPlayer(clip, (160, 120)).close()
    assert left == [(clip.path, 1, 2, 0.04)]


@pytest.mark.parametrize("left", [0, 400])
def test_film_that_breaks_after_the_check_is_a_fault_and_no_hang(tmp_path: Path, left: int) -> None:
    path = make_film(tmp_path / "film.mp4", 60)
    clip = clip_of(path)
    path.write_bytes(path.read_bytes()[:left])
    film = FilmPlayer(clip, (160, 120))
    try:
        _wait_for(film)
        film.take(59)
        assert film.has_failed
        assert str(path) in film.fault
    finally:
        film.close()

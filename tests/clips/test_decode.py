"""The pictures of a film are its pictures: the right ones, in order, whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rig.clips.decode import fitted, picture, pictures, texture_size
from rig.errors import ClipError
from tests.films import make_film, number_of, numbered


@pytest.mark.parametrize(
    ("name", "options"),
    [("b.mp4", {"bf": "3"}), ("one_keyframe.mp4", {"g": "1000"}), ("stream.ts", {"bf": "2"}), ("film.mkv", {})],
)
def test_pictures_come_in_the_order_of_the_film(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    film = make_film(tmp_path / name, 60, options=options)
    assert [number_of(p) for p in pictures(film)] == list(range(60))


def test_picture_is_the_one_of_that_number(tmp_path: Path) -> None:
    film = make_film(tmp_path / "b.mp4", 60, options={"bf": "3", "g": "12"})
    assert [number_of(picture(film, i)) for i in (0, 1, 11, 12, 13, 37, 59)] == [0, 1, 11, 12, 13, 37, 59]


@pytest.mark.parametrize("index", [-1, 5])
def test_picture_beyond_the_film_is_refused(tmp_path: Path, index: int) -> None:
    film = make_film(tmp_path / "film.mp4", 5)
    with pytest.raises(ClipError, match=f"{index} is no film frame"):
        picture(film, index)


def test_odd_size_is_not_slanted(tmp_path: Path) -> None:
    film = make_film(tmp_path / "odd.mkv", 3, size=(321, 241))
    for index, shown in enumerate(pictures(film)):
        np.testing.assert_array_equal(shown, numbered(index, 321, 241))


def test_pictures_come_at_the_size_asked_for(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", 3)
    shown = list(pictures(film, (81, 60)))
    assert [(p.shape, p.dtype.name, number_of(p)) for p in shown] == [((60, 81, 3), "uint8", i) for i in range(3)]


def test_file_that_is_no_film_is_refused(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(1000))
    with pytest.raises(ClipError, match=r"film\.mp4: cannot be decoded"):
        list(pictures(film))


@pytest.mark.parametrize(
    ("size", "screen", "shown", "texture"),
    [
        ((1280, 720), (960, 540), (960, 540), (960, 540)),
        ((640, 272), (960, 540), (960, 408), (640, 272)),
        ((300, 600), (960, 540), (270, 540), (270, 540)),
        ((176, 144), (1920, 1080), (1320, 1080), (176, 144)),
        ((10_000, 1), (960, 540), (960, 1), (960, 1)),
    ],
)
def test_film_is_shown_as_large_as_fits_and_decoded_no_larger(
    size: tuple[int, int], screen: tuple[int, int], shown: tuple[int, int], texture: tuple[int, int]
) -> None:
    assert fitted(size, screen) == shown
    assert texture_size(size, screen) == texture

"""A clip with in_s and out_s is the film frames in [in_s, out_s) of its file, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

import rig
from rig.clips.decode import decoded, scaled
from rig.clips.manifest import FilmClip, find_clip, read_clip
from rig.errors import ClipError
from tests.films import make_film, number_of, sha256_of
from tests.rigs import record, write_film_protocol, write_rig


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of 25 fps, with B-frames; each picture shows its number."""
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", 100, options={"bf": "3"})


def _numbers(clip: FilmClip) -> list[int]:
    frames = decoded(clip.path, clip.first, clip.frames)
    return [number_of(scaled(frame, (clip.width, clip.height), "rgb24").to_ndarray()) for frame in frames]


@pytest.mark.parametrize(
    ("in_s", "out_s", "first", "last"),
    [
        (None, None, 0, 99),
        (0, 4, 0, 99),
        (1, 2, 25, 49),
        (1.04, None, 26, 99),
        (1.041, 1.081, 27, 27 + 0),  # between two pictures: the next one
        (None, 0.08, 0, 1),
        (3.88, 4.0, 97, 99),
    ],
)
def test_clip_is_the_film_frames_from_in_to_before_out(
    film: Path, in_s: float | None, out_s: float | None, first: int, last: int
) -> None:
    if last == first:  # a single picture is no film
        with pytest.raises(ClipError, match="too few pictures: 1"):
            read_clip("film", film, in_s, out_s)
        return
    clip = find_clip("film", film.name, sha256_of(film), film.parent, in_s, out_s)
    assert (clip.first, clip.frames) == (first, last - first + 1)
    assert clip.pts_s == pytest.approx([i / 25 for i in range(clip.frames)])
    assert clip.seconds == pytest.approx((last - first + 1) / 25)
    assert _numbers(clip) == list(range(first, last + 1))


def test_times_in_whole_milliseconds_find_their_picture(tmp_path: Path) -> None:
    """30 a second in milliseconds: picture 10 is at 0.333 s, which a third of a second must find."""
    film = make_film(tmp_path / "ms.mkv", 40, times_ms=[round(i * 1000 / 30) for i in range(40)])
    clip = read_clip("film", film, 0.333, 1.0)
    assert (clip.first, clip.frames) == (10, 20)


@pytest.mark.parametrize(
    ("in_s", "out_s", "value", "allowed"),
    [
        (4.0, None, "in_s 4", "before its last picture, at 3.960 s"),
        (9.0, 12.0, "in_s 9", "before its last picture, at 3.960 s"),
        (0.0, 4.1, "out_s 4.1", "at most its end, 4.000 s"),
    ],
)
def test_times_beyond_the_film_are_refused(
    film: Path, in_s: float, out_s: float | None, value: str, allowed: str
) -> None:
    with pytest.raises(ClipError) as found:
        read_clip("film", film, in_s, out_s)
    assert (found.value.value, found.value.allowed) == (value, allowed)
    assert "in_s and out_s" in found.value.hint


def test_what_lies_outside_of_the_part_does_not_spoil_it(tmp_path: Path) -> None:
    film = make_film(tmp_path / "hole.mkv", 60, times_ms=[40 * i + 5000 * (i > 20) for i in range(60)])
    clip = read_clip("film", film, 5.84, 6.84)
    assert (clip.first, clip.frames, clip.fps) == (21, 25, pytest.approx(25))
    with pytest.raises(ClipError, match="no constant frame rate"):
        read_clip("film", film, 0.4, 6.84)


def test_session_knows_which_film_frame_of_the_file_its_clip_began_with(tmp_path: Path) -> None:
    """The number in the picture that is found again is that of the file's film frame: 30 further than the clip's."""
    protocol = write_film_protocol(tmp_path, frames=60)
    protocol.write_text(protocol.read_text().replace("title: t, ", "title: t, in_s: 1.2, out_s: 2.0, "))
    with rig.open(record(tmp_path, write_rig(tmp_path), protocol).path) as session:
        clip = session.runs[0].clip("film")
        assert [clip[key] for key in ("first", "in_s", "out_s")] == [30, 1.2, 2.0]
        assert clip["pts"] == pytest.approx([i / 25 for i in range(20)])
        for seconds in (0.01, 0.41, 0.79):
            film = session.at(clip="clip1", seconds=seconds).film
            assert film.picture is not None
            assert (film.film_frame, number_of(film.picture)) == (int(seconds * 25), 30 + int(seconds * 25))
        shown = set(session.runs[0].flips["film_frame"].tolist())
    assert shown == set(range(-1, 20))

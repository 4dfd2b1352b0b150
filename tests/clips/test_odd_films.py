"""Films as they really come: each is shown picture by picture, or refused with what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import pytest

from rig.clips.counted import count
from rig.clips.decode import pictures
from rig.clips.manifest import read_clip
from rig.clips.normalise import normalise
from rig.clips.sound import has_sound, sound_of
from rig.errors import ClipError
from tests.films import make_film, number_of, turned

Make = Callable[[Path], Path]


def two_tracks(path: Path) -> Path:
    """Two films in one file."""
    with av.open(str(path), "w") as out, av.open(str(make_film(path.with_name("one.mp4"), 5))) as one:
        tracks = [out.add_stream_from_template(one.streams.video[0]) for _ in range(2)]
        for packet in one.demux(one.streams.video[0]):
            if packet.dts is not None:
                packet.stream = tracks[packet.pts % 2]
                out.mux(packet)
    return path


GOOD: dict[str, tuple[Make, float]] = {
    "no duration in the header": (lambda p: make_film(p / "live.mkv", 25, container={"live": "1"}), 25),
    "B-frames": (lambda p: make_film(p / "b.mp4", 25, options={"bf": "3"}), 25),
    "B-frames, no edit list": (
        lambda p: make_film(p / "b.mp4", 25, options={"bf": "3"}, container={"use_editlist": "0"}),
        25,
    ),
    "NTSC film": (lambda p: make_film(p / "ntsc.mp4", 25, fps=Fraction(24000, 1001)), 24000 / 1001),
    "one key picture": (lambda p: make_film(p / "one.mp4", 25, options={"g": "1000"}), 25),
    "starts at 10 s": (lambda p: make_film(p / "ten.ts", 25, options={"bf": "2"}), 25),
    "odd size": (lambda p: make_film(p / "odd.mkv", 25, size=(321, 241)), 25),
    "sound longer": (lambda p: make_film(p / "longer.mp4", 25, sound=(0, 3)), 25),
    "sound shorter": (lambda p: make_film(p / "shorter.mp4", 25, sound=(0, 0.5)), 25),
    "pictures later than sound": (
        lambda p: make_film(p / "late.mkv", 25, times_ms=[480 + 40 * i for i in range(25)], sound=(0, 1)),
        25,
    ),
    "a name as people give them": (lambda p: make_film(p / " -« café ü [1]»\n.mp4", 25), 25),
    "a name of 254 bytes": (lambda p: make_film(p / ("x" * 250 + ".mp4"), 25), 25),
}


@pytest.mark.parametrize("name", ["file:film.mkv", "concat:film.mkv", "a:b.mkv"])
def test_a_name_with_a_colon_is_that_of_a_file_and_never_means_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The sha256 was counted of that file."""
    monkeypatch.chdir(tmp_path)
    make_film(tmp_path / "film.mkv", 5, sound=(0, 1))
    film, made = make_film(tmp_path / name, 9).relative_to(tmp_path), Path(f"new-{name}").with_suffix(".mp4")
    assert len(count(film).pts_s) == 9
    assert [number_of(picture) for picture in pictures(film)] == list(range(9))
    assert (sound_of(film), has_sound(film)) == (None, False)
    assert len(normalise(film, made).film.pts_s) == 9


@pytest.mark.parametrize("kind", GOOD)
def test_every_picture_is_counted_whatever_the_header_says(tmp_path: Path, kind: str) -> None:
    make, fps = GOOD[kind]
    clip = read_clip("film", make(tmp_path))
    assert (clip.frames, clip.first) == (25, 0)
    assert clip.fps == pytest.approx(fps, rel=1e-6)
    assert clip.pts_s == pytest.approx([i / fps for i in range(25)], abs=1e-6)
    assert [number_of(shown) for shown in pictures(clip.path)] == list(range(25))


UNEVEN_MS = list(accumulate([40, 40, 120, 20, 33] * 5, initial=0))[:25]

BAD: dict[str, tuple[Make, str, str]] = {
    "variable rate": (
        lambda p: make_film(p / "vfr.mkv", 25, times_ms=UNEVEN_MS),
        "from 20.0 ms (after film frame 3, at 0.20 s) to 120.0 ms (after film frame 2, at 0.08 s)",
        "--fps you choose",
    ),
    "a hole of 10 s": (
        lambda p: make_film(p / "hole.mkv", 25, times_ms=[40 * i + 10_000 * (i > 12) for i in range(25)]),
        "to 10040.0 ms (after film frame 12, at 0.48 s)",
        "--fps you choose",
    ),
    "rotated": (lambda p: turned(make_film(p / "phone.mp4", 5)), "rotated by -90 degrees", "rig clips normalise"),
    "interlaced": (
        lambda p: make_film(p / "dv.mp4", 5, options={"flags": "+ildct+ilme", "x264-params": "tff=1"}),
        "interlaced pictures",
        "rig clips normalise",
    ),
    "pixels not square": (
        lambda p: make_film(p / "sar.mp4", 5, aspect=Fraction(16, 15)), "16/15", "rig clips normalise",
    ),
    "no container": (lambda p: make_film(p / "raw.h264", 5), "without a time", "ffmpeg -r RATE"),
    "two films in one": (lambda p: two_tracks(p / "two.mkv"), "2 video tracks", "rig clips normalise"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_film_that_cannot_be_shown_exactly_is_refused_with_the_remedy(tmp_path: Path, kind: str) -> None:
    make, problem, hint = BAD[kind]
    film = make(tmp_path)
    with pytest.raises(ClipError) as found:
        read_clip("film", film)
    assert found.value.subject == str(film)
    assert problem in str(found.value)
    assert hint in found.value.hint


def test_two_spellings_of_one_name_are_two_films(tmp_path: Path) -> None:
    composed = make_film(tmp_path / "caf\u00e9.mp4", 5)
    decomposed = make_film(tmp_path / "cafe\u0301.mp4", 7)
    assert [read_clip("film", path).frames for path in (composed, decomposed)] == [5, 7]

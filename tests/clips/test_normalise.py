"""What is made of a film can be shown, and holds the same pictures at the same times, as loud as it should."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rig.clips.decode import decoded, pictures
from rig.clips.manifest import read_clip
from rig.clips.normalise import normalise
from rig.clips.sound import sound_of
from rig.errors import ClipError, UserError
from tests.clips.test_odd_films import two_tracks
from tests.films import make_film, number_of, turned

Make = Callable[[Path], Path]
VARIABLE_MS = [0, 40, 80, 200, 220, 253, 300, 400]
DV = {"flags": "+ildct+ilme", "x264-params": "tff=1"}

CURED: dict[str, tuple[Make, tuple[int, int], str]] = {
    "interlaced": (lambda p: make_film(p / "dv.mp4", 12, options=DV), (160, 120), "half pictures -> whole ones"),
    "pixels not square": (
        lambda p: make_film(p / "sar.mp4", 12, size=(360, 288), aspect=Fraction(16, 15)),
        (384, 288),
        "pixels of shape 16/15 -> square",
    ),
    "odd size": (lambda p: make_film(p / "odd.mkv", 12, size=(321, 241)), (320, 240), "ffv1 321x241 -> h264 320x240"),
    "larger than the screen": (
        lambda p: make_film(p / "4k.mp4", 3, size=(2560, 1600), options={"preset": "ultrafast"}),
        (1728, 1080),
        "2560x1600 -> h264 1728x1080",
    ),
    "two films in one": (lambda p: two_tracks(p / "two.mkv"), (160, 120), "film frames in"),
}


@pytest.mark.parametrize("kind", CURED)
def test_film_that_is_refused_can_be_shown_afterwards_with_all_its_pictures(tmp_path: Path, kind: str) -> None:
    make, size, change = CURED[kind]
    film, out = make(tmp_path), tmp_path / "out.mp4"
    before = [frame.pts for frame in decoded(film)]
    done = normalise(film, out)
    clip = read_clip("film", out)
    assert (clip.width, clip.height) == size
    assert (done.frames_in, clip.frames) == (len(before), len(before))
    assert any(change in said for said in done.changes)
    assert f"{len(before)} film frames in, {len(before)} out" in done.changes
    if kind != "two films in one":
        assert [number_of(shown) for shown in pictures(out)] == list(range(len(before)))


@pytest.mark.parametrize("clockwise", [True, False])
def test_film_on_its_side_stands_upright_afterwards(tmp_path: Path, clockwise: bool) -> None:
    """Truth: the header asks to turn it by 90 degrees, and numpy does so with the picture as it is stored."""
    film = make_film(tmp_path / "stored.mp4", 3, size=(160, 120))
    stored = next(pictures(film))
    done = normalise(turned(film, clockwise=clockwise), tmp_path / "out.mp4")
    shown = next(pictures(tmp_path / "out.mp4"))
    upright = np.rot90(stored, -1 if clockwise else 1)
    assert shown.shape == (160, 120, 3)
    assert np.abs(shown.astype(int) - upright).mean() < 4
    assert "turned upright, by 90 degrees" in done.changes


def test_ntsc_film_keeps_its_rate_to_the_last_digit(tmp_path: Path) -> None:
    film = make_film(tmp_path / "ntsc.mkv", 30, fps=Fraction(24000, 1001))
    normalise(film, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert out.streams.video[0].average_rate == Fraction(24000, 1001)
    assert [number_of(shown) for shown in pictures(tmp_path / "out.mp4")] == list(range(30))


def test_film_without_a_constant_rate_is_refused_unless_one_is_given(tmp_path: Path) -> None:
    """Truth: at 25 a second picture k shows what was on the screen nearest to 40 k ms."""
    film, out = make_film(tmp_path / "vfr.mkv", 8, times_ms=VARIABLE_MS), tmp_path / "out.mp4"
    with pytest.raises(ClipError, match="no constant frame rate") as found:
        normalise(film, out)
    assert "--fps" in found.value.hint
    assert not list(tmp_path.glob("*out*"))
    done = normalise(film, out, fps=Fraction(25))
    shown = [number_of(picture) for picture in pictures(out)]
    assert all(abs(VARIABLE_MS[n] - 40 * k) <= 80 for k, n in enumerate(shown))
    assert shown == sorted(shown)
    assert read_clip("film", out).fps == pytest.approx(25)
    assert f"8 film frames in, {len(shown)} out, {len(shown) - 8} more than before" in done.changes


@pytest.mark.parametrize("peak", [0.005, 0.9])
def test_sound_is_as_loud_as_it_should_be(tmp_path: Path, peak: float) -> None:
    film = make_film(tmp_path / "film.mp4", 50, sound=(0, 2), peak=peak)
    before, done = sound_of(film), normalise(film, tmp_path / "out.mp4")
    assert before is not None and abs(before.loudness_lufs + 23) > 15
    assert done.sound is not None and done.sound.loudness_lufs == pytest.approx(-23, abs=0.3)


def test_peaks_stay_below_full_scale_where_a_soft_film_has_a_bang(tmp_path: Path) -> None:
    """2 s of a soft tone behind 1 ms of a loud one: made as loud as it should be, that would be above full scale."""
    film = make_film(tmp_path / "film.mp4", 50, sound=(0, 2), peak=0.02, bang=0.9)
    done = normalise(film, tmp_path / "out.mp4")
    assert done.sound is not None and done.sound.peak_dbtp < 0
    assert any("highest peaks made lower" in said for said in done.changes)


@pytest.mark.parametrize(
    ("sound", "start_ms", "begins_s", "ends_s"),
    [((0, 3), 0, 0, 2), ((0, 1), 0, 0, 1), ((0.5, 1), 0, 0.5, 1.5), ((0, 2), 480, 0, 1.52)],
)
def test_sound_keeps_its_place_beside_the_pictures_and_ends_with_them(
    tmp_path: Path, sound: tuple[float, float], start_ms: int, begins_s: float, ends_s: float
) -> None:
    """The tone's first and last sample above a tenth of its peak, against the first picture: truth by its making."""
    times = [start_ms + 40 * i for i in range(50)]
    film = make_film(tmp_path / "film.mkv", 50, times_ms=times, sound=sound)
    normalise(film, tmp_path / "out.mp4")
    heard = _when_heard(tmp_path / "out.mp4")
    assert heard == pytest.approx((begins_s, ends_s), abs=0.03)
    assert next(frame.pts for frame in decoded(tmp_path / "out.mp4")) == 0
    track = sound_of(tmp_path / "out.mp4")
    assert track is not None and abs(track.begins_s) < 0.03, "silence comes before a late sound"


def _when_heard(path: Path) -> tuple[float, float]:
    with av.open(str(path)) as film:
        frames = [(float(f.pts * f.time_base), np.abs(f.to_ndarray()[0])) for f in film.decode(audio=0)]
    at = np.concatenate([begins + np.arange(len(level)) / 48_000 for begins, level in frames])
    level = np.concatenate([level for _, level in frames])
    loud = at[level > level.max() / 10]
    return float(loud[0]), float(loud[-1])


def test_part_of_a_film_is_cut_out_with_its_sound(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", 100, sound=(2.0, 1.0))
    normalise(film, tmp_path / "out.mp4", in_s=1.4, out_s=2.6)
    assert [number_of(shown) for shown in pictures(tmp_path / "out.mp4")] == list(range(35, 65))
    assert _when_heard(tmp_path / "out.mp4") == pytest.approx((0.6, 1.2), abs=0.03)


def test_film_without_sound_stays_without(tmp_path: Path) -> None:
    done = normalise(make_film(tmp_path / "film.mp4", 5), tmp_path / "out.mp4")
    assert done.sound is None and sound_of(tmp_path / "out.mp4") is None


@pytest.mark.parametrize(
    ("name", "problem"), [("there.mp4", "is there already"), ("out.avi", "another ending"), ("no/out.mp4", "no folder")]
)
def test_nothing_is_overwritten_and_no_name_is_guessed(tmp_path: Path, name: str, problem: str) -> None:
    film = make_film(tmp_path / "film.mp4", 5)
    (tmp_path / "there.mp4").write_bytes(b"mine")
    with pytest.raises(UserError, match=problem):
        normalise(film, tmp_path / name)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize("what", ["pipe", "folder", "device", "gone"])
def test_what_is_no_film_file_is_refused_at_once(tmp_path: Path, what: str) -> None:
    odd = Path("/dev/zero") if what == "device" else tmp_path / "film.mp4"
    if what == "pipe":
        os.mkfifo(odd)
    elif what == "folder":
        odd.mkdir()
    with pytest.raises(ClipError, match="does not exist" if what == "gone" else "is not a file"):
        normalise(odd, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_film_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    first = make_film(tmp_path / "a.ts", 5, options={"bf": "0"})
    second = make_film(tmp_path / "b.ts", 5, size=(320, 240), options={"bf": "0"})
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(ClipError, match="the size changes"):
        normalise(both, tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"a.ts", "b.ts", "both.ts"}

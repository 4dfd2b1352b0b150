"""Loudness is what EBU R128 says of a known tone, and the sound's place is counted from the first picture."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from rig.clips.sound import sound_of
from rig.errors import ClipError
from tests.films import make_film


@pytest.mark.parametrize(("peak", "lufs"), [(10 ** (-23 / 20), -23.0), (10 ** (-33 / 20), -33.0)])
def test_loudness_of_the_tone_that_the_standard_is_set_by(tmp_path: Path, peak: float, lufs: float) -> None:
    """EBU Tech 3341, cases 1 and 2: a stereo sine of 1 kHz whose peaks are at -23 (-33) dBFS has -23 (-33) LUFS."""
    found = sound_of(make_film(tmp_path / "tone.mp4", 50, sound=(0, 2), peak=peak))
    assert found is not None
    assert (found.codec, found.rate_hz, found.channels) == ("aac", 48_000, 2)
    assert found.loudness_lufs == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize(
    ("sound", "start_ms", "begins_s", "seconds"),
    [((0, 3), 0, 0, 3), ((0.5, 1), 0, 0.5, 1), ((0, 1), 480, -0.48, 1), ((2, 1), 480, 1.52, 1)],
)
def test_begin_and_length_are_those_of_the_track(
    tmp_path: Path, sound: tuple[float, float], start_ms: int, begins_s: float, seconds: float
) -> None:
    """An encoder may add a piece of 1024 samples (21 ms) at either end."""
    film = make_film(tmp_path / "film.mkv", 20, times_ms=[start_ms + 40 * i for i in range(20)], sound=sound)
    found = sound_of(film)
    assert found is not None
    assert (found.begins_s, found.seconds) == pytest.approx((begins_s, seconds), abs=0.045)


def test_loudness_is_that_of_the_part_that_is_heard(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", 100, sound=(2, 2), peak=0.1)
    whole, before, tone = sound_of(film), sound_of(film, 0, 1.9), sound_of(film, 2.1, 4)
    assert whole and before and tone
    assert (before.loudness_lufs, before.peak_dbtp) == (-inf, -inf)
    assert tone.loudness_lufs == pytest.approx(-20, abs=0.1)


def test_film_without_sound_has_none(tmp_path: Path) -> None:
    assert sound_of(make_film(tmp_path / "film.mp4", 5)) is None


def test_file_that_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(bytes(1000))
    with pytest.raises(ClipError, match=r"film\.mp4: its sound cannot be decoded"):
        sound_of(tmp_path / "film.mp4")

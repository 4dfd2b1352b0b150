"""Demo clips can be shown, and each of their pictures says which one it is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rig.clips.decode import pictures
from rig.clips.demo import make_clip, make_demo, picture
from rig.clips.manifest import read_clip
from rig.clips.sound import sound_of
from rig.errors import UserError
from tests.films import demo_number_of


def test_demo_clips_are_short_films_with_sound(tmp_path: Path) -> None:
    first, second = make_demo(tmp_path / "films", 2)
    clip, sound = read_clip("demo", first), sound_of(first)
    assert (clip.frames, clip.fps, clip.width, clip.height) == (75, 25, 640, 360)
    assert sound is not None and sound.loudness_lufs == pytest.approx(-23, abs=1)
    assert abs(sound.begins_s) < 0.03 and abs(sound.seconds - 3) < 0.03
    for path in (first, second):
        assert [demo_number_of(shown) for shown in pictures(path, (320, 180))] == list(range(75))
    assert np.abs(picture(0, 7).astype(int) - picture(1, 7)).mean() > 20, "two clips look different"


def test_code_is_read_by_its_description(tmp_path: Path) -> None:
    """16 cells along the top edge, white 1, the highest bit left."""
    shown = picture(3, 0b1000_0000_0010_0101)
    assert "".join("1" if shown[5, 20 + 40 * cell].mean() > 128 else "0" for cell in range(16)) == "1000000000100101"


def test_demo_clip_of_another_rate_and_length(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", 2, frames=12, fps=Fraction(30))
    clip = read_clip("demo", tmp_path / "clip.mp4")
    assert (clip.frames, clip.fps) == (12, pytest.approx(30))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "demo-01.mp4").write_bytes(b"mine")
    with pytest.raises(UserError, match="is there already"):
        make_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["demo-01.mp4"]
    with pytest.raises(UserError, match="cannot be made"):
        make_demo(tmp_path / "demo-01.mp4" / "films")

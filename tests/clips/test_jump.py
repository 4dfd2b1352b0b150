"""A clip from late in a long film is found by a jump, and is film frame by film frame the one that counting finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rig.clips.decode import decoded, picture, scaled
from rig.clips.manifest import FilmClip, read_clip
from tests.films import make_film, number_of

FRAMES = 150
Make = Callable[[Path], Path]


def of(name: str, **how: Any) -> Make:
    return lambda folder: make_film(folder / name, FRAMES, **how)


def rough(folder: Path) -> Path:
    """Each picture is marked as one to begin with, as in a file with a wrong table of key frames."""
    with av.open(str(make_film(folder / "one.mp4", FRAMES))) as film, av.open(str(folder / "rough.mkv"), "w") as out:
        track = out.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.is_keyframe, packet.stream = True, track
                out.mux(packet)
    return folder / "rough.mkv"


FOUND: dict[str, Make] = {
    "closed groups": of("closed.mp4", options={"g": "12", "bf": "3"}),
    "open groups": of("open.mp4", options={"x264-params": "keyint=12:open-gop=1:bframes=3:scenecut=0"}),
    "open groups, no edit list": of(
        "open.mp4",
        options={"x264-params": "keyint=12:open-gop=1:bframes=3:scenecut=0"},
        container={"use_editlist": "0"},
    ),
    "open groups in Matroska": of("open.mkv", options={"x264-params": "keyint=12:open-gop=1:bframes=3:scenecut=0"}),
    "one key frame": of("one.mp4", options={"g": "999", "bf": "2"}),
    "NTSC film": of("ntsc.mp4", options={"g": "12", "bf": "2"}, fps=Fraction(24000, 1001)),
    "begins at 10 s": of("ten.ts", options={"g": "12", "bf": "2"}),
    "variable rate before it": of(
        "vfr.mkv", options={"g": "9", "bf": "2"}, times_ms=[i * 33 + (i > 40) * 4000 + 7 for i in range(FRAMES)]
    ),
    "odd size": of("odd.mkv", size=(161, 121)),
}
COUNTED: dict[str, Make] = {
    "renewed column by column": of("intra.mp4", options={"x264-params": "keyint=30:intra-refresh=1:bframes=0"}),
    "wrong table of key frames": rough,
}


def clip_of(film: Path) -> FilmClip:
    """Its film frames 90 to 109."""
    with av.open(str(film)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    return read_clip("film", film, round(times[90] - times[0], 3), round(times[110] - times[0], 3))


def pictures(clip: FilmClip, jump_s: float | None, *, looked: list[int] | None = None) -> list[Any]:
    seen = [] if looked is None else looked
    frames = decoded(clip.path, clip.first, clip.frames, jump_s, lambda: bool(seen.append(1)))
    return [scaled(frame, (clip.width, clip.height), "rgb24").to_ndarray() for frame in frames]


@pytest.mark.parametrize("kind", [*FOUND, *COUNTED])
def test_a_jump_finds_the_same_pictures_to_the_last_bit(tmp_path: Path, kind: str) -> None:
    clip = clip_of({**FOUND, **COUNTED}[kind](tmp_path))
    assert (clip.first, clip.frames) == (90, 20)
    whole = pictures(clip, None)
    assert [number_of(shown) for shown in whole] == list(range(90, 110))
    assert clip.may_jump == (kind in FOUND)
    assert np.array_equal(pictures(clip, clip.jump_s), whole)
    assert np.array_equal(picture(clip.path, 7, clip.first, clip.jump_s), whole[7])


def test_what_lies_before_the_last_key_frame_is_not_decoded(tmp_path: Path) -> None:
    clip = clip_of(FOUND["closed groups"](tmp_path))
    looked: list[int] = []
    pictures(clip, clip.jump_s, looked=looked)
    assert len(looked) <= 20 + 12
    assert pictures(replace(clip, first=1000), None) == []


def test_a_film_that_is_another_one_now_is_counted(tmp_path: Path) -> None:
    """Where no film frame is due at the time known of it."""
    clip = clip_of(FOUND["closed groups"](tmp_path))
    shown = pictures(clip, clip.at_s + 0.02)
    assert [number_of(each) for each in shown] == list(range(90, 110))


def test_decoding_up_to_a_clip_can_be_left(tmp_path: Path) -> None:
    clip, looked = clip_of(COUNTED["wrong table of key frames"](tmp_path)), []

    def is_left() -> bool:
        looked.append(1)
        return len(looked) == 10

    assert list(decoded(clip.path, clip.first, clip.frames, None, is_left)) == []
    assert len(looked) == 10

"""What is counted of odd films, held against what was counted before: what is kept of films is believed by a number."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rig.clips.counted import COUNTING, Counted, count
from rig.errors import ClipError
from tests.films import make_film, turned

Make = Callable[[Path], Path]
Part = tuple[float | None, float | None]
REFUSED = "refused"
COUNTED_BY = 2  # COUNTING, when the films below were counted so: whoever changes one changes the other
WHOLE: Part = (None, None)
TEN_LATER = [10_007 + round(i * 1000 / 30) for i in range(30)]


def of(name: str, frames: int = 30, **how: Any) -> Make:
    return lambda folder: make_film(folder / name, frames, **{"size": (32, 24), **how})


def interlaced(folder: Path) -> Path:
    return of("i.mp4", options={"flags": "+ildct+ilme", "x264-params": "tff=1"})(folder)


def listed(folder: Path) -> Path:
    """A film of which the sha256 of its file says nothing."""
    of("a.mp4")(folder)
    (folder / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    return folder / "list.ffconcat"


def spanned(folder: Path) -> Path:
    """The first file of a film of Magic Lantern's, with one picture; it goes on in film.M00, film.M01 and so on."""
    header = struct.pack("<4sI8sQHHIHHIIII", b"MLVI", 52, b"v2.0", 0, 0, 2, 0, 1, 0, 1, 0, 25, 1)
    picture = struct.pack("<4sIQI12x", b"VIDF", 32, 1, 0)
    (folder / "film.MLV").write_bytes(header + picture)
    return folder / "film.MLV"


FILMS: dict[str, tuple[Make, Part, str]] = {
    "whole": (
        of("a.mp4", options={"g": "9", "bf": "2"}),
        WHOLE,
        "32x24, 25.000000/s, 0 + 30 at 0.000000 s, sum 17.400000 s",
    ),
    "whole, from 0 s on": (
        of("a.mp4", options={"g": "9", "bf": "2"}),
        (0.0, 1.2),
        "32x24, 25.000000/s, 0 + 30 at 0.000000 s, sum 17.400000 s, jump",
    ),
    "a part": (
        of("a.mp4", options={"g": "9", "bf": "2"}),
        (0.5, 0.9),
        "32x24, 25.000000/s, 13 + 10 at 0.520000 s, sum 1.800000 s, jump",
    ),
    "no edit list": (
        of("a.mp4", options={"bf": "3"}, container={"use_editlist": "0"}),
        (0.5, 0.9),
        "32x24, 25.000000/s, 13 + 10 at 0.600000 s, sum 1.800000 s, jump",
    ),
    "between two pictures": (
        of("a.mp4"),
        (0.501, 0.881),
        "32x24, 25.000000/s, 13 + 10 at 0.520000 s, sum 1.800000 s, jump",
    ),
    "renewed column by column": (
        of("a.mp4", 120, size=(160, 120), options={"x264-params": "keyint=30:intra-refresh=1:bframes=0"}),
        (3.6, 4.0),
        "160x120, 25.000000/s, 90 + 10 at 3.600000 s, sum 1.800000 s",
    ),
    "NTSC film": (
        of("a.mp4", fps=Fraction(24000, 1001)),
        (0.5, None),
        "32x24, 23.976024/s, 12 + 18 at 0.500500 s, sum 6.381375 s, jump",
    ),
    "begins at 10 s, in ms": (
        of("a.mkv", times_ms=TEN_LATER),
        (0.333, None),
        "32x24, 29.968454/s, 10 + 20 at 10.340000 s, sum 6.340000 s, jump",
    ),
    "a transport stream": (
        of("a.ts", options={"bf": "2"}),
        (None, 1.0),
        "32x24, 25.000000/s, 0 + 25 at 0.080000 s, sum 12.000000 s",
    ),
    "odd size": (
        of("a.mkv", size=(33, 25)),
        (0.5, None),
        "33x25, 25.000000/s, 13 + 17 at 0.520000 s, sum 5.440000 s, jump",
    ),
    "a hole before the part": (
        of("a.mkv", times_ms=[40 * i + 5000 * (i > 10) for i in range(30)]),
        (5.4, None),
        "32x24, 25.000000/s, 11 + 19 at 5.440000 s, sum 6.840000 s, jump",
    ),
    "1 ms off": (
        of("a.mkv", times_ms=[40 * i + i % 2 for i in range(30)]),
        WHOLE,
        "32x24, 24.978467/s, 0 + 30 at 0.000000 s, sum 17.415000 s",
    ),
    "2 ms off": (of("a.mkv", times_ms=[40 * i + i % 2 * 2 for i in range(30)]), WHOLE, REFUSED),
    "uneven": (of("a.mkv", times_ms=[40 * i + 5000 * (i > 10) for i in range(30)]), WHOLE, REFUSED),
    "one picture": (of("a.mp4", 1), WHOLE, REFUSED),
    "ends too late": (of("a.mp4"), (0.5, 1.21), REFUSED),
    "begins too late": (of("a.mp4"), (1.17, None), REFUSED),
    "rotated": (lambda folder: turned(of("a.mp4")(folder)), WHOLE, REFUSED),
    "interlaced": (interlaced, WHOLE, REFUSED),
    "pixels not square": (of("a.mp4", aspect=Fraction(16, 15)), WHOLE, REFUSED),
    "no container": (of("a.h264"), WHOLE, REFUSED),
    "a list": (listed, WHOLE, REFUSED),
    "a film in several files": (spanned, WHOLE, REFUSED),
}


def found(make: Make, folder: Path, part: Part) -> str:
    """All of a count but what it took."""
    try:
        film = count(make(folder), *part)
    except ClipError:
        return REFUSED
    said = f"{film.width}x{film.height}, {film.fps:.6f}/s, {film.first} + {len(film.pts_s)} at {film.at_s:.6f} s"
    return f"{said}, sum {sum(film.pts_s):.6f} s{', jump' if film.may_jump else ''}"


@pytest.mark.parametrize("kind", FILMS)
def test_who_finds_something_else_has_raised_the_number_that_it_is_kept_under(tmp_path: Path, kind: str) -> None:
    make, part, before = FILMS[kind]
    assert (COUNTING, found(make, tmp_path, part)) == (COUNTED_BY, before)


@pytest.mark.parametrize("make", [listed, spanned])
def test_what_leads_to_other_files_is_refused_for_that(tmp_path: Path, make: Make) -> None:
    with pytest.raises(ClipError, match="a list of other files"):
        count(make(tmp_path))


def test_all_that_is_counted_is_among_that() -> None:
    names = ["width", "height", "fps", "first", "pts_s", "at_s", "may_jump", "ready_s"]
    assert (COUNTING, [field.name for field in fields(Counted)]) == (COUNTED_BY, names)

"""One film frame a flip while fewer than four behind; only then film frames are skipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.clips.cadence import advance, due, patch_level, require_refresh
from rig.clips.manifest import FilmClip
from rig.errors import ClipError

PERIOD_NS = 16_666_667
CLIP = FilmClip("film", Path("film.mp4"), "", 160, 120, 25.0, tuple(i / 25 for i in range(25)))


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [
        (-1, 0, (0, 0)),
        (5, 5, (5, 0)),
        (5, 4, (5, 0)),  # never back
        (5, 6, (6, 0)),
        (5, 8, (6, 0)),  # three behind: catch up one by one
        (5, 9, (9, 3)),  # four behind: skip
        (5, 30, (30, 24)),
    ],
)
def test_rule_of_catching_up(shown: int, wanted: int, expected: tuple[int, int]) -> None:
    assert advance(shown, wanted) == expected


def test_film_at_25_on_60_hz_shows_each_frame_two_or_three_times() -> None:
    shown = [due(k * PERIOD_NS, PERIOD_NS, 25) for k in range(60)]
    assert sorted({shown.count(i) for i in range(25)}) == [2, 3]
    assert shown == sorted(shown)


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 59.94, 60])
def test_film_frame_is_due_at_the_flip_nearest_to_its_time_a_tie_at_the_earlier(fps: float) -> None:
    for k in range(600):
        frame = due(k * PERIOD_NS, PERIOD_NS, fps)
        assert frame / fps <= (k + 0.553) * PERIOD_NS / 1e9 < (frame + 1) / fps


@given(st.lists(st.integers(1, 6), min_size=5, max_size=40))
def test_stalls_of_up_to_six_refreshes_lose_no_film_frame(stalls: list[int]) -> None:
    """100 ms at 60 Hz, with a fifth of a second to catch up in; truth: all film frames up to the last one shown."""
    shown, seen, refresh = -1, [], 0
    for stall in stalls:
        for pause in [stall] + [1] * 11:
            shown, _ = advance(shown, due(refresh * PERIOD_NS, PERIOD_NS, 25))
            seen.append(shown)
            refresh += pause
    assert sorted(set(seen)) == list(range(seen[-1] + 1))


def test_every_film_frame_makes_an_edge_the_first_one_too() -> None:
    levels = [patch_level(frame) for frame in (-1, 0, 1, 2, 3)]
    assert levels == [0, 1, 0, 1, 0]


def test_film_faster_than_the_screen_is_refused() -> None:
    require_refresh(replace(CLIP, fps=59.94), 60)
    require_refresh(replace(CLIP, fps=60.0), 59.94)
    with pytest.raises(ClipError, match="100 fps"):
        require_refresh(replace(CLIP, fps=100.0), 60)

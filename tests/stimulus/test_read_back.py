"""The flip log of the real window against the pixels that it drew, read back before every flip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.elicitation.steps import Step
from tests.films import clip_of, coded, make_film
from tests.stimulus.live import flips_of, open_screen, play
from tests.stimulus.read_back import Plan, compared, read_back

FILM = Step(0, "clip", "clip1", "", {}, None, 20, "film", (), "")
EVERY = Plan(held_up=(5, 15))


def _number_in(line: NDArray[np.uint8]) -> int:
    """A film of 160x120 on 480x270 is 360x270 in the middle. The neutral grey is neither white nor black."""
    return coded(line[60:420], black=76, white=180)


def test_log_equals_the_pixels_of_every_flip_with_film_frames_left_out(tmp_path: Path) -> None:
    clip = clip_of(make_film(tmp_path / "film.mp4", 25))
    with read_back(EVERY), open_screen(tmp_path, {"film": clip}) as (screen, _):
        flips = flips_of(play(screen, FILM))
    read = compared(tmp_path, EVERY, flips, _number_in)
    assert [seen for seen, _ in read] == [logged for _, logged in read]
    shown = [seen[0] for seen, _ in read if seen]
    assert len(shown) == len(flips)
    assert {seen[1] for seen, _ in read if seen} == {0, 1}  # where the patch is, and not beside it
    assert (shown[0], shown[-2:]) == (0, [24, -1])  # the last one is neutral
    never_shown = set(range(25)) - set(shown)
    assert sum(flip.skipped for flip in flips) == len(never_shown) > 0

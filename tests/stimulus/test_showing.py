"""One step, flip by flip, without any window: when it begins, what ends it, what is logged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.clips.manifest import FilmClip
from rig.elicitation.steps import Step
from rig.stimulus.screen import StepBegan, StepEnded
from rig.stimulus.showing import FlipLog, Showing
from rig.streams import Answer, Flip

PERIOD_NS = 10_000_000
QUESTION = Step(3, "question", "felt", "What?", {"1": "happy", "2": "sad"}, None, 2.0, None, ("HS",), "")
INSTRUCTION = replace(QUESTION, kind="instruction", keys={"space": "space"})
BASELINE = replace(QUESTION, kind="baseline", keys={}, seconds=0.5, max_seconds=1.5)
FILM = replace(QUESTION, kind="clip", keys={}, clip="film", max_seconds=9)
CLIP = FilmClip("film", Path("film.mp4"), "", 160, 120, 25.0, tuple(i / 25 for i in range(10)))


def _play(showing: Showing, log: FlipLog, stalls: dict[int, int] | None = None, key: int = -1) -> list[Flip]:
    """Every flip until the step is over; `stalls`: extra refreshes before a flip, `key`: flip that brings key 1."""
    flips: list[Flip] = []
    last_ns = 1_000_000_000
    while not showing.is_over(last_ns + PERIOD_NS):
        due_ns = last_ns + PERIOD_NS
        last_ns = due_ns + (stalls or {}).get(len(flips), 0) * PERIOD_NS
        flip = log.of_step(showing, showing.target(due_ns), due_ns, last_ns, 0.0, underrun=False)
        showing.flipped(flip)
        flips.append(flip)
        if len(flips) == key:
            showing.pressed("1", last_ns)
    return flips


def _log() -> FlipLog:
    return FlipLog(PERIOD_NS, has_patch=True)


def test_step_of_fixed_length_ends_by_time_after_exactly_that() -> None:
    showing = Showing(BASELINE, None, PERIOD_NS)
    flips = _play(showing, _log())
    assert (len(flips), showing.ended_by) == (50, "time")


def test_step_that_nobody_answers_ends_at_its_longest() -> None:
    showing = Showing(QUESTION, None, PERIOD_NS)
    assert (len(_play(showing, _log())), showing.ended_by) == (200, "time")


def test_film_ends_after_its_last_frame_has_had_its_time() -> None:
    showing = Showing(FILM, CLIP, PERIOD_NS)
    flips = _play(showing, _log())
    assert [f.film_frame for f in flips] == [i for i in range(10) for _ in range(4)]
    assert [f.pts_s for f in flips] == pytest.approx([i / 25 for i in range(10) for _ in range(4)])
    assert (showing.ended_by, {f.behind for f in flips}, sum(f.skipped for f in flips)) == ("last-frame", {0}, 0)


def test_stall_makes_the_film_lag_and_lose_nothing() -> None:
    flips = _play(Showing(FILM, CLIP, PERIOD_NS), _log(), stalls={10: 10})
    assert {f.film_frame for f in flips} == set(range(10))
    assert max(f.behind for f in flips) == 2
    assert [f.flip_number for f in flips if f.late] == [10]


def test_long_stall_skips_and_says_how_many() -> None:
    flips = _play(Showing(FILM, CLIP, PERIOD_NS), _log(), stalls={4: 20})
    missing = set(range(10)) - {f.film_frame for f in flips}
    assert len(missing) == sum(f.skipped for f in flips) > 0
    # What verify holds a skip against: so many film frames behind before it, that the rule allows it.
    assert {f.skipped + 1 + f.behind >= 4 for f in flips if f.skipped} == {True}


def test_first_named_key_answers_and_ends_the_question() -> None:
    showing = Showing(QUESTION, None, PERIOD_NS)
    log = _log()
    assert showing.pressed("1", 5) == []  # not on the screen yet
    began = showing.flipped(log.of_step(showing, -1, 10, 10, 0.0, underrun=False))
    assert began == [StepBegan(3, 10)]
    assert showing.pressed("x", 20) == []
    assert showing.pressed("2", 30) == [Answer(3, "felt", "sad", 10, 30, 30)]
    assert showing.pressed("1", 31) == []
    assert showing.is_over(40)
    assert showing.ended(40) == [StepEnded(showing.step.index, 40, "key")]


def test_key_ends_an_instruction_without_an_answer() -> None:
    showing = Showing(INSTRUCTION, None, PERIOD_NS)
    showing.flipped(_log().of_step(showing, -1, 10, 10, 0.0, underrun=False))
    assert showing.pressed("space", 20) == []
    assert showing.is_over(30) and showing.ended_by == "key"


def test_abort_before_the_first_flip_still_shows_one() -> None:
    showing = Showing(FILM, CLIP, PERIOD_NS)
    showing.abort()
    assert len(_play(showing, _log())) == 1
    assert showing.ended(0) == [StepEnded(showing.step.index, 0, "abort")]


def test_patch_that_is_switched_off_is_never_logged_white() -> None:
    flips = _play(Showing(FILM, CLIP, PERIOD_NS), FlipLog(PERIOD_NS, has_patch=False))
    assert {f.patch for f in flips} == {0}


def test_flip_after_a_rest_is_not_late() -> None:
    log = _log()
    flips = [log.between_steps(0, 0.0), log.between_steps(20_000_000, 0.0)]
    log.rest()
    flips.append(log.between_steps(900_000_000, 0.0))
    assert [(f.flip_number, f.late, f.step, f.film_frame, f.pts_s) for f in flips] == [
        (0, 0, -1, -1, -1.0),
        (1, 1, -1, -1, -1.0),
        (2, 0, -1, -1, -1.0),
    ]

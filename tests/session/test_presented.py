"""What the screen showed around the moment at which the window or the recorder was lost, in sessions made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from rig.session.run import Run
from rig.session.timeline import FilmView
from rig.verify.findings import Finding, Word
from rig.verify.screen.film import check_film_cadence, check_film_drift, check_film_frames
from tests.handmade import FILM_FRAMES, FLIP_NS, STEPS, Plan, film_onset, make_run

LAST = 12  # film frame of the last flip that was told
ALARMED_NS = film_onset(Plan()) + 700_000_000
PLAN = Plan(outcome="device_lost", screen_lost_ns=ALARMED_NS)
UNKNOWN = "the window was lost: what was on the screen is not known"


def replaced(file: h5py.File, path: str, rows: np.ndarray) -> None:
    del file[path]
    file[path] = rows


def cut_short(path: Path, film_frame: int = LAST, *, is_open: bool = True) -> Path:
    """No flip after the first one of a film frame of clip1, or after its end; no later step, of which one is a film."""
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        flips, trials = file["stimulus/presentation/flips"][:], file["intervals/trials"][:]
        last = flips["film_frame"] == film_frame if is_open else flips["step"] == 2
        replaced(file, "stimulus/presentation/flips", flips[: np.flatnonzero(last)[0] + 1])
        is_told = (trials["ended_host_ns"] < 0) | (not is_open)
        replaced(file, "intervals/trials", trials[(trials["step"] == 0) | ((trials["step"] == 1) & is_told)])
        del file["config/steps"]
        file["config/steps"] = json.dumps([*STEPS, {**STEPS[1], "index": 3, "name": "clip2"}])
    return path


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session whose window died in its first film."""
    return cut_short(make_run(tmp_path_factory.mktemp("lost"), PLAN))


def shown(path: Path, *after_s: float) -> list[FilmView]:
    """What was on the screen, so long after the film's frame 0."""
    with rig.open(path) as session:
        line = session.timelines[0]
        onset = (film_onset(PLAN) - line.start_host_ns) / 1e9
        return [session.at(seconds=onset + seconds).film for seconds in after_s]


def films(path: Path) -> list[Finding]:
    with Run(path) as run:
        return check_film_frames(run)


def test_after_the_last_flip_of_a_lost_window_no_film_picture_is_claimed(lost: Path) -> None:
    last_s = LAST / 25
    before, within, *after = shown(lost, last_s - 0.01, last_s + 0.01, last_s + 0.03, 0.7, 1.5, 2.3)
    assert (before.clip, before.film_frame) == ("bunny", LAST - 1)
    assert (within.clip, within.film_frame) == ("bunny", LAST)
    assert {(view.step, view.clip, view.film_frame, view.flip_host_ns, view.reason) for view in after} == {
        (None, None, -1, -1, UNKNOWN)
    }


def test_an_end_that_was_told_is_known_until_the_alarm(tmp_path: Path) -> None:
    """The window died between two steps: what it showed last was neutral, and stood until then for all one knows."""
    plan = replace(PLAN, screen_lost_ns=film_onset(PLAN) + 2_000_000_000)
    path = cut_short(make_run(tmp_path, plan), is_open=False)
    film, neutral, after = shown(path, 0.9, 1.9, 2.01)
    assert (film.clip, film.film_frame) == ("bunny", 22)
    assert neutral.reason.startswith("no film on the screen")
    assert after.reason == UNKNOWN


def test_a_session_that_finished_is_known_to_its_end(tmp_path: Path) -> None:
    (view,) = shown(make_run(tmp_path), 2.3)
    assert view.reason == "no film on the screen: question report-how"


def test_film_frames_after_the_loss_are_not_called_never_shown_and_films_after_it_are_left_to_the_ending(
    lost: Path,
) -> None:
    (film,) = films(lost)
    assert (film.stream, film.word, film.value, film.ranges) == ("clip1", Word.NOT_MEASURED, None, ())
    unknown = f"what was shown is not known from film frame {LAST + 1} on"
    assert film.text == f"the window was lost: {unknown}; before it all {LAST + 1} film frames were shown"
    with Run(lost) as run:
        others = [*check_film_cadence(run), *check_film_drift(run)]
    assert [(found.stream, found.word) for found in others] == [("clip1", Word.PASS)] * 2


def test_a_hole_before_the_loss_is_still_a_fault(tmp_path: Path) -> None:
    plan = replace(PLAN, film_holes={5, 6, 20})
    (film,) = films(cut_short(make_run(tmp_path, plan)))
    assert (film.word, film.value, film.ranges) == (Word.FAIL, 2, ((5, 6),))
    assert "2 of 13 film frames were never shown" in film.text


def test_a_film_whose_last_frame_was_told_is_judged_whole(tmp_path: Path) -> None:
    (film,) = films(cut_short(make_run(tmp_path, PLAN), FILM_FRAMES - 1))
    assert (film.word, film.text) == (Word.PASS, f"all {FILM_FRAMES} film frames were shown")


@pytest.mark.parametrize("outcome", ["finished", "stopped"])
def test_where_nothing_was_lost_a_film_that_breaks_off_is_a_fault(tmp_path: Path, outcome: str) -> None:
    """The recorder said that all was well: so no loss explains it."""
    path = cut_short(make_run(tmp_path, Plan(outcome=outcome)), is_open=outcome == "finished")
    found = {film.stream: film for film in films(path)}
    assert found["clip2"].text == "bunny was never shown"
    assert (found["clip1"].word is Word.FAIL) == (outcome == "finished")


def test_one_refresh_of_the_last_flip_is_known(lost: Path) -> None:
    with rig.open(lost) as session:
        line = session.timelines[0]
        last = int(line.run.flips["host_ns"][-1])
        assert [line.on_screen(last + after).clip for after in (FLIP_NS - 1, FLIP_NS + 1)] == ["bunny", None]

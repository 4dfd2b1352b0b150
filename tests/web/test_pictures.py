"""Packets of pictures, against the files read by h5py alone and the numbers written into the pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data
from starlette.types import ASGIApp

from rig.web import pictures as pictures_module
from rig.web.server import build
from rig.web.shelf import Shelf
from tests import handmade
from tests.handmade import number_in
from tests.web.asked import TOKEN, pictures, refused
from tests.web.sessions import DAMAGED, LOST, NOT_STORED, RUN_FILE, Stored, coloured, replaced, stored, troubled


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    """Of two runs in which much is wrong."""
    with Shelf(troubled(tmp_path_factory.mktemp("troubled"))) as shelf:
        yield build(shelf, {TOKEN: None})


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ASGIApp, dict[str, Stored]]]:
    path = coloured(tmp_path_factory.mktemp("coloured"))
    with Shelf(path) as shelf:
        yield build(shelf, {TOKEN: None}), stored(path)


def test_each_picture_is_that_of_its_pulse_and_comes_once(app: ASGIApp) -> None:
    moments, found = pictures(app, "run=1&pulse=60&count=16")
    assert [moment["pulse"] for moment in moments] == list(range(60, 76))
    for moment in moments:
        for name, view in moment["views"].items():
            own = moment["pulse"] - moment["pulse"] % handmade.DIVISORS[name]
            assert view["pulse"] == own
            if own in LOST.get(name, ()):
                assert view["picture"] is None
            else:
                assert (view["picture"], number_in(found[view["picture"]])) == (f"{name}/1/{own}", own)
    assert len(found) == 16 + 3 + 4  # VIS lost one of its four


def test_ages_are_from_exposure_to_exposure(app: ASGIApp) -> None:
    [moment], _ = pictures(app, "run=1&pulse=75")
    ages = {name: view["age_ms"] for name, view in moment["views"].items()}
    assert ages == pytest.approx({"HS": 0.0, "VIS": 30.0 * (1 + 80e-6), "NIR": 30.0 * (1 + 80e-6)}, abs=1e-3)


def test_a_step_may_go_backwards_and_far_and_ends_with_the_run(app: ASGIApp) -> None:
    assert [m["pulse"] for m in pictures(app, "run=1&pulse=9&count=6&step=-3")[0]] == [9, 6, 3, 0]
    assert [m["pulse"] for m in pictures(app, "run=2&pulse=90&count=4&step=5")[0]] == [90, 95, 100]  # 104 pulses
    assert pictures(app, "run=1&pulse=-5")[0] == pictures(app, "run=1&pulse=100000")[0] == []


def test_where_there_is_no_picture_the_reason_stands(app: ASGIApp) -> None:
    gap = pictures(app, "run=1&pulse=42&streams=HS")[0][0]["views"]["HS"]
    assert (gap["picture"], gap["frame"]) == (None, None)
    assert gap["reason"] == "no frame: gap at pulses 42 to 42, not numbered"
    stream, first, _ = NOT_STORED
    left_out = pictures(app, f"run=1&pulse={first}&streams={stream}")[0][0]["views"][stream]
    assert (left_out["picture"], left_out["reason"]) == (None, "not stored on purpose: protocol: baseline")
    [moment], found = pictures(app, f"run=1&pulse={DAMAGED}")
    damaged = moment["views"]["HS"]
    assert damaged["frame"] is not None
    assert damaged["picture"] is None
    assert "differs from what the camera delivered" in damaged["reason"]
    assert set(found) == {f"VIS/1/{DAMAGED}"}  # NIR is not stored here


def test_every_format_comes_as_stored_or_as_people_see_it(colours: tuple[ASGIApp, dict[str, Stored]]) -> None:
    app, files = colours
    for pulse in (0, 52, 200):
        found = pictures(app, f"run=1&pulse={pulse}")[1]
        for name, file in files.items():
            picture = found[f"{name}/1/{pulse}"]
            expected = file.pictures[np.flatnonzero(file.pulses == pulse)[0]]
            assert picture.dtype == expected.dtype
            assert np.array_equal(picture, expected), name


def test_a_jpeg_looks_like_the_picture(colours: tuple[ASGIApp, dict[str, Stored]]) -> None:
    app, files = colours
    found = pictures(app, "run=1&pulse=52&as=jpeg")[1]
    for name, file in files.items():
        seen = np.asarray(Image.open(io.BytesIO(found[f"{name}/1/52/jpeg"])).convert("RGB"), int)
        assert np.abs(seen - file.on_screen(52)[:, :, :3]).mean() < 4, name


def test_moving_pictures_are_means_of_whole_squares(
    colours: tuple[ASGIApp, dict[str, Stored]], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, files = colours
    monkeypatch.setattr(pictures_module, "MOVING_PX", 96 * 64 / 9)
    found = pictures(app, "run=1&pulse=52&size=moving")[1]
    for name, file in files.items():
        full = file.pictures[np.flatnonzero(file.pulses == 52)[0]][:63].astype(float)
        squares = full.reshape(21, 3, 32, 3, *full.shape[2:]).mean(axis=(1, 3))
        assert np.abs(found[f"{name}/1/52/moving"] - squares).max() <= 1, name


def test_small_pictures_are_not_reduced(app: ASGIApp) -> None:
    assert set(pictures(app, "run=1&pulse=4&streams=HS&size=moving")[1]) == {"HS/1/4"}


def test_a_difference_is_taken_from_the_right_picture(app: ASGIApp) -> None:
    """Numbers in the pictures differ where their bytes do; all else is equal, and 128."""
    for query, reference in (("earlier:3", 56), ("earlier:4", 56), ("earlier:5", 52), ("pinned:2:22", 20)):
        moments, found = pictures(app, f"run=1&pulse=61&streams=NIR&minus={query}")
        run = 2 if query.startswith("pinned") else 1
        key = f"NIR/1/60/minus-{run}-{reference}"
        assert moments[0]["views"]["NIR"]["picture"] == key
        assert found[key][0, 0] == 128
        assert int(found[key][32, 16]) - 128 == 60 - reference  # the lowest byte of the number


def test_of_a_difference_the_motion_of_the_head_is_taken_out(tmp_path: Path) -> None:
    """Of a photographed face that is 3 px further to the left and 2 px higher up."""
    photo = cv2.cvtColor(data.astronaut()[:195, 96:356], cv2.COLOR_RGB2GRAY)
    face = cv2.resize(photo, (104, 72), interpolation=cv2.INTER_AREA)
    faces = {40: face[2:66, 2:98].copy(), 44: face[4:68, 5:101].copy()}
    path = handmade.make_run(tmp_path, handmade.Plan(body_groups=8, closed=False))
    replaced(path, "HS", faces)
    with Shelf(path.parent) as shelf:
        found = pictures(build(shelf, {TOKEN: None}), "run=1&pulse=44&streams=HS&minus=earlier:4")[1]
    inside = np.s_[8:-8, 8:-8]
    still = np.abs(found["HS/1/44/minus-1-40"].astype(int) - 128)[inside].mean()
    assert still < np.abs(faces[44].astype(int) - faces[40])[inside].mean() / 5


def test_without_a_picture_to_compare_with_there_is_none(app: ASGIApp) -> None:
    view = pictures(app, "run=1&pulse=46&streams=HS&minus=earlier:2")[0][0]["views"]["HS"]
    assert view["picture"] is None
    assert view["reason"].startswith("no picture to compare with, of pulse 44: no frame: gap")
    assert pictures(app, "run=1&pulse=1&streams=HS&minus=earlier:2")[0][0]["views"]["HS"]["picture"] is None


def test_an_answer_has_a_largest_size_and_is_never_empty(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_module, "MOST_BYTES", 96 * 64 * 5)
    moments, found = pictures(app, "run=1&pulse=64&count=8")
    assert (len(moments), len(found)) == (3, 5)
    monkeypatch.setattr(pictures_module, "MOST_BYTES", 1)
    assert len(pictures(app, "run=1&pulse=64&count=8")[0]) == 1


def test_the_screen_is_told_as_it_was_at_the_exposure(app: ASGIApp) -> None:
    """The film began 0.5 s after pulse 0 was sent, exposed 20 us later; with a flip each 60th of a second."""
    [moment], _ = pictures(app, "run=1&pulse=64")
    flips = moment["flips"]
    after_ms = (moment["at_s"] + 20e-6 - 0.5) * 1000
    assert (flips["clip"], flips["step"], flips["kind"], flips["reason"]) == ("bunny", "clip1", "clip", "")
    assert flips["film_frame"] == int(after_ms - flips["flip_age_ms"] + 0.01) // 40
    assert flips["flip_age_ms"] == pytest.approx(after_ms % 16.666667, abs=0.01)
    assert pictures(app, "run=1&pulse=0")[0][0]["flips"]["reason"] == "no film on the screen: instruction welcome"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("pulse=1", "run: is missing"),
        ("run=7&pulse=1", "run: 7 does not exist; 1, 2"),
        ("run=1&pulse=one", "a whole number"),
        ("run=1&pulse=1&count=33", "from 1 to 32"),
        ("run=1&pulse=1&streams=HS,EYE", "'EYE' is no stream; HS, VIS, NIR"),
        ("run=1&pulse=1&size=huge", "full or moving"),
        ("run=1&pulse=1&minus=later:3", "pinned:RUN:PULSE or earlier:PULSES"),
        ("run=1&pulse=1&minus=earlier:0", "pinned:RUN:PULSE or earlier:PULSES"),
    ],
)
def test_what_is_not_allowed_is_said_with_what_is(app: ASGIApp, query: str, said: str) -> None:
    assert said in refused(app, f"/api/pictures?{query}")


def test_a_run_without_a_camera_says_so(tmp_path: Path) -> None:
    """Two rigs in one session: the second run has no NIR."""
    import h5py

    handmade.make_run(tmp_path, handmade.Plan(body_groups=8))
    second = handmade.make_run(tmp_path, handmade.Plan(run=2, body_groups=8, host_0=handmade.HOST_0 + 10**10))
    second.chmod(0o600)
    with h5py.File(second, "r+") as file:
        file.attrs["streams"] = '["HS", "VIS"]'
    assert second.name != RUN_FILE
    with Shelf(second.parent) as shelf:
        view = pictures(build(shelf, {TOKEN: None}), "run=2&pulse=4")[0][0]["views"]["NIR"]
    assert (view["picture"], view["reason"]) == (None, "no camera NIR in this run")

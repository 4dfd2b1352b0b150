"""What contrast, differences, A/B, wipe and zoom show, against the frames in the file and the numbers in them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.handmade import GREY, Plan, make_run, number_in
from tests.web.browser import FRAMES, Address, Watched, opened, serving
from tests.web.looked import CANVAS, TILE, grey, now, on_screen, pixels
from tests.web.sessions import replaced, stored

PULSE = 150
SLID = "(one, value) => { one.value = value; one.dispatchEvent(new Event('input', { bubbles: true })); }"
NUMBER_AT = (16.5 / 96, 32.5 / 64)  # of a picture by hand: where the lowest byte of its number is
RAMP_AT, RAMP = 80, np.linspace(40, 200, 64 * 96).astype(np.uint8).reshape(64, 96)  # of HS: a picture of all levels
GAIN = 4  # as the page begins


@pytest.fixture(scope="module")
def viewer(browser: Browser, address: Address) -> Iterator[Watched]:
    with opened(browser, address.url) as page:
        yield page
        assert not page.complaints


@pytest.fixture(scope="module")
def numbered(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A viewer of pictures that hold their numbers and are equal otherwise."""
    path = make_run(tmp_path_factory.mktemp("numbered"), Plan(body_groups=30, closed=False))
    replaced(path, "HS", {RAMP_AT: RAMP})
    with serving("replay", path, cwd=path.parent) as (_, [address]), opened(browser, address.url) as page:
        yield page
        assert not page.complaints


def slide(page: Watched, label: str, value: int) -> None:
    page.page.get_by_label(label).evaluate(SLID, str(value))


def levels(samples: np.ndarray, top: int, low: float, high: float) -> np.ndarray:
    """What a window makes of samples up to `top`: `low` of them black, `high` white, between them a straight line."""
    return np.asarray(np.interp(samples / top, [low, high], [0, 255]))


def is_near(shown: np.ndarray, due: np.ndarray) -> bool:
    return bool(np.abs(shown - due).max() <= 0.51)


def test_a_window_of_levels_is_a_straight_line_between_black_and_white(viewer: Watched, run_path: Path) -> None:
    """For all cameras or for one; of 12 bits by all of them; taken back: as stored."""
    files = stored(run_path)
    hs, nir = files["HS"].of(PULSE), files["NIR"].of(PULSE - PULSE % 4)
    vis = files["VIS"].on_screen(PULSE - PULSE % 4)
    viewer.go(1, PULSE)
    plain = {stream: pixels(sheet) for stream, sheet in now(viewer).items() if stream != "film"}
    viewer.press("c")
    viewer.page.locator(".panel select").select_option("all cameras")
    slide(viewer, "black below", 51)
    slide(viewer, "white above", 153)
    assert is_near(grey(viewer, "HS"), levels(hs, 255, 0.2, 0.6))
    assert is_near(grey(viewer, "NIR"), levels(nir, 4095, 0.2, 0.6))
    assert is_near(pixels(now(viewer)["VIS"])[..., :3], levels(vis[..., :3], 255, 0.2, 0.6))
    viewer.page.locator(".panel select").select_option("HS")
    slide(viewer, "white above", 102)
    assert is_near(grey(viewer, "HS"), levels(hs, 255, 0.2, 0.4))
    assert is_near(grey(viewer, "NIR"), levels(nir, 4095, 0.2, 0.6))
    viewer.page.locator(".panel select").select_option("all cameras")
    viewer.page.get_by_role("button", name="Reset").click()
    assert all(np.array_equal(pixels(now(viewer)[stream]), before) for stream, before in plain.items())
    viewer.press("Escape")


def test_auto_leaves_a_hundredth_black_and_one_white(numbered: Watched) -> None:
    numbered.go(1, RAMP_AT)
    numbered.press("c")
    numbered.page.get_by_role("button", name="Auto").click()
    in_order = np.sort(RAMP, axis=None)
    few = int(0.01 * RAMP.size)
    low, high = in_order[few] / 255, in_order[-1 - few] / 255
    assert 0.1 < low < high < 0.9
    assert is_near(grey(numbered, "HS"), levels(RAMP, 255, low, high))
    numbered.page.get_by_role("button", name="Reset").click()
    assert np.array_equal(grey(numbered, "HS"), RAMP)
    numbered.press("Escape")


def test_differences_are_those_of_the_two_frames_times_the_gain(numbered: Watched) -> None:
    """Against the pinned one and one earlier; 128 is equal. The numbers in the pictures differ as the pulses do."""
    numbered.go(1, 100)
    numbered.press("p")
    numbered.go(1, 107)
    for key, distance in (("d", 7), ("k", 4)):
        numbered.press(key)
        numbered.until(f"{CANVAS.format('HS')}.dataset.picture?.includes('minus')")
        shown = grey(numbered, "HS")
        assert number_in(shown) & 255 == 128 + GAIN * distance
        assert np.median(shown) == 128
        numbered.press("c")
        slide(numbered, "gain of differences", 9)
        assert number_in(grey(numbered, "HS")) & 255 == 128 + 9 * distance
        slide(numbered, "gain of differences", GAIN)
        if key == "k":
            by = numbered.page.get_by_label("by", exact=True)
            for pulses in (9, 4):
                by.fill(str(pulses))
                by.press("Enter")
                numbered.until(f"{CANVAS.format('HS')}.dataset.picture?.endsWith('minus-1-{107 - pulses}')")
                assert number_in(grey(numbered, "HS")) & 255 == 128 + GAIN * pulses
        numbered.press("Escape", key)
        numbered.until(f"{CANVAS.format('HS')}.dataset.picture === 'HS/1/107'")
        assert number_in(grey(numbered, "HS")) == 107
    numbered.go(1, 100)
    numbered.press("p")


def test_the_pinned_picture_is_seen_in_place_of_the_other_and_beside_it_by_a_wipe(numbered: Watched) -> None:
    """By the screen itself: the number's lowest byte lies in a sixth of the width."""
    numbered.go(1, 60)
    numbered.press("p")
    numbered.go(1, 120)
    seen = [number_on_screen(numbered)]
    for keys in ("b", "b", "w"):
        numbered.press(keys)
        seen.append(number_on_screen(numbered))
    slide(numbered, "wipe at", 10)
    seen.append(number_on_screen(numbered))
    numbered.press("w")
    assert seen == [120, 60, 120, 60, 120]
    assert "pulse 120" in numbered.js(f"{TILE.format('HS')}.innerText")
    now_s = time.time()
    numbered.letter("b", now_s, is_down=True)
    assert number_on_screen(numbered) == 60
    numbered.letter("b", now_s + 0.3, is_down=False)  # held, not tapped
    assert number_on_screen(numbered) == 120
    numbered.go(1, 60)
    numbered.press("p")


def number_on_screen(page: Watched) -> int:
    page.js(FRAMES)
    return on_screen(page, "HS", *NUMBER_AT)


def test_a_wipe_never_has_a_difference_beside_a_plain_picture(numbered: Watched) -> None:
    numbered.go(1, 60)
    numbered.press("p")
    numbered.go(1, 120)
    numbered.press("w")
    slide(numbered, "wipe at", 50)
    numbered.press("w", "d", "w")
    numbered.until(f"{CANVAS.format('HS')}.dataset.picture === 'HS/1/120'")
    assert number_on_screen(numbered) == 60
    numbered.press("d")
    numbered.until(f"{CANVAS.format('HS')}.dataset.picture?.includes('minus')")
    assert not numbered.js("document.querySelector('canvas[data-pinned=HS]').checkVisibility()")
    numbered.press("d")
    numbered.go(1, 60)
    numbered.press("p")


def box(page: Watched, what: str) -> tuple[float, float, float, float]:
    """Left, top, width and height on the screen."""
    left, top, width, height = page.js(
        f"(({{ left, top, width, height }}) => [left, top, width, height])({what}.getBoundingClientRect())"
    )
    return left, top, width, height


def test_the_wheel_zooms_at_the_pointer_and_a_hand_drags_the_picture(numbered: Watched) -> None:
    """All cameras alike; what lies under the pointer stays there."""
    view = f"{TILE.format('HS')}.querySelector('.view')"
    left, top, width, height = box(numbered, view)
    x, y = left + NUMBER_AT[0] * width, top + NUMBER_AT[1] * height
    numbered.go(1, 50)
    numbered.page.mouse.move(x, y)
    numbered.page.mouse.wheel(0, -600)
    numbered.until(f"{CANVAS.format('HS')}.getBoundingClientRect().width > {3.9 * width}")
    zoomed = box(numbered, CANVAS.format("HS"))
    assert zoomed[2] == pytest.approx(4 * width)
    assert (x - zoomed[0]) / zoomed[2] == pytest.approx(NUMBER_AT[0], abs=0.002)
    assert (y - zoomed[1]) / zoomed[3] == pytest.approx(NUMBER_AT[1], abs=0.002)
    assert number_on_screen(numbered) == 50
    numbered.page.mouse.down()
    numbered.page.mouse.move(x - 40, y - 30, steps=2)
    numbered.page.mouse.up()
    dragged = box(numbered, CANVAS.format("HS"))
    assert (dragged[0] - zoomed[0], dragged[1] - zoomed[1]) == pytest.approx((-40, -30), abs=1)
    numbered.page.mouse.move(x, y)  # the hand is open again
    assert box(numbered, CANVAS.format("HS")) == dragged
    small = box(numbered, f"{TILE.format('VIS')}.querySelector('.view')")
    assert box(numbered, CANVAS.format("VIS"))[2] == pytest.approx(4 * small[2])
    numbered.press("0")
    assert box(numbered, CANVAS.format("HS")) == pytest.approx((left, top, width, height), abs=0.1)
    assert on_screen(numbered, "HS", 0.5, 0.1) == GREY


def test_a_double_click_gives_a_camera_the_large_place(numbered: Watched) -> None:
    hs, vis = (TILE.format(stream) for stream in ("HS", "VIS"))
    before = box(numbered, hs)[2], box(numbered, vis)[2]
    assert before[0] > before[1]
    numbered.page.locator("section[aria-label=VIS] .view").dblclick()
    numbered.until(f"{vis}.getBoundingClientRect().width > {hs}.getBoundingClientRect().width")
    numbered.page.locator("section[aria-label=HS] .view").dblclick()
    assert (box(numbered, hs)[2], box(numbered, vis)[2]) == pytest.approx(before)


def test_keys_zoom_the_film_when_they_are_told_to(viewer: Watched) -> None:
    """And the cameras again."""
    film, hs = CANVAS.format("film"), CANVAS.format("HS")
    viewer.go(1, 250)
    viewer.until("document.querySelector('canvas[data-stream=film]').dataset.picture")
    before = box(viewer, film)[2], box(viewer, hs)[2]
    viewer.press("v", "+", "Alt+ArrowLeft")
    assert box(viewer, film)[2] == pytest.approx(1.5 * before[0])
    assert box(viewer, hs)[2] == pytest.approx(before[1])
    viewer.press("0", "v", "+")
    assert (box(viewer, film)[2], box(viewer, hs)[2]) == pytest.approx((before[0], 1.5 * before[1]))
    viewer.press("0")

"""Sessions of one camera with large pictures, and of five with all kinds of pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Route

from tests.web.browser import Watched, opened, serving
from tests.web.looked import CANVAS, TILE, now, pixels, read
from tests.web.sessions import added, sized, stored

SMALL, LARGE = "width: 96, height: 64", "width: 1024, height: 768"
FORMATS = {"HS": "Mono10p", "A": "Mono12Packed", "B": "Mono14", "C": "Mono16", "D": "BayerGR12"}
SLOW_BYTES_S = 5e6  # a sixth of what pictures as stored need
LINK = {"offline": False, "latency": 0, "uploadThroughput": -1}
GREENS_RED_BLUE = {(0, 0): 1, (1, 1): 1, (0, 1): 0, (1, 0): 2}  # row and column in a square of GR: which colour


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def of_all_kinds(browser: Browser, folder: Path) -> Iterator[tuple[Watched, Path]]:
    recorded = dict(list(FORMATS.items())[:3])
    cameras = {name: f"divisor: 1, pixel_format: {form}, {SMALL}" for name, form in recorded.items()}
    path = sized(folder / "kinds", cameras, seconds=0.1)
    deep = stored(path, ["B"])["B"].pictures
    added(path, "C", FORMATS["C"], deep << 2)
    added(path, "D", FORMATS["D"], deep >> 2)
    with serving("replay", path, cwd=folder) as (_, [address]), opened(browser, address.url) as page:
        yield page, path
        assert not page.complaints


def samples(data: np.ndarray, form: str) -> np.ndarray:
    """By the drawings of the standards, spelled out for two samples: 10p four in five bytes, 12Packed two in three."""
    if form == "Mono12Packed":
        first, low, last = (data.reshape(-1, 3).astype(int)).T
        return np.stack([first << 4 | low & 15, last << 4 | low >> 4], axis=1).reshape(64, 96)
    if form == "Mono10p":
        bits = np.unpackbits(data, bitorder="little").reshape(-1, 10).astype(int)
        return np.asarray(bits @ (1 << np.arange(10))).reshape(64, 96)
    return data


@pytest.mark.parametrize("stream", FORMATS)
def test_each_kind_of_pixels_is_shown_by_its_upper_8_bits(of_all_kinds: tuple[Watched, Path], stream: str) -> None:
    page, path = of_all_kinds
    form = FORMATS[stream]
    bits = int("".join(filter(str.isdigit, form)))
    file = stored(path, FORMATS)[stream]
    for pulse in (11, 20):
        shown = pixels(read(page, [pulse])[0][stream])[..., :3]
        due = samples(file.of(pulse), form) >> bits - 8
        if stream == "D":  # but at the border each place has kept the colour that the sensor has there
            shown, due = shown[2:-2, 2:-2], due[2:-2, 2:-2]
            for (row, column), colour in GREENS_RED_BLUE.items():
                assert np.array_equal(shown[row::2, column::2, colour], due[row::2, column::2])
            assert np.ptp(shown, axis=2).max() > 0
        else:
            assert np.array_equal(shown, np.repeat(due[..., np.newaxis], 3, axis=2))


def test_five_cameras_and_the_film_have_their_places(of_all_kinds: tuple[Watched, Path]) -> None:
    page, _ = of_all_kinds
    boxes = page.js(
        "[...document.querySelectorAll('section.tile')].map((one) => one.getBoundingClientRect())"
        ".map(({ left, top, width, height }) => [left, top, width, height])"
    )
    assert len(boxes) == 6
    assert all(width > 100 and height > 80 for *_, width, height in boxes)


@pytest.fixture(scope="module")
def large(browser: Browser, folder: Path) -> Iterator[tuple[Watched, Path]]:
    """One camera of 40 pictures a second."""
    path = sized(folder / "large", {"HS": f"divisor: 1, {LARGE}"}, rate_hz=40, seconds=0.5)
    with serving("replay", path, cwd=folder) as (_, [address]), opened(browser, address.url) as page:
        yield page, path
        assert not page.complaints


def test_large_pictures_are_reduced_while_moving_and_as_stored_when_still(large: tuple[Watched, Path]) -> None:
    """A key held down."""
    page, path = large
    file = stored(path, ["HS"])["HS"]
    state = f"{TILE.format('HS')}.querySelector('.state').textContent"
    page.go(1, 10)
    assert page.js(state) == ""
    assert np.array_equal(pixels(now(page)["HS"]), file.on_screen(10))
    for pulse in (11, 12, 13):
        page.page.keyboard.down("ArrowRight")
        page.until(f"{CANVAS.format('HS')}.dataset.picture?.startsWith('HS/1/{pulse}')")
    moving = [url for request in page.requests if "size=moving" in (url := request.url)]
    assert moving
    page.page.keyboard.up("ArrowRight")
    page.until(f"{CANVAS.format('HS')}.dataset.picture === 'HS/1/13'")
    assert page.js(state) == ""
    assert np.array_equal(pixels(now(page)["HS"]), file.on_screen(13))


def test_reduced_pictures_say_so(large: tuple[Watched, Path]) -> None:
    """While the pictures as stored are held back."""
    page, path = large
    file = stored(path, ["HS"])["HS"]
    page.go(1, 18)
    page.page.route("**/api/pictures?*size=full*", lambda route: None)  # never answered
    page.press("ArrowRight")
    page.page.keyboard.down("ArrowRight")
    page.page.keyboard.down("ArrowRight")
    page.page.keyboard.up("ArrowRight")
    page.until(f"{CANVAS.format('HS')}.dataset.picture === 'HS/1/21/moving'")
    assert "reduced to 512×384" in page.js(f"{TILE.format('HS')}.innerText")
    shown = pixels(now(page)["HS"])[..., 0]
    whole = file.of(21).astype(float)
    assert np.abs(shown - whole.reshape(384, 2, 512, 2).mean(axis=(1, 3))).max() <= 1
    page.page.unroute_all()


def test_over_a_slow_link_moving_pictures_are_jpeg_say_so_and_are_as_stored_when_still(
    large: tuple[Watched, Path],
) -> None:
    page, path = large
    file = stored(path, ["HS"])["HS"]
    link = page.page.context.new_cdp_session(page.page)
    link.send("Network.emulateNetworkConditions", LINK | {"downloadThroughput": SLOW_BYTES_S})
    for pulse in range(8):  # packets enough to tell of the link
        page.go(1, pulse)
    held: list[Route] = []  # pictures as stored: those of a busy machine come before anybody has looked at the others
    page.page.route("**/api/pictures?*size=full*", lambda route: held.append(route))
    seen = f"[{CANVAS.format('HS')}.dataset.picture ?? '', {TILE.format('HS')}.innerText]"
    for pulse in range(8, 26):
        page.page.keyboard.down("ArrowRight")
        page.until(f"{CANVAS.format('HS')}.dataset.picture?.startsWith('HS/1/{pulse}')")
        picture, said = page.js(seen)
        if picture.endswith("/moving/jpeg"):
            break
    assert "reduced to 512×384, JPEG" in said
    page.page.unroute_all()
    for route in held:
        route.continue_()
    page.page.keyboard.up("ArrowRight")
    page.until(f"!{CANVAS.format('HS')}.dataset.picture.includes('moving')")
    link.send("Network.emulateNetworkConditions", LINK | {"downloadThroughput": -1})
    assert "JPEG" not in page.js(f"{TILE.format('HS')}.innerText")
    assert np.array_equal(pixels(now(page)["HS"]), file.on_screen(page.place()[1]))

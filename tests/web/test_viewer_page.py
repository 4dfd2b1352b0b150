"""The viewer as its user has it: what is on the canvases, and what keys do; against the file, read by h5py alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.films import number_of
from tests.web.browser import Address, Watched, chromium, opened, serving
from tests.web.sessions import DAMAGED, LOST, NOT_STORED, STREAMS, coloured, stored, troubled

READ = """async (places) => {
  const read = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const bytes = Array.from({ length: data.length / 8192 + 1 }, (_, n) => data.subarray(8192 * n, 8192 * (n + 1)));
    const text = bytes.map((part) => String.fromCharCode(...part)).join("");
    return { key: canvas.dataset.picture ?? null, size: [canvas.height, canvas.width, 4], data: btoa(text) };
  };
  const found = [];
  for (const place of places) {
    await rig.go(place);
    const canvases = [...document.querySelectorAll("canvas[data-stream]")];
    found.push(Object.fromEntries(canvases.map((canvas) => [canvas.dataset.stream, read(canvas)])));
  }
  return found;
}"""
PULSE = "rig.place().pulse"
PRESSED = "[...document.querySelectorAll('button')].find((one) => one.innerText === '{}').ariaPressed === 'true'"
ZOOM = "document.querySelector('canvas[data-stream=HS]').getBoundingClientRect().width"
SPEED = "Number(document.querySelector('select[aria-label=speed]').value)"
STEP = "Number(document.querySelector('input[type=number]').value)"
FILM = "document.querySelector('section[aria-label=film]').hidden"
LARGE = "document.querySelector('section[aria-label=HS]').getBoundingClientRect().width"
DRAWN = "document.querySelector('.timeline canvas').toDataURL()"
KEYS = {  # as the overlay names them: keys pressed before, an expression, and what it must be after; or how it changes
    "←": ("", PULSE, 99),
    "→": ("", PULSE, 101),
    "⇧ ←": ("", PULSE, 90),
    "⇧ →": ("", PULSE, 110),
    "<": (">", STEP, "less"),
    ">": ("", STEP, "more"),
    ",": ("", PULSE, 96),
    ".": ("", PULSE, 104),
    "Page ↑": ("", PULSE, 0),
    "Page ↓": ("", PULSE, 200),
    "Home": ("", PULSE, 0),
    "End": ("", "rig.place().run", 2),
    "Space": ("", "[...document.querySelectorAll('button')].some((one) => one.innerText === 'Pause')", True),
    "[": ("]", SPEED, "less"),
    "]": ("[", SPEED, "more"),
    "j": ("", "document.activeElement.tagName", "INPUT"),
    "t": ("", PULSE, "more"),
    "T": ("", PULSE, "less"),
    "g": ("", PULSE, 40),
    "G": ("", PULSE, 60),
    "a": ("", "document.body.innerText.includes('No later alarm')", True),
    "A": ("", PULSE, 0),
    "q": ("", "rig.place().run", 2),
    "Q": ("", PULSE, "less"),
    "l": ("", "document.body.innerText.includes('No later label')", True),
    "L": ("", "document.body.innerText.includes('No earlier label')", True),
    "p": ("", PRESSED.format("Pin"), True),
    "b": ("p ArrowRight", PRESSED.format("A/B"), True),
    "w": ("p ArrowRight", PRESSED.format("Wipe"), True),
    "d": ("p ArrowRight", PRESSED.format("− pinned"), True),
    "k": ("", PRESSED.format("− earlier"), True),
    "c": ("", PRESSED.format("Contrast"), True),
    "+": ("", ZOOM, "more"),
    "=": ("", ZOOM, "more"),
    "-": ("+", ZOOM, "less"),
    "0": ("+", ZOOM, "less"),
    "s": ("", LARGE, "less"),
    "f": ("", FILM, True),
    "i": ("", DRAWN, "other"),
    "o": ("i", DRAWN, "other"),
    "h": ("i", DRAWN, "other"),
    "?": ("", "document.querySelector('dialog.help').open", True),
}
FROM = {"t": 0, "g": 0}  # pulses at which keys are pressed, if not at 100
NAMES = {"←": "ArrowLeft", "→": "ArrowRight", "Page ↑": "PageUp", "Page ↓": "PageDown"}
CHANGES: dict[object, str] = {"more": "> {}", "less": "< {}", "other": "!== {}"}
TILE = "document.querySelector('section[aria-label=\"{}\"]')"


def read(page: Watched, pulses: list[int], run: int = 1) -> list[dict[str, Any]]:
    return list(page.js(READ, [{"run": run, "pulse": pulse} for pulse in pulses]))


def pixels(sheet: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(sheet["data"]), np.uint8).reshape(sheet["size"])


def words(page: Watched, stream: str) -> str:
    return str(page.js(f"{TILE.format(stream)}.innerText"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coloured(tmp_path_factory.mktemp("coloured"))


@pytest.fixture(scope="module")
def address(run_path: Path) -> Iterator[Address]:
    with serving("replay", run_path, cwd=run_path.parents[3]) as (_, [address]):
        yield address


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    session = troubled(tmp_path_factory.mktemp("troubled"))
    with serving("replay", session, cwd=session) as (_, [address]):
        yield address


@pytest.fixture(scope="module")
def viewer(browser: Browser, address: Address) -> Iterator[Watched]:
    with opened(browser, address.url) as page:
        yield page
        assert not page.complaints
        assert not page.failed


@pytest.fixture(scope="module")
def troubled_viewer(browser: Browser, trouble: Address) -> Iterator[Watched]:
    with opened(browser, trouble.url) as page:
        yield page
        assert not page.complaints
        assert {urlsplit(url).path for url in page.failed} <= {"/api/film"}  # it is not here


def test_a_canvas_is_the_frame_bit_for_bit(viewer: Watched, run_path: Path) -> None:
    """At 100 random pulses: grey of 8 bits, colours, and of 12 bits the upper 8."""
    files = stored(run_path)
    pulses = np.random.default_rng(1).choice(files["HS"].pulses, 100, replace=False).tolist()
    for pulse, sheets in zip(pulses, read(viewer, pulses), strict=True):
        for stream, divisor in STREAMS.items():
            own_pulse = pulse - pulse % divisor
            assert sheets[stream]["key"] == f"{stream}/1/{own_pulse}"
            assert np.array_equal(pixels(sheets[stream]), files[stream].on_screen(own_pulse)), (pulse, stream)


def test_the_film_frame_on_the_page_is_the_one_named_and_moves_with_the_pulses(viewer: Watched) -> None:
    seen = set()
    for pulse in range(150, 330, 30):
        viewer.go(1, pulse)
        viewer.until(f"!{TILE.format('film')}.classList.contains('late')")
        named = re.search(r"film frame (\d+)", words(viewer, "film"))
        assert named, words(viewer, "film")
        film = pixels(read(viewer, [pulse])[0]["film"])[..., :3]
        assert number_of(film) == int(named[1])
        seen.add(int(named[1]))
    assert len(seen) >= 5
    assert sorted(np.diff(sorted(seen)).tolist()) in ([7] * (len(seen) - 1), sorted(np.diff(sorted(seen)).tolist()))


def test_steps_on_and_back_show_each_frame_in_turn(viewer: Watched) -> None:
    viewer.go(1, 200)
    for key, pulses in (("ArrowRight", range(201, 231)), ("ArrowLeft", range(229, 199, -1))):
        for pulse in pulses:
            viewer.press(key)
            viewer.until(f"document.querySelector('canvas[data-stream=HS]').dataset.picture === 'HS/1/{pulse}'")
            assert viewer.place() == (1, pulse)


def test_no_request_leaves_the_host(
    viewer: Watched, troubled_viewer: Watched, address: Address, trouble: Address
) -> None:
    """Of two pages that have been used by all the tests before, one of them with hostile texts."""
    for page, own in ((viewer, address), (troubled_viewer, trouble)):
        page.go(1, 10)
        urls = {request.url for request in page.requests}
        assert len(urls) > 10
        assert not [url for url in urls if not url.startswith((own.origin + "/", f"blob:{own.origin}/"))]


@pytest.mark.parametrize("stream", LOST)
def test_in_a_gap_there_is_no_picture_but_its_reason(troubled_viewer: Watched, stream: str) -> None:
    before, inside = min(LOST[stream]) - STREAMS[stream], sorted(LOST[stream])
    assert read(troubled_viewer, [before])[0][stream]["key"]
    for pulse in inside:
        assert read(troubled_viewer, [pulse])[0][stream]["key"] is None
        assert troubled_viewer.js(f"{TILE.format(stream)}.querySelector('canvas').hidden")
        assert re.search("no (frame|picture)", words(troubled_viewer, stream))
        assert re.search("lost|never|camera|gap", words(troubled_viewer, stream)), words(troubled_viewer, stream)


def test_what_was_not_stored_and_what_is_damaged_say_so(troubled_viewer: Watched) -> None:
    stream, first, _ = NOT_STORED
    assert read(troubled_viewer, [first + 8])[0][stream]["key"] is None
    assert "not stored" in words(troubled_viewer, stream)
    assert read(troubled_viewer, [DAMAGED])[0]["HS"]["key"] is None
    assert "differs from what the camera delivered" in words(troubled_viewer, "HS")


def test_a_step_into_a_gap_takes_the_picture_away_and_out_of_it_brings_the_next(troubled_viewer: Watched) -> None:
    troubled_viewer.go(1, 39)
    for pulse in range(40, 46):
        troubled_viewer.press("ArrowRight")
        due = "undefined" if pulse in LOST["HS"] else f"'HS/1/{pulse}'"
        troubled_viewer.until(f"document.querySelector('canvas[data-stream=HS]').dataset.picture === {due}")


def test_hostile_texts_stay_texts(troubled_viewer: Watched) -> None:
    """An alarm's, told when it is jumped to; names of steps, clips and coders may not be hostile at all."""
    troubled_viewer.go(1, 100)
    troubled_viewer.press("A")
    troubled_viewer.until("document.body.innerText.includes('onerror=')")
    assert troubled_viewer.js("window.hacked") is None
    assert troubled_viewer.js("document.querySelectorAll('img, script:not([src]), iframe').length") == 0


def test_an_address_leads_to_a_pulse_and_follows_it(browser: Browser, trouble: Address) -> None:
    with opened(browser, f"{trouble.url}#run=2&pulse=33") as page:
        assert page.place() == (2, 33)
        assert "token" not in page.page.url
        page.press("ArrowRight")
        page.until("location.hash === '#run=2&pulse=34'")
        page.js("() => { location.hash = '#run=1&pulse=77' }")
        page.until("rig.place().run === 1 && rig.place().pulse === 77")
        page.js("() => { location.hash = '#run=9&pulse=77' }")
        page.until("/no pulse 77 in run 9/.test(document.body.innerText)")
        assert page.place() == (1, 77)


def test_playing_says_how_many_frames_it_showed_and_how_many_it_skipped(viewer: Watched) -> None:
    for speed in ("0.25", "1"):
        viewer.go(1, 100)
        viewer.page.get_by_label("speed").select_option(speed)
        viewer.js("document.activeElement.blur()")
        viewer.press("Space")
        viewer.until("rig.played.length >= 20")
        viewer.press("Space")
        said = re.search(r"shown (\d+) of (\d+) HS frames, skipped (\d+)", viewer.js("document.body.innerText"))
        assert said
        shown, passed, skipped = map(int, said.groups())
        played = [one["pulse"] for one in viewer.js("rig.played")]
        assert shown == len(played) == len(set(played))
        assert passed == played[-1] - played[0] + 1 == shown + skipped
        assert played == sorted(played)


def test_the_overlay_lists_every_key(troubled_viewer: Watched) -> None:
    troubled_viewer.press("?")
    listed = [key.strip() for key in troubled_viewer.page.locator("dialog.help kbd").all_inner_texts()]
    troubled_viewer.press("Escape")
    assert sorted(listed) == sorted(KEYS)


@pytest.fixture(scope="module")
def pressed(browser: Browser, trouble: Address) -> Iterator[Watched]:
    """A page whose keys are tried."""
    with opened(browser, trouble.url) as page:
        yield page


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_overlay_does_what_it_says(pressed: Watched, key: str, trouble: Address) -> None:
    before, expression, due = KEYS[key]
    only_moves = expression.startswith(("rig.place", "document.body.innerText"))
    if pressed.js("window.changed") or not only_moves:
        pressed.page.reload()
        pressed.until("window.rig?.ready === true")
        pressed.js(f"window.changed = {json.dumps(not only_moves)}")
    pressed.go(1, FROM.get(key, 100))
    pressed.press(*before.split())
    old = pressed.js(expression)
    pressed.press(
        NAMES.get(key.removeprefix("⇧ "), key.removeprefix("⇧ ")) if "⇧" not in key else f"Shift+{NAMES[key[2:]]}"
    )
    assert old != due
    compared = CHANGES.get(due, f"=== {json.dumps(due)}")
    pressed.until(f"({expression}) {compared.format(json.dumps(old))}")


def test_keys_typed_into_a_field_are_its_own(viewer: Watched) -> None:
    viewer.go(1, 100)
    viewer.press("j", *"clip1@1.0")
    assert viewer.place() == (1, 100)
    viewer.press("Enter")
    viewer.until("rig.place().pulse !== 100")
    assert viewer.js("document.activeElement === document.body")


def test_every_control_is_reached_by_tab_and_shows_it(viewer: Watched) -> None:
    viewer.press("c")
    shown = "(one) => one.checkVisibility() && one.tabIndex >= 0 && !one.disabled"
    count = viewer.js(f"[...document.querySelectorAll('button, input, select, a, [tabindex]')].filter({shown}).length")
    viewer.js("() => { window.reached = new Set(); document.activeElement.blur(); }")
    for _ in range(count + 3):
        viewer.press("Tab")
        outline = viewer.js(
            "() => { const one = document.activeElement; if (one === document.body) return 'body';"
            " reached.add(one); return getComputedStyle(one).outlineStyle; }"
        )
        assert outline != "none"
    assert viewer.js("reached.size") == count > 20
    viewer.press("Escape", "c")

"""How both pages look, at two sizes, light and dark: nothing is cut off, nothing overlaps, every text can be read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from tests.handmade import Plan, make_run
from tests.web.browser import FRAMES, Address, Watched, opened, serving
from tests.web.looked import words
from tests.web.sessions import HOSTILE, added, copied, stored
from tests.web.test_keys_page import KEYS

SIZES = [(1280, 720), (1920, 1080)]
SCHEMES = ["light", "dark"]
LEAST_CONTRAST = 4.5
BOXES = """() => {
  const kinds = "button, input, select, textarea, [role=slider], canvas[data-stream]";
  const open = document.querySelector("dialog[open]");
  const above = document.querySelector(".panel:not([hidden])");
  const layer = (one) => (open?.contains(one) ? 2 : above?.contains(one) ? 1 : 0);
  return [...document.querySelectorAll(kinds)].filter((one) => one.checkVisibility()).map((one) => {
    const { left, right, ...box } = one.getBoundingClientRect().toJSON();
    const rolls = ["ol", "aside"].map((name) => one.closest(name)?.getBoundingClientRect()).filter(Boolean);
    const top = Math.max(box.top, ...rolls.map((roll) => roll.top));  // what is scrolled out of one is not seen
    const bottom = Math.min(box.bottom, ...rolls.map((roll) => roll.bottom));
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = one;
    const words = one.getAttribute("aria-label") || one.innerText || one.dataset.stream;
    const name = `${one.tagName} ${words || one.closest("label")?.innerText}`;
    const cut = one.matches("button") && (scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1);
    return { name, left, top, right, bottom, cut, layer: layer(one) };
  });
}"""
LIGHT = """
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parsed = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const contrast = (...colours) => {
    const [low, high] = colours.map(light).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [];
"""
# What is behind a text is the nearest colour that is not clear. A text without a word is none.
CONTRASTS = (
    f"""() => {{{LIGHT}"""
    """
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const stripes = [...style.backgroundImage.matchAll(/(rgba?|color)\\([^)]*\\)/g)];
      if (stripes.length) return stripes.map(([colour]) => parsed(colour));
      const colour = parsed(style.backgroundColor);
      if (colour[3] === 255) return [colour];
    }
    return [[255, 255, 255, 255]];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !one.checkVisibility()) continue;
    const ink = parsed(getComputedStyle(one).color);
    const text = texts.currentNode.data.trim().slice(0, 30);
    for (const colour of behind(one)) found.push({ text, contrast: contrast(ink, colour) });
  }
  return found;
}"""
)
# What a text is drawn over is what the canvas held before, less lines that only cross it.
DRAWN_CONTRASTS = (
    f"""() => {{{LIGHT}"""
    """
  const { prototype } = CanvasRenderingContext2D;
  const plain = prototype.fillText;
  prototype.fillText = function (text, x, y) {
    const scale = devicePixelRatio;
    const [width, height] = [Math.ceil(this.measureText(text).width * scale), 10 * scale];
    const { data } = this.getImageData(x * scale, y * scale - height / 2, width, height);
    const pixels = Array.from({ length: width * height }, (_, n) => data.slice(4 * n, 4 * n + 3).join());
    for (const colour of new Set(pixels)) {
      const share = pixels.filter((one) => one === colour).length / pixels.length;
      if (share > 0.1) found.push({ text, contrast: contrast(parsed(this.fillStyle), colour.split(",").map(Number)) });
    }
    plain.call(this, text, x, y);
  };
  rig.page.timeline.draw();
  prototype.fillText = plain;
  return found;
}"""
)
TALL_AND_SAMPLED = """() => {
  const { details, fromS, toS } = rig.page.timeline;
  details.motion = { energy: Array(500).fill(1), fromS, toS, is_each_frame: false };
}"""
CUT_CAPTIONS = """() => [...document.querySelectorAll(".caption-text")].filter((one) => one.checkVisibility())
  .filter((one) => one.scrollWidth > one.clientWidth
    || one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right + 0.5)
  .map((one) => one.innerText)"""
LONG_BANNERS = """() => document.querySelector(".banners").append(...Array.from({ length: 4 }, (_, n) => {
  const banner = document.createElement("p");
  Object.assign(banner, { className: "banner fail", textContent: `Run ${n}: ${"a long sentence ".repeat(9)}` });
  return banner;
}))"""
POINTED = "document.querySelector('.pointer-words').textContent"
NOTICE = "document.querySelector('.foot .notice').textContent"
LONG_WORD = "https://lab.example.org/coding/manual/smile-and-everything-that-is-like-one.html"
PLAY = "document.querySelector('.bar button.play').getBoundingClientRect().width"
SAVE_STATE = "document.querySelector('.save-state').dataset.state"
STATES = {
    "plain": "",
    "gap": "",
    "contrast": "c",
    "difference": "k",
    "wipe": "p w",
    "keys": "?",
    "playing": "[ [ Space",  # as slowly as it goes: to its end it takes a minute
    "film": "f",
}
LABEL_KEYS = ["1", "2", "3", "Enter", "4", "5", "6", "7", "8", "e", "x", "n", "Delete", "z", "y", "u", "U", "r"]
UNDONE = {"contrast": "Escape", "wipe": "w p", "keys": "Escape", "playing": "Space ] ]"}  # otherwise by the same keys


@pytest.fixture(scope="module")
def viewer(browser: Browser, trouble_address: Address) -> Iterator[Watched]:
    """A banner of it says FAIL."""
    with opened(browser, trouble_address.url) as page:
        page.until("document.querySelector('.banner.fail')")
        yield page
        assert not page.complaints


@pytest.fixture(scope="module")
def labelling(browser: Browser, trouble: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    session = copied(trouble, tmp_path_factory.mktemp("screens"))
    with (
        serving("annotate", session, "--coder", "anna", cwd=session) as (_, [address]),
        opened(browser, address.url) as page,
    ):
        page.until("document.querySelector('.banner.fail')")
        yield page
        assert not page.complaints


@pytest.fixture(params=["viewer", "labelling"])
def page(request: pytest.FixtureRequest, viewer: Watched, labelling: Watched) -> Watched:
    return viewer if request.param == "viewer" else labelling


def overlapping(boxes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    def share(one: dict[str, Any], other: dict[str, Any]) -> bool:
        across = min(one["right"], other["right"]) - max(one["left"], other["left"])
        down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
        return one["layer"] == other["layer"] and across > 1 and down > 1

    return [(one["name"], other["name"]) for one, other in itertools.combinations(boxes, 2) if share(one, other)]


def assert_in_order(page: Watched, size: tuple[int, int], state: str) -> None:
    page.page.set_viewport_size({"width": size[0], "height": size[1]})
    page.js(FRAMES)
    boxes = page.js(BOXES)
    assert len(boxes) > 20
    width, height = size
    outside = [
        box["name"]
        for box in boxes
        if box["left"] < 0 or box["top"] < 0 or box["right"] > width or box["bottom"] > height or box["cut"]
    ]
    assert not outside, (size, state, outside)
    assert not overlapping(boxes), (size, state, overlapping(boxes))
    assert page.js("document.documentElement.scrollWidth") <= width
    assert not page.js(CUT_CAPTIONS), (size, state)


def assert_readable(page: Watched, scheme: str, state: str) -> None:
    page.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    told = [*page.js(CONTRASTS), *page.js(DRAWN_CONTRASTS)]
    assert {"trials", "trial 1", "steps"} <= {found["text"] for found in told}
    faint = [found for found in told if found["contrast"] < LEAST_CONTRAST]
    assert not faint, (scheme, state, faint)


def assert_good(page: Watched, state: str) -> None:
    for size in SIZES:
        assert_in_order(page, size, state)
    for scheme in SCHEMES:
        assert_readable(page, scheme, state)


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_cut_off_or_overlaps_and_every_text_can_be_read(page: Watched, state: str) -> None:
    page.go(1, 42 if state == "gap" else 50)
    page.press(*STATES[state].split())
    page.until("!document.querySelector('.tile.late:not([hidden])')")
    assert_good(page, state)
    page.press(*UNDONE.get(state, STATES[state]).split())


def test_the_bar_stands_still_when_it_plays(page: Watched) -> None:
    page.go(1, 50)
    before = page.js(PLAY)
    page.press("Space")
    page.until("rig.played.length > 0")
    assert page.js(PLAY) == before
    page.press("Space")


def test_labels_and_what_is_said_about_them_are_in_order_too(labelling: Watched) -> None:
    """Labels in the list, one with a hostile emotion; a problem; not saved; the question before closing."""
    for pulse in (50, 70, 90):
        for key, later in (("1", 0), ("2", 3), ("3", 8)):
            labelling.go(1, pulse + later)
            labelling.press(key)
    labelling.press("e")
    labelling.page.keyboard.type(HOSTILE)
    labelling.press("Enter", "n")
    labelling.page.keyboard.type(LONG_WORD)
    labelling.press("Escape")
    labelling.until(f"{SAVE_STATE} === 'saved'")
    assert labelling.js("document.querySelectorAll('ol[aria-label=labels] li').length") == 3
    assert HOSTILE in labelling.js("document.querySelector('ol[aria-label=labels]').textContent")
    assert labelling.js("window.hacked") is None
    assert_good(labelling, "labelled")
    labelling.page.get_by_text("Close labelling").click()
    labelling.until("document.querySelector('dialog.ask')?.open")
    assert_good(labelling, "closing")
    labelling.page.get_by_text("Go on labelling").click()
    labelling.page.route("**/api/labels", lambda route: route.abort())
    labelling.go(1, 99)
    labelling.press("3")
    labelling.until(f"{SAVE_STATE} === 'failed'")
    labelling.go(1, 50)
    labelling.press("3")  # an offset before its onset
    assert labelling.js("document.querySelector('.label-problem').textContent")
    assert_good(labelling, "not saved")
    labelling.page.unroute_all()
    labelling.press("8")
    labelling.until(f"{SAVE_STATE} === 'saved'")


def test_words_over_the_time_lines_bars_can_be_read_and_say_what_zooming_would_show(viewer: Watched) -> None:
    flips_in_view(viewer, "flips?.rows.length > 0")
    point_at_timeline(viewer)
    assert "zoom in" not in viewer.js(POINTED)
    viewer.page.route("**/api/flips?*", lambda route: route.fulfill(json={"count": 2001}))
    flips_in_view(viewer, "flips?.count === 2001")
    viewer.page.unroute_all()
    point_at_timeline(viewer)
    assert "zoom in for flips" in viewer.js(POINTED)
    viewer.until("rig.page.timeline.details.motion?.toS === rig.page.timeline.toS")
    viewer.js(TALL_AND_SAMPLED)
    for scheme in SCHEMES:
        assert_readable(viewer, scheme, "sampled")
    viewer.press("h")


def flips_in_view(page: Watched, due: str) -> None:
    page.js("() => { delete rig.page.timeline.details.flips; }")
    page.press("h", "i")
    page.until(f"rig.page.timeline.details.{due}")


def point_at_timeline(page: Watched) -> None:
    left, top = page.js("(({ left, top }) => [left, top])(document.querySelector('.timeline').getBoundingClientRect())")
    page.page.mouse.move(left + 200, top + 3)
    page.page.mouse.move(left + 201, top + 3)


def test_number_and_age_of_a_frame_are_whole_however_many_cameras_and_banners_there_are(
    browser: Browser, tmp_path: Path
) -> None:
    """Also of a pulse of which nobody knows when it was sent."""
    path = make_run(tmp_path, Plan(body_groups=20, box_resets_at=60, has_ended=False), subject="A" * 64)
    pictures = stored(path)["HS"].pictures
    for number in range(5):
        added(path, f"LONGNAMECAM{number}", "Mono8", pictures)
    with serving("replay", path, cwd=tmp_path) as (_, [address]), opened(browser, address.url) as page:
        page.go(1, 55)
        page.js(LONG_BANNERS)
        assert_in_order(page, SIZES[0], "eight cameras")
        assert f"55 · #55 · {0:.1f} ms" in words(page, "LONGNAMECAM0")
        page.go(1, 90)
        assert "age unknown" in words(page, "HS")
        assert_in_order(page, SIZES[0], "eight cameras, ages unknown")


def test_a_moment_of_a_clip_is_gone_to_while_the_film_is_on_alone(labelling: Watched) -> None:
    for is_on in (True, False):
        labelling.go(1, 10)
        labelling.press("f", "j") if is_on else labelling.press("j")
        labelling.page.keyboard.type("clip1@0.4")
        labelling.press("Enter")
        if is_on:
            labelling.until("rig.place().run === 2")  # which showed it last
            labelling.press("f")
        else:
            labelling.until(f"{NOTICE}.includes('film is hidden')")
            assert labelling.place() == (1, 10)
            labelling.press("Escape")


def test_every_control_of_labelling_is_reached_by_tab_and_every_key_is_in_the_overlay(labelling: Watched) -> None:
    assert labelling.reached_by_tab() > 20
    labelling.press("?")
    listed = [key.strip() for key in labelling.page.locator("dialog.help kbd").all_inner_texts()]
    labelling.press("Escape")
    assert sorted(listed) == sorted([*KEYS, *LABEL_KEYS])


def test_the_film_that_was_put_off_again_is_not_told_of_by_a_late_answer(labelling: Watched) -> None:
    """`f f` while the answer with the film is on its way."""
    labelling.go(1, 110)
    held: list[Route] = []
    labelling.page.route("**/api/session?film=1", lambda route: held.append(route))
    labelling.press("f", "f")
    while not held:
        labelling.page.wait_for_timeout(5)
    with labelling.page.expect_response("**/api/session?film=1"):
        held[0].continue_()
    labelling.js(FRAMES)
    labelling.page.unroute_all()
    assert labelling.js("document.querySelector('section[aria-label=film]').hidden")
    labelling.press("T")
    left, top, width = labelling.js(
        "(({ left, top, width }) => [left, top, width])(document.querySelector('.timeline').getBoundingClientRect())"
    )
    told = []
    for share in range(10, 100, 5):
        labelling.page.mouse.move(left + share / 100 * width, top + 20)
        told.append(labelling.js("document.body.innerText"))
    assert not [text for text in told if "clip1" in text or "bunny" in text]


def test_a_server_that_is_gone_is_told_of_when_the_film_is_asked_for(labelling: Watched) -> None:
    labelling.page.route("**/api/session?film=1", lambda route: route.abort())
    labelling.press("f")
    labelling.until("document.querySelector('.foot .notice').textContent.includes('does not answer')")
    labelling.page.unroute_all()
    if not labelling.js("document.querySelector('section[aria-label=film]').hidden"):
        labelling.press("f")


def test_the_checks_see_what_is_wrong(viewer: Watched) -> None:
    """A control pushed out, one over another, and a faint text are each found."""
    button = "document.querySelector('.bar button')"
    for fault in ("left = '-30px'", "left = '40px'", "color = 'rgb(128 128 128)'"):
        viewer.js(f"() => {{ {button}.style.position = 'relative'; {button}.style.{fault}; }}")
        with pytest.raises(AssertionError):
            assert_in_order(viewer, SIZES[0], "plain")
            assert_readable(viewer, SCHEMES[0], "plain")
        viewer.js(f"() => {{ {button}.removeAttribute('style'); }}")
    assert_in_order(viewer, SIZES[0], "plain")

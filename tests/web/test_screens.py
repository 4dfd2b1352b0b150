"""How both pages look, at two sizes, light and dark: nothing is cut off, nothing overlaps, every text can be read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.web.browser import Address, Watched, chromium, opened, serving
from tests.web.sessions import troubled

SIZES = [(1280, 720), (1920, 1080)]
SCHEMES = ["light", "dark"]
LEAST_CONTRAST = 4.5
BOXES = """() => {
  const kinds = "button, input, select, textarea, [role=slider], canvas[data-stream]";
  const open = document.querySelector("dialog[open]");
  const above = document.querySelector(".panel:not([hidden])");
  const layer = (one) => (open?.contains(one) ? 2 : above?.contains(one) ? 1 : 0);
  return [...document.querySelectorAll(kinds)].filter((one) => one.checkVisibility()).map((one) => {
    const { left, top, right, bottom } = one.getBoundingClientRect();
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = one;
    const words = one.getAttribute("aria-label") || one.innerText || one.dataset.stream;
    const name = `${one.tagName} ${words || one.closest("label")?.innerText}`;
    const cut = one.matches("button") && (scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1);
    return { name, left, top, right, bottom, cut, layer: layer(one) };
  });
}"""
# What is behind a text is the nearest colour that is not clear. A text without a word is none.
CONTRASTS = """() => {
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
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !one.checkVisibility()) continue;
    const ink = light(parsed(getComputedStyle(one).color));
    for (const colour of behind(one)) {
      const [low, high] = [ink, light(colour)].sort((a, b) => a - b);
      found.push({ text: texts.currentNode.data.trim().slice(0, 30), contrast: (high + 0.05) / (low + 0.05) });
    }
  }
  return found;
}"""
STATES = {"plain": [], "gap": [], "contrast": ["c"], "difference": ["k", "w"], "keys": ["?"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=["replay", "annotate"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    session = troubled(tmp_path_factory.mktemp("screens"))
    coder = ["--coder", "anna"] if request.param == "annotate" else []
    with serving(request.param, session, *coder, cwd=session) as (_, [address]):
        yield address


def overlapping(boxes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    def share(one: dict[str, Any], other: dict[str, Any]) -> bool:
        across = min(one["right"], other["right"]) - max(one["left"], other["left"])
        down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
        return one["layer"] == other["layer"] and across > 1 and down > 1

    return [(one["name"], other["name"]) for one, other in itertools.combinations(boxes, 2) if share(one, other)]


def assert_in_order(page: Watched, size: tuple[int, int], state: str) -> None:
    page.page.set_viewport_size({"width": size[0], "height": size[1]})
    page.js("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # laid out anew
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


def assert_readable(page: Watched, scheme: str, state: str) -> None:
    page.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    faint = [found for found in page.js(CONTRASTS) if found["contrast"] < LEAST_CONTRAST]
    assert not faint, (scheme, state, faint)


@pytest.fixture(scope="module")
def page(browser: Browser, address: Address) -> Iterator[Watched]:
    with opened(browser, address.url) as page:
        yield page
        assert not page.complaints


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_cut_off_or_overlaps_and_every_text_can_be_read(page: Watched, state: str) -> None:
    page.go(1, 42 if state == "gap" else 50)
    page.press(*STATES[state])
    for size in SIZES:
        assert_in_order(page, size, state)
    for scheme in SCHEMES:
        assert_readable(page, scheme, state)
    page.press("Escape", *STATES[state])


def test_the_checks_see_what_is_wrong(page: Watched) -> None:
    """A control pushed out, one over another, and a faint text are each found."""
    button = "document.querySelector('.bar button')"
    for fault in ("left = '-30px'", "left = '40px'", "color = 'rgb(128 128 128)'"):
        page.js(f"() => {{ {button}.style.position = 'relative'; {button}.style.{fault}; }}")
        with pytest.raises(AssertionError):
            assert_in_order(page, SIZES[0], "plain")
            assert_readable(page, SCHEMES[0], "plain")
        page.js(f"() => {{ {button}.removeAttribute('style'); }}")
    assert_in_order(page, SIZES[0], "plain")

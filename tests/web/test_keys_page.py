"""Every key of the viewer does what its overlay says, and what was clicked does not keep the keys."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.web.browser import FRAMES, Address, Watched, opened
from tests.web.sessions import LABELLED

PULSE = "rig.place().pulse"
PRESSED = "[...document.querySelectorAll('button')].find((one) => one.innerText === '{}').ariaPressed === 'true'"
ZOOM = "document.querySelector('canvas[data-stream=HS]').getBoundingClientRect().width"
SPEED = "Number(document.querySelector('select[aria-label=speed]').value)"
STEP = "Number(document.querySelector('input[type=number]').value)"
FILM = "document.querySelector('section[aria-label=film]').hidden"
PLACE = "document.querySelector('section[aria-label=HS]').getBoundingClientRect().left"
PLAYING = "[...document.querySelectorAll('button')].some((one) => one.innerText === 'Pause')"
SEEN = "document.querySelector('canvas[data-stream=HS]').getBoundingClientRect()"
NOTICE = "document.querySelector('.foot .notice').textContent.includes('{}')"
DRAWN = "document.querySelector('.timeline canvas').toDataURL()"
# As the overlay names them: keys pressed before, an expression, what it must be after, or how it changes; and keys that
# make all as it was.
KEYS: dict[str, tuple[str, str, object, str]] = {
    "←": ("", PULSE, 99, ""),
    "→": ("", PULSE, 101, ""),
    "⇧ ←": ("", PULSE, 90, ""),
    "⇧ →": ("", PULSE, 110, ""),
    "<": (">", STEP, "less", ""),
    ">": ("", STEP, "more", "<"),
    ",": ("", PULSE, 96, ""),
    ".": ("", PULSE, 104, ""),
    "Page ↑": ("", PULSE, 0, ""),
    "Page ↓": ("", PULSE, 200, ""),
    "Home": ("", PULSE, 0, ""),
    "End": ("", "rig.place().run", 2, ""),
    "Space": ("", PLAYING, True, "Space"),
    "[": ("]", SPEED, "less", ""),
    "]": ("[", SPEED, "more", ""),
    "j": ("", "document.activeElement.tagName", "INPUT", "Escape"),
    "t": ("", "rig.place().run", 2, ""),
    "T": ("", NOTICE.format("trial 1"), True, ""),
    "m": ("", NOTICE.format("report-how"), True, ""),
    "M": ("", NOTICE.format("clip1"), True, ""),
    "g": ("", PULSE, 40, ""),
    "G": ("", PULSE, 60, ""),
    "a": ("", NOTICE.format("No later alarm"), True, ""),
    "A": ("", PULSE, 0, ""),
    "q": ("", "rig.place().run", 2, ""),
    "Q": ("", PULSE, "less", ""),
    "l": ("", PULSE, LABELLED[0], ""),
    "L": ("End", PULSE, LABELLED[0], ""),
    "p": ("", PRESSED.format("Pin"), True, "p"),
    "b": ("p ArrowRight", PRESSED.format("A/B"), True, "b ArrowLeft p"),
    "w": ("p ArrowRight", PRESSED.format("Wipe"), True, "w ArrowLeft p"),
    "d": ("p ArrowRight", PRESSED.format("− pinned"), True, "d ArrowLeft p"),
    "k": ("", PRESSED.format("− earlier"), True, "k"),
    "c": ("", PRESSED.format("Contrast"), True, "Escape"),
    "Escape": ("c", PRESSED.format("Contrast"), False, ""),
    "+": ("", f"{SEEN}.width", "more", "0"),
    "=": ("", f"{SEEN}.width", "more", "0"),
    "-": ("+", f"{SEEN}.width", "less", "0"),
    "0": ("+", f"{SEEN}.width", "less", ""),
    "Alt ←": ("+", f"{SEEN}.left", "more", "0"),
    "Alt →": ("+", f"{SEEN}.left", "less", "0"),
    "Alt ↑": ("+", f"{SEEN}.top", "more", "0"),
    "Alt ↓": ("+", f"{SEEN}.top", "less", "0"),
    "v": ("", NOTICE.format("film"), True, "v"),
    "s": ("", PLACE, "more", "s s"),
    "f": ("", FILM, True, "f"),
    "i": ("", DRAWN, "other", "h"),
    "o": ("i", DRAWN, "other", "h"),
    "h": ("i", DRAWN, "other", ""),
    "(": ("i i", DRAWN, "other", "h"),
    ")": ("i i", DRAWN, "other", "h"),
    "?": ("", "document.querySelector('dialog.help').open", True, "Escape"),
}
FROM = {"g": 0}  # pulses at which keys are pressed, if not at 100
HELD = {"⇧": "Shift", "Alt": "Alt"}
NAMES = {
    "←": "ArrowLeft",
    "→": "ArrowRight",
    "↑": "ArrowUp",
    "↓": "ArrowDown",
    "Page ↑": "PageUp",
    "Page ↓": "PageDown",
}
CHANGES: dict[object, str] = {"more": "> {}", "less": "< {}", "other": "!== {}"}


@pytest.fixture(scope="module")
def pressed(browser: Browser, trouble_address: Address) -> Iterator[Watched]:
    """A page whose keys are tried."""
    with opened(browser, trouble_address.url) as page:
        page.page.get_by_label("speed").select_option("0.05")  # it plays for more than half a minute
        yield page


def test_the_overlay_lists_every_key(pressed: Watched) -> None:
    pressed.press("?")
    listed = [key.strip() for key in pressed.page.locator("dialog.help kbd").all_inner_texts()]
    pressed.press("Escape")
    assert sorted(listed) == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_the_overlay_does_what_it_says(pressed: Watched, key: str) -> None:
    before, expression, due, after = KEYS[key]
    if pressed.js("window.isAnyhow"):  # as a test that failed has left it
        pressed.page.reload()
        pressed.until("window.rig?.ready === true")
    pressed.js("() => { window.isAnyhow = true; }")
    pressed.go(1, FROM.get(key, 100))
    pressed.press(*before.split())
    old = pressed.js(expression)
    assert old != due
    pressed.press(pressable(key))
    pressed.until(f"({expression}) {CHANGES.get(due, f'=== {json.dumps(due)}').format(json.dumps(old))}")
    pressed.press(*after.split())
    pressed.js("() => { window.isAnyhow = false; }")


def pressable(key: str) -> str:
    *held, own = [key] if key.startswith("Page") else key.split(" ")
    return "+".join([*(HELD[one] for one in held), NAMES.get(own, own)])


def test_what_was_clicked_does_not_keep_the_keys(pressed: Watched) -> None:
    """Neither a choice made in a list nor a dialog that was opened and closed."""
    pressed.go(1, 100)
    for name, value in (("speed", "0.1"), ("what to jump to", "gap")):
        box = pressed.page.get_by_label(name)
        before = pressed.place()[1]
        box.dispatch_event("pointerdown")  # as by a mouse; the list itself is the browser's own
        box.focus()
        box.select_option(value)
        pressed.press("ArrowRight")
        pressed.until(f"rig.place().pulse === {before + 1}")
        assert box.input_value() == value
    for leave in ("Escape", "Close"):
        pressed.page.get_by_role("button", name="Keys").click()
        pressed.press("Escape") if leave == "Escape" else pressed.page.get_by_role("button", name="Close").click()
        pressed.until("!document.querySelector('dialog.help').open")
        pressed.js(FRAMES)  # only then has its button lost the focus
        pressed.press("Space")
        assert pressed.js(PLAYING), leave
        pressed.press("Space")
        assert not pressed.js(PLAYING)

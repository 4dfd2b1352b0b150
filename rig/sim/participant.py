"""A participant by script who presses real keys and moves a real pointer, on a virtual display.

Run as a process of its own (`python -m rig.sim.participant`) it does so by the XTEST extension of X, so that all comes
to the window the way it does from a keyboard and a mouse.

    step begins --> script: what is done when --> strokes: down, up, move --> X server --> window
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Xlib import XK, X
from Xlib.display import Display
from Xlib.error import DisplayError
from Xlib.ext import xtest

from rig.children import Message, Parent, started
from rig.clock import NS, Clock, HostClock
from rig.config import rig as config_of
from rig.elicitation.steps import Step
from rig.errors import DeviceNotReady
from rig.sim.script import Deed, script
from rig.stimulus.pages.page import Page, look_of

START_S = 20.0
X_NAMES = {
    "return": "Return", "left": "Left", "right": "Right", "up": "Up", "down": "Down", "tab": "Tab",
    "escape": "Escape", "backspace": "BackSpace",
}  # fmt: skip
UNICODE = 0x0100_0000  # X's name of a letter is its code point plus this, unless it is of Latin 1
LEFT_BUTTON = 1
XK.load_keysym_group("xkb")  # the names of dead keys


class ScriptedParticipant:
    """A process that has a keyboard and a mouse on a display. Only for one that the rig started itself."""

    def __init__(
        self,
        display: str,
        config: config_of.Screen,
        seed: int,
        folder: Path,
        *,
        withdraws_in_step: str | None = None,
        withdrawal_key: str = "escape",
    ) -> None:
        """Start it; its log goes to `folder`. Blocks until it is ready. Raises DeviceNotReady naming the display.

        `withdraws_in_step`: name of the step in which `withdrawal_key` is held.
        """
        self._withdraws_in, self._withdrawal_key = withdraws_in_step, withdrawal_key
        setup = {"display": display, "seed": seed, "config": config.model_dump()}
        log, who = folder / "participant.log", f"scripted participant on display {display}"
        self._child = started("rig.sim.participant", log, setup, who=who, within_s=START_S)

    def began(self, step: Step) -> None:
        """The step is on the screen now: what the script says will be done. Does not block. Raises DeviceLost."""
        withdraws_by = self._withdrawal_key if step.name == self._withdraws_in else ""
        self._child.send({"step": step.to_json(), "withdraws_by": withdraws_by})

    def close(self) -> None:
        """End the process; what was not done yet is not done. A second call does nothing."""
        self._child.close()


class Desk:
    """Keyboard and mouse of an X display, without any."""

    def __init__(self, display: str) -> None:
        """Raises DeviceNotReady when the display does not answer or has no XTEST."""
        try:
            self._display: Any = Display(display)
        except (DisplayError, OSError) as exc:
            raise DeviceNotReady(f"display {display}", f"does not answer: {exc}") from None
        if not self._display.has_extension("XTEST"):
            raise DeviceNotReady(f"display {display}", "has no XTEST extension")
        # A key that a busy machine holds for long would be taken for one that is held down.
        self._display.change_keyboard_control(auto_repeat_mode=X.AutoRepeatModeOff)
        self._codes: dict[int, int] = {}  # keysym -> key code, of those that had no key
        self._down: set[int] = set()  # key codes
        self._is_button_down = False

    def provide(self, letters: Iterable[str]) -> None:
        """Make sure that each letter, or key by X's name of it, is on the keyboard: on a key that no layout uses."""
        missing = [k for k in dict.fromkeys(map(_keysym, letters)) if k not in self._codes and not self._own_code(k)]
        used = set(self._codes.values())
        spare = (code for code in range(255, 8, -1) if code not in used and not self._has_meaning(code))
        for keysym, code in zip(missing, spare, strict=False):
            self._display.change_keyboard_mapping(code, [[keysym, keysym]])
            self._codes[keysym] = code
        self._display.sync()

    def key(self, name: str, *, is_down: bool) -> None:
        """A key goes down or up, by PsychoPy's or X's name of it, or by the letter that it types."""
        keysym = _keysym(name)
        code = self._codes.get(keysym) or self._own_code(keysym)
        (self._down.add if is_down else self._down.discard)(code)
        self._input(X.KeyPress if is_down else X.KeyRelease, code)

    def point(self, x: int, y: int, *, is_down: bool) -> None:
        """The pointer goes there; then its left button goes down or up, if it is not."""
        self._input(X.MotionNotify, 0, x=x, y=y)
        if is_down != self._is_button_down:
            self._is_button_down = is_down
            self._input(X.ButtonPress if is_down else X.ButtonRelease, LEFT_BUTTON)

    def let_go(self) -> None:
        """Let go of every key and of the button."""
        for code in self._down:
            self._input(X.KeyRelease, code)
        if self._is_button_down:
            self._input(X.ButtonRelease, LEFT_BUTTON)
        self._down, self._is_button_down = set(), False

    def close(self) -> None:
        """Leave the display."""
        self._display.close()

    def _input(self, kind: int, detail: int, **where: int) -> None:
        xtest.fake_input(self._display, kind, detail, **where)
        self._display.sync()

    def _own_code(self, keysym: int) -> int:
        """The key that has it without Shift; 0: none."""
        code = int(self._display.keysym_to_keycode(keysym))
        return code if code and self._display.keycode_to_keysym(code, 0) == keysym else 0

    def _has_meaning(self, code: int) -> bool:
        return any(self._display.keycode_to_keysym(code, index) for index in range(4))


def _keysym(name: str) -> int:
    """X's number of a key or of a letter."""
    if len(name) > 1:
        return int(XK.string_to_keysym(X_NAMES.get(name, name)))
    point = ord(name)
    return point if 0x20 <= point < 0x7F or 0xA0 <= point < 0x100 else point + UNICODE


@dataclass(frozen=True)
class Stroke:
    """One thing that happens at the desk, host clock ns."""

    host_ns: int
    key: str = ""  # or letter
    is_down: bool = False  # the key, or the left button
    at: tuple[int, int] | None = None  # px, where the pointer is


def strokes(deeds: Iterable[Deed], began_host_ns: int) -> list[Stroke]:
    """What happens at the desk, in its order."""
    return sorted((s for deed in deeds for s in _strokes(deed, began_host_ns)), key=lambda stroke: stroke.host_ns)


def _strokes(deed: Deed, began_host_ns: int) -> Iterator[Stroke]:
    host_ns = began_host_ns + round(deed.after_s * NS)
    if deed.pointer:
        x, y, is_down = deed.pointer
        yield Stroke(host_ns, is_down=is_down, at=(x, y))
        return
    key = deed.key or deed.text
    yield Stroke(host_ns, key, is_down=True)
    yield Stroke(host_ns + round(deed.hold_s * NS), key)


class _Participant:
    """The process: waits for steps, and does in each what the script says."""

    def __init__(self, desk: Desk, config: config_of.Screen, seed: int, clock: Clock) -> None:
        self._desk, self._seed, self._clock = desk, seed, clock
        self._size, self._look = (config.width, config.height), look_of(config)
        self._due: list[Stroke] = []

    def run(self, parent: Parent) -> None:
        """Until the parent is gone."""
        while True:
            wait_ns = max(self._due[0].host_ns - self._clock.now_ns(), 0) if self._due else NS
            messages = parent.receive(wait_ns / NS)
            if messages is None:
                return
            for message in messages:
                self._begin(message)
            while self._due and self._due[0].host_ns <= self._clock.now_ns():
                self._do(self._due.pop(0))

    def _begin(self, message: Message) -> None:
        """A new step takes the place of the last."""
        began_ns, step = self._clock.now_ns(), Step.from_json(message["step"])
        self._desk.let_go()
        boxes = Page(step, self._size, self._look).boxes if step.items else ()
        deeds = script(step, self._seed, boxes, withdraws_by=message["withdraws_by"]).deeds
        self._desk.provide(deed.text for deed in deeds if deed.text)
        self._due = strokes(deeds, began_ns)

    def _do(self, stroke: Stroke) -> None:
        if stroke.at:
            self._desk.point(*stroke.at, is_down=stroke.is_down)
        else:
            self._desk.key(stroke.key, is_down=stroke.is_down)


def main() -> None:
    """Do what the script says in each step that the parent names."""
    parent = Parent(int(sys.argv[1]))
    messages = parent.receive(START_S)
    if not messages:
        return
    setup = messages[0]
    try:
        desk = Desk(setup["display"])
    except DeviceNotReady as exc:
        parent.send({"error": str(exc)})
        raise SystemExit(1) from None
    parent.send({"ready": True})
    _Participant(desk, config_of.Screen.model_validate(setup["config"]), setup["seed"], HostClock()).run(parent)
    desk.close()


if __name__ == "__main__":
    main()

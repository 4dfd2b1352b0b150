"""Keyboard and mouse of the window: what pyglet tells becomes acts. Import it only where PsychoPy's window is.

It takes the place of PsychoPy's own handlers, which tell neither when a key is let go nor what it types in layouts
other than the English one.
"""

from __future__ import annotations

from typing import Any

from pyglet.window import key, mouse

from rig.clock import Clock
from rig.stimulus import xkeys
from rig.stimulus.acts import Act, KeyDown, KeyUp, Pointer

BACKSPACE = "backspace"
_RENAMED = {"enter": "return", "num_enter": "return"}


class Hands:
    """Collects acts, in their order. Used by the window's thread."""

    def __init__(self, window: Any, clock: Clock) -> None:
        """`window`: pyglet's."""
        self._window, self._clock = window, clock
        self._acts: list[Act] = []
        self._held: set[str] = set()
        window.on_key_press, window.on_key_release = self._key_down, self._key_up
        window.on_text = self._text
        window.on_text_motion = window.on_text_motion_select = self._motion
        window.on_mouse_motion, window.on_mouse_drag = self._moved, self._dragged
        window.on_mouse_press, window.on_mouse_release = self._button_down, self._button_up
        window.on_deactivate = self._let_go
        window.on_close = lambda: None  # Alt-F4 is no way out of a session
        xkeys.mend(window)

    def acts(self) -> list[Act]:
        """What was done since the last call, oldest first."""
        self._window.dispatch_events()
        acts, self._acts = self._acts, []
        return acts

    def _key_down(self, symbol: int, _modifiers: int) -> None:
        name = _name(symbol)
        self._held.add(name)
        if name != BACKSPACE:  # it comes as a motion too, which repeats while it is held
            self._acts.append(KeyDown(name, "", self._clock.now_ns()))

    def _text(self, text: str) -> None:
        """What a key types follows its press; while it is held, only this repeats."""
        if text == "\r":
            return
        last = self._acts[-1] if self._acts else None
        if isinstance(last, KeyDown) and not last.text and last.key != BACKSPACE:
            self._acts[-1] = KeyDown(last.key, text, last.host_ns)
        else:
            self._acts.append(KeyDown("", text, self._clock.now_ns()))

    def _motion(self, motion: int) -> None:
        if motion == key.MOTION_BACKSPACE:
            self._acts.append(KeyDown(BACKSPACE, "", self._clock.now_ns()))

    def _key_up(self, symbol: int, _modifiers: int) -> None:
        name = _name(symbol)
        if name not in self._held:  # it went down under another name: Shift has changed meanwhile
            self._window.pressed_keys.clear()
        self._held.discard(name)
        self._acts.append(KeyUp(name, self._clock.now_ns()))

    def _let_go(self) -> None:
        """Another window has the keyboard: that a key is let go is told there."""
        now = self._clock.now_ns()
        self._acts += [KeyUp(name, now) for name in sorted(self._held)]
        self._held.clear()

    def _moved(self, x: int, y: int, _dx: int, _dy: int) -> None:
        self._point(x, y, is_down=False)

    def _dragged(self, x: int, y: int, _dx: int, _dy: int, buttons: int, _modifiers: int) -> None:
        self._point(x, y, is_down=bool(buttons & mouse.LEFT))

    def _button_down(self, x: int, y: int, button: int, _modifiers: int) -> None:
        if button == mouse.LEFT:
            self._point(x, y, is_down=True)

    def _button_up(self, x: int, y: int, button: int, _modifiers: int) -> None:
        if button == mouse.LEFT:
            self._point(x, y, is_down=False)

    def _point(self, x: int, y: int, *, is_down: bool) -> None:
        """pyglet counts lines from below."""
        self._acts.append(Pointer(int(x), self._window.height - 1 - int(y), is_down, self._clock.now_ns()))


def _name(symbol: int) -> str:
    """The key in PsychoPy's names; the number pad's digits and Enter are digits and return too. Empty: it has none."""
    name = str(key.symbol_string(symbol)).lower()
    if name.startswith("user_key"):
        return ""
    name = _RENAMED.get(name, name.removeprefix("_"))
    return name.removeprefix("num_") if name.startswith("num_") and name[4:].isdecimal() else name

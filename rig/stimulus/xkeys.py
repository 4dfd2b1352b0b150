"""Three faults of pyglet 1.5 mended that a window of PsychoPy's has on X.

- A key that is held seems to go up and down many times a second: another connection to X was told to tell the
  difference.
- Keys come to the window's inner part, of which the input method knows nothing, so an accent typed before its letter
  is lost.
- What was composed of several keys, as é is, comes back behind other keys that wait; several letters at once raise.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Any

from pyglet.libs.x11 import xlib
from pyglet.window.xlib import XkbSetDetectableAutoRepeat

COMPOSED = 0  # key code of an event that an input method made


def mend(window: Any) -> None:
    """Have this window of pyglet's tell when keys are held and let go, and read composed letters."""
    XkbSetDetectableAutoRepeat(window._x_display, ctypes.c_int(1), None)
    window.pressed_keys = set()  # pyglet has it only where the display could be told
    read = window._event_text_symbol

    def read_composed(event: Any) -> tuple[str | None, int | None]:
        event.xany.window = window._window
        text, symbol = _read_or_nothing(read, event)
        made = _made_event(window) if event.type == xlib.KeyPress and text is None else None
        return (_read_or_nothing(read, made)[0], symbol) if made else (text, symbol)

    window._event_text_symbol = read_composed


def _read_or_nothing(read: Any, event: Any) -> tuple[str | None, int | None]:
    with suppress(TypeError, NotImplementedError):  # several letters at once, or too many
        text, symbol = read(event)
        return text, symbol
    return None, None


def _made_event(window: Any) -> Any:
    """What the input method has made of the keys up to now; None: nothing yet."""
    event = xlib.XEvent()
    if not xlib.XCheckTypedWindowEvent(window._x_display, window._window, xlib.KeyPress, ctypes.byref(event)):
        return None
    if event.xkey.keycode == COMPOSED:
        return event
    xlib.XPutBackEvent(window._x_display, ctypes.byref(event))
    return None

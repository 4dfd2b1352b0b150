"""Whether a real screen goes dark by itself while a participant only looks at it."""

from __future__ import annotations

from contextlib import closing, suppress

from Xlib.display import Display
from Xlib.error import DisplayError


def blanking(name: str) -> list[str]:
    """What darkens the X display `name` when no key is pressed, in words; empty when nothing does, or none is there."""
    with suppress(DisplayError, OSError), closing(Display(name)) as display:
        return _screen_saver(display) + _power_saving(display)
    return []


def _screen_saver(display: Display) -> list[str]:
    seconds = display.get_screen_saver().timeout
    return [f"the screen saver of {display.get_display_name()} starts after {seconds} s"] if seconds else []


def _power_saving(display: Display) -> list[str]:
    if not display.has_extension("DPMS") or not display.dpms_info().state:
        return []
    times = display.dpms_get_timeouts()
    after = [seconds for seconds in (times.standby_timeout, times.suspend_timeout, times.off_timeout) if seconds]
    return [f"{display.get_display_name()} is switched off after {min(after)} s"] if after else []

"""The X display that the participant's window opens on: a real screen, or an Xvfb that the rig starts itself."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Xlib.display import Display
from Xlib.error import DisplayError
from Xlib.ext import randr

from rig import host
from rig.config.rig import Screen
from rig.errors import DeviceNotFound, DeviceNotReady

MAX_REFRESH_ERROR = 0.02  # 59.94 and 60 Hz pass; 60 and 72 do not
START_S = 20.0  # an Xvfb starts in 0.2 s; a machine that is swapping needs longer


@dataclass(frozen=True)
class VirtualDisplay:
    """An Xvfb of our own. It is ended by the system when the process (the thread) that started it is gone."""

    name: str  # X display, e.g. :1
    framebuffer: Path  # its screen as an XWD file, always current
    process: subprocess.Popen[bytes]

    def close(self) -> None:
        """End it. Blocks until it is gone; a second call does nothing."""
        self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_virtual(width: int, height: int, folder: Path) -> VirtualDisplay:
    """Start an Xvfb of `width` x `height` px, 24 bit, with its screen file in `folder`. Blocks until it answers.

    Raises DeviceNotFound when Xvfb is not installed, DeviceNotReady when it does not start.
    """
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", "-fbdir", str(folder)]
    options = ["-nolisten", "tcp", "-noreset", "-nocursor"]
    log = folder / "xvfb.log"
    try:
        with log.open("ab") as output:
            # It stays in the group of the stimulus process, which the terminal's Ctrl-C does not reach.
            process = host.start_process(
                command + options,
                output=output,
                stdin=subprocess.DEVNULL,
                pass_fds=(writer,),
                env=None,
                dies_with_parent=True,
            )
        os.close(writer)
        writer = -1
        number = _read_line(reader)
    except FileNotFoundError:
        raise DeviceNotFound(
            subject("virtual"), "Xvfb is not installed", hint="Install it: apt-get install xvfb"
        ) from None
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    display = VirtualDisplay(f":{number}", folder / "Xvfb_screen0", process)
    if not number:
        display.close()
        said = " | ".join(log.read_text("utf-8", "replace").strip().splitlines()[-3:])
        raise DeviceNotReady(subject("virtual"), "Xvfb did not start", value=said, hint=f"See {log}")
    return display


def _read_line(reader: int) -> str:
    """The number that Xvfb writes; empty when it ends instead. Number and newline come in two writes."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(reader, 20) if host.is_readable(reader, START_S) else b""
        if not part:
            return ""
        line += part
    return line.decode().strip()


@dataclass(frozen=True)
class Monitor:
    """One monitor of an X display, as the display describes it."""

    name: str  # of its output, e.g. HDMI-1
    x: int  # px, of its upper left corner on the display
    y: int
    width: int  # px
    height: int  # px
    refresh_hz: float  # set, not measured; 0: the display does not say
    is_primary: bool


def displays(name: str) -> list[Monitor]:
    """The monitors of the X display `name` that are on. Blocks for some ms. Raises DeviceNotFound when none answers."""
    with closing(_opened(name)) as display:
        if not display.has_extension("RANDR"):
            return [Monitor(name, 0, 0, *_size(display), 0.0, is_primary=True)]
        root = display.screen().root
        resources = randr.get_screen_resources_current(root)
        primary = randr.get_output_primary(root).output
        rates_hz = {mode["id"]: _rate_hz(mode) for mode in resources.modes}
        return [
            monitor
            for output in resources.outputs
            if (monitor := _monitor(display, output, resources.config_timestamp, rates_hz, primary)) is not None
        ]


def _monitor(display: Any, output: int, timestamp: int, rates_hz: dict[int, float], primary: int) -> Monitor | None:
    """The monitor at an output; None: it is off, or there is none."""
    about = randr.get_output_info(display, output, timestamp)
    if not about.crtc:
        return None
    shown = randr.get_crtc_info(display, about.crtc, timestamp)
    place = (shown.x, shown.y, shown.width, shown.height)
    return Monitor(about.name, *place, rates_hz.get(shown.mode, 0.0), is_primary=output == primary)


def _rate_hz(mode: Any) -> float:
    dots = mode["h_total"] * mode["v_total"]
    return float(mode["dot_clock"] / dots) if dots else 0.0


def subject(name: str) -> str:
    """How errors call the screen at a display."""
    return f"screen (display: {name})"


def _opened(name: str) -> Any:
    """A connection to the X display. Raises DeviceNotFound when none answers."""
    try:
        return Display(name)
    except (DisplayError, OSError) as exc:
        raise DeviceNotFound(
            subject(name),
            f"no X display answers: {exc}",
            allowed="a display that is on and lets this user in, e.g. :0, or virtual",
            hint="Log in on that screen, or set screen.display in rig.yaml",
        ) from None


def _size(display: Any) -> tuple[int, int]:
    screen = display.screen()
    return screen.width_in_pixels, screen.height_in_pixels


def x_screen(name: str) -> int:
    """Which screen of its X server a display is: 1 for :0.1."""
    return int(name.partition(".")[2] or 0)


def require_display(name: str, width: int, height: int) -> None:
    """Raises DeviceNotFound when no X display answers at `name`, DeviceNotReady when it has another size."""
    with closing(_opened(name)) as display:
        size = _size(display)
    if size != (width, height):
        raise DeviceNotReady(
            subject(name),
            "is another size than rig.yaml says",
            value="{}x{} px".format(*size),
            allowed=f"{width}x{height} px",
            hint="Mend screen.width and screen.height in rig.yaml, or the screen's settings; the participant's monitor "
            "must be a display of its own, without the operator's",
        )


def require_rate(config: Screen, measured_hz: float) -> None:
    """Raises DeviceNotReady for a screen at another rate: it would show films at wrong times, silently."""
    if abs(measured_hz / config.refresh_hz - 1) > MAX_REFRESH_ERROR:
        raise DeviceNotReady(
            subject(config.display),
            "is the refresh rate measured",
            value=f"{measured_hz:.2f} Hz",
            allowed=f"{config.refresh_hz:g} Hz within {MAX_REFRESH_ERROR:.0%}",
            hint="Mend screen.refresh_hz in rig.yaml, or set the screen to that rate with vertical sync on",
        )

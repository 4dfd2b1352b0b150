"""The X display that the participant's window opens on: a real screen, or an Xvfb that the rig starts itself."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from Xlib.display import Display
from Xlib.error import DisplayError

from rig import host
from rig.errors import DeviceNotFound, DeviceNotReady

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
            "screen (display: virtual)", "Xvfb is not installed", hint="Install it: apt-get install xvfb"
        ) from None
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    display = VirtualDisplay(f":{number}", folder / "Xvfb_screen0", process)
    if not number:
        display.close()
        said = " | ".join(log.read_text("utf-8", "replace").strip().splitlines()[-3:])
        raise DeviceNotReady("screen (display: virtual)", "Xvfb did not start", value=said, hint=f"See {log}")
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


def require_display(name: str, width: int, height: int) -> None:
    """Raises DeviceNotFound when no X display answers at `name`, DeviceNotReady when it has another size."""
    subject = f"screen (display: {name})"
    try:
        display = Display(name)
    except (DisplayError, OSError) as exc:
        raise DeviceNotFound(
            subject,
            f"no X display answers: {exc}",
            allowed="a display that is on and lets this user in, e.g. :0, or virtual",
            hint="Log in on that screen, or set screen.display in rig.yaml",
        ) from None
    screen = display.screen()
    size = (screen.width_in_pixels, screen.height_in_pixels)
    display.close()
    if size != (width, height):
        raise DeviceNotReady(
            subject,
            "is another size than rig.yaml says",
            value="{}x{} px".format(*size),
            allowed=f"{width}x{height} px",
            hint="Mend screen.width and screen.height in rig.yaml, or the screen's settings",
        )

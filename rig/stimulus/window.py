"""The participant's window: text, film pictures, photodiode patch, keys. The only module that knows PsychoPy.

Import it only in the stimulus process, with DISPLAY set to a display that answers: PsychoPy opens it on import.
"""

from __future__ import annotations

import ctypes
from typing import Any

import psychopy
from psychopy import core, event, logging, monitors, visual
from pyglet import gl

from rig.clips.decode import Size, fitted
from rig.clock import NS, Clock
from rig.config.rig import Screen
from rig.errors import DeviceNotReady
from rig.streams import ClockPair

GREY, BLACK, WHITE = (0.0, 0.0, 0.0), (-1.0,) * 3, (1.0,) * 3
FONT = "DejaVu Sans"  # fontconfig brings it; a font that is missing makes PsychoPy warn at every text
MAX_REFRESH_ERROR = 0.02  # 59.94 and 60 Hz pass; 60 and 72 do not


class Window:
    """A PsychoPy window as large as the screen, neutral grey. Used by one thread."""

    def __init__(self, config: Screen, clock: Clock) -> None:
        """Open it. Blocks. Raises DeviceNotReady when the screen is another size or rate than rig.yaml says."""
        logging.console.setLevel(logging.ERROR)
        self._clock, self._period_ns = clock, round(NS / config.refresh_hz)
        # Xvfb has no vertical sync: flips are paced here, on a grid that never drifts.
        self._paces = config.display == "virtual"
        self._slot_ns = self._last_flip_ns = clock.now_ns()
        self.size: Size = (config.width, config.height)
        self._window = visual.Window(
            self.size,
            pos=(0, 0),
            screen=0,
            fullscr=not self._paces,
            allowGUI=False,
            monitor=_monitor(self.size),
            units="pix",
            color=GREY,
            checkTiming=False,
            waitBlanking=not self._paces,
            autoLog=False,
        )
        self._window.mouseVisible = False
        self._check(config)
        self._patches = self._make_patches(config.patch_px)
        self._text: Any = None
        self._texture = gl.GLuint()
        self._shown: Size | None = None  # size of the film on the screen, px
        gl.glGenTextures(1, self._texture)

    @property
    def version(self) -> str:
        """The version of PsychoPy."""
        return str(psychopy.__version__)

    @property
    def renderer(self) -> str:
        """What draws, in the words of the graphics driver; llvmpipe is software."""
        return str(gl.gl_info.get_renderer())

    def due_ns(self) -> int:
        """When the next flip is expected, host clock."""
        return self._last_flip_ns + self._period_ns

    def set_text(self, text: str) -> None:
        """The text to draw from now on, centred, as large as fits; empty for none. Takes some ms."""
        self._text = self._fitting(text) if text else None

    def set_film(self, size: Size | None) -> None:
        """Draw a film of `size` (width, height) px from now on, as large as fits; None for no film."""
        self._shown = fitted(size, self.size) if size else None
        if size:
            self._bind()
            for setting in (gl.GL_TEXTURE_MIN_FILTER, gl.GL_TEXTURE_MAG_FILTER):
                gl.glTexParameteri(gl.GL_TEXTURE_2D, setting, gl.GL_LINEAR)
            for setting in (gl.GL_TEXTURE_WRAP_S, gl.GL_TEXTURE_WRAP_T):
                gl.glTexParameteri(gl.GL_TEXTURE_2D, setting, gl.GL_CLAMP_TO_EDGE)
            black = bytes(size[0] * size[1] * 4)
            gl.glTexImage2D(
                gl.GL_TEXTURE_2D, 0, gl.GL_RGBA8, *size, 0, gl.GL_BGRA, gl.GL_UNSIGNED_BYTE, ctypes.c_char_p(black)
            )
            gl.glDisable(gl.GL_TEXTURE_2D)

    def set_picture(self, picture: Any) -> None:
        """The film picture to draw from now on: a BGRA `av.VideoFrame` of the film's size. Not copied in Python."""
        plane = picture.planes[0]
        self._bind()
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, plane.line_size // 4)
        gl.glTexSubImage2D(
            gl.GL_TEXTURE_2D,
            0,
            0,
            0,
            picture.width,
            picture.height,
            gl.GL_BGRA,
            gl.GL_UNSIGNED_BYTE,
            ctypes.c_void_p(plane.buffer_ptr),
        )
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, 0)
        gl.glDisable(gl.GL_TEXTURE_2D)

    def flip(self, *, patch: int) -> tuple[int, float]:
        """Draw everything, the patch white (1) or black (0), and show it. Blocks until it is shown.

        Returns when it was: host clock ns, and PsychoPy's own stamp in s.
        """
        if self._shown:
            self._draw_film(self._shown)
        if self._text:
            self._text.draw()
        if self._patches:
            self._patches[patch].draw()
        if self._paces:
            self._wait_for_slot()
        stamp_s = self._window.flip()  # None where there is no vertical sync to wait for
        self._last_flip_ns = self._clock.now_ns()
        return self._last_flip_ns, float(core.getTime() if stamp_s is None else stamp_s)

    def warm(self, film_sizes: list[Size]) -> None:
        """Draw everything once: the graphics driver compiles each kind of drawing at its first use (70 ms)."""
        self.set_text("warm")
        for size in film_sizes:
            self.set_film(size)
            self.flip(patch=1)
        self.flip(patch=1)
        self.blank()
        self.flip(patch=0)

    def blank(self) -> None:
        """Draw nothing but neutral grey and the patch from now on."""
        self.set_text("")
        self.set_film(None)

    def keys(self) -> list[str]:
        """Keys pressed since the last call, oldest first, in PsychoPy's names."""
        return list(event.getKeys())

    def clock_pair(self) -> ClockPair:
        """PsychoPy's clock, which stamps the flips, between two readings of the host clock."""
        before = self._clock.now_ns()
        reading = round(core.getTime() * NS)
        return ClockPair("screen", reading, reading, before, self._clock.now_ns())

    def close(self) -> None:
        """Give the screen back."""
        self._window.close()

    def _check(self, config: Screen) -> None:
        subject = f"screen (display: {config.display})"
        found = tuple(int(n) for n in self._window.size)
        if found != self.size:
            raise DeviceNotReady(
                subject,
                "is the size that the window got",
                value="{}x{} px".format(*found),
                allowed="{}x{} px".format(*self.size),
                hint="Mend screen.width and screen.height in rig.yaml, or the screen's settings",
            )
        if not self._paces:
            self._check_rate(subject, config.refresh_hz)

    def _check_rate(self, subject: str, refresh_hz: float) -> None:
        """A screen that runs at another rate would show films at wrong times, silently."""
        for _ in range(10):
            self._window.flip()
        began_ns = self._clock.now_ns()
        for _ in range(60):
            self._window.flip()
        measured_hz = 60 * NS / (self._clock.now_ns() - began_ns)
        if abs(measured_hz / refresh_hz - 1) > MAX_REFRESH_ERROR:
            raise DeviceNotReady(
                subject,
                "is the refresh rate measured",
                value=f"{measured_hz:.1f} Hz",
                allowed=f"{refresh_hz:g} Hz within {MAX_REFRESH_ERROR:.0%}",
                hint="Mend screen.refresh_hz in rig.yaml, or set the screen to that rate with vertical sync on",
            )

    def _make_patches(self, side: int) -> list[Any]:
        """The black and the white patch, in the lower right corner; none when its side is 0."""
        place = ((self.size[0] - side) / 2, (side - self.size[1]) / 2)
        return [
            visual.Rect(self._window, side, side, pos=place, fillColor=colour, lineColor=None, autoLog=False)
            for colour in (BLACK, WHITE)
            if side
        ]

    def _fitting(self, text: str) -> Any:
        """The text as large as it fits: a 20th of the screen's height, or smaller."""
        width, height = self.size
        letters_px = height / 20
        while True:
            drawn = visual.TextStim(
                self._window,
                text.strip("\n"),
                font=FONT,
                height=letters_px,
                color=WHITE,
                wrapWidth=0.9 * width,
                autoLog=False,
            )
            if drawn.boundingBox[1] <= 0.85 * height or letters_px < 8:
                return drawn
            letters_px *= 0.9

    def _wait_for_slot(self) -> None:
        """Wait for the next place on the grid of refreshes; one that was missed is left out, never made up for."""
        now = self._clock.now_ns()
        missed = max(now - self._slot_ns, 0) // self._period_ns
        self._slot_ns += max(missed, 1) * self._period_ns
        self._clock.sleep_until(self._slot_ns)

    def _bind(self) -> None:
        gl.glActiveTexture(gl.GL_TEXTURE0)
        gl.glEnable(gl.GL_TEXTURE_2D)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self._texture)

    def _draw_film(self, shown: Size) -> None:
        x, y = shown[0] / self.size[0], shown[1] / self.size[1]
        gl.glUseProgram(0)
        self._bind()
        gl.glColor4f(1, 1, 1, 1)
        gl.glDisable(gl.GL_BLEND)
        for matrix in (gl.GL_PROJECTION, gl.GL_MODELVIEW):
            gl.glMatrixMode(matrix)
            gl.glPushMatrix()
            gl.glLoadIdentity()
        gl.glBegin(gl.GL_QUADS)
        for u, v, left, up in ((0, 1, -x, -y), (1, 1, x, -y), (1, 0, x, y), (0, 0, -x, y)):
            gl.glTexCoord2f(u, v)
            gl.glVertex2f(left, up)
        gl.glEnd()
        for matrix in (gl.GL_PROJECTION, gl.GL_MODELVIEW):
            gl.glMatrixMode(matrix)
            gl.glPopMatrix()
        gl.glEnable(gl.GL_BLEND)
        gl.glDisable(gl.GL_TEXTURE_2D)


def _monitor(size: Size) -> Any:
    """PsychoPy warns about a monitor that it has never seen: save one, in the rig's own HOME."""
    monitor = monitors.Monitor("rig", width=53, distance=60)
    monitor.setSizePix(size)
    monitor.save()
    return monitor

"""The participant's window: pages, film pictures, photodiode patch, keys, pointer. The only module that knows PsychoPy.

Import it only in the stimulus process, with DISPLAY set to a display that answers: PsychoPy opens it on import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psychopy
from psychopy import core, logging, monitors, visual
from pyglet import gl

from rig.clips.decode import Size, fitted
from rig.clock import NS, Clock
from rig.config.rig import Screen
from rig.errors import DeviceNotReady
from rig.stimulus.acts import Act
from rig.stimulus.display import require_rate, subject, x_screen
from rig.stimulus.hands import Hands
from rig.stimulus.pages.colours import BACKGROUND
from rig.stimulus.texture import BGRA, RGB, Texture
from rig.streams import ClockPair, Picture

GREY = tuple(value / 127.5 - 1 for value in BACKGROUND)  # that of pages: nothing flashes between them
BLACK, WHITE = (-1.0,) * 3, (1.0,) * 3
MEASURED_FLIPS = 60


class Window:
    """A PsychoPy window as large as the screen, neutral grey. Used by one thread."""

    def __init__(self, config: Screen, clock: Clock, *, checks_rate: bool = True) -> None:
        """Open it. Blocks. Raises DeviceNotReady when the screen is another size or rate than rig.yaml says.

        `checks_rate`: whether the rate of a screen with vertical sync is measured at once, in a second.
        """
        logging.console.setLevel(logging.ERROR)
        self._clock, self._period_ns = clock, round(NS / config.refresh_hz)
        # Xvfb has no vertical sync: flips are paced here, on a grid that never drifts.
        self._paces = config.display == "virtual"
        self._slot_ns = self._last_flip_ns = clock.now_ns()
        self.size: Size = (config.width, config.height)
        self._window = visual.Window(
            self.size,
            pos=(0, 0),
            screen=x_screen(config.display),  # by DISPLAY alone it would open on the first one
            fullscr=not self._paces,
            allowGUI=False,
            monitor=_monitor(config),
            units="pix",
            color=GREY,
            checkTiming=False,
            waitBlanking=not self._paces,
            autoLog=False,
        )
        self._window.mouseVisible = False
        self._check_size(config)
        if checks_rate and not self._paces:
            require_rate(config, self.measure_hz())
        self._patches = self._make_patches(config.patch_px)
        self._hands = Hands(self._window.winHandle, clock)
        self._page, self._film = Texture(), Texture()
        self._page.make(self.size, RGB)
        self._has_page = False
        self._shown: Size | None = None  # size of the film on the screen, px

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

    def set_page(self, picture: Picture | None) -> None:
        """The page to draw from now on, uint8 (height, width, 3) RGB as large as the screen; None for none."""
        self._has_page = picture is not None
        if picture is not None:
            self.change_page(picture, (0, 0))

    def change_page(self, picture: Picture, at: tuple[int, int]) -> None:
        """Draw another picture over the page from now on; `at`: its upper left corner on the screen, px."""
        height, width = picture.shape[:2]
        pixels = np.ascontiguousarray(picture)
        self._page.put(pixels.ctypes.data, (width, height), width, RGB, at)

    def set_pointer(self, *, is_visible: bool) -> None:
        """Show the mouse pointer from now on, or hide it."""
        if is_visible != self._window.mouseVisible:
            self._window.mouseVisible = is_visible

    def set_film(self, size: Size | None) -> None:
        """Draw a film of `size` (width, height) px from now on, as large as fits; None for no film."""
        self._shown = fitted(size, self.size) if size else None
        if size:
            self._film.make(size, BGRA)

    def set_picture(self, picture: Any) -> None:
        """The film picture to draw from now on: a BGRA `av.VideoFrame` of the film's size. Not copied in Python."""
        plane = picture.planes[0]
        self._film.put(plane.buffer_ptr, (picture.width, picture.height), plane.line_size // 4, BGRA)

    def flip(self, *, patch: int) -> tuple[int, float]:
        """Draw everything, the patch white (1) or black (0), and show it. Blocks until it is shown.

        Returns when it was: host clock ns, and PsychoPy's own stamp in s.
        """
        if self._shown:
            self._film.draw(self._shown[0] / self.size[0], self._shown[1] / self.size[1])
        if self._has_page:
            self._page.draw(1, 1)
        if self._patches:
            self._patches[patch].draw()
        if self._paces:
            self._wait_for_slot()
        stamp_s = self._window.flip()  # None where there is no vertical sync to wait for
        self._last_flip_ns = self._clock.now_ns()
        return self._last_flip_ns, float(core.getTime() if stamp_s is None else stamp_s)

    def warm(self, film_sizes: list[Size]) -> None:
        """Draw everything once: the graphics driver compiles each kind of drawing at its first use (70 ms)."""
        self.set_page(np.zeros((self.size[1], self.size[0], 3), np.uint8))
        for size in film_sizes:
            self.set_film(size)
            self.flip(patch=1)
        self.flip(patch=1)
        self.blank()
        self.flip(patch=0)

    def blank(self) -> None:
        """Draw nothing but neutral grey and the patch from now on."""
        self.set_page(None)
        self.set_film(None)
        self.set_pointer(is_visible=False)

    def acts(self) -> list[Act]:
        """What the participant did at keyboard and mouse since the last call, oldest first."""
        return self._hands.acts()

    def clock_pair(self) -> ClockPair:
        """PsychoPy's clock, which stamps the flips, between two readings of the host clock."""
        before = self._clock.now_ns()
        reading = round(core.getTime() * NS)
        return ClockPair("screen", reading, reading, before, self._clock.now_ns())

    def close(self) -> None:
        """Give the screen back."""
        self._window.close()

    def measure_hz(self) -> float:
        """How many flips there are a second, counted over 60. Blocks for a second."""
        for _ in range(10):
            self._window.flip()
        began_ns = self._clock.now_ns()
        for _ in range(MEASURED_FLIPS):
            self._window.flip()
        return MEASURED_FLIPS * NS / (self._clock.now_ns() - began_ns)

    def _check_size(self, config: Screen) -> None:
        found = tuple(int(n) for n in self._window.size)
        if found != self.size:
            raise DeviceNotReady(
                subject(config.display),
                "is the size that the window got",
                value="{}x{} px".format(*found),
                allowed="{}x{} px".format(*self.size),
                hint="Mend screen.width and screen.height in rig.yaml, or the screen's settings",
            )

    def _make_patches(self, side: int) -> list[Any]:
        """The black and the white patch, in the lower right corner; none when its side is 0."""
        place = ((self.size[0] - side) / 2, (side - self.size[1]) / 2)
        return [
            visual.Rect(self._window, side, side, pos=place, fillColor=colour, lineColor=None, autoLog=False)
            for colour in (BLACK, WHITE)
            if side
        ]

    def _wait_for_slot(self) -> None:
        """Wait for the next place on the grid of refreshes; one that was missed is left out, never made up for."""
        now = self._clock.now_ns()
        missed = max(now - self._slot_ns, 0) // self._period_ns
        self._slot_ns += max(missed, 1) * self._period_ns
        self._clock.sleep_until(self._slot_ns)


def _monitor(config: Screen) -> Any:
    """PsychoPy warns about a monitor that it has never seen: save one, in the rig's own HOME."""
    monitor = monitors.Monitor("rig", width=config.width_mm / 10, distance=config.distance_mm / 10)  # in cm
    monitor.setSizePix((config.width, config.height))
    monitor.save()
    return monitor

"""A window that reads back its own pixels; as rig/stimulus/window.py, to be imported in the window's process only."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyglet import gl

from rig.clock import Clock
from rig.config.rig import Screen
from rig.stimulus.window import Window
from tests.stimulus.read_back import HELD_UP_NS, PLAN, READ_BACK, Plan

Pixels = NDArray[np.uint8]


class ReadingWindow(Window):
    """Keeps in memory what it reads, and writes it when it closes: nothing goes to the disk while it shows."""

    def __init__(self, config: Screen, clock: Clock) -> None:
        super().__init__(config, clock)
        assert self._paces, "without a virtual display nothing is read back"
        self._plan, self._patch_px = Plan(**json.loads(os.environ[PLAN])), config.patch_px
        self._number = 0
        self._drawn: tuple[Pixels, Pixels]
        self._read: list[tuple[int, Pixels, Pixels]] = []

    def warm(self, film_sizes: list[tuple[int, int]]) -> None:
        super().warm(film_sizes)
        self._number, self._read = 0, []  # these flips are in no log

    def flip(self, *, patch: int) -> tuple[int, float]:
        if self._number in self._plan.held_up:
            self._clock.sleep_until(self._clock.now_ns() + HELD_UP_NS)
        host_ns, screen_s = super().flip(patch=patch)
        if self._plan.is_read(self._number):
            self._read.append((host_ns, *self._drawn))
        self._number += 1
        return host_ns, screen_s

    def _wait_for_slot(self) -> None:
        """What is drawn is read after the wait: the driver draws it only now, and reading sooner would flip sooner."""
        super()._wait_for_slot()
        if self._plan.is_read(self._number):
            (width, height), middle = self.size, (self._patch_px + 1) // 2
            self._drawn = _pixels(0, height - 1 - height // 4, width), _pixels(width - middle, middle, 1)

    def close(self) -> None:
        host_ns, lines, patches = zip(*self._read, strict=True) if self._read else ((), (), ())
        folder = Path.home()  # the window's own
        np.savez(folder / READ_BACK, host_ns=np.array(host_ns, np.int64), lines=lines, patches=patches)
        super().close()


def _pixels(left: int, bottom: int, width: int) -> Pixels:
    """So many px side by side of what is drawn, uint8 (width, 3); from the lower left corner."""
    pixels = np.empty((width, 3), np.uint8)
    gl.glPixelStorei(gl.GL_PACK_ALIGNMENT, 1)
    gl.glReadPixels(left, bottom, width, 1, gl.GL_RGB, gl.GL_UNSIGNED_BYTE, pixels.ctypes.data_as(ctypes.c_void_p))
    return pixels

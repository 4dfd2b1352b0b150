"""The real window on a virtual display, for tests: what it tells, and the pixels that it shows."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from rig.clips.manifest import FilmClip
from rig.clock import NS, HostClock
from rig.config.rig import Screen as Config
from rig.elicitation.steps import Step
from rig.stimulus.process import PsychoPyScreen
from rig.stimulus.screen import ScreenEvent, StepEnded
from rig.streams import ClockPair, Flip, Picture

CONFIG = Config(backend="psychopy", display="virtual", width=480, height=270, refresh_hz=60, patch_px=40)
LIMIT_S = 30
# A sound device that nobody hears, by ALSA, in the window's HOME.
NULL_DEVICE = """pcm.!default { type plug slave.pcm "silence" }
pcm.silence { type null hint { show on description "silence" } }
"""
CLOCK = HostClock()


class ScreenFile:
    """The pixels of a virtual display, read from its screen file (XWD, 32 bit)."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header = np.frombuffer(self._map[:100], ">u4")
        self.width, self.height, self.line_bytes = int(header[4]), int(header[5]), int(header[12])
        self._start = int(header[0] + 12 * header[19])

    def picture(self) -> Picture:
        pixels = self._map[self._start : self._start + self.height * self.line_bytes]
        lines = np.frombuffer(pixels, np.uint8).reshape(self.height, -1, 4)
        return lines[:, : self.width, 2::-1]

    def close(self) -> None:
        self._map.close()


@contextmanager
def open_screen(
    folder: Path, clips: dict[str, FilmClip] | None = None, config: Config = CONFIG
) -> Iterator[tuple[PsychoPyScreen, ScreenFile]]:
    with closing(PsychoPyScreen(config, clips or {}, folder)) as screen:
        assert screen.framebuffer is not None
        with closing(ScreenFile(screen.framebuffer)) as pixels:
            yield screen, pixels


def until(
    screen: PsychoPyScreen, kind: type[ScreenEvent], look: Callable[[], None] = lambda: None
) -> list[ScreenEvent]:
    """Everything told until an event of that kind; `look` is called about every ms."""
    told: list[ScreenEvent] = []
    end_ns = CLOCK.now_ns() + LIMIT_S * NS
    while not any(isinstance(event, kind) for event in told):
        assert CLOCK.now_ns() < end_ns, told
        told += screen.events(0.001)
        look()
    return told


def play(screen: PsychoPyScreen, step: Step, look: Callable[[], None] = lambda: None) -> list[ScreenEvent]:
    screen.show(step)
    told = until(screen, StepEnded, look)
    # The pair of clocks follows the end in the same batch.
    assert isinstance(told[-1], ClockPair)
    return told


def flips_of(told: list[ScreenEvent]) -> list[Flip]:
    return [event for event in told if isinstance(event, Flip)]

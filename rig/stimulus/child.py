"""The stimulus process: shows one step after another and tells its parent what was on the screen, and when.

    parent --- {"config": .., "clips": .., "folder": ..} ---> opens display and window
           <-- {"up": {..}} or {"error": {..}}
           --- {"show": step} or {"abort": true} -----------> one step, flip by flip
           <-- {"events": [..]} in batches, at once when a step begins, is answered, or ends

It ends when its standard input ends, and takes its display with it. It writes nothing to the disk while it shows.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rig import host
from rig.children import Message, Parent
from rig.clips.cadence import patch_level
from rig.clips.decode import texture_size
from rig.clips.manifest import FilmClip
from rig.clock import NS, Clock, HostClock
from rig.config.rig import Screen
from rig.elicitation.steps import Step
from rig.errors import RigError
from rig.stimulus.display import require_display, start_virtual
from rig.stimulus.messages import pack, pack_error
from rig.stimulus.player import FilmPlayer
from rig.stimulus.screen import ScreenEvent, ScreenNote
from rig.stimulus.showing import NO_FILM, FlipLog, Showing

if TYPE_CHECKING:  # the real import is in `_perform_on`: PsychoPy needs the display first
    from rig.stimulus.window import Window

BATCH = 30  # flips told at once
SILENT = "silent: no sound device is used; clips play without their sound"
IDLE_S = 0.05  # how often a resting window looks after its keys


class Stage:
    """Performs the steps that the parent sends, on a window that is open."""

    def __init__(
        self, parent: Parent, window: Window, config: Screen, clips: dict[str, FilmClip], clock: Clock
    ) -> None:
        self._parent, self._window, self._clips, self._clock = parent, window, clips, clock
        self._screen_size = (config.width, config.height)
        self._period_ns = round(NS / config.refresh_hz)
        self._flips = FlipLog(self._period_ns, has_patch=config.patch_px > 0)
        self._untold: list[ScreenEvent] = []
        self._next: Step | None = None
        self._is_aborted = False  # the step asked for last
        self._is_wanted = True  # False when the parent is gone

    def run(self) -> None:
        """Show what the parent asks for, until its end of the pipe closes."""
        while self._is_wanted:
            self._listen(IDLE_S)
            self._window.keys()
            if self._next and self._is_wanted:
                step, self._next = self._next, None
                self._perform(step)

    def tell(self, *events: ScreenEvent, at_once: bool = True) -> None:
        """Tell the parent; unless `at_once`, wait until there are `BATCH` events."""
        self._untold += events
        if self._untold and (at_once or len(self._untold) >= BATCH):
            self._parent.send({"events": [pack(event) for event in self._untold]})
            self._untold = []

    def _listen(self, timeout_s: float) -> None:
        messages = self._parent.receive(timeout_s)
        if messages is None:
            self._is_wanted = False
        for message in messages or []:
            if "show" in message:
                self._next = Step.from_json(message["show"])
            self._is_aborted = "abort" in message

    def _perform(self, step: Step) -> None:
        """One step, from its first flip to the neutral flip after it."""
        clip = self._clips[step.clip] if step.clip else None
        showing = Showing(step, clip, self._period_ns)
        with self._film(clip) as film:
            self._window.set_text(step.text)
            while self._is_wanted and not showing.is_over(self._window.due_ns()):
                self._show_once(showing, film)
            self._window.blank()
            host_ns, screen_s = self._window.flip(patch=0)
        self.tell(self._flips.between_steps(host_ns, screen_s), showing.ended(host_ns), self._window.clock_pair())
        self._flips.rest()
        gc.collect()

    @contextmanager
    def _film(self, clip: FilmClip | None) -> Iterator[FilmPlayer | None]:
        """The film's player with its first pictures decoded; the neutral screen stays meanwhile."""
        if clip is None:
            yield None
            return
        film = FilmPlayer(clip, texture_size((clip.width, clip.height), self._screen_size))
        try:
            while self._is_wanted and not film.is_ready and not self._is_aborted:
                self._listen(0.002)
            self._window.set_film(film.size)
            yield film
        finally:
            film.close()

    def _show_once(self, showing: Showing, film: FilmPlayer | None) -> None:
        """Draw, flip, log, then look after keys and the parent."""
        due_ns = self._window.due_ns()
        film_frame = self._load_picture(film, showing.target(due_ns)) if film else NO_FILM
        host_ns, screen_s = self._window.flip(patch=patch_level(film_frame))
        missing = film is not None and film_frame < showing.target(due_ns)
        flip = self._flips.of_step(showing, film_frame, due_ns, host_ns, screen_s, underrun=missing)
        began = showing.flipped(flip)
        keys = self._window.keys()
        # Keys pressed before the step was on the screen answer nothing.
        answers = [] if began else [answer for key in keys for answer in showing.pressed(key, self._clock.now_ns())]
        self.tell(*began, flip, *answers, at_once=bool(began or answers))
        self._listen(0)
        if self._is_aborted:
            showing.abort()
        if film and film.has_failed:
            self.tell(ScreenNote(host_ns, f"the clip stopped at film frame {film_frame}: {film.fault or 'no more'}"))
            showing.abort()

    def _load_picture(self, film: FilmPlayer, target: int) -> int:
        """Hand the window the picture of film frame `target`, or the nearest there is; which it is."""
        picture = film.take(target)
        if picture is not None:
            self._window.set_picture(picture)
        return film.film_frame


def main() -> None:
    """Open the window, perform steps, and end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the recorder, which ends this process in order
    parent = Parent(int(sys.argv[1]))
    host.ask_real_time(host.Priority.SCREEN)  # before the display and the decoder, which inherit it
    setup = _first_message(parent)
    config = Screen.model_validate(setup["config"])
    clips = {name: FilmClip.from_json(data) for name, data in setup["clips"].items()}
    try:
        with _display(config, Path(setup["folder"])) as (name, framebuffer):
            _perform_on(parent, config, clips, name, framebuffer)
    except RigError as exc:
        parent.send({"error": pack_error(exc)})


def _first_message(parent: Parent) -> Message:
    while not (messages := parent.receive(1.0)):
        if messages is None:
            raise SystemExit(0)
    return messages[0]


@contextmanager
def _display(config: Screen, folder: Path) -> Iterator[tuple[str, str | None]]:
    """The name of the X display, now in DISPLAY, and the file that holds its picture if it is a virtual one."""
    if config.display != "virtual":
        require_display(config.display, config.width, config.height)
        os.environ["DISPLAY"] = config.display
        yield config.display, None
        return
    virtual = start_virtual(config.width, config.height, folder)
    try:
        os.environ["DISPLAY"] = virtual.name
        yield virtual.name, str(virtual.framebuffer)
    finally:
        virtual.close()


def _perform_on(
    parent: Parent, config: Screen, clips: dict[str, FilmClip], display: str, framebuffer: str | None
) -> None:
    from rig.stimulus.window import Window

    clock = HostClock()
    window = Window(config, clock)
    window.warm([texture_size((clip.width, clip.height), (config.width, config.height)) for clip in clips.values()])
    # A collection of garbage during a film costs late flips: none of what lives now is looked at again, and what
    # comes later is collected between steps.
    gc.collect()
    gc.freeze()
    gc.disable()
    stage = Stage(parent, window, config, clips, clock)
    up = {"display": display, "framebuffer": framebuffer, "version": window.version, "renderer": window.renderer}
    parent.send({"up": up})
    stage.tell(window.clock_pair())
    if clips:
        stage.tell(ScreenNote(clock.now_ns(), SILENT))
    stage.run()
    window.close()


if __name__ == "__main__":
    main()

"""Performs the steps that the parent sends, on a window that is open: films, pages, sound, and a withdrawal."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rig.children import Parent
from rig.clips.cadence import patch_level
from rig.clips.decode import texture_size
from rig.clips.manifest import FilmClip
from rig.clock import NS, Clock
from rig.config.rig import Screen
from rig.elicitation.steps import Step
from rig.errors import RigError
from rig.stimulus.acts import Act, Pointer, Withdrawal, take
from rig.stimulus.messages import pack
from rig.stimulus.pages.boxes import Box
from rig.stimulus.pages.form import Form
from rig.stimulus.pages.page import Page, look_of
from rig.stimulus.player import FilmPlayer
from rig.stimulus.screen import READY_S, MakingReady, ScreenEvent, ScreenNote, Withdrawn
from rig.stimulus.showing import BETWEEN_STEPS, FlipLog, Showing, not_read, unread
from rig.stimulus.sound import Sounds, lead_flips
from rig.streams import NO_FILM

if TYPE_CHECKING:  # PsychoPy needs the display first
    from rig.stimulus.window import Window

BATCH = 3  # flips told at once: a window that dies takes no more with it, 50 ms at 60 Hz
IDLE_S = 0.02  # how often a resting window looks after its keys
DECODING_S = 0.002  # how often one that waits for a film does


class Stage:
    """Shows one step after another, flip by flip."""

    def __init__(
        self,
        parent: Parent,
        window: Window,
        config: Screen,
        clips: dict[str, FilmClip],
        clock: Clock,
        sounds: Sounds,
        withdrawal_key: str,
    ) -> None:
        """`withdrawal_key`: ends what is shown when it is held for a second."""
        self._parent, self._window, self._clips, self._clock, self._sounds = parent, window, clips, clock, sounds
        self._size, self._look = (config.width, config.height), look_of(config)
        self._period_ns = round(NS / config.refresh_hz)
        self._flips = FlipLog(self._period_ns, has_patch=config.patch_px > 0)
        self._withdrawal = Withdrawal(withdrawal_key)
        self._withdrawn_ns: int | None = None  # from the step that is shown: not told yet
        self._untold: list[ScreenEvent] = []
        self._next: Step | None = None
        self._is_aborted = False  # the step asked for last
        self._is_button_down = False  # the mouse's
        self._is_wanted = True  # False when the parent is gone

    def run(self) -> None:
        """Show what the parent asks for, until its end of the pipe closes."""
        while self._is_wanted:
            self._rest(IDLE_S)
            if self._next and self._is_wanted:
                step, self._next = self._next, None
                self._perform(step)
                self._flips.rest()
                gc.collect()

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

    def _acts(self) -> list[Act]:
        """What the participant did, but for the key of withdrawal, which has no other meaning."""
        acts = [act for act in self._window.acts() if not self._withdrawal.watch(act)]
        for act in acts:
            if isinstance(act, Pointer):
                self._is_button_down = act.is_down
        return acts

    def _rest(self, timeout_s: float) -> None:
        """Listen while nothing is shown. What is pressed meanwhile answers nothing."""
        self._listen(timeout_s)
        self._acts()
        if self._withdrawal.is_due(now_ns := self._clock.now_ns()):
            self.tell(Withdrawn(BETWEEN_STEPS, now_ns))

    def _perform(self, step: Step) -> None:
        """One step, from its first flip to the neutral flip after it."""
        filling = self._filling(step)
        step = filling.step
        with self._film(step) as film:
            if self._is_off(step):
                self._leave_out(step)
                return
            clip, button = film.clip if film else None, self._is_button_down
            self._show(Showing(step, clip, self._period_ns, filling.boxes, is_button_down=button), film, filling)

    def _is_off(self, step: Step) -> bool:
        """Whether a step is not due any more: the participant withdrew, or the operator ended it."""
        return self._is_aborted or self._withdrawal.leaves_out(step)

    def _leave_out(self, step: Step) -> None:
        """A step that is not due any more begins and ends with neutral flips."""
        showing = Showing(step, None, self._period_ns)
        if self._withdrawal.leaves_out(step):
            showing.withdraw()
        showing.abort()
        self._show(showing, None, _Filling(self._window, step, None))

    def _filling(self, step: Step) -> _Filling:
        """What is read and answered in the step; takes some ms. Without its page nothing of it can be answered."""
        try:
            page = Page(step, self._size, self._look) if step.text or step.items else None
            return _Filling(self._window, step, page)
        except RigError as error:
            self.tell(not_read(step, error, self._clock.now_ns()))
            return _Filling(self._window, unread(step), None)

    @contextmanager
    def _film(self, step: Step) -> Iterator[FilmPlayer | None]:
        """The film's player with its first pictures decoded, its sound about to begin; meanwhile all is neutral."""
        if step.clip is None:
            yield None
            return
        clip = self._clips[step.clip]
        film = FilmPlayer(clip, texture_size((clip.width, clip.height), self._size))
        try:
            self._make_ready(step, film)
            if self._sounds.has(step.clip) and not film.has_failed:
                self._lead_in(step)
            yield film
        finally:
            film.close()

    def _make_ready(self, step: Step, film: FilmPlayer) -> None:
        """Rest until its first pictures are decoded, and let the recorder know that it is not forgotten."""
        told_ns = self._clock.now_ns()
        while self._is_wanted and not self._is_off(step) and not film.is_ready:
            self._rest(DECODING_S)
            if (now_ns := self._clock.now_ns()) >= told_ns + READY_S * NS:
                self.tell(MakingReady(step.index, now_ns))
                told_ns = now_ns

    def _lead_in(self, step: Step) -> None:
        """Neutral flips up to the one that will show film frame 0: the sound device is told of it so early."""
        clip, flips = str(step.clip), lead_flips(self._period_ns)
        if self._is_off(step):
            return
        self._sounds.prepare(clip)
        self._neutral()  # after a rest a flip may come off the grid of refreshes
        self._sounds.schedule(clip, self._neutral() + flips * self._period_ns)
        for _ in range(flips - 1):
            self._neutral()
            self._rest(0)
            if self._is_off(step):
                self._sounds.end(None, self._clock.now_ns())
                return

    def _neutral(self) -> int:
        """A flip of the neutral screen; when it was."""
        host_ns, screen_s = self._window.flip(patch=0)
        self.tell(self._flips.between_steps(host_ns, screen_s), at_once=False)
        return host_ns

    def _show(self, showing: Showing, film: FilmPlayer | None, filling: _Filling) -> None:
        """From the first flip to the neutral one after the last."""
        self._window.set_film(film.size if film else None)
        filling.begin()
        while self._is_wanted and not showing.is_over(self._window.due_ns()):
            self._show_once(showing, film)
            filling.show_changes(showing.form)
        sound = self._sounds.end(showing.began_host_ns, self._clock.now_ns()) if film else []
        self._window.blank()
        ended_ns = self._neutral()
        if self._withdrawn_ns is not None:
            self.tell(Withdrawn(showing.step.index, self._withdrawn_ns), at_once=False)
            self._withdrawn_ns = None
        self.tell(*sound, *showing.ended(ended_ns), self._window.clock_pair())

    def _show_once(self, showing: Showing, film: FilmPlayer | None) -> None:
        """Draw, flip, log, then look after the participant and the parent."""
        due_ns = self._window.due_ns()
        film_frame = self._load_picture(film, showing.target(due_ns)) if film else NO_FILM
        host_ns, screen_s = self._window.flip(patch=patch_level(film_frame))
        missing = film is not None and film_frame < showing.target(due_ns)
        flip = self._flips.of_step(showing, film_frame, due_ns, host_ns, screen_s, underrun=missing)
        # What was done before the step was on the screen answers nothing, so it is taken before `flipped`.
        answers = [answer for act in self._acts() for answer in take(showing, act)]
        began = showing.flipped(flip)
        sound = self._sounds.began(showing.began_host_ns, self._clock.now_ns()) if film else []
        self.tell(*began, flip, *answers, *sound, at_once=bool(began or answers or sound))
        self._listen(0)
        self._end_early(showing, film)

    def _end_early(self, showing: Showing, film: FilmPlayer | None) -> None:
        """Whatever ends it that is neither its time nor an answer."""
        now_ns = self._clock.now_ns()
        if self._withdrawal.is_due(now_ns):
            self._withdrawn_ns = now_ns
            showing.withdraw()
        if self._is_aborted:
            showing.abort()
        if film and film.has_failed:
            fault = f"the clip stopped at film frame {film.film_frame}: {film.fault or 'no more'}"
            self.tell(ScreenNote(now_ns, fault, is_alarm=True))
            showing.abort()

    def _load_picture(self, film: FilmPlayer, target: int) -> int:
        """Hand the window the picture of film frame `target`, or the nearest there is; which it is."""
        picture = film.take(target)
        if picture is not None:
            self._window.set_picture(picture)
        return film.film_frame


class _Filling:
    """Keeps the page on the window as its answers are."""

    def __init__(self, window: Window, step: Step, page: Page | None) -> None:
        """Draw it as it is at first; not on the window yet."""
        self.step, self._window, self._page = step, window, page
        self._state = Form(step, 0).state
        self._picture = page.draw(self._state) if page else None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """What can be pointed at."""
        return self._page.boxes if self._page else ()

    def begin(self) -> None:
        """From the next flip on it is shown."""
        self._window.set_page(self._picture)
        self._window.set_pointer(is_visible=self._page is not None and self._page.is_clickable)

    def show_changes(self, form: Form | None) -> None:
        """Draw what the last acts changed."""
        if form is None or self._page is None:
            return
        for box in self._page.changed(self._state, form.state):
            self._window.change_page(self._page.draw(form.state, box), (box.left, box.top))
        self._state = form.state

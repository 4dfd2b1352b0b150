"""One step on the participant's screen, flip by flip: which film frame, what is logged, when it ends.

Pure: it is told what happened and when. The PsychoPy window and the simulated screen both follow it.

    target(due) -> draw -> flip -> flipped(flip) -> pressed, typed, pointed ... until is_over(due)
    -> a neutral flip -> ended()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rig.clips import cadence
from rig.clips.manifest import FilmClip
from rig.clock import NS
from rig.elicitation.steps import Step
from rig.errors import RigError
from rig.stimulus.pages.boxes import Box
from rig.stimulus.pages.form import Form
from rig.stimulus.screen import ScreenNote, StepBegan, StepEnded
from rig.streams import NO_FILM, Answer, Flip

BETWEEN_STEPS = -1


class Showing:
    """A step that is being shown. Times are host clock, ns; `due` is when the next flip is expected."""

    def __init__(
        self,
        step: Step,
        clip: FilmClip | None,
        period_ns: int,
        boxes: Sequence[Box] = (),
        *,
        is_button_down: bool = False,
    ) -> None:
        """`boxes`: of the step's page. `is_button_down`: the pointer's button, held since a step before."""
        self.step, self.clip, self.period_ns = step, clip, period_ns
        self.form: Form | None = None  # of a step with items, once it is on the screen
        self._boxes, self._is_button_down = boxes, is_button_down
        self.film_frame = NO_FILM  # on the screen now
        self.began_host_ns: int | None = None
        self.ended_by = ""
        self._film_began_ns: int | None = None
        self._refresh = 0  # of the last flip, counted from that of film frame 0

    def wanted(self, due_ns: int) -> int:
        """The film frame that the clock asks for at a flip due then; beyond the last one when the film is over."""
        if self.clip is None:
            return NO_FILM
        if self._film_began_ns is None:
            return 0
        refresh = cadence.refreshes(due_ns - self._film_began_ns, self.period_ns, self._refresh)
        return cadence.due(refresh * self.period_ns, self.period_ns, self.clip.fps)

    def target(self, due_ns: int) -> int:
        """The film frame to show at that flip, if the decoder has it."""
        if self.clip is None:
            return NO_FILM
        frame, _skipped = cadence.advance(self.film_frame, min(self.wanted(due_ns), self.clip.frames - 1))
        return frame

    def behind(self, due_ns: int, film_frame: int) -> int:
        """How many film frames `film_frame` lags behind the clock at that flip, 0 to 255."""
        last = self.clip.frames - 1 if self.clip else NO_FILM
        return min(max(min(self.wanted(due_ns), last) - film_frame, 0), 255)

    def flipped(self, flip: Flip) -> list[StepBegan]:
        """A flip has shown this step; tells when it was the first."""
        self.film_frame = flip.film_frame
        if self._film_began_ns is not None:
            since_ns = flip.host_ns - self._film_began_ns
            self._refresh = cadence.refreshes(since_ns, self.period_ns, self._refresh)
        elif flip.film_frame >= 0:
            self._film_began_ns = flip.host_ns
        if self.began_host_ns is not None:
            return []
        self.began_host_ns = flip.host_ns
        if self.step.items:
            self.form = Form(self.step, flip.host_ns, self._boxes, is_button_down=self._is_button_down)
        return [StepBegan(self.step.index, flip.host_ns)]

    def pressed(self, key: str, host_ns: int) -> list[Answer]:
        """A key was pressed. Items take it, if there are any; else the first that the step names ends it."""
        if self.ended_by or self.began_host_ns is None:
            return []
        if self.form:
            return self._answered(self.form.key(key, host_ns))
        if key not in self.step.keys:
            return []
        self.ended_by = "key"
        step = self.step
        return (
            [Answer(step.index, step.name, step.keys[key], self.began_host_ns, host_ns, host_ns)] if asks(step) else []
        )

    def typed(self, text: str, host_ns: int) -> None:
        """Letters were typed; of a key that types, after `pressed` and with the same time."""
        if self.form and not self.ended_by:
            self.form.typed(text, host_ns)

    def pointed(self, x: int, y: int, is_down: bool, host_ns: int) -> list[Answer]:  # noqa: FBT001
        """The pointer is there now, px from the upper left corner; `is_down`: its left button is."""
        if self.form and not self.ended_by:
            return self._answered(self.form.mouse(x, y, is_down, host_ns))
        self._is_button_down = is_down
        return []

    def _answered(self, answers: list[Answer]) -> list[Answer]:
        if answers and self.form and self.form.is_complete:
            self.ended_by = "answered"
        return answers

    def abort(self) -> None:
        """End it at the next flip."""
        self.ended_by = self.ended_by or "abort"

    def withdraw(self) -> None:
        """End it at the next flip: the participant wants no more."""
        self.ended_by = self.ended_by or "withdrawn"

    def is_over(self, due_ns: int) -> bool:
        """Whether the next flip, due then, must no longer show it. Never before it has been on the screen."""
        if self.began_host_ns is None:
            return False
        if not self.ended_by and self._film_is_over(due_ns):
            self.ended_by = "last-frame"
        if not self.ended_by and due_ns + self.period_ns // 2 >= self.began_host_ns + self._length_ns():
            self.ended_by = "time"
        return bool(self.ended_by)

    def ended(self, host_ns: int) -> list[Answer | StepEnded]:
        """It left the screen with the flip at `host_ns`; before that, what was answered and not confirmed.

        Of who withdraws nothing more is kept.
        """
        is_kept = self.ended_by != "withdrawn"
        answers = self.form.unconfirmed(host_ns) if self.form and is_kept else []
        return [*answers, StepEnded(self.step.index, host_ns, self.ended_by)]

    def _film_is_over(self, due_ns: int) -> bool:
        clip = self.clip
        return clip is not None and self.film_frame == clip.frames - 1 and self.wanted(due_ns) >= clip.frames

    def _length_ns(self) -> int:
        seconds = self.step.max_seconds if self.step.seconds is None else self.step.seconds
        return int(min(seconds, self.step.max_seconds) * NS)


def unread(step: Step) -> Step:
    """The step without its page: nothing answers it or goes on, and one without a length of its own ends at once."""
    return replace(step, keys={}, items=(), seconds=0.0 if step.seconds is None else step.seconds)


def not_read(step: Step, error: RigError, host_ns: int) -> ScreenNote:
    """What the operator is told of a step whose page cannot be drawn."""
    return ScreenNote(host_ns, f"step {step.name} cannot be read and is not answered: {error}", is_alarm=True)


def asks(step: Step) -> bool:
    """Whether the key that ends a step is an answer: of a debrief only where there are several."""
    return step.kind in ("question", "penalty", "consent") or (step.kind == "debrief" and len(step.keys) > 1)


class FlipLog:
    """Numbers the flips and judges whether each came late."""

    def __init__(self, period_ns: int, *, has_patch: bool) -> None:
        self.period_ns, self.has_patch = period_ns, has_patch
        self._count = 0
        self._last_ns: int | None = None

    def rest(self) -> None:
        """The screen stands still on purpose: the next flip is not late."""
        self._last_ns = None

    def between_steps(self, host_ns: int, screen_s: float) -> Flip:
        """A flip that shows the neutral screen."""
        return self._flip(BETWEEN_STEPS, NO_FILM, host_ns, screen_s, float(NO_FILM), 0, 0, 0)

    def of_step(
        self, showing: Showing, film_frame: int, due_ns: int, host_ns: int, screen_s: float, *, underrun: bool
    ) -> Flip:
        """A flip of a step. Call it before `showing.flipped`: it compares with the film frame shown before."""
        clip = showing.clip
        pts_s = clip.pts_s[film_frame] if clip and film_frame >= 0 else float(NO_FILM)
        behind = showing.behind(due_ns, film_frame)
        skipped = max(film_frame - showing.film_frame - 1, 0)
        return self._flip(showing.step.index, film_frame, host_ns, screen_s, pts_s, int(underrun), behind, skipped)

    def _flip(
        self,
        step: int,
        film_frame: int,
        host_ns: int,
        screen_s: float,
        pts_s: float,
        underrun: int,
        behind: int,
        skipped: int,
    ) -> Flip:
        late = self._last_ns is not None and host_ns - self._last_ns > 1.5 * self.period_ns
        patch = cadence.patch_level(film_frame) if self.has_patch else 0
        number, self._count, self._last_ns = self._count, self._count + 1, host_ns
        return Flip(number, step, film_frame, host_ns, screen_s, pts_s, patch, int(late), underrun, behind, skipped)

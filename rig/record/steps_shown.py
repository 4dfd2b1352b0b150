"""Which step is on the participant's screen, and which comes next.

free --> held: the operator has not started yet, or pauses; nothing is shown, and nothing is stored
  |  --> next() --> on the screen ... ended() --> free
  +----> None: the last step is over
"""

from __future__ import annotations

from dataclasses import asdict

from rig.clock import NS
from rig.elicitation.course import OUTSIDE, Course
from rig.elicitation.steps import DELETE, KEEP, Step
from rig.record.alarms import log
from rig.record.messages import Action, AppendText
from rig.record.plan import Lead
from rig.record.rows import ended_row, row_of
from rig.record.watch import SCREEN, Watch
from rig.session import layout
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan, StepEnded
from rig.streams import Answer

WAITING, PAUSED, WITHDRAWN, NO_CONSENT = "waiting", "pause", "withdrawn", "no consent"  # why nothing is stored


class StepsShown:
    """The steps of one run, one after another. Times are host ns."""

    def __init__(self, course: Course, lead: Lead, watch: Watch) -> None:
        self.has_screen, self.is_on = True, False
        self.is_waiting, self.is_paused = lead.is_waiting, False
        self.course = course
        self.onset_ns = -1  # first flip of the step on the screen
        self.ends_as = Outcome.FINISHED  # once the last step is over
        self._lead, self._watch = lead, watch
        self._from_ns: int | None = None  # when the first one is due
        self._wish = ""  # of the operator, about the trial: carried out before the next step
        self._answered: list[Answer] = []  # to the step on the screen
        self._consented: set[int] = set()  # steps in which consent was given
        self._choice = ""  # of who withdrew: KEEP or DELETE
        if lead.is_withdrawn:
            self._withdraw()

    @property
    def index(self) -> int:
        """The step on the screen, or shown last; -1 before the first."""
        return self.course.index if self.course.has_begun else -1

    @property
    def may_guess(self) -> bool:
        """Whether there is something to guess: a trial goes on, and its clip is, or was, on the screen."""
        index, clip_index = self.course.index, self.course.clip_index
        is_seen = index > clip_index or (index == clip_index and self.onset_ns >= 0)
        return self.course.trial != OUTSIDE and is_seen

    # --- one after another -----------------------------------------------------------------------------------

    def begin_at(self, host_ns: int) -> None:
        """The first step waits until then."""
        self._from_ns = host_ns

    def is_free(self, now: int) -> bool:
        """Whether the next step may be shown: the preamble is over, and no other is on the screen."""
        return self.has_screen and not self.is_on and self._from_ns is not None and now >= self._from_ns

    @property
    def held(self) -> str:
        """Why the next step waits; empty: it does not."""
        if self.course.is_withdrawn:
            return ""
        return WAITING if self.is_waiting else PAUSED if self.is_paused else ""

    def next(self, now: int) -> Step | None:
        """Go on to the next step; None after the last one."""
        wish, self._wish = self._wish, ""
        if wish == "repeat":
            self.course.repeat_trial()
        elif wish == "skip":
            self.course.skip_trial()
        step = self.course.next()
        if step is not None:
            self.is_on, self.onset_ns = True, -1
            self._answered = []
            self._consented.discard(step.index)
            self._watch.step_shown(step, now)
        return step

    def began(self, event: StepBegan) -> list[Action]:
        """The step's first flip was shown."""
        self.onset_ns = event.host_ns
        return [row_of(event)]

    def answered(self, event: Answer, now: int) -> list[Action]:
        """The participant has answered; a page of questions has several."""
        step = self.course.step
        if step is not None and event.step == step.index:
            self._answered.append(event)
            self._choice = event.answer if step.only_withdrawn and event.answer in (KEEP, DELETE) else self._choice
        return [AppendText(layout.ANSWERS, now, asdict(event))]

    def ended(self, event: StepEnded, now: int, *, is_recording: bool) -> list[Action]:
        """A step is over; after a stop it says nothing of consent."""
        actions: list[Action] = [ended_row(event, self.onset_ns)]
        if not self.is_on or event.step != self.index:
            return actions
        self.is_on = False
        self._watch.forget(SCREEN)
        return actions + (self._without_consent(now) if is_recording else []) + self._taken_back(now)

    def lost(self) -> None:
        """The screen is gone."""
        self.has_screen = self.is_on = False
        self._watch.forget(SCREEN)

    def _without_consent(self, now: int) -> list[Action]:
        """A consent that was declined, or not answered at all, ends the run; one that is shown again is asked anew."""
        step = self.course.step
        if step is None or step.kind != "consent" or self._wish or self.course.is_withdrawn:
            return []
        declined = [answer.answer for answer in self._declining(step)]
        if self._answered and not declined:
            self._consented.add(step.index)
            return []
        self.course.decline()
        self.ends_as = Outcome.STOPPED
        text = f"consent was not given: {declined[0] if declined else f'no answer in {step.max_seconds:g} s'}"
        return [log(now, {"kind": "declined", "step": step.index, "text": text})]

    def _declining(self, step: Step) -> list[Answer]:
        return [answer for answer in self._answered if answer.answer in step.ends_run]

    def _taken_back(self, now: int) -> list[Action]:
        """Who takes consent back in the debrief has withdrawn."""
        step = self.course.step
        if step is None or step.kind != "debrief" or self._wish or self.course.is_withdrawn:
            return []
        declining = self._declining(step)
        if not declining:
            return []
        text = f"consent taken back: {declining[0].answer}"
        return self.withdraw(step.index, declining[0].confirmed_host_ns, now, text)

    # --- what operator and participant want ------------------------------------------------------------------

    def wish(self, said: str) -> bool:
        """The operator wants the present trial once more (`repeat`), or no more of it (`skip`).

        Whether the step on the screen is to be ended for it. Nobody is recorded because a consent was skipped.
        """
        step = self.course.step
        if step is None or (said == "skip" and step.kind == "consent"):
            return False
        self._wish = said
        return self.is_on

    def withdraw(self, step: int, host_ns: int, now: int, text: str = "") -> list[Action]:
        """The participant wants no more, since `host_ns`, in a step (-1: between two); who did so once does no more."""
        told = {"step": step, "withdrawn_host_ns": host_ns, "otherwise": self._lead.otherwise}
        actions: list[Action] = [log(now, {"kind": "withdrawn", **told, **({"text": text} if text else {})})]
        if not self.course.is_withdrawn:
            self._withdraw()
        return actions

    def _withdraw(self) -> None:
        """Nobody's start or pause keeps the debrief waiting."""
        self.course.withdraw()
        self.ends_as = Outcome.WITHDRAWN
        self.is_waiting = self.is_paused = False
        self._wish = ""

    @property
    def withdrawal(self) -> str:
        """KEEP or DELETE, as who withdrew has chosen, or the protocol says; empty: nobody withdrew."""
        return (self._choice or self._lead.otherwise) if self.course.is_withdrawn else ""

    @property
    def owes_choice(self) -> bool:
        """Whether who withdrew was to be asked what becomes of the recordings, and has not answered."""
        return self.course.is_withdrawn and self.course.asks_who_withdraws and not self._choice

    # --- what is kept meanwhile ------------------------------------------------------------------------------

    def kept(self, step: Step) -> tuple[set[str], str]:
        """The streams whose frames are kept during a step, and why the others are not."""
        return (set(), WITHDRAWN) if self.course.is_withdrawn else (set(step.store), step.reason)

    def kept_at_first(self, names: tuple[str, ...]) -> tuple[set[str], str]:
        """The same of the preamble: nothing where the first step keeps nothing."""
        if self.course.is_withdrawn:
            return set(), WITHDRAWN
        first = self.course.left[:1]
        return (set(), first[0].reason) if first and not first[0].store else (set(names), "")

    def kept_at_end(self, names: tuple[str, ...]) -> tuple[set[str], str]:
        """The same of the postamble: of who withdrew, or has not consented yet, nothing."""
        if self.course.is_withdrawn:
            return set(), WITHDRAWN
        return (set(), NO_CONSENT) if self._lacks_consent else (set(names), "")

    @property
    def _lacks_consent(self) -> bool:
        """Whether consent was declined, or is still to be given."""
        is_open = any(step.kind == "consent" and step.index not in self._consented for step in self.course.left)
        return is_open or self.ends_as is Outcome.STOPPED

    def seconds_on(self, now: int) -> float:
        """How long the step has been on the screen, s; 0 before its first flip, and between steps."""
        return max(0, now - self.onset_ns) / NS if self.is_on and self.onset_ns >= 0 else 0.0

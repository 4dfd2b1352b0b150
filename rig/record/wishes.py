"""What operator and participant want of a run beside its protocol: each wish is logged, and what follows from it."""

from __future__ import annotations

from rig.elicitation.course import OUTSIDE
from rig.record.alarms import log, note
from rig.record.messages import AbortStep, Action, AppendText, OperatorSaid
from rig.record.steps_shown import StepsShown
from rig.session import layout
from rig.stimulus.screen import Withdrawn

GUESS = "guess"
ANY = 0  # no trial in particular


class Wishes:
    """Part of the recorder's core. Times are host ns."""

    def __init__(self, steps: StepsShown) -> None:
        self._steps = steps
        self.refused: list[str] = []  # what came too late or too soon to be done, in words, oldest first

    def said(self, event: OperatorSaid, now: int, *, is_recording: bool) -> list[Action]:
        """The operator said something; before and after the recording it is logged alone. A stop is the core's."""
        steps = self._steps
        trial = steps.course.trial
        if event.trial not in (ANY, trial):
            return self._refused(f"{event.kind} for trial {event.trial} came too late", now)
        if event.kind == GUESS and trial != OUTSIDE and not steps.may_guess:
            return self._refused(f"guess for trial {trial} came before its clip", now)
        actions = [self._heard(event, now)]
        if not is_recording:
            return actions
        match event.kind:
            case "start":
                steps.is_waiting = False
            case "pause":
                steps.is_paused = not steps.course.is_withdrawn
            case "go_on":
                steps.is_paused = False
            case "repeat" | "skip":
                actions += [AbortStep()] if steps.wish(event.kind) else []
            case "guess":
                actions += self._guessed(event, now)
        return actions

    def _refused(self, what: str, now: int) -> list[Action]:
        self.refused.append(f"{what}: nothing was done")
        return [note(now, f"operator's {self.refused[-1]}")]

    def _heard(self, event: OperatorSaid, now: int) -> Action:
        place = {"step": self._steps.index, "trial": self._steps.course.trial}
        words = {"text": event.text, "value": event.value, "confidence": event.confidence}
        told = {name: word for name, word in words.items() if word}
        return log(now, {"kind": "operator", "said": event.kind, "said_host_ns": event.host_ns, **place, **told})

    def _guessed(self, event: OperatorSaid, now: int) -> list[Action]:
        """A guess is an answer of the operator's; it ends the step that waits for it."""
        steps = self._steps
        step, trial = steps.course.step, steps.course.trial
        if step is None or trial == OUTSIDE:
            return []
        is_right = steps.course.guessed(event.value)
        is_asked = step.kind == GUESS and steps.is_on
        times = {
            "onset_host_ns": steps.onset_ns if is_asked and steps.onset_ns >= 0 else event.host_ns,
            "first_key_host_ns": event.host_ns,
            "confirmed_host_ns": event.host_ns,
        }
        guess = {"step": step.index, "question": GUESS, "answer": event.value, "confidence": event.confidence}
        record = {**guess, "by": "operator", "trial": trial, "is_right": is_right, **times}
        return [AppendText(layout.ANSWERS, now, record), *([AbortStep()] if is_asked else [])]

    def withdrawn(self, event: Withdrawn, now: int) -> list[Action]:
        """The participant wants no more. The screen has ended its step; one that was on its way to it is ended, too."""
        is_first = not self._steps.course.is_withdrawn
        actions = self._steps.withdraw(event.step, event.host_ns, now)
        return [*actions, AbortStep()] if is_first and self._steps.is_on else actions

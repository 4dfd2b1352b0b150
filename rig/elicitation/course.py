"""Which step comes next: the steps of a protocol in their order, and what may change it. Pure.

next() --> a step --> it ends --> next() --> ... --> None: the last one is over
           repeat_trial, skip_trial:   the operator's
           guessed:                    counts the trials in which the operator was right
           withdraw:                   from then on only what is meant for who withdraws
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rig.elicitation.steps import Item, Step

OUTSIDE = 0  # number of no trial


@dataclass(frozen=True)
class Pay:
    """What a participant is paid for hiding what is felt."""

    start: float
    each: float  # added for each trial in which the operator guessed right; negative: taken off
    unit: str

    def after(self, caught: int) -> str:
        """What is left, as a text; never below nothing."""
        return f"{max(0.0, self.start + self.each * caught):g} {self.unit}"


class Course:
    """One participant's way through the steps."""

    def __init__(self, steps: Sequence[Step], *, first: int = 0, caught: int = 0, pay: Pay | None = None) -> None:
        """`first`: the step to begin with, when others were shown in an earlier run; `caught`: guesses right in it."""
        self.index = first - 1  # of the step on the screen, or of the last one
        self.is_withdrawn = False
        self.caught = caught
        self._steps, self._pay, self.has_begun = tuple(steps), pay, False
        self._guesses: dict[int, str] = {}  # by trial

    @property
    def step(self) -> Step | None:
        """The step on the screen, or shown last; None before the first and after the last."""
        return self._steps[self.index] if self.has_begun and self.index < len(self._steps) else None

    @property
    def left(self) -> tuple[Step, ...]:
        """The step on the screen, or shown last, and all behind it, whether they will be due or not."""
        return self._steps[self.index if self.has_begun else self.index + 1 :]

    @property
    def trial(self) -> int:
        """The trial that is going on, from 1; OUTSIDE between trials."""
        return self.step.trial if self.step else OUTSIDE

    @property
    def clip_index(self) -> int:
        """The step that shows the clip of the trial that is going on; -1: it has none."""
        return next((step.index for step in self._steps if step.trial == self.trial and step.clip is not None), -1)

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return max((step.trial for step in self._steps), default=0)

    @property
    def guess(self) -> str:
        """What the operator has guessed in this trial; empty: nothing yet."""
        return self._guesses.get(self.trial, "")

    def next(self) -> Step | None:
        """Go on to the next step that is to be shown; None after the last one."""
        self.has_begun = True
        self.index += 1
        while self.step is not None and not self._is_due(self.step):
            self.index += 1
        return self._filled(self.step) if self.step else None

    def _is_due(self, step: Step) -> bool:
        if step.only_withdrawn or self.is_withdrawn:
            return self.is_withdrawn and step.follows_withdrawal
        if step.kind == "guess" and step.trial in self._guesses:
            return False
        return self.caught >= step.least_caught

    def _filled(self, step: Step) -> Step:
        """With what only the course knows written into its texts."""
        items = tuple(self._filled_item(item) for item in step.items)
        return replace(step, text=self._told(step.text), items=items, asked_in_all=self._in_all(step))

    def _filled_item(self, item: Item) -> Item:
        choices = tuple(replace(choice, label=self._told(choice.label)) for choice in item.choices)
        text, low, high = map(self._told, (item.text, item.low, item.high))
        return replace(item, choices=choices, text=text, low=low, high=high)

    def _in_all(self, step: Step) -> int:
        """Of how many questions the penalty consists; the more guesses were right, the more."""
        if step.kind != "penalty":
            return step.asked_in_all
        due = (other for other in self._steps if other.kind == "penalty" and other.least_caught <= self.caught)
        return max(other.asked_in_all for other in due if other.trial == step.trial)

    def _told(self, text: str) -> str:
        text = text.replace("{caught}", str(self.caught))
        return text.replace("{pay}", self._pay.after(self.caught)) if self._pay else text

    def repeat_trial(self) -> None:
        """The present trial, or outside of one the present step, comes once more; a guess in it counts no more."""
        if self.step is None:
            return
        if self.trial == OUTSIDE:
            self.index -= 1
            return
        self._forget_guess()
        self.index = next(step.index for step in self._steps if step.trial == self.trial) - 1

    def skip_trial(self) -> None:
        """Leave out what is left of the present trial."""
        if self.trial != OUTSIDE:
            self.index = max(step.index for step in self._steps if step.trial == self.trial)

    def guessed(self, value: str) -> bool | None:
        """The operator's guess in this trial; whether it is right. A later one takes its place.

        None where nothing can be right: in a trial without a target, and outside of trials, where it is no guess.
        """
        if self.trial == OUTSIDE:
            return None
        self._forget_guess()
        self._guesses[self.trial] = value
        self.caught += self._is_right(value)
        return self._is_right(value) if self._target else None

    @property
    def _target(self) -> str:
        """The right guess in this trial; empty: there is none."""
        return next((step.target for step in self._steps if step.trial == self.trial and step.target), "")

    def _is_right(self, value: str) -> bool:
        return bool(self._target) and value == self._target

    def _forget_guess(self) -> None:
        before = self._guesses.pop(self.trial, None)
        if before is not None:
            self.caught -= self._is_right(before)

    @property
    def asks_who_withdraws(self) -> bool:
        """Whether one who withdraws is asked what becomes of the recordings."""
        return any(step.only_withdrawn for step in self._steps)

    def decline(self) -> None:
        """Consent was not given: no further step comes."""
        self.index = len(self._steps)

    def withdraw(self) -> None:
        """The participant wants no more: what follows is the debrief, and what is asked of who withdraws."""
        self.is_withdrawn = True

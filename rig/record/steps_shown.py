"""Which step is on the participant's screen, and which comes next."""

from __future__ import annotations

from rig.elicitation.steps import Step
from rig.record.messages import Action
from rig.record.rows import ended_row, row_of
from rig.record.watch import SCREEN, Watch
from rig.stimulus.screen import StepBegan, StepEnded


class StepsShown:
    """The steps of one run, one after another. Times are host ns."""

    def __init__(self, steps: tuple[Step, ...], watch: Watch) -> None:
        self.index = -1  # of the step on the screen
        self.has_screen = True
        self._steps, self._watch = steps, watch
        self._from_ns: int | None = None  # when the first one is due
        self._onset_ns = -1  # first flip of the step on the screen

    def begin_at(self, host_ns: int) -> None:
        """The first step waits until then."""
        self._from_ns = host_ns

    def is_first_due(self, now: int) -> bool:
        """Whether the first step is due; once only."""
        is_due = self._from_ns is not None and now >= self._from_ns
        self._from_ns = None if is_due else self._from_ns
        return is_due

    def began(self, event: StepBegan) -> list[Action]:
        """The step's first flip was shown."""
        self._onset_ns = event.host_ns
        return [row_of(event)]

    def ended(self, event: StepEnded) -> list[Action]:
        """A step is over."""
        return [ended_row(event, self._onset_ns)]

    def next(self, now: int) -> Step | None:
        """Go on to the next step; None after the last one."""
        self.index += 1
        if self.index >= len(self._steps):
            self._watch.forget(SCREEN)
            return None
        self._watch.step_shown(self._steps[self.index], now)
        return self._steps[self.index]

    def lost(self) -> None:
        """The screen is gone."""
        self.has_screen = False
        self._watch.forget(SCREEN)

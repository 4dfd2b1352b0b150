"""A participant's place in the ledger through one recording: confirmed with the consent, or given back."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rig.elicitation.steps import Step
from rig.errors import StorageError
from rig.record.messages import Event
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan
from rig.streams import Answer
from rig.subjects.ledger import Ledger, Place


class Booking:
    """Sees the core's events. The ledger may wait for a lock or the disk, so a thread of its own asks it."""

    def __init__(self, ledger: Ledger, place: Place, steps: tuple[Step, ...], first: int = 0) -> None:
        """`first`: the step to begin with; consent to one before it was given in an earlier run."""
        self._ledger, self._place, self._steps = ledger, place, steps
        self._is_asked = any(step.kind == "consent" for step in steps[first:])
        self._takes_part = place.is_confirmed
        self._threads: list[threading.Thread] = []
        self.problems: list[str] = []  # the session goes on, whatever the ledger says

    def event(self, event: Event) -> None:
        """Consent was given; or there is none to give, and the first step is on the screen."""
        if not self._takes_part and self._is_consent(event):
            self._takes_part = True
            self._do(lambda: self._ledger.confirm(self._place))

    def _is_consent(self, event: Event) -> bool:
        if isinstance(event, Answer) and 0 <= event.step < len(self._steps):
            step = self._steps[event.step]
            return step.kind == "consent" and event.is_confirmed and event.answer not in step.ends_run
        return isinstance(event, StepBegan) and not self._is_asked

    def _do(self, ask: Callable[[], object]) -> None:
        def asked() -> None:
            try:
                ask()
            except StorageError as error:
                self.problems.append(f"ledger: {error}")

        thread = threading.Thread(target=asked, name="ledger")
        self._threads.append(thread)
        thread.start()

    def close(self, outcome: Outcome, *, is_withdrawn: bool = False) -> list[str]:
        """The run is closed, or never came to be; what the ledger could not take is returned, in words.

        Who withdrew has dropped out, whatever the outcome, and be it before consent.
        """
        why = str(outcome)
        if self._takes_part:
            self._do_in_turn(lambda: self._ledger.ended(self._place, why))
        else:
            self._do_in_turn(lambda: self._ledger.release(self._place, why))
        if is_withdrawn:
            self._do_in_turn(lambda: self._ledger.withdrew(self._place))
        return self.problems

    def _do_in_turn(self, ask: Callable[[], object]) -> None:
        for thread in list(self._threads):
            thread.join()
        self._do(ask)
        self._threads[-1].join()

"""Which steps had to be shown, by what the run's log and answers tell: what was withdrawn, skipped, or not due.

It is worked out anew from the steps themselves. That the recorder left a step out explains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rig.elicitation.steps import Step
from rig.session.run import Run
from rig.session.runfile import Json

OUTSIDE = 0  # of trials


@dataclass(frozen=True)
class Due:
    """What changed the way through the steps of one run."""

    run: Run

    @cached_property
    def _said(self) -> list[Json]:
        return self.run.log_of("operator")

    @cached_property
    def repeats_ns(self) -> list[int]:
        """When the operator wanted a trial once more, host ns."""
        return [int(entry["host_ns"]) for entry in self._said if entry.get("said") == "repeat"]

    def asked_ns(self, onset_ns: int) -> int:
        """When the step that came on the screen then was asked for: at the end of the one before, host ns."""
        ends = self.run.trials["ended_host_ns"]
        return int(ends[(ends >= 0) & (ends <= onset_ns)].max(initial=0)) or onset_ns

    def is_cut(self, onset_ns: int, ended_ns: int) -> bool:
        """Whether something may have ended a step before its time: while it was on the screen, or on its way there."""
        onset_ns = self.asked_ns(onset_ns)
        cutting = [e for e in self._said if e.get("said") in ("repeat", "skip", "stop")]
        times = [int(entry["host_ns"]) for entry in cutting] + self._withdrawn_ns
        return any(onset_ns <= cut_ns <= ended_ns for cut_ns in times)

    @property
    def _withdrawn_ns(self) -> list[int]:
        """When the participant withdrew, host ns: by the window's own word, which the recorder hears after the step."""
        entries = self.run.log_of("withdrawn")
        told = [entry.get("withdrawn_host_ns") for entry in entries]
        return [own if isinstance(own, int) else int(e["host_ns"]) for e, own in zip(entries, told, strict=True)]

    def was_cut(self, step: Step) -> bool:
        """Whether operator or participant ended a step before its time, the last time that it was shown."""
        rows = self.run.trials[self.run.trials["step"] == step.index]
        return bool(len(rows)) and self.is_cut(int(rows[-1]["onset_host_ns"]), int(rows[-1]["ended_host_ns"]))

    @property
    def films(self) -> list[Step]:
        """The steps with a film that were shown, or had to be, but for those behind the step in which a run was cut."""
        begun = {int(row["step"]) for row in self.run.trials} | set(self.run.flips["step"].tolist())
        films = [step for step in self.run.steps if step.clip is not None and not self._is_behind_cut(step)]
        return [step for step in films if step.index in begun or self.must_be_shown(step)]

    @cached_property
    def _last_begun(self) -> int:
        return int(self.run.trials["step"][-1]) if len(self.run.trials) else self.run.first_step - 1

    def _is_behind_cut(self, step: Step) -> bool:
        """Whether it lies behind the step in which a run was cut that did not end in order: its ending tells that."""
        return not self.run.outcome.is_orderly and step.index > self._last_begun

    @cached_property
    def _withdrawn_in(self) -> int | None:
        """The step in which the participant withdrew, in this run or an earlier one; None: nobody did."""
        entries = self.run.log_of("withdrawn")
        if entries:
            begun = [row for row in self.run.trials if row["onset_host_ns"] <= int(entries[0]["host_ns"])]
            return int(begun[-1]["step"]) if begun else self.run.first_step - 1
        return self.run.first_step - 1 if self.run.is_withdrawn_before else None

    @cached_property
    def _declined_in(self) -> int | None:
        """The step in which consent was not given."""
        answers: dict[int, list[str]] = {}
        for answer in self.run.answers:
            answers.setdefault(int(answer["step"]), []).append(str(answer["answer"]))
        for row in self.run.trials:
            step = self._step(int(row["step"]))
            given = answers.get(step.index, []) if step else []
            if step and step.kind == "consent" and (not given or set(given) & set(step.ends_run)):
                return step.index
        return None

    def _step(self, index: int) -> Step | None:
        return self.run.steps[index] if 0 <= index < len(self.run.steps) else None

    @cached_property
    def _skipped(self) -> set[int]:
        return {int(entry.get("trial", OUTSIDE)) for entry in self._said if entry.get("said") == "skip"} - {OUTSIDE}

    @cached_property
    def _guesses(self) -> dict[int, tuple[str, int]]:
        """Of each trial the last guess, and when it came, host ns; one before a repeat counts no more."""
        guesses: dict[int, tuple[str, int]] = {}
        told = [answer for answer in self.run.answers if answer.get("by") == "operator"]
        for entry in sorted([*told, *self._said], key=lambda entry: int(entry["host_ns"])):
            trial = int(entry.get("trial", OUTSIDE))
            if entry.get("by") == "operator":
                guesses[trial] = (str(entry["answer"]), int(entry["host_ns"]))
            elif entry.get("said") == "repeat":
                guesses.pop(trial, None)
        return guesses

    def _caught_before(self, step: Step) -> int:
        """In how many trials before a step the operator guessed right."""
        targets = {other.trial: other.target for other in self.run.steps if other.target and other.index < step.index}
        right = sum(self._guesses.get(trial, ("", 0))[0] == target for trial, target in targets.items())
        return right + self.run.caught_before

    def must_be_shown(self, step: Step) -> bool:
        """Whether nothing that the run tells explains why a step was not shown."""
        return self.may_be_shown(step) and step.trial not in self._skipped and not self._is_guessed(step)

    def _is_guessed(self, step: Step) -> bool:
        return step.kind == "guess" and step.trial in self._guesses

    def may_be_shown(self, step: Step) -> bool:
        """Whether a step could come at all."""
        if step.index < self.run.first_step or (self._declined_in is not None and step.index > self._declined_in):
            return False
        if self._withdrawn_in is not None and step.index > self._withdrawn_in:
            return step.follows_withdrawal
        return not step.only_withdrawn and self._caught_before(step) >= step.least_caught

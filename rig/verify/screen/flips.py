"""Checks the screen: every step from its onset to its end, and every refresh on time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.config.judging import TOLERANCES
from rig.elicitation.steps import Step
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.verify.findings import Finding, Numbers, Word, ranges_of
from rig.verify.screen.due import Due
from rig.verify.tolerances import Limit, limit
from rig.verify.wired import config_value

LATE_PERIODS = 1.5
LENGTH_PERIODS = 2  # a step may end so many refreshes off its length
NO_WINDOW = "no flips: the protocol shows nothing, and no window was opened"
SLOWEST_REFRESH_NS = NS / 24  # of a screen that rig.yaml allows; where there are no flips to tell


def check_steps(run: Run) -> list[Finding]:
    """Every step that was due was on the screen from its onset to its end, one after another, for as long as planned.

    A trial that the operator wanted once more has several rows; what else changed the way through them is in due.py.
    """
    due, rows = Due(run), list(run.trials)
    planned = [step for step in run.steps if step.index >= run.first_step]
    limit = f"every step that was due, in order; a fixed length within {LENGTH_PERIODS} refreshes"
    begun = {int(row["step"]) for row in rows}
    looked_at = f"{len(planned)} steps planned, {len(begun)} begun"
    if not planned:
        return [Finding("steps", "", Word.NOT_MEASURED, None, limit, looked_at, "the run does not say its steps")]
    faults = {
        "never begun": [s for s in planned if s.index not in begun and due.must_be_shown(s)],
        "shown though not due": [s for s in run.steps if s.index in begun and not _may_be_there(run, due, s)],
        **_faults_of_rows(run, due),
    }
    return [_steps_finding(run, faults, limit, looked_at)]


def _may_be_there(run: Run, due: Due, step: Step) -> bool:
    """Whether it was due, or on its way to the screen when the participant withdrew, and over with the next flips."""
    lengths_ns = [_length_ns(row) for row in run.trials if row["step"] == step.index]
    is_left_out = due.was_cut(step) and max(lengths_ns) <= LENGTH_PERIODS * refresh_ns(run.flips)
    return due.may_be_shown(step) or is_left_out


def _faults_of_rows(run: Run, due: Due) -> dict[str, list[Step]]:
    """What is wrong with each time that a step was shown."""
    shown = [(run.steps[int(row["step"])], row) for row in run.trials if 0 <= int(row["step"]) < len(run.steps)]
    ended = [(step, row) for step, row in shown if min(_times_of(row)) >= 0]
    over = [(step, row, (_length_ns(row) - _planned_ns(step)) / refresh_ns(run.flips)) for step, row in ended]
    short = [(step, row) for step, row, periods in over if step.seconds is not None and periods < -LENGTH_PERIODS]
    return {
        "begun and never ended": [step for step, row in shown if min(_times_of(row)) < 0],
        "ended too early": [step for step, row in short if not due.is_cut(*_times_of(row))],
        "out of order": _out_of_order(ended, due),
        "longer than planned": [step for step, _, periods in over if periods > LENGTH_PERIODS],
    }


def _out_of_order(ended: list[tuple[Step, np.void]], due: Due) -> list[Step]:
    """Steps that begin before the one before ends, end before they begin, or come again though nobody wanted that."""
    times = [time for _, row in ended for time in _times_of(row)]
    wrong = [step for (step, _), is_back in zip(ended, _is_back(times), strict=True) if is_back]
    for (before, earlier), (step, row) in pairwise(ended):
        again_ns = due.asked_ns(_times_of(earlier)[0]), _times_of(row)[0]
        is_wanted = any(again_ns[0] <= said_ns <= again_ns[1] for said_ns in due.repeats_ns)
        if step.index <= before.index and not (is_wanted and step.trial == before.trial):
            wrong.append(step)
    return wrong


def _steps_finding(run: Run, faults: dict[str, list[Step]], limit: str, looked_at: str) -> Finding:
    wrong = [step for steps in faults.values() for step in steps]
    if not wrong:
        left = f", and {count} not due" if (count := _not_begun(run)) else ""
        return Finding("steps", "", Word.PASS, 0, limit, looked_at, f"all steps were shown, in order{left}")
    # A run that was stopped misses steps because of that, which its ending tells.
    is_order = bool(faults["out of order"] or faults["shown though not due"])
    is_excused = run.outcome is not Outcome.FINISHED and not is_order
    is_only_long = len(wrong) == len(faults["longer than planned"])
    word = Word.WARN if is_excused or is_only_long else Word.FAIL
    text = "; ".join(f"{fault}: {', '.join(step.name for step in steps)}" for fault, steps in faults.items() if steps)
    where = ranges_of(np.array([step.index for step in wrong], np.int64))
    return Finding("steps", "", word, len({step.index for step in wrong}), limit, looked_at, text, where)


def _not_begun(run: Run) -> int:
    """Steps from the run's first on that were not shown."""
    return len({step.index for step in run.steps[run.first_step :]} - {int(row["step"]) for row in run.trials})


def _times_of(row: np.void) -> tuple[int, int]:
    return int(row["onset_host_ns"]), int(row["ended_host_ns"])


def _length_ns(row: np.void) -> int:
    onset, ended = _times_of(row)
    return ended - onset


def _planned_ns(step: Step) -> float:
    """How long a step lasts, or may last at most."""
    return (step.max_seconds if step.seconds is None else step.seconds) * NS


def _is_back(times: list[int]) -> list[bool]:
    """For each step, whether it begins before the one before it ends, or ends before it begins."""
    back = np.diff(times, prepend=times[:1]) < 0
    return [bool(pair.any()) for pair in back.reshape(-1, 2)]


def refresh_ns(flips: Rows) -> float:
    """The usual time between two flips within a step."""
    intervals = intervals_ns(flips)
    return float(np.median(intervals)) if len(intervals) else SLOWEST_REFRESH_NS


def check_late_flips(run: Run) -> list[Finding]:
    """Refreshes that came late while a step was on the screen: WARN above the limit, FAIL above its ceiling.

    A late refresh costs time and no film frame, and its time is known: a few are worth a look. Where so many are late
    that no lab may allow it, the screen was not one to show films on.
    """
    within, intervals = _is_within_step(run.flips), intervals_ns(run.flips) / 1e6
    most, looked_at = limit(run, "late_flips_percent"), f"{len(intervals)} intervals between flips"
    if len(intervals) == 0:
        return [_without_flips(run, most, looked_at)]
    period, worst = float(np.median(intervals)), float(intervals.max())
    by_log, by_times = run.flips["late"][1:][within] > 0, intervals > LATE_PERIODS * period
    percent = 100 * max(int(by_log.sum()), int(by_times.sum())) / len(intervals)
    text = f"{by_log.sum()} late by the screen's log, {by_times.sum()} by the times, more than {LATE_PERIODS:g} periods"
    text += f" after the one before; median {period:.2f} ms, longest {worst:.1f} ms"
    where = ranges_of(np.asarray(run.flips["step"][1:][within][by_log | by_times], np.int64))
    value = round(percent, 3)
    return [Finding("late flips", "", graded(percent, most), value, str(most), looked_at, text, where, most.origin)]


def _without_flips(run: Run, most: Limit, looked_at: str) -> Finding:
    """Nothing could come late where the protocol shows nothing; anywhere else nobody can tell."""
    is_none_due = len(run.flips) == 0 and config_value(run, "protocol", "window") is False
    word, value, text = (Word.PASS, 0, NO_WINDOW) if is_none_due else (Word.NOT_MEASURED, None, "no flips")
    return Finding("late flips", "", word, value, str(most), looked_at, text, (), most.origin)


def graded(value: float, most: Limit) -> Word:
    """PASS up to a limit, WARN above it, FAIL above what any lab may set."""
    if value > TOLERANCES[most.name].ceiling:
        return Word.FAIL
    return Word.WARN if value > most.value else Word.PASS


def _is_within_step(flips: Rows) -> NDArray[np.bool_]:
    """For each flip but the first, whether it shows the same step as the one before, (n - 1,).

    Between two steps the screen is made ready for the next one: nothing is shown that could come late.
    """
    return np.asarray((flips["step"][1:] >= 0) & (flips["step"][1:] == flips["step"][:-1]))


def intervals_ns(flips: Rows) -> Numbers:
    """Host ns from flip to flip within the same step."""
    return np.asarray(np.diff(flips["host_ns"])[_is_within_step(flips)], np.int64)

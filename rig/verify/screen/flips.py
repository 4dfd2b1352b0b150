"""Checks the screen: every step from its onset to its end, and every refresh on time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.config.judging import TOLERANCES
from rig.elicitation.steps import Step
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.verify.findings import Finding, Numbers, Word, ranges_of
from rig.verify.tolerances import Limit, limit

LATE_PERIODS = 1.5
LENGTH_PERIODS = 2  # a step may end so many refreshes off its length
SLOWEST_REFRESH_NS = NS / 24  # of a screen that rig.yaml allows; where there are no flips to tell


def check_steps(run: Run) -> list[Finding]:
    """Every planned step was on the screen from its onset to its end, one after another, for as long as planned."""
    planned, rows = run.steps, {int(row["step"]): row for row in run.trials}
    limit = f"every step, in order; a fixed length within {LENGTH_PERIODS} refreshes"
    looked_at = f"{len(planned)} steps planned, {len(rows)} begun"
    if not planned:
        return [Finding("steps", "", Word.NOT_MEASURED, None, limit, looked_at, "the run does not say its steps")]
    ended = [s for s in planned if s.index in rows and min(_times_of(rows[s.index])) >= 0]
    times = [time for step in ended for time in _times_of(rows[step.index])]
    over = {s.index: (_length_ns(rows[s.index]) - _planned_ns(s)) / refresh_ns(run.flips) for s in ended}
    faults = {
        "never begun": [s for s in planned if s.index not in rows],
        "begun and never ended": [s for s in planned if s.index in rows and s not in ended],
        "ended too early": [s for s in ended if s.seconds is not None and over[s.index] < -LENGTH_PERIODS],
        "out of order": [s for s, back in zip(ended, _is_back(times), strict=True) if back],
        "longer than planned": [s for s in ended if over[s.index] > LENGTH_PERIODS],
    }
    return [_steps_finding(run, faults, limit, looked_at)]


def _steps_finding(run: Run, faults: dict[str, list[Step]], limit: str, looked_at: str) -> Finding:
    wrong = [step for steps in faults.values() for step in steps]
    if not wrong:
        return Finding("steps", "", Word.PASS, 0, limit, looked_at, f"all {len(run.steps)} steps were shown, in order")
    # A run that was stopped misses steps because of that, which its ending tells.
    is_excused = run.outcome is not Outcome.FINISHED and not faults["out of order"]
    is_only_long = len(wrong) == len(faults["longer than planned"])
    word = Word.WARN if is_excused or is_only_long else Word.FAIL
    text = "; ".join(f"{fault}: {', '.join(step.name for step in steps)}" for fault, steps in faults.items() if steps)
    where = ranges_of(np.array([step.index for step in wrong], np.int64))
    return Finding("steps", "", word, len({step.index for step in wrong}), limit, looked_at, text, where)


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
        return [Finding("late flips", "", Word.NOT_MEASURED, None, str(most), looked_at, "no flips", (), most.origin)]
    period, worst = float(np.median(intervals)), float(intervals.max())
    by_log, by_times = run.flips["late"][1:][within] > 0, intervals > LATE_PERIODS * period
    percent = 100 * max(int(by_log.sum()), int(by_times.sum())) / len(intervals)
    text = f"{by_log.sum()} late by the screen's log, {by_times.sum()} by the times, more than {LATE_PERIODS:g} periods"
    text += f" after the one before; median {period:.2f} ms, longest {worst:.1f} ms"
    where = ranges_of(np.asarray(run.flips["step"][1:][within][by_log | by_times], np.int64))
    value = round(percent, 3)
    return [Finding("late flips", "", graded(percent, most), value, str(most), looked_at, text, where, most.origin)]


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

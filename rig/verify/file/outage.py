"""How long nothing was recorded between a run that was cut and the one that goes on with its session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rig.clock import NS
from rig.errors import SessionError
from rig.session.folder import find_runs
from rig.session.reader import runs_of
from rig.session.run import Run
from rig.verify.findings import Finding, Word

SAME_BOOT_NS = 5 * NS  # what a time service may step; clocks that differ more are not of one boot


def check_outage(run: Run) -> list[Finding]:
    """The outage before a run that resumes another, and what it cut; nothing for a run that resumes none."""
    number = int(run.attributes("/").get("resumes", 0))
    if not number:
        return []
    limit, looked_at = "seconds without a frame are told", f"runs {number} and {run.number}"
    try:
        with _run_before(run, number) as before:
            text = f"goes on with run {number}, which was cut {_cut_in(before)}; {_spelled(before, run)}"
    except SessionError as error:
        text = f"goes on with run {number}, which cannot be read: {error}"
    return [Finding("ending", "", Word.WARN, None, limit, looked_at, text)]


@contextmanager
def _run_before(run: Run, number: int) -> Iterator[Run]:
    """The run of that number, with all its files. Raises SessionError."""
    groups, _ = runs_of(find_runs(run.path.parent))
    for files in groups:
        with Run(*files) as before:
            if before.number == number:
                yield before
                return
    raise SessionError(str(run.path.parent), f"does not hold run {number}")


def _cut_in(before: Run) -> str:
    if not len(before.trials):
        return "before its first step"
    row = before.trials[-1]
    index = int(row["step"])
    if not 0 <= index < len(before.steps):
        return f"at step {index}"
    step = before.steps[index]
    when = "in" if int(row["ended_host_ns"]) < 0 else "after"
    return f"{when} step {step.name}" + (f" of trial {step.trial}" if step.trial else "")


def _spelled(before: Run, run: Run) -> str:
    last = max((int(s.frames["arrived_host_ns"].max(initial=-1)) for s in before.streams.values()), default=-1)
    come = [int(s.frames["arrived_host_ns"].min()) for s in run.streams.values() if len(s.frames)]
    if last < 0 or not come:
        return "how long no frame was recorded cannot be told: one of the two has none"
    outage_ns = _between_ns(before, last, run, min(come))
    if outage_ns < 0:  # virtual time begins anew in each
        return "how long no frame was recorded cannot be told: their clocks cannot be compared"
    return f"no frame for {outage_ns / NS:.3f} s, from the last of run {before.number} to the first of run {run.number}"


def _between_ns(before: Run, last_ns: int, run: Run, first_ns: int) -> int:
    """By the host clock; across a restart of the machine, which sets it anew, by UTC."""
    by_host = first_ns - last_ns
    by_utc = _utc_ns(run, first_ns) - _utc_ns(before, last_ns)
    return by_host if abs(by_host - by_utc) < SAME_BOOT_NS else by_utc


def _utc_ns(run: Run, host_ns: int) -> int:
    try:
        made_ns = round(datetime.fromisoformat(run.created_utc).timestamp() * 1000) * (NS // 1000)
    except (ValueError, OverflowError, OSError):  # no date, or one that no calendar has
        made_ns = 0
    return made_ns + host_ns - run.created_host_ns

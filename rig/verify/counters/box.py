"""Holds the box's own report of a run against what the recorder was told: counts, late pulses, exposures it saw."""

from __future__ import annotations

from typing import Any

import numpy as np

from rig.session.pulses import pulses_known, pulses_sent
from rig.session.run import Run, Stream
from rig.streams import BOX_STATUS, GapCause
from rig.verify.counters.extras import Kind, extras_of
from rig.verify.findings import Finding, Word, counted
from rig.verify.wired import box_input

Report = Any  # one row, BOX_STATUS
FEW_BAD_FRAMES = 5  # damaged requests are repeated and do no harm; more of them say that the line is bad
WRAP = 1 << 32  # the box counts in 32 bits


def last_report(run: Run) -> Report | None:
    """What the box said after it had ended the recording run; None when it did not, or its end was never told."""
    ends = [e for e in run.log_of("ended") if e.get("run_id") == run.run_id]
    rows = run.box_reports[run.box_reports["run_id"] == run.run_id]
    if not ends or len(rows) == 0 or rows["box_ticks"][-1] < int(ends[-1].get("box_ticks", 0)):
        return None
    return rows[-1]


def report_before(run: Run) -> Report | None:
    """What the box said last before the recording run began, which is after the line walk; None without one."""
    rows = run.box_reports[run.box_reports["run_id"] != run.run_id]
    return rows[-1] if len(rows) else None


def check_box_report(run: Run) -> list[Finding]:
    """By its own count the box sent all pulses in time, and every event that it dropped was noticed."""
    limit, looked_at = "0 late; all counts equal", f"{len(run.box_reports)} reports of the box"
    last, before = last_report(run), report_before(run)
    if last is None:
        text = "the box did not say after the run how it went" if len(run.box_reports) else "the box made no report"
        expected = _has_reports(run)
        return [Finding("box report", "", Word.NOT_MEASURED, None, limit, looked_at, text, is_expected=expected)]
    since = before if before is not None else run.box_reports[0]
    dropped, bad_frames = _grown(since, last, "events_dropped"), _grown(since, last, "bad_frames")
    lost = _events_lost(run, since, last)
    late, sent = int(last["edges_late"]), int(last["pulses_sent"])
    events = counted(dropped, "event", "events")
    faults = [f"{counted(late, 'edge', 'edges')} of its pulses came late"] if late else []
    faults += [] if sent == pulses_sent(run) else [f"it counts {sent} pulses sent, and told {pulses_sent(run)}"]
    faults += [f"it dropped {events}, of which only {lost} were missed"] if dropped > lost else []
    warnings = [f"{events} dropped by the box, its queue being full"] if dropped else []
    warnings += [f"{counted(lost - dropped, 'event', 'events')} lost on the serial line"] if lost > dropped else []
    warnings += [f"{bad_frames} damaged requests on the serial line"] if bad_frames > FEW_BAD_FRAMES else []
    word = Word.FAIL if faults else Word.WARN if warnings else Word.PASS
    counts = f"{sent} pulses, {late} late, {dropped} events dropped, {bad_frames} damaged requests"
    text = "; ".join([*faults, *warnings, f"{counts}, at most {int(last['deepest_queue'])} events waited"])
    return [Finding("box report", "", word, late, limit, looked_at, text)]


def _has_reports(run: Run) -> bool:
    """Whether the box speaks the wire format, in which it can be asked how it is."""
    box = run.devices.get("box")
    abilities = box.get("capabilities") if isinstance(box, dict) else None
    return isinstance(abilities, dict) and "protocol" in abilities


def _grown(before: Report, after: Report, field: str) -> int:
    return (int(after[field]) - int(before[field])) % WRAP


def _events_lost(run: Run, since: Report, last: Report) -> int:
    """Events between two reports, by the box's own numbering, that never arrived."""
    until = _ahead(int(last["events_sent"]), int(since["events_sent"]))
    losses = run.log_of("events_lost")
    firsts = [_ahead(int(e["first_seq"]), int(since["events_sent"])) for e in losses]
    spans = [(max(0, first), min(until, first + int(e["count"]))) for first, e in zip(firsts, losses, strict=True)]
    return sum(max(0, end - begin) for begin, end in spans)


def _ahead(number: int, since: int) -> int:
    """How far one number of the box's 32 bits lies after another; negative: before it."""
    return (number - since + WRAP // 2) % WRAP - WRAP // 2


def check_exposures(run: Run) -> list[Finding]:
    """Each camera's ExposureActive line rose as often as the camera exposed: counted by the box, apart from pulses."""
    return [_exposures(run, stream) for stream in run.streams.values()]


def _exposures(run: Run, stream: Stream) -> Finding:
    number, last, before = box_input(run, stream.name), last_report(run), report_before(run)
    limit, looked_at = "every pulse, less those that rows say were not exposed", "0 exposures"
    if number is None or not 0 <= number < BOX_STATUS["input_rises"].shape[0]:
        text = "its ExposureActive line is not wired to the box"
        return Finding("exposures", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text)
    if last is None or before is None:
        text = "the box did not report its counts before and after the run"
        return Finding("exposures", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text, is_expected=True)
    if (stream.gaps["cause"] == int(GapCause.CAMERA_LOST)).any():
        text = "the camera was lost: whether it exposed then is not in any row"
        return Finding("exposures", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text, is_expected=True)
    seen = (int(last["input_rises"][number]) - int(before["input_rises"][number])) % WRAP
    fewest, most = _exposures_due(run, stream)
    sent, due = _pulses_on_line(run, stream), f"{fewest}" if fewest == most else f"{fewest} to {most}"
    looked_at = f"{seen} exposures, {sent} pulses on its line"
    if fewest <= seen <= most:
        faults = f", and as the rows of lost and of extra frames say ({due})" if due != f"{sent}" else ""
        text = f"exposed {seen} times by the box's own count of input {number}, for {sent} pulses{faults}"
        return Finding("exposures", stream.name, Word.PASS, seen, limit, looked_at, text)
    text = f"exposed {seen} times by the box's own count of input {number}; {due} by pulses and rows of the file"
    text += ": look at that cable" if seen == 0 else ""
    return Finding("exposures", stream.name, Word.FAIL, seen, limit, looked_at, text)


def _pulses_on_line(run: Run, stream: Stream) -> int:
    return -(-pulses_known(run) // stream.divisor)


def _exposures_due(run: Run, stream: Stream) -> tuple[int, int]:
    """Exposures by the pulses of its line, less the gaps that were not exposed, and with the extras; fewest and most.

    Of a frame that was lost and has no number, nothing but this count tells whether it was exposed.
    """
    gaps, extras = stream.gaps, extras_of(run, stream)
    unnumbered = int(np.maximum(0, gaps["missing"] - gaps["frames_exposed"]).sum())
    fewest = _pulses_on_line(run, stream) - unnumbered + extras.count(Kind.GHOST)
    return fewest, fewest + unnumbered + extras.count(Kind.UNCLEAR)

"""Checks the file itself: every picture against its checksum, no torn rows, and how the run ended."""

from __future__ import annotations

from math import isclose
from typing import Any

import numpy as np

from rig.session import layout
from rig.session.folder import is_run_name
from rig.session.layout import SCHEMA, Outcome
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.streams import EDGE, FLIP, FRAME, NO_PULSE, PULSE, GapCause, Status
from rig.verify.arms import at_stop, baselines
from rig.verify.file.outage import check_outage
from rig.verify.findings import Finding, Word, counted, ranges_of, spelled_pulses
from rig.verify.looks import looks

MOST_NAMED = 10  # entries in one text; the number of all is beside them
SAME = 1e-6  # relative difference of two floats that one register holds
_ENDS = {Outcome.FINISHED: Word.PASS, Outcome.STOPPED: Word.WARN, Outcome.WITHDRAWN: Word.WARN}


def check_checksums(run: Run) -> list[Finding]:
    """Every stored picture is what the camera delivered."""
    return [_checksums(run, stream, "checksums") for stream in run.streams.values()]


def check_walk_checksums(run: Run) -> list[Finding]:
    """The same for the pictures of the line walk."""
    walks = [stream for stream in run.walk_streams.values() if len(stream.frames)]
    return [_checksums(run, stream, "walk checksums") for stream in walks]


def _checksums(run: Run, stream: Stream, check: str) -> Finding:
    bad = np.flatnonzero(~looks(run, stream).is_good)
    damaged = np.flatnonzero(stream.frames["status"] != Status.OK)
    looked_at, limit = f"{len(stream.frames)} pictures", "0 changed"
    pulses = stream.pulse_numbers[damaged]
    incomplete = ranges_of(pulses[pulses != NO_PULSE], stream.divisor)
    note = f"the driver delivered {len(damaged)} incomplete" if len(damaged) else ""
    note += f": {spelled_pulses(incomplete)}" if incomplete else ""
    if len(bad):
        where = ranges_of(stream.pulse_numbers[bad], stream.divisor)
        pictures = counted(len(bad), "picture differs", "pictures differ")
        text = f"{pictures} from what the camera delivered: {spelled_pulses(where)}"
        text += f"; {note}" if note else ""
        return Finding(check, stream.name, Word.FAIL, len(bad), limit, looked_at, text, where)
    if note:
        text = f"all as delivered, but {note}"
        return Finding(check, stream.name, Word.WARN, len(damaged), limit, looked_at, text, incomplete)
    return Finding(check, stream.name, Word.PASS, 0, limit, looked_at, "all as the camera delivered them")


def check_rows(run: Run) -> list[Finding]:
    """The rows of every table follow each other without a hole; after the last one nothing is written, nor was lost."""
    tables = {layout.PULSES: PULSE, layout.EDGES: EDGE, layout.FLIPS: FLIP}
    tables |= {layout.frames_path(name): FRAME for name in run.streams}
    torn = []
    for path, dtype in tables.items():
        counts = [_up_to_hole(file.reserved(path, dtype)) for file in run.files]
        good, after, behind = map(sum, zip(*counts, strict=True))
        unfinished = after if run.outcome is Outcome.FINISHED else 0
        if behind or unfinished:
            torn.append(f"{path}: {counted(max(behind, unfinished), 'row', 'rows')} after row {good} cannot be read")
    looked_at = f"{len(tables)} tables"
    full = [f"{e['table']}: {e['rows']} rows did not fit into the room reserved" for e in run.log if "table" in e]
    if full and not torn:
        return [Finding("rows", "", Word.WARN, len(full), "0 holes", looked_at, "; ".join(full))]
    if torn:
        return [Finding("rows", "", Word.FAIL, len(torn), "0 holes", looked_at, "; ".join(torn))]
    return [Finding("rows", "", Word.PASS, 0, "0 holes", looked_at, "no holes")]


def _up_to_hole(rows: Rows) -> tuple[int, int, int]:
    """Of the rows of a table: those up to the first that was never written, those after, and of these the written."""
    good = len(layout.written(rows))
    return good, len(rows) - good, int((rows["seq"][good:] != 0).sum())


def check_tables(run: Run) -> list[Finding]:
    """Every table, text and attribute of the run is as it was when it was written for good, bit by bit."""
    sums = {(file.path.name, path): pair for file in run.files for path, pair in file.checksums.items()}
    name = "{1}" if len(run.files) == 1 else "{1} in {0}"
    changed = [name.format(*where) for where, (found, noted) in sums.items() if noted not in (None, found)]
    unknown = [name.format(*where) for where, (_, noted) in sums.items() if noted is None]
    looked_at, limit = f"{len(sums) - len(unknown)} checksums", "0 changed"
    if changed:
        text = f"not as they were written: {_listed(changed)}"
        return [Finding("tables", "", Word.FAIL, len(changed), limit, looked_at, text)]
    if unknown:
        text = f"without a checksum, as in a file that nobody closed: {_listed(unknown)}"
        return [Finding("tables", "", Word.NOT_MEASURED, None, limit, looked_at, text)]
    return [Finding("tables", "", Word.PASS, 0, limit, looked_at, "as they were written")]


def check_ending(run: Run) -> list[Finding]:
    """How the run ended, in the recorder's words; before that, which cameras were gone or are back."""
    said = [str(e.get("text", "")) for e in run.log if e.get("kind") in ("outcome", "recovered")]
    alarms = [str(e.get("text", "")) for e in run.log_of("alarm")]
    text, rest = str(run.outcome).replace("_", " "), said[-1] if said else ""
    if run.outcome is Outcome.INCOMPLETE:
        left = "the recorder was killed, lost power, or the disk refused its close"
        why = "it is being recorded right now" if run.is_being_recorded else left
        text, rest = f"incomplete: {why}", ""
    parts = [_gone(run, stream) for stream in run.streams.values()] + [_without_losses(run, rest)]
    told = "; ".join(part for part in parts if part)
    text += f": {told}" if told else ""
    if alarms:
        first = f", the first: {alarms[0]}" if alarms[0] not in text else ""  # the outcome tells alarms, too
        text += f"; {counted(len(alarms), 'alarm', 'alarms')}{first}" if first or len(alarms) > 1 else ""
    word = _ENDS.get(run.outcome, Word.FAIL)
    ending = Finding("ending", "", word, len(alarms), "finished", f"{len(run.log)} log entries", text)
    return [ending, *check_outage(run)]


def _gone(run: Run, stream: Stream) -> str:
    """From which pulses to which a camera was gone, and what was alarmed then; empty if it never was."""
    last = stream.pulse_numbers.max(initial=NO_PULSE)
    times = [
        f"from pulse {gap['first_pulse']} "
        + (f"to {gap['last_pulse']}, and is back" if gap["last_pulse"] < last else "on")
        for gap in stream.gaps
        if gap["cause"] == GapCause.CAMERA_LOST
    ]
    alarmed = "; ".join(_loss_alarms(run, stream))
    if not times:
        return alarmed
    return f"{stream.name} was gone {', again '.join(times)}" + (f" ({alarmed})" if alarmed else "")


def _loss_alarms(run: Run, stream: Stream) -> list[str]:
    """What was alarmed of a camera as a device: its driver's errors name it by its serial number."""
    own = run.log_of("alarm", stream.name)
    texts = [str(e.get("text", "")) for e in own]
    return list(dict.fromkeys(text for text in texts if stream.serial and f"({stream.serial})" in text))


def _without_losses(run: Run, said: str) -> str:
    """The recorder's list of alarms without those that `_gone` tells."""
    for name, stream in run.streams.items():
        for alarm in _loss_alarms(run, stream):
            own = f"{name}: {alarm}"
            said = said.replace(f"; {own}", "").replace(f"{own}; ", "").replace(own, "")
    return said


def check_schema(run: Run) -> list[Finding]:
    """The file holds what its description says, and nothing else."""
    found = [file.differences() for file in run.files]
    told = {
        "missing": [entry for each in found for entry in each.missing],
        "not as described": [entry for each in found for entry in each.other],
        "not described": [entry for each in found for entry in each.unknown],
    }
    count = sum(map(len, told.values()))
    word = Word.FAIL if count > len(told["not described"]) else Word.WARN if count else Word.PASS
    looked_at = counted(len(found), "file", "files")
    text = "; ".join([f"schema {run.schema}", *(f"{how}: {_listed(what)}" for how, what in told.items() if what)])
    return [Finding("schema", "", word, count, f"schema {SCHEMA}, 0 differences", looked_at, text)]


def _listed(entries: list[str], between: str = ", ") -> str:
    """The first of them, and how many more there are."""
    more = len(entries) - MOST_NAMED
    return between.join(entries[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def check_identity(run: Run) -> list[Finding]:
    """The names of file and folders say the subject, session and run that are written in the file."""
    limit, looked_at = "subject, session and run as in the file", run.path.name
    if run.misplaced:
        return [Finding("identity", "", Word.FAIL, None, limit, looked_at, run.misplaced)]
    own = f"subject {run.subject}, session {run.session}, run {run.number}"
    if not is_run_name(run.path.name):
        return [Finding("identity", "", Word.WARN, None, limit, looked_at, f"{own}; its file name does not say so")]
    return [Finding("identity", "", Word.PASS, None, limit, looked_at, own)]


def check_features(run: Run) -> list[Finding]:
    """The cameras' settings read the same whenever they were armed and stopped: none fell back to running free."""
    return [_features(run, stream) for stream in run.streams.values()]


def _features(run: Run, stream: Stream) -> Finding:
    arms = {epoch: dict(entry.get("features", {})) for epoch, entry in baselines(run, stream).items()}
    stops = {epoch: dict(entry.get("features", {})) for epoch, entry in at_stop(run, stream)}
    first = next(iter(arms.values()), {})
    # An arm without a stop is that of a camera that was lost; after the last one the settings must have been read.
    again = [(f" when armed again as arm {epoch}", read) for epoch, read in list(arms.items())[1:]]
    ends = [(f" by the end of arm {epoch}" if len(arms) > 1 else "", read) for epoch, read in stops.items() if read]
    changed = [change for when, read in [*again, *ends] for change in _changes(first, read, when)]
    looked_at = f"{len(first)} settings"
    if changed:
        looked_at += f", read {len(arms)} times when armed and {len(ends)} times at a stop"
        return Finding("features", stream.name, Word.FAIL, len(changed), "0 changed", looked_at, _listed(changed, "; "))
    if not first or not stops.get(max(arms)):
        text = "the settings were not read back at both ends"
        said = (None, "0 changed", "0 settings", text)
        return Finding("features", stream.name, Word.NOT_MEASURED, *said, is_expected=bool(first and stops))
    return Finding("features", stream.name, Word.PASS, 0, "0 changed", looked_at, "as armed")


def _changes(armed: dict[str, Any], later: dict[str, Any], when: str) -> list[str]:
    """Each setting that reads otherwise than when first armed, in words."""
    return [f"{k}: {armed[k]} became {later.get(k, 'unreadable')}{when}" for k in armed if _differs(armed, later, k)]


def _differs(armed: dict[str, Any], later: dict[str, Any], name: str) -> bool:
    """Whether a setting reads otherwise than at arm; the last digits of a float are no change."""
    before, after = armed[name], later.get(name)
    if isinstance(before, float) and isinstance(after, (int, float)):
        return not isclose(before, after, rel_tol=SAME)
    return bool(before != after)

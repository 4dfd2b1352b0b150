"""The events of a session as BIDS has them: a table, `..._events.tsv`, and beside it what its columns mean, `.json`.

A row is a line, whatever a participant has typed; see rig.session.cells.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rig.private import write_private
from rig.session import cells
from rig.session.events import Event
from rig.session.reader import Session

_SECONDS = "s"
_LEVELS = {
    **dict.fromkeys(
        ("consent", "instruction", "baseline", "wash-out", "clip", "question", "guess", "penalty", "debrief", "break",
         "marker"),
        "a step of this kind, from its first flip to its end",
    ),
    "answer": "of the participant to a question, or a guess of the operator, from being asked to the answer",
    "withdrawn": "the participant wanted no more",
    "declined": "the participant did not consent",
    "operator": "what the operator wanted: start, pause, go_on, repeat, skip or stop",
    "note": "by the operator or the recorder",
    "alarm": "sounded by the recorder",
    "gap": "pulses of a stream without a frame: frames were lost",
    "not_stored": "pulses whose frames were not stored on purpose",
    "outage": "nothing was recorded between one run and the next; value is how the first one ended",
    "unknown": "a step that the file does not describe",
}  # fmt: skip
COLUMNS: dict[str, dict[str, Any]] = {
    "onset": {
        "Description": "Begin, from the start of exposure of pulse 0 of the session, on the recording computer's clock",
        "Units": _SECONDS,
    },
    "duration": {"Description": "0: a moment; n/a: it never ended", "Units": _SECONDS},
    "trial_type": {"Description": "Kind of the step on the screen, or of what else happened", "Levels": _LEVELS},
    "value": {"Description": "What was answered, said or wrong, or why there are no frames. Of an answer n/a: skipped"},
    "question": {"Description": "Name of the question that was answered"},
    "step": {"Description": "Name of the step in the protocol"},
    "clip": {"Description": "Name of the film clip of that step"},
    "trial": {"Description": "Number of the trial, from 1; n/a: between trials"},
    "response_time": {"Description": "From being asked to the answer", "Units": _SECONDS},
    "first_move": {
        "Description": "From being asked to the first key or move of the pointer",
        "Units": _SECONDS,
    },
    "confidence": {"Description": "How sure the operator was of a guess, 1 to 5"},
    "is_right": {"Description": "Whether a guess was right", "Levels": {"true": "it was", "false": "it was not"}},
    "is_confirmed": {
        "Description": "Whether an answer was confirmed",
        "Levels": {"true": "it was, or was skipped", "false": "chosen or typed, and the page ended before it was"},
    },
    "source": {"Description": "Stream or device; or participant, operator, recorder"},
    "run": {"Description": "Number of the run in the session, from 1"},
}


def save_events(session: Session, folder: Path) -> Path:
    """Write table and description into `folder`, readable by the owner only; returns the table's path.

    The same session gives the same bytes. Raises Truncated when a run cannot be read, StorageError.
    """
    path = folder / _name(session)
    write_private(path.with_suffix(".json"), (json.dumps(COLUMNS, indent=2) + "\n").encode())
    write_private(path, table(session.events).encode())
    return path


def _name(session: Session) -> str:
    """As BIDS wants it, with the protocol as the task; without a run, since the table is of all of them."""
    first = session.runs[0]
    task = re.sub("[^A-Za-z0-9]", "", first.protocol) or "unknown"  # a label of BIDS has nothing else
    return f"sub-{first.subject}_ses-{first.session:02d}_task-{task}_events.tsv"


def table(events: list[Event]) -> str:
    """The events as tab-separated values, with a head."""
    return cells.table(Event._fields, events)

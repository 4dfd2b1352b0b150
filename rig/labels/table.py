"""Labels as a table of tab-separated values, with the frames and seconds of their marks, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rig.clock import NS
from rig.errors import SessionError, UserError
from rig.labels.label import KINDS, MARKS, Label, label_of, refuse_twins
from rig.session import cells

if TYPE_CHECKING:
    from rig.session.reader import Session

_PULSE = "pulse of the base stream within the run; n/a: not marked"
_FRAME = "index of that pulse's frame among the base stream's frames of the run, from 0; n/a: no frame of it"
_SECONDS = "start of exposure of that pulse, from pulse 0 of the session; n/a: nobody knows"
COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"Description": "Name of the label, never used again in this file"},
    "run": {"Description": "Number of the run, from 1"},
    "onset": {"Description": f"First moment of the expression: {_PULSE}"},
    "apex": {"Description": f"Moment at which it is strongest: {_PULSE}"},
    "offset": {"Description": f"Moment at which it is over: {_PULSE}"},
    **{f"{mark}_frame": {"Description": f"Of the {mark}: {_FRAME}"} for mark in MARKS},
    **{f"{mark}_s": {"Description": f"Of the {mark}: {_SECONDS}", "Units": "s"} for mark in MARKS},
    "kind": {"Description": "What it is", "Levels": KINDS},
    "emotion": {"Description": "What the face shows, in the coder's words"},
    "aus": {"Description": "FACS action units, joined by +, each with its side before it and its intensity behind"},
    "note": {"Description": "By the coder"},
    "uncertain": {"Description": "Whether the coder is", "Levels": {"true": "not sure", "false": "sure"}},
}
OURS = 'Mend it, or move it and the .json beside it out of "annotations"; nothing was overwritten'
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")


class _Moment(NamedTuple):
    frame_index: int | None
    at_s: float | None


def table_of(session: Session, labels: Sequence[Label]) -> str:
    """The table of these labels, by run and first mark."""
    runs = {label.run for label in labels}
    moments = {run: _moments(session, run, [label for label in labels if label.run == run]) for run in runs}
    rows = (_row(label, moments[label.run]) for label in sorted(labels, key=_place))
    return cells.table(list(COLUMNS), rows)


def _place(label: Label) -> tuple[int, float, str]:
    return label.run, min(label.marked, default=float("inf")), label.id


def _moments(session: Session, run: int, labels: Sequence[Label]) -> dict[int | None, _Moment]:
    """Frame and seconds of each pulse that is marked in a run, and of no pulse."""
    pulses = np.array(sorted({pulse for label in labels for pulse in label.marked}), np.int64)
    frames = session.run(run).base.index_at(pulses).tolist()
    line, offset_ns = session.placed_timelines[run]
    is_told = np.isin(pulses, line.pulse_numbers)
    places = np.searchsorted(line.pulse_numbers, pulses[is_told])
    seconds = (line.exposed_host_ns[places] - line.start_host_ns + offset_ns) / NS
    at_s = dict(zip(pulses[is_told].tolist(), seconds.tolist(), strict=True))
    found = {
        pulse: _Moment(None if frame < 0 else frame, at_s.get(pulse))
        for pulse, frame in zip(pulses.tolist(), frames, strict=True)
    }
    return {None: _Moment(None, None), **found}


def _row(label: Label, moments: Mapping[int | None, _Moment]) -> list[object]:
    marks = list(label.marks.values())
    frames, seconds = zip(*(moments[pulse] for pulse in marks), strict=True)
    texts = [text or None for text in (label.emotion, label.aus, label.note)]
    return [label.id, label.run, *marks, *frames, *seconds, label.kind, *texts, label.uncertain]


def labels_in(path: Path, data: bytes) -> tuple[Label, ...]:
    """The labels of a table. Raises SessionError."""
    try:
        text = data.decode()
        head, *rows = cells.lines_of(text) or [[]]
    except ValueError as exc:
        raise SessionError(str(path), f"is no table of ours: {exc}", hint=OURS) from None
    if head != list(COLUMNS):
        raise SessionError(f"{path}: line 1", "does not name our columns", allowed=" ".join(COLUMNS), hint=OURS)
    if not text.endswith("\n"):
        raise SessionError(f"{path}: line {len(rows) + 1}", "is broken off", hint=OURS)
    labels = tuple(_label(f"{path}: line {number}", row) for number, row in enumerate(rows, 2))
    try:
        refuse_twins(labels)
    except UserError as exc:
        raise SessionError(str(path), f"is damaged: {exc}", hint=OURS) from None
    return labels


def _label(line: str, row: list[str]) -> Label:
    if len(row) != len(COLUMNS):
        raise SessionError(line, f"has {len(row)} columns", allowed=str(len(COLUMNS)), hint=OURS)
    by_name = dict(zip(COLUMNS, row, strict=True))
    try:
        return label_of({field.name: _value(f"{line}, {field.name}", by_name[field.name]) for field in fields(Label)})
    except UserError as exc:
        raise SessionError(line, f"holds no label: {exc}", hint=OURS) from None


def _value(place: str, cell: str) -> object:
    """What a cell of the column at the end of `place` stands for. Raises SessionError."""
    column = place.rpartition(" ")[2]
    if column == "uncertain" and cell in ("true", "false"):
        return cell == "true"
    if column in MARKS and cell == cells.MISSING:
        return None
    if column in ("run", *MARKS) and _NUMBER.fullmatch(cell):
        return int(cell)
    try:
        if column in ("run", "uncertain", *MARKS):
            raise ValueError("is not allowed")
        return cells.text_of(cell)
    except ValueError as exc:
        raise SessionError(place, str(exc), value=f"{cell!r:.80}", hint=OURS) from None

"""Checks what single rows and attributes say: whether it can be at all, and whether pictures are what was asked for.

A row that was damaged, or written by another program, may count and pair as well as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.session import layout
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.streams import NO_COUNTER, NO_PULSE, Evidence, GapCause, Status
from rig.verify.arms import baselines
from rig.verify.findings import Finding, Word
from rig.verify.wired import rig_part

Column = NDArray[Any]
CanBe = Callable[[Column], NDArray[np.bool_]]

SLACK_NS = 2 * 10**9  # rows are made a little before the file is, and after its last word
EARLY_NS = 30 * 10**9  # clocks are paired before: while the box boots (4 s at most), and ends a run left over (20 s)
LONGEST_NS = 7 * 24 * 3600 * 10**9  # of a run that does not say when it ended
PICTURE = {"pixel_format": "PixelFormat", "width": "Width", "height": "Height"}  # attribute: feature


def _one_of(known: type[IntEnum], column: Column) -> NDArray[np.bool_]:
    return np.isin(column, [int(value) for value in known])


def _at_least(least: int, column: Column) -> NDArray[np.bool_]:
    return np.asarray(column >= least)


def _finite(column: Column) -> NDArray[np.bool_]:
    return np.isfinite(column)


def _is_flag(column: Column) -> NDArray[np.bool_]:
    return np.asarray(column <= 1)


def _is_length(column: Column) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(column) & (column >= 0))


def _within(first_ns: int, last_ns: int, column: Column) -> NDArray[np.bool_]:
    return np.asarray((column >= first_ns) & (column <= last_ns))


def _limits(run: Run) -> dict[str, Mapping[str, CanBe]]:
    """What each field of each kind of row can be, by the name of the kind; times lie within the run."""
    first_ns, last_ns = _span_ns(run)
    time, early_time = (partial(_within, first_ns - early_ns, last_ns) for early_ns in (0, EARLY_NS))
    count, pulse = partial(_at_least, 0), partial(_at_least, NO_PULSE)

    def time_or_open(column: Column) -> NDArray[np.bool_]:
        return np.asarray(time(column) | (column == -1))

    return {
        "frames": {
            "evidence": partial(_one_of, Evidence), "status": partial(_one_of, Status), "pulse_number": pulse,
            "counter": partial(_at_least, NO_COUNTER), "exposure_us": _is_length, "arrived_host_ns": time,
        },
        "gaps": {"cause": partial(_one_of, GapCause), "first_pulse": count, "frames_exposed": count},
        "extras": {"after_pulse": pulse, "frame_index": partial(_at_least, -1), "arrived_host_ns": time},
        "pulses": {"pulse_number": count, "box_ticks": count, "arrived_host_ns": time},
        "edges": {"level": _is_flag, "last_pulse": pulse, "box_ticks": count, "arrived_host_ns": time},
        "flips": {
            "step": partial(_at_least, -1), "film_frame": partial(_at_least, -1), "host_ns": time, "screen_s": _finite,
            "pts_s": _finite, "patch": _is_flag, "late": _is_flag, "underrun": _is_flag,
        },
        "clock pairs": {"host_before_ns": early_time, "host_after_ns": early_time},
        "trials": {"step": count, "onset_host_ns": time, "ended_host_ns": time_or_open},
        "not stored": {"first_pulse": count, "last_pulse": pulse},
        "syncs": {"oldest_arrived_host_ns": time_or_open, "returned_host_ns": time},
        "box reports": {"box_ticks": count, "arrived_host_ns": time},
    }  # fmt: skip


def _span_ns(run: Run) -> tuple[int, int]:
    """The host times that a row of the run can have."""
    ends = [int(entry["host_ns"]) for entry in run.log_of("outcome")]
    last = ends[-1] + SLACK_NS if ends else run.created_host_ns + LONGEST_NS
    return run.created_host_ns - SLACK_NS, last


def _tables(run: Run) -> list[tuple[str, str, str, Rows]]:
    """Kind, stream, name and rows of each table."""
    found = [
        ("pulses", "", layout.PULSES, run.pulses), ("pulses", "", layout.WALK_PULSES, run.walk_pulses),
        ("edges", "", layout.EDGES, run.edges), ("flips", "", layout.FLIPS, run.flips),
        ("clock pairs", "", layout.CLOCK_PAIRS, run.clock_pairs), ("trials", "", layout.TRIALS, run.trials),
        ("not stored", "", layout.NOT_STORED_ROWS, run.not_stored), ("syncs", "", layout.SYNCS, run.syncs),
        ("box reports", "", layout.BOX_REPORTS, run.box_reports),
    ]  # fmt: skip
    for name, stream in run.streams.items():
        walk = run.walk_streams[name]
        found += [
            ("frames", name, layout.frames_path(name), stream.frames),
            ("gaps", name, layout.gaps_path(name), stream.gaps),
            ("extras", name, layout.extras_path(name), stream.extras),
            ("frames", name, layout.frames_path(name, walk=True), walk.frames),
        ]  # fmt: skip
    return found


def check_values(run: Run) -> list[Finding]:
    """Every row says what its fields can say: known words, finite numbers, times within the run."""
    limits, tables = _limits(run), _tables(run)
    faults = [fault for kind, stream, path, rows in tables for fault in _faults(path, rows, limits[kind])]
    rows_seen = sum(len(rows) for _, _, _, rows in tables)
    looked_at, limit = f"{rows_seen} rows of {len(tables)} tables", "known words, finite numbers, times within the run"
    if faults:
        count = sum(bad for bad, _ in faults)
        text = "; ".join(told for _, told in faults[:10])
        return [Finding("values", "", Word.FAIL, count, limit, looked_at, text)]
    return [Finding("values", "", Word.PASS, 0, limit, looked_at, "every field is one that can be")]


def _faults(path: str, rows: Rows, limits: Mapping[str, CanBe]) -> list[tuple[int, str]]:
    """How many rows have a value that cannot be, for each field, and in words with the first of them."""
    found = []
    for field, can_be in limits.items():
        bad = np.flatnonzero(~can_be(rows[field]))
        if len(bad):
            text = f"{path}: {field} of {len(bad)} rows cannot be, the first {rows[field][bad[0]]} in row {bad[0]}"
            found.append((len(bad), text))
    return found


def check_pictures(run: Run) -> list[Finding]:
    """Format and size of the pictures are those that the camera had when armed, and that rig.yaml asks for."""
    asked = rig_part(run, "cameras")
    return [_pictures(run, stream, asked.get(stream.name)) for stream in run.streams.values()]


def _pictures(run: Run, stream: Stream, asked: object) -> Finding:
    stored = {"pixel_format": stream.pixel_format.name, "width": stream.width, "height": stream.height}
    sources = {"rig.yaml": asked if isinstance(asked, dict) else {}}
    for epoch, baseline in baselines(run, stream).items():
        features = baseline.get("features", {})
        armed = {key: features[name] for key, name in PICTURE.items() if name in features}
        sources[f"the camera, armed for epoch {epoch}"] = armed
    compared = [(key, stored[key], who, said[key]) for who, said in sources.items() for key in stored if key in said]
    looked_at = f"{len(compared)} settings"
    if not compared:
        text = "neither the camera nor rig.yaml says how its pictures are"
        return Finding("pictures", stream.name, Word.NOT_MEASURED, None, "equal", looked_at, text)
    faults = [f"{key} {ours}, but {theirs} by {who}" for key, ours, who, theirs in compared if ours != theirs]
    if faults:
        text = f"told otherwise than recorded: {'; '.join(faults[:6])}"
        return Finding("pictures", stream.name, Word.FAIL, len(faults), "equal", looked_at, text)
    text = f"{stream.width}x{stream.height} {stream.pixel_format.name}, as the camera was set"
    return Finding("pictures", stream.name, Word.PASS, 0, "equal", looked_at, text)

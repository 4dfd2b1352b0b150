"""What a replayed run is compared by with the run that was played: what verify says, check by check, and rows."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from rig.session.playback import run_meant
from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.verdict import CHECKS, Verdict, verify_run

OF_THE_NEW_RUN = {"identity", "files", "host clock", "acknowledged", "tables", "values", "disk", "ending"}
TABLES = (
    "acquisition/pulses", "acquisition/edges", "acquisition/box_status", "line_walk/pulses", "acquisition/clock_pairs",
    "stimulus/presentation/flips", "intervals/trials", "intervals/not_stored",
)  # fmt: skip
OF_STREAMS = ("acquisition/{}/frames", "acquisition/{}/gaps", "acquisition/{}/extras", "line_walk/{}/frames")


def verdict_of(path: Path) -> Verdict:
    """Of the run that a path means."""
    with Run(*run_meant(path)) as run:
        return verify_run(run)


def compared(verdict: Verdict) -> dict[str, list[Finding]]:
    """What each check says that is about cameras, box and screen."""
    names = [check.name for check in CHECKS if check.name not in OF_THE_NEW_RUN]
    return {name: [finding for finding in verdict.findings if finding.check == name] for name in names}


def in_short(findings: list[Finding]) -> list[tuple[str, Word, float | int | None]]:
    return [(finding.stream, finding.word, finding.value) for finding in findings]


def tables_of(file: h5py.File) -> list[str]:
    """Every table with rows that its devices told of."""
    return [*TABLES, *(path.format(name) for path in OF_STREAMS for name in json.loads(file.attrs["streams"]))]


def rows_of(file: h5py.File, path: str) -> np.ndarray:
    """The written rows of a table, without what names its run."""
    if path not in file:
        return np.zeros(0)
    found = file[path][:]
    found = found[found["seq"] > 0]
    if "run_id" in found.dtype.names:
        order = list(dict.fromkeys(found["run_id"].tolist()))
        found["run_id"] = [order.index(run_id) for run_id in found["run_id"].tolist()]
    return found

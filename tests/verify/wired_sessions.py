"""Small sessions in virtual time with ExposureActive lines at the box, and what checks find in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py

from rig.session.run import Run
from rig.verify.findings import Finding
from rig.verify.verdict import CHECKS
from tests.rigs import record, write_protocol, write_rig

INPUTS = "inputs: {HS: 0, VIS: 1, NIR: 2}"
Edit = Callable[[h5py.File], None]


def wired(
    folder: Path, seconds: float, *, faults: str = "", inputs: str = INPUTS, edits: dict[str, str] | None = None
) -> Path:
    """The run file of a session of so many seconds, without declared delays; `edits` change its rig.yaml."""
    folder.mkdir(exist_ok=True)
    rig = write_rig(folder, faults=faults)
    text = rig.read_text().replace("start_delay_us: 0, ", "").replace("rate_hz: 100}", f"rate_hz: 100, {inputs}}}")
    for old, new in (edits or {}).items():
        assert old in text
        text = text.replace(old, new)
    rig.write_text(text)
    return record(folder, rig, write_protocol(folder, ("still", seconds, "all"))).path


def found(path: Path, check: Callable[[Run], list[Finding]]) -> dict[str, Finding]:
    """What a check says, by stream."""
    with Run(path) as run:
        return {finding.stream: finding for finding in check(run)}


def said(path: Path, *names: str) -> dict[tuple[str, str], Finding]:
    """What the checks of these names say, by check and stream."""
    with Run(path) as run:
        own = [check for check in CHECKS if check.name in names]
        return {(finding.check, finding.stream): finding for check in own for finding in check.function(run)}


def changed(path: Path, folder: Path, edit: Edit) -> Path:
    """A copy of a run that was changed afterwards."""
    copy = folder / path.name
    shutil.copy(path, copy)
    copy.chmod(0o600)
    with h5py.File(copy, "r+") as file:
        edit(file)
    return copy

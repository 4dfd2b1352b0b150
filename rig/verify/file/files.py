"""Checks that a run which lies in several files is all there."""

from __future__ import annotations

from rig.session.run import Run
from rig.verify.findings import Finding, Word, counted


def check_files(run: Run) -> list[Finding]:
    """No file of the run is missing: not between those that are there, nor the first, nor one that followed."""
    missing, count = run.missing_files, len(run.files)
    looked_at = counted(count, "file", "files")
    if missing:
        text = f"not there, or not readable: {', '.join(missing)}; what they hold is missing from the run"
        return [Finding("files", "", Word.FAIL, len(missing), "0 missing", looked_at, text)]
    return [Finding("files", "", Word.PASS, 0, "0 missing", looked_at, "all of the run is there")]

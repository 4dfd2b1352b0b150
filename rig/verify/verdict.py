"""Runs every check on a run and says whether it is complete: every required check measured, and none failed.

The verdict file, beside the run, is JSON: `schema` 1, `kind` "rig-verdict", `run_file`, `subject`, `session`, `run`,
`run_id`, `rig`, `protocol`, `simulated`, `outcome`, `contents` (how much of everything the run held when it was judged,
and a checksum of it), `complete`, `missing` (required checks not measured), `unmeasured` (checks not measured though
the rig has what it takes), `words` (how many findings of each word) and `findings`, each with `check`, `stream`,
`word`, `value`, `limit`, `looked_at`, `text`, `ranges` (pairs of first and last pulse, film frame or step at fault),
`is_expected`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from rig import host
from rig.errors import NotASession, RigError
from rig.session.folder import beside, write_private
from rig.session.run import Run, Stream
from rig.verify import anchors, box, clocks, counters, extras, fields, files, flips, integrity
from rig.verify.findings import Check, Finding, Word

VERDICT_SCHEMA = 1
VERDICT_FILE = "verdict.json"

CHECKS = (
    Check("schema", integrity.check_schema),
    Check("identity", integrity.check_identity),
    Check("files", files.check_files),
    Check("pulses", counters.check_pulses),
    Check("box", counters.check_box),
    Check("box report", box.check_box_report, is_required=False),
    Check("exposures", box.check_exposures, is_required=False),
    Check("schedule", anchors.check_schedule),
    Check("frames", counters.check_frames),
    Check("extras", extras.check_extras),
    Check("recount", counters.check_recount),
    Check("order", counters.check_order),
    Check("pairing", counters.check_pairing),
    Check("line walk", anchors.check_line_walk),
    Check("preamble", anchors.check_preamble),
    Check("postamble", anchors.check_postamble),
    Check("evidence", clocks.check_evidence),
    Check("stamps", clocks.check_stamps),
    Check("intervals", clocks.check_intervals),
    Check("skew", clocks.check_skew, is_required=False),
    Check("box rate", clocks.check_box_rate),
    Check("host clock", clocks.check_host_clock, is_required=False),
    Check("steps", flips.check_steps),
    Check("film frames", flips.check_film_frames),
    Check("late flips", flips.check_late_flips, is_required=False),
    Check("photodiode", flips.check_photodiode, is_required=False),
    Check("acknowledged", clocks.check_acknowledged, is_required=False),
    Check("features", integrity.check_features, is_required=False),
    Check("checksums", integrity.check_checksums),
    Check("walk checksums", integrity.check_walk_checksums, is_required=False),
    Check("rows", integrity.check_rows),
    Check("tables", integrity.check_tables),
    Check("values", fields.check_values),
    Check("pictures", fields.check_pictures, is_required=False),
    Check("ending", integrity.check_ending),
)


@dataclass(frozen=True)
class Verdict:
    """What verify says about one run."""

    run_file: str
    subject: str
    session: int
    run: int
    run_id: int
    rig: str
    protocol: str
    simulated: bool
    outcome: str
    contents: dict[str, int]  # how much of everything the run held when it was judged
    findings: tuple[Finding, ...]

    @property
    def missing(self) -> list[str]:
        """Required checks that found nothing to look at, or something that they could not measure."""
        measured = {f.check for f in self.findings} - {f.check for f in self.findings if f.word is Word.NOT_MEASURED}
        return [check.name for check in CHECKS if check.is_required and check.name not in measured]

    @property
    def unmeasured(self) -> list[str]:
        """Checks that were not measured though this rig says it has what measures them."""
        return list(dict.fromkeys(f.check for f in self.findings if f.word is Word.NOT_MEASURED and f.is_expected))

    @property
    def is_complete(self) -> bool:
        """Every required check was measured, and nothing failed."""
        return not self.missing and all(f.word is not Word.FAIL for f in self.findings)

    def count(self, word: Word) -> int:
        """How many findings have this word."""
        return sum(f.word is word for f in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The verdict file's content."""
        head = {k: v for k, v in vars(self).items() if k != "findings"}
        return {
            "schema": VERDICT_SCHEMA,
            "kind": "rig-verdict",
            **head,
            "complete": self.is_complete,
            "missing": self.missing,
            "unmeasured": self.unmeasured,
            "words": {str(word): self.count(word) for word in Word},
            "findings": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Verdict:
        """The verdict that `to_json` wrote. Raises KeyError, TypeError or ValueError when it is something else."""
        head = {k: data[k] for k in cls.__dataclass_fields__ if k != "findings"}
        return cls(**head, findings=tuple(Finding.from_json(f) for f in data["findings"]))

    def is_of(self, run: Run) -> bool:
        """Whether it was this run that was judged, with all that it holds now."""
        return (self.run_id, self.outcome, self.contents) == (run.run_id, str(run.outcome), contents(run))


def verify_run(run: Run) -> Verdict:
    """Run every check. Reads every picture: about 5,000 a second. Never raises because of a bad run."""
    findings = tuple(finding for check in CHECKS for finding in _run_check(check, run))
    return Verdict(
        run.path.name, run.subject, run.session, run.number, run.run_id, run.rig, run.protocol, run.is_simulated,
        str(run.outcome), contents(run), findings,
    )  # fmt: skip


def contents(run: Run) -> dict[str, int]:
    """How many rows a run holds, and a checksum of all its tables and texts; -1 for what cannot be read.

    The same in a copy of its files, also in one whose pictures are compressed: frame rows hold each picture's checksum.
    """
    tables: dict[str, Callable[[], Sized]] = {
        "log": lambda: run.log, "pulses": lambda: run.pulses, "flips": lambda: run.flips,
        **{f"frames of {stream.name}": _frames_of(stream) for stream in run.streams.values()},
    }  # fmt: skip
    return {"checksum": _checksum(run), **{name: _count(rows) for name, rows in tables.items()}}


def _checksum(run: Run) -> int:
    """Of the checksums of its tables and texts: 53 bits of xxh3_64, as every reader of JSON has them."""
    try:
        sums = [(path, found) for file in run.files for path, (found, _) in file.checksums.items()]
    except RigError:
        return -1
    return xxhash.xxh3_64_intdigest(json.dumps(sums).encode()) >> 11


def _frames_of(stream: Stream) -> Callable[[], Sized]:
    return lambda: stream.frames


def _count(rows: Callable[[], Sized]) -> int:
    try:
        return len(rows())
    except RigError:
        return -1


def _run_check(check: Check, run: Run) -> list[Finding]:
    try:
        return check.function(run)
    except RigError as exc:
        return [Finding(check.name, "", Word.FAIL, None, "", "", f"cannot be checked: {exc}")]
    except Exception as exc:  # one crashing check must not hide what the others found
        text = f"the check itself failed on this file: {type(exc).__name__}: {exc}"
        return [Finding(check.name, "", Word.FAIL, None, "", "", text)]


def save(run_path: Path, verdict: Verdict) -> Path | None:
    """Write the verdict beside its run, at once or not at all, readable by the owner only; returns its path.

    None, and nothing is written, while the run is being recorded: it would be about less than the run.
    """
    if host.is_held(run_path):
        return None
    path = beside(run_path, VERDICT_FILE)
    text = json.dumps(verdict.to_json(), indent=1, ensure_ascii=False) + "\n"
    write_private(path, text.encode())
    return path


def load(run: Run) -> Verdict | None:
    """The verdict beside a run; None when it was never verified.

    Raises NotASession when the file is no verdict, or is older than the run.
    """
    path = beside(run.path, VERDICT_FILE)
    try:
        verdict = Verdict.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise NotASession(str(path), "is no verdict of ours", hint="Remove it and run rig verify again") from None
    if not verdict.is_of(run):
        raise NotASession(str(path), "is older than the run", hint="Run rig verify again")
    return verdict

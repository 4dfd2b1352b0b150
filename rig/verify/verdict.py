"""Runs every check on a run and says whether it is complete: every required check measured, and none failed.

The verdict file, beside the run, is JSON; rig.verify.verdict_file describes its keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xxhash

from rig.config.judging import WHY
from rig.errors import NotASession, RigError
from rig.private import write_private
from rig.session.folder import beside
from rig.session.run import Run, Stream
from rig.verify.clocks import box_rate, camera_clocks, exposed, free_run, host_clock, skew
from rig.verify.counters import anchors, box, counts, extras
from rig.verify.file import fields, files, integrity, telemetry
from rig.verify.findings import Check, Finding, Word
from rig.verify.pictures import health
from rig.verify.pixels import sync_leds
from rig.verify.required import UNREADABLE, missing, required
from rig.verify.screen import film, flips, light, sound
from rig.verify.tolerances import Origin
from rig.verify.verdict_file import VERDICT_SCHEMA, VerdictFile

VERDICT_FILE = "verdict.json"

# Why each matters stands in rig.config.judging.WHY, in this order; what "required" means in rig.verify.required.
CHECKS = (
    Check("schema", integrity.check_schema, "differences"),
    Check("identity", integrity.check_identity),
    Check("files", files.check_files, "files"),
    Check("pulses", counts.check_pulses, "pulses"),
    Check("box", counts.check_box, "faults"),
    Check("box report", box.check_box_report, "late edges", needs="a box that can be asked how it went"),
    Check("exposures", box.check_exposures, "exposures", is_required=False),
    Check("schedule", anchors.check_schedule, "us"),
    Check("frames", counts.check_frames, "lost frames"),
    Check("extras", extras.check_extras, "frames"),
    Check("recount", counts.check_recount, "differences"),
    Check("order", counts.check_order, "frames"),
    Check("pairing", counts.check_pairing, "frames"),
    Check("line walk", anchors.check_line_walk, "frames"),
    Check("preamble", anchors.check_preamble, "pulse"),
    Check("postamble", anchors.check_postamble, "pulse"),
    Check("evidence", camera_clocks.check_evidence, "kind of evidence"),
    Check("stamps", camera_clocks.check_stamps, "ms"),
    Check("intervals", camera_clocks.check_intervals, "ms"),
    Check("free run", free_run.check_free_run, "ppm", needs="frames on end for some seconds"),
    Check("skew", skew.check_skew, "ms"),
    Check("exposure time", exposed.check_exposure_time, "us", is_required=False),
    Check("midpoints", skew.check_midpoints, "ms", is_required=False),
    Check("box rate", box_rate.check_box_rate, "ppm"),
    Check("host clock", host_clock.check_host_clock, "ppm", needs="a clock that nothing slews (virtual time has none)"),
    Check("steps", flips.check_steps, "steps"),
    Check("film frames", film.check_film_frames, "film frames"),
    Check("film cadence", film.check_film_cadence, "refreshes"),
    Check("film drift", film.check_film_drift, "ms"),
    Check("sound", sound.check_sound, "ms", needs="films that are played with their sound"),
    Check("late flips", flips.check_late_flips, "%"),
    Check("photodiode", light.check_photodiode, "ms", is_required=False),
    Check("acknowledged", telemetry.check_acknowledged, "ms"),
    Check("features", integrity.check_features, "settings", needs="cameras whose settings can be read back"),
    Check("sync LEDs", sync_leds.check_pixels, "frames", needs="sync LEDs in a camera's view"),
    Check("checksums", integrity.check_checksums, "pictures"),
    Check("walk checksums", integrity.check_walk_checksums, "pictures", needs="pictures of a line walk"),
    Check("rows", integrity.check_rows, "holes"),
    Check("tables", integrity.check_tables, "tables and texts"),
    Check("values", fields.check_values, "rows"),
    Check("pictures", fields.check_pictures, "settings"),
    Check("saturation", health.check_saturation, "%"),
    Check("darkness", health.check_darkness, "%"),
    Check("blur", health.check_blur, "px", needs="something with edges in view"),
    Check("flicker", health.check_flicker, "%", needs="lamps whose beat the camera can see"),
    Check("leak", health.check_leak, "%", needs="lamps that flash"),
    Check("frozen", health.check_frozen, "frames"),
    Check("temperature", telemetry.check_temperature, "degrees Celsius", needs="cameras that tell their temperature"),
    Check("disk", telemetry.check_disk, "%", needs="telemetry, and real time"),
    Check("ending", integrity.check_ending, "alarms"),
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
    contents: dict[str, int]  # how much of everything the run held when it was judged, and a checksum of it
    required: tuple[str, ...]  # checks that must be measured
    required_by: str  # who says so: default or protocol
    missing: tuple[str, ...]  # those of them that were not
    findings: tuple[Finding, ...]

    @property
    def unmeasured(self) -> list[str]:
        """Checks that were not measured though this rig says it has what measures them."""
        return list(dict.fromkeys(f.check for f in self.findings if f.word is Word.NOT_MEASURED and f.is_expected))

    @property
    def is_complete(self) -> bool:
        """Every required check was measured, and nothing failed."""
        return not self.missing and all(f.word is not Word.FAIL for f in self.findings)

    @property
    def summary(self) -> str:
        """Complete or not, and what is behind it."""
        failed, warned = self.checks_with(Word.FAIL), self.checks_with(Word.WARN)
        if self.is_complete:
            return "complete" + (f", to look at: {', '.join(warned)}" if warned else "")
        parts = [f"failed: {', '.join(failed)}"] if failed else []
        parts += [f"required but not measured: {', '.join(self.missing)}"] if self.missing else []
        return f"NOT complete: {'; '.join(parts)}"

    @property
    def narrowed(self) -> str:
        """Which checks the protocol leaves out of those that usually must be measured, one sentence; empty: none."""
        if self.required_by != Origin.PROTOCOL or UNREADABLE in self.required:
            return ""
        left_out = [check.name for check in CHECKS if check.is_required and check.name not in self.required]
        return f"Usually required, and left out by the protocol: {', '.join(left_out)}." if left_out else ""

    @property
    def headline(self) -> str:
        """What a reader has to know first: complete or not, and when the participant saw the film."""
        return f"{self.summary}. {light.stimulus_onset(self.findings)}"

    def checks_with(self, word: Word) -> list[str]:
        """Names of checks of which a finding has this word."""
        return list(dict.fromkeys(finding.check for finding in self.findings if finding.word is word))

    def count(self, word: Word) -> int:
        """How many findings have this word."""
        return sum(f.word is word for f in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The verdict file's content."""
        head = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items() if k != "findings"}
        return {
            "schema": VERDICT_SCHEMA,
            "kind": "rig-verdict",
            **head,
            "complete": self.is_complete,
            "headline": self.headline,
            "unmeasured": self.unmeasured,
            "words": {str(word): self.count(word) for word in Word},
            "why": dict(WHY),
            "findings": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, text: bytes) -> Verdict:
        """The verdict that `to_json` wrote. Raises ValueError when it is something else."""
        data = VerdictFile.model_validate_json(text).model_dump(mode="json")
        head = {k: data[k] for k in cls.__dataclass_fields__ if k != "findings"}
        lists = {k: tuple(data[k]) for k in ("required", "missing")}
        return cls(**head | lists, findings=tuple(Finding.from_json(f) for f in data["findings"]))

    def is_of(self, run: Run) -> bool:
        """Whether it was this run that was judged, with all that it holds now."""
        return (self.run_id, self.outcome, self.contents) == (run.run_id, str(run.outcome), contents(run))


def verify_run(run: Run) -> Verdict:
    """Run every check. Reads every picture. Never raises because of a bad run.

    The run is opened with `by_leds=False`: it is judged by its own evidence, not by what an earlier verdict read.
    """
    if run.by_leds:
        raise ValueError(f"{run.path} goes by its sync LEDs; open it with by_leds=False to judge it")
    findings = tuple(finding for check in CHECKS for finding in _run_check(check, run))
    asked = required(run, CHECKS)
    return Verdict(
        run.path.name, run.subject, run.session, run.number, run.run_id, run.rig, run.protocol, run.is_simulated,
        str(run.outcome), contents(run), asked.names, str(asked.origin), missing(asked, CHECKS, findings), findings,
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
        return [replace(finding, unit=check.unit) for finding in check.function(run)]
    except RigError as exc:
        return [Finding(check.name, "", Word.FAIL, None, "", "", f"cannot be checked: {exc}")]
    except Exception as exc:  # one crashing check must not hide what the others found
        text = f"the check itself failed on this file: {type(exc).__name__}: {exc}"
        return [Finding(check.name, "", Word.FAIL, None, "", "", text)]


def save(run_path: Path, verdict: Verdict) -> Path:
    """Write the verdict beside its run, at once or not at all, readable by the owner only; returns its path.

    Not of a run that was being recorded when it was judged: it would be about less than the run. Raises StorageError.
    """
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
        verdict = Verdict.from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise NotASession(str(path), "is no verdict of ours", hint="Remove it and run rig verify again") from None
    if not verdict.is_of(run):
        raise NotASession(str(path), "is older than the run", hint="Run rig verify again")
    return verdict

"""Holds a verdict against what was really committed, as a whole and by each line of evidence alone.

A line of evidence finds a fault by a finding above PASS on the right stream and at the right pulses; what is no matter
of pulses, only by a check that TOLD_BY names. Checks only ask whether what frames claim is right, and claims rest on
numbers and timestamps together. So what counters, clocks and LEDs say of lost and doubled frames without any claim
(tests/alone.py) counts for them as well, and the checks that take claims as they are make a line of their own. What
verify as a whole finds is counted by its findings only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rig.session.run import Run
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.alone import odd_by_clock, odd_by_counts, odd_by_leds
from tests.fault_kinds import plan_of
from tests.faulty import STREAMS, Place, committed, recorded

COUNTERS, CLOCKS, PIXELS, PAIRING = "counters", "clocks", "pixels", "pairing"
LINE, SCREEN, FILE = "exposure line", "screen", "file"
LINES: dict[str, tuple[str, ...]] = {  # each check belongs to one line of evidence
    COUNTERS: ("pulses", "box", "box report", "line walk"),
    CLOCKS: ("schedule", "preamble", "postamble", "evidence", "stamps", "intervals", "free run", "box rate",
             "host clock"),
    PIXELS: ("sync LEDs", "saturation", "darkness", "blur", "flicker", "leak", "frozen"),
    PAIRING: ("frames", "extras", "recount", "order", "pairing"),
    LINE: ("exposures", "skew", "exposure time", "midpoints"),
    SCREEN: ("steps", "film frames", "film cadence", "film drift", "late flips", "photodiode", "sound"),
    FILE: ("schema", "identity", "files", "acknowledged", "features", "checksums", "walk checksums", "rows", "tables",
           "values", "pictures", "temperature", "disk", "ending"),
}  # fmt: skip
LINE_OF = {check: line for line, checks in LINES.items() for check in checks}
OF_PAIRS = ("skew", "midpoints")
ALONE = "alone"  # in the place of a check: what tests/alone.py says
TOLD_BY: dict[str, tuple[str, ...]] = {  # by kind of fault, what may count for it; kinds not here: all, at the pulses
    "frame of a former arm": ("extras", ALONE),
    "no trigger at all": ("line walk", "frames", ALONE),
    "swapped cables": ("line walk", "preamble", "free run", "sync LEDs", "frames", "extras", ALONE),
    "free run": ("free run", "stamps", "skew", "sync LEDs", ALONE),
    "camera's clock off": ("stamps",),
    "timestamps off": ("stamps", "intervals"),
    "starts jitter": (*OF_PAIRS, "stamps", "intervals"),
    "wrong edge": OF_PAIRS,
    "undeclared delay": OF_PAIRS,
    "box rate off": ("box rate",),
    "box reset": ("box",),
    "NTP slew": ("host clock",),
    "LEDs out of view": ("sync LEDs",),
    "saturation": ("saturation",),
    "underexposure": ("darkness",),
    "defocus": ("blur",),
    "NIR leak": ("leak",),
    "mains ripple": ("flicker",),
    "recorder's count wrong": ("recount",),
    "flips dropped": ("late flips",),
    "flips late": ("late flips",),
    "display jitter": ("photodiode",),
    "no photodiode": ("photodiode",),
}  # fmt: skip
ON_ALL = {"mains ripple": ("flicker",)}  # what one light does to each camera that sees it


@dataclass(frozen=True)
class Result:
    """What became of one session."""

    seed: int
    kind: str
    amount: str
    is_clean: bool  # nothing is wrong with it, or less than the tolerance
    places: int  # faults committed
    found: dict[str, int]  # of them, by line of evidence
    by_verify: int  # of them, by findings of any check
    missed: tuple[Place, ...]
    alarms: tuple[str, ...]  # in a clean session all above PASS, else WARN and FAIL of cameras with nothing wrong
    doubts: int  # of a clean session: streams that a line of evidence alone says something of
    is_complete: bool
    seconds: float

    @property
    def is_right(self) -> bool:
        """Every fault found and nothing told of other cameras; or nothing found at all and the session complete."""
        is_as_due = self.is_complete if self.is_clean else not self.missed and self.places > 0
        return is_as_due and not self.alarms

    def __str__(self) -> str:
        """The session, and what is wrong with its verdict; else by which lines its faults were found."""
        return f"seed {self.seed}: {self.kind} ({self.amount}): {self._spelled()}"

    def _spelled(self) -> str:
        if self.missed:
            places = ", ".join(f"{place.stream or 'run'} {place.first}" for place in self.missed[:6])
            return f"missed {len(self.missed)} of {self.places}: {places}"
        if self.is_clean:
            return "; ".join(self.alarms[:4]) or ("complete" if self.is_complete else "not complete")
        if self.alarms:
            return f"told where nothing is wrong: {'; '.join(self.alarms[:4])}"
        by = ", ".join(f"{line} {count}" for line, count in self.found.items() if count)
        return f"{self.by_verify} of {self.places} found; {by}" if self.places else "nothing was committed"


def run_seed(seed: int) -> Result:
    """Record the session of a seed, judge it, and hold the verdict against the truth."""
    began = time.perf_counter()
    kind, plan = plan_of(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = recorded(plan, Path(folder))
        places = committed(plan, path)
        with Run(path) as run:
            verdict = verify_run(run)
            above = [finding for finding in verdict.findings if is_above(finding)]
            told = [Mark(LINE_OF[f.check], f.check, _streams(run, f), f.ranges) for f in above]
            alone = _alone(run)
            elsewhere = [finding for finding in above if _is_elsewhere(run, finding, kind.name, places)]
    told, lone = _that_count(told, kind.name), _that_count(alone, kind.name)
    by_verify = _covered(places, told)
    found = {line: len(_covered(places, [mark for mark in told + lone if mark.line == line])) for line in LINES}
    is_clean = kind.is_clean or not plan.is_above
    return Result(
        seed, kind.name, plan.amount, is_clean, len(set(places)),
        found, len(by_verify), () if is_clean else tuple(p for p in dict.fromkeys(places) if p not in by_verify),
        tuple(map(_spelled, above if is_clean else elsewhere)), len(alone) if is_clean else 0,
        verdict.is_complete, time.perf_counter() - began,
    )  # fmt: skip


def is_above(finding: Finding) -> bool:
    """Whether a finding tells a fault: above PASS, or not measured though the rig has what measures it."""
    return finding.word in (Word.WARN, Word.FAIL) or (finding.word is Word.NOT_MEASURED and finding.is_expected)


def _spelled(finding: Finding) -> str:
    return f"{finding.check} {finding.stream} {finding.word}: {finding.text[:160]}"


def _is_elsewhere(run: Run, finding: Finding, kind: str, places: list[Place]) -> bool:
    """Whether a finding blames cameras with which nothing is wrong, at pulses where nothing is wrong with any."""
    if finding.word is Word.NOT_MEASURED or finding.check in ON_ALL.get(kind, ()):
        return False
    base = {run.base.name} if finding.check == "pairing" else set()  # it says that the base lacks frames
    about = {*_streams(run, finding), *base}
    at_pulses = [place for place in places if place.first != NO_PULSE]
    is_hit = bool(about & {place.stream for place in places}) or any(_overlaps(finding.ranges, p) for p in at_pulses)
    return bool(about & set(STREAMS)) and not is_hit


# Lines of evidence ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """That a line of evidence finds something wrong with a stream; `ranges`: at which pulses, none where it is all."""

    line: str
    check: str
    streams: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]


def _alone(run: Run) -> list[Mark]:
    """What counters, clocks and LEDs say of each stream without any claim."""
    marks = []
    for name, stream in run.streams.items():
        by_counts, is_count_right = odd_by_counts(run, stream)
        marks += [] if is_count_right else [Mark(COUNTERS, ALONE, (name,), ())]
        found = {COUNTERS: by_counts, CLOCKS: odd_by_clock(run, stream), PIXELS: odd_by_leds(run, stream)}
        ranges = {line: tuple((p, p) for p in sorted(pulses)) for line, pulses in found.items() if pulses}
        marks += [Mark(line, ALONE, (name,), own) for line, own in ranges.items()]
    return marks


def _that_count(marks: list[Mark], kind: str) -> list[Mark]:
    """Those that say what this kind of fault is."""
    return [mark for mark in marks if kind not in TOLD_BY or mark.check in TOLD_BY[kind]]


def _covered(places: Iterable[Place], marks: list[Mark]) -> set[Place]:
    return {place for place in places if any(_covers(mark, place) for mark in marks)}


def _streams(run: Run, finding: Finding) -> tuple[str, ...]:
    """What a finding is about: of a pair of cameras both; a pair with the base is called by the other one."""
    if finding.check in OF_PAIRS and "-" not in finding.stream:
        return (finding.stream, run.base.name)
    return tuple(finding.stream.split("-"))


def _covers(mark: Mark, place: Place) -> bool:
    return place.stream in mark.streams and _overlaps(mark.ranges, place)


def _overlaps(ranges: tuple[tuple[int, int], ...], place: Place) -> bool:
    """Whether ranges meet a place, or lie beside it: a ghost is told by the pulse before it or by the one after."""
    beside = {**STREAMS, "": 1}.get(place.stream, 0)
    is_anywhere = place.first == NO_PULSE
    return is_anywhere or any(a <= place.last + beside and b >= place.first - beside for a, b in ranges)

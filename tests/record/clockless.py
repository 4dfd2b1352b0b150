"""The fault schedules on cameras without timestamps and counter: what may be claimed of them, and whether it is true.

Without numbers that are sure nobody can tell a ghost, or a frame of a former arm, from a frame of a pulse. Where none
came the losses are counted exactly; else pulses less frames is exact, and so many or more are lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.session.folder import beside
from rig.session.run import Run, Stream
from rig.sim.faults import Committed, Fault, extras, lost_pulses, read_truth
from rig.streams import NO_PULSE, Evidence
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.burnt_in import burnt_in_number
from tests.record.schedules import DIVISORS, schedule
from tests.rigs import record, write_protocol, write_rig

UNTOLD = (Fault.GHOST_FRAME, Fault.STALE_FRAME)  # frames too many that look like any other


@dataclass(frozen=True)
class Clockless:
    """What the rows of one stream say, and what happened."""

    stream: str
    missing: int
    lost: int
    extras: int
    net: int  # pulses less frames, duplicates left out
    has_untold: bool
    is_held_by_gaps: bool  # whether each lost pulse lies in a gap
    numbered: int
    wrong: list[tuple[int, int]]  # pulse of a frame, and the one burnt into its picture
    replaced: int  # ghosts in the very place of a lost frame, which nothing recorded tells from it (decision 17)
    faults: tuple[str, ...]  # what verify finds that must not be

    @property
    def is_exact(self) -> bool:
        """Whether all that is claimed is true, and all is claimed that can be known."""
        counts = self.missing - self.extras == max(self.net, -self.extras) and self.missing <= self.lost
        is_counted = counts if self.has_untold else self.missing == self.lost
        return is_counted and self.is_held_by_gaps and not self.wrong and not self.faults

    def __str__(self) -> str:
        wrong = f"{len(self.wrong)} wrong numbers: {self.wrong[:3]}, " if self.wrong else ""
        counts = f"{self.missing} missing, {self.extras} extras, {self.lost} lost, net {self.net}"
        return f"{self.stream}: {wrong}{counts}, held {self.is_held_by_gaps}{''.join(f'; {f}' for f in self.faults)}"


def make_clockless(rig: Path, streams: Iterable[str] = DIVISORS) -> Path:
    """The same rig, whose cameras of `streams` have neither timestamps nor a counter."""
    text = rig.read_text()
    for name in streams:
        clockless = f"serial: SIM-{name}, simulated: {{timestamps: false, counter: none}},"
        text = text.replace(f"serial: SIM-{name},", clockless)
    rig.write_text(text)
    return rig


def run_clockless(folder: Path, seed: int) -> list[Clockless]:
    """Record a session under the schedule of a seed, and see what is said of each stream."""
    plan = schedule(seed)
    rig = make_clockless(write_rig(folder, seed=seed, faults=plan.faults))
    recorded = record(folder, rig, write_protocol(folder, ("still", plan.seconds, "all")))
    truth = read_truth(beside(recorded.path, "truth.jsonl"))
    with Run(recorded.path) as run:
        return [_compare(run, name, truth) for name in DIVISORS]


def _compare(run: Run, name: str, truth: list[Committed]) -> Clockless:
    stream, lost = run.streams[name], lost_pulses(truth, name)
    gaps = [(int(g["first_pulse"]), int(g["last_pulse"])) for g in stream.gaps]
    twice = int(_is_repeated(stream).sum())
    wrong = _wrong(stream)
    replaced = {pulse for pulse, burnt in wrong if burnt == NO_PULSE and pulse in lost}
    certain = (stream.pulse_numbers == NO_PULSE) & (stream.frames["evidence"] != int(Evidence.NONE))
    return Clockless(
        name,
        missing=int(stream.gaps["missing"].sum()),
        lost=len(lost),
        extras=int(certain.sum()) - twice,
        net=len(range(0, len(run.pulses), stream.divisor)) - len(stream.frames) + twice,
        has_untold=any(extra.fault in UNTOLD for extra in extras(truth, name)),
        is_held_by_gaps=not stream.gaps["missing"].sum()
        or all(any(a <= p <= b for a, b in gaps) for p in {*lost} - replaced),
        numbered=int((stream.pulse_numbers != NO_PULSE).sum()),
        wrong=[(pulse, burnt) for pulse, burnt in wrong if pulse not in replaced],
        replaced=len(replaced),
        faults=_faults(run, name),
    )


def _is_repeated(stream: Stream) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Frames that have the number of the one before."""
    frames = stream.frames
    same = (np.diff(frames["frame_number"].astype(np.int64)) == 0) & (np.diff(frames["epoch"].astype(np.int64)) == 0)
    return np.r_[False, same][: len(frames)]


def _wrong(stream: Stream) -> list[tuple[int, int]]:
    told = zip(stream.pulse_numbers.tolist(), (burnt_in_number(picture) for picture in stream.data), strict=False)
    return [(pulse, burnt) for pulse, burnt in told if pulse not in (NO_PULSE, burnt)]


def _faults(run: Run, name: str) -> tuple[str, ...]:
    """Rows that a second count does not find, and pictures that are not those of their rows."""
    findings = [f for f in verify_run(run).findings if f.check in ("recount", "checksums")]
    return tuple(f"{f.check}: {f.text}" for f in findings if f.stream in ("", name) and f.word is Word.FAIL)

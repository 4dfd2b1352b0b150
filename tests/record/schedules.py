"""Seeded schedules of what goes wrong with cameras, and whether the session recorded under them says exactly that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from rig.record.keeping import Counts
from rig.session.folder import beside
from rig.session.run import Run, Stream
from rig.sim.faults import Committed, Fault, extras, lost_pulses, read_truth
from rig.streams import NO_PULSE
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig

DIVISORS = {"HS": 1, "VIS": 4, "NIR": 4}
GROUP = 4
SINGLES = (
    "lost_frames",
    "unnumbered_frames",
    "lost_pulses",
    "ghost_frames",
    "duplicate_frames",
    "late_frames",
    "damaged_frames",
)
SPANS = ("stalls", "timeouts", "long_exposures", "overheatings", "clock_steps")
FLAGS = ("bumped_numbers", "kept_numbers", "wrapping_numbers", "stale_frames", "scribbles")
AWAY = (Fault.DISCONNECTED, Fault.BUS_RESET)
COUNTERS = ("line", "frame", "none")
SECONDS, LONGER_SECONDS = 5, 8
IN_BODY, LAST_IN_BODY = 40, 360
WHOLE_RUN = 520  # of about 525 pulses


@dataclass(frozen=True)
class Schedule:
    """The faults of one seed, as rig.yaml has them, and how long the session is."""

    faults: str
    seconds: float
    counter: str  # what the cameras' trigger counters count


def schedule(seed: int) -> Schedule:
    """By turns: one or two cameras go away, for good or not, in mid-run; losses from the first pulse to the last; and
    some of everything in the body. The kind of trigger counter goes round more slowly.
    """
    rng = np.random.default_rng((seed, 2026))
    chosen: dict[str, object] = {name: int(rng.integers(0, 5)) for name in SINGLES}
    chosen |= {name: int(rng.random() < 0.35) for name in SPANS}
    chosen |= {name: "true" for name in FLAGS if rng.random() < 0.25}
    chosen["first_frame_delay_s"] = float(rng.choice([0.0, 0.0, 0.4]))
    first, last = (_away, _whole_run, _body)[seed % 3](chosen, rng)
    text = ", ".join(f"{name}: {value}" for name, value in chosen.items() if value or name == "away_s")
    seconds = SECONDS if seed % 3 else LONGER_SECONDS
    return Schedule(f"{text}, first_pulse: {first}, last_pulse: {last}", seconds, COUNTERS[seed // 3 % 3])


def _away(chosen: dict[str, object], rng: np.random.Generator) -> tuple[int, int]:
    """A clock may be set as well, of the same camera or another."""
    steps = int(rng.integers(0, 2))
    chosen |= dict.fromkeys(SPANS, 0) | {"clock_steps": steps}
    key = ("disconnects", "bus_resets")[int(rng.integers(0, 2))]
    chosen[key] = int(rng.integers(1, 3)) if key == "disconnects" else 1
    chosen["away_s"] = float(rng.choice([0.3, 0.8, 1.7, 0.0], p=[0.3, 0.3, 0.3, 0.1]))
    first = int(rng.choice([60, 300]))
    return first, first + 200


def _whole_run(chosen: dict[str, object], rng: np.random.Generator) -> tuple[int, int]:
    """Nothing that is delivered late, as the cameras are stopped soon after the last pulse."""
    chosen |= dict.fromkeys(SPANS, 0) | {"late_frames": 0}
    return 0, WHOLE_RUN


def _body(chosen: dict[str, object], rng: np.random.Generator) -> tuple[int, int]:
    return IN_BODY, LAST_IN_BODY


@dataclass(frozen=True)
class Outcome:
    """What one stream's rows say, and what happened: pulses without a frame, and pulses after which extras came."""

    stream: str
    told_gaps: list[int]
    true_gaps: list[int]
    told_extras: list[int]
    true_extras: list[int]
    wrong: list[int]  # pulses of frames whose picture says another one
    unsound: str  # what else does not hold

    @property
    def is_exact(self) -> bool:
        """Whether the session says what happened, to the pulse."""
        told, true = (self.told_gaps, self.told_extras), (self.true_gaps, self.true_extras)
        return told == true and not self.wrong and not self.unsound

    def __str__(self) -> str:
        gaps, extra = set(self.told_gaps) ^ set(self.true_gaps), (self.told_extras, self.true_extras)
        wrong = f"wrong pulses {self.wrong[:5]}" if self.wrong else ""
        return f"{self.stream}: gaps differ at {sorted(gaps)}; extras told and true {extra}; {wrong} {self.unsound}"


def run_schedule(folder: Path, seed: int) -> list[Outcome]:
    """Record a session in virtual time under the schedule of a seed."""
    plan = schedule(seed)
    rig = write_rig(folder, seed=seed, faults=plan.faults)
    rig.write_text(rig.read_text().replace("width: 96,", f"width: 96, simulated: {{counter: {plan.counter}}},"))
    recorded = record(folder, rig, write_protocol(folder, ("still", plan.seconds, "all")))
    truth = read_truth(beside(recorded.path, "truth.jsonl"))
    with Run(recorded.path) as run:
        sent = int(run.pulses["pulse_number"].max()) + 1
        return [
            _compare(run.streams[name], divisor, truth, sent, recorded.counts[name])
            for name, divisor in DIVISORS.items()
        ]


def _compare(stream: Stream, divisor: int, truth: list[Committed], sent: int, counts: Counts) -> Outcome:
    """Extras that were under way when their camera went away were never delivered."""
    name, rows = stream.name, stream.gaps
    gaps = [p for r in rows for p in range(r["first_pulse"], r["last_pulse"] + 1, divisor)]
    absences = _absences(truth, name, divisor)
    lost = _to_the_group(set(lost_pulses(truth, name)), absences, divisor, sent)
    delivered = [e for e in extras(truth, name) if not any(e.pulse in absence for absence in absences)]
    true_extras = [_after(extra, truth, lost, divisor, absences) for extra in delivered]
    told = stream.extras["after_pulse"].tolist()
    return Outcome(name, gaps, sorted(lost), told, true_extras, _wrong(stream), _unsound(stream, counts, len(gaps)))


def _wrong(stream: Stream) -> list[int]:
    """Reading the pictures checks their checksums, too."""
    burnt = np.array([burnt_in_number(stream.data[i]) for i in range(len(stream.frames))])
    told = stream.pulse_numbers
    return told[(told != NO_PULSE) & (burnt != told)].tolist()


def _unsound(stream: Stream, counts: Counts, missing: int) -> str:
    """What arrived was stored, damaged, or given back before a group; every row is in its place."""
    accounted = counts.stored + counts.damaged + counts.dropped
    if counts.arrived != accounted or counts.stored != len(stream.frames):
        return f"{counts.arrived} frames arrived, {accounted} are accounted for, {len(stream.frames)} have rows"
    return "" if int(stream.gaps["missing"].sum()) == missing else "gaps miss fewer than they span"


def _absences(truth: Iterable[Committed], stream: str, divisor: int) -> list[range]:
    """Pulses of a stream from one at which its camera went away to the last that it missed."""
    away = [t.pulse for t in truth if t.stream == stream and t.fault in AWAY]
    ends = [i for i, (pulse, following) in enumerate(pairwise(away), 1) if following > pulse + divisor]
    return [range(away[a], away[b - 1] + 1, divisor) for a, b in pairwise([0, *ends, len(away)]) if b > a]


def _to_the_group(lost: set[int], absences: list[range], divisor: int, sent: int) -> set[int]:
    """A stream begins again with a group whose first pulse has a frame."""
    for absence in absences:
        pulse = absence[-1] + divisor
        while pulse < sent and (pulse % GROUP or pulse in lost):
            lost.add(pulse)
            pulse += divisor
    return lost


def _after(extra: Committed, truth: list[Committed], lost: set[int], divisor: int, absences: list[range]) -> int:
    """The pulse after which an extra came; one of a former arm came after the last frame before its own arm."""
    if extra.fault is not Fault.STALE_FRAME:
        return extra.pulse
    arms = [t for t in truth if t.fault is Fault.STALE_FRAME and t.stream == extra.stream]
    arm = next(i for i, t in enumerate(arms) if t is extra)
    if not arm:
        return NO_PULSE
    return max((p for p in range(0, absences[arm - 1][0], divisor) if p not in lost), default=NO_PULSE)

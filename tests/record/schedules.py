"""Seeded schedules of what goes wrong with cameras, and whether the session recorded under them says exactly that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from rig.session.folder import beside
from rig.sim.faults import Committed, Fault, extras, lost_pulses, read_truth
from rig.streams import NO_PULSE
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
FIRST_PULSE, SECONDS, LONGER_SECONDS = 40, 6, 9
AWAY_AFTER_PULSE = 380  # by then it is measured how late frames are


@dataclass(frozen=True)
class Schedule:
    """The faults of one seed, as rig.yaml has them, and how long the session is."""

    faults: str
    seconds: float


def schedule(seed: int) -> Schedule:
    """Every third schedule takes a camera away, for good or not, or two; each has some of all the rest."""
    rng = np.random.default_rng((seed, 2026))
    chosen: dict[str, object] = {name: int(rng.integers(0, 5)) for name in SINGLES}
    chosen |= {name: int(rng.random() < 0.35) for name in SPANS}
    chosen |= {name: "true" for name in FLAGS if rng.random() < 0.25}
    chosen["first_frame_delay_s"] = float(rng.choice([0.0, 0.0, 0.4]))
    seconds, first = SECONDS, FIRST_PULSE
    if seed % 3 == 0:
        seconds, first = LONGER_SECONDS, AWAY_AFTER_PULSE
        chosen |= dict.fromkeys(SPANS, 0)
        chosen[("disconnects", "bus_resets")[seed % 2]] = 1
        chosen["away_s"] = float(rng.choice([0.3, 0.8, 1.7, 0.0], p=[0.3, 0.3, 0.3, 0.1]))
    last = 100 * SECONDS - 150 if seed % 3 else first + 100
    text = ", ".join(f"{name}: {value}" for name, value in chosen.items() if value or name == "away_s")
    return Schedule(f"{text}, first_pulse: {first}, last_pulse: {last}", seconds)


@dataclass(frozen=True)
class Outcome:
    """What one stream's rows say, and what happened: pulses without a frame, and pulses after which extras came."""

    stream: str
    told_gaps: list[int]
    true_gaps: list[int]
    told_extras: list[int]
    true_extras: list[int]

    @property
    def is_exact(self) -> bool:
        """Whether the session says what happened, to the pulse."""
        return (self.told_gaps, self.told_extras) == (self.true_gaps, self.true_extras)

    def __str__(self) -> str:
        gaps, extra = set(self.told_gaps) ^ set(self.true_gaps), (self.told_extras, self.true_extras)
        return f"{self.stream}: gaps differ at {sorted(gaps)}; extras told and true {extra}"


def run_schedule(folder: Path, seed: int) -> list[Outcome]:
    """Record a session in virtual time under the schedule of a seed."""
    plan = schedule(seed)
    rig = write_rig(folder, seed=seed, faults=plan.faults)
    recorded = record(folder, rig, write_protocol(folder, ("still", plan.seconds, "all")))
    truth = read_truth(beside(recorded.path, "truth.jsonl"))
    with h5py.File(recorded.path) as run:
        sent = int(run["/acquisition/pulses"]["pulse_number"].max()) + 1
        return [_compare(run, name, divisor, truth, sent) for name, divisor in DIVISORS.items()]


def _compare(run: h5py.File, stream: str, divisor: int, truth: list[Committed], sent: int) -> Outcome:
    """Extras that were under way when their camera went away were never delivered."""
    rows = run[f"/acquisition/{stream}/gaps"][:]
    gaps = [p for r in rows for p in range(r["first_pulse"], r["last_pulse"] + 1, divisor)]
    away = _away(truth, stream)
    lost = _to_the_group(set(lost_pulses(truth, stream)), away, divisor, sent)
    delivered = [e for e in extras(truth, stream) if not away or e.pulse not in range(min(away), max(away) + 1)]
    true_extras = [_after(extra, truth, lost, divisor) for extra in delivered]
    told = run[f"/acquisition/{stream}/extras"]["after_pulse"].tolist()
    assert rows["missing"].sum() == len(gaps)
    return Outcome(stream, gaps, sorted(lost), told, true_extras)


def _away(truth: Iterable[Committed], stream: str) -> list[int]:
    return [t.pulse for t in truth if t.stream == stream and t.fault in AWAY]


def _to_the_group(lost: set[int], away: list[int], divisor: int, sent: int) -> set[int]:
    """A stream begins again with a group whose first pulse has a frame."""
    pulse = max(away, default=NO_PULSE) + divisor
    while away and pulse < sent and (pulse % GROUP or pulse in lost):
        lost.add(pulse)
        pulse += divisor
    return lost


def _after(extra: Committed, truth: list[Committed], lost: set[int], divisor: int) -> int:
    """The pulse after which an extra came; one of a former arm came after the last frame before its own arm."""
    if extra.fault is not Fault.STALE_FRAME:
        return extra.pulse
    away = _away(truth[: truth.index(extra)], extra.stream)
    if not away or extra is next(t for t in truth if t.fault is Fault.STALE_FRAME and t.stream == extra.stream):
        return NO_PULSE
    return max((p for p in range(0, min(away), divisor) if p not in lost), default=NO_PULSE)

"""When a recorder is to hear what made it keep frames, or not, so that it decides the same once more.

It changes what it stores with the group of pulses after the one in which it heard of a reason. When that was is not in
the file, only from which pulse on it did what.

    pulses      | group 92 | group 93 | group 94 |
    a step ended     ^ recorded       | frames not stored from here on
    it is told                ^ early in the group before: a recorder of today may hear of it late
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rig.session.run import Run

EARLY = 8  # in the first of so many parts of a group


class Decided:
    """The moments at which a run's recorder changed what it stored. Times are recorded host ns."""

    def __init__(self, run: Run) -> None:
        self._run, self._group = run, int(run.plan.get("group", 1))

    def told_ns(self, host_ns: int) -> int:
        """When to tell of what came at `host_ns`: then, unless it changed what was stored."""
        pulses, arrived_ns = self._run.pulses["pulse_number"], self._run.pulses["arrived_host_ns"]
        soon = pulses[np.searchsorted(arrived_ns, host_ns) :][: 2 * self._group]
        changes = self._changes[self._changes >= self._group]
        changes = changes[(changes >= soon.min(initial=pulses.max(initial=0))) & (changes <= soon.max(initial=-1))]
        if not len(changes):
            return host_ns
        begins, ends = arrived_ns[np.searchsorted(pulses, (changes[0] - self._group, changes[0]))].tolist()
        return max(int(begins + (ends - begins) // EARLY), self._said_by(host_ns) + 1)

    def _said_by(self, host_ns: int) -> int:
        """When the operator said something last: what comes after it never comes before it."""
        words = [entry["host_ns"] for entry in self._run.log if entry.get("kind") == "operator"]
        return max((said_ns for said_ns in words if said_ns < host_ns), default=0)

    @cached_property
    def _changes(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Pulses from which on frames of some stream were stored, or were not any more, rising."""
        rows = self._run.not_stored
        closed = rows[rows["last_pulse"] >= 0]
        divisors = [self._run.streams[name.decode()].divisor for name in closed["stream"]]
        return np.unique([*rows["first_pulse"].tolist(), *(closed["last_pulse"] + divisors).tolist()]).astype(np.int64)

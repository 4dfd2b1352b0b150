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

from rig.clock import NS
from rig.session.run import Run
from rig.session.runfile import Json

RELEASES = ("start", "go_on")  # words of the operator's with which a step begins at once
LATE_NS = NS // 10  # so long what came in time may wait until the core takes it
NO_STEP = -1
EARLY = 8  # in the first of so many parts of a group


class Decided:
    """The moments at which a run's recorder changed what it stored. Times are recorded host ns."""

    def __init__(self, run: Run) -> None:
        self._run, self._group = run, int(run.plan.get("group", 1))

    def told_ns(self, host_ns: int, step: int = NO_STEP) -> int:
        """When to tell of what came at `host_ns`: then, unless it changed what was stored; of `step` its end came then."""
        return max(self._early_ns(host_ns), self._said_by(host_ns, step) + 1)

    def _early_ns(self, host_ns: int) -> int:
        pulses, arrived_ns = self._run.pulses["pulse_number"], self._run.pulses["arrived_host_ns"]
        soon = pulses[np.searchsorted(arrived_ns, host_ns) :][: 2 * self._group]
        changes = self._changes[self._changes >= self._group]
        changes = changes[(changes >= soon.min(initial=pulses.max(initial=0))) & (changes <= soon.max(initial=-1))]
        if not len(changes):
            return host_ns
        begins, ends = arrived_ns[np.searchsorted(pulses, (changes[0] - self._group, changes[0]))].tolist()
        return int(begins + (ends - begins) // EARLY)

    def _said_by(self, host_ns: int, step: int) -> int:
        """When the operator said something last: what comes after it never comes before it.

        A word about a step was taken before its end, although the core may have taken both a little later.
        """
        before = [e["host_ns"] for e in self._words if e["host_ns"] < host_ns]
        about = [e["host_ns"] for e in self._words if e.get("step") == step and e["said"] not in RELEASES]
        return max([*before, *(said_ns for said_ns in about if said_ns < host_ns + LATE_NS)], default=0)

    @cached_property
    def _words(self) -> list[Json]:
        return [entry for entry in self._run.log if entry.get("kind") == "operator"]

    @cached_property
    def _changes(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Pulses from which on frames of some stream were stored, or were not any more, rising."""
        rows = self._run.not_stored
        closed = rows[rows["last_pulse"] >= 0]
        divisors = [self._run.streams[name.decode()].divisor for name in closed["stream"]]
        return np.unique([*rows["first_pulse"].tolist(), *(closed["last_pulse"] + divisors).tolist()]).astype(np.int64)

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

STOPPED, ABORTED = "stopped by the operator", "aborted by the operator"  # notes of a stop that a key or a signal asked
RELEASES = ("start", "go_on")  # words of the operator's with which a step begins at once
LATE_NS = NS // 10  # so long what came in time may wait until the core takes it
SLACK_NS = NS // 25  # behind a stop nothing depends on when a step ended: two threads of today may be so far apart
NO_STEP = -1
EARLY = 8  # in the first of so many parts of a group


class Decided:
    """The moments at which a run's recorder changed what it stored. Times are recorded host ns."""

    def __init__(self, run: Run) -> None:
        self._run, self._group = run, int(run.plan.get("group", 1))

    def told_ns(self, host_ns: int, step: int = NO_STEP) -> int:
        """When to tell of what came at `host_ns`, of the end of `step` if that is given: then, or as is said above."""
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
        words = [
            entry for entry in self._words
            if entry["host_ns"] < host_ns or (_is_about(entry, step) and entry["host_ns"] < host_ns + LATE_NS)
        ]  # fmt: skip
        return max((entry["host_ns"] + (SLACK_NS if _is_stop(entry) else 0) for entry in words), default=0)

    @cached_property
    def _words(self) -> list[Json]:
        """What the operator said at the terminal, each about a step; and that it is to end, which is about any."""
        return [entry for entry in self._run.log if entry.get("kind") == "operator" or _is_stop(entry)]

    @cached_property
    def _changes(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Pulses from which on frames of some stream were stored, or were not any more, rising."""
        rows = self._run.not_stored
        closed = rows[rows["last_pulse"] >= 0]
        divisors = [self._run.streams[name.decode()].divisor for name in closed["stream"]]
        return np.unique([*rows["first_pulse"].tolist(), *(closed["last_pulse"] + divisors).tolist()]).astype(np.int64)


def _is_stop(entry: Json) -> bool:
    return entry.get("text") in (STOPPED, ABORTED) or entry.get("said") == "stop"


def _is_about(entry: Json, step: int) -> bool:
    """Whether a word was about the step before its end; a stop by a key is about any."""
    return entry.get("step", step) == step and entry.get("said") not in RELEASES

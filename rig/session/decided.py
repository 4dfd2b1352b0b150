"""When a recorder is to hear what made it keep frames, or not, so that it decides the same once more.

It changes what it stores with the group of pulses after the one in which it heard of a reason. When that was is not in
the file, only from which pulse on it did what.

    pulses      | group 92 | group 93 | group 94 |
    a step ended     ^ recorded       | frames not stored from here on
    it is told                ^ early in the group before: a recorder of today may hear of it late

A recorder on a busy computer may have heard of it groups later: a change belongs to the last reason before it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.session.run import Run
from rig.session.runfile import Json
from rig.session.timeline import TICK_NS

STOPPED, ABORTED = "stopped by the operator", "aborted by the operator"  # notes of a stop that a key or a signal asked
RELEASES = ("start", "go_on")  # words of the operator's with which a step begins at once
LATE_NS = NS // 10  # so long what came in time may wait until the core takes it
SLACK_NS = NS // 25  # behind a stop nothing depends on when a step ended: two threads of today may be so far apart
NO_STEP = -1
EARLY = 8  # in the first of so many parts of a group
NEVER_NS, LAST_NS = -1, 2**63 - 1
Numbers = NDArray[np.int64]
Window = tuple[int, int]  # of host ns


class Decided:
    """The moments at which a run's recorder changed what it stored. Times are recorded host ns."""

    def __init__(self, run: Run) -> None:
        self._run, self._group = run, int(run.plan.get("group", 1))
        self._group_ns = self._group * int(run.plan.get("period_ticks", 1)) * TICK_NS

    def told_ns(self, host_ns: int, step: int = NO_STEP) -> int:
        """When to tell of what came at `host_ns`, of the end of `step` if that is given: then, or as is said above."""
        return max(self._early_ns(host_ns), self._said_by(host_ns, step) + 1)

    def _early_ns(self, host_ns: int) -> int:
        """Early in the group before the first change that is owed to what came then; without one, then."""
        owed = [window for cause_ns, window in self._decisions if cause_ns == host_ns]
        if not owed:
            return host_ns
        begins, ends = owed[0]
        return begins + (ends - begins) // EARLY

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
    def _changes(self) -> Numbers:
        """Pulses from which on frames of some stream were stored, or were not any more, rising.

        The recorder decides for whole groups; what begins elsewhere came of itself, as a file that was full.
        """
        rows = self._run.not_stored
        closed = rows[rows["last_pulse"] >= 0]
        divisors = [self._run.streams[name.decode()].divisor for name in closed["stream"]]
        found = np.unique([*rows["first_pulse"].tolist(), *(closed["last_pulse"] + divisors).tolist()]).astype(np.int64)
        last = self._run.pulses["pulse_number"].max(initial=-1)
        return np.asarray(found[(found % self._group == 0) & (found >= self._group) & (found <= last)])

    @cached_property
    def _reasons_ns(self) -> list[int]:
        """When anything came that may have made the recorder change what it stores, rising."""
        withdrawn = [e["withdrawn_host_ns"] for e in self._run.log_of("withdrawn")]
        words = [e["host_ns"] for e in self._words if _is_stop(e) or e.get("said") in RELEASES]
        ended = self._run.trials["ended_host_ns"]
        return sorted([*withdrawn, *words, *ended[ended >= 0].tolist()])

    @cached_property
    def _decisions(self) -> list[tuple[int, Window]]:
        """When the reason for each change came, and the group in which it was decided.

        The reason is the last one before; it was decided before the next step was shown, however late the recorder
        heard of it.
        """
        onsets, found = self._run.trials["onset_host_ns"], []
        for change in self._changes.tolist():
            begins, ends = self._window(change - self._group)
            cause_ns = max((came_ns for came_ns in self._reasons_ns if came_ns < ends), default=NEVER_NS)
            if begins <= onsets[onsets >= cause_ns].min(initial=LAST_NS):
                found.append((cause_ns, (begins, ends)))
        return found

    def _window(self, pulse: int) -> Window:
        """When a group began and ended, by the recorder's reckoning: what came late came with many others at once."""
        told = self._run.pulses
        numbers, arrived_ns = told["pulse_number"], told["arrived_host_ns"]
        begins, ends = arrived_ns[np.searchsorted(numbers, (pulse, pulse + self._group))].tolist()
        before = int(np.searchsorted(arrived_ns, begins)) - 1
        if before < 0 or ends - begins >= self._group_ns // 2:
            return begins, ends
        reckoned = int(arrived_ns[before]) + (pulse - int(numbers[before])) * self._group_ns // self._group
        return min(reckoned, begins), min(reckoned + self._group_ns, ends)


def _is_stop(entry: Json) -> bool:
    return entry.get("text") in (STOPPED, ABORTED) or entry.get("said") == "stop"


def _is_about(entry: Json, step: int) -> bool:
    """Whether a word was about the step before its end; a stop by a key is about any."""
    return entry.get("step", step) == step and entry.get("said") not in RELEASES

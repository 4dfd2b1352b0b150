"""Where the pulses of one run lie on the session's time axis, s from pulse 0 of the session on the host clock."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rig.clock import NS
from rig.session.pulses import MOST_UNTOLD
from rig.session.timeline import TICK_NS, Timeline

Segment = tuple[int, int, float, float]  # first and last pulse, s of the first, s from one to the next
NEAR_PERIODS = 0.1  # how far a pulse may lie off its segment
FAR_S = 1e9  # no session is so long
MOST_SEGMENTS = 500  # of a run; a file in which pulses come anyhow is drawn coarsely


class Axis:
    """The pulses of the base stream of one run, `first` to `last`, and when each was exposed."""

    def __init__(self, line: Timeline, offset_ns: int) -> None:
        """`offset_ns`: pulse 0 of the run after pulse 0 of the session."""
        self.line, self.run = line, line.run
        self._zero_host_ns = line.start_host_ns - offset_ns
        self.period_s = int(self.run.plan.get("period_ticks", 0)) * TICK_NS / NS
        told = line.pulse_numbers
        self._numbers = told if len(told) else np.zeros(1, np.int64)
        times_ns = line.exposed_host_ns if len(told) else np.array([line.start_host_ns], np.int64)
        self._times_s = (times_ns - self._zero_host_ns) / NS
        self.first, self.last = self._ends()

    def _ends(self) -> tuple[int, int]:
        """Of the pulses told of, and of those that a frame tells of, as after a crash."""
        seen = self.run.base.pulse_numbers
        seen = seen[(seen >= 0) & (seen <= self._numbers[-1] + MOST_UNTOLD)]
        return int(seen.min(initial=self._numbers[0])), int(seen.max(initial=self._numbers[-1]))

    def at_s(self, pulses: ArrayLike) -> NDArray[np.float64]:
        """When each of `pulses` was exposed on the base stream; of one that nobody told of, by its neighbours."""
        numbers = np.asarray(pulses, np.int64)
        beyond = numbers - numbers.clip(self._numbers[0], self._numbers[-1])
        near = self._around(numbers)
        return np.asarray(np.interp(numbers, self._numbers[near], self._times_s[near]) + beyond * self.period_s)

    def _around(self, numbers: NDArray[np.int64]) -> slice:
        """Where `numbers` and their neighbours are told of: np.interp makes a copy of all that it is given."""
        least, most = numbers.min(initial=self._numbers[-1]), numbers.max(initial=self._numbers[0])
        first = max(0, int(np.searchsorted(self._numbers, least, side="right")) - 1)
        return slice(first, max(first, int(np.searchsorted(self._numbers, most))) + 1)

    def host_ns(self, pulse: int) -> int:
        """The same of one pulse, on the host clock."""
        return self.host_of(float(self.at_s(pulse)))

    def host_of(self, seconds: float) -> int:
        """Seconds of the session's axis on the host clock, ns."""
        return self._zero_host_ns + round(min(max(seconds, -FAR_S), FAR_S) * NS)

    def s_of(self, host_ns: ArrayLike) -> NDArray[np.float64]:
        """Host ns on the session's axis."""
        return np.asarray((np.asarray(host_ns, np.int64) - self._zero_host_ns) / NS)

    def pulse_at(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """The latest pulse exposed at or before each of `seconds`; before the first one the first."""
        wanted = np.asarray(seconds, np.float64)
        places = np.searchsorted(self._times_s, wanted + 1 / NS, side="right").clip(min=1) - 1
        if not self.period_s:
            return np.asarray(self._numbers[places])
        after = np.floor((wanted - self._times_s[places]) / self.period_s + 1e-6).astype(np.int64)
        room = np.append(np.diff(self._numbers), self.last + 1 - self._numbers[-1])[places] - 1
        return np.asarray((self._numbers[places] + after.clip(0, room)).clip(self.first, self.last))

    @cached_property
    def segments(self) -> list[Segment]:
        """Straight pieces, one behind the other from `first` to `last`; each pulse lies near its own."""
        corners = self._corners()
        numbers = self._numbers[corners]
        starts = np.unique(np.r_[self.first, numbers[:-1], numbers[-1], self.last + 1])
        at_s = self.at_s(starts)
        periods = np.diff(at_s) / np.diff(starts)
        pieces = zip(starts[:-1].tolist(), starts[1:].tolist(), at_s.tolist(), periods.tolist(), strict=False)
        return [(first, end - 1, begin, period) for first, end, begin, period in pieces]

    def _corners(self) -> list[int]:
        """Places among the told pulses between which all lie near a straight line (Douglas and Peucker)."""
        corners, pieces = {0, len(self._numbers) - 1}, [(0, len(self._numbers) - 1)]
        while pieces and len(corners) < MOST_SEGMENTS:
            first, last = pieces.pop(0)
            numbers, times_s = self._numbers[first : last + 1], self._times_s[first : last + 1]
            off_s = np.abs(times_s - np.interp(numbers, numbers[[0, -1]], times_s[[0, -1]]))
            worst = int(off_s.argmax())
            if off_s[worst] > NEAR_PERIODS * self.period_s:
                corners.add(first + worst)
                pieces += [(first, first + worst), (first + worst, last)]
        return sorted(corners)

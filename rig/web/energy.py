"""How much moves on the base stream over a stretch of time: the mean difference of successive frames, bin by bin."""

from __future__ import annotations

from typing import Any

import numpy as np

from rig.errors import RigError
from rig.pixels import Samples
from rig.session.run import Stream
from rig.web.axis import Axis
from rig.web.pictures import Place, bits_of, samples_of
from rig.web.shelf import Opened

MOST_BINS = 2000
MOST_PAIRS = 1200  # of frames that are compared for one answer; those of a longer stretch are chosen evenly


class Survey:
    """Motion energy between two moments, measured a few frames at a time: who asked may have gone meanwhile."""

    def __init__(self, opened: Opened, from_s: float, to_s: float, bins: int) -> None:
        """`from_s`, `to_s`: on the session's axis."""
        base = opened.session.runs[0].base.name
        stretches = [stretch for axis in opened.axes.values() for stretch in _stretches(axis, base, from_s, to_s)]
        count = sum(len(pulses) for _, _, pulses in stretches)
        self.is_each_frame = count <= MOST_PAIRS
        self._pairs: list[tuple[int, Stream, int]] = []  # bin, stream and pulse of the second frame
        for axis, stream, pulses in stretches:
            chosen = np.asarray(pulses[:: -(-count // MOST_PAIRS)], np.int64)
            share = (axis.at_s(chosen) - from_s) / (to_s - from_s)
            is_there = (stream.index_at(chosen) >= 0) & (stream.index_at(chosen - stream.divisor) >= 0)
            is_there &= (share >= 0) & (share < 1)
            numbers = (share[is_there] * bins).astype(np.int64).tolist()
            self._pairs += [(n, stream, pulse) for n, pulse in zip(numbers, chosen[is_there].tolist(), strict=True)]
        self._sums, self._counts = np.zeros(bins), np.zeros(bins, np.int64)
        self._done = 0
        self._last: tuple[Place, Samples] | None = None

    @property
    def is_over(self) -> bool:
        """Whether all has been looked at."""
        return self._done == len(self._pairs)

    def go_on(self, pairs: int) -> None:
        """Look at so many more pairs of frames. Blocks while they are read; a damaged frame is passed over."""
        from rig.motion import energy

        for number, stream, pulse in self._pairs[self._done : self._done + pairs]:
            self._done += 1
            try:
                first, second = self._picture(stream, pulse - stream.divisor), self._picture(stream, pulse)
            except RigError:
                continue
            self._sums[number] += energy(first, second, bits_of(stream))
            self._counts[number] += 1

    def _picture(self, stream: Stream, pulse: int) -> Samples:
        """Read unless it is the last one that was."""
        place = Place(stream, pulse, int(stream.index_at(pulse)))
        if self._last is None or self._last[0] != place:
            self._last = (place, samples_of(place))
        return self._last[1]

    def told(self) -> dict[str, Any]:
        """What the page is told."""
        pairs = zip(self._sums.tolist(), self._counts.tolist(), strict=True)
        means = [total / count if count else None for total, count in pairs]
        return {"energy": means, "is_each_frame": self.is_each_frame}


def _stretches(axis: Axis, name: str, from_s: float, to_s: float) -> list[tuple[Axis, Stream, range]]:
    """The pulses of a stream between two moments; none in a run without it."""
    stream = axis.run.streams.get(name)
    if stream is None:
        return []
    first, last = (int(axis.pulse_at(moment)) for moment in (from_s, to_s))
    return [(axis, stream, range(first - first % stream.divisor, last + 1, stream.divisor))]

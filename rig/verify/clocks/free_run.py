"""Whether a camera's frames follow the pulses at all, or come at a rate of their own: told by clocks alone.

    pulses      |   |   |   |   |   |   |   |
    frames       |    |    |    |    |    |         by the camera's own clock: intervals longer or shorter, to a few ppm
    arrival of the n-th frame - n periods           stays: triggered      runs away: free running

No claim, number or counter is used: frames of a camera that runs free by a little may be paired with pulses all the
same. Its own clock shows each change of its rate; arrivals at the host, mapped to the box's clock, show which of the
rates is that of the pulses. They cannot tell a drift of less than half a base period.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rig.session.pulses import pulse_times
from rig.session.run import Run, Stream
from rig.session.timeline import map_box
from rig.streams import NO_PULSE
from rig.verify.clocks.paired import BOX_HZ
from rig.verify.findings import Finding, Numbers, Word, ranges_of

BLOCK_S = 4.0  # over which a rate is taken; 10 us of jitter are a few ppm then
FEWEST = 20  # frames in a block
PARTS = 8  # of a stretch: in each the quickest arrival counts, as a computer is not busy all the time
STEP_PPM = 100  # by which no oscillator changes its rate from one block to the next
SIGMAS = 6
MOST_PERIODS = 60  # over a longer hole a clock that is 0.6 % off may be taken for one period more
SHORT = 0.75  # of the usual interval: what comes sooner was exposed by a false edge, or its neighbour was
AROUND = 10  # frames; where arrivals stay later or earlier than before, another piece begins
LEAST_PERIODS = 0.5  # of the base stream, by which arrivals must drift to mean something,
LEAST_S = 0.005  # and how much at least: a computer is no quicker however short the period
CLEAR = 5  # times what the quickest arrivals scatter
MOST_SPELLED = 3  # stretches written out in a text

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Stretch:
    """Frames one after another that came at one rate."""

    piece: int  # counts pieces in which the camera's clock and the wait for its frames ran on
    first: int  # places among the stream's frames
    last: int
    pulse: int  # the last one of the stream sent before the first of them arrived; NO_PULSE: none was
    seconds: float
    own_ppm: float  # by which frames come faster than pulses, if the camera's clock goes as the box's
    arrival_ppm: float  # the same by their arrivals
    is_drifting: bool  # whether arrivals prove that they run away from the pulses


@dataclass(frozen=True)
class _Piece:
    """Frames over which the camera's clock ran on, each (n,): its place, and in s, from 0:

    when it was due if frames followed the pulses, what the camera's clock and what its arrival say beyond that.
    """

    places: Numbers
    due_s: Seconds
    own_s: Seconds
    late_s: Seconds


def stretches(run: Run, stream: Stream) -> list[Stretch]:
    """The stretches of one rate of a stream's frames, in their order; none where clocks do not tell."""
    if not stream.baseline.get("ticks_hz") or map_box(run).pairs < 2:
        return []
    pieces = enumerate(_pieces(run, stream))
    found = [replace(each, piece=n) for n, piece in pieces for each in _of_piece(run, stream, piece)]
    times, arrived = pulse_times(run), stream.frames["arrived_host_ns"][[each.first for each in found]]
    places = np.searchsorted(times.box_ticks, map_box(run).back(arrived.astype(np.int64)), side="right") - 1
    pulses = [
        int(times.numbers[place]) // stream.divisor * stream.divisor if place >= 0 else NO_PULSE for place in places
    ]
    return [replace(each, pulse=pulse) for each, pulse in zip(found, pulses, strict=True)]


def _pieces(run: Run, stream: Stream) -> list[_Piece]:
    """The frames, split where the camera's clock jumps, or the wait for its frames does."""
    rows, period_s = stream.frames, _period_s(run, stream)
    places = _undisturbed(rows["camera_ticks"].astype(np.int64))
    if len(places) < 2 * FEWEST:
        return []
    rows = rows[places]
    camera_s = rows["camera_ticks"].astype(np.int64) / int(stream.baseline["ticks_hz"])
    arrived_s = map_box(run).back(rows["arrived_host_ns"].astype(np.int64)) / BOX_HZ
    steps_s = np.diff(camera_s)
    begins = (np.diff(rows["epoch"].astype(np.int64)) != 0) | (steps_s < 0) | (steps_s > MOST_PERIODS * period_s)
    begins |= _jumps(arrived_s - camera_s, _least_s(run))
    parts = np.split(np.arange(len(rows)), np.flatnonzero(begins) + 1)
    return [_piece(places[p], camera_s[p], arrived_s[p], period_s) for p in parts if len(p) >= 2 * FEWEST]


def _undisturbed(camera_ticks: Numbers) -> Numbers:
    """Places of the frames that came no sooner after another than usual: no ghosts, none delivered twice."""
    steps = np.diff(camera_ticks)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return np.flatnonzero(np.r_[True, (steps < 0) | (steps > SHORT * usual)]) if len(camera_ticks) else camera_ticks


def _piece(places: Numbers, camera_s: Seconds, arrived_s: Seconds, period_s: float) -> _Piece:
    periods = np.maximum(1, np.rint(np.diff(camera_s) / period_s))
    due_s = np.r_[0, np.cumsum(periods)] * period_s
    return _Piece(places, due_s, camera_s - camera_s[0] - due_s, arrived_s - arrived_s[0] - due_s)


def _jumps(waits_s: Seconds, least_s: float) -> NDArray[np.bool_]:
    """Between which neighbours the quickest of AROUND waits jump, (n - 1,)."""
    quickest = sliding_window_view(waits_s, AROUND).min(axis=1)
    found = np.zeros(len(waits_s) - 1, bool)
    found[AROUND - 1 : len(waits_s) - AROUND] = np.abs(quickest[AROUND:] - quickest[:-AROUND]) > least_s
    return found


def _period_s(run: Run, stream: Stream) -> float:
    return stream.divisor * int(run.plan["period_ticks"]) / BOX_HZ


def _least_s(run: Run) -> float:
    """The least drift of arrivals that means something."""
    return max(LEAST_S, LEAST_PERIODS * int(run.plan["period_ticks"]) / BOX_HZ)


def _of_piece(run: Run, stream: Stream, piece: _Piece) -> list[Stretch]:
    """The stretches of a piece: its blocks, as long as their rates are alike."""
    size = int(min(max(FEWEST, BLOCK_S / _period_s(run, stream)), max(FEWEST, len(piece.places) // PARTS)))
    begins = np.rint(np.linspace(0, len(piece.places) - size, -(-len(piece.places) // size))).astype(np.int64)
    slopes, step = _slopes(piece, begins, size)
    groups = np.split(np.arange(len(slopes)), np.flatnonzero(np.abs(np.diff(slopes)) > step) + 1)
    # The block in which a rate changes is like neither of its neighbours.
    groups = [group for i, group in enumerate(groups) if len(group) > 1 or i in (0, len(groups) - 1)]
    usual = [float(np.median(slopes[group])) for group in groups]
    firsts = [0]
    for i in range(len(groups) - 1):
        around = slice(int(begins[groups[i][-1]]), int(begins[groups[i + 1][0]]) + size)
        firsts.append(around.start + _where_it_changes(piece.own_s[around], piece.due_s[around], *usual[i : i + 2]))
    ends = [*firsts[1:], len(piece.places)]
    chosen = zip(firsts, ends, usual, strict=True)
    return [_stretch(piece, slice(a, b), slope, _least_s(run)) for a, b, slope in chosen if b > a]


def _slopes(piece: _Piece, begins: Numbers, size: int) -> tuple[NDArray[np.float64], float]:
    """What the camera's clock gains in each block, s in a second, and how far apart two blocks are that differ.

    The median over all pairs of frames half a block apart: single frames off their place do not move it.
    """
    half, block = size // 2, begins[:, None] + np.arange(size)
    own_s, due_s = piece.own_s[block], piece.due_s[block]
    slopes = (own_s[:, half : 2 * half] - own_s[:, :half]) / (due_s[:, half : 2 * half] - due_s[:, :half])
    steps_s = np.diff(piece.own_s)
    jitter_s = 1.4826 * float(np.median(np.abs(steps_s - np.median(steps_s))))
    noise = jitter_s / (half * float(np.median(np.diff(piece.due_s))))
    return np.median(slopes, axis=1), max(STEP_PPM * 1e-6, SIGMAS * noise)


def _where_it_changes(own_s: Seconds, due_s: Seconds, before: float, after: float) -> int:
    """The frame from which on the slope is `after` instead of `before`: where both straight lines fit best."""
    off_before, off_after = own_s - before * due_s, own_s - after * due_s
    off_before = np.abs(off_before - np.median(off_before[:FEWEST]))
    off_after = np.abs(off_after - np.median(off_after[-FEWEST:]))
    return int(np.argmin(np.r_[0, np.cumsum(off_before)] + np.r_[np.cumsum(off_after[::-1])[::-1], 0]))


def _stretch(piece: _Piece, chosen: slice, own_slope: float, least_s: float) -> Stretch:
    places, due_s, late_s = piece.places[chosen], piece.due_s[chosen], piece.late_s[chosen]
    parts = np.array_split(np.arange(len(places)), min(PARTS, max(1, len(places) // 2)))
    quickest = np.array([part[np.argmin(late_s[part])] for part in parts])
    seconds = float(due_s[-1] - due_s[0])
    slope = _slope(due_s[quickest], late_s[quickest])
    scatter_s = float(np.std(late_s[quickest] - slope * due_s[quickest]))
    is_drifting = abs(slope) * seconds > max(least_s, CLEAR * scatter_s)
    first, last = int(places[0]), int(places[-1])
    return Stretch(0, first, last, NO_PULSE, seconds, _faster_ppm(own_slope), _faster_ppm(slope), is_drifting)


def _faster_ppm(gained: float) -> float:
    """By how much faster frames come whose intervals are longer by `gained`."""
    return (1 / (1 + gained) - 1) * 1e6


def _slope(x: Seconds, y: Seconds) -> float:
    """Of the straight line through points, by least squares; 0 for a single one."""
    from_middle = x - x.mean()
    square = float((from_middle**2).sum())
    return float((from_middle * y).sum()) / square if square > 0 else 0.0


@dataclass(frozen=True)
class Rates:
    """The stretches of a stream, sorted by what they show."""

    found: list[Stretch]
    saw_opening: bool  # by the camera's clock the first frames had the pauses of the preamble

    @property
    def triggered(self) -> Stretch | None:
        """The longest stretch whose frames came with the pulses; None when all ran away from them.

        Where none came steadily, as on a computer that falls behind more and more, that with the preamble.
        """
        still = [each for each in self.found if not each.is_drifting]
        opening = self.found[:1] if self.saw_opening else []
        return max(still or opening, key=lambda each: each.seconds, default=None)

    @property
    def free(self) -> list[Stretch]:
        """Stretches whose frames ran away from the pulses; not where the camera's clock says that their rate stayed."""
        least_ppm = 0 if self.triggered is None else STEP_PPM / 2
        return [each for each in self.found if each.is_drifting and abs(self.ppm(each)) > least_ppm]

    @property
    def unsteady(self) -> list[Stretch]:
        """Stretches to or from which the rate changed at once by the camera's clock, and arrivals do not show it."""
        pieces = [each.piece for each in self.found]
        still = [each for each in self.found if not each.is_drifting and pieces.count(each.piece) > 1]
        return [each for each in still if abs(self.ppm(each)) > STEP_PPM]

    def ppm(self, stretch: Stretch) -> float:
        """By how much faster than pulses its frames came: by the camera's clock where that was held against pulses."""
        usual = self.triggered
        return stretch.arrival_ppm if usual is None else ((1e6 + stretch.own_ppm) / (1e6 + usual.own_ppm) - 1) * 1e6

    @property
    def drift_s(self) -> float:
        """By how much free-running frames gained on the pulses in all."""
        return sum(self.ppm(each) * 1e-6 * each.seconds for each in self.free)


def rates_of(run: Run, stream: Stream) -> Rates:
    """At which rates a stream's frames came."""
    return Rates(stretches(run, stream), _saw_opening(run, stream))


def _saw_opening(run: Run, stream: Stream) -> bool:
    """Whether the pauses between the groups of the preamble are among the first intervals by the camera's clock."""
    ticks_hz, times = int(stream.baseline.get("ticks_hz", 0)), pulse_times(run)
    frames = 3 * int(run.plan["group"]) // stream.divisor + 1  # of three groups, and the first of the body
    due = np.diff(times.box_ticks[times.numbers % stream.divisor == 0][:frames]) / BOX_HZ
    if not ticks_hz or len(due) == 0:
        return False
    got = np.diff(stream.frames["camera_ticks"][: frames + FEWEST].astype(np.int64)) / ticks_hz
    pauses, seen = (set(np.rint(steps_s / _period_s(run, stream)).tolist()) for steps_s in (due, got))
    return pauses - {1} <= seen and len(pauses) > 1


def check_free_run(run: Run) -> list[Finding]:
    """The frames of each camera came at the rate of its pulses, not at one of its own."""
    return [_free_run(run, stream) for stream in run.streams.values()]


def _free_run(run: Run, stream: Stream) -> Finding:
    rates = rates_of(run, stream)
    limit = f"a drift of {_least_s(run) * 1000:g} ms against the pulses; arrivals cannot tell less"
    looked_at = f"{sum(each.last - each.first + 1 for each in rates.found)} frames in {len(rates.found)} stretches"
    if not rates.found:
        text = "no timestamps, too few frames on end, or too few clock pairs"
        return Finding("free run", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text)
    if rates.free:
        worst = max(rates.free, key=lambda each: abs(rates.ppm(each) * each.seconds))
        text = f"unsynchronised: {'; '.join(_spelled(rates, each, stream) for each in rates.free[:MOST_SPELLED])}"
        text += f"; a drift of {rates.drift_s:+.3f} s against the pulses in all{_no_single(rates)}"
        where = ranges_of(np.array([each.pulse for each in rates.free], np.int64))
        return Finding("free run", stream.name, Word.FAIL, rates.ppm(worst), limit, looked_at, text, where)
    longest = max(rates.found, key=lambda each: each.seconds)
    text = f"with the pulses: {longest.arrival_ppm:+.1f} ppm faster by arrivals over {longest.seconds:.1f} s"
    text += _no_single(rates)
    word = Word.WARN if rates.unsteady else Word.PASS
    where = ranges_of(np.array([each.pulse for each in rates.unsteady], np.int64))
    return Finding("free run", stream.name, word, longest.arrival_ppm, limit, looked_at, text, where)


def _spelled(rates: Rates, stretch: Stretch, stream: Stream) -> str:
    ppm = rates.ppm(stretch)
    since = f"from about pulse {stretch.pulse} on" if stretch.first else "from its first frame on"
    ratio = stream.divisor / (1 + ppm * 1e-6)
    return (
        f"{since}, for {stretch.seconds:.1f} s, a frame every {ratio:.4f} base periods, {ppm:+.1f} ppm faster than due"
    )


def _no_single(rates: Rates) -> str:
    """In words, that the frames fit no single clock; empty when they do."""
    ppm = [rates.ppm(each) for each in [*rates.free, *rates.unsteady]]
    if not rates.unsteady and (len(ppm) < 2 or max(ppm) - min(ppm) <= STEP_PPM):
        return ""
    return f"; its frames fit no single clock: {len(ppm)} stretches, {min(ppm):+.0f} to {max(ppm):+.0f} ppm"

"""The one place that asks the time or sleeps: one host clock, and what maps other clocks to it.

Every module is handed a `Clock`. In a session in real time it is `HostClock`; under `--speed max` it is a
`VirtualClock`, which stands still until something moves it on.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from rig import host

NS = 1_000_000_000
WINDOW_NS = 60 * NS
FASTEST_SHARE = 0.2  # of the round trips of a window; slower ones waited in a USB queue
FEW = 10  # so few round trips are all used
KNOT_NS = 30 * NS  # from one corner of a clock map to the next
BEND_NS = 60_000.0  # by which a clock usually bends at a corner: its rate wanders by 2 ppm from one to the next
PASSES = 8  # of the fit; each weighs pairs anew by how far they lay off in the one before
OUTLIER = 4.685  # so many times the usual distance from the map a pair counts nothing (Tukey's biweight)


class Clock(Interface):
    """What everything that needs the time is handed. Times are int ns of the host clock (`perf_counter_ns`)."""

    def now_ns(self) -> int:
        """The host clock, ns."""

    def sleep_until(self, host_ns: int) -> None:
        """Return at or after `host_ns`; at once if it has passed."""


class HostClock:
    """`time.perf_counter_ns()`: monotonic, the same in every process of this machine."""

    def now_ns(self) -> int:
        """The host clock, ns."""
        return time.perf_counter_ns()

    def sleep_until(self, host_ns: int) -> None:
        """Sleep in the kernel until `host_ns`."""
        left = host_ns - time.perf_counter_ns()
        if left > 0:
            time.sleep(left / NS)


class VirtualClock:
    """A clock that moves only when told, so that a session of an hour takes seconds and repeats exactly."""

    def __init__(self, start_ns: int = NS) -> None:
        self._now = start_ns

    def now_ns(self) -> int:
        """The virtual host clock, ns."""
        return self._now

    def sleep_until(self, host_ns: int) -> None:
        """Move on to `host_ns`; never back."""
        self._now = max(self._now, host_ns)


@dataclass(frozen=True)
class Reading:
    """Another clock read once: its value between two readings of the host clock, all ns."""

    host_before_ns: int
    reading_ns: int
    host_after_ns: int


def read_utc(clock: Clock) -> Reading:
    """UTC (`time.time_ns`) against the host clock."""
    before = clock.now_ns()
    return Reading(before, time.time_ns(), clock.now_ns())


def read_raw(clock: Clock) -> Reading:
    """CLOCK_MONOTONIC_RAW, which time services never slew, against the host clock."""
    before = clock.now_ns()
    return Reading(before, host.raw_clock_ns(), clock.now_ns())


def thread_cpu_ns() -> dict[str, int]:
    """CPU time of each Python thread of this process, by its name, ns."""
    return {thread.name: host.thread_cpu_ns(thread.ident) for thread in threading.enumerate() if thread.ident}


def utc_now() -> str:
    """The date and time of day in UTC, ISO 8601 with its offset; for people, never for measuring."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def time_zone() -> str:
    """This computer's time zone now, as `CET +0100`; for people."""
    return datetime.now().astimezone().strftime("%Z %z")


@dataclass(frozen=True)
class ClockFit:
    """A straight line from one clock to another: `to = offset + rate * (from - origin)`.

    `origin` (source units, exact int) keeps float64 precise to well under a microsecond over hours.
    `residual` is the root mean square distance of the pairs from the line, in target units.
    """

    origin: int
    offset: int
    rate: float
    residual: float
    pairs: int

    def __call__(self, reading: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Map readings of the source clock; int64 of the target clock, same shape."""
        moved = np.asarray(np.asarray(reading, np.int64) - self.origin)
        return np.asarray(self.offset + np.rint(moved * self.rate).astype(np.int64))

    def back(self, reading: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Map readings of the target clock back; int64 of the source clock, same shape."""
        moved = np.asarray(np.asarray(reading, np.int64) - self.offset)
        return np.asarray(self.origin + np.rint(moved / self.rate).astype(np.int64))


def fit_clocks(source: NDArray[np.int64], target: NDArray[np.int64]) -> ClockFit:
    """Least squares line through at least two pairs of readings (n,), int64.

    Raises ValueError when there are fewer than two distinct source readings.
    """
    if len(source) < 2 or source[0] == source[-1]:
        raise ValueError("a clock fit needs two distinct readings")
    origin, first = int(source[0]), int(target[0])
    x, y = (source - origin).astype(np.float64), (target - first).astype(np.float64)
    rate = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    shift = float(y.mean() - rate * x.mean())
    residual = float(np.sqrt(np.mean((y - shift - rate * x) ** 2)))
    return ClockFit(origin, first + round(shift), rate, residual, len(source))


@dataclass(frozen=True)
class ClockMap:
    """A line of straight pieces from another clock to the host clock, which follows a clock that wanders.

    `source` and `target`, int64 (n,), n >= 2, both rising, are its corners: readings of that clock, and host ns. Beyond
    the first and the last one the outermost pieces go on.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    residual: float  # root mean square distance of the pairs from the line, ns
    bound: float  # half of the longest round trip of the pairs, ns: latencies that differ both ways hide in it
    pairs: int  # round trips that it rests on
    outliers: int = 0  # fast round trips that were left out, for being too far off

    @property
    def rate(self) -> float:
        """Host ns to a unit of the other clock, over all of it."""
        return float((self.target[-1] - self.target[0]) / (self.source[-1] - self.source[0]))

    def __call__(self, reading: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Map readings of the other clock; int64 host ns, same shape."""
        return _along(self.source, self.target, np.asarray(reading, np.int64))

    def back(self, host_ns: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Map host ns to readings of the other clock; int64, same shape."""
        return _along(self.target, self.source, np.asarray(host_ns, np.int64))


def straight_map(reading: int, host_ns: int, unit_ns: float, *, pairs: int = 0) -> ClockMap:
    """The map of a clock of nominal rate (`unit_ns` to a unit) that read `reading` at `host_ns`."""
    source = np.array([reading, reading + NS], np.int64)
    target = np.array([host_ns, host_ns + round(NS * unit_ns)], np.int64)
    return ClockMap(source, target, residual=0.0, bound=0.0, pairs=pairs)


def _along(source: NDArray[np.int64], target: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Straight pieces from `source` to `target`; only differences become floats, so that nothing is lost."""
    slopes = np.diff(target) / np.diff(source)
    piece = np.clip(np.searchsorted(source, values, side="right") - 1, 0, len(slopes) - 1)
    return np.asarray(target[piece] + np.rint((values - source[piece]) * slopes[piece]).astype(np.int64))


@dataclass(frozen=True)
class RoundTrips:
    """Another clock, read twice within each of n round trips from the host; all int64 (n,), in their order.

    `received` and `answered` are its readings when the request had come and when the answer began to leave.
    `sent_host_ns` and `heard_host_ns` are the host's, with the time on the wire already taken off.
    """

    received: NDArray[np.int64]
    answered: NDArray[np.int64]
    sent_host_ns: NDArray[np.int64]
    heard_host_ns: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.intp]) -> RoundTrips:
        """Some of them."""
        parts = (self.received, self.answered, self.sent_host_ns, self.heard_host_ns)
        return RoundTrips(*(part[chosen] for part in parts))

    @property
    def readings(self) -> NDArray[np.float64]:
        """The middle of both readings, counted from the first of all, (n,)."""
        return np.asarray((self.received - self.received[0]) + (self.answered - self.received) / 2)

    @property
    def middles_ns(self) -> NDArray[np.float64]:
        """Host ns in the middle, counted from the first request, (n,)."""
        return np.asarray((self.sent_host_ns - self.sent_host_ns[0]) + (self.heard_host_ns - self.sent_host_ns) / 2)

    def latency_ns(self, unit_ns: float) -> NDArray[np.float64]:
        """What each took on its ways there and back, ns, (n,)."""
        there_and_back = self.heard_host_ns - self.sent_host_ns
        return np.asarray(there_and_back - (self.answered - self.received) * unit_ns)


def map_clock(trips: RoundTrips, unit_ns: float) -> ClockMap:
    """The map of a clock with the nominal unit `unit_ns`, from the fastest fifth of the round trips of each minute.

    Outliers count little or nothing. Raises ValueError with fewer than two distinct readings.
    """
    trips = trips[np.argsort(trips.received, kind="stable")]
    latency_ns = trips.latency_ns(unit_ns)
    chosen = _fastest(trips.sent_host_ns, latency_ns)
    fast = trips[chosen]
    if len(np.unique(fast.received)) < 2:
        raise ValueError("a clock map needs two distinct readings")
    x_ns = fast.readings * unit_ns
    pieces = min(round((x_ns[-1] - x_ns[0]) / KNOT_NS), len(x_ns) // FEW)
    corners_ns = np.linspace(x_ns[0], x_ns[-1], max(2, 1 + pieces))
    off_ns, weights, residual = _fit_pieces(corners_ns, x_ns, fast.middles_ns - x_ns)
    source = fast.received[0] + np.rint(corners_ns / unit_ns).astype(np.int64)
    straight_ns = (source - fast.received[0]) * unit_ns
    target = fast.sent_host_ns[0] + np.rint(straight_ns + off_ns).astype(np.int64)
    outliers = int((weights == 0).sum())
    bound = float(latency_ns[chosen].max()) / 2
    return ClockMap(source, target, residual, bound, pairs=len(weights) - outliers, outliers=outliers)


def _fastest(host_ns: NDArray[np.int64], latency_ns: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of round trips among the fastest fifth of the minute around them; all of them when they are few."""
    if len(latency_ns) < FEW:
        return np.arange(len(latency_ns))
    step = WINDOW_NS // 6
    begins = host_ns // step * step
    chosen = []
    for begin in np.unique(begins):
        own, from_middle = np.flatnonzero(begins == begin), np.abs(host_ns - begin - step // 2)
        limit_ns = np.quantile(latency_ns[from_middle <= WINDOW_NS // 2], FASTEST_SHARE)
        chosen.append(own[latency_ns[own] <= limit_ns])
    return np.sort(np.concatenate(chosen))


def _fit_pieces(
    corners: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Heights (k,) of the corners of the line of straight pieces through the points (n,), all ns.

    Also the weight of each point, 0 for an outlier, and the root mean square distance of the others. Bends weigh
    against distances as BEND_NS against what the points scatter: a noisy line is so smoothed more than a quiet one.
    """
    piece = np.clip(np.searchsorted(corners, x, side="right") - 1, 0, len(corners) - 2)
    share = (x - corners[piece]) / (corners[piece + 1] - corners[piece])
    bends = np.diff(np.eye(len(corners)), n=2, axis=0)
    weights, scatter = np.ones(len(x)), BEND_NS
    for _ in range(PASSES):
        heights = _solved(piece, share, y, weights, bends * (scatter / BEND_NS))
        off = y - (1 - share) * heights[piece] - share * heights[piece + 1]
        scatter = max(1.0, 1.4826 * float(np.median(np.abs(off))))
        weights = np.maximum(0.0, 1 - (off / (OUTLIER * scatter)) ** 2) ** 2
    return heights, weights, float(np.sqrt(np.mean(off[weights > 0] ** 2)))


def _solved(
    piece: NDArray[np.intp],
    share: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    bends: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The heights at which weighted squares of distances, and squares of `bends` times the heights, are least."""
    size = bends.shape[1]
    normal, right = bends.T @ bends, np.zeros(size)
    ends = ((0, 1 - share), (1, share))
    for at, part in ends:
        right += np.bincount(piece + at, weights * part * y, size)
        for other, other_part in ends:
            np.add.at(normal, (piece + at, piece + other), weights * part * other_part)
    # Least squares, as corners between which there is no point may be left free.
    return np.asarray(np.linalg.lstsq(normal, right, rcond=None)[0])

"""The one place that asks the time or sleeps: one host clock, and straight lines between it and other clocks.

Every module is handed a `Clock`. In a session in real time it is `HostClock`; under `--speed max` it is a
`VirtualClock`, which stands still until something moves it on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from rig import host

NS = 1_000_000_000


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


def utc_now() -> str:
    """The date and time of day in UTC, ISO 8601 with its offset; for people, never for measuring."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


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

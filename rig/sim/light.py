"""The light on the face: how bright the screen was of late, what the lamps do, and when a flip becomes light."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.sim.leds import KEPT_NS

Starts = NDArray[np.float64]  # ns, host clock


class Brightness:
    """A light over time, 0 dark to 1 bright, for cameras to see."""

    def __init__(self) -> None:
        self._changes: deque[tuple[int, float]] = deque([(-(2**63), 0.0)])

    def change(self, host_ns: int, brightness: float) -> None:
        """It is so bright from `host_ns` on; changes come in the order of their times."""
        self._changes.append((host_ns, brightness))
        while self._changes[1][0] < host_ns - KEPT_NS:
            self._changes.popleft()

    def mean(self, begins_ns: int, ends_ns: int) -> float:
        """The mean over a time, at most KEPT_NS ago."""
        total, until_ns = 0.0, ends_ns
        for since_ns, brightness in reversed(self._changes):
            total += max(0, until_ns - max(since_ns, begins_ns)) * brightness
            until_ns = min(until_ns, since_ns)
            if since_ns <= begins_ns:
                break
        return total / (ends_ns - begins_ns)


class ScreenLight(Brightness):
    """The mean brightness of the screen over time, 0 black to 1 white."""


class Lamps:
    """The lamps: visible ones follow the mains, near-infrared ones may be lit only while their cameras expose."""

    def __init__(self, *, ripple_percent: float = 0.0, mains_hz: float = 50.0, strobed: bool = False) -> None:
        self.ripples = ripple_percent > 0
        self._ripple, self._strobed = ripple_percent / 100, strobed
        self._turns = 2 * np.pi * 2 * mains_hz / NS  # radians a ns: power peaks twice in a period of the mains
        self._strobe, self._exposing = Brightness(), 0

    def exposing(self, host_ns: int, change: int) -> None:
        """One near-infrared camera more, 1, or less, -1, exposes from now on."""
        self._exposing += change
        self._strobe.change(host_ns, float(self._exposing > 0))

    def visible(self, starts_ns: Starts, lasts_ns: int) -> Starts:
        """The mean of visible light over exposures as long as this, to what it is without ripple."""
        begins, ends = self._turns * starts_ns, self._turns * (starts_ns + lasts_ns)
        return np.asarray(1 + self._ripple * (np.cos(begins) - np.cos(ends)) / (ends - begins))

    def near_infrared(self, begins_ns: int, ends_ns: int) -> float:
        """The share of a time in which the near-infrared lamps are lit."""
        return self._strobe.mean(begins_ns, ends_ns) if self._strobed else 1.0


class Display:
    """What lies between a flip and its light."""

    def __init__(self, latency_ms: float, jitter_ms: float, seed: int) -> None:
        """`jitter_ms`: standard deviation of the latency from one change of the patch to the next."""
        self._latency_ns, self._jitter_ns = round(latency_ms * 1e6), jitter_ms * 1e6
        self._random = np.random.default_rng((seed, 37))
        self._last_ns = 0

    def shines_ns(self, host_ns: int) -> int:
        """When the whole of a flip is light."""
        return host_ns + self._latency_ns

    def patch_ns(self, host_ns: int) -> int:
        """When its patch is: never before the flip, nor before that of the flip before."""
        late_ns = round(self._random.normal() * self._jitter_ns) if self._jitter_ns else 0
        self._last_ns = max(self._last_ns, host_ns, host_ns + self._latency_ns + late_ns)
        return self._last_ns

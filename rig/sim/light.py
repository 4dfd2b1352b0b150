"""The light of the participant's screen on the face: how bright the whole screen was of late."""

from __future__ import annotations

from collections import deque

from rig.sim.leds import KEPT_NS


class ScreenLight:
    """The mean brightness of the screen over time, 0 black to 1 white, for cameras to see."""

    def __init__(self) -> None:
        self._changes: deque[tuple[int, float]] = deque([(-(2**63), 0.0)])

    def change(self, host_ns: int, brightness: float) -> None:
        """The screen is so bright from `host_ns` on; changes come in the order of their times."""
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

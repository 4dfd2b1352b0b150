"""How long after its pulse a camera's frame reaches the host, measured while the frame's pulse is sure.

A frame may be late by any time, when the computer was busy. The quickest one of a second hardly is: how much the
quickest ones of all seconds differ is the measured lateness.
"""

from __future__ import annotations

from dataclasses import dataclass

from rig.record.box_times import TICK_NS, BoxTimes

WINDOW_NS = 1_000_000_000
FEWEST_WINDOWS = 3  # with fewer the lateness has not been measured


@dataclass(frozen=True)
class Window:
    """The quickest frame of a second: box ticks since pulse 0 at which it was triggered, and when it arrived."""

    due_ticks: float
    arrived_host_ns: int

    @property
    def key(self) -> float:
        """The less, the quicker; host ns less a constant, as exact as the box's nominal rate over a second."""
        return self.arrived_host_ns - self.due_ticks * TICK_NS


class Lateness:
    """Box ticks from pulse to arrival, by the quickest frame of each second."""

    def __init__(self, times: BoxTimes) -> None:
        self._times = times
        self._window: Window | None = None
        self._ends_ns = 0
        self.windows = 0
        self.least = float("inf")
        self.most = float("-inf")

    def note(self, due_ticks: float, arrived_host_ns: int) -> None:
        """A frame whose pulse is sure arrived."""
        frame = Window(due_ticks, arrived_host_ns)
        if self._window is None or arrived_host_ns >= self._ends_ns:
            self._close()
            self._window, self._ends_ns = frame, arrived_host_ns + WINDOW_NS
        elif frame.key < self._window.key:
            self._window = frame

    def _close(self) -> None:
        if self._window is None or not self._times.is_known:
            return
        late = self._times.ticks_at(self._window.arrived_host_ns) - self._window.due_ticks
        self.windows += 1
        self.least, self.most = min(self.least, late), max(self.most, late)

    def is_under(self, ticks: float) -> bool:
        """Whether the quickest frames of a second were never later than the least by so much."""
        return self.windows >= FEWEST_WINDOWS and self.most - self.least < ticks

"""How long after its pulse a camera's frame reaches the host, measured while the frame's pulse is sure.

A frame may be late by any time, when the computer was busy. The quickest one of a second hardly is: how much the
quickest ones of the last seconds differ from the quickest of all is the measured lateness. A busy second counts as
long as it is one of these: then the computer shows again that it is quick.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rig.record.box_times import FASTEST, TICK_NS, BoxTimes

WINDOW_NS = 1_000_000_000
FEWEST_WINDOWS = 3  # with fewer the lateness has not been measured
WINDOWS = 10  # the last so many count


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
        self._whole: Window | None = None  # the one before, of a whole second
        self._ends_ns = 0
        self._windows: deque[float] = deque(maxlen=WINDOWS)
        self.least = float("inf")

    def note(self, due_ticks: float, arrived_host_ns: int) -> None:
        """A frame whose pulse is sure arrived."""
        frame = Window(due_ticks, arrived_host_ns)
        if self._window is None or arrived_host_ns >= self._ends_ns:
            self._close()
            self._window, self._ends_ns = frame, arrived_host_ns + WINDOW_NS
        elif frame.key < self._window.key:
            self._window = frame

    def _close(self) -> None:
        self._whole = self._window
        if self._window is None or not self._times.is_known:
            return
        late = self._late(self._window.due_ticks, self._window.arrived_host_ns)
        self._windows.append(late)
        self.least = min(self.least, late)

    def _late(self, due_ticks: float, arrived_host_ns: int) -> float:
        return self._times.ticks_at(arrived_host_ns) - due_ticks

    def is_under(self, ticks: float) -> bool:
        """Whether the quickest frames of the last seconds were never later than the least by so much."""
        return len(self._windows) >= FEWEST_WINDOWS and max(self._windows) - self.least < ticks

    @property
    def has_second(self) -> bool:
        """Whether a whole second of frames has come."""
        return self._whole is not None

    def later_than_ever(self, frames: Sequence[tuple[float, int]], floor: float, enough: float) -> float | None:
        """How much later than the quickest frame so far the quickest of these is, in box ticks.

        `frames`: when each would be due, in box ticks after pulse 0, and when it arrived, host ns. Before a second
        of frames has come, the quickest is taken to be as late as `floor`, earlier than which none can be. None where
        it cannot be told as exactly as `enough`: without clock pairs the box's clock is known by its nominal rate only.
        """
        window, began_ns = self._whole, frames[0][1]
        if self._times.is_known:
            began, rate = self._line_from(began_ns)
            least = floor if window is None else min(self.least, self._late(window.due_ticks, window.arrived_host_ns))
        elif window is not None and (frames[-1][1] - window.arrived_host_ns) * (FASTEST - 1) / TICK_NS < enough:
            began_ns, began, rate, least = window.arrived_host_ns, window.due_ticks, 1 / TICK_NS, 0.0
        else:
            return None
        return min(began + (arrived_ns - began_ns) * rate - due for due, arrived_ns in frames) - least

    def _line_from(self, host_ns: int) -> tuple[float, float]:
        """Box ticks at a host time, and how many go to a ns of the second after it."""
        ticks = self._times.ticks_at(host_ns)
        return ticks, (self._times.ticks_at(host_ns + WINDOW_NS) - ticks) / WINDOW_NS

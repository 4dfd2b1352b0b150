"""The timer of the simulated box: how fast its oscillator runs, and both ways between its ticks and the host clock."""

from __future__ import annotations

from rig.clock import NS
from rig.trigger.box import TICKS_HZ

MICRO = 1_000_000
DRIFT_NS = 600 * NS  # a drift is given as the change of rate over 10 minutes
_TICK = NS * MICRO * 2 * DRIFT_NS  # one tick in the units of `_phase`


class BoxClock:
    """`ppm` fast or slow at `start_host_ns`, its rate `drift_ppm` higher every 10 min. Exact, in whole numbers.

    The drift is the oscillator's and goes on through a reset; the reading begins anew.
    """

    def __init__(self, ppm: float, host_ns: int, ticks: int, *, drift_ppm: float = 0.0) -> None:
        self._start_host_ns = host_ns
        self._rate = (TICKS_HZ * MICRO + round(TICKS_HZ * ppm)) * 2 * DRIFT_NS
        self._bend = round(TICKS_HZ * drift_ppm)
        self.restart(host_ns, ticks)

    def restart(self, host_ns: int, ticks: int) -> None:
        """Read `ticks` at `host_ns`."""
        self._origin_phase, self._origin_ticks = self._phase(host_ns), ticks

    def ticks_at(self, host_ns: int) -> int:
        """The reading at `host_ns`, not wrapped."""
        return self._origin_ticks + (self._phase(host_ns) - self._origin_phase) // _TICK

    def host_ns_of(self, ticks: int) -> int:
        """The first host ns at which the timer reads `ticks`."""
        due = self._origin_phase + (ticks - self._origin_ticks) * _TICK
        since = due // self._rate
        for _ in range(4 if self._bend else 0):  # each brings it ten thousand times closer
            since = due // (self._rate + self._bend * since)
        host_ns = self._start_host_ns + since
        while self._phase(host_ns) < due:
            host_ns += 1
        while self._phase(host_ns - 1) >= due:
            host_ns -= 1
        return host_ns

    def _phase(self, host_ns: int) -> int:
        """How far the oscillator has turned since the start."""
        since = host_ns - self._start_host_ns
        return since * (self._rate + self._bend * since)

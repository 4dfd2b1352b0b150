"""The box counts time in 32 bits, which run over every 36 minutes; here they become a count that does not."""

from __future__ import annotations

from rig.clock import NS

WRAP = 1 << 32


class TickCounter:
    """Makes 64-bit box ticks of the 32 bits on the wire, by the host's idea of how much time has passed.

    Right as long as the box's clock error times the time since the last reading stays under half a wrap
    (18 minutes): with a bad resonator (0.5 %) that is two days of silence.
    """

    def __init__(self, tick_hz: int) -> None:
        self._tick_hz = tick_hz
        self._ticks: int | None = None
        self._host_ns = 0

    def unwrap(self, raw: int, now_host_ns: int) -> int:
        """The 64-bit reading of which `raw` is the low half."""
        if self._ticks is None:
            self._ticks, self._host_ns = raw, now_host_ns
        expected = self._ticks + (now_host_ns - self._host_ns) * self._tick_hz // NS
        ticks = expected + (raw - expected + WRAP // 2) % WRAP - WRAP // 2
        if ticks > self._ticks:
            self._ticks, self._host_ns = ticks, now_host_ns
        return ticks

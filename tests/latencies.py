"""Round trips to a trigger box as three kinds of USB bridge delay them, with the true time of each box tick.

Each way has a part that the bridge adds (uniform), a part that the host adds (exponential, long when it is busy),
and, behind a serial line, the time that the bytes take on it. The box's clock is off by a constant and wanders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.streams import CLOCK_PAIR

UP_S = 1e-3
DOWN_S = {"FTDI": 16e-3, "16U2": 4.1e-3, "native USB": 1e-3}
BAUD = {"FTDI": 115_200, "16U2": 115_200, "native USB": 0}
LIMIT_MS = {"FTDI": 2.0, "16U2": 0.8, "native USB": 0.15}  # worst error over ten minutes
PING_BITS, PONG_BITS = 60, 140  # on the line before the request is stamped, and after the answer is
WANDER_S = 900.0
HOST_0 = 7 * NS
SECONDS = 600.0


@dataclass(frozen=True)
class BoxClock:
    """A box's timer: `ppm` fast, and faster and slower by `wander_ppm` in turn within a quarter of an hour."""

    ppm: float = 120.0
    wander_ppm: float = 3.0

    def ticks_at(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        swing_s = self.wander_ppm * 1e-6 * WANDER_S / (2 * np.pi)
        own = (1 + self.ppm * 1e-6) * seconds + swing_s * np.sin(2 * np.pi * seconds / WANDER_S)
        return np.rint(own * 2e6).astype(np.int64)


def host_ns(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return HOST_0 + np.rint(seconds * NS).astype(np.int64)


def round_trips(bridge: str, clock: BoxClock, seed: int) -> NDArray[np.void]:
    """Pings at 5 Hz over ten minutes, CLOCK_PAIR (n,)."""
    random = np.random.default_rng(seed)
    sent = np.arange(0, SECONDS, 0.2)
    n = len(sent)
    host_sends = random.exponential(0.1e-3, n) + (random.random(n) < 0.02) * random.exponential(5e-3, n)
    host_hears = random.exponential(0.3e-3, n) + (random.random(n) < 0.1) * random.exponential(10e-3, n)
    bit_s = 1 / BAUD[bridge] if BAUD[bridge] else 0.0
    received = sent + host_sends + random.uniform(0, UP_S, n) + PING_BITS * bit_s
    answered = received + 50e-6
    heard = answered + PONG_BITS * bit_s + random.uniform(0, DOWN_S[bridge], n) + host_hears
    rows = np.zeros(n, CLOCK_PAIR)
    rows["clock"] = b"box"
    rows["reading"], rows["reading_end"] = clock.ticks_at(received), clock.ticks_at(answered)
    rows["host_before_ns"], rows["host_after_ns"] = host_ns(sent), host_ns(heard)
    return rows


def errors_ms(to_host: object, clock: BoxClock) -> NDArray[np.float64]:
    """What a map of ticks to host ns is off by at 3000 instants of the ten minutes, ms."""
    seconds = np.linspace(0, SECONDS - 0.2, 3000)
    return np.asarray((to_host(clock.ticks_at(seconds)) - host_ns(seconds)) / 1e6)  # type: ignore[operator]

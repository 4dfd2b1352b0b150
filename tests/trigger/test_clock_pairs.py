"""The clock pairs that the driver makes over each kind of bridge map the box's clock to the host's as well as asked."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from rig.clock import NS
from rig.session.timeline import fit_box
from rig.streams import CLOCK_PAIR, PULSE, ClockPair
from rig.testing.trigger import of_kind
from tests.latencies import LIMIT_MS
from tests.trigger.benches import VirtualRig, virtual_rig

BRIDGES = {"ftdi": LIMIT_MS["FTDI"], "16u2": LIMIT_MS["16U2"], "native": LIMIT_MS["native USB"]}
MINUTES = 10


def pinged(rig: VirtualRig, seconds: int) -> np.ndarray:
    """Clock pairs of pings at 5 Hz, CLOCK_PAIR (n,)."""
    pairs: list[ClockPair] = []
    for _ in range(5 * seconds):
        rig.box.ping()
        pairs += of_kind(rig.bench.wait(0.2), ClockPair)
    return np.array([(0, b"box", *astuple(pair)[1:]) for pair in pairs], CLOCK_PAIR)


@pytest.mark.parametrize("bridge", BRIDGES)
def test_ten_minutes_of_pings_through_the_simulated_bridge(bridge: str) -> None:
    with virtual_rig(bridge=bridge, seed=4) as rig:
        baud = int(rig.box.describe().capabilities["baud"])
        rows = pinged(rig, 60 * MINUTES)
        instants = np.linspace(rows["host_before_ns"][0], rows["host_after_ns"][-1], 500).astype(np.int64)
        true_ticks = np.array([rig.sim._clock.ticks_at(int(host_ns)) for host_ns in instants], np.int64)
    to_host = fit_box(rows, np.zeros(0, PULSE), baud=baud)
    off_ms = np.abs(to_host(true_ticks) - instants) / 1e6
    assert len(rows) == 5 * 60 * MINUTES
    assert off_ms.max() <= BRIDGES[bridge]
    assert (instants[-1] - instants[0]) / NS > 59 * MINUTES

"""Faults are placed where they were asked for, all of them or none."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest

from rig.config.rig import Camera, Faults
from rig.errors import ConfigError
from rig.sim.faults import Fault, place_faults

SHAPE = {"backend": "simulated", "exposure_us": 1, "width": 96, "height": 64}
CAMERAS = {
    "HS": Camera.model_validate({**SHAPE, "serial": "a", "line": 0, "divisor": 1}),
    "VIS": Camera.model_validate({**SHAPE, "serial": "b", "line": 1, "divisor": 4}),
}


@pytest.mark.parametrize("seed", range(5))
def test_every_place_can_be_struck_once(seed: int) -> None:
    faults = Faults(lost_frames=5, lost_pulses=5, ghost_frames=3, first_pulse=40, last_pulse=49)
    placed = place_faults(faults, CAMERAS, seed)
    assert set(placed) == {("HS", pulse) for pulse in range(40, 50)} | {("VIS", pulse) for pulse in (40, 44, 48)}
    assert Counter(placed.values()) == {Fault.LOST_FRAME: 5, Fault.LOST_PULSE: 5, Fault.GHOST_FRAME: 3}


def test_places_among_millions_of_pulses_are_drawn_without_listing_them() -> None:
    faults = Faults(lost_frames=500, ghost_frames=500, first_pulse=1, last_pulse=10_000_000)
    tracemalloc.start()
    placed = place_faults(faults, CAMERAS, seed=3)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 << 20
    assert len(placed) == 1000
    pulses = {name: np.array([pulse for stream, pulse in placed if stream == name]) for name in CAMERAS}
    for name, share in (("HS", 0.8), ("VIS", 0.2)):  # HS has four times as many pulses
        assert len(pulses[name]) / 1000 == pytest.approx(share, abs=0.05)
        assert pulses[name].mean() == pytest.approx(5e6, rel=0.1)
        assert (pulses[name] >= 1).all() and (pulses[name] <= 10_000_000).all()
    assert (pulses["VIS"] % 4 == 0).all()


def test_more_faults_than_places_are_refused_naming_how_many_fit() -> None:
    faults = Faults(lost_frames=10, ghost_frames=4, first_pulse=40, last_pulse=49)
    with pytest.raises(ConfigError) as found:
        place_faults(faults, CAMERAS, seed=1)
    assert (found.value.value, found.value.allowed) == ("14 faults", "13 fit")

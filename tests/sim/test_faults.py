"""Faults are placed where they were asked for, all of them or none."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rig.config.rig import Camera, Faults, read_rig
from rig.config.rules import SPAN_PULSES, STRIKE_LONG, STRIKE_ONCE
from rig.errors import ConfigError
from rig.sim.expressions import Movement, Shown
from rig.sim.faults import (
    LONG,
    ONCE,
    Committed,
    Fault,
    Truth,
    extras,
    lost_pulses,
    place_faults,
    read_movements,
    read_truth,
)
from tests.rigs import write_rig

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


@pytest.mark.parametrize("seed", range(5))
def test_a_fault_of_several_pulses_has_24_pulses_of_its_camera_to_itself(seed: int) -> None:
    faults = Faults(timeouts=2, clock_steps=2, long_exposures=1, lost_frames=130, first_pulse=40, last_pulse=239)
    placed = place_faults(faults, CAMERAS, seed)
    assert Counter(placed.values()) == {
        Fault.TIMEOUT: 24,
        Fault.CLOCK_STEP: 2,
        Fault.LONG_EXPOSURE: 16,
        Fault.LOST_FRAME: 130,
    }
    for name, divisor in (("HS", 1), ("VIS", 4)):
        own = [placed.get((name, pulse)) for pulse in range(40, 240, divisor)]
        for begin in range(0, len(own) - 23, 24):
            span = set(own[begin : begin + 24]) - {None}
            assert len(span) <= 1, "two kinds in one span"


@pytest.mark.parametrize("seed", range(5))
def test_a_bus_reset_takes_a_second_camera_at_its_next_pulse(seed: int) -> None:
    placed = place_faults(Faults(bus_resets=1, first_pulse=40, last_pulse=239), CAMERAS, seed)
    (hs,) = [pulse for stream, pulse in placed if stream == "HS"]
    (vis,) = [pulse for stream, pulse in placed if stream == "VIS"]
    assert set(placed.values()) == {Fault.BUS_RESET}
    assert abs(hs - vis) < 4 and vis % 4 == 0


@pytest.mark.parametrize(("long", "once", "allowed"), [(10, 10, ""), (11, 0, "10 fit"), (10, 11, "10 fit")])
def test_rig_yaml_allows_as_many_faults_as_can_be_placed(tmp_path: Path, long: int, once: int, allowed: str) -> None:
    """HS has 200 pulses and VIS 50: 8 and 2 spans of 24, and 10 places beside them."""
    keys = f"stalls: {long}, late_frames: {once}, first_pulse: 40, last_pulse: 239"
    path = write_rig(tmp_path, faults=keys)
    before, _, after = path.read_text().partition("  NIR:")
    path.write_text(before + after[after.index("screen:") :])
    faults = Faults(stalls=long, late_frames=once, first_pulse=40, last_pulse=239)
    if not allowed:
        assert len(place_faults(faults, read_rig(path).rig.cameras, seed=1)) == 20
        return
    with pytest.raises(ConfigError, match=allowed):
        place_faults(faults, CAMERAS, seed=1)
    with pytest.raises(ConfigError, match=r"simulation\.faults: .* faults are too many; at most 10"):
        read_rig(path)


def test_every_key_of_a_camera_s_faults_has_its_place_and_its_rule() -> None:
    assert tuple(ONCE) == STRIKE_ONCE
    assert tuple(LONG) == STRIKE_LONG
    assert max(max(span) for span in LONG.values()) < SPAN_PULSES


def test_the_truth_in_the_file_is_the_one_in_memory(tmp_path: Path) -> None:
    truth = Truth(tmp_path / "truth.jsonl")
    blink = Shown(Movement.BLINK, 5, 7, 9)
    truth.add(Fault.LOST_FRAME, "HS", 8)
    truth.shown(blink)
    truth.shown(blink)  # by another camera
    truth.add(Fault.DUPLICATE_FRAME, "HS", 4)
    truth.add(Fault.DISCONNECTED, "HS", 6)
    truth.add(Fault.LOST_FRAME, "VIS", 8)
    truth.add(Fault.LATE_FLIP, "clip1", film_frame=12)
    found = read_truth(tmp_path / "truth.jsonl")
    assert found == truth.committed
    assert read_movements(tmp_path / "truth.jsonl") == [blink]
    assert lost_pulses(found, "HS") == [6, 8]
    assert extras(found, "HS") == [Committed(Fault.DUPLICATE_FRAME, "HS", 4)]

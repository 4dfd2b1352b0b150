"""Each simulated camera has a clock of its own: another zero, and a rate that is a little off."""

from __future__ import annotations

import numpy as np

from rig.clock import VirtualClock
from rig.sim.camera import SimulatedCamera
from rig.sim.links import LocalLink
from rig.sim.misbehaving import CameraClock
from rig.sim.world import World, pool_shape
from rig.streams import CameraEvent
from tests.sim.test_misbehaving import rig

SECONDS, NS = 200, 1_000_000_000


def ticks_of_edges(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each camera when its edges rose, ns, and the ticks of their frames; one a second."""
    of = rig(seed=seed)
    clock, world = VirtualClock(0), World(of, 0, None)
    cameras = {name: SimulatedCamera(name, LocalLink(name, world, pool_shape(of, name)), clock) for name in of.cameras}
    told: dict[str, list[tuple[int, int]]] = {name: [] for name in cameras}
    for camera in cameras.values():
        camera.arm(0)
    for number in range(1, SECONDS):
        for name, camera in cameras.items():
            world.sensors[name].edge(number * NS, number, NS // 100, walk=False)
            world.run_until(number * NS + NS // 10)
            frame = camera.grab(0)
            assert frame is not None and not isinstance(frame, CameraEvent)
            told[name].append((number * NS, frame.camera_ticks))
            camera.release(frame)
    return {name: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for name, pairs in told.items()}


def test_rates_differ_by_at_most_50_ppm_and_are_constant() -> None:
    rates_ppm = {}
    for seed in (1, 2, 3):
        for name, (edges_ns, ticks) in ticks_of_edges(seed).items():
            off = ticks - edges_ns
            slope = (off[-1] - off[0]) / (edges_ns[-1] - edges_ns[0])
            assert np.abs(off - off[0] - slope * (edges_ns - edges_ns[0])).max() <= 1.5  # whole ticks
            rates_ppm[seed, name] = slope * 1e6
    assert all(0.01 < abs(rate) <= 50 for rate in rates_ppm.values())
    assert np.diff(sorted(rates_ppm.values())).min() > 0.01
    assert max(map(abs, rates_ppm.values())) > 10


def test_zeros_differ() -> None:
    zeros_s = [(ticks[0] - edges_ns[0]) / NS for seed in (1, 2) for edges_ns, ticks in ticks_of_edges(seed).values()]
    assert np.diff(sorted(zeros_s)).min() > 0.1
    assert min(zeros_s) >= 1


def test_a_clock_that_was_just_switched_on_steps_back_without_going_below_zero() -> None:
    for seed in range(20):
        clock = CameraClock(np.random.default_rng(seed))
        clock.restart(50 * NS)
        before = clock.ticks(50 * NS)
        clock.step(50 * NS, -1)
        assert 0 <= clock.ticks(50 * NS) < before < 2 * NS

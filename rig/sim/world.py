"""The simulated world: one box, its wires, the cameras on them, and the light on the photodiode.

    bytes from the driver --> box --> trigger lines --> sensors --> frames to their drivers
                               ^
    light of the screen -------+ photodiode input

It knows only its own time (host ns) and does what is due when it is told to run. In virtual time it lives in the
recorder's own thread, in real time in a process of its own (`process.py`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rig.config.rig import Rig, Simulation
from rig.errors import ConfigError
from rig.sim.box import SimulatedBox
from rig.sim.face import Face
from rig.sim.faults import Truth, place_faults
from rig.sim.sensor import POOL_S, Message, Post, Sensor
from rig.streams import Picture


def simulation_of(rig: Rig) -> Simulation:
    """The rig's simulated world. Raises ConfigError when rig.yaml has none."""
    if rig.simulation is None:
        raise ConfigError(rig.name, "has simulated devices and no simulation:", hint="Add simulation: {seed: 1}")
    return rig.simulation


def pool_shape(rig: Rig, name: str) -> tuple[int, int, int]:
    """Buffers, height and width of a simulated camera's pool."""
    camera = rig.cameras[name]
    return max(8, round(POOL_S * rig.box.rate_hz / camera.divisor)), camera.height, camera.width


class World:
    """Everything outside the computer, on host time."""

    def __init__(self, rig: Rig, start_host_ns: int, truth: Path | None) -> None:
        config = simulation_of(rig)
        self.truth = Truth(truth)
        self._rig = rig
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.box = SimulatedBox(start_host_ns=start_host_ns, ppm=config.box_ppm, seed=config.seed, on_lines=self._lines)
        faults = place_faults(config.faults, rig.cameras, config.seed)
        self.sensors: dict[str, Sensor] = {}
        for name, camera in rig.cameras.items():
            face = Face(camera.height, camera.width, band=camera.line, noise=config.noise, seed=config.seed)
            self.sensors[name] = Sensor(name, camera, face, self.truth, faults, config.seed)

    def attach(self, name: str, post: Post, pool: Picture, states: Picture) -> None:
        """Connect a camera's driver."""
        self.sensors[name].attach(self._at, post, pool, states)

    def command(self, name: str, message: Message) -> None:
        """A request of a camera's driver."""
        self.sensors[name].command(message)

    def light(self, host_ns: int, level: int) -> None:
        """The photodiode patch changed; reaches the box when world time comes to it."""
        number = self._rig.box.inputs.get("photodiode")
        if number is not None:
            self._at(host_ns, lambda: self.box.input_edge(host_ns, number, level))

    def next_host_ns(self) -> int | None:
        """When something is due next; None when nothing is."""
        times = [t for t in (self.box.next_host_ns(), self._due[0][0] if self._due else None) if t is not None]
        return min(times, default=None)

    def run_until(self, host_ns: int) -> None:
        """Do everything that is due until `host_ns`, in the order of its time."""
        while (due := self.next_host_ns()) is not None and due <= host_ns:
            self.box.run_until(due)
            while self._due and self._due[0][0] <= due:
                heapq.heappop(self._due)[2]()
        self.box.run_until(host_ns)

    def _at(self, host_ns: int, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._due, (host_ns, self._order, what))

    def _lines(self, host_ns: int, lines: int, pulse_number: int, walk: bool) -> None:  # noqa: FBT001
        period_ns = round(1e9 / self._rig.box.rate_hz)
        for sensor in self.sensors.values():
            if lines >> sensor.config.line & 1:
                sensor.edge(host_ns, pulse_number, period_ns, walk=walk)


def empty_pool(shape: tuple[int, int, int]) -> tuple[Picture, Picture]:
    """A pool and its slot states, in this process's memory."""
    return np.zeros(shape, np.uint8), np.zeros(shape[0], np.uint8)

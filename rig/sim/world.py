"""The simulated world: one box, its wires, the cameras on them, and the light on the photodiode.

    bytes from the driver --> box --> trigger lines --> sensors --> frames to their drivers
                               ^  --> sync LEDs ------>    |
    light of the screen -------+---------------------------+ ExposureActive
                             inputs

It knows only its own time (host ns) and does what is due when it is told to run. In virtual time it lives in the
recorder's own thread, in real time in a process of its own (`process.py`). There a box outside this program may have
the wires instead (`wires.py`).
"""

from __future__ import annotations

import heapq
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rig.config.rig import Camera, Rig, Simulation
from rig.config.rules import buffers_of
from rig.errors import ConfigError
from rig.pixels import FORMATS
from rig.sim.box import SimulatedBox
from rig.sim.faults import SCREEN, BoxFaults, Fault, Truth, place_faults
from rig.sim.leds import LedHistory
from rig.sim.light import Lamps, ScreenLight
from rig.sim.optics import Optics
from rig.sim.sensor import Message, Post, Sensor
from rig.sim.wires import OutsideBox
from rig.streams import Picture
from rig.trigger.box import walk_pulses

OnPulse = Callable[[int, int], None]


def simulation_of(rig: Rig) -> Simulation:
    """The rig's simulated world. Raises ConfigError when rig.yaml has none."""
    if rig.simulation is None:
        raise ConfigError(rig.name, "has simulated devices and no simulation:", hint="Add simulation: {seed: 1}")
    return rig.simulation


def simulated_cameras(rig: Rig) -> dict[str, Camera]:
    """The cameras that are in the simulated world; the others only hear its trigger lines."""
    return {name: camera for name, camera in rig.cameras.items() if camera.backend == "simulated"}


class PoolShape(NamedTuple):
    """The memory of a camera's buffers."""

    slots: int
    picture: tuple[int, ...]  # shape of one
    dtype: str


def pool_shape(rig: Rig, name: str) -> PoolShape:
    """The buffers of a simulated camera."""
    camera = rig.cameras[name]
    form = FORMATS[camera.pixel_format]
    return PoolShape(
        buffers_of(rig.box.rate_hz, camera.divisor), form.shape(camera.height, camera.width), form.dtype.str
    )


class World:
    """Everything outside the computer, on host time."""

    def __init__(self, rig: Rig, start_host_ns: int, truth: Path | None) -> None:
        config = simulation_of(rig)
        self.truth = Truth(truth)
        self._rig = rig
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._now = start_host_ns  # of what is being done
        self._leds, self._glow = LedHistory(), ScreenLight()
        self._lamps = Lamps(
            ripple_percent=config.ripple_percent, mains_hz=config.mains_hz, strobed=config.strobed_lamps
        )
        self._outside: OutsideBox | None = None
        self._tell_pulse: OnPulse = lambda _host_ns, _lines: None
        self.box = SimulatedBox(
            self._lines,
            on_leds=self._leds.change,
            start_host_ns=start_host_ns,
            ppm=config.box_ppm,
            seed=config.seed,
            bridge=config.bridge,
            baud=rig.box.baud,
            loop_back=config.loop_back,
            faults=BoxFaults(config.faults, config.seed, self.truth, rate_hz=rig.box.rate_hz),
        )
        self._faults = config.faults
        self._told: set[tuple[Fault, str]] = set()  # faults that are told once
        cameras = simulated_cameras(rig)
        self._wired = _wired(cameras, config.faults.swapped_cables)
        self.placed = place_faults(config.faults, cameras, config.seed)
        self.sensors: dict[str, Sensor] = {}
        for name, camera in cameras.items():
            tell = self.truth.shown
            optics = Optics(
                camera, self._leds, self._glow, seed=config.seed, scene=config.scene, tell=tell, lamps=self._lamps
            )
            self.sensors[name] = Sensor(name, camera, optics, self.truth, config.faults, self.placed, config.seed)

    def attach(self, name: str, post: Post, pool: Picture, states: Picture) -> None:
        """Connect a camera's driver."""
        active = partial(self._exposing, name)
        self.sensors[name].attach(self._at, self._deliver_at, active, post, pool, states)

    def give_wires_to(self, far: socket.socket) -> OutsideBox:
        """A box outside this program, at the far end of a socket, has the wires from now on."""
        walk = sum(walk_pulses(camera.line) for camera in self._rig.cameras.values())
        self._outside = OutsideBox(far, self._lines, self._leds.change, walk)
        return self._outside

    def tell_pulses(self, tell: OnPulse) -> None:
        """Devices outside this world hear its trigger lines: those that rise at an instant, bit c for line c."""
        self._tell_pulse = tell

    @property
    def now_ns(self) -> int:
        """How far it has run, host ns."""
        return self._now

    def command(self, name: str, message: Message, host_ns: int) -> None:
        """A request of a camera's driver, come at `host_ns`."""
        self.sensors[name].command(message, host_ns)

    def glow(self, host_ns: int, brightness: float) -> None:
        """The screen is so bright from `host_ns` on, in the mean: 0 black, 1 white."""
        self._at(host_ns, lambda: self._glow.change(host_ns, brightness))

    def light(self, host_ns: int, level: int) -> None:
        """The photodiode patch changed; reaches the box when world time comes to it, and if a photodiode is there."""
        if self._faults.photodiode_off:
            self._tell_once(Fault.PHOTODIODE_OFF, SCREEN)
            return
        self._at(host_ns, lambda: self._input("photodiode", level))

    def next_host_ns(self) -> int | None:
        """When something is due next; None when nothing is."""
        of_box = self.box.next_host_ns()
        if not self._due:
            return of_box
        of_others = self._due[0][0]
        return of_others if of_box is None or of_others < of_box else of_box

    def run_until(self, host_ns: int) -> None:
        """Do everything that is due until `host_ns`, in the order of its time."""
        while (due := self.next_host_ns()) is not None and due <= host_ns:
            self.box.run_until(due)
            while self._due and self._due[0][0] <= due:
                self._now, _, act = heapq.heappop(self._due)
                act()
        self.box.run_until(host_ns)
        self._now = max(self._now, host_ns)

    def _at(self, host_ns: int, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._due, (host_ns, self._order, what))

    def _deliver_at(self, host_ns: int, what: Callable[[], None]) -> None:
        """What looks at the light of the past waits for wires that tell of it late."""
        self._at(host_ns + (self._outside.late_ns if self._outside else 0), what)

    def _exposing(self, name: str, level: int) -> None:
        """A camera begins or ends to expose now."""
        if self.sensors[name].config.simulated.spectrum == "near_infrared":
            self._lamps.exposing(self._now, 1 if level else -1)
        self._input(name, level)

    def _input(self, signal: str, level: int) -> None:
        """A signal changes now that may be wired to an input of the box."""
        number = self._rig.box.inputs.get(signal)
        if number is not None:
            box = self._outside or self.box
            box.input_edge(self._now, number, level)

    def _lines(self, host_ns: int, lines: int, pulse_number: int, walk: bool) -> None:  # noqa: FBT001
        self._tell_pulse(host_ns, lines)
        period_ns = round(1e9 / self._rig.box.rate_hz)
        for name, sensor in self.sensors.items():
            if not lines >> self._wired[name] & 1:
                continue
            if self._wired[name] != sensor.config.line:
                self._tell_once(Fault.SWAPPED_CABLES, name)
            if name == self._faults.dead_line:
                self._tell_once(Fault.DEAD_LINE, name)
            else:
                sensor.edge(host_ns, pulse_number, period_ns, walk=walk)

    def _tell_once(self, fault: Fault, stream: str) -> None:
        """Tell the truth of what is wrong all the time, when it shows first."""
        if (fault, stream) not in self._told:
            self._told.add((fault, stream))
            self.truth.add(fault, stream)


def _wired(cameras: dict[str, Camera], swapped: list[str]) -> dict[str, int]:
    """The trigger line that each camera is really on."""
    others = dict(zip(swapped, reversed(swapped), strict=True))
    return {name: cameras[others.get(name, name)].line for name in cameras}


def empty_pool(shape: PoolShape) -> tuple[Picture, Picture]:
    """A pool and its slot states, in this process's memory."""
    return np.zeros((shape.slots, *shape.picture), shape.dtype), np.zeros(shape.slots, np.uint8)

"""Benches for the simulated camera: in virtual time in one thread, and over a socket with a world in a thread."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import accumulate
from typing import Any

from rig.cameras.camera import Delay, Discipline, Origin, Shutter, TicksMark
from rig.cameras.features import Feature
from rig.clock import NS, HostClock, VirtualClock
from rig.config.rig import Rig
from rig.pixels import FORMATS, shown
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import Fault
from rig.sim.links import JsonSocket, LocalLink, SocketLink, map_pool
from rig.sim.sensor import Message, Sensor
from rig.sim.world import PoolShape, World, pool_shape
from rig.streams import Picture
from rig.testing.camera import Bench, Known, OnWire
from tests.burnt_in import burnt_in_number

NAME, SERIAL, BUFFERS, HEIGHT, WIDTH = "HS", "SIM-HS", 8, 64, 96
DELAYS_US = {"exposure_start": 37.5, "trigger": 20.0, "debouncer": 5.0}
FEATURES: dict[str, Feature] = {"TriggerDelay": DELAYS_US["trigger"], "LineDebouncerTime": DELAYS_US["debouncer"]}
EXPOSURE_US = 2000.0
CAMERA = {
    "backend": "simulated",
    "serial": SERIAL,
    "line": 0,
    "divisor": 1,
    "exposure_us": EXPOSURE_US,
    "start_delay_us": DELAYS_US["exposure_start"],
    "features": FEATURES,
}
PERIOD_NS, TOO_EARLY_NS = 5_000_000, 1_500_000  # an exposure lasts 2 ms
FRAME_NS = 10_000_000  # more than exposure and readout
WRAPS_WITHIN = 4  # edges
UNREADABLE = -2  # what a picture without any number shows
FAULTS = {"away_s": 0, "scribbles": True}
WRAPPING = FAULTS | {"wrapping_numbers": True, "first_pulse": WRAPS_WITHIN, "last_pulse": WRAPS_WITHIN}


def rig(*, faults: dict[str, Any] = FAULTS, **camera: Any) -> Rig:
    size = {"height": HEIGHT, "width": WIDTH}
    return Rig.model_validate(
        {
            "schema": 1,
            "name": "bench",
            "box": {"port": "sim://bench", "rate_hz": 200},
            "cameras": {NAME: CAMERA | size | camera},
            "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
            "simulation": {"seed": 5, "faults": faults},
        }
    )


def known(of: Rig) -> Known:
    """What a camera of this rig must say, by its configuration alone."""
    camera = of.cameras[NAME]
    sensor, begins_us = camera.simulated, sum(DELAYS_US.values())
    origins = {"exposure_start": Origin.DECLARED, "trigger": Origin.DEVICE, "debouncer": Origin.DEVICE}
    return Known(
        ticks_mark=TicksMark.EXPOSURE_START if sensor.timestamps else TicksMark.NONE,
        discipline=Discipline.FREE if sensor.timestamps else Discipline.NONE,
        shutter=Shutter(sensor.shutter.upper()),
        row_time_us=sensor.row_time_us if sensor.shutter == "rolling" else 0.0,
        delays={name: Delay(us, origins[name]) for name, us in DELAYS_US.items()},
        shortest_period_us=begins_us + EXPOSURE_US,
        counter_source={"line": "Line1", "frame": "FrameStart", "none": ""}[sensor.counter],
        exposure_start_us=begins_us,
        line_status=1,  # Line1 is high as an exposure begins: the pulse lasts longer than its delays
        notices_early=True,
        settings={
            "TriggerActivation": "RisingEdge",
            "TriggerDelay": DELAYS_US["trigger"],
            "ExposureAuto": "Off",
            "GainAuto": "Off",
            "BalanceWhiteAuto": "Off",
            "AcquisitionFrameRateEnable": False,
            "LineMode": "Input",
            "LineFormat": "OptoCoupled",
            "LineInverter": False,
            "LineDebouncerTime": DELAYS_US["debouncer"],
        },
        features=tuple(FEATURES),
    )


def pool(of: Rig) -> PoolShape:
    return pool_shape(of, NAME)._replace(slots=BUFFERS)


def shown_number(pixel_format: str) -> Callable[[Picture], int]:
    """Reads the number in a picture of this format."""

    def read(picture: Picture) -> int:
        grey = shown(picture, FORMATS[pixel_format], HEIGHT, WIDTH)
        try:
            return burnt_in_number(grey if grey.ndim == 2 else grey[..., 0])
        except KeyError:
            return UNREADABLE

    return read


class Wire:
    """The trigger wire of the camera, reached past box and driver; the world runs with it."""

    def __init__(self, world: World, first: int = 0) -> None:
        """`first`: the number of the first edge."""
        self.world = world
        self._coming: deque[OnWire] = deque()
        self._sent = first

    def plan(self, now_ns: int, gaps_ns: Sequence[int]) -> list[OnWire]:
        """Edges to rise, each so long after the one before it."""
        times = list(accumulate(gaps_ns, initial=now_ns))[1:]
        edges = [OnWire(self._sent + k, wire_ns) for k, wire_ns in enumerate(times)]
        self._coming.extend(edges)
        self._sent += len(edges)
        return edges

    def damage(self) -> None:
        """The frame of the next edge will not be whole."""
        self.world.placed[NAME, self._sent] = Fault.DAMAGED_FRAME

    def change(self) -> tuple[str, Feature]:
        """A feature is not as it was any more."""
        self.sensor.nodes.write("ExposureTime", 2100.0)
        return "ExposureTime", 2100.0

    @property
    def sensor(self) -> Sensor:
        return self.world.sensors[NAME]

    def run_until(self, host_ns: int) -> None:
        while self._coming and self._coming[0].wire_ns <= host_ns:
            edge = self._coming.popleft()
            self.world.run_until(edge.wire_ns)
            self.sensor.edge(edge.wire_ns, edge.number, PERIOD_NS, walk=False)
        self.world.run_until(host_ns)


class VirtualLink(LocalLink):
    """Lets virtual time pass while a driver waits."""

    def __init__(self, wire: Wire, clock: VirtualClock, shape: PoolShape) -> None:
        super().__init__(NAME, wire.world, shape)
        self.wire, self._clock = wire, clock
        self.is_closed = False

    def receive(self, timeout_s: float) -> Message | None:
        until = self._clock.now_ns() + round(timeout_s * NS)
        while (message := super().receive(0)) is None and self._clock.now_ns() < until:
            due = self.wire.world.next_host_ns()
            self.pass_until(until if due is None else min(until, due))
        return message

    def close(self) -> None:
        self.is_closed = True

    def pass_until(self, host_ns: int) -> None:
        self._clock.sleep_until(host_ns)
        self.wire.run_until(self._clock.now_ns())


class WorldThread:
    """Runs a world as real time passes, at the far end of a camera's socket."""

    def __init__(self) -> None:
        shape = pool(rig())
        self.clock, self.link = HostClock(), SocketLink(NAME, shape)
        self._wire = Wire(World(rig(), self.clock.now_ns(), None))
        self._end = JsonSocket(self.link.far)
        self._wire.world.attach(NAME, self._end.send, *map_pool(self.link.memory, shape))
        os.close(self.link.memory)
        self._lock = threading.Lock()
        self._has_run = threading.Condition(self._lock)
        self._ran_until_ns = 0
        self._thread = threading.Thread(target=self._run, name="world")
        self._thread.start()

    def send(self, gaps_ns: Sequence[int]) -> list[OnWire]:
        with self._lock:
            edges = self._wire.plan(self.clock.now_ns(), gaps_ns)
        self._wait_until_run(edges[-1].wire_ns)
        return edges

    def settle(self) -> None:
        self._wait_until_run(self.clock.now_ns() + FRAME_NS)

    def damage(self) -> None:
        with self._lock:
            self._wire.damage()

    def change(self) -> tuple[str, Feature]:
        with self._lock:
            return self._wire.change()

    def unplug(self) -> None:
        with self._lock:
            self._wire.sensor.go_away(self.clock.now_ns())

    def replug(self) -> None:
        with self._lock:
            self._wire.sensor.come_back(self.clock.now_ns())

    def end(self) -> None:
        """The world is gone, and the camera with it."""
        self.link.far.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.end()
        self._thread.join()
        self.link.far.close()

    def _wait_until_run(self, host_ns: int) -> None:
        with self._has_run:
            assert self._has_run.wait_for(lambda: self._ran_until_ns >= host_ns, 30)

    def _run(self) -> None:
        try:
            while True:
                self._run_world()
                if select.select([self.link.far], [], [], 0.001)[0]:
                    self._obey()
        except (OSError, EOFError):
            pass  # the camera was closed or unplugged

    def _run_world(self) -> None:
        with self._has_run:
            now = self.clock.now_ns()
            self._wire.run_until(now)
            self._ran_until_ns = now
            self._has_run.notify_all()

    def _obey(self) -> None:
        messages = self._end.read()
        with self._lock:
            while messages:
                self._wire.world.command(NAME, messages.popleft(), self.clock.now_ns())


@contextmanager
def virtual_bench(
    make: type[SimulatedCamera] = SimulatedCamera,
    *,
    faults: dict[str, Any] = FAULTS,
    first_edge: int = 0,
    **camera: Any,
) -> Iterator[Bench]:
    clock = VirtualClock()
    config = rig(faults=faults, **camera)
    wire = Wire(World(config, clock.now_ns(), None), first_edge)
    link = VirtualLink(wire, clock, pool(config))

    def send(gaps_ns: Sequence[int]) -> list[OnWire]:
        edges = wire.plan(clock.now_ns(), gaps_ns)
        link.pass_until(edges[-1].wire_ns)
        return edges

    def reopen(features: dict[str, Feature]) -> SimulatedCamera:
        assert link.is_closed, "somebody else has it"
        other = World(rig(features=FEATURES | features), clock.now_ns(), None)
        return make(NAME, VirtualLink(Wire(other), clock, pool(config)), clock)

    yield Bench(
        make(NAME, link, clock),
        clock,
        send,
        SERIAL,
        is_simulated=True,
        period_ns=PERIOD_NS,
        buffers=BUFFERS,
        settle=lambda: link.pass_until(clock.now_ns() + FRAME_NS),
        known=known(config),
        rate_tolerance=60e-6,
        tick_tolerance_ns=2,
        too_early_ns=TOO_EARLY_NS,
        shows=shown_number(config.cameras[NAME].pixel_format),
        wraps_within=WRAPS_WITHIN if faults.get("wrapping_numbers") else None,
        damage=wire.damage,
        unplug=lambda: wire.sensor.go_away(clock.now_ns()),
        replug=lambda: wire.sensor.come_back(clock.now_ns()),
        reopen=reopen,
        change=wire.change,
        read_only="SensorWidth",
        rounds=("Gain", 1.23),
    )


@contextmanager
def real_time_bench() -> Iterator[Bench]:
    with closing(WorldThread()) as world, closing(SimulatedCamera(NAME, world.link, world.clock)) as camera:
        yield Bench(
            camera,
            world.clock,
            world.send,
            SERIAL,
            is_simulated=True,
            period_ns=PERIOD_NS,
            buffers=BUFFERS,
            settle=world.settle,
            known=known(rig()),
            rate_tolerance=60e-6,
            tick_tolerance_ns=2,
            too_early_ns=TOO_EARLY_NS,
            shows=shown_number("Mono8"),
            damage=world.damage,
            unplug=world.unplug,
            replug=world.replug,
            change=world.change,
            late_s=30,  # it may be busy
        )

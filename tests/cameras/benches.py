"""Benches for the simulated camera: in virtual time in one thread, and over a socket with a world in a thread."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

from rig.clock import NS, HostClock, VirtualClock
from rig.config.rig import Rig
from rig.sim.camera import SimulatedCamera, world_lost
from rig.sim.links import JsonSocket, LocalLink, SocketLink, map_pool
from rig.sim.sensor import Message
from rig.sim.world import World
from rig.testing.camera import Bench, OnWire
from tests.burnt_in import burnt_in_number

NAME, SERIAL, SHAPE = "HS", "SIM-HS", (8, 64, 96)  # buffers, height, width
CAMERA = {"backend": "simulated", "serial": SERIAL, "line": 0, "divisor": 1, "exposure_us": 2000}
PERIOD_NS, TOO_EARLY_NS = 5_000_000, 1_500_000  # an exposure lasts 2 ms
FRAME_NS = 10_000_000  # more than exposure and readout
RIG = Rig.model_validate(
    {
        "schema": 1,
        "name": "bench",
        "box": {"port": "sim://bench", "rate_hz": 200},
        "cameras": {NAME: CAMERA | {"height": SHAPE[1], "width": SHAPE[2]}},
        "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
        "simulation": {"seed": 5},
    }
)


class Wire:
    """The trigger wire of the camera, reached past box and driver; the world runs with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._coming: deque[OnWire] = deque()
        self._sent = 0

    def plan(self, now_ns: int, gaps_ns: Sequence[int]) -> list[OnWire]:
        """Edges to rise, each so long after the one before it."""
        times = list(accumulate(gaps_ns, initial=now_ns))[1:]
        edges = [OnWire(self._sent + k, wire_ns) for k, wire_ns in enumerate(times)]
        self._coming.extend(edges)
        self._sent += len(edges)
        return edges

    def run_until(self, host_ns: int) -> None:
        while self._coming and self._coming[0].wire_ns <= host_ns:
            edge = self._coming.popleft()
            self.world.run_until(edge.wire_ns)
            self.world.sensors[NAME].edge(edge.wire_ns, edge.number, PERIOD_NS, walk=False)
        self.world.run_until(host_ns)


class VirtualLink(LocalLink):
    """Lets virtual time pass while a driver waits; can be cut."""

    def __init__(self, wire: Wire, clock: VirtualClock) -> None:
        super().__init__(NAME, wire.world, SHAPE)
        self._wire, self._clock = wire, clock
        self._is_cut = False

    def cut(self) -> None:
        self._is_cut = True

    def send(self, message: Message) -> None:
        if self._is_cut:
            raise world_lost(NAME)
        super().send(message)

    def receive(self, timeout_s: float) -> Message | None:
        if self._is_cut:
            raise world_lost(NAME)
        until = self._clock.now_ns() + round(timeout_s * NS)
        while (message := super().receive(0)) is None and self._clock.now_ns() < until:
            due = self._wire.world.next_host_ns()
            self.pass_until(until if due is None else min(until, due))
        return message

    def pass_until(self, host_ns: int) -> None:
        self._clock.sleep_until(host_ns)
        self._wire.run_until(self._clock.now_ns())


class WorldThread:
    """Runs a world as real time passes, at the far end of a camera's socket."""

    def __init__(self) -> None:
        self.clock, self.link = HostClock(), SocketLink(NAME, SHAPE)
        self._wire = Wire(World(RIG, self.clock.now_ns(), None))
        self._end = JsonSocket(self.link.far)
        self._wire.world.attach(NAME, self._end.send, *map_pool(self.link.memory, SHAPE))
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

    def unplug(self) -> None:
        self.link.far.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.unplug()
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
                self._wire.world.command(NAME, messages.popleft())


@contextmanager
def virtual_bench(make: type[SimulatedCamera] = SimulatedCamera) -> Iterator[Bench]:
    clock = VirtualClock()
    wire = Wire(World(RIG, clock.now_ns(), None))
    link = VirtualLink(wire, clock)

    def send(gaps_ns: Sequence[int]) -> list[OnWire]:
        edges = wire.plan(clock.now_ns(), gaps_ns)
        link.pass_until(edges[-1].wire_ns)
        return edges

    yield Bench(
        make(NAME, link, clock),
        clock,
        send,
        SERIAL,
        is_simulated=True,
        period_ns=PERIOD_NS,
        buffers=SHAPE[0],
        settle=lambda: link.pass_until(clock.now_ns() + FRAME_NS),
        rate_tolerance=60e-6,
        tick_tolerance_ns=2,
        too_early_ns=TOO_EARLY_NS,
        shows=burnt_in_number,
        unplug=link.cut,
    )


@contextmanager
def real_time_bench() -> Iterator[Bench]:
    world = WorldThread()
    try:
        camera = SimulatedCamera(NAME, world.link, world.clock)
        try:
            yield Bench(
                camera,
                world.clock,
                world.send,
                SERIAL,
                is_simulated=True,
                period_ns=PERIOD_NS,
                buffers=SHAPE[0],
                settle=world.settle,
                rate_tolerance=60e-6,
                tick_tolerance_ns=2,
                too_early_ns=TOO_EARLY_NS,
                shows=burnt_in_number,
                unplug=world.unplug,
            )
        finally:
            camera.close()
    finally:
        world.close()

"""Benches for the simulated box: in virtual time in one thread, and in real time with a world in a thread."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rig.clock import NS, Clock, HostClock, VirtualClock
from rig.sim import protocol_sim
from rig.sim.box import SimulatedBox
from rig.testing.trigger import Bench, OnInput, OnLeds, OnWires
from rig.trigger import wire
from rig.trigger.port import SerialBox

PPM = 80.0
LONGEST_STEP_NS = NS // 50
Damage = Callable[[bytes], bytes]
MoveInput = Callable[[int, int], None]


def intact(data: bytes) -> bytes:
    return data


@dataclass
class Wires:
    """What a logic analyser on trigger lines, LED lines and inputs would have seen."""

    seen: list[OnWires] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    leds: list[OnLeds] = field(default_factory=list)
    inputs: list[OnInput] = field(default_factory=list)

    def rise(self, host_ns: int, lines: int, pulse_number: int, walk: bool) -> None:
        self.seen.append(OnWires(host_ns, lines))
        self.numbers.append(pulse_number)

    def light(self, host_ns: int, mask: int) -> None:
        self.leds.append(OnLeds(host_ns, mask))

    def bench(self, box: SerialBox, clock: Clock, move_input: MoveInput, reboot: Callable[[], None]) -> Bench:
        return Bench(
            box,
            clock,
            lambda: list(self.seen),
            move_input,
            reboot,
            leds=lambda: list(self.leds),
            on_inputs=lambda: list(self.inputs),
            raw=lambda data, seconds: exchange(box, clock, data, seconds),
        )


def exchange(box: SerialBox, clock: Clock, data: bytes, seconds: float) -> bytes:
    """Write to the port of a box, past its driver, and read what comes in a time."""
    port, heard = box._port, b""
    port.write(data)
    until_ns = clock.now_ns() + round(seconds * NS)
    while (left_ns := until_ns - clock.now_ns()) > 0:
        port.timeout = left_ns / NS
        heard += port.read(1)
        heard += port.read(waiting) if (waiting := port.in_waiting) else b""
    return heard


class DamagedEndpoint(protocol_sim.VirtualEndpoint):
    """A serial line that damages what goes over it."""

    def __init__(self, box: SimulatedBox, clock: VirtualClock, to_box: Damage, to_host: Damage) -> None:
        super().__init__(_Spoiling(box, to_host), box, clock)  # type: ignore[arg-type]
        self._to_box = to_box

    def write(self, data: bytes) -> None:
        super().write(self._to_box(data))


class _Spoiling:
    """A box whose output is damaged on its way."""

    def __init__(self, box: SimulatedBox, damage: Damage) -> None:
        self.box, self.damage, self.receive = box, damage, box.receive

    def take_output(self, host_ns: int) -> bytes:
        data = self.box.take_output(host_ns)
        return self.damage(data) if data else b""


class VirtualRig:
    """A simulated box behind `sim://`, and everything a test wants to know about it."""

    def __init__(
        self,
        *,
        seed: int = 1,
        start_ticks: int = 0,
        ppm: float = PPM,
        make: type[SimulatedBox] = SimulatedBox,
        to_box: Damage = intact,
        to_host: Damage = intact,
        bridge: str = "native",
    ) -> None:
        self.clock, self.wires = VirtualClock(), Wires()
        start = {"start_host_ns": self.clock.now_ns(), "start_ticks": start_ticks}
        self.sim = make(self.wires.rise, on_leds=self.wires.light, **start, ppm=ppm, seed=seed, bridge=bridge)
        self.url = protocol_sim.register("bench", DamagedEndpoint(self.sim, self.clock, to_box, to_host))
        self.box = SerialBox(self.url, self.clock)
        self.bench = self.wires.bench(self.box, self.clock, self.move_input, self.reboot)

    def move_input(self, number: int, level: int) -> None:
        now = self.clock.now_ns()
        self.wires.inputs.append(OnInput(now, number, level))
        self.sim.input_edge(now, number, level)

    def reboot(self) -> None:
        self.sim.reset(self.clock.now_ns(), wire.Cause.WATCHDOG)

    def close(self) -> None:
        self.box.close()
        protocol_sim.unregister("bench")


@contextmanager
def virtual_rig(
    *,
    seed: int = 1,
    start_ticks: int = 0,
    ppm: float = PPM,
    make: type[SimulatedBox] = SimulatedBox,
    to_box: Damage = intact,
    to_host: Damage = intact,
    bridge: str = "native",
) -> Iterator[VirtualRig]:
    damage = {"to_box": to_box, "to_host": to_host}
    rig = VirtualRig(seed=seed, start_ticks=start_ticks, ppm=ppm, make=make, **damage, bridge=bridge)
    try:
        yield rig
    finally:
        rig.close()


class SteppedClock:
    """Real time, but for times in which the thread that steps it stood still: the machine was busy elsewhere."""

    def __init__(self) -> None:
        self._real = HostClock()
        self._stepped = self._now = self._real.now_ns()

    def now_ns(self) -> int:
        return self._now

    def sleep_until(self, host_ns: int) -> None:
        while self._now < host_ns:
            self._real.sleep_until(self._real.now_ns() + NS // 1000)

    def step(self) -> None:
        """By the time since the last step, of which at most LONGEST_STEP_NS counts."""
        real = self._real.now_ns()
        self._now += min(real - self._stepped, LONGEST_STEP_NS)
        self._stepped = real


class WorldThread:
    """Runs a simulated box as real time passes, at the far end of a socket pair."""

    def __init__(self) -> None:
        self.clock, self.wires = SteppedClock(), Wires()
        self.near, self._far = socket.socketpair()
        self._lock = threading.Lock()
        start_ns = self.clock.now_ns()
        self._sim = SimulatedBox(self.wires.rise, on_leds=self.wires.light, start_host_ns=start_ns, ppm=PPM)
        self._thread = threading.Thread(target=self._run, name="world")
        self._thread.start()

    def move_input(self, number: int, level: int) -> None:
        with self._lock:
            now = self.clock.now_ns()
            self._sim.run_until(now)
            self.wires.inputs.append(OnInput(now, number, level))
            self._sim.input_edge(now, number, level)

    def reboot(self) -> None:
        with self._lock:
            now = self.clock.now_ns()
            self._sim.run_until(now)
            self._sim.reset(now, wire.Cause.WATCHDOG)

    def unplug(self) -> None:
        """The far end goes; the thread ends."""
        self._far.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._far.close()

    def _run(self) -> None:
        while True:
            with self._lock:
                self.clock.step()
                now = self.clock.now_ns()
                self._sim.run_until(now)
                out, due = self._sim.take_output(now), self._sim.next_host_ns()
            try:
                if out:
                    self._far.sendall(out)
                wait_s = 0.005 if due is None else min(0.005, max(0.0, (due - self.clock.now_ns()) / NS))
                if select.select([self._far], [], [], wait_s)[0]:
                    data = self._far.recv(4096)
                    if not data:
                        return
                    with self._lock:
                        self._sim.receive(data, self.clock.now_ns())
            except OSError:
                return


@contextmanager
def real_time_bench() -> Iterator[Bench]:
    world = WorldThread()
    try:
        box = SerialBox(
            protocol_sim.register("thread", protocol_sim.SocketEndpoint(world.near)), world.clock, hello_timeout_s=20
        )
        try:
            yield world.wires.bench(box, world.clock, world.move_input, world.reboot)
        finally:
            box.close()
    finally:
        protocol_sim.unregister("thread")
        world.near.close()
        world.unplug()

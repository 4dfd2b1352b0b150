"""The simulated world in real time, in a process of its own: what the recorder starts, and what runs there."""

from __future__ import annotations

import gc
import selectors
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from rig import host
from rig.children import Child, Parent
from rig.clock import NS, HostClock
from rig.config.rig import Rig, Screen
from rig.errors import DeviceNotFound, DeviceNotReady
from rig.sim.links import JsonSocket, SocketLink, map_pool
from rig.sim.photodiode import Photodiode, RoomLight, ScreenMemory
from rig.sim.wires import OutsideBox, told_pulse
from rig.sim.world import World, pool_shape, simulated_cameras

START_S = 20.0
PHOTODIODE_PERIOD_NS = 2_000_000


class WorldProcess:
    """The recorder's handle of the world: a link for each camera, and the box's end of a serial line."""

    def __init__(self, rig: Rig, *, truth: Path | None, framebuffer: Path | None, log: Path) -> None:
        """Start it and wait until it is ready. Raises DeviceNotFound, DeviceNotReady or DeviceLost."""
        wires = _wires_of(rig)
        self.links = {name: SocketLink(name, pool_shape(rig, name)) for name in simulated_cameras(rig)}
        self.box, far_box = socket.socketpair()
        self.pulses, far_pulses = socket.socketpair()  # lines as in wires.py, of every pulse
        fds = [far_box.fileno(), far_pulses.fileno()]
        for link in self.links.values():
            fds += [link.far.fileno(), link.memory]
        if wires is not None:
            fds.append(wires.fileno())
        self._child = Child("rig.sim.process", log, pass_fds=tuple(fds))
        far_box.close()
        far_pulses.close()
        for link in self.links.values():
            link.hand_over()
        if wires is not None:
            wires.close()
        self._child.send(
            {
                "rig": rig.model_dump(mode="json", by_alias=True),
                "truth": str(truth) if truth else None,
                "framebuffer": str(framebuffer) if framebuffer else None,
            }
        )
        if not self._child.receive(START_S):
            self.close()
            raise DeviceNotReady("simulated world", f"did not start within {START_S:g} s", hint=f"See {log}")

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._child.pid

    def light(self, host_ns: int, level: int) -> None:
        """A screen without pixels changed its patch. Raises DeviceLost."""
        self._child.send({"light": [host_ns, level]})

    def glow(self, host_ns: int, brightness: float) -> None:
        """A screen without pixels is so bright from now on, in the mean, 0 black to 1 white. Raises DeviceLost."""
        self._child.send({"glow": [host_ns, brightness]})

    def close(self) -> None:
        """End it; never raises."""
        for link in self.links.values():
            link.close()
        self.box.close()
        self.pulses.close()
        self._child.close()


def _wires_of(rig: Rig) -> socket.socket | None:
    """Connect to the box outside that is to have the wires, if there is one. Raises DeviceNotFound."""
    path = rig.simulation.wires if rig.simulation else None
    if path is None:
        return None
    try:
        return host.connect_local(path)
    except OSError as error:
        if error.errno is None:  # so Python refuses a path that has no room in a socket's address
            allowed = "at most about 100 characters"
            raise DeviceNotFound(f"wires {path}", "too long for a socket", allowed=allowed) from None
        hint = "Start the box that is to be there, or correct simulation.wires in rig.yaml"
        raise DeviceNotFound(f"wires {path}", f"nobody answers there ({error.strerror})", hint=hint) from None


class _Pump:
    """Runs the world as time passes, and carries messages in and out."""

    def __init__(self, parent: Parent, config: dict[str, Any], box_fd: int, pulses_fd: int, fds: list[int]) -> None:
        self._parent, self._clock = parent, HostClock()
        rig = Rig.model_validate(config["rig"])
        truth = Path(config["truth"]) if config["truth"] else None
        self._world = World(rig, self._clock.now_ns(), truth)
        self._selector = selectors.SelectSelector()  # the others round time-outs up to a millisecond
        self._selector.register(0, selectors.EVENT_READ, self._read_parent)
        self._box = socket.socket(fileno=box_fd)
        self._selector.register(self._box, selectors.EVENT_READ, self._read_box)
        self._pulses = socket.socket(fileno=pulses_fd)
        if simulated_cameras(rig) != rig.cameras:
            self._world.tell_pulses(self._tell_pulse)
        cameras = enumerate(simulated_cameras(rig))
        self._cameras = {name: self._camera(rig, name, *fds[2 * i : 2 * i + 2]) for i, name in cameras}
        if rig.simulation and rig.simulation.wires:
            self._connect_wires(fds[-1])
        screen = ScreenMemory(Path(config["framebuffer"])) if config["framebuffer"] else None
        self._photodiode = _photodiode(screen, rig.screen) if screen else None
        self._room = RoomLight(screen) if screen else None
        self._bright, self._brightness = False, 0.0
        self._next_look = self._clock.now_ns()
        self._is_running = True

    def run(self) -> None:
        """Until the parent wants it to end."""
        self._parent.send({"ready": True})
        gc.collect()
        gc.freeze()
        while self._is_running:
            for key, _ in self._selector.select(self._timeout_s()):
                key.data()
            now = self._clock.now_ns()
            self._look(now)
            self._world.run_until(now)
            if out := self._world.box.take_output(now):
                self._box.sendall(out)

    def _connect_wires(self, fd: int) -> None:
        far = socket.socket(fileno=fd)
        outside = self._world.give_wires_to(far)
        self._selector.register(far, selectors.EVENT_READ, lambda: self._read_wires(far, outside))

    def _camera(self, rig: Rig, name: str, fd: int, memory: int) -> JsonSocket:
        end = JsonSocket(socket.socket(fileno=fd))
        self._world.attach(name, partial(_post, end), *map_pool(memory, pool_shape(rig, name)))
        self._selector.register(end.socket, selectors.EVENT_READ, partial(self._read_camera, name))
        return end

    def _timeout_s(self) -> float:
        due = self._world.next_host_ns()
        times = [t for t in (due, self._next_look if self._room else None) if t is not None]
        return max(0.0, (min(times) - self._clock.now_ns()) / NS) if times else 1.0

    def _read_box(self) -> None:
        data = self._box.recv(4096)
        if not data:
            self._selector.unregister(self._box)
        self._world.box.receive(data, self._clock.now_ns())

    def _read_wires(self, far: socket.socket, outside: OutsideBox) -> None:
        if not outside.read(self._clock.now_ns()):
            self._selector.unregister(far)
            far.close()

    def _read_parent(self) -> None:
        messages = self._parent.receive()
        self._is_running = messages is not None
        for message in messages or []:
            match message:
                case {"light": change}:
                    self._world.light(*change)
                case {"glow": change}:
                    self._world.glow(*change)

    def _read_camera(self, name: str) -> None:
        end = self._cameras[name]
        try:
            messages = end.read()
        except (EOFError, ConnectionResetError):
            self._selector.unregister(end.socket)
            return
        while messages:
            self._world.command(name, messages.popleft(), self._clock.now_ns())

    def _tell_pulse(self, host_ns: int, lines: int) -> None:
        """Tell who listens; one that has gone does not end the world of the others."""
        with suppress(OSError):
            self._pulses.sendall(told_pulse(host_ns, lines))

    def _look(self, now: int) -> None:
        if self._room is None or now < self._next_look:
            return
        self._next_look = now + PHOTODIODE_PERIOD_NS
        bright = self._photodiode is not None and self._photodiode.is_bright()
        if bright != self._bright:
            self._bright = bright
            self._world.light(now, int(bright))
        brightness = self._room.brightness()
        if brightness != self._brightness:
            self._brightness = brightness
            self._world.glow(now, brightness)


def _post(end: JsonSocket, message: dict[str, Any]) -> None:
    """Tell a driver; one that has closed its camera does not end the world of the others."""
    try:
        end.send(message)
    except OSError:
        pass


def _photodiode(memory: ScreenMemory, screen: Screen) -> Photodiode | None:
    """In the middle of the patch, if there is one."""
    half = screen.patch_px // 2
    return Photodiode(memory, screen.width - half, screen.height - half) if half else None


def main() -> None:
    """The child: `python -m rig.sim.process PIPE BOX PULSES (CAMERA MEMORY)... [WIRES]`."""
    pipe, box_fd, pulses_fd, *fds = map(int, sys.argv[1:])
    parent = Parent(pipe)
    host.ask_real_time(host.Priority.WORLD)
    messages: list[dict[str, Any]] | None = []
    while messages == []:
        messages = parent.receive(1.0)
    if messages:
        try:
            _Pump(parent, messages[0], box_fd, pulses_fd, fds).run()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the recorder is gone; so is this world


if __name__ == "__main__":
    main()

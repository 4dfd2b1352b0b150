"""A box outside the simulation on the wires: its pulses expose the simulated cameras, its LEDs light their pictures."""

from __future__ import annotations

import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from rig.clock import NS, HostClock
from rig.config.rig import read_rig
from rig.errors import DeviceNotFound
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim.box import SimulatedBox
from rig.sim.links import LocalLink
from rig.sim.process import WorldProcess
from rig.sim.world import World, pool_shape
from rig.wiring import open_bench
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig
from tests.sim.test_leds import code
from tests.sim.test_world import levels, rig

MS = 1_000_000
DIVISORS = {"HS": 1, "VIS": 4, "NIR": 4}  # of tests.rigs
WALK = [0b01] * 3 + [0b10] * 5  # HS and VIS


class Wired:
    """A world in this thread whose wires end in a socket."""

    def __init__(self) -> None:
        self.near, far = socket.socketpair()
        self.world = World(rig(), 0, None)
        self.outside = self.world.give_wires_to(far)
        self.links = {name: LocalLink(name, self.world, pool_shape(rig(), name)) for name in self.world.sensors}
        self._far, self.now = far, 0
        for link in self.links.values():
            link.send({"do": "arm", "epoch": 1})
            link.receive(0)

    def tell(self, text: str, now: int) -> None:
        self.near.sendall(text.encode())
        self.now = now
        assert self.outside.read(now)
        self.world.run_until(now)

    def pictures(self, name: str, until: int) -> list[np.ndarray]:
        self.world.run_until(until)
        link, found = self.links[name], []
        while message := link.receive(0):
            found.append(link.pool[message["slot"]])
        return found

    def close(self) -> None:
        self.near.close()
        self._far.close()


@pytest.fixture
def wired() -> Iterator[Wired]:
    world = Wired()
    yield world
    world.close()


def test_pulses_of_the_walk_and_of_the_run_are_counted_apart_and_expose_their_cameras(wired: Wired) -> None:
    """Each instant that the box names exposes; the first 3 + 5 are the walk's."""
    for k, mask in enumerate(WALK + [0b11, 0b01, 0b01, 0b01] * 2):
        wired.tell(f"P {k * 40 * MS} {mask}\n", k * 40 * MS)
    shown = {name: [burnt_in_number(picture) for picture in wired.pictures(name, NS)] for name in ("HS", "VIS")}
    assert shown["HS"] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7]
    assert shown["VIS"] == [3, 4, 5, 6, 7, 0, 4]


def test_lines_cut_anywhere_are_understood(wired: Wired) -> None:
    for part in ("P 100", "0 1\nL 2000", " 7\nP 10001", "000 1\n"):
        wired.tell(part, 11 * MS)
    assert len(wired.pictures("HS", NS)) == 2


def test_the_leds_are_lit_in_the_picture_when_they_were_on_the_wire(wired: Wired) -> None:
    """HS exposes from 0.5 to 4.5 ms after its pulse."""
    wired.tell(f"P 0 1\nL {2500_000} 1\nL {3500_000} 6\n", 5 * MS)
    (picture,) = wired.pictures("HS", NS)
    np.testing.assert_allclose(levels(picture), [0.25, 0.25, 0.25], atol=0.003)


def test_a_box_that_tells_late_still_lights_its_pictures(wired: Wired) -> None:
    """Every line comes 70 ms after what it tells of; the frame waits as long for the light of its exposure."""
    wired.tell("P 0 1\n", 70 * MS)
    assert wired.pictures("HS", 71 * MS) == []
    wired.tell(f"L {2500_000} 4\n", 72_500_000)
    (picture,) = wired.pictures("HS", NS)
    np.testing.assert_allclose(levels(picture), [0, 0, 0.5], atol=0.003)


def test_inputs_of_the_box_are_told_as_they_change(wired: Wired) -> None:
    """VIS on input 5: exposed from 0.12 to 20.12 ms; HS on input 0: from 0.5 to 4.5 ms."""
    wired.tell("P 0 3\n", 1000)
    told = []
    for now in (119_999, 120_000, 500_000, 4_500_000, 20_119_999, 20_120_000):
        wired.world.run_until(now)
        wired.near.setblocking(False)
        try:
            told.append(wired.near.recv(100).decode())
        except BlockingIOError:
            told.append("")
    assert told == ["", "I 5 1\n", "I 0 1\n", "I 0 0\n", "", "I 5 0\n"]


def test_a_box_that_is_gone_is_no_error(wired: Wired) -> None:
    wired.tell("P 0 1\n", 1000)
    wired.near.close()
    assert not wired.outside.read(2000)
    assert len(wired.pictures("HS", NS)) == 1


class OutsideRig:
    """A box on a pseudo terminal with its wires on a Unix socket, as a simulated chip has them, in a thread."""

    def __init__(self, folder: Path) -> None:
        self.wires = folder / "wires"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.wires))
        self._listener.listen()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._clock, self._far = HostClock(), None
        self._box = SimulatedBox(self._rise, on_leds=self._light, start_host_ns=self._clock.now_ns(), ppm=80)
        self._is_running = True
        self._thread = threading.Thread(target=self._run, name="outside box")
        self._thread.start()

    def close(self) -> None:
        self._is_running = False
        self._thread.join()
        for fd in (self._master, self._slave):
            os.close(fd)
        if self._far is not None:
            self._far.close()
        self._listener.close()

    def is_called_again(self) -> bool:
        """Whether somebody else wants the wires."""
        return bool(select.select([self._listener], [], [], 0)[0])

    def _rise(self, host_ns: int, lines: int, pulse: int, walk: bool) -> None:
        self._tell(f"P {host_ns} {lines}\n")

    def _light(self, host_ns: int, mask: int) -> None:
        self._tell(f"L {host_ns} {mask}\n")

    def _tell(self, text: str) -> None:
        try:
            if self._far is not None:
                self._far.sendall(text.encode())
        except OSError:
            self._far = None  # the recorder is gone

    def _run(self) -> None:
        while self._is_running:
            ends = [self._master, self._far or self._listener]
            readable = select.select(ends, [], [], 0.001)[0]
            now = self._clock.now_ns()
            self._box.run_until(now)
            if self._master in readable:
                self._box.receive(os.read(self._master, 4096), now)
            if self._listener in readable:
                self._far = self._listener.accept()[0]
            elif self._far in readable:
                self._move_inputs(self._far.recv(4096), now)
            if out := self._box.take_output(now):
                os.write(self._master, out)

    def _move_inputs(self, data: bytes, now: int) -> None:
        for line in data.decode().splitlines():
            _, number, level = line.split()
            self._box.input_edge(now, int(number), int(level))


@contextmanager
def outside_rig(folder: Path) -> Iterator[tuple[OutsideRig, Path]]:
    """A box outside, and a rig.yaml that has it."""
    path = write_rig(folder, seed=4)
    outside = OutsideRig(folder)
    with ExitStack() as undo:
        undo.callback(outside.close)
        text = path.read_text().replace("sim://small, rate_hz: 100", f"{outside.port}, rate_hz: 100, inputs: {{HS: 5}}")
        path.write_text(text.replace("seed: 4", f"seed: 4\n  wires: {outside.wires}"))
        yield outside, path


def test_a_session_with_a_box_outside_and_simulated_cameras_is_recorded_whole(tmp_path: Path) -> None:
    with outside_rig(tmp_path) as (_, path):
        recorded = record(tmp_path, path, write_protocol(tmp_path, ("still", 2, "all")), virtual=False)
    assert recorded.outcome is Outcome.FINISHED
    assert {name: counts.lost for name, counts in recorded.counts.items()} == {"HS": 0, "VIS": 0, "NIR": 0}
    with Run(recorded.path) as run:
        pulses = run.streams["HS"].pulse_numbers.tolist()
        for stream in run.streams.values():
            stored = [burnt_in_number(picture) for picture in stream.data]
            assert stored == stream.pulse_numbers.tolist() == pulses[:: DIVISORS[stream.name]]
        lit = [sum(round(level) << led for led, level in enumerate(levels(it))) for it in run.streams["HS"].data]
        assert lit == [code(pulse) for pulse in pulses]
        exposed = run.edges[(run.edges["level"] == 1) & (run.edges["run_id"] == run.run_id)]
        assert len(exposed) == len(pulses)  # an input is moved when the world gets to it, on a busy machine late


def test_wires_that_nobody_holds_are_an_error_that_names_them(tmp_path: Path) -> None:
    text = write_rig(tmp_path).read_text().replace("sim://small", "/dev/null")
    path = tmp_path / "rig.yaml"
    path.write_text(text.replace("seed: 1", f"seed: 1\n  wires: {tmp_path}/nobody"))
    with pytest.raises(DeviceNotFound, match=r"wires .*/nobody: nobody answers there"):
        WorldProcess(read_rig(path).rig, truth=None, framebuffer=None, log=tmp_path / "log")


def test_a_port_that_is_held_is_refused_before_the_wires_are_taken_from_who_holds_it(tmp_path: Path) -> None:
    with outside_rig(tmp_path) as (outside, path):
        rig = read_rig(path).rig
        devices, _ = open_bench(rig, tmp_path, with_cameras=True)
        try:
            with pytest.raises(DeviceNotFound, match="the port is held by another program"):
                open_bench(rig, tmp_path, with_cameras=True)
            assert not outside.is_called_again()
        finally:
            devices.close()


def test_wires_whose_path_fits_into_no_socket_are_an_error_that_names_the_limit(tmp_path: Path) -> None:
    path = write_rig(tmp_path)
    text = path.read_text().replace("sim://small", "/dev/null")
    path.write_text(text.replace("seed: 1", f"seed: 1\n  wires: /tmp/{'w' * 120}"))
    with pytest.raises(DeviceNotFound, match=r"wires /tmp/w+: too long for a socket; at most about 100 characters"):
        WorldProcess(read_rig(path).rig, truth=None, framebuffer=None, log=tmp_path / "log")

"""The serial port: every way in which one can be wrong is told in words that name it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rig import host
from rig.clock import NS, Clock, HostClock, VirtualClock
from rig.errors import DeviceError, DeviceLost, DeviceNotFound, DeviceNotReady
from rig.sim import protocol_sim
from rig.sim.box import SimulatedBox
from rig.streams import Pulse
from rig.testing.trigger import plan
from rig.trigger import port, wire
from rig.trigger.port import SerialBox
from tests.trigger.benches import Wires, WorldThread, virtual_rig
from tests.trigger.test_driver import identity


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo terminal: the far end as a descriptor, the near end as a port."""
    far, near = pty.openpty()
    try:
        yield far, os.ttyname(near)
    finally:
        os.close(near)
        os.close(far)


class Patience:
    """A clock that stands still until something has happened, and then goes on by 10 ms at each look."""

    def __init__(self) -> None:
        self.happened, self._now = threading.Event(), NS

    def now_ns(self) -> int:
        self._now += NS // 100 if self.happened.is_set() else 0
        return self._now

    def sleep_until(self, host_ns: int) -> None:
        self._now = max(self._now, host_ns)


@contextmanager
def answering(far: int, answer: Callable[[wire.Hello], bytes]) -> Iterator[Patience]:
    """Something at the far end of a terminal that answers the first HELLO; no time passes before it has."""
    clock = Patience()

    def talk() -> None:
        decoder, messages = wire.Decoder(), list[wire.Message]()
        while not messages:
            messages = decoder.feed(os.read(far, 100))
        assert isinstance(messages[0], wire.Hello)
        os.write(far, answer(messages[0]))
        clock.happened.set()

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield clock
    finally:
        thread.join(20)


def opened(url: str, timeout_s: float = 0.5, clock: Clock | None = None) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        SerialBox(url, clock or HostClock(), hello_timeout_s=timeout_s)
    assert url in str(caught.value)
    return caught.value


def test_no_such_port(tmp_path: Path) -> None:
    error = opened(str(tmp_path / "ttyACM7"))
    assert isinstance(error, DeviceNotFound)
    assert "no such port" in str(error)


def test_a_dangling_name(tmp_path: Path) -> None:
    (tmp_path / "box").symlink_to(tmp_path / "gone")
    assert "no such port" in str(opened(str(tmp_path / "box")))


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder, not a serial port" in str(opened(str(tmp_path)))


def test_dev_null_and_an_ordinary_file_are_no_ports(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for name in ("/dev/null", str(tmp_path / "file")):
        error = opened(name)
        assert isinstance(error, DeviceNotFound)
        assert "is not a serial port" in str(error)


def test_a_kind_of_port_that_does_not_exist() -> None:
    assert isinstance(opened("nosuch://box"), DeviceNotFound)


def test_a_simulated_box_that_does_not_exist_is_told_with_those_that_do() -> None:
    with virtual_rig():
        assert "no simulated box is called other; there are: bench" in str(opened("sim://other"))


def test_a_forbidden_port_names_the_group_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise port.serial.SerialException(13, "could not open port")

    monkeypatch.setattr(port.serial, "serial_for_url", refuse)
    with terminal() as (_, name):
        error = opened(name)
        group = host.owning_group(Path(name))
    assert isinstance(error, DeviceNotReady)
    assert group
    assert f"usermod -aG {group}" in str(error)


HOLD = "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); sys.stdin.read()"


@contextmanager
def held_by_another_process(name: str) -> Iterator[int]:
    """Another program has the port open; its process number."""
    command = [sys.executable, "-c", HOLD, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_a_port_held_by_another_program_names_the_program() -> None:
    with terminal() as (_, name), held_by_another_process(name) as pid:
        error = opened(name)
    assert isinstance(error, DeviceNotFound)
    assert "the port is held by another program: python" in str(error)
    assert f"(process {pid})" in str(error)


def test_a_port_held_by_somebody_elses_program_says_how_to_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "holder_of", lambda path: None)
    with terminal() as (_, name), port.serial.Serial(name, exclusive=True):
        error = opened(name)
    assert "held by another program" in str(error)
    assert f"`sudo fuser {name}`" in str(error)


def test_the_port_is_opened_at_the_rate_that_rig_yaml_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    really = port.serial.serial_for_url

    def note(url: str, **settings: int) -> object:
        asked.append(settings["baudrate"])
        return really(url, **settings)

    monkeypatch.setattr(port.serial, "serial_for_url", note)
    with virtual_rig() as rig:
        SerialBox(rig.url, rig.clock, baud=250_000).close()
    assert asked == [115_200, 250_000]


def test_another_box_behind_the_port_after_a_boot_is_lost_by_name() -> None:
    with virtual_rig() as rig:
        rig.sim._serial = b"OTHER"
        rig.reboot()
        with pytest.raises(DeviceLost, match="sim://bench: another box answers now: OTHER, not SIM1"):
            rig.bench.wait(2.0)


@pytest.mark.parametrize("failing", ["write", "read", "in_waiting"])
@pytest.mark.parametrize("error", [termios.error(5, "Input/output error"), OSError(5, "Input/output error")])
def test_every_way_in_which_a_port_fails_names_it(
    failing: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    with virtual_rig() as rig:
        rig.box.ping()
        monkeypatch.setattr(type(rig.box._port), failing, property(fail) if failing == "in_waiting" else fail)
        with pytest.raises(DeviceLost, match="trigger box at sim://bench: connection lost"):
            rig.box.events(0.1)
        monkeypatch.undo()


def test_a_mute_port() -> None:
    with terminal() as (_, name):
        error = opened(name, 0.6)
    assert isinstance(error, DeviceNotFound)
    assert "nothing answers within 0.6 s" in str(error)


def test_a_port_that_talks_garbage() -> None:
    with terminal() as (far, name), answering(far, lambda _: b"AT+CGMM\r\n" * 20) as clock:
        error = opened(name, clock=clock)
    assert isinstance(error, DeviceNotReady)
    assert "bytes at 115200 baud that are no answer of a trigger box" in str(error)
    assert "box.baud" in str(error)


def test_a_box_that_is_still_starting_is_not_taken_for_another_device() -> None:
    with terminal() as (far, name), answering(far, lambda _: wire.to_frame(wire.Boot(3, wire.Cause.POWER_ON))) as clock:
        error = opened(name, clock=clock)
    assert isinstance(error, DeviceNotReady)
    assert "it has just started, and did not answer within 0.5 s" in str(error)
    assert "Wait a few seconds" in str(error)
    assert "baud" not in str(error)


def test_a_box_with_another_protocol_version_says_both_versions() -> None:
    def refuse(hello: wire.Hello) -> bytes:
        return wire.to_frame(wire.Error(hello.request, hello.TYPE, wire.Refusal.WRONG_VERSION, 7))

    with terminal() as (far, name), answering(far, refuse):
        error = opened(name, 20.0)
    assert isinstance(error, DeviceNotReady)
    assert "it speaks version 7 of the wire format, this program speaks version 1" in str(error)
    assert f"rig box flash --port {name}" in str(error)


def test_a_box_unplugged_in_mid_run_is_told_with_its_port() -> None:
    world = WorldThread()
    url = protocol_sim.register("pulled", protocol_sim.SocketEndpoint(world.near))
    box = SerialBox(url, world.clock, hello_timeout_s=20)
    box.start(plan(), 5)
    while not any(isinstance(event, Pulse) for event in box.events(0.1)):
        pass
    world.unplug()
    for timeout_s in (0.5, 0.0):
        with pytest.raises(DeviceLost, match="sim://pulled"):
            for _ in range(1000):
                box.events(timeout_s)
    box.close()
    protocol_sim.unregister("pulled")


def test_a_terminal_that_goes_away_is_told_with_its_port() -> None:
    def greet(hello: wire.Hello) -> bytes:
        return wire.to_frame(replace(identity(hello.request), nonce=hello.nonce))

    far, near = pty.openpty()
    name = os.ttyname(near)
    with answering(far, greet):
        box = SerialBox(name, HostClock(), hello_timeout_s=20)
    os.close(far)
    for timeout_s in (0.0, 0.5):
        with pytest.raises(DeviceLost, match=name):
            box.events(timeout_s)
    box.close()
    os.close(near)


def test_a_box_that_boots_late_is_waited_for() -> None:
    clock, wires = VirtualClock(), Wires()
    box = SimulatedBox(wires.rise, start_host_ns=clock.now_ns())
    box.reset(clock.now_ns(), wire.Cause.RESET_LINE)
    url = protocol_sim.register("late", protocol_sim.VirtualEndpoint(box, box, clock))
    opened_box = SerialBox(url, clock)
    assert opened_box.events(1.0) == []
    opened_box.close()
    protocol_sim.unregister("late")


def test_the_simulated_box_says_itself_that_it_is_simulated() -> None:
    with virtual_rig() as rig:
        info = rig.box.describe()
    assert info.simulated is True
    assert (info.model, info.serial, info.version) == ("simulated box", "SIM1", "1.0.0")
    assert info.capabilities["tick_hz"] == 2_000_000


def test_a_closed_box_says_that_it_is_lost() -> None:
    with virtual_rig() as rig:
        rig.box.close()
        with pytest.raises(DeviceLost, match="sim://bench"):
            rig.box.events(0.1)

"""A trigger box on a serial port: carries bytes between the port and the driver, and says what is wrong with it."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import serial
from serial.tools.list_ports import comports

from rig import host
from rig.clock import NS, Clock
from rig.errors import DeviceError, DeviceLost, DeviceNotFound, DeviceNotReady
from rig.streams import DeviceInfo
from rig.trigger import wire
from rig.trigger.box import BoxEvent, PulsePlan, TriggerBox
from rig.trigger.driver import Driver
from rig.trigger.words import text_of

BAUD = 115_200  # of an Uno without its jumper
WRITE_TIMEOUT_S = 1.0
HELLO_TIMEOUT_S = 4.0  # an Uno resets when its port is opened, and its bootloader waits for 2 s

GROUP_PULSES = 64  # what wire format 1 allows of pulses until all divisors meet again

LAST_STOP_S = 0.8  # a box that may be sending is asked so long to stop before its port is closed: four times

GATHER_NS = NS // 50  # what follows so soon is told together: waking a thread for each event costs more than they
_HELD = (errno.EBUSY, errno.EAGAIN)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_PORT_ERRORS = host.port_errors()


class OtherVersion(DeviceNotReady):
    """A trigger box that speaks another version of the wire format."""


class NotABox(DeviceNotReady):
    """Bytes come that are no answer of a trigger box."""


class Mute(DeviceNotFound):
    """The port is open, and nothing comes."""


class SerialBox(TriggerBox):
    """A trigger box behind any port that pyserial can open, a URL such as `sim://demo` included."""

    def __init__(self, url: str, clock: Clock, *, baud: int = BAUD, hello_timeout_s: float = HELLO_TIMEOUT_S) -> None:
        """Open the port at `baud` and ask the box who it is; blocks at most `hello_timeout_s`.

        Raises DeviceNotFound when there is no such port, it is held by another program, or nothing answers on
        it (Mute); DeviceNotReady when it may not be opened, or something else than a box of ours answers
        (OtherVersion, NotABox).
        """
        self._url, self._clock, self.name = url, clock, _name(url)
        self._driver = Driver(secrets.randbits(32))
        self._heard_bytes, self._baud = 0, baud
        self._early: list[BoxEvent] = []  # told before anybody asked for events
        self._port = _open(url, baud)
        with ExitStack() as undo:
            undo.callback(self.close)
            self._identity = self._say_hello(hello_timeout_s)
            undo.pop_all()

    @property
    def bad_frames(self) -> int:
        """Damaged messages received."""
        return self._driver.bad_frames

    @property
    def foreign_events(self) -> int:
        """Events of other runs than the one asked for; they are not told."""
        return self._driver.foreign_events

    @property
    def identity(self) -> wire.Identity:
        """All that it said when the port was opened, as its boots and the run that it was sending."""
        return self._identity

    def ask_status(self, timeout_s: float = 1.0) -> wire.Status | None:
        """How it is now. Blocks at most `timeout_s`; None when no answer came. Events that come meanwhile are lost."""
        self._driver.status = None
        self._driver.ask_status()
        until_ns = self._clock.now_ns() + round(timeout_s * NS)
        while self._driver.status is None and self._clock.now_ns() < until_ns:
            self._exchange(until_ns)
        return self._driver.status

    def describe(self) -> DeviceInfo:
        """Who it is, as it said itself when the port was opened."""
        identity = self._identity
        can = wire.Capability(identity.capabilities)
        return DeviceInfo(
            kind="box",
            vendor="rig",
            model=text_of(identity.model),
            serial=text_of(identity.serial),
            version=f"{identity.major}.{identity.minor}.{identity.patch}",
            simulated=wire.Capability.SIMULATED in can,
            capabilities={
                "protocol": identity.protocol,
                "tick_hz": identity.tick_hz,
                "lines": identity.lines,
                "inputs": identity.inputs,
                "group_pulses": GROUP_PULSES,
                "baud": identity.baud,
                "events_per_s": identity.events_per_s,
                **{c.name.lower(): c in can for c in wire.Capability if c.name},
            },
        )

    def start(self, plan: PulsePlan, run_id: int) -> None:
        """Ask for a run. Does not block; RunBegan or StartRefused comes through `events`."""
        self._driver.start(plan, run_id)

    def stop(self) -> None:
        """Ask for the orderly end of the run. Does not block."""
        self._driver.stop()

    def ping(self) -> None:
        """Ask for a pair of clock readings. Does not block; a request still under way is not doubled."""
        self._driver.ping()

    def events(self, timeout_s: float) -> list[BoxEvent]:
        """What the box told since the last call, in its order; sends and repeats requests meanwhile.

        Blocks at most `timeout_s`; when there is something to tell, it gathers what follows within GATHER_NS, and less
        while an answer is waited for. Raises DeviceLost naming the port.
        """
        until_ns = self._clock.now_ns() + round(timeout_s * NS)
        told, self._early = self._early, []
        told += self._exchange(self._clock.now_ns() if told else until_ns)
        while not told and self._clock.now_ns() < until_ns:
            told = self._exchange(until_ns)
        if told and timeout_s and not self._driver.is_asking:
            self._clock.sleep_until(min(until_ns, self._clock.now_ns() + GATHER_NS))
            told += self._exchange(self._clock.now_ns())
        return told

    def close(self) -> None:
        """Stop a run that may be on, for LAST_STOP_S or until the box hears; give the port back."""
        for step in (self._stop_for_good, self._port.close):
            with suppress(DeviceError, *_PORT_ERRORS):  # it is gone already
                step()

    def end_left_over(self) -> None:
        """As TriggerBox.end_left_over, for the run that it was sending when the port was opened."""
        self._driver.end_left_over(self._clock.now_ns())
        while self._driver.is_making_way:
            self._early += self._exchange(self._clock.now_ns() + NS)
        if self._driver.left_over_stays:
            raise DeviceNotReady(self.name, self._driver.left_over_stays, hint="Switch it off and on")

    def _stop_for_good(self) -> None:
        if not self._driver.may_be_sending:
            return
        self._driver.stop()
        until_ns = self._clock.now_ns() + round(LAST_STOP_S * NS)
        while self._driver.is_stopping and self._clock.now_ns() < until_ns:
            self._exchange(until_ns)

    def _exchange(self, until_ns: int) -> list[BoxEvent]:
        """Send what is due, read what comes before the next thing is due, and send what that asks for."""
        with self._naming_the_port():
            self._send()
            data = self._read(until_ns)
            self._heard_bytes += len(data)
            told = self._driver.feed(data, self._clock.now_ns())
            self._send()
        if self._driver.replaced:
            raise DeviceLost(self.name, self._driver.replaced, hint="Plug the right box in, and record again")
        return told

    def _send(self) -> None:
        data = self._driver.outgoing(self._clock.now_ns())
        if data:
            self._port.write(data)

    def _read(self, until_ns: int) -> bytes:
        now, due = self._clock.now_ns(), self._driver.next_host_ns()
        wait_ns = (until_ns if due is None else min(until_ns, due)) - now
        first = b""
        if wait_ns > 0:
            self._port.timeout = wait_ns / NS
            first = self._port.read(1)
        waiting = self._port.in_waiting
        return first + self._port.read(waiting) if waiting else first

    def _say_hello(self, timeout_s: float) -> wire.Identity:
        until_ns = self._clock.now_ns() + round(timeout_s * NS)
        self._driver.hello()
        while self._driver.identity is None and self._clock.now_ns() < until_ns:
            self._exchange(until_ns)
            if self._driver.hello_refused:
                hint = f"Flash the firmware of this program: rig box flash --port {self._url}"
                raise OtherVersion(self.name, self._driver.hello_refused, hint=hint)
        if self._driver.identity is None:
            raise self._stranger(timeout_s)
        return self._driver.identity

    def _stranger(self, timeout_s: float) -> DeviceError:
        if self._driver.has_booted:
            problem = f"it has just started, and did not answer within {timeout_s:g} s"
            return DeviceNotReady(self.name, problem, hint="Wait a few seconds, and try again")
        if self._heard_bytes:
            heard = f"sends {self._heard_bytes} bytes at {self._baud} baud that are no answer of a trigger box"
            hint = "Another device, other firmware, or another baud rate: see box.baud in rig.yaml"
            return NotABox(self.name, heard, hint=hint)
        return Mute(
            self.name, f"nothing answers within {timeout_s:g} s", hint="Is it the right port, and the box flashed?"
        )

    @contextmanager
    def _naming_the_port(self) -> Iterator[None]:
        """Every way in which a port fails once it was open means the same: the box is not there any more."""
        try:
            yield
        except _PORT_ERRORS as error:
            hint = "Check the cable and the box's supply; recorded data are kept"
            # What the system said is its cause: for the log, not for the person who has to look at the cable.
            raise DeviceLost(self.name, "connection lost, as when its cable is pulled", hint=hint) from error


def _name(url: str) -> str:
    return f"trigger box at {url}"


def _open(url: str, baud: int = BAUD) -> serial.Serial:
    """The open port. Raises DeviceNotFound or DeviceNotReady with what to do about it."""
    try:
        return serial.serial_for_url(url, baudrate=baud, timeout=0, write_timeout=WRITE_TIMEOUT_S, exclusive=True)
    except ValueError as error:
        raise DeviceNotFound(_name(url), f"no kind of port that can be opened ({error})") from error
    except _PORT_ERRORS as error:
        raise _refused(url, error) from error


def _refused(url: str, error: Exception) -> DeviceError:
    """Why a port could not be opened, in words."""
    name, number = _name(url), _errno(error)
    if number in _FORBIDDEN:
        group = host.owning_group(Path(url))
        hint = f"Join its group: sudo usermod -aG {group} $USER, then log in again" if group else "Ask for access"
        return DeviceNotReady(name, "you may not open this port", hint=hint)
    if number in _HELD:
        return _held(url)
    if number == errno.ENOENT and "://" not in url:
        return DeviceNotFound(name, "no such port", allowed=_ports_there(), hint="Plug the box in")
    if number == errno.EISDIR:
        return DeviceNotFound(name, "is a folder, not a serial port", hint="Correct port: in rig.yaml")
    if number in (errno.ENOTTY, errno.EINVAL):
        return DeviceNotFound(name, "is not a serial port", hint="Correct port: in rig.yaml")
    return DeviceNotFound(name, f"cannot be opened ({error})", hint="Correct port: in rig.yaml, or plug the box in")


def _held(url: str) -> DeviceError:
    """Who has the port open, if this user may see it."""
    if holder := host.holder_of(Path(url)):
        problem = f"the port is held by another program: {holder.program} (process {holder.pid})"
        return DeviceNotFound(_name(url), problem, hint="Close that program")
    hint = f"Close that program; `sudo fuser {url}` says which it is"
    return DeviceNotFound(_name(url), "the port is held by another program", hint=hint)


def _errno(error: BaseException) -> int | None:
    """The system's number of an error; pyserial hides some behind an exception of its own."""
    if error.args and isinstance(error.args[0], int):
        return error.args[0]
    return _errno(error.__context__) if error.__context__ else None


def serial_ports() -> dict[str, str]:
    """The serial ports of this machine that have a device: path, and what the system calls the device."""
    return {port.device: port.description for port in sorted(comports(), key=str) if port.description != "n/a"}


def _ports_there() -> str:
    """The ports, for the message that one is missing."""
    ports = ", ".join(f"{path} ({description})" for path, description in serial_ports().items())
    return f"there are: {ports}" if ports else "there is no serial port with a device on it"

"""What the commands of `rig box` share: which box is meant, opening it, and being asked to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rig.clock import Clock
    from rig.config.rig import Rig
    from rig.streams import DeviceInfo
    from rig.wiring import Devices


class Baud(StrEnum):
    """The rates that a box's serial line can have."""

    USUAL = "115200"
    JUMPER = "250000"


RigOption = Annotated[str | None, typer.Option("--rig", help="A rig's name or rig.yaml.")]
PortOption = Annotated[str | None, typer.Option("--port", help="A serial port, for a box without a rig.yaml.")]
BaudOption = Annotated[
    Baud | None,
    typer.Option("--baud", help="With --port: 115200, which is the default, or 250000 for a box with its jumper."),
]


@dataclass(frozen=True)
class Meant:
    """The box that is meant: that of a rig, or whatever is at a port."""

    rig: Rig | None
    port: str
    baud: int


def meant_box(rig: str | None, port: str | None, baud: Baud | None) -> Meant:
    """The box that the options mean. Raises UserError for options that contradict each other, ConfigError."""
    from rig.config.find import find_rig
    from rig.config.rig import read_rig
    from rig.config.rules import SIMULATED_PORT
    from rig.errors import UserError

    if rig is not None and port is not None:
        allowed = "one of them; the rig's own port stands in its rig.yaml"
        raise UserError("--rig and --port", "are not allowed together", allowed=allowed)
    if port is None:
        if baud is not None:
            raise UserError("--baud", "is allowed with --port only", hint="Of a rig, box.baud in its rig.yaml counts")
        model = read_rig(find_rig(rig)).rig
        return Meant(model, model.box.port, model.box.baud)
    if port.startswith(SIMULATED_PORT):
        raise UserError(
            "--port", "is no port of this machine", value=port, hint="Give the --rig that it is simulated in"
        )
    return Meant(None, port, int(baud or Baud.USUAL))


@contextmanager
def opened(meant: Meant, *, with_cameras: bool = False) -> Iterator[tuple[Devices, Clock]]:
    """The box that is meant, with the cameras of its rig if asked. Raises DeviceError."""
    from rig.children import working_folder
    from rig.wiring import open_bench, open_port

    with working_folder() as folder:
        if meant.rig is not None:
            devices, clock = open_bench(meant.rig, folder, with_cameras=with_cameras)
        else:
            devices, clock = open_port(meant.port, baud=meant.baud)
        try:
            yield devices, clock
        finally:
            devices.close()


@contextmanager
def until_ended() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C, a polite kill or a closed terminal has asked the command to end; none of them ends it at once."""
    from rig import host

    caught: list[int] = []
    before = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in host.end_signals()}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def named(info: DeviceInfo) -> str:
    """Who a device is, in one line of rich's markup."""
    from rig.cli.devices import harmless

    simulated = "  [bold yellow]SIMULATED[/]" if info.simulated else ""
    return harmless(f"{info.model}, serial {info.serial}, firmware {info.version}") + simulated

"""What the commands of `rig box` share: which box is meant, and opening it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rig.clock import Clock
    from rig.config.rig import Rig
    from rig.streams import DeviceInfo
    from rig.wiring import Devices

RigOption = Annotated[str | None, typer.Option("--rig", help="A rig's name or rig.yaml.")]
PortOption = Annotated[str | None, typer.Option("--port", help="A serial port, for a box without a rig.yaml.")]


def rig_of(rig: str | None, port: str | None) -> Rig | None:
    """The rig that is meant; None: whatever is at `port`. Raises UserError for both, ConfigError."""
    from rig.config.find import find_rig
    from rig.config.rig import read_rig
    from rig.errors import UserError

    if rig is not None and port is not None:
        allowed = "one of them; the rig's own port stands in its rig.yaml"
        raise UserError("--rig and --port", "are not allowed together", allowed=allowed)
    if port is not None and port.startswith("sim://"):
        raise UserError(
            "--port", "is no port of this machine", value=port, hint="Give the --rig that it is simulated in"
        )
    return None if port is not None else read_rig(find_rig(rig)).rig


@contextmanager
def opened(rig: Rig | None, port: str | None, *, with_cameras: bool = False) -> Iterator[tuple[Devices, Clock]]:
    """The box of `rig`, with its cameras if asked; without a rig the box at `port`."""
    from rig.children import working_folder
    from rig.wiring import open_bench, open_port

    with working_folder() as folder:
        if rig is not None:
            devices, clock = open_bench(rig, folder, with_cameras=with_cameras)
        else:
            devices, clock = open_port(port or "")
        try:
            yield devices, clock
        finally:
            devices.close()


def named(info: DeviceInfo) -> str:
    """Who a device is, in one line of rich's markup."""
    from rich.markup import escape

    from rig.cli.terminal import printable

    simulated = "  [bold yellow]SIMULATED[/]" if info.simulated else ""
    return escape(printable(f"{info.model}, serial {info.serial}, firmware {info.version}")) + simulated

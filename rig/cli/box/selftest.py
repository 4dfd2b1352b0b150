"""`rig box selftest`: the box through a loop-back wire, and the cameras line by line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli.box.opened import BaudOption, Meant, PortOption, RigOption, meant_box, named, opened, until_ended

if TYPE_CHECKING:
    from rich.console import Console

    from rig.clock import Clock
    from rig.config.rig import Rig
    from rig.selftest.results import Result
    from rig.wiring import Devices

SECONDS = 10.0


def selftest(
    rig: RigOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=3600, help="How long pulses are sent through the wire; default: 10."),
    ] = None,
    input_number: Annotated[
        int | None,
        typer.Option("--input", help="The input that the wire leads to; default: the one timed by hardware."),
    ] = None,
    cameras: Annotated[bool, typer.Option("--cameras", help="Pulse line by line and name the camera.")] = False,  # noqa: FBT002
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Test the trigger box through a wire from its first trigger line to an input: on an Uno from D4 to D8.

    With --cameras instead: pulse one line after the other, and name the camera that each of them exposed. Exit code 0:
    all passed; 1: something did not, could not be measured, or you ended it; 2: it could not begin.

    Example: rig box selftest --rig demo --cameras
    """
    from rich.console import Console

    from rig.cli.terminal import echo_json
    from rig.verify.findings import Word

    meant = meant_box(rig, port, baud)
    if cameras:
        _require_cameras_only(meant, {"--seconds": seconds, "--input": input_number})
    console = Console(highlight=False, quiet=json)
    status = console.status("testing")
    with until_ended() as is_ended, status, opened(meant, with_cameras=cameras) as (devices, clock):
        console.print(named(devices.box.describe()))
        if cameras and meant.rig is not None:
            results = _test_cameras(devices, clock, meant.rig, is_ended)
        else:
            results = _test_box(devices, clock, meant.rig, seconds or SECONDS, input_number, is_ended)
    if is_ended():
        typer.echo("ended before the test was done; nothing is judged", err=True)
        raise typer.Exit(1)
    if json:
        echo_json([result.to_json() for result in results])
    _show(results, console)
    if any(result.word is not Word.PASS for result in results):
        raise typer.Exit(1)


def _require_cameras_only(meant: Meant, of_the_wire: dict[str, float | None]) -> None:
    from rig.errors import UserError

    if meant.rig is None:
        raise UserError("--cameras", "needs a rig.yaml that says which camera is on which line", hint="Give --rig")
    if given := [option for option, value in of_the_wire.items() if value is not None]:
        hint = "The pulses for the cameras are counted, and need no wire"
        raise UserError(f"--cameras and {' and '.join(given)}", "are not allowed together", hint=hint)


def _test_box(
    devices: Devices,
    clock: Clock,
    rig: Rig | None,
    seconds: float,
    number: int | None,
    is_ended: Callable[[], bool],
) -> list[Result]:
    from rig.record.plan import pulse_plan
    from rig.selftest.loop_back import loop_back
    from rig.selftest.results import PLAN

    plan, signals = (pulse_plan(rig)[0], dict(rig.box.inputs)) if rig else (PLAN, {})
    return loop_back(devices.box, clock, plan, seconds=seconds, input_number=number, signals=signals, is_ended=is_ended)


def _test_cameras(devices: Devices, clock: Clock, rig: Rig, is_ended: Callable[[], bool]) -> list[Result]:
    from rig.record.plan import pulse_plan
    from rig.selftest.cameras import name_cameras, walk_lines

    serials = {name: camera.describe().serial for name, camera in devices.cameras.items()}
    walk = walk_lines(devices.cameras, devices.box, clock, pulse_plan(rig)[0], is_ended=is_ended)
    return name_cameras(walk, rig, serials)


def _show(results: list[Result], console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from rig.cli.terminal import coloured

    table = Table.grid(padding=(0, 2))
    for result in results:
        word, limit = coloured(result.word), f"[dim]limit: {escape(result.limit)}[/]"
        table.add_row(word, result.name, f"{escape(result.text)}\n{limit}")
    console.print(table)

"""`rig init`: a first rig.yaml, from the cameras and trigger boxes that are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rig.check.first import FoundBox
    from rig.config.written import CameraPart

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new rig: letters, digits, - and _.")]
SimulatedOption = Annotated[bool, typer.Option("--simulated", help="Of a simulated box and simulated cameras.")]


def init(name: NameArgument, simulated: SimulatedOption = False) -> None:  # noqa: FBT002
    """Write calibration/NAME/rig.yaml from the cameras and trigger boxes that are found, for you to go through.

    Asks every serial port with a device on it whether it is a trigger box; that restarts an Uno. Nothing is ever
    overwritten. Cameras beyond what the box can trigger, or beyond eight, are left out and named. Exit code 0:
    written; 2: there is such a rig already, or no camera answers.

    Example: rig init mylab --simulated
    """
    from rich.console import Console
    from rich.markup import escape

    from rig.check.first import new_rig_folder, simulated_box, simulated_cameras, write_rig
    from rig.cli.devices import harmless

    folder, console = new_rig_folder(name), Console(highlight=False)
    if simulated:
        cameras, box = simulated_cameras(), simulated_box(name)
    else:
        cameras, box = _found(name, console)
    path = write_rig(folder, name, box, cameras)
    for camera in cameras:
        console.print(harmless(f"{camera.stream}: {camera.what or 'simulated camera'}, serial {camera.serial}"))
    console.print(harmless(f"box: {box.port}, {box.what}"))
    console.print(escape(f"wrote {path}"), soft_wrap=True)
    if box.is_simulated:
        console.print(f"try it: rig record demo --rig {name} --subject 001 --participant scripted")
    else:
        console.print(
            "go through it: each camera's name, line, divisor and exposure, the inputs of the box, the screen"
        )
        console.print(f"then: rig check --rig {name}, and to focus: rig cameras list --rig {name} --snapshot aim")


def _found(name: str, console: Console) -> tuple[list[CameraPart], FoundBox]:
    """The cameras that answer, as many as the box that answers can trigger; the others are named."""
    from rig.check.first import found_box, found_cameras, most_cameras, parts_of, simulated_box
    from rig.cli.devices import harmless

    with console.status("looking for cameras and trigger boxes"):
        found = found_cameras()
        box = simulated_box(name) if any(camera.is_simulated for camera in found) else found_box()
        most = most_cameras(box)
        parts = parts_of(found[:most])
    for camera in found[most:]:
        why = f"has {box.lines} trigger lines" if box.lines == most else f"has room for {most} cameras"
        whose = "the box" if box.lines == most else "a rig"
        who = f"{camera.vendor} {camera.model}, serial {camera.serial}"
        console.print(harmless(f"left out: {who}, as {whose} {why}"))
    return parts, box

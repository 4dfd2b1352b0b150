"""`rig init`: a first rig.yaml, from the cameras and trigger boxes that are found."""

from __future__ import annotations

from typing import Annotated

import typer

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new rig: letters, digits, - and _.")]
SimulatedOption = Annotated[bool, typer.Option("--simulated", help="Of a simulated box and simulated cameras.")]


def init(name: NameArgument, simulated: SimulatedOption = False) -> None:  # noqa: FBT002
    """Write calibration/NAME/rig.yaml from the cameras and trigger boxes that are found, for you to go through.

    Asks every serial port with a device on it whether it is a trigger box; that restarts an Uno. Nothing is ever
    overwritten. Exit code 0: written; 2: there is such a rig already, or no camera answers.

    Example: rig init mylab --simulated
    """
    from rich.console import Console
    from rich.markup import escape

    from rig.check.first import box_of, found_cameras, new_rig_folder, simulated_cameras, write_rig
    from rig.cli.devices import harmless

    folder, console = new_rig_folder(name), Console(highlight=False)
    with console.status("looking for cameras and trigger boxes"):
        cameras = simulated_cameras() if simulated else found_cameras()
        box = box_of(name, cameras)
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

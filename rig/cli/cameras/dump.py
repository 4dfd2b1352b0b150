"""`rig cameras dump`: the present features of a camera, as a part of rig.yaml."""

from __future__ import annotations

from typing import Annotated

import typer

SerialArgument = Annotated[str, typer.Argument(metavar="SERIAL", help="Serial number of a camera that answers.")]


def dump(serial: SerialArgument) -> None:
    """Print a camera's present features as a part of rig.yaml: all that can be written, each with what it may be.

    Set the camera up in its maker's program, dump it, and copy into your rig.yaml what is to stay so. Selectors come
    first; what depends on them is as it reads with them. Exit code 0: printed; 2: no such camera.

    Example: rig cameras dump 22812345
    """
    from rig import wiring
    from rig.cameras.part import part_of
    from rig.config.written import spelled_part

    found = wiring.find_camera(serial)
    part = part_of("CAM", found, wiring.dump_features(found), line=0, divisor=1)
    typer.echo("cameras:\n" + spelled_part(part), nl=False)

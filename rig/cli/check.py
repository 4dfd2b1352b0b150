"""`rig check`: the preflight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    protocol: Annotated[str | None, typer.Argument(help="A protocol's name or file.")] = None,
    rig: Annotated[str | None, typer.Option(help="A rig's name or rig.yaml.")] = None,
    out: Annotated[Path, typer.Option(help="Where sessions will lie.")] = Path("sessions"),
    devices: Annotated[bool, typer.Option(help="Open the devices too.")] = True,  # noqa: FBT002
) -> None:
    """Find everything that is wrong before a participant sits down: rig, protocol, clips, disk and devices.

    Prints who each device is, and of each camera what was asked of its features, what it took, what it
    allows, and what the camera cannot do. A device that does not answer hides nothing about the others.
    Exit code 0: ready; 2: the problems are listed, each with its place.

    Example: rig check demo --rig demo
    """
    from rich.console import Console
    from rich.markup import escape

    from rig.check.preflight import check as run_check
    from rig.cli.devices import devices_table, features_table, harmless
    from rig.errors import raise_all
    from rig.record.camera_rules import inabilities
    from rig.session.layout import spelled_size

    console = Console(highlight=False)
    with console.status("looking at rig, protocol, clips and devices"):
        found = run_check(rig, protocol, out, with_devices=devices)
    for warning in found.warnings:
        console.print(f"[yellow]WARN[/] {escape(warning)}")
    if found.devices:
        console.print(devices_table(found.devices))
    if found.cameras:
        console.print(features_table(found.cameras))
    for name, info in found.cameras.items():
        if lacks := inabilities(info):
            console.print(harmless(f"what {name} cannot do: {', '.join(lacks)}"))
    for other in found.others:
        who = f"{other.vendor} {other.model}, serial {other.serial}, {other.interface}"
        console.print(harmless(f"also there, but not in this rig: {who}"))
    if found.plan is not None:
        room = spelled_size(found.reserved_bytes)
        console.print(f"at most {found.plan.seconds:.0f} s, {len(found.plan.steps)} steps, {room} on the disk")
    raise_all(found.problems)
    console.print("[green]ready[/]")

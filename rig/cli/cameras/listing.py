"""`rig cameras list`: which cameras answer, and a picture of each to aim and focus it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from rig.cameras.found import FoundCamera
    from rig.config.rig import Rig
    from rig.pixels import Snapshot

RigOption = Annotated[str | None, typer.Option("--rig", help="A rig's name or rig.yaml: its cameras, as they are set.")]
SnapshotOption = Annotated[
    Path | None,
    typer.Option("--snapshot", metavar="DIR", help="Save a picture and a histogram of each there."),
]


def list_cameras(rig: RigOption = None, snapshot: SnapshotOption = None) -> None:
    """List the cameras that answer, or those of a rig with what was asked of them and what they took.

    With --snapshot DIR one picture of each and its histogram, to aim and focus it: `NAME-1.png`, the next time
    `NAME-2.png`. A rig's cameras are exposed by its box, as in a recording, others freely. Exit code 0: done; 2: a
    camera or the box does not do what it should.

    Example: rig cameras list --rig demo --snapshot aim
    """
    from rich.console import Console

    from rig.config.find import find_rig
    from rig.config.rig import read_rig
    from rig.session.folder import folder_for

    if snapshot is not None:
        folder_for(snapshot, "--snapshot")
    console = Console(highlight=False)
    if rig is None:
        _list_found(console, snapshot)
    else:
        _list_of_rig(console, read_rig(find_rig(rig)).rig, snapshot)


def _list_found(console: Console, folder: Path | None) -> None:
    from rig import wiring

    with console.status("looking for cameras"):
        found = wiring.find_cameras()
    if not found:
        console.print("no camera answers; those of a simulated rig are listed with --rig")
    else:
        console.print(found_table(found))
    for camera in found if folder else []:
        with console.status(f"taking a picture with {camera.serial}"):
            taken = wiring.snapshot(camera)
        _save(console, taken, camera.serial, folder or Path())


def found_table(found: Sequence[FoundCamera]) -> Table:
    """Who each camera is, how it is connected, and its backend in rig.yaml."""
    from rich.table import Table

    from rig.cli.devices import STYLE, harmless

    table = Table("serial", "who", "user id", "interface", "backend", "", **STYLE)
    for camera in found:
        cells = camera.serial, f"{camera.vendor} {camera.model}", camera.user_id, camera.interface, camera.backend
        table.add_row(*map(harmless, cells), "[bold yellow]SIMULATED[/]" if camera.is_simulated else "")
    return table


def _list_of_rig(console: Console, rig: Rig, folder: Path | None) -> None:
    from rig.children import working_folder
    from rig.cli.box.opened import until_ended
    from rig.cli.devices import devices_table, features_table
    from rig.pixels import FORMATS, Snapshot
    from rig.record.plan import pulse_plan
    from rig.selftest.snapshots import take_pictures
    from rig.wiring import open_bench

    with console.status("opening the cameras"), working_folder() as logs:
        devices, clock = open_bench(rig, logs, with_cameras=True)
        try:
            infos = {name: camera.describe() for name, camera in devices.cameras.items()}
            console.print(devices_table(dict(infos)))
            console.print(features_table(infos))
            if folder is None:
                return
            with until_ended() as is_ended:
                plan = pulse_plan(rig)[0]
                pictures = take_pictures(devices.cameras, devices.box, clock, plan, is_ended=is_ended)
        finally:
            devices.close()
    for name, picture in pictures.items():
        info = infos[name]
        _save(console, Snapshot(picture, FORMATS[info.pixel_format], info.height, info.width), name, folder)


def _save(console: Console, snapshot: Snapshot, name: str, folder: Path) -> None:
    from rich.markup import escape

    from rig.export.snapshots import described, save_snapshot

    saved = save_snapshot(snapshot, name, folder)
    console.print(escape(f"{name}: {described(saved.values)}"))
    console.print(escape(f"  {saved.picture}  {saved.histogram.name}"), soft_wrap=True)

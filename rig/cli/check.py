"""`rig check`: the preflight."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rig.cli import SESSIONS

if TYPE_CHECKING:
    from rich.console import Console

    from rig.check.preflight import Checked

SHORTEST_S, LONGEST_S = 5, 600  # of a rehearsal; in less the code of the sync LEDs is not sure


def check(
    protocol: Annotated[str | None, typer.Argument(help="A protocol's name or file.")] = None,
    rig: Annotated[str | None, typer.Option(help="A rig's name or rig.yaml, or replay:SESSION.")] = None,
    out: Annotated[Path, typer.Option(help="Where sessions will lie.")] = SESSIONS,
    subject: Annotated[str, typer.Option(help="Who comes next: their visit and films are looked at too.")] = "",
    devices: Annotated[bool, typer.Option(help="Open the devices too.")] = True,  # noqa: FBT002
    speed: Annotated[bool, typer.Option(help="Measure disk and cores too, for some seconds.")] = True,  # noqa: FBT002
    sync: Annotated[
        float | None,
        typer.Option(
            min=SHORTEST_S,
            max=LONGEST_S,
            metavar="SECONDS",
            help="Sweep the LED through the exposures, then record so many seconds and judge them; 10 will do.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Find everything that is wrong before a participant sits down: rig, protocol, clips, disk and devices.

    Of the protocol it names every letter, in all languages, that the font of rig.yaml lacks, and every page that does
    not fit on the screen; of each clip how evenly the screen will show it; of the ledger which row comes next.
    With --subject it is the row of that participant, and the films that the answers of an earlier visit chose.
    Lists the monitors of a real screen, and measures its refresh by a window that is shown for a second.
    Prints who each device is, and of each camera what was asked of its features, what it took, what it
    allows, and what the camera cannot do. A device that does not answer hides nothing about the others.
    Writes for a second or two where sessions will lie, to see whether the disk is quicker than the cameras,
    or which of them to compress.
    With --sync it measures when each camera's exposure begins after its pulse, keeps that below ./calibration for
    all later sessions, and gives the verdict that rig verify would give on a short recording, which is not kept.
    Exit code 0: ready; 1: the verdict is not complete, a start of exposure was not measured or is not as told, or
    you ended it; 2: the problems are listed, each with its place.

    Example: rig check demo --rig demo --sync 10
    """
    from rich.console import Console

    from rig.check.disk import measure
    from rig.check.preflight import check as run_check
    from rig.cli.check_sync import check_sync
    from rig.errors import UserError

    if sync is not None and not devices:
        raise UserError("rig check", "cannot look at synchrony without devices", hint="Leave out --no-devices")
    if subject and protocol is None:
        raise UserError("--subject", "is not enough", value=subject, allowed="only with a PROTOCOL")
    console, is_good = Console(highlight=False, quiet=json), True
    with console.status("looking at rig, protocol, clips, devices and disk"):
        found = run_check(rig, protocol, out, with_devices=devices, measure=measure if speed else None, subject=subject)
    _show(found, console)
    result = found.to_json()
    if sync is not None and not found.problems:
        is_good, result["sync"] = check_sync(found, out, sync, console)
    _end(found, result if json else None, console, is_good=is_good)


def _end(found: Checked, result: dict[str, Any] | None, console: Console, *, is_good: bool) -> None:
    """Tell the problems, as JSON where there is a `result` to print so; ends with the exit code, but for 0."""
    from rig.cli.terminal import echo_json
    from rig.errors import raise_all

    if result is not None:
        echo_json(result)
        raise typer.Exit(2 if found.problems else 0 if is_good else 1)
    raise_all(found.problems)
    if not is_good:
        raise typer.Exit(1)
    console.print("[green]ready[/]")


def _show(found: Checked, console: Console) -> None:
    """Everything but the problems."""
    from rich.markup import escape

    from rig.cli.devices import devices_table, features_table, harmless
    from rig.record.camera_rules import inabilities

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
    for line in _lines(found):
        console.print(harmless(line))


def _lines(found: Checked) -> Iterator[str]:
    """Screen, films, ledger and load, in words."""
    from rig.cli.devices import replayed_from
    from rig.session.layout import spelled_size

    if found.devices and (name := replayed_from(found.devices)):
        yield f"replayed from {name}: no device is there, and only the protocol of then can be run"
    yield from found.screen.lines() if found.screen else []
    yield from found.films.lines()
    yield from found.booked.lines() if found.booked else []
    if found.plan is not None:
        room = spelled_size(found.reserved_bytes)
        yield f"at most {found.plan.seconds:.0f} s, {len(found.plan.steps)} steps, {room} on the disk"
    if found.load:
        yield found.load

"""`rig clips check`: codec, rate, loudness and cadence of every clip of a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from rig.clips.examine import Examined


def check(
    protocol: Annotated[str, typer.Argument(help="A protocol's name or file.")],
    rig: Annotated[str | None, typer.Option(help="A rig's name or rig.yaml, for the cadence on its screen.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Show what every clip of a protocol is: codec, size, rate, length, sound, and how it will run on the screen.

    Each is decoded from end to end, its pictures once, and counted; headers are not believed. The cadence is how many
    flips of the screen each film frame stays; it is even only where a film frame lasts a whole number of them. Named as
    well is what the protocol does not say of a clip: title, edition, licence, norms, valence, target.
    Exit code 0: every clip can be shown; 2: one is missing, has changed, or cannot be shown as it is.

    Example: rig clips check demo --rig demo
    """
    from json import dumps

    from rich.console import Console

    from rig.clips.examine import examine
    from rig.config.find import find_protocol, find_rig
    from rig.config.rig import read_rig
    from rig.elicitation.protocol import read_protocol
    from rig.errors import raise_all

    console = Console(highlight=False, quiet=json)
    file = read_protocol(find_protocol(protocol))
    refresh_hz = read_rig(find_rig(rig)).rig.screen.refresh_hz if rig is not None else None
    with console.status("decoding every clip from end to end"):
        found = list(examine(file, refresh_hz))
    problems = [problem for clip in found for problem in clip.problems]
    if json:
        typer.echo(dumps({"refresh_hz": refresh_hz, "clips": [clip.to_json() for clip in found]}, indent=1))
        raise typer.Exit(2 if problems else 0)
    if found:
        console.print(_table(found))
    for line in _notes(found, refresh_hz):
        console.print(line, soft_wrap=True)
    raise_all(problems)
    console.print(f"{len(found)} clips, all of which can be shown" if found else "this protocol shows no film")


def _table(found: list[Examined]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from rig.cli.devices import harmless

    table = Table("clip", "film", "fps", "frames", "s", "sound", "", title="Clips", box=SIMPLE_HEAD)
    for clip in found:
        table.add_row(*map(harmless, _cells(clip)))
    return table


def _cells(clip: Examined) -> list[str]:
    from rig.clips.sound import spelled_loudness

    film, sound = clip.clip, clip.sound
    header = f"{clip.codec} {clip.width}x{clip.height}" if clip.codec else ""
    counted = [f"{round(film.fps, 3):g}", str(film.frames), f"{film.seconds:.2f}"] if film else ["", "", ""]
    heard = f"{sound.codec}, {spelled_loudness(sound.loudness_lufs)}" if sound else "none" if film else ""
    state = "no film yet" if not clip.file else "REFUSED" if clip.problems else "ok"
    return [clip.name, header, *counted, heard, state]


def _notes(found: list[Examined], refresh_hz: float | None) -> list[str]:
    """How each clip runs on the screen, what else is worth knowing of it, and what its protocol does not say."""
    from rig.cli.devices import harmless
    from rig.clips.examine import HOLES

    lines = [
        f"{clip.name}: {clip.cadence.pattern} flips a film frame at {refresh_hz:g} Hz, "
        + ("even" if clip.cadence.is_even else "uneven")
        for clip in found
        if clip.cadence is not None
    ]
    lines += [f"{clip.name}: {note}" for clip in found for note in clip.notes]
    for key in HOLES:
        if silent := [clip.name for clip in found if key in clip.holes]:
            lines.append(f"the protocol does not say the {key} of: {', '.join(silent)}")
    return [harmless(line) for line in lines]

"""`rig clips import`: pin one's own film to a clip of a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_clip(
    protocol: Annotated[str, typer.Argument(help="A protocol's name or file.")],
    clip: Annotated[str, typer.Argument(help="Name of the clip in that protocol.")],
    file: Annotated[Path, typer.Argument(help="Your film.", metavar="FILE")],
) -> None:
    """Write your film's place and sha256 into a protocol, so that no other film can take its place unnoticed.

    Nothing else in the protocol's file changes. A film below the protocol's folder stays where it is; any other is
    copied into `clips` beside the protocol. A shipped protocol is copied to ./protocols first. A film that cannot be
    shown as it is is refused, and the protocol stays as it was.
    Exit code 0: written; 2: refused, with the reason.

    Example: rig clips import smic disgust1 films/disgust1.mp4
    """
    from rig.cli.terminal import printable
    from rig.clips.pinning import pin
    from rig.config.find import find_protocol

    done = pin(find_protocol(protocol), clip, file)
    film = done.film
    if done.is_own:
        typer.echo(printable(f"copied the shipped protocol to {done.protocol}"))
    if done.is_copied:
        typer.echo(printable(f"copied the film to {done.protocol.parent / done.file}"))
    part = f", from film frame {film.first} of its file" if film.first else ""
    counted = f"{film.frames} film frames at {film.fps:.3f} a second, {film.seconds:.2f} s{part}"
    typer.echo(printable(f"{done.protocol}: {clip} is {done.file}: {counted}"))
    typer.echo(f"sha256 {film.sha256}")

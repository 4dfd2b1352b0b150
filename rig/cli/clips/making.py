"""`rig clips make-demo`: synthetic clips, free to be used, to try everything out with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def make_demo(
    folder: Annotated[Path, typer.Argument(help="Where to write them; is made if it is not there.", metavar="FOLDER")],
    count: Annotated[int, typer.Option(min=1, max=99, help="How many.")] = 4,
) -> None:
    """Make short film clips that anybody may use: moving patterns with a tone, each film frame with its number.

    640x360, 25 fps, 3 s each: demo-01.mp4, demo-02.mp4 and so on. Nothing is overwritten. The number is there in
    digits for people, and as 16 black and white cells along the top edge for programs.

    Example: rig clips make-demo films
    """
    from rig.cli.terminal import printable
    from rig.clips.demo import LICENCE
    from rig.clips.demo import make_demo as run_make_demo

    for path in run_make_demo(folder, count):
        typer.echo(printable(f"wrote {path}, licence {LICENCE}"))

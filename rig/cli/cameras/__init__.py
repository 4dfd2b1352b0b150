"""`rig cameras`: which cameras answer, what they see, and how they are set."""

from __future__ import annotations

import typer

from rig.cli.cameras.dump import dump
from rig.cli.cameras.listing import list_cameras

app = typer.Typer(
    name="cameras",
    help="The cameras alone: which answer, pictures to aim and focus them, and their features.",
    no_args_is_help=True,
)
app.command("list")(list_cameras)
app.command()(dump)

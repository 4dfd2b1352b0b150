"""`rig clips`: the films of a protocol, before anybody sees them."""

from __future__ import annotations

import typer

from rig.cli.clips.check import check
from rig.cli.clips.importing import import_clip
from rig.cli.clips.making import make_demo
from rig.cli.clips.normalising import normalise

app = typer.Typer(
    name="clips",
    help="The film clips of a protocol: look at them, pin your own files, make them fit, or make some to try out.",
    no_args_is_help=True,
)
app.command()(check)
app.command("import")(import_clip)
app.command()(normalise)
app.command("make-demo")(make_demo)

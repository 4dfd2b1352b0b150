"""`rig box`: the trigger box alone, without a session."""

from __future__ import annotations

import typer

from rig.cli.box.flash import flash
from rig.cli.box.monitor import monitor
from rig.cli.box.ping import ping
from rig.cli.box.selftest import selftest

app = typer.Typer(
    name="box",
    help="The trigger box alone: who it is, what it sends, its firmware, and whether it is wired right.",
    no_args_is_help=True,
)
for command in (ping, monitor, flash, selftest):
    app.command()(command)

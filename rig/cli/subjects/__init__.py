"""`rig subjects`: who took part, who no longer does, and the deletion of a session."""

from __future__ import annotations

import typer

from rig.cli.subjects.delete import delete
from rig.cli.subjects.leaving import drop_out, exclude, readmit
from rig.cli.subjects.listing import list_subjects

app = typer.Typer(
    name="subjects",
    help="The ledger of subjects, by pseudonym: rows, visits, exclusions, drop-outs, deletions.",
    no_args_is_help=True,
)
app.command("list")(list_subjects)
app.command()(exclude)
app.command("drop-out")(drop_out)
app.command()(readmit)
app.command()(delete)

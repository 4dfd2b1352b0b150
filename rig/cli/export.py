"""`rig export`: a session's content as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="export", help="Files for other programs, out of a session.", no_args_is_help=True)


@app.callback()
def _formats() -> None:
    """Files for other programs, out of a session."""


@app.command()
def events(
    sessions: Annotated[list[Path], typer.Argument(help="Sessions' folders, or files in them.", metavar="SESSION...")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to save in; default: each session's own.")] = None,
) -> None:
    """Save what happened as BIDS has it: events.tsv, and events.json with what its columns mean.

    rig record does so too, at its end. Rows are steps, answers, guesses, notes, alarms, and frames that are missing,
    with onset and duration in s from pulse 0.

    Example: rig export events sessions/sub-001/ses-01
    """
    import rig
    from rig.cli.terminal import printable
    from rig.export.events import save_events
    from rig.export.pictures import private_folder
    from rig.session.folder import folder_for

    if out is not None:
        folder_for(out)
    for path in sessions:
        with rig.open(path) as session:
            for error in session.unreadable:
                typer.echo(printable(str(error)), err=True)
            folder = private_folder(out) if out else session.runs[0].path.parent
            typer.echo(printable(f"events: {save_events(session, folder)}"))

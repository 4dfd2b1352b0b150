"""`rig annotate`: label the expressions of a session in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rig.cli.pages import Browser, Listen, Port, serve_page


def annotate(
    session: Annotated[Path, typer.Argument(help="A session's folder, or a file in it.", metavar="SESSION")],
    coder: Annotated[
        list[str], typer.Option("--coder", help="Who labels: letters and digits. Once for each.", metavar="NAME")
    ],
    clips: Annotated[Path | None, typer.Option("--clips", help="Folder with the film clips.")] = None,
    listen: Listen = "127.0.0.1",
    port: Port = 0,
    browser: Browser = True,  # noqa: FBT002
) -> None:
    """Label onset, apex and offset of expressions in the browser; saved at once beside the session, one file a coder.

    Each coder has an address of their own, and sees nothing of the others before both have closed their labels.

    Example: rig annotate sessions/sub-001/ses-01 --coder anna
    """
    from rig.config.find import require_folder
    from rig.errors import UserError

    if len(set(coder)) < len(coder):
        raise UserError("--coder", "is there twice", value=", ".join(coder), allowed="each coder once")
    if len({name.lower() for name in coder}) < len(coder):
        raise UserError("--coder", "differ only in upper and lower case", value=", ".join(coder))
    if clips is not None:
        require_folder("--clips", clips)
    # One browser is one coder: of several none is opened here.
    serve_page(session, clips, listen, port, is_shown=browser and len(coder) == 1, coders=coder)

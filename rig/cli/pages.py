"""What the commands that serve a page share: where it is served, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

Listen = Annotated[str, typer.Option("--listen", help="Address for the page; others can reach it.")]
Port = Annotated[int, typer.Option("--port", help="Port for the page; 0: a free one.", min=0, max=65535)]
Browser = Annotated[bool, typer.Option(help="Open the page in the browser.")]


def serve_page(
    session: Path, clips: Path | None, listen: str, port: int, *, is_shown: bool, coders: Sequence[str] = ()
) -> None:
    """Serve the viewer of a session, or to each of `coders` a labelling page of their own, until Ctrl-C.

    Raises a RigError when there is nothing to show, nothing can listen there, or the labels of a coder cannot be
    written.
    """
    from rig import host
    from rig.cli.terminal import printable
    from rig.labels.coding import Coding
    from rig.web.server import build, listening, names_of, new_token, serve
    from rig.web.shelf import Shelf

    host.give_memory_back()
    with Shelf(session, clips=clips) as shelf, ExitStack() as until_the_end:
        with shelf.borrowed() as opened:
            codings = [Coding(opened.session, coder) for coder in coders]
            for coding in codings:
                coding.check()
            listener = until_the_end.enter_context(listening(listen, port))
            for coding in codings:  # once it is known that they can be served: who has begun counts
                coding.begin()
        tokens: dict[str, str | None] = {new_token(): coder for coder in coders} or {new_token(): None}
        reading = Thread(target=shelf.make_ready)  # beside the browser, which has to load the page
        reading.start()
        until_the_end.callback(reading.join)
        app = build(shelf, tokens, names=names_of(listen))
        serve(app, tokens, listener, listen=listen, is_shown=is_shown, say=lambda line: typer.echo(printable(line)))

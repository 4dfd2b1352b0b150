"""`rig operate`: the operator's terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rig.cli import SESSIONS


def operate(
    session: Annotated[
        Path | None, typer.Argument(help="A session's folder; default: the newest that is being recorded.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where sessions lie, when none is named.")] = SESSIONS,
) -> None:
    """Follow a recording and lead it: start, pause, repeat, skip, notes, and the guess. Run it beside rig record.

    It shows its keys. q and Ctrl-C leave, and the recording goes on; the same command attaches again. Exit code 0:
    you left; 2: nothing is being recorded there, or this is no terminal.

    Example: rig operate sessions/sub-001/ses-01
    """
    import signal
    import sys
    from shlex import quote

    from rich.console import Console

    from rig import host
    from rig.cli.terminal import STDIN, printable
    from rig.clock import HostClock
    from rig.errors import UserError
    from rig.operate.link import Link, session_to_operate
    from rig.operate.terminal import Terminal

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("rig operate", "needs a terminal for its keys and its screen", hint="Over ssh: ssh -t")
    for number in host.end_signals():  # so that the terminal is given back as it was
        signal.signal(number, signal.default_int_handler)
    folder = session_to_operate(session, out)
    link = Link(folder, HostClock())
    try:
        Terminal(link, folder, Console(), printable).run(STDIN)
    except KeyboardInterrupt:  # sent by another program: Ctrl-C itself is only a key here
        pass
    finally:
        link.close()
    if link.is_attached:
        typer.echo(f"the recording goes on; to come back: rig operate {quote(printable(str(folder)))}")

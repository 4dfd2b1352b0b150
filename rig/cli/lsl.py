"""`rig lsl`: a recording's markers and pulses to other recorders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rig.cli import SESSIONS


def lsl(
    session: Annotated[
        Path | None, typer.Argument(help="A session's folder; default: the newest that is being recorded.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where sessions lie, when none is named.")] = SESSIONS,
) -> None:
    """Send what happens in a recording to the lab streaming layer, for EEG, EDA or eye trackers to join.

    Run it beside rig record; Ctrl-C leaves, and the recording goes on. Everybody on the network can read what it sends:
    clips, answers and guesses, too. Exit code 0: the recording is over, or you left; 1: the recorder is gone; 2: no
    recording there, or no pylsl.

    Example: rig lsl sessions/sub-001/ses-01
    """
    from contextlib import suppress

    from rig.channel import Client
    from rig.cli.terminal import printable
    from rig.clock import HostClock
    from rig.lsl import Relay, library
    from rig.operate.link import session_to_operate

    pylsl = library()
    folder = session_to_operate(session, out)
    with Client(folder, "observer") as client:
        relay = Relay(pylsl, folder, HostClock())
        typer.echo(printable(f"{folder}: streams rig markers and rig pulses, until the recording ends or Ctrl-C"))
        with suppress(KeyboardInterrupt):
            relay.run(client)
    typer.echo(f"sent: {relay.markers} markers, {relay.pulses} pulses")
    if relay.is_cut:
        typer.echo("the recorder is gone; after rig record --resume: rig lsl again", err=True)
        raise typer.Exit(1)

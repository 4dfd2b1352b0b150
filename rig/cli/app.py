"""The command `rig`: its list of commands, and how an error of the user or of a device reaches the terminal."""

from __future__ import annotations

import sys
import warnings

import typer

from rig.cli.annotate import annotate
from rig.cli.archive import archive
from rig.cli.box import app as box
from rig.cli.cameras import app as cameras
from rig.cli.check import check
from rig.cli.clips import app as clips
from rig.cli.export import app as export
from rig.cli.info import info
from rig.cli.init import init
from rig.cli.lsl import lsl
from rig.cli.operate import operate
from rig.cli.record import record
from rig.cli.recover import recover
from rig.cli.replay import replay
from rig.cli.subjects import app as subjects
from rig.cli.terminal import printable, shield_output
from rig.cli.verify import verify
from rig.errors import RigError

USER_MISTAKE = 2

app = typer.Typer(
    name="rig",
    help="Record sessions, verify camera sync, and replay sessions offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (init, check, record, operate, lsl, recover, verify, info, replay, annotate, archive):
    app.command()(command)
app.add_typer(box)
app.add_typer(cameras)
app.add_typer(clips)
app.add_typer(export)
app.add_typer(subjects)


def main() -> None:
    """Run the command line. Exit code 0: done; 1: done, and not good; 2: a mistake to mend, named in one message."""
    shield_output()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what a library warns of is for its programmers, who ask for it by python -W
    try:
        app()
    except RigError as error:
        print(f"rig: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        raise SystemExit(USER_MISTAKE) from None

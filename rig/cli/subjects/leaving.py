"""`rig subjects exclude`, `drop-out` and `readmit`."""

from __future__ import annotations

import typer

from rig.cli import SESSIONS
from rig.cli.subjects.options import OutOption, ReasonOption, SubjectArgument


def exclude(subject: SubjectArgument, reason: ReasonOption, out: OutOption = SESSIONS) -> None:
    """Exclude a subject whose data cannot be used: its rows are free for others, and it is recorded no more.

    Its sessions stay as they are. Exit code 0: noted; 2: not, and why.

    Example: rig subjects exclude 012 --reason "glasses cover the brows"
    """
    from rig.subjects.ledger import Ledger

    Ledger(out).exclude(subject, reason)
    typer.echo(f"{subject}: excluded; its rows are free")


def drop_out(subject: SubjectArgument, reason: ReasonOption, out: OutOption = SESSIONS) -> None:
    """Note that a subject takes part no longer: its rows are free for others, and it is recorded no more.

    Its sessions stay as they are. Exit code 0: noted; 2: not, and why.

    Example: rig subjects drop-out 007 --reason "did not come again"
    """
    from rig.subjects.ledger import Ledger

    Ledger(out).drop_out(subject, reason)
    typer.echo(f"{subject}: dropped out; its rows are free")


def readmit(subject: SubjectArgument, out: OutOption = SESSIONS) -> None:
    """Take back an exclusion or a drop-out, as of a mistyped pseudonym. The subject has the same rows again.

    That it was noted stays in the ledger. Exit code 0: done; 2: not, and why.

    Example: rig subjects readmit 012
    """
    from rig.subjects.ledger import Ledger

    Ledger(out).readmit(subject)
    typer.echo(f"{subject}: takes part again, with its rows")

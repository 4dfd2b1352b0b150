"""`rig subjects delete`: remove every file of a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli import SESSIONS
from rig.cli.subjects.options import JsonOption, OutOption, ReasonOption, SubjectArgument

if TYPE_CHECKING:
    from rig.subjects.entries import Tombstone


def delete(
    subject: SubjectArgument,
    session: Annotated[int, typer.Option(help="Number of the session.", min=1, max=9999)],
    reason: ReasonOption,
    out: OutOption = SESSIONS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002
    json: JsonOption = False,  # noqa: FBT002
) -> None:
    """Delete a session for good: all that lies in its folder. The ledger keeps pseudonym, number, date and reason.

    The number is not given again. Broken off, the same command goes on. Copies in an archive and what was exported to
    other folders are not known here. Exit code 0: deleted; 1: not, because you said no; 2: not, and why.

    Example: rig subjects delete 001 --session 1 --reason "withdrew consent"
    """
    from dataclasses import asdict
    from json import dumps

    from rig.session.folder import check_subject
    from rig.subjects.deleting import delete_session
    from rig.subjects.ledger import Ledger

    folder = out / f"sub-{check_subject(subject)}" / f"ses-{session:02d}"
    if folder.is_dir() and not yes and not typer.confirm(_question(folder), err=True):
        typer.echo("nothing was deleted", err=True)
        raise typer.Exit(1)
    ledger = Ledger(out)
    done = delete_session(folder, ledger, reason)
    if json:
        typer.echo(dumps(asdict(done), indent=1))
        return
    _say(done, ledger.path)


def _question(folder: Path) -> str:
    from rig.session.layout import spelled_size

    sizes = [path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()]
    count = f"{len(sizes)} file{'s' if len(sizes) != 1 else ''}"
    return f"Delete {folder} for good, {count}, {spelled_size(sum(sizes))}?"


def _say(done: Tombstone, ledger: Path) -> None:
    from rig.cli.terminal import printable

    when = (done.done_utc or done.asked_utc)[:10]
    reason = " ".join(done.reason.split())
    typer.echo(printable(f"sub-{done.subject} ses-{done.session:02d}: deleted on {when}: {reason}; kept in {ledger}"))
    typer.echo("copies in archives, and what was exported to other folders, are still there")

"""`rig subjects list`: what the ledger knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from rig.cli import SESSIONS
from rig.cli.subjects.options import JsonOption, OutOption

if TYPE_CHECKING:
    from rig.subjects.entries import Entry, Row, Visit


def list_subjects(out: OutOption = SESSIONS, json: JsonOption = False) -> None:  # noqa: FBT002
    """List every subject with its rows, sessions, and whether it was excluded, dropped out, or had a session deleted.

    First it settles visits whose program was killed, by what the sessions' files say; else it changes nothing. Rows
    count from 0, repeats of a row from 0. Exit code 0; 2 when the ledger cannot be read.

    Example: rig subjects list --json
    """
    from dataclasses import asdict
    from json import dumps

    from rig.cli.terminal import printable
    from rig.subjects.ledger import Ledger

    ledger = Ledger(out)
    found = ledger.subjects()
    if json:
        typer.echo(dumps({"ledger": str(ledger.path), "subjects": [asdict(one) for one in found]}, indent=1))
        return
    if not found:
        typer.echo(printable(f"{ledger.path}: nobody is in it"))
    for one in found:
        typer.echo(printable("\n  ".join([_head(one), *_lines(one)])))


def _head(one: Entry) -> str:
    if gone := one.departure:
        return f"{one.subject}  {gone.kind} on {gone.utc[:10]}: {_short(gone.reason)}"
    return one.subject


def _lines(one: Entry) -> Iterator[str]:
    for row in one.rows:
        if row.state != "freed":
            yield f"{row.protocol}: row {row.row}, repeat {row.repeat}, {_state(row, one)}"
    for visit in one.visits:
        began = visit.began_utc[:16].replace("T", " ")
        yield f"session {visit.session}: {visit.protocol}, {began} UTC, {_how(visit)}"
    for grave in one.deletions:
        when = f"deleted on {grave.done_utc[:10]}" if grave.done_utc else "DELETION NOT FINISHED, begin it again"
        yield f"session {grave.session}: {when}: {_short(grave.reason)}"


def _state(row: Row, one: Entry) -> str:
    """A reservation without its program holds nothing, though nobody has come since who would note that."""
    is_held = row.state == "confirmed" or any(v.is_under_way for v in one.visits if v.protocol == row.protocol)
    return row.state if is_held else "reserved no longer"


def _how(visit: Visit) -> str:
    if visit.is_under_way:
        return "under way"
    return visit.outcome.replace("_", " ") if visit.ended_utc else "broken off"


def _short(reason: str) -> str:
    return " ".join(reason.split())

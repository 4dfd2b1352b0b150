"""`rig recover`: put in order what a crash has left of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli import SESSIONS

if TYPE_CHECKING:
    from rig.errors import RigError
    from rig.session.recover import Recovery, StreamKept

_FOUND = {
    "held": "is being recorded right now, or put in order: left alone",
    "empty": "nothing had been recorded: removed",
    "closed": "closed already: nothing to do",
    "close_finished": "its close had broken off, and is finished",
    "recovered": "nobody closed it: the recorder was killed, lost power, or the disk refused its close; put in order",
}


def recover(
    sessions: Annotated[list[Path] | None, typer.Argument(help="Sessions.", metavar="SESSION")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every session below --out.")] = False,  # noqa: FBT002
    out: Annotated[Path, typer.Option(help="Where sessions lie.")] = SESSIONS,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Put in order what a crash, a power cut or a full disk has left: say what was kept, and which pulses are missing.

    Nothing that the disk had acknowledged is given up. What is closed already stays as it is, and what is being
    recorded is left alone. The ledger is told how the visits ended. Exit code 0: all is in order; 1: it is, but a
    picture that was safe is damaged or gone; 2: a file could not be put in order, and was not changed, or the ledger.

    Example: rig recover sessions/sub-001/ses-01
    """
    from rig.cli.terminal import echo_json
    from rig.errors import UserError, raise_all
    from rig.session.folder import sessions_below

    if bool(sessions) == every:
        raise UserError("rig recover", "takes sessions, or --all", hint="rig recover --help")
    paths = sessions_below(out) if every else sessions or []
    done, errors = _put_in_order(paths, is_quiet=json)
    errors += _settle(paths)
    if json:
        problems = [str(error) for error in errors]
        echo_json({"files": [one.to_json() for one in done], "problems": problems})
    elif every and not done and not errors:
        typer.echo(f"no session lies below {out}")
    raise_all(errors)
    if not all(one.is_good for one in done):
        raise typer.Exit(1)


def _put_in_order(sessions: list[Path], *, is_quiet: bool) -> tuple[list[Recovery], list[RigError]]:
    """What became of each file, shown as it goes, and an error for each that could not be dealt with."""
    from rig.errors import RigError
    from rig.session.recover import recover

    done: list[Recovery] = []
    errors: list[RigError] = []
    with _progress(is_quiet=is_quiet) as on_progress:
        for session in sessions:
            try:
                found, refused = recover(session, on_progress)
            except RigError as exc:
                found, refused = [], [exc]
            done, errors = done + found, errors + refused
            if not is_quiet:
                _show(found)
                _show_withdrawal(session)
    return done, errors


def _settle(sessions: list[Path]) -> list[RigError]:
    """Let the ledgers beside these sessions know how they ended; why one could not be told."""
    from rig.errors import RigError
    from rig.session.folder import folder_named
    from rig.subjects.ledger import Ledger

    errors: list[RigError] = []
    paths = [(session if session.is_dir() else session.parent).absolute() for session in sessions]
    for directory in {path.parents[1] for path in paths if folder_named(path)}:
        try:
            Ledger(directory).settle()
        except RigError as exc:
            errors.append(exc)
    return errors


@contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Callable[[Path, int, int], None]]:
    """A bar that shows how many pictures of a file have been compared; on a terminal alone."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    tasks: dict[Path, TaskID] = {}
    with Progress(console=console, transient=True, disable=is_quiet or not console.is_terminal) as bar:

        def move(path: Path, compared: int, pictures: int) -> None:
            if path not in tasks:
                tasks[path] = bar.add_task(escape(path.name), total=pictures)
            bar.update(tasks[path], completed=compared)

        yield move


def _show(found: list[Recovery]) -> None:
    from rig.cli.terminal import printable
    from rig.verify.findings import counted

    for one in found:
        outcome = f" ({one.outcome.replace('_', ' ')})" if one.found.value in ("closed", "close_finished") else ""
        typer.echo(printable(f"{one.path}: {_FOUND[one.found.value]}{outcome}"))
        for name, kept in one.streams.items():
            typer.echo(f"  {name:<5} {_stream_line(kept)}")
        if one.lost:
            typer.echo(f"  LOST: {counted(one.lost, 'frame', 'frames')} that the disk had acknowledged")


def _show_withdrawal(session: Path) -> None:
    """Who withdrew may want nothing kept: a crash must not hide it."""
    from rig.cli.terminal import printable
    from rig.errors import RigError
    from rig.session.reader import Session
    from rig.session.withdrawal import withdrawal_of

    with suppress(RigError), Session(session) as opened:  # what cannot be read was told before
        if withdrawal := withdrawal_of(opened):
            typer.echo(printable(f"  WITHDRAWN: {withdrawal.text}"))


def _stream_line(kept: StreamKept) -> str:
    from rig.verify.findings import counted, spelled, spelled_pulses

    parts = [f"{counted(kept.frames, 'frame', 'frames')} kept, at least {kept.acknowledged} of them acknowledged"]
    if kept.cut:
        parts.append(f"{kept.cut} cut off that the disk did not hold whole")
    if kept.damaged:
        parts.append(f"DAMAGED: {spelled_pulses(kept.damaged)}")
    if kept.missing:
        parts.append(f"{counted(kept.missing_count, 'pulse', 'pulses')} without a frame: {spelled(kept.missing)}")
    return "; ".join(parts)

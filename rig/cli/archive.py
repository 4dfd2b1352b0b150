"""`rig archive`: copy sessions to another disk, prove the copies, and remove the sources if asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from rig.session.archived import Archived, Job


def archive(
    sessions: Annotated[list[Path], typer.Argument(help="Session folders, or files in them.", metavar="SESSION")],
    dest: Annotated[Path, typer.Argument(help="A folder on another disk; must exist.", metavar="DEST")],
    move: Annotated[bool, typer.Option("--move", help="Remove each source once its copy is proved.")] = False,  # noqa: FBT002
    compress: Annotated[bool, typer.Option("--compress", help="Compress pictures of closed runs.")] = False,  # noqa: FBT002
    json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Copy sessions to another disk, read the copies back, and compare them with their sources.

    May be broken off at any time: nothing is taken for a session before it is proved, and the next run goes on.
    Ends with 0 when all was done, 1 when a session is not safe in DEST or its source could not be removed, 2 when
    nothing could be begun.

    Example: rig archive sessions/sub-001/ses-01 /mnt/nas/archive
    """
    from rich.console import Console
    from rich.progress import Progress

    from rig import host
    from rig.cli.terminal import echo_json
    from rig.session.archive import jobs_for

    jobs = jobs_for(sessions, dest)
    host.stand_back()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=json or not console.is_terminal) as progress:
        done = [_archive_one(job, progress, move=move, compress=compress) for job in jobs]
    if json:
        echo_json({"sessions": done})
    else:
        for line in map(_line, done):
            typer.echo(line)
    if any(one["error"] for one in done):
        raise typer.Exit(1)


def _archive_one(job: Job, progress: Progress, *, move: bool, compress: bool) -> dict[str, Any]:
    """Archive one session; what became of it, as plain data."""
    from rich.markup import escape

    from rig.clock import HostClock
    from rig.errors import RigError
    from rig.session.archive import archive, work_bytes
    from rig.session.archived import State

    task = progress.add_task(escape(str(job.source)), total=work_bytes(job) or None)
    try:
        found = archive(job, HostClock(), move=move, compress=compress, tell=lambda size: progress.advance(task, size))
    except RigError as exc:
        return {**_head(job), "state": str(State.FAILED), "safe": False, "error": str(exc), "notes": job.notes}
    return {**_head(job), **_described(found)}


def _head(job: Job) -> dict[str, Any]:
    return {"source": str(job.source), "target": str(job.target)}


def _described(found: Archived) -> dict[str, Any]:
    return {
        "state": str(found.state),
        "safe": True,
        "error": found.problem,
        "files": len(found.kept),
        "bytes": sum(file.bytes for file in found.kept),
        "compressed": [file.name for file in found.kept if file.compressed],
        "notes": found.notes,
    }


def _line(one: dict[str, Any]) -> str:
    from rig.cli.terminal import printable
    from rig.session.layout import spelled_size

    if not one["safe"]:
        return printable(f"{one['source']}: NOT SAFE: {one['error']}")
    count = f"{one['files']} file{'s' if one['files'] != 1 else ''}"
    parts = [f"{count}, {spelled_size(one['bytes'])}, read back and equal"]
    parts += [f"{len(one['compressed'])} compressed"] if one["compressed"] else []
    said = "; ".join([", ".join(parts), *one["notes"], *([one["error"]] if one["error"] else [])])
    state = one["state"].upper() if one["error"] else one["state"]
    return printable(f"{one['source']}: {state}: {one['target']}: {said}")

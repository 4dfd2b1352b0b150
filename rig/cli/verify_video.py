"""`rig verify --video`: judge plain video files of any rig that has our sync LEDs in view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rig.errors import RigError
    from rig.verify.videos.checks import VideoVerdict
    from rig.verify.videos.video import Film


def verify_videos(paths: list[Path], *, json: bool) -> None:
    """Judge video files of one recording and show what was found.

    Raises RigError when one cannot be read, after the others were judged, and typer.Exit(1) when they are not proved to
    be synchronised.
    """
    from rich.console import Console

    from rig.cli.terminal import echo_json
    from rig.errors import raise_all
    from rig.verify.videos.checks import judge_films

    console = Console(quiet=json)
    films, unreadable = _read(list(dict.fromkeys(paths)), console)
    verdict = judge_films(films)
    if json:
        echo_json(verdict.to_json())
    elif films:
        _show(verdict, console)
    raise_all(unreadable)
    if not verdict.is_good:
        raise typer.Exit(1)


def _read(paths: list[Path], console: Console) -> tuple[list[Film], list[RigError]]:
    """All files that can be read, and what is wrong with the others. Two of the same name are called by their paths."""
    from rich.console import Console
    from rich.progress import Progress

    from rig.errors import RigError
    from rig.verify.videos.video import read_film

    films: list[Film] = []
    unreadable: list[RigError] = []
    names = [path.name for path in paths]
    shown = Console(stderr=True)
    with Progress(console=shown, transient=True, disable=console.quiet or not shown.is_terminal) as progress:
        for path in paths:
            name = path.name if names.count(path.name) == 1 else str(path)
            task = progress.add_task(name, total=None)
            try:
                films.append(read_film(path, name, lambda task=task: progress.advance(task)))  # type: ignore[misc]
            except RigError as exc:
                unreadable.append(exc)
    return films, unreadable


def _show(verdict: VideoVerdict, console: Console) -> None:
    """What was found, as a table; below it the verdict."""
    from rich.markup import escape

    from rig.cli.terminal import printable
    from rig.cli.verify import findings_table

    rows = [(found.check, found.stream, str(found.word), found.text) for found in verdict.findings]
    console.print(findings_table("Video files", rows, "file"))
    style = "bold green" if verdict.is_good else "bold red"
    console.print(f"[{style}]{escape(printable(verdict.summary))}[/]", highlight=False)

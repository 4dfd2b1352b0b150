"""`rig replay`: show what cameras and screen saw at the same moment, in the browser or saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli.pages import Browser, Listen, Port, serve_page

if TYPE_CHECKING:
    from rig.session.reader import Session
    from rig.session.run import Run
    from rig.session.timeline import Instant


def replay(
    session: Annotated[Path, typer.Argument(help="A session's folder, or a file in it.", metavar="SESSION")],
    at: Annotated[float | None, typer.Option("--at", help="Seconds from pulse 0, or from the start of --clip.")] = None,
    clip: Annotated[
        str | None, typer.Option("--clip", help="The step that played it: of --at, --video or the sheet.")
    ] = None,
    contact_sheet: Annotated[bool, typer.Option("--contact-sheet", help="Save a sheet of 8 moments.")] = False,  # noqa: FBT002
    video: Annotated[
        Path | None, typer.Option("--video", help="Save --clip as a video, .mkv or .mp4, all beside each other.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to save in; default: the session's own.")] = None,
    clips: Annotated[Path | None, typer.Option("--clips", help="Folder with the film clips.")] = None,
    listen: Listen = "127.0.0.1",
    port: Port = 0,
    browser: Browser = True,  # noqa: FBT002
) -> None:
    """Look at a session in the browser, frame by frame; or save pictures, a sheet or a video of it.

    Without --at, --contact-sheet and --video it serves the page, for this computer alone, until Ctrl-C. It only reads.

    Example: rig replay sessions/sub-001/ses-01
    """
    import rig
    from rig.cli.terminal import printable
    from rig.config.find import require_folder
    from rig.errors import UserError
    from rig.session.folder import folder_for

    if clips is not None:
        require_folder("--clips", clips)
    if at is None and not contact_sheet and video is None:
        if clip is not None or out is not None:
            hint = "Give --at SECONDS, --contact-sheet or --video FILE with it; leave it out for the page"
            raise UserError("rig replay", "needs to know what to save", hint=hint)
        serve_page(session, clips, listen, port, is_shown=browser)
        return
    if out is not None:
        folder_for(out)
    with rig.open(session, clips=clips) as opened:
        for error in opened.unreadable:
            typer.echo(printable(str(error)), err=True)
        folder = out or opened.runs[0].path.parent
        if at is not None:
            _save_instant(opened, at, clip, folder)
        if contact_sheet:
            _save_sheet(opened, folder, clip)
        if video is not None:
            save_video(opened, clip, video)


def _stem(session: Session) -> str:
    run = session.runs[0]
    return f"sub-{run.subject}_ses-{run.session:02d}"


def _save_instant(session: Session, at: float, clip: str | None, folder: Path) -> None:
    from rig.cli.terminal import printable
    from rig.export.pictures import save_instant

    instant = session.at(seconds=at, clip=clip)
    files = save_instant(instant, folder, f"{_stem(session)}_{clip or 'at'}-{at:.3f}s")
    light = [_light(session.run(instant.run))] if instant.film.film_frame >= 0 else []
    for line in [*lines(instant, files), *light]:
        typer.echo(printable(line))


def _light(run: Run) -> str:
    """How far the film may lie off the frames: when the light of a flip was seen."""
    from rig.verify.screen.light import light_latency

    latency = light_latency(run)
    if latency is None:
        return (
            "light: NOT MEASURED: no photodiode saw when the film frame was on the screen; its time is that of the flip"
        )
    spread = f"SD {latency.sd_ms:.2f}, farthest {latency.worst_ms:.2f}, {latency.seen} changes of the patch"
    return f"light: a film frame is seen {latency.median_ms:.2f} ms after its flip (median; {spread})"


def lines(instant: Instant, files: dict[str, Path]) -> list[str]:
    """What was seen, one line for each camera and one for the film."""
    said = [f"run {instant.run}, pulse {instant.pulse}, {instant.seconds:.4f} s from pulse 0"]
    for name, view in instant.views.items():
        place = files.get(name, view.reason)
        age = "age unknown" if view.age_ms is None else f"exposed {view.age_ms:.2f} ms before"
        said.append(f"{name}: pulse {view.pulse}, {age}: {place}")
    film = instant.film
    where = f"{film.step.name}, film frame {film.film_frame}: " if film.step and film.film_frame >= 0 else ""
    return [*said, f"film: {where}{files.get('film', film.reason)}"]


def _save_sheet(session: Session, folder: Path, clip: str | None) -> None:
    from rig.cli.terminal import printable
    from rig.export.contact_sheet import CONTACT_SHEET_FILE, contact_sheet
    from rig.export.pictures import private_folder, save_picture

    of_clip = f"_{clip}" if clip else ""
    path = private_folder(folder) / f"{_stem(session)}{of_clip}_{CONTACT_SHEET_FILE}"
    typer.echo(printable(f"contact sheet: {save_picture(contact_sheet(session, clip=clip), path)}"))


def save_video(session: Session, clip: str | None, path: Path) -> None:
    """Save one clip as a video of all cameras and the film beside each other; shows how it goes on."""
    from rich.console import Console
    from rich.progress import Progress

    from rig.cli.terminal import printable
    from rig.errors import UserError
    from rig.export.side_by_side import save_side_by_side

    if clip is None:
        names = {name: None for line in session.timelines for name in line.clip_steps}
        allowed = ", ".join(names) or "no film was shown in this session"
        raise UserError("--video", "needs --clip NAME", allowed=allowed)
    shown = Console(stderr=True)
    with Progress(console=shown, transient=True, disable=not shown.is_terminal) as progress:
        task = progress.add_task(path.name)
        lacking = save_side_by_side(
            session, clip, path, lambda done, of: progress.update(task, completed=done, total=of)
        )
    typer.echo(printable(f"video: {path}"))
    if lacking:
        typer.echo(printable(f"only the cameras are in it. {lacking}"), err=True)

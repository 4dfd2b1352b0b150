"""`rig verify`: judge the synchrony and completeness of recorded sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from rig.errors import RigError
    from rig.session.run import Run
    from rig.verify.findings import Finding
    from rig.verify.report.page import Page
    from rig.verify.verdict import Verdict

LIVE = "is being recorded right now: this verdict is of its beginning, and not kept"


def verify(
    sessions: Annotated[
        list[Path] | None, typer.Argument(help="Session folders, or files in them.", metavar="SESSION")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON instead of tables.")] = False,  # noqa: FBT002
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a page with figures about them all.", metavar="HTML")
    ] = None,
    video: Annotated[
        list[Path] | None,
        typer.Option("--video", help="Judge this video file instead, with others of its recording.", metavar="FILE"),
    ] = None,
) -> None:
    """Judge recorded sessions: every frame on its pulse, every film frame shown, nothing changed on the disk.

    Writes a verdict (JSON) and a figure (PNG) beside each run that has ended. Ends with 0 when all are complete, 1 when
    one is not, 2 when one cannot be read or its verdict not be written. With --video: 0 when the files are proved to be
    of the same pulses; of one file alone, when all in it is in order, which proves no synchrony.

    Example: rig verify sessions/sub-001/ses-01
    """
    from rig.cli.verify_video import verify_videos
    from rig.errors import UserError

    if bool(sessions) == bool(video) or (video and report):
        raise UserError("rig verify", "takes sessions, or video files with --video, and no --report then")
    if video:
        verify_videos(video, json=json)
    else:
        _verify_sessions(sessions or [], report, json=json)


def _verify_sessions(sessions: list[Path], report: Path | None, *, json: bool) -> None:
    from rich.console import Console

    import rig
    from rig.cli.terminal import echo_json
    from rig.errors import RigError, raise_all

    page = _page(report)
    verdicts: list[Verdict] = []
    unreadable: list[RigError] = []
    console = Console(quiet=json)
    for path in sessions:
        try:
            with rig.open(path, by_leds=False) as session:
                for run in session.runs:
                    is_live = run.is_being_recorded  # it may be closed before it is judged to its end
                    verdicts.append(_judge(run, console, page))
                    unreadable += [] if is_live else _keep(run, verdicts[-1], console)
                    if is_live:
                        typer.echo(f"{run.path}: {LIVE}", err=True)
                unreadable += session.unreadable
        except RigError as exc:
            unreadable.append(exc)
    if json:
        echo_json({"verdicts": [verdict.to_json() for verdict in verdicts]})
    if page is not None:
        page.write(unreadable)
        console.print(f"Report:  {page.path}", markup=False, highlight=False, soft_wrap=True)
    raise_all(unreadable)
    if not all(verdict.is_complete for verdict in verdicts):
        raise typer.Exit(1)


def _page(path: Path | None) -> Page | None:
    """The page to write, where one is asked for; refused before anything is looked at."""
    from rig.verify.report.page import Page

    return None if path is None else Page(path)


def _judge(run: Run, console: Console, page: Page | None) -> Verdict:
    """Judge one run and show it, and put it on the page."""
    from rig.verify.verdict import verify_run

    _look(run, console)
    verdict = verify_run(run)
    show_verdict(verdict, console)
    if page is not None:
        page.add(run, verdict)
    return verdict


def _keep(run: Run, verdict: Verdict, console: Console) -> list[RigError]:
    """Write verdict and figure beside the run, and its pairing by the LEDs; what refused that.

    Of a run that cannot be drawn an older figure goes away: it is of another verdict.
    """
    from rig.errors import StorageError

    try:
        _write(run, verdict, console)
    except StorageError as error:  # the other runs are judged all the same
        return [error]
    return []


def _write(run: Run, verdict: Verdict, console: Console) -> None:
    from rig.cli.terminal import printable
    from rig.private import write_private
    from rig.session import led_pairing
    from rig.session.folder import beside, remove_beside
    from rig.verify.pixels.pairing import pairing_by_leds
    from rig.verify.report.overview import OVERVIEW, OVERVIEW_FILE
    from rig.verify.verdict import save

    written = save(run.path, verdict)
    figure, shown = beside(run.path, OVERVIEW_FILE), OVERVIEW.shown(run, verdict)
    if shown.png is None:
        remove_beside(figure)
    else:
        write_private(figure, shown.png)
    told = shown.text if shown.png is None else str(figure)
    console.print(f"Verdict: {written}", markup=False, highlight=False, soft_wrap=True)
    paired = led_pairing.save(run, pairing_by_leds(run))
    if paired is not None:
        console.print(f"Pairing: {paired}, by the LEDs", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Figure:  {printable(told)}\n", markup=False, highlight=False, soft_wrap=True)


def _look(run: Run, console: Console) -> None:
    """Look at all pictures, which takes longest, and show how it goes on."""
    from rich.console import Console
    from rich.progress import Progress

    from rig.verify.looks import look_at_all, picture_bytes

    shown = Console(stderr=True)
    with Progress(console=shown, transient=True, disable=console.quiet or not shown.is_terminal) as progress:
        task = progress.add_task(run.path.name, total=picture_bytes(run) or None)
        look_at_all(run, lambda size: progress.advance(task, size))


def show_verdict(verdict: Verdict, console: Console) -> None:
    """What was found, as a table; below it complete or not."""
    if verdict.simulated:
        console.print("[bold yellow]SIMULATED[/]: devices of this run were simulated")
    console.print(findings_table(verdict.run_file, rows(verdict.findings)))
    _show_end(verdict, console)


def findings_table(title: str, found: list[tuple[str, str, str, str]], of: str = "stream") -> Table:
    """Findings as a table, from its rows; `of`: what they are of."""
    from rich.markup import escape
    from rich.table import Table

    from rig.cli.terminal import coloured, printable

    table = Table(title=escape(printable(title)), title_justify="left", show_lines=False)
    for column in ("check", of, "", "what was found"):
        table.add_column(column, overflow="fold")
    for check, streams, word, text in found:
        table.add_row(escape(check), escape(printable(streams)), coloured(word), escape(printable(text)))
    return table


def _show_end(verdict: Verdict, console: Console) -> None:
    """Below the table: complete or not, and what each check that stands against it is good for."""
    from rich.markup import escape

    from rig.cli.terminal import coloured, printable
    from rig.config.judging import why_of
    from rig.verify.findings import Word
    from rig.verify.screen.light import stimulus_onset

    if verdict.unmeasured:
        names = escape(printable(", ".join(verdict.unmeasured)))
        console.print(f"{coloured(Word.NOT_MEASURED)}: {names}", highlight=False)
    console.print(escape(printable(stimulus_onset(verdict.findings))), highlight=False)
    style = "bold green" if verdict.is_complete else "bold red"
    console.print(f"[{style}]{escape(printable(verdict.summary))}[/]", highlight=False)
    if verdict.narrowed:
        console.print(verdict.narrowed, highlight=False, soft_wrap=True)
    for name in dict.fromkeys([*verdict.checks_with(Word.FAIL), *verdict.missing]):
        console.print(f"  {escape(printable(name))}: {why_of(name)}", highlight=False)


def rows(findings: tuple[Finding, ...]) -> list[tuple[str, str, str, str]]:
    """Findings as table rows (check, streams, word, text); streams that passed the same check share one."""
    from rig.verify.findings import Word

    grouped: dict[tuple[str, str], list[Finding]] = {}
    for index, finding in enumerate(findings):
        key = (finding.check, "PASS" if finding.word is Word.PASS else str(index))
        grouped.setdefault(key, []).append(finding)
    return [
        (
            group[0].check,
            " ".join(dict.fromkeys(finding.stream for finding in group)),
            str(group[0].word),
            " | ".join(dict.fromkeys(finding.text for finding in group)),
        )
        for group in grouped.values()
    ]

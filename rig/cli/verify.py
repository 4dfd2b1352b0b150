"""`rig verify`: judge the synchrony and completeness of recorded sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rig.session.run import Run
    from rig.verify.findings import Finding
    from rig.verify.verdict import Verdict

_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "NOT MEASURED": "magenta"}


def verify(
    sessions: Annotated[list[Path], typer.Argument(help="Session folders, or files in them.", metavar="SESSION")],
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON instead of tables.")] = False,  # noqa: FBT002
) -> None:
    """Judge recorded sessions: every frame on its pulse, every film frame shown, nothing changed on the disk.

    Writes a verdict (JSON) and a figure (PNG) beside each run that has ended. Ends with 0 when all are complete, 1 when
    one is not, 2 when one cannot be read.

    Example: rig verify sessions/sub-001/ses-01
    """
    from json import dumps

    from rich.console import Console

    import rig
    from rig.errors import RigError, raise_all

    verdicts: list[Verdict] = []
    unreadable: list[RigError] = []
    console = Console(quiet=json)
    for path in sessions:
        try:
            with rig.open(path) as session:
                verdicts += [_judge(run, console) for run in session.runs]
                unreadable += session.unreadable
        except RigError as exc:
            unreadable.append(exc)
    if json:
        typer.echo(dumps({"verdicts": [verdict.to_json() for verdict in verdicts]}, indent=1))
    raise_all(unreadable)
    if not all(verdict.is_complete for verdict in verdicts):
        raise typer.Exit(1)


def _judge(run: Run, console: Console) -> Verdict:
    """Judge one run, show it, and write verdict and figure beside it; not while it is being recorded."""
    from rig.session.folder import beside, write_private
    from rig.verify.report import REPORT_FILE, draw_report
    from rig.verify.verdict import save, verify_run

    verdict = verify_run(run)
    _show(verdict, console)
    written = save(run.path, verdict)
    if written is None:
        typer.echo(f"{run.path}: is being recorded right now: this verdict is of its beginning, and not kept", err=True)
        return verdict
    figure = beside(run.path, REPORT_FILE)
    write_private(figure, draw_report(run, verdict))
    console.print(f"Verdict: {written}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Figure:  {figure}\n", markup=False, highlight=False, soft_wrap=True)
    return verdict


def _show(verdict: Verdict, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from rig.cli.terminal import printable
    from rig.verify.findings import Word

    table = Table(title=escape(printable(verdict.run_file)), title_justify="left", show_lines=False)
    for column in ("check", "stream", "", "what was found"):
        table.add_column(column, overflow="fold")
    for check, streams, word, text in rows(verdict.findings):
        table.add_row(escape(check), escape(streams), f"[{_STYLES[word]}]{word}[/]", escape(printable(text)))
    if verdict.simulated:
        console.print("[bold yellow]SIMULATED[/]: devices of this run were simulated")
    console.print(table)
    if verdict.unmeasured:
        console.print(f"[magenta]NOT MEASURED[/]: {escape(', '.join(verdict.unmeasured))}", highlight=False)
    if verdict.is_complete:
        warned = list(dict.fromkeys(f.check for f in verdict.findings if f.word is Word.WARN))
        notes = f", to look at: {', '.join(warned)}" if warned else ""
        console.print(f"[bold green]complete[/]{escape(notes)}", highlight=False)
        return
    failed = list(dict.fromkeys(f.check for f in verdict.findings if f.word is Word.FAIL))
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"required but not measured: {', '.join(verdict.missing)}"] if verdict.missing else []
    console.print(f"[bold red]NOT complete[/]: {escape('; '.join(parts))}", highlight=False)


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

"""`rig info`: what a session, or every session below a folder, is and holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rig.session.reader import Session
    from rig.session.run import Run

_HEADS = [
    ("subject", "subject"),
    ("session", "session"),
    ("date", "created_utc"),
    ("rig", "rig"),
    ("protocol", "protocol"),
]


def info(
    path: Annotated[Path, typer.Argument(help="A session, or a folder of sessions.", metavar="SESSION|DIR")],
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Say what a session holds: who, when, which rig, how it ended, how long, how large, and its verdict.

    With a folder of sessions: one line for each.

    Example: rig info sessions/sub-001/ses-01
    """
    from rich.console import Console

    import rig
    from rig.cli.terminal import echo_json
    from rig.errors import NotASession
    from rig.session.folder import find_runs, sessions_below

    try:
        find_runs(path)
    except NotASession:
        below = sessions_below(path)
        if not below:
            raise
        lines = [_line(folder) for folder in below]
        echo_json({"sessions": lines}) if json else _show_lines(lines)
        return
    with rig.open(path) as session:
        found = describe(session)
    echo_json(found) if json else _show(found, Console())


def describe(session: Session) -> dict[str, Any]:
    """What `rig info` says of a session, as plain data. Durations in s, sizes in bytes."""
    first = session.runs[0]
    return {
        "path": str(session.path),
        "subject": first.subject,
        "session": first.session,
        "created_utc": first.created_utc,
        "rig": first.rig,
        "protocol": first.protocol,
        "simulated": session.is_simulated,
        "withdrawal": _withdrawal(session),
        "simulated_devices": session.simulated_devices,
        "runs": [_describe_run(run) for run in session.runs],
        "unreadable": [str(error) for error in session.unreadable],
    }


def _withdrawal(session: Session) -> str:
    """What becomes of the recordings of a participant who withdrew, in words; empty when nobody did."""
    from rig.session.withdrawal import withdrawal_of

    withdrawal = withdrawal_of(session)
    return withdrawal.text if withdrawal else ""


def _describe_run(run: Run) -> dict[str, Any]:
    from rig.session.playback import replayed_from
    from rig.session.timeline import Timeline

    return {
        "run": run.number,
        "file": run.path.name,
        "files": [file.path.name for file in run.files],
        "missing_files": run.missing_files,
        "outcome": str(run.outcome),
        "replayed_from": replayed_from(run),
        "being_recorded": run.is_being_recorded,
        "next": _next(run),
        "misplaced": run.misplaced,
        "duration_s": round(Timeline(run).length_s, 3),
        "bytes": run.bytes,
        "pulses": len(run.pulses),
        "steps": [step.name for step in run.steps],
        "streams": {
            name: {
                "frames": len(stream.frames),
                "pixel_format": stream.pixel_format.name,
                "height": stream.height,
                "width": stream.width,
                "divisor": stream.divisor,
                "serial": stream.serial,
                "simulated": stream.is_simulated,
                "gaps": len(stream.gaps),
                "pulses_lost": int(stream.gaps["missing"].sum()),
                "extras": len(stream.extras),
            }
            for name, stream in run.streams.items()
        },
        "silent": _silence(run),
        "sound_faults": _sound_faults(run),
        "disk": _disk_use(run),
        "verdict": verdict_word(run),
    }


def _next(run: Run) -> str:
    """The command that puts in order a run that nobody closed; empty for any other."""
    from shlex import quote

    from rig.session.layout import Outcome

    is_left = run.outcome is Outcome.INCOMPLETE and not run.is_being_recorded
    return f"rig recover {quote(str(run.path.parent))}" if is_left else ""


def _silence(run: Run) -> str:
    """Why films of a run were not heard; empty: they were, or there were none."""
    has_film = any(step.kind == "clip" for step in run.steps)
    return str(_abilities(run, "screen").get("silent", "")) if has_film else ""


def _sound_faults(run: Run) -> list[str]:
    """Each clip whose sound did not begin with its first picture, in words."""
    from rig.session.heard import heard_in

    return [f"{heard.clip}: {heard.fault}" for heard in heard_in(run) if heard.fault]


def _abilities(run: Run, name: str) -> dict[str, Any]:
    """What a device of a run said that it can do; nothing for what is not told."""
    device = run.devices.get(name)
    abilities = device.get("capabilities") if isinstance(device, dict) else None
    return abilities if isinstance(abilities, dict) else {}


def _disk_use(run: Run) -> dict[str, Any] | None:
    """How recording it went; None for a run that does not say."""
    from dataclasses import asdict

    from rig.session.disk_use import disk_use

    found = disk_use(run)
    return asdict(found) if found else None


def verdict_word(run: Run) -> str:
    """What the verdict beside a run says, in a few words."""
    from rig.errors import NotASession
    from rig.verify.verdict import load

    try:
        verdict = load(run)
    except NotASession as exc:
        return f"verdict {exc.problem}"
    if verdict is None:
        return "not verified"
    return "complete" if verdict.is_complete else "not complete"


def _line(folder: Path) -> dict[str, Any]:
    """One session in short; one that cannot be read says why."""
    import rig
    from rig.errors import RigError

    try:
        with rig.open(folder) as session:
            found = describe(session)
    except RigError as exc:
        return {"path": str(folder), "problem": f"{exc.value} {exc.problem}".strip()}
    runs = found.pop("runs")
    return {
        **found,
        "unreadable": "; ".join(found["unreadable"]),
        "runs": len(runs),
        "outcome": ", ".join(run["outcome"] for run in runs),
        "being_recorded": any(run["being_recorded"] for run in runs),
        "misplaced": "; ".join(run["misplaced"] for run in runs if run["misplaced"]),
        "duration_s": round(sum(run["duration_s"] for run in runs), 3),
        "bytes": sum(run["bytes"] for run in runs),
        "verdict": ", ".join(run["verdict"] for run in runs),
    }


def _show_lines(lines: list[dict[str, Any]]) -> None:
    """A line for each session, in columns as wide as they need to be."""
    from rig.cli.terminal import printable

    heads = ["session", "date", "rig", "protocol", "runs", "outcome", "length", "size", "verdict"]
    rows = [heads, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows if len(row) == len(heads)) for i in range(len(heads))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo(printable("  ".join(cells).rstrip()))


def _cells(line: dict[str, Any]) -> list[str]:
    from rig.session.layout import spelled_size

    name = "/".join(Path(line["path"]).parts[-2:])
    if "problem" in line:
        return [name, line["problem"]]
    rig_name = line["rig"] + (" SIMULATED" if line["simulated"] else "")
    length, size = _length(line["duration_s"]), spelled_size(line["bytes"])
    when = line["created_utc"][:16].replace("T", " ")
    last = line["verdict"] + (f"; WRONG NAME: {line['misplaced']}" if line["misplaced"] else "")
    last += f"; UNREADABLE: {line['unreadable']}" if line["unreadable"] else ""
    return [name, when, rig_name, line["protocol"], str(line["runs"]), _outcome(line), length, size, last]


def _show(found: dict[str, Any], console: Console) -> None:
    from rich.markup import escape

    from rig.cli.terminal import printable
    from rig.session.layout import spelled_size

    if found["simulated"]:
        devices = escape(printable(", ".join(found["simulated_devices"]) or "this rig"))
        console.print(f"[bold yellow]SIMULATED[/]: {devices}", highlight=False)
    if found["withdrawal"]:
        console.print(f"[bold red]WITHDRAWN[/]: {escape(printable(found['withdrawal']))}", highlight=False)
    for run in found["runs"]:
        if run["misplaced"]:
            console.print(f"[bold red]WRONG NAME[/]: {escape(printable(run['misplaced']))}", highlight=False)
        if run["missing_files"]:
            told = escape(printable(", ".join(run["missing_files"])))
            console.print(f"[bold red]MISSING[/] of run {run['run']}: {told}", highlight=False)
    for problem in found["unreadable"]:
        console.print(f"[bold red]UNREADABLE[/]: {escape(printable(problem))}", highlight=False)
    rows = [(key, str(found[name])) for key, name in _HEADS]
    for run in found["runs"]:
        rows += [(f"run {run['run']}", run["file"]), *(("", name) for name in run["files"][1:])]
        rows += [("  outcome", _outcome(run))]
        rows += [("  next", run["next"])] if run["next"] else []
        rows += [("  replayed", f"from {run['replayed_from']}")] if run["replayed_from"] else []
        rows += [
            ("  length", f"{_length(run['duration_s'])}, {run['pulses']} pulses"),
            ("  size", spelled_size(run["bytes"])),
        ]
        is_cut = run["outcome"] == "incomplete"
        rows += [(f"  {name}", _stream_line(stream, is_cut=is_cut)) for name, stream in run["streams"].items()]
        rows += [("  sound", f"silent: {run['silent']}")] if run["silent"] else []
        rows += [("  sound", fault) for fault in run["sound_faults"]]
        rows += [("  disk", _disk_line(run["disk"]))] if run["disk"] else []
        rows += [("  verdict", run["verdict"])]
    for key, value in rows:
        typer.echo(printable(f"{key:<10} {value}"))


def _outcome(found: dict[str, Any]) -> str:
    now = ", is being recorded right now" if found["being_recorded"] else ""
    return f"{found['outcome'].replace('_', ' ')}{now}"


def _stream_line(stream: dict[str, Any], *, is_cut: bool) -> str:
    """`is_cut`: the run has no orderly end yet, so that what is lost may not have been noted."""
    kind = ", SIMULATED" if stream["simulated"] else ""
    size = f"{stream['width']}x{stream['height']} {stream['pixel_format']}"
    every = "every pulse" if stream["divisor"] == 1 else f"one in {stream['divisor']} pulses"
    told = [f"{stream['frames']} frames {size}", every, stream["serial"], _losses(stream, is_cut=is_cut)]
    told += [f"{stream['extras']} without a pulse number"] if stream["extras"] else []
    return ", ".join(told) + kind


def _disk_line(disk: dict[str, Any]) -> str:
    """How fast it was written to, and what waited for it."""
    slowest = f"slowest write {disk['slowest_write_ms']:.0f} ms, sync {disk['slowest_sync_ms']:.0f} ms"
    waited = f"frames waited {disk['longest_wait_ms']:.0f} ms at most"
    full = f"{disk['fullest_stream']}'s buffers {disk['fullest_percent']:.0f} % full"
    return f"{disk['mb_per_s']:.1f} MB/s, {slowest}; {waited}, {full}"


def _losses(stream: dict[str, Any], *, is_cut: bool) -> str:
    from rig.verify.findings import counted

    until = " that was noted before the run broke off" if is_cut else ""
    if not stream["gaps"]:
        return f"no loss{until}" if is_cut else "none lost"
    pulses, gaps = counted(stream["pulses_lost"], "pulse", "pulses"), counted(stream["gaps"], "gap", "gaps")
    return f"{pulses} lost in {gaps}{until}"


def _length(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f} min" if seconds >= 60 else f"{seconds:.1f} s"

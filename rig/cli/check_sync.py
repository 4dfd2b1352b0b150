"""`rig check --sync`: starts of exposure by the LED sweep, and the verdict on a short recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rig.check.preflight import Checked
    from rig.selftest.starts import Start

ENDED = "ended before it was done; nothing more is judged"


def check_sync(found: Checked, out: Path, seconds: float, console: Console) -> tuple[bool, dict[str, Any]]:
    """Sweep, keep what was measured, rehearse, and show it all. Whether all is well, and all of it as plain data.

    Raises typer.Exit when the user ended it, DeviceError, StorageError.
    """
    from rig.cli.box.opened import until_ended
    from rig.cli.verify import show_verdict
    from rig.config.measured import folder_for_results
    from rig.selftest.delay import keep_starts
    from rig.selftest.rehearsal import rehearse, sweep_rig
    from rig.session.folder import folder_for
    from rig.verify.findings import Word

    assert found.rig is not None
    folder_for(folder_for_results(found.rig.document.path, found.rig.rig.name), "another working folder")
    with until_ended() as is_ended:
        console.print("sweeping the LED through the exposures of all cameras, some 10 to 20 s")
        starts, is_simulated = sweep_rig(found.rig, is_ended=is_ended)
        _require_going_on(is_ended=is_ended())
        kept = keep_starts(found.rig, starts, is_simulated=is_simulated)
        _show_starts(starts, kept, console)
        console.print(f"recording {seconds:g} s, and judging them")
        verdict = rehearse(found.rig, found.protocol, out, seconds, is_ended=is_ended)
        _require_going_on(is_ended=verdict is None)
    assert verdict is not None
    show_verdict(verdict, console)
    bad = [start.result.name for start in starts if start.result.word is not Word.PASS]
    bad += [] if verdict.is_complete else ["the verdict"]
    if bad:
        console.print(f"[bold red]NOT ready[/]: {' and '.join(bad)}")
    told = {"starts": [start.to_json() for start in starts], "result": str(kept)}
    return not bad, {**told, "verdict": verdict.to_json()}


def _require_going_on(*, is_ended: bool) -> None:
    if is_ended:
        typer.echo(ENDED, err=True)
        raise typer.Exit(1)


def _show_starts(starts: list[Start], kept: Path, console: Console) -> None:
    from rich.table import Table

    from rig.cli.devices import STYLE, harmless
    from rig.cli.terminal import coloured

    table = Table("camera", "", "start", "sd", "length", "set to", "row to row", "pictures", **STYLE)
    for start in starts:
        word = coloured(start.result.word)
        times = _spelled(start.start_us), _spelled(start.start_sd_us), _spelled(start.length_us)
        table.add_row(start.stream, word, *times, _spelled(start.exposure_us), _rows(start), str(start.frames))
    console.print(table)
    for start in starts:
        console.print(harmless(f"{start.stream}: {start.result.text}  (limit: {start.result.limit})"), soft_wrap=True)
    console.print(f"Starts of exposure: {kept}", markup=False, soft_wrap=True)
    if unmeasured := [start.stream for start in starts if not start.is_measured]:
        console.print(harmless(f"Not measured: {' and '.join(unmeasured)}"), soft_wrap=True)


def _spelled(time_us: float | None) -> str:
    return "" if time_us is None else f"{time_us:.1f} us"


def _rows(start: Start) -> str:
    """The row time by which row 0 was found, and the measured one; empty when all rows expose at once."""
    if start.row_time_measured_us is None:
        return _spelled(start.row_time_us or None)
    return f"{start.row_time_us:.2f} us, seen {start.row_time_measured_us:.2f}"

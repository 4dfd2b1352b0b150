"""`rig box ping`: who it is, how it is, and how its clock compares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli.box.opened import BaudOption, PortOption, RigOption, meant_box, named, opened

if TYPE_CHECKING:
    from rig.streams import DeviceInfo
    from rig.trigger.ping import Answers


def ping(
    rig: RigOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Ask the trigger box who it is, and compare its clock with the computer's by ten pings. Takes 5 seconds.

    Opening the port of an Uno restarts it. Exit code 0: it answers; 2: it does not, and why.

    Example: rig box ping --port /dev/rig-box
    """
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    from rig.cli.terminal import echo_json
    from rig.trigger.ping import ask

    meant = meant_box(rig, port, baud)
    console = Console(highlight=False, quiet=json)
    with console.status("asking the trigger box"), opened(meant) as (devices, clock):
        answers = ask(devices.box, clock)
    if json:
        echo_json(answers.to_json())
        return
    if answers.info.simulated:
        text = "[bold]S I M U L A T E D[/]\nThis is a program, not a device; it triggers no real camera."
        console.print(Panel(text, expand=False, border_style="bold yellow", style="yellow"))
    table = Table.grid(padding=(0, 2))
    for row in _rows(answers, meant.port):
        table.add_row(*row)
    console.print(table)


def _rows(answers: Answers, port: str) -> list[tuple[str, str]]:
    from rich.markup import escape

    can = answers.info.capabilities
    abilities = {name.replace("_", " "): value for name, value in can.items() if isinstance(value, bool)}
    abilities.pop("simulated", None)
    times = (
        "not told how often" if answers.boots is None else "once" if answers.boots == 1 else f"{answers.boots} times"
    )
    run = "not told" if answers.run_id is None else f"was sending run {answers.run_id}"
    return [
        ("box", named(answers.info)),
        ("port", escape(port)),
        ("wire format", _wire_format(answers.info)),
        ("wires", f"{_number(answers.info, 'lines', 'trigger lines')}, {_number(answers.info, 'inputs', 'inputs')}"),
        ("can", ", ".join(name for name, has in abilities.items() if has) or "nothing"),
        ("cannot", ", ".join(name for name, has in abilities.items() if not has) or "-"),
        ("started", f"{times}, the last time: {answers.boot_cause or 'not told'}"),
        ("when opened", run if answers.run_id != 0 else "was sending no pulses"),
        *_clock_rows(answers),
    ]


def _number(info: DeviceInfo, ability: str, things: str) -> str:
    count = info.declared(ability)
    return f"{things} not declared" if count is None else f"{count} {things}"


def _wire_format(info: DeviceInfo) -> str:
    version, baud, most_per_s = (info.declared(name) for name in ("protocol", "baud", "events_per_s"))
    spoken = "version not declared" if version is None else f"version {version}"
    line = "no serial line of its own" if baud == 0 else _number(info, "baud", "baud")
    told = "every event is told" if most_per_s == 0 else _number(info, "events_per_s", "events a second")
    return f"{spoken}, {line}, {told}{' at most' if most_per_s else ''}"


def _clock_rows(answers: Answers) -> list[tuple[str, str]]:
    from rig.trigger.ping import PINGS

    if answers.median_us is None or answers.shortest_us is None:
        return [("round trip", f"none of {PINGS} pings was answered")]
    trip = f"{answers.median_us / 1000:.2f} ms median, {answers.shortest_us / 1000:.2f} ms shortest"
    rows = [("round trip", f"{trip}, {len(answers.round_trips_ns)} of {PINGS} answered")]
    if rate := answers.rate:
        sure = f"surely between {rate.low_ppm:+.0f} and {rate.high_ppm:+.0f} ppm"
        rows.append(("its clock", f"{sure} against the computer's (1000 ppm: 0.1 %)"))
    return rows

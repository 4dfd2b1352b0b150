"""How `rig box monitor` looks: the counts of a box as tables, or as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from rig.config.rig import Rig
    from rig.streams import DeviceInfo
    from rig.trigger.box import PulsePlan
    from rig.trigger.tally import Rhythm, Tally

_STYLE: dict[str, Any] = {
    "title_justify": "left",
    "title_style": "bold",
    "header_style": "dim",
    "box": None,
    "padding": (0, 1, 0, 0),
}


class Screen:
    """Draws what was counted; counts nothing itself."""

    def __init__(self, info: DeviceInfo, plan: PulsePlan, rig: Rig | None) -> None:
        from rig.trigger.tally import ticks_hz

        self._info, self._plan = info, plan
        self._tick_hz = ticks_hz(info)
        self._cameras = {camera.line: name for name, camera in rig.cameras.items()} if rig else {}
        self._signals = {number: name for name, number in rig.box.inputs.items()} if rig else {}

    def line(self, tally: Tally) -> str:
        """All that matters in one line, for a terminal that cannot be drawn on, or a file."""
        simulated = "SIMULATED  " if self._info.simulated else ""
        rates = "  ".join(f"{name} {rate}" for name, rate in self._rates(tally))
        edges = "  ".join(f"{self._signal(number)} {rises.count}" for number, rises in sorted(tally.rises.items()))
        health = ", ".join(f"{name} {value}" for name, value, _ in self._health(tally))
        measured = f"on plan: {self._off_plan(tally)}  jitter: {self._jitter(tally)}"
        return f"{simulated}{tally.pulses} pulses  {rates}  edges: {edges or 'none'}  {measured}  {health}"

    def drawn(self, tally: Tally) -> RenderableType:
        """The whole screen."""
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table

        from rig.cli.box.opened import named

        beside = Table.grid(padding=(0, 2))
        beside.add_row(Group(self._lines_table(tally), "", self._inputs_table(tally)), self._health_table(tally))
        state = (
            f"{tally.pulses} pulses sent" if tally.pulses_sent is None else f"ended after {tally.pulses_sent} pulses"
        )
        hint = ["[dim]Ctrl-C ends the run in order[/]"] if tally.pulses_sent is None else []
        off_plan = self._off_plan(tally)
        on_plan = f"[bold red]{off_plan}[/]" if tally.plan.spread_ticks else off_plan
        below = f"pulses on plan: {on_plan}", f"jitter: {self._jitter(tally)}", *hint
        text = Group(named(self._info), f"[bold]{state}[/]", "", beside, "", *below)
        return Panel(text, title="trigger box", border_style="yellow" if self._info.simulated else "blue", expand=False)

    def _lines_table(self, tally: Tally) -> Table:
        from rich.table import Table

        table = Table("line", "camera", title="sent", **_STYLE)
        for head in ("pulses", "Hz"):
            table.add_column(head, justify="right", min_width=8)
        for (number, rhythm), (_, rate) in zip(self._used(tally), self._rates(tally), strict=True):
            table.add_row(str(number), self._cameras.get(number, ""), str(rhythm.count), rate)
        return table

    def _inputs_table(self, tally: Tally) -> Table:
        from rich.table import Table

        table = Table("input", "signal", title="seen", **_STYLE)
        for head in ("up", "down", "last ms", "mean ms"):
            table.add_column(head, justify="right", min_width=6)
        for number in self._inputs(tally):
            rises = tally.rises.get(number)
            last = self._ms(rises.last_interval_ticks if rises else None)
            mean = self._ms(rises.mean_interval_ticks if rises else None)
            counts = str(rises.count if rises else 0), str(tally.falls.get(number, 0))
            table.add_row(str(number), self._signals.get(number, ""), *counts, last, mean)
        return table

    def _inputs(self, tally: Tally) -> list[int]:
        """All that the box declares; of one that declares none, those that are wired or were seen."""
        count = self._info.declared("inputs")
        return sorted({*self._signals, *tally.rises, *tally.falls}) if count is None else list(range(count))

    def _health_table(self, tally: Tally) -> Table:
        from rich.table import Table

        table = Table("", title="health", show_header=False, **_STYLE)
        table.add_column(justify="right")
        for name, value, is_good in self._health(tally):
            table.add_row(name, value if is_good else f"[bold red]{value}[/]")
        return table

    def _health(self, tally: Tally) -> list[tuple[str, str, bool]]:
        """Name, value, and whether that is as it should be."""
        status, line, trips = tally.status, tally.line, tally.round_trip_ns
        trip = f"{trips[0] / 1e6:.1f}-{trips[1] / 1e6:.1f} ms" if trips else "-"
        rows = [("events lost", str(tally.events_lost), tally.events_lost == 0)]
        if status is None:
            rows.append(("box report", "none yet", True))
        else:
            rows += [
                ("late edges", str(status.edges_late), status.edges_late == 0),
                ("dropped", str(status.events_dropped), status.events_dropped == 0),
                ("longest queue", str(status.deepest_queue), True),
                ("bad requests", str(status.bad_frames), status.bad_frames == 0),
            ]
        bad = line.bad_frames if line else 0
        return [*rows, ("bad answers", str(bad), bad == 0), ("round trip", trip, True)]

    def _off_plan(self, tally: Tally) -> str:
        off_ticks = tally.plan.spread_ticks
        return "no two pulses yet" if off_ticks is None else f"{off_ticks} ticks off, by the box's own word"

    def _jitter(self, tally: Tally) -> str:
        """Of edges that pulses made, as the hardware stamped them; the box's word for its pulses is no measurement."""
        from rig.trigger.tally import timed_input

        number, spread_ticks = timed_input(self._info), tally.timed.spread_ticks
        if number is None or spread_ticks is None:
            return "no timed edge: not measured"
        signal = self._signals.get(number)
        if signal is not None and signal not in self._cameras.values():
            return f"no timed edge of a pulse, {signal} is there: not measured"
        spread_us = spread_ticks * 1e6 / self._tick_hz
        return f"{spread_us:g} us peak to peak over {tally.timed.count} edges of {self._signal(number)}"

    def _used(self, tally: Tally) -> list[tuple[int, Rhythm]]:
        return [(number, tally.lines[number]) for number in sorted(plan.line for plan in self._plan.lines)]

    def _rates(self, tally: Tally) -> list[tuple[str, str]]:
        """Name and rate of each line."""
        rates = [
            (self._cameras.get(number, f"line {number}"), r.rate_hz(self._tick_hz)) for number, r in self._used(tally)
        ]
        return [(name, "-" if rate is None else f"{rate:.2f}") for name, rate in rates]

    def _signal(self, number: int) -> str:
        return self._signals.get(number, f"input {number}")

    def _ms(self, ticks: float | None) -> str:
        return "-" if ticks is None else f"{ticks * 1000 / self._tick_hz:.3f}"

"""`rig box monitor`: what the trigger box sends and sees, while it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli.box.opened import BaudOption, PortOption, RigOption, meant_box, opened, until_ended
from rig.cli.box.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console

    from rig.clock import Clock
    from rig.trigger.box import BoxEvent
    from rig.trigger.tally import Tally

DRAW_S = 0.25
SAY_S = 1.0


def monitor(
    rig: RigOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="End by itself after so long.")] = None,
) -> None:
    """Let the box send the pulses of a recording, and show what it sends and sees. Cameras on it will expose.

    Nothing is recorded. Ctrl-C ends it in order, and so does an output that nobody reads any more. Without a rig.yaml
    (--port) it sends 100, 25 and 25 Hz. Exit code 0: it ended in order; 2: it could not begin, or the box failed.

    Example: rig box monitor --rig demo --seconds 10
    """
    from rich.console import Console

    from rig.cli.terminal import is_output_gone
    from rig.record.plan import pulse_plan
    from rig.selftest.results import PLAN
    from rig.trigger.tally import Tally, timed_input
    from rig.trigger.trial import run_box

    meant = meant_box(rig, port, baud)
    plan = pulse_plan(meant.rig)[0] if meant.rig else PLAN
    console = Console(highlight=False)
    with until_ended() as is_ended, opened(meant) as (devices, clock):
        info = devices.box.describe()
        screen, tally = Screen(info, plan, meant.rig), Tally(plan.period_ticks, timed_input(info))
        ends_s = inf if seconds is None else seconds
        enough = lambda sent_s: is_ended() or is_output_gone() or sent_s >= ends_s  # noqa: E731
        with closing(run_box(devices.box, clock, plan, enough)) as events:
            _watch(events, tally, screen, console, clock)
    if not console.is_terminal:
        typer.echo(screen.line(tally))


def _watch(events: Iterable[BoxEvent], tally: Tally, screen: Screen, console: Console, clock: Clock) -> None:
    """Count all events, and show the counts: as a screen that changes, or as lines where that is not possible."""
    from rich.live import Live

    if not console.is_terminal:
        _count(events, tally, clock, SAY_S, lambda: typer.echo(screen.line(tally)))
        return
    with Live(screen.drawn(tally), console=console, auto_refresh=False) as live:
        _count(events, tally, clock, DRAW_S, lambda: live.update(screen.drawn(tally), refresh=True))
        live.update(screen.drawn(tally), refresh=True)


def _count(events: Iterable[BoxEvent], tally: Tally, clock: Clock, every_s: float, show: Callable[[], None]) -> None:
    due_ns = clock.now_ns()
    for event in events:
        tally.take(event)
        if clock.now_ns() >= due_ns:
            due_ns = clock.now_ns() + round(every_s * 1e9)
            show()

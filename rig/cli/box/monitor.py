"""`rig box monitor`: what the trigger box sends and sees, while it does."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli.box.opened import PortOption, RigOption, opened, rig_of
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
    seconds: Annotated[float | None, typer.Option(min=1, help="End by itself after so long.")] = None,
) -> None:
    """Let the box send the pulses of a recording, and show what it sends and sees. Cameras on it will expose.

    Nothing is recorded. Ctrl-C ends it in order. Without a rig.yaml (--port) it sends 100, 25 and 25 Hz. Exit code 0:
    it ended in order; 2: it could not begin, or the box failed.

    Example: rig box monitor --rig demo --seconds 10
    """
    from rich.console import Console

    from rig.record.plan import pulse_plan
    from rig.selftest.results import PLAN
    from rig.trigger.tally import Tally
    from rig.trigger.trial import run_box

    meant = rig_of(rig, port)
    plan = pulse_plan(meant)[0] if meant else PLAN
    console, tally = Console(highlight=False), Tally(plan.period_ticks)
    with _until_interrupted() as is_stopped, opened(meant, port) as (devices, clock):
        screen = Screen(devices.box.describe(), plan, meant)
        enough = lambda sent_s: is_stopped() or (seconds is not None and sent_s >= seconds)  # noqa: E731
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


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, or the program asked to end; both end a run in order."""
    caught: list[int] = []
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), lambda number, _: caught.append(number)) for name in names}
    try:
        yield lambda: bool(caught)
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)

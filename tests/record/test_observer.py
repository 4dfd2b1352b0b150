"""What status line and operator's terminal are told of the core's steps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rig.record.observer import Observer, Status
from rig.record.telling import Standing
from rig.stimulus.screen import Withdrawn
from tests.record.led import Led


def told(led: Led) -> tuple[Status, Standing]:
    statuses, standings = list[Status](), list[Standing]()
    telling: Any = SimpleNamespace(look=lambda _, standing: standings.append(standing()))
    telling.show = lambda _, standing: standings.append(standing)
    storage: Any = SimpleNamespace(stored_bytes=0, telemetry=SimpleNamespace(free_bytes=0))
    clock, booking = SimpleNamespace(now_ns=lambda: led.now), SimpleNamespace()
    doing: Any = {"on_status": statuses.append, "on_step": print, "booking": booking, "telling": telling}
    Observer(led.run, (), storage, clock, is_virtual=True, is_simulated=True, **doing).on_second()  # type: ignore[arg-type]
    return statuses[0], standings[0]


def test_a_pause_holds_once_the_step_is_over(tmp_path: Path) -> None:
    led = Led(tmp_path)
    led.go(1)
    led.said("pause")
    status, standing = told(led)
    assert (status.held, standing.is_paused, standing.is_between) == ("", True, False)
    led.ended()
    status, standing = told(led)
    assert (status.held, standing.is_paused, standing.is_between) == ("pause", True, True)


def test_a_withdrawal_is_told_through_the_debrief(tmp_path: Path) -> None:
    led = Led(tmp_path)
    led.go(1)
    assert (told(led)[0].held, told(led)[1].is_withdrawn) == ("", False)
    led.tell(Withdrawn(led.on, led.now))
    led.ended("withdrawn")
    assert led.on == 8
    assert (told(led)[0].held, told(led)[1].is_withdrawn) == ("withdrawn", True)

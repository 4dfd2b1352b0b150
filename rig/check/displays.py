"""The participant's screen as its X display describes it, and how many refreshes a second it really has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rig import wiring
from rig.config.rig import Screen

if TYPE_CHECKING:
    from rig.stimulus.display import Monitor


SIMULATED = "simulated"  # instead of a display's name
# Of a rate: what a count of 60 flips may be off, the stamps of the first and the last by 1 ms each.
COUNTED_WITHIN = 0.002


@dataclass(frozen=True)
class Displayed:
    """What is known of the screen that rig.yaml names."""

    name: str  # X display, virtual, or simulated
    width: int  # px, as rig.yaml says
    height: int  # px
    refresh_hz: float  # as rig.yaml says
    monitors: tuple[Monitor, ...] = ()  # that are on; none on a screen that nobody can see
    measured_hz: float | None = None  # None: there is nothing to measure, or it was not possible

    @property
    def reckoned_hz(self) -> float:
        """The rate that films will be shown at: the measured one where it is really another than rig.yaml says."""
        measured_hz = self.measured_hz or self.refresh_hz
        return measured_hz if abs(measured_hz / self.refresh_hz - 1) > COUNTED_WITHIN else self.refresh_hz

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """In words, one line for the screen and one for each monitor."""
        size = f"{self.width}x{self.height} px"
        if self.name in (wiring.VIRTUAL_DISPLAY, SIMULATED):
            return [f"screen {self.name}: {size}, paced at {self.refresh_hz:g} Hz, not measured"]
        measured = f"{self.measured_hz:.2f} Hz measured" if self.measured_hz else "rate not measured"
        return [
            f"screen {self.name}: {size} at {self.refresh_hz:g} Hz by rig.yaml; {measured}",
            *map(_line, self.monitors),
        ]


def _line(monitor: Monitor) -> str:
    rate = f"{monitor.refresh_hz:.2f} Hz" if monitor.refresh_hz else "rate not told"
    first = ", the primary one" if monitor.is_primary else ""
    return f"   monitor {monitor.name}: {monitor.width}x{monitor.height} px, {rate}{first}"


def is_real(screen: Screen) -> bool:
    """Whether a participant can see it, and hears the computer's sound device."""
    return screen.backend == "psychopy" and screen.display != wiring.VIRTUAL_DISPLAY


def look_at_screen(screen: Screen, folder: Path, gather: Callable[[Callable[[], Any]], Any]) -> Displayed:
    """List the monitors of the screen, measure its refresh by a window shown for a second, and judge it. Blocks.

    `folder`: private, for the window. `gather` calls what it is given, keeps what it raises, and returns None then.
    """
    name = screen.display if screen.backend == "psychopy" else SIMULATED
    about = (name, screen.width, screen.height, screen.refresh_hz)
    if not is_real(screen):
        return Displayed(*about)
    from rig.stimulus.display import displays, require_rate  # python-xlib is there on Linux only
    from rig.stimulus.process import measured_refresh

    monitors = gather(lambda: displays(screen.display))
    if monitors is None:
        return Displayed(*about)
    measured_hz = gather(lambda: measured_refresh(screen, folder))
    if measured_hz is not None:
        gather(lambda: require_rate(screen, measured_hz))
    return Displayed(*about, tuple(monitors), measured_hz)

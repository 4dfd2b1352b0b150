"""The limits that a run is held against, each with its origin: usual, or set by the session's rig.yaml or protocol.

Whatever a file says, no limit is looser than its ceiling: what a session carries may be older than the ceiling, or
written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rig.config.judging import TOLERANCES
from rig.session.run import Run
from rig.verify.wired import config_part


class Origin(StrEnum):
    """Who set a limit."""

    DEFAULT = "default"
    RIG = "rig"
    PROTOCOL = "protocol"


@dataclass(frozen=True)
class Limit:
    """One limit: its value, in the unit of its tolerance, and who set it. `str` says both."""

    name: str
    value: float
    origin: Origin
    is_cut: bool = False  # the file asked for more than the ceiling

    def __str__(self) -> str:
        tolerance = TOLERANCES[self.name]
        cut = f", which asks for more than the ceiling of {tolerance.ceiling:g}" if self.is_cut else ""
        return f"{self.value:g} {tolerance.unit} ({self.origin}{cut})"


def limit(run: Run, name: str) -> Limit:
    """The limit called `name` in rig.config.judging.TOLERANCES; the protocol's word goes before the rig's."""
    tolerance = TOLERANCES[name]
    for origin in (Origin.PROTOCOL, Origin.RIG):
        asked = _number(config_part(run, origin, "tolerances").get(name))
        if asked is not None:
            return Limit(name, min(asked, tolerance.ceiling), origin, is_cut=asked > tolerance.ceiling)
    return Limit(name, tolerance.usual, Origin.DEFAULT)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value >= 0 else None

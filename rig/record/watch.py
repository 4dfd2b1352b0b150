"""Live warnings: which camera, screen or box has fallen silent, and whether a step should have ended long ago."""

from __future__ import annotations

from rig.clock import NS
from rig.elicitation.steps import Step

SCREEN, BOX = "screen", "box"
SILENT_S = 2.0  # who says nothing for so long is told by name
SILENT_PERIODS = 5  # of the slowest stream, where that is longer
STEP_LATE_S = 5.0  # how much longer than allowed a step may take before the screen counts as lost


class Watch:
    """Knows when each was last heard of. Times are host ns."""

    def __init__(self, slowest_period_s: float) -> None:
        self.silent_s = max(SILENT_S, SILENT_PERIODS * slowest_period_s)
        self._heard_ns: dict[str, int] = {}
        self._step_until_ns: int | None = None

    def heard(self, name: str, now: int) -> None:
        """A camera delivered a frame, the screen told of a flip, the box of a pulse; also when first expected to."""
        self._heard_ns[name] = now

    def forget(self, name: str) -> None:
        """Expect nothing more from it."""
        self._heard_ns.pop(name, None)
        if name == SCREEN:
            self._step_until_ns = None

    def step_shown(self, step: Step, now: int) -> None:
        """A step was asked for; its flips and its end are expected."""
        self.heard(SCREEN, now)
        self._step_until_ns = now + int((step.max_seconds + STEP_LATE_S) * NS)

    def silent(self, now: int) -> list[str]:
        """Those that should have been heard of by now."""
        return [name for name, heard in self._heard_ns.items() if now - heard > self.silent_s * NS]

    def step_is_overdue(self, now: int) -> bool:
        """Whether the step on the screen should have ended by any rule."""
        return self._step_until_ns is not None and now >= self._step_until_ns

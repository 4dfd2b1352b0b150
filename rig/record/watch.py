"""Live warnings: which camera, screen or box has fallen silent, and whether a step should have ended long ago.

A loss that the next frame shows is told by `Cameras`; here is what no frame shows, as none comes.
"""

from __future__ import annotations

from rig.clock import NS
from rig.elicitation.steps import Step

SCREEN, BOX = "screen", "box"
SILENT_S = 0.8  # who says nothing for so long is told by name: within a second of the pulse that brought nothing
SILENT_PERIODS = 5  # of its own, where that is longer; in the preamble 3 lie between two, 0.77 s at the slowest rate
FIRST_FLIP_S = 2.0  # so long a step may take to its first flip, or to tell that its film is being made ready
STEP_LATE_S = 5.0  # how much longer than allowed a step may take before the screen counts as lost
LATE_TICK_S = 0.25  # ticks are due five times as often; a recorder that comes later was held up itself


class Watch:
    """Knows when each was last heard of. Times are host ns."""

    def __init__(self, periods_s: dict[str, float]) -> None:
        """`periods_s`: from one sign of life to the next, by name; the others have no period of their own."""
        self._periods_s = periods_s
        self._heard_ns: dict[str, int] = {}
        self._silent: set[str] = set()  # who was told of
        self._ticked_ns: int | None = None
        self._asked_ns = self._step_ns = 0  # when a step was asked for; how long it may take from its first flip on
        self._step_until_ns: int | None = None

    def heard(self, name: str, now: int) -> None:
        """A camera delivered a frame, the screen told of a flip, the box of a pulse; also when first expected to."""
        self._heard_ns[name] = now

    def alive(self, name: str, now: int) -> None:
        """A sign of life: it counts where one is expected, and makes nobody expect another."""
        if name in self._heard_ns:
            self._heard_ns[name] = max(self._heard_ns[name], now)

    def begin(self, now: int) -> None:
        """The box begins its run now, however long after it was asked to."""
        self._heard_ns.update(dict.fromkeys([*self._heard_ns, BOX], now))

    def forget(self, name: str) -> None:
        """Expect nothing more from it."""
        self._heard_ns.pop(name, None)
        if name == SCREEN:
            self._step_until_ns = None

    def step_shown(self, step: Step, now: int) -> None:
        """A step was asked for; its flips and its end are expected."""
        self.heard(SCREEN, now + int((FIRST_FLIP_S - SILENT_S) * NS))
        self._asked_ns, self._step_ns = now, int((step.max_seconds + STEP_LATE_S) * NS)
        self._step_until_ns = now + self._step_ns

    def making_ready(self, now: int) -> float:
        """The step that was asked for has had no flip yet, and the screen is at it; for how long, s."""
        self.alive(SCREEN, now)
        if self._step_until_ns is None:  # it was lost before it told
            return 0.0
        self._step_until_ns = now + self._step_ns
        return (now - self._asked_ns) / NS

    def silent_s(self, name: str) -> float:
        """How long it may say nothing."""
        return max(SILENT_S, SILENT_PERIODS * self._periods_s.get(name, 0.0))

    def held_up(self, now: int) -> int:
        """For how long, ns, the recorder was held up itself since the last call: what it missed is nobody's silence."""
        late_ns = 0 if self._ticked_ns is None else max(0, now - self._ticked_ns - int(LATE_TICK_S * NS))
        self._ticked_ns = now
        if late_ns:
            self._heard_ns = {name: max(heard, min(heard + late_ns, now)) for name, heard in self._heard_ns.items()}
        return late_ns

    def look(self, now: int) -> tuple[list[str], list[str]]:
        """Who has fallen silent since the last look, and who of those told of before is heard again."""
        silent = {name for name, heard in self._heard_ns.items() if now - heard > self.silent_s(name) * NS}
        fallen = [name for name in self._heard_ns if name in silent - self._silent]
        again = [name for name in self._heard_ns if name in self._silent - silent]
        self._silent = (self._silent | silent) - set(again)
        return fallen, again

    def step_is_overdue(self, now: int) -> bool:
        """Whether the step on the screen should have ended by any rule."""
        return self._step_until_ns is not None and now >= self._step_until_ns

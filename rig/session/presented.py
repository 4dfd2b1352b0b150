"""Until when a run tells what was on the participant's screen: a window that dies tells of no flip any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rig.session.layout import Outcome

if TYPE_CHECKING:
    from rig.session.run import Run

SCREEN_LOST = "shows no further step"  # so begins the recorder's alarm that the window is gone
WINDOW_LOST, CUT = "the window was lost", "the run was cut"
USUAL_FLIPS = 100  # the last ones, which tell the screen's refresh


@dataclass(frozen=True)
class ScreenEnd:
    """From when on nobody knows what was on the screen. `host_ns`: the last told flip's refresh is over then."""

    host_ns: int
    step: int | None  # that was on the screen, and whose end was never told; None: the screen was between two steps
    why: str  # WINDOW_LOST or CUT


def screen_end(run: Run) -> ScreenEnd | None:
    """Where the flips of a run that did not finish break off; None: they tell all that was shown."""
    if run.outcome is Outcome.FINISHED:
        return None
    lost_ns = _window_lost_ns(run)
    why, step = CUT if lost_ns is None else WINDOW_LOST, _open_step(run)
    last_ns = int(run.flips["host_ns"].max(initial=-1))
    if step is not None:
        onset_ns = int(run.trials[-1]["onset_host_ns"])
        return ScreenEnd(max(last_ns, onset_ns) + _refresh_ns(run), step, why)
    return None if lost_ns is None else ScreenEnd(max(last_ns + 1, lost_ns), None, why)


def _window_lost_ns(run: Run) -> int | None:
    """When the recorder alarmed that its window was gone, host ns."""
    alarms = run.log_of("alarm", "screen")
    return next((int(e["host_ns"]) for e in alarms if str(e.get("text", "")).startswith(SCREEN_LOST)), None)


def _open_step(run: Run) -> int | None:
    """The step that came last, if its end was never told."""
    last = run.trials[-1:]
    return int(last["step"][0]) if len(last) and last["ended_host_ns"][0] < 0 else None


def _refresh_ns(run: Run) -> int:
    """The usual time between two flips; 0 where there are no two."""
    intervals = np.diff(run.flips["host_ns"][-USUAL_FLIPS:])
    return int(np.median(intervals)) if len(intervals) else 0

"""Draws one picture of a run: intervals of each camera with losses marked, and the flips of the screen."""

from __future__ import annotations

from rig.figures import new_figure, plain, png_of
from rig.session.run import Run
from rig.verify.findings import Word
from rig.verify.report.axes import SECONDS, draw_flips, draw_intervals
from rig.verify.report.drawing import Drawing, Shown
from rig.verify.verdict import Verdict

OVERVIEW_FILE = "overview.png"


def draw_overview(run: Run, verdict: Verdict) -> Shown:
    """The figure. Times are seconds from pulse 0 on the host clock. Blocks for a second or two."""
    streams = list(run.streams.values())
    figure = new_figure(12, 2.1 * len(streams) + 3.2)
    axes = figure.subplots(len(streams) + 1, 1, sharex=True, squeeze=False)[:, 0]
    for ax, stream in zip(axes, streams, strict=False):
        draw_intervals(ax, run, stream)
    draw_flips(axes[-1], run)
    axes[-1].set_xlabel(SECONDS)
    figure.suptitle(_title(run, verdict), ha="left", x=0.01, fontsize=11)
    return Shown("intervals of each camera, and flips of the screen", png_of(figure))


def _title(run: Run, verdict: Verdict) -> str:
    state = "complete" if verdict.is_complete else "NOT complete"
    words = ", ".join(f"{verdict.count(word)} {word}" for word in Word if verdict.count(word))
    kind = "   SIMULATED" if run.is_simulated else ""
    return plain(f"{run.path.name}   {state}: {words}   ended: {run.outcome}{kind}")


OVERVIEW = Drawing("Overview", draw_overview, "Time from frame to frame of each camera, and from flip to flip.")

"""Draws one picture of a run: intervals of each camera with losses marked, and the flips of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rig.figures import BLUE, GREY, ORANGE, RED, new_figure, plain, png_of
from rig.session.pulses import pulses_known, pulses_sent
from rig.session.run import Run, Stream
from rig.session.timeline import Timeline
from rig.streams import NO_PULSE
from rig.verify.clocks import interval_ms
from rig.verify.findings import Word, lost_pulses
from rig.verify.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_FILE = "report.png"
MOST_POINTS = 20_000  # drawn of a line; every loss, extra and late flip is drawn


def draw_report(run: Run, verdict: Verdict) -> bytes:
    """The figure as PNG bytes. Times are seconds from pulse 0 on the host clock. Blocks for a second or two."""
    streams = list(run.streams.values())
    figure = new_figure(12, 2.1 * len(streams) + 3.2)
    axes = figure.subplots(len(streams) + 1, 1, sharex=True, squeeze=False)[:, 0]
    for ax, stream in zip(axes, streams, strict=False):
        _draw_stream(ax, run, stream)
    _draw_flips(axes[-1], run)
    axes[-1].set_xlabel("seconds from pulse 0")
    figure.suptitle(_title(run, verdict), ha="left", x=0.01, fontsize=11)
    return png_of(figure)


def _title(run: Run, verdict: Verdict) -> str:
    state = "complete" if verdict.is_complete else "NOT complete"
    words = ", ".join(f"{verdict.count(word)} {word}" for word in Word if verdict.count(word))
    kind = "   SIMULATED" if run.is_simulated else ""
    return plain(f"{run.path.name}   {state}: {words}   ended: {run.outcome}{kind}")


def _seconds(run: Run, host_ns: Any) -> Any:
    return (np.asarray(host_ns, np.int64) - Timeline(run).start_host_ns) / 1e9


def _pulse_seconds(run: Run, pulses: Any) -> Any:
    """When pulses were sent, s from pulse 0; those of which nobody knows lie between their neighbours."""
    line = Timeline(run)
    if len(line.pulse_numbers) == 0:
        return np.zeros(len(pulses))
    return np.interp(pulses, line.pulse_numbers, _seconds(run, line.exposed_host_ns))


def _draw_stream(ax: Axes, run: Run, stream: Stream) -> None:
    camera, _, pulses = interval_ms(run, stream)
    lost = lost_pulses(run, stream)
    extras = stream.frames["arrived_host_ns"][stream.pulse_numbers == NO_PULSE]
    if stream.baseline.get("ticks_hz"):
        _draw_intervals(ax, _pulse_seconds(run, pulses), camera)
    else:
        ax.text(0.5, 0.5, "no timestamps", transform=ax.transAxes, ha="center", color=GREY)
    for seconds, colour in ((_pulse_seconds(run, lost), RED), (_seconds(run, extras), ORANGE)):
        ax.vlines(seconds, 0, 1, colour, lw=0.9, transform=ax.get_xaxis_transform())
    _draw_patterns(ax, run)
    ax.set_ylabel(f"{stream.name}\ninterval, ms")
    counts = f"{len(stream.frames)} frames, {len(lost)} lost (red), {len(extras)} extra (orange)"
    ax.set_title(counts, fontsize=9, loc="right", color=RED if len(lost) else "black")
    ax.grid(alpha=0.3)


def _draw_intervals(ax: Axes, seconds: Any, interval_ms: Any) -> None:
    every = max(1, len(interval_ms) // MOST_POINTS)
    ax.plot(seconds[::every], interval_ms[::every], ".", ms=2.5, color=BLUE)
    if len(interval_ms) and (top := max(2 * float(np.median(interval_ms)), float(interval_ms.max()) * 1.1)) > 0:
        ax.set_ylim(0, top)


def _draw_patterns(ax: Axes, run: Run) -> None:
    """Preamble and postamble as grey bands: their pauses are meant."""
    group, pulses = int(run.plan.get("group", 1)), pulses_known(run)
    ends = [(0, 3 * group)] + ([(pulses - 3 * group - 1, pulses - 1)] if pulses_sent(run) is not None else [])
    for first, last in ends:
        start, end = _pulse_seconds(run, np.array([first, last]))
        ax.axvspan(start, end, color=GREY, alpha=0.15, lw=0)


def _draw_flips(ax: Axes, run: Run) -> None:
    flips = run.flips
    ax.set_ylabel("screen\nflip interval, ms")
    ax.grid(alpha=0.3)
    if len(flips) < 2:
        ax.text(0.5, 0.5, "no flips", transform=ax.transAxes, ha="center", color=GREY)
        return
    seconds, interval = _seconds(run, flips["host_ns"][1:]), np.diff(flips["host_ns"]) / 1e6
    late = flips["late"][1:] == 1
    every = max(1, len(interval) // MOST_POINTS)
    ax.plot(seconds[::every], interval[::every], ".", ms=2, color=BLUE)
    ax.plot(seconds[late], interval[late], "v", ms=5, color=ORANGE)
    ax.set_ylim(0, max(2.5 * float(np.median(interval)), min(float(interval.max()) * 1.1, 200)))
    _draw_steps(ax, run)
    ax.set_title(f"{len(flips)} flips, {int(late.sum())} late (orange)", fontsize=9, loc="right")


def _draw_steps(ax: Axes, run: Run) -> None:
    """Each step as a band with its name; films in a darker one."""
    for step in run.steps:
        own = run.flips["host_ns"][run.flips["step"] == step.index]
        if len(own) == 0:
            continue
        first, last = _seconds(run, own[0]), _seconds(run, own[-1])
        ax.axvspan(first, last, color=BLUE if step.clip else GREY, alpha=0.15 if step.clip else 0.07, lw=0)
        name = plain(step.name)
        height = 0.98 - 0.09 * (step.index % 3)  # names of short steps would lie on each other
        place = ax.get_xaxis_transform()
        ax.text(first, height, f" {name}", va="top", fontsize=8, color="#333333", clip_on=True, transform=place)

"""What all figures about a run share: the axis of seconds, points thinned out, bands of steps and of patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rig.figures import BLUE, GREY, ORANGE, RED, new_figure, plain
from rig.session.pulses import pulses_known, pulses_sent
from rig.session.run import Run, Stream
from rig.session.timeline import Timeline
from rig.streams import NO_PULSE
from rig.verify.clocks.camera_clocks import interval_ms
from rig.verify.findings import Numbers, lost_pulses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 9.0  # of all figures of a page
MOST_POINTS = 4000  # drawn of a line: no figure is that many pixels wide; every loss, extra and late flip is drawn
SECONDS = "seconds from pulse 0"
LONGEST = 12  # usual intervals that an axis shows: the pauses of the opening pattern fit, not a part not stored
MOST_NAME = 24  # letters of a step's name that are drawn

Values = NDArray[np.floating[Any]]


def rows_of_axes(count: int, height_in: float) -> tuple[Figure, list[Axes]]:
    """A figure for a page: axes above each other, each so high, on one axis of seconds."""
    figure = new_figure(WIDTH_IN, height_in * count + 0.4)
    axes = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    axes[-1].set_xlabel(SECONDS)
    return figure, axes


def seconds(run: Run, host_ns: Any) -> Values:
    """Host ns as s from pulse 0."""
    return np.asarray((np.asarray(host_ns, np.int64) - Timeline(run).start_host_ns) / 1e9)


def pulse_seconds(run: Run, pulses: Any) -> Values:
    """When pulses were sent, s from pulse 0; those of which nobody knows lie between their neighbours."""
    line = Timeline(run)
    if len(line.pulse_numbers) == 0:
        return np.zeros(len(pulses))
    return np.asarray(np.interp(pulses, line.pulse_numbers, seconds(run, line.exposed_host_ns)))


def thinned(values: Values) -> Numbers:
    """Places of what is drawn of many values without nan: the lowest and the highest of neighbours, so that none that
    stands out is lost."""
    width = -(-2 * len(values) // MOST_POINTS)
    if len(values) <= MOST_POINTS:
        return np.arange(len(values))
    whole = len(values) // width * width
    blocks, firsts = values[:whole].reshape(-1, width), np.arange(0, whole, width)
    places = firsts + np.argmin(blocks, axis=1), firsts + np.argmax(blocks, axis=1)
    return np.unique(np.concatenate([*places, np.arange(whole, len(values))]))


def draw_thinned(ax: Axes, x: Values, y: Values, **how: Any) -> None:
    """Points of a line, thinned out; what is not finite is left out."""
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    places = thinned(y)
    ax.plot(x[places], y[places], **how)


def say(ax: Axes, text: str) -> None:
    """A text in the middle of an axis, in the place of what cannot be drawn."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY, wrap=True, fontsize=9)
    ax.set_yticks([])


def mark(ax: Axes, x: Values, colour: str, marker: str) -> None:
    """A line through the axis at each `x`, with a marker at its top, which tells it without the colour as well."""
    ax.vlines(x, 0, 1, colour, lw=0.9, transform=ax.get_xaxis_transform())
    ax.plot(x, np.full(len(x), 0.96), marker, color=colour, ms=4, transform=ax.get_xaxis_transform())


def draw_intervals(ax: Axes, run: Run, stream: Stream) -> None:
    """The time from frame to frame of a stream by its camera's clock, with every loss and every extra frame."""
    camera, _, pulses = interval_ms(run, stream)
    lost, extras = lost_pulses(run, stream), extra_times(stream)
    words = intervals_in_words(run, stream)
    if stream.baseline.get("ticks_hz"):
        words += _draw_times_between(ax, pulse_seconds(run, pulses), camera)
    else:
        say(ax, "NOT MEASURED: no timestamps")
    mark(ax, pulse_seconds(run, lost), RED, "x")
    mark(ax, seconds(run, extras), ORANGE, "v")
    _draw_patterns(ax, run)
    ax.set_ylabel(f"{stream.name}\ninterval, ms")
    ax.set_title(words, fontsize=9, loc="right", color=RED if len(lost) else "black")
    ax.grid(alpha=0.3)


def _draw_times_between(ax: Axes, times: Values, interval_ms: Values) -> str:
    """Intervals up to LONGEST times the usual one, and at the top those beyond; returns how many these are."""
    if len(interval_ms) == 0:
        return ""
    usual, longest = float(np.median(interval_ms)), float(interval_ms.max())
    top = min(max(2 * usual, 1.1 * longest), LONGEST * usual)
    is_beyond = interval_ms > top
    draw_thinned(ax, times[~is_beyond], interval_ms[~is_beyond], ls="", marker=".", ms=2.5, color=BLUE)
    ax.plot(times[is_beyond], np.full(int(is_beyond.sum()), 0.95 * top), "^", ms=5, color=BLUE)
    if top > 0:
        ax.set_ylim(0, top)
    return f", {int(is_beyond.sum())} intervals longer than drawn (^)" if is_beyond.any() else ""


def intervals_in_words(run: Run, stream: Stream) -> str:
    """What `draw_intervals` marks, counted."""
    lost, extras = len(lost_pulses(run, stream)), len(extra_times(stream))
    return f"{len(stream.frames)} frames, {lost} lost (red, x), {extras} extra (orange, v)"


def extra_times(stream: Stream) -> Numbers:
    """When frames without a pulse arrived, host ns."""
    return np.asarray(stream.frames["arrived_host_ns"][stream.pulse_numbers == NO_PULSE], np.int64)


def _draw_patterns(ax: Axes, run: Run) -> None:
    """Preamble and postamble as grey bands: their pauses are meant."""
    group, pulses = int(run.plan.get("group", 1)), pulses_known(run)
    ends = [(0, 3 * group)] + ([(pulses - 3 * group - 1, pulses - 1)] if pulses_sent(run) is not None else [])
    for first, last in ends:
        start, end = pulse_seconds(run, np.array([first, last]))
        ax.axvspan(start, end, color=GREY, alpha=0.15, lw=0)


def draw_flips(ax: Axes, run: Run) -> None:
    """The time from flip to flip of the participant's screen, its late flips, and the steps that it showed."""
    flips = run.flips
    ax.set_ylabel("screen\nflip interval, ms")
    ax.grid(alpha=0.3)
    if len(flips) < 2:
        say(ax, "NOT MEASURED: no flips")
        return
    times, interval = seconds(run, flips["host_ns"][1:]), np.diff(flips["host_ns"]) / 1e6
    late = flips["late"][1:] == 1
    draw_thinned(ax, times, interval, ls="", marker=".", ms=2, color=BLUE)
    ax.plot(times[late], interval[late], "v", ms=5, color=ORANGE)
    ax.set_ylim(0, max(2.5 * float(np.median(interval)), min(float(interval.max()) * 1.1, 200)))
    draw_steps(ax, run)
    ax.set_title(flips_in_words(run), fontsize=9, loc="right")


def flips_in_words(run: Run) -> str:
    """What `draw_flips` marks, counted."""
    return f"{len(run.flips)} flips, {int((run.flips['late'][1:] == 1).sum())} late (orange, v)"


def draw_steps(ax: Axes, run: Run) -> None:
    """Each step as a band with its name; films in a darker one."""
    for step in run.steps:
        own = run.flips["host_ns"][run.flips["step"] == step.index]
        if len(own) == 0:
            continue
        first, last = seconds(run, own[[0, -1]]).tolist()
        ax.axvspan(first, last, color=BLUE if step.clip else GREY, alpha=0.15 if step.clip else 0.07, lw=0)
        height = 0.98 - 0.09 * (step.index % 3)  # names of short steps would lie on each other
        place, name = ax.get_xaxis_transform(), drawable(step.name, f"step {step.index}")
        ax.text(first, height, f" {name}", va="top", fontsize=8, color="#333333", clip_on=True, transform=place)


def drawable(text: str, otherwise: str) -> str:
    """A name for a figure; `otherwise` where the font of figures lacks its letters."""
    return plain(text[:MOST_NAME]) if text.isascii() and text.isprintable() else otherwise

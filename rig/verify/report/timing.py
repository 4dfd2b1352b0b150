"""Draws when things happened: exposures against each other, frames, cameras' clocks, and the participant's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rig.figures import BLUE, GREY, ORANGE, RED, new_figure, png_of
from rig.session.run import Run, Stream
from rig.verify.clocks.camera_clocks import CameraClock, camera_clock
from rig.verify.clocks.exposed import Source
from rig.verify.clocks.skew import Skew, pair_name, skew_between, stream_pairs
from rig.verify.findings import Finding, Word
from rig.verify.report.axes import (
    WIDTH_IN,
    draw_flips,
    draw_intervals,
    draw_steps,
    draw_thinned,
    flips_in_words,
    intervals_in_words,
    pulse_seconds,
    rows_of_axes,
    say,
    seconds,
)
from rig.verify.report.drawing import Shown, joined
from rig.verify.screen.light import Latency, film_delays_ms, patch_changes
from rig.verify.tolerances import limit
from rig.verify.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 41  # of a histogram
ACROSS = 3  # histograms beside each other


def draw_skew(run: Run, verdict: Verdict) -> Shown:
    """How far apart two cameras began to expose, at each pulse of both: a histogram for each pair."""
    found = {pair_name(run, *pair): skew_between(run, *pair) for pair in stream_pairs(run)}
    said = {f.stream: f for f in verdict.findings if f.check == "skew"}
    words = joined(f"{name or 'all'}: {f.word}, {f.text}" for name, f in said.items())
    if not any(found.values()):
        return Shown(words)
    down = -(-len(found) // ACROSS)
    figure = new_figure(WIDTH_IN, 2.7 * down)
    axes = figure.subplots(down, min(ACROSS, len(found)), squeeze=False).ravel()
    for ax, (name, skew) in zip(axes, found.items(), strict=False):
        _draw_histogram(ax, name, skew, said.get(name), limit(run, "skew_ms").value * 1000)
    for ax in axes[len(found) :]:
        ax.set_axis_off()
    return Shown(words, png_of(figure))


def _draw_histogram(ax: Axes, name: str, skew: Skew | None, finding: Finding | None, limit_us: float) -> None:
    ax.set_title(f"{name}: {finding.word if finding else 'not judged'}, limit {limit_us:g} us", fontsize=9)
    if skew is None:
        say(ax, "NOT MEASURED")
        ax.set_xticks([])
        return
    low, high = float(skew.skew_us.min()), float(skew.skew_us.max())
    reach = max(high - low, 20.0) / 2  # a constant, too, gets an axis with a length
    middle = (low + high) / 2
    ax.hist(skew.skew_us, BINS, range=(middle - 1.1 * reach, middle + 1.1 * reach), color=BLUE)
    for at in (-limit_us, limit_us):
        if abs(at - middle) <= 3 * reach:
            ax.axvline(at, color=RED, ls="--", lw=1)
            ax.text(at, 0.5, " limit", rotation=90, fontsize=8, color=RED, transform=ax.get_xaxis_transform())
    kind = "DECLARED, not measured" if Source.DECLARED in skew.sources else f"{len(skew.pulses)} pulses"
    ax.set_xlabel(f"{skew.stream} began after {skew.other}, us\n({kind})", fontsize=8)
    ax.set_ylabel("pulses", fontsize=8)
    ax.tick_params(labelsize=8)


def draw_all_intervals(run: Run, _: Verdict) -> Shown:
    """The time between frames of each camera, with every loss and every extra frame."""
    streams = list(run.streams.values())
    figure, axes = rows_of_axes(len(streams), 1.7)
    for ax, stream in zip(axes, streams, strict=True):
        draw_intervals(ax, run, stream)
    return Shown(joined(f"{stream.name}: {intervals_in_words(run, stream)}" for stream in streams), png_of(figure))


def draw_clocks(run: Run, verdict: Verdict) -> Shown:
    """How far each frame's timestamp lies off the straight line between its camera's clock and the box's."""
    found = {name: camera_clock(run, stream) for name, stream in run.streams.items()}
    words = joined(f"{f.stream}: {f.word}, {f.text}" for f in verdict.findings if f.check == "stamps")
    if not any(found.values()):
        return Shown(words)
    figure, axes = rows_of_axes(len(found), 1.5)
    for ax, (name, clock) in zip(axes, found.items(), strict=True):
        _draw_clock(ax, run, run.streams[name], clock)
    return Shown(words, png_of(figure))


def _draw_clock(ax: Axes, run: Run, stream: Stream, clock: CameraClock | None) -> None:
    ax.set_ylabel(f"{stream.name}\noff the line, us")
    ax.grid(alpha=0.3)
    if clock is None:
        say(ax, "NOT MEASURED")
        return
    how = {"ls": "", "marker": ".", "ms": 2.5, "color": BLUE}
    draw_thinned(ax, pulse_seconds(run, clock.pulses), clock.off_line_us, **how)
    for step in clock.steps:
        ax.axvline(float(pulse_seconds(run, [step.pulse])[0]), color=ORANGE, ls="--", lw=1)
    steps = f", set {len(clock.steps)} times (orange, dashed)" if clock.steps else ""
    said = (
        f"{clock.ppm:+.1f} ppm against the box, residual {clock.residual_us:.1f} us, {clock.outliers} outliers{steps}"
    )
    ax.set_title(said, fontsize=9, loc="right")
    if (top := float(np.nanmax(np.abs(clock.off_line_us), initial=0))) < 1:
        ax.set_ylim(-1, 1)  # what is within a microsecond is not told apart
    else:
        ax.set_ylim(-1.1 * top, 1.1 * top)


def draw_screen(run: Run, verdict: Verdict) -> Shown:
    """The participant's screen: steps, flips, late ones, and how much later the photodiode saw their light."""
    if len(run.flips) < 2:
        return Shown(f"{Word.NOT_MEASURED}: the run has no flips")
    figure, axes = rows_of_axes(2, 1.8)
    draw_flips(axes[0], run)
    axes[1].set_ylabel("light after flip, ms")
    axes[1].grid(alpha=0.3)
    _draw_latency(axes[1], run)
    found = [f for f in verdict.findings if f.check in ("late flips", "photodiode")]
    return Shown(joined([flips_in_words(run), *(f"{f.check}: {f.word}, {f.text}" for f in found)]), png_of(figure))


def _draw_latency(ax: Axes, run: Run) -> None:
    times, _ = patch_changes(run)
    delays_ms = film_delays_ms(run)
    latency = Latency.of(delays_ms)
    if latency is None:
        say(ax, "NOT MEASURED: no light was seen by a photodiode")
        return
    draw_steps(ax, run)
    draw_thinned(ax, seconds(run, times), delays_ms, ls="", marker=".", ms=3, color=BLUE)
    ax.axhline(latency.median_ms, color=GREY, lw=1)
    lowest, highest = float(np.nanmin(delays_ms)), float(np.nanmax(delays_ms))
    ax.set_ylim(min(0.0, 1.3 * lowest), max(1.6 * highest, 1.0))
    ax.set_title(str(latency), fontsize=9, loc="right")

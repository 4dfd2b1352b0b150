"""Draws what the pictures showed: the code of the sync LEDs, and light and sharpness over the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rig.figures import BLUE, GREY, ORANGE, RED, new_figure, png_of
from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Word
from rig.verify.looks import Looks, looks
from rig.verify.pixels.code import expected_levels
from rig.verify.pixels.leds import led_timing
from rig.verify.pixels.sync_leds import SURE, Levels, Told, told_by_leds
from rig.verify.report.axes import (
    SECONDS,
    WIDTH_IN,
    Values,
    draw_thinned,
    mark,
    pulse_seconds,
    rows_of_axes,
    say,
    seconds,
)
from rig.verify.report.drawing import Shown, joined
from rig.verify.tolerances import limit
from rig.verify.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RASTER_FRAMES = 64  # from the middle of a stream: single frames can still be seen
LED_NAMES = ("A", "B1", "B2")
STREAM_LOOKS = ((BLUE, "o"), (ORANGE, "^"), ("#333333", "s"), (GREY, "D"), (RED, "v"))  # colour and marker
MARKERS = 12  # large ones among the points of a stream, so that it is told without its colour


def draw_leds(run: Run, verdict: Verdict) -> Shown:
    """The pulse that the sync LEDs show against the one claimed, of all frames; and how bright they were, of some."""
    found = {name: told_by_leds(run, stream) for name, stream in run.streams.items()}
    words = joined(f"{f.stream}: {f.word}, {f.text}" for f in verdict.findings if f.check == "sync LEDs")
    if not any(found.values()):
        return Shown(words)
    figure = new_figure(WIDTH_IN, 1.4 * len(found) + 0.4)
    axes = figure.subplots(len(found), 2, squeeze=False, width_ratios=(2, 3))
    for (left, right), (name, told) in zip(axes, found.items(), strict=True):
        stream = run.streams[name]
        left.set_ylabel(f"{name}\npulses off", fontsize=9)
        if told is None:
            say(left, "NOT MEASURED")
            say(right, "no sync LED seen")
            right.set_xticks([])
            continue
        _draw_claims(left, run, stream, told)
        _draw_raster(right, run, stream)
    axes[-1, 0].set_xlabel(SECONDS)
    axes[-1, 1].set_xlabel("frame index")
    return Shown(words, png_of(figure))


def _draw_claims(ax: Axes, run: Run, stream: Stream, told: Told) -> None:
    """How many pulses off its claim each frame was exposed by its LEDs: 0 where both agree."""
    claims = stream.pulse_numbers
    is_told = (told.numbers != NO_PULSE) & (claims != NO_PULSE)
    later, times = told.later(claims)[is_told], pulse_seconds(run, claims[is_told])
    is_wrong = (later != 0) & (told.confidence[is_told] >= SURE)
    draw_thinned(ax, times, later.astype(float), ls="", marker=".", ms=3, color=BLUE)
    mark(ax, times[is_wrong], RED, "x")
    top = max(1.0, float(np.abs(later).max(initial=0)) * 1.1)
    ax.set_ylim(-top, top)
    ax.set_title(f"{int(is_told.sum())} of {len(claims)} told, {int(is_wrong.sum())} wrong (red, x)", fontsize=8)


def _draw_raster(ax: Axes, run: Run, stream: Stream) -> None:
    """Brightness of each LED, from its darkest to its brightest, above what the claimed pulses make it."""
    seen = looks(run, stream)
    if seen.leds is None or seen.place is None:
        return
    first = max(0, len(seen.leds) // 2 - RASTER_FRAMES // 2)
    chosen = slice(first, first + RASTER_FRAMES)
    exposures = led_timing(run, stream, seen.place.middle_row)
    claims = stream.pulse_numbers[chosen]
    due = expected_levels(np.maximum(claims, 0), exposures.shares)
    due[claims == NO_PULSE] = np.nan
    rows = np.stack([_spread(seen.leds[chosen]), due]).transpose(2, 0, 1).reshape(2 * len(LED_NAMES), -1)
    edges = (first - 0.5, first + len(claims) - 0.5, len(rows) - 0.5, -0.5)
    ax.imshow(rows, cmap="Greys_r", vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=edges)
    ax.set_facecolor("#d0d8e8")  # of what is not known
    ax.set_yticks(range(len(rows)), [f"{led} {what}" for led in LED_NAMES for what in ("seen", "due")], fontsize=7)
    ax.set_title("white: lit; black: dark; blue: not seen", fontsize=8, loc="right")
    ax.hlines([1.5, 3.5], *edges[:2], color=BLUE, lw=1)


def _spread(levels: Levels) -> Levels:
    """Each column from 0 to 1; nan for an LED that was not seen to change."""
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.nanmin(levels, axis=0), np.nanmax(levels, axis=0)
        return np.asarray(np.where(high > low, (levels - low) / (high - low), np.nan))


# What is drawn of light and sharpness: its name, what it is of a frame, and the limit it is held against.
Health = tuple[str, Callable[[Looks], Values], str]
HEALTH: tuple[Health, ...] = (
    ("brightness, %\nof full scale", lambda seen: 100 * seen.mean, ""),
    ("saturated, %\nof the picture", lambda seen: 100 * seen.saturated, "saturated_percent"),
    ("nearly black, %\nof the picture", lambda seen: 100 * seen.dark, "dark_percent"),
    ("blur, px", lambda seen: seen.blur_px, "blur_px"),
)
CHECKS = ("saturation", "darkness", "blur")


def draw_health(run: Run, verdict: Verdict) -> Shown:
    """Brightness, saturation, darkness and blur of the pictures of all streams over the session."""
    seen = {name: looks(run, stream) for name, stream in run.streams.items()}
    words = joined(_in_words([f for f in verdict.findings if f.check == check]) for check in CHECKS)
    if not any(each.is_good.any() for each in seen.values()):
        return Shown(f"{Word.NOT_MEASURED}: there is no picture to look at. {words}")
    figure, axes = rows_of_axes(len(HEALTH), 1.3)
    for ax, (name, values, bound) in zip(axes, HEALTH, strict=True):
        ax.set_ylabel(name, fontsize=8)
        ax.grid(alpha=0.3)
        _draw_quantity(ax, run, {stream: values(each) for stream, each in seen.items()})
        _draw_limit(ax, limit(run, bound).value if bound else None)
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(seen), fontsize=8, frameon=False)
    return Shown(words, png_of(figure))


def _in_words(findings: list[Finding]) -> str:
    """What a check says of all streams; the table says more of those that passed."""
    bad = [f"{f.check} {f.stream}: {f.word}, {f.text}" for f in findings if f.word is not Word.PASS]
    return ". ".join(bad) or f"{findings[0].check}: {Word.PASS} of all streams" if findings else "not judged"


def _draw_quantity(ax: Axes, run: Run, values: dict[str, Values]) -> None:
    for (name, own), (colour, marker) in zip(values.items(), STREAM_LOOKS * len(values), strict=False):
        times, is_known = seconds(run, run.streams[name].frames["arrived_host_ns"]), np.isfinite(own)
        times, own = times[is_known], own[is_known]
        draw_thinned(ax, times, own, ls="", marker=".", ms=2, color=colour)
        every = max(1, len(own) // MARKERS)
        ax.plot(times[::every], own[::every], ls="", marker=marker, ms=4.5, color=colour, label=name)
    if not any(np.isfinite(own).any() for own in values.values()):
        say(ax, "NOT MEASURED")
    ax.set_ylim(bottom=0)


def _draw_limit(ax: Axes, limit_value: float | None) -> None:
    """The limit, where it is not far above all that was seen."""
    low, top = ax.get_ylim()
    if limit_value is not None and limit_value <= 3 * top:
        ax.axhline(limit_value, color=RED, ls="--", lw=1)
        ax.text(1, limit_value, "limit ", ha="right", va="bottom", fontsize=8, color=RED,
                transform=ax.get_yaxis_transform())  # fmt: skip
        ax.set_ylim(low, max(top, 1.25 * limit_value))

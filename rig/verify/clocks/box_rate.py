"""Holds the box's clock against the host's, which joins the screen to the cameras."""

from __future__ import annotations

from functools import partial

import numpy as np

from rig.config.judging import TOLERANCES
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.session.timeline import map_box
from rig.verify.clocks.camera_clocks import camera_clock
from rig.verify.clocks.paired import BOX_HZ
from rig.verify.findings import Finding, Word
from rig.verify.tolerances import limit

PAIRS_REACH_NS = 10**9  # how far beyond the last clock pair the box's clock is known: five pings that got lost


def check_box_rate(run: Run) -> list[Finding]:
    """The box's clock against the host's, which joins the screen to the cameras."""
    return [_box_rate(run)]


def _box_rate(run: Run) -> Finding:
    pairs = int((run.clock_pairs["clock"] == b"box").sum())
    rate, residual = limit(run, "box_ppm"), limit(run, "host_residual_ms")
    said = partial(Finding, "box rate", "", looked_at=f"{pairs} clock pairs", origin=rate.origin,
                   limit=f"{rate}, above {TOLERANCES['box_ppm'].ceiling:g} fails; residual {residual}")  # fmt: skip
    if pairs < 2:
        return said(Word.NOT_MEASURED, None, text="too few clock pairs: screen and cameras cannot be joined")
    fit = map_box(run)
    ppm, residual_ms = (fit.rate * BOX_HZ / 1e9 - 1) * 1e6, fit.residual / 1e6
    # Both ends may be off by half of a round trip: over a few seconds that is no small rate.
    error_ppm = 2 * fit.bound / float(fit.target[-1] - fit.target[0]) * 1e6
    text = f"host against box {ppm:+.1f} ppm, to {error_ppm:.1f}; residual {residual_ms:.3f} ms over {fit.pairs} fast"
    text += " round trips"
    text += f", half of the longest takes {fit.bound / 1e6:.3f} ms"
    text += f"; {fit.outliers} outliers" if fit.outliers else ""
    beyond_ns = _beyond_pairs_ns(run)
    if beyond_ns > PAIRS_REACH_NS:
        text += f"; in the last {beyond_ns / 1e9:.1f} s the box's clock was not read: how it ran could not be seen"
    if abs(ppm) - error_ppm > TOLERANCES["box_ppm"].ceiling or residual_ms > residual.value:
        return said(Word.FAIL, ppm, text=text)
    if beyond_ns > PAIRS_REACH_NS:
        return said(Word.NOT_MEASURED, ppm, text=text)
    is_off = abs(ppm) - error_ppm > rate.value
    return said(Word.WARN if is_off else Word.PASS, ppm, text=text + (_off_spelled(run, ppm) if is_off else ""))


def _off_spelled(run: Run, ppm: float) -> str:
    """What a box's rate that is off means, and whether the cameras' own clocks say the same; in words."""
    asked_hz = BOX_HZ / int(run.plan["period_ticks"])
    clocks = {name: camera_clock(run, stream) for name, stream in run.streams.items()}
    own = ", ".join(f"{name} {clock.ppm:+.0f}" for name, clock in clocks.items() if clock is not None)
    cameras = f"; the cameras' clocks against the box's, ppm: {own}" if own else ""
    return (
        f"; pulses come at {asked_hz / (1 + ppm * 1e-6):.3f} Hz by the host's clock instead of {asked_hz:.3f}{cameras}"
    )


def _beyond_pairs_ns(run: Run) -> int:
    """How long flips and frames went on after the last reading of the box's clock; at most 0 if they did not."""
    times = [run.flips["host_ns"], *(stream.frames["arrived_host_ns"] for stream in run.streams.values())]
    last = max((int(rows.max()) for rows in times if len(rows)), default=0)
    return last - int(pairs_of(run, b"box")["host_after_ns"].max())


def pairs_of(run: Run, clock: bytes) -> Rows:
    """Readings of another clock against the host clock, CLOCK_PAIR (n,)."""
    return np.asarray(run.clock_pairs[run.clock_pairs["clock"] == clock])

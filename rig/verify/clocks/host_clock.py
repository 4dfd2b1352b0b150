"""Holds the host clock against one that no time service slews, all along, and UTC against the host clock.

A time service corrects a crystal by the same few ppm all the time. One that slews takes back seconds within minutes:
the rate changes, and as long as it does, screen and cameras are joined by a clock that runs wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.session.timeline import Timeline
from rig.verify.clocks.box_rate import pairs_of
from rig.verify.findings import Finding, Numbers, Word, ranges_of

MAX_SLEW_PPM = 100  # crystals of computers are within it; a time service may slew by 500 (NTP) and more (PTP, chrony)
MAX_RATE_CHANGE_PPM = 50  # a crystal that warms up changes by a few
MAX_UTC_STEP_S = 1.0
WINDOW_S = 60
SHORT_PARTS = 5  # windows of a run shorter than so many minutes
MAX_ERROR_PPM = 5  # by which the rate in a window may be off because of how long it takes to read the raw clock
MOST_SPELLED = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """How fast the host clock went against the raw one, over all and in windows that follow each other."""

    corners_ns: Numbers  # (n + 1,), host clock
    ppm: Floats  # (n,)
    error_ppm: Floats  # (n,) by which each may be off: the raw clock was read anywhere between two host readings
    mean_ppm: float
    mean_error_ppm: float

    @property
    def change_ppm(self) -> float:
        """By how much the fastest and the slowest window surely differ; at most 0 when they may be the same."""
        return float((self.ppm - self.error_ppm).max() - (self.ppm + self.error_ppm).min())

    @property
    def is_even(self) -> bool:
        """Whether nothing slewed the clock."""
        is_fast = abs(self.mean_ppm) - self.mean_error_ppm > MAX_SLEW_PPM
        return not is_fast and self.change_ppm <= MAX_RATE_CHANGE_PPM

    @property
    def odd(self) -> Numbers:
        """Windows in which it was slewed: too fast or slow, or by another rate than usual; int64, rising."""
        off = np.abs(self.ppm - np.median(self.ppm))
        is_odd = (np.abs(self.ppm) - self.error_ppm > MAX_SLEW_PPM) | (off - self.error_ppm > MAX_RATE_CHANGE_PPM)
        return np.flatnonzero(is_odd) if is_odd.any() else np.array([np.argmax(off)], np.int64)


def check_host_clock(run: Run) -> list[Finding]:
    """The host clock against CLOCK_MONOTONIC_RAW in windows of a minute, and UTC against the host clock."""
    raw, utc = pairs_of(run, b"raw"), pairs_of(run, b"utc")
    limit = (
        f"{MAX_SLEW_PPM} ppm, {MAX_RATE_CHANGE_PPM} ppm from window to window; no UTC step above {MAX_UTC_STEP_S:g} s"
    )
    looked_at = f"{len(raw)} raw and {len(utc)} UTC pairs"
    steps_s = np.diff(utc["reading"] - _middles(utc)) / NS
    jumps = steps_s[np.abs(steps_s) > MAX_UTC_STEP_S]
    set_by = "".join(f"; the computer's UTC was set by {jump:+.1f} s" for jump in jumps[:MOST_SPELLED])
    rates = _rates(raw)
    if rates is None:
        word = Word.WARN if len(jumps) else Word.NOT_MEASURED
        return [Finding("host clock", "", word, None, limit, looked_at, f"too few raw clock pairs{set_by}")]
    text = f"host clock against CLOCK_MONOTONIC_RAW {rates.mean_ppm:+.1f} ppm, in windows of "
    text += f"{np.median(np.diff(rates.corners_ns)) / NS:.1f} s {rates.ppm.min():+.1f} to {rates.ppm.max():+.1f}"
    text += "" if rates.is_even else f"; slewed {_odd_spelled(run, rates)}"
    word = Word.WARN if len(jumps) or not rates.is_even else Word.PASS
    return [Finding("host clock", "", word, rates.mean_ppm, limit, looked_at, text + set_by)]


def _rates(raw: Rows) -> Rates | None:
    """None with fewer than two readings of the raw clock. In a short run windows are shorter, as errors allow."""
    readings, host_ns = np.asarray(raw["reading"], np.int64), _middles(raw)
    if len(raw) < 2 or readings[0] == readings[-1]:
        return None
    half_ns = np.asarray((raw["host_after_ns"] - raw["host_before_ns"]) / 2, np.float64)
    span_ns = int(host_ns[-1] - host_ns[0])
    least_ns = 2 * float(np.median(half_ns)) / (MAX_ERROR_PPM * 1e-6)
    windows = int(span_ns // max(min(WINDOW_S * NS, span_ns / SHORT_PARTS), least_ns, 1))
    places = _corners(host_ns, half_ns, min(max(1, windows), len(raw) - 1))
    ppm, error_ppm = _rate(readings[places], host_ns[places], half_ns[places])
    ends = places[[0, -1]]
    (mean_ppm,), (mean_error_ppm,) = _rate(readings[ends], host_ns[ends], half_ns[ends])
    return Rates(host_ns[places], ppm, error_ppm, float(mean_ppm), float(mean_error_ppm))


def _rate(readings: Numbers, host_ns: Numbers, half_ns: Floats) -> tuple[Floats, Floats]:
    """How much faster the host clock went from pair to pair than the raw one, and by how much that may be off, ppm."""
    passed_ns = np.maximum(1, np.diff(readings))  # damaged readings may stand still
    ppm = (np.diff(host_ns) / passed_ns - 1) * 1e6
    return np.asarray(ppm), np.asarray((half_ns[1:] + half_ns[:-1]) / passed_ns * 1e6)


def _corners(host_ns: Numbers, half_ns: Floats, windows: int) -> Numbers:
    """Places of the pairs at which windows meet: near each corner one that was read quickly.

    To lie a second further away counts as much as to take MAX_ERROR_PPM of it longer.
    """
    corners_ns, width_ns = np.linspace(host_ns[0], host_ns[-1], windows + 1, retstep=True)
    places = []
    for corner_ns in corners_ns:
        off_ns = np.abs(host_ns - corner_ns)
        near = np.flatnonzero(off_ns <= width_ns / 4)
        places += [near[np.argmin(half_ns[near] + off_ns[near] * MAX_ERROR_PPM * 1e-6)]] if len(near) else []
    return np.array(places, np.int64)


def _odd_spelled(run: Run, rates: Rates) -> str:
    """From when to when the clock was slewed, and how fast it went then, in words."""
    seconds = (rates.corners_ns - Timeline(run).start_host_ns) / NS
    parts = ranges_of(rates.odd)
    told = [
        f"from {seconds[a]:.1f} to {seconds[b + 1]:.1f} s after pulse 0 by {rates.ppm[a : b + 1].mean():+.1f} ppm"
        for a, b in parts[:MOST_SPELLED]
    ]
    return ", ".join(told) + (f" and {len(parts) - MOST_SPELLED} times more" if len(parts) > MOST_SPELLED else "")


def _middles(pairs: Rows) -> Numbers:
    """The host clock in the middle of each pair, ns."""
    return np.asarray(pairs["host_before_ns"] + (pairs["host_after_ns"] - pairs["host_before_ns"]) // 2, np.int64)

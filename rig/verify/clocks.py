"""Holds each camera's own timestamps against the box's, the box's clock against the host's, and that against others.

A constant delay cannot be seen here: the fit takes it up. What can be seen is a frame that claims the wrong pulse,
an interval that is too long or too short, and a clock that runs fast, slow or unsteadily.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.clock import fit_clocks
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.session.timeline import map_box
from rig.streams import NO_PULSE, Evidence
from rig.verify.arms import same_arm
from rig.verify.findings import Finding, Numbers, Word, ranges_of, spelled
from rig.verify.last_word import seen_in_part
from rig.verify.paired import BOX_HZ, ClockStep, Paired, clock_steps, paired, usual_rate

NEAR_PERIODS = 0.25  # a frame further from its pulse than a quarter period may belong to the next one
MAX_SKEW_MS = 1.0  # between cameras, that the field aims at; a hardware trigger jitters by microseconds: verdict.md
MAX_CAMERA_PPM = 6_000  # the box's ceramic resonator is of the 0.5 % class, and a camera's crystal adds little
MAX_HOST_RESIDUAL_MS = 2.0  # jitter that the domain accepts between screen and cameras
TREND_FRAMES = 100  # a clock drifts slowly: its trend is the median of so many frames
SLOPE_FRAMES = 1000
HOLE_S = 5  # so long without a frame (a part not stored) no drift is followed: another part begins
OWN_RATE_S = 10  # a part must be so long for a rate of its own; over less, jitter would count as rate
MOST_STEPS = 5  # of a clock, written out in a text
FEWEST = 4  # frames of one arm of a camera, to say anything of its clock
PAIRS_REACH_NS = 10**9  # how far beyond the last clock pair the box's clock is known: five pings that got lost
MAX_SLEW_PPM = 500  # by which a time service may slew the host clock
MAX_UTC_STEP_S = 1.0
SLOW_MS, TOO_SLOW_MS = 1000, 2000  # grab to acknowledged: what is aimed at, what is an alarm

Periods = NDArray[np.float64]


def distances(pairs: Paired, ticks_hz: int, period_ticks: int, limit_periods: float) -> Periods:
    """How far each frame lies from its claimed pulse, in base periods, float64 (n,).

    The rate between the clocks is the median over stretches of frames, and a slow drift is followed by medians, so
    that wrongly claimed frames do not bend the line they are judged by. A whole period or more off is told from the
    steps between neighbours; the claim that most frames share counts as right. So does, within a part without a long
    hole, the distance from the pulse that most frames share: no clock drifts by `limit_periods` from block to block.
    """
    camera = (pairs.camera_ticks - pairs.camera_ticks[0]) * (BOX_HZ / ticks_hz) / period_ticks
    box = (pairs.box_ticks - pairs.box_ticks[0]) / period_ticks
    holes = np.flatnonzero(np.diff(box) > HOLE_S * BOX_HZ / period_ticks) + 1
    parts = np.split(np.arange(len(box)), holes)
    rates = _rates(camera, box, parts, OWN_RATE_S * BOX_HZ / period_ticks)
    off = np.r_[0, np.cumsum(np.diff(camera) / ((rates[1:] + rates[:-1]) / 2) - np.diff(box))]
    periods = np.r_[0, np.cumsum(np.rint(np.diff(off)))]
    values, counts = np.unique(periods, return_counts=True)
    smooth = off - periods
    left = np.concatenate([_detrended(smooth[part], limit_periods) for part in parts])
    return np.asarray(left + periods - values[np.argmax(counts)])


def _rates(camera: Periods, box: Periods, parts: list[Numbers], own_rate_periods: float) -> Periods:
    """The camera's rate against the box's around each frame: that of its part, where the part is long enough."""
    usual = _rate(camera, box)
    is_long = [len(part) > 1 and box[part[-1]] - box[part[0]] >= own_rate_periods for part in parts]
    rates = [_rate(camera[part], box[part]) if long else usual for part, long in zip(parts, is_long, strict=True)]
    return np.repeat(rates, [len(part) for part in parts])


def _rate(camera: Periods, box: Periods) -> float:
    stretch = max(1, min(len(box) // 4, SLOPE_FRAMES))
    return usual_rate(camera[stretch:] - camera[:-stretch], box[stretch:] - box[:-stretch])


def _detrended(values: Periods, limit: float) -> Periods:
    """What is left of `values` without their slow part, by medians of blocks joined with straight lines.

    A step of more than `limit` from one block to the next is no drift, and stays.
    """
    blocks = np.array_split(np.arange(len(values)), max(1, len(values) // TREND_FRAMES))
    middles = [float(block.mean()) for block in blocks]
    medians = np.array([np.median(values[block]) for block in blocks])
    steps = np.diff(medians, prepend=medians[:1])
    medians -= np.cumsum(np.where(np.abs(steps) > limit, steps, 0))
    left = values - np.interp(np.arange(len(values)), middles, medians)
    return np.asarray(left - np.median(left))


def check_stamps(run: Run) -> list[Finding]:
    """Every single frame was exposed at the pulse it claims, by its camera's own clock, each piece of it by itself."""
    unseen = "when these were due could not be seen"
    return [seen_in_part(_stamps(run, stream), run, stream, unseen) for stream in run.streams.values()]


def _stamps(run: Run, stream: Stream) -> Finding:
    pairs, ticks_hz = paired(run, stream), int(stream.baseline.get("ticks_hz", 0))
    period = int(run.plan["period_ticks"])
    period_ms = period / BOX_HZ * 1000
    limit_ms = min(MAX_SKEW_MS, NEAR_PERIODS * period_ms)
    origin = "the skew between cameras aimed at" if limit_ms == MAX_SKEW_MS else "a quarter period"
    limit, looked_at = f"{limit_ms:g} ms, {origin}", f"{len(pairs.pulses)} frames"
    if not ticks_hz or len(pairs.pulses) < FEWEST:
        reason = f"only {len(pairs.pulses)} frames" if ticks_hz else "the camera has no timestamps"
        return Finding("stamps", stream.name, Word.NOT_MEASURED, None, limit, looked_at, reason)
    pieces = [piece for piece in same_arm(pairs.pieces) if len(piece) >= FEWEST]
    if not pieces:
        return Finding("stamps", stream.name, Word.NOT_MEASURED, None, limit, looked_at, "too few frames of each arm")
    off_ms = np.concatenate([distances(pairs[p], ticks_hz, period, limit_ms / period_ms) for p in pieces]) * period_ms
    far, longest = np.abs(off_ms) > limit_ms, max(pieces, key=len)
    pairs, first = pairs[np.concatenate(pieces)], sum(len(piece) for piece in pieces if piece[0] < longest[0])
    near = np.flatnonzero(~far[first : first + len(longest)]) + first
    near = near if len(near) > 1 else np.arange(first, first + len(longest))
    if pairs.camera_ticks[near[0]] == pairs.camera_ticks[near[-1]]:
        text = "the camera's clock stood still: its timestamps say nothing of when frames were exposed"
        return Finding("stamps", stream.name, Word.FAIL, None, limit, looked_at, text)
    fit = fit_clocks(pairs.camera_ticks[near], pairs.box_ticks[near])
    ppm = (fit.rate * ticks_hz / BOX_HZ - 1) * 1e6
    worst_ms = float(np.abs(off_ms).max())
    rate = f"box against camera {ppm:+.1f} ppm, residual {fit.residual * 1e6 / BOX_HZ:.1f} us, worst {worst_ms:.3f} ms"
    if far.any():
        where = ranges_of(pairs.pulses[far], stream.divisor)
        text = f"{int(far.sum())} frames were not exposed at the pulse they claim: {spelled(where)}; {rate}"
        return Finding("stamps", stream.name, Word.FAIL, worst_ms, limit, looked_at, text, where)
    steps = clock_steps(run, stream)
    word = _word_of(steps) if abs(ppm) <= MAX_CAMERA_PPM else Word.FAIL
    where = ranges_of(np.array([step.pulse for step in steps], np.int64))
    return Finding("stamps", stream.name, word, worst_ms, limit, looked_at, _steps_spelled(steps) + rate, where)


def _word_of(steps: list[ClockStep]) -> Word:
    """After a step of its clock, nothing but its counter ties a camera's frames to their pulses."""
    if not steps:
        return Word.PASS
    return Word.WARN if all(step.is_counted for step in steps) else Word.NOT_MEASURED


def _steps_spelled(steps: list[ClockStep]) -> str:
    """In words, ending where a sentence goes on; empty without any."""
    if not steps:
        return ""
    told = ", ".join(f"by {step.seconds:+.3f} s before pulse {step.pulse}" for step in steps[:MOST_STEPS])
    told += f" and {len(steps) - MOST_STEPS} times more" if len(steps) > MOST_STEPS else ""
    uncounted = "; after it no counter ties frames to pulses, only when they arrived"
    by = "" if all(step.is_counted for step in steps) else uncounted
    return f"the camera's clock was set {told}{by}; "


def check_intervals(run: Run) -> list[Finding]:
    """The time between two frames is the time between their pulses."""
    unseen = "the time between those pulses could not be seen"
    return [seen_in_part(_intervals(run, stream), run, stream, unseen) for stream in run.streams.values()]


def interval_ms(run: Run, stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.float64], Numbers]:
    """Intervals by the camera, by the box (both ms), and the pulse that ends each; none from one piece to the next."""
    pairs, ticks_hz = paired(run, stream), int(stream.baseline.get("ticks_hz", 0)) or 1
    within = np.diff(pairs.pieces) == 0
    camera = np.diff(pairs.camera_ticks)[within] * 1000 / ticks_hz
    return camera, np.diff(pairs.box_ticks)[within] * 1000 / BOX_HZ, pairs.pulses[1:][within]


def _intervals(run: Run, stream: Stream) -> Finding:
    camera, box, pulses = interval_ms(run, stream)
    # Over a part not stored two clocks drift apart; that is no interval between frames.
    within = box <= HOLE_S * 1000
    camera, box, pulses = camera[within], box[within], pulses[within]
    limit, looked_at = f"within {MAX_SKEW_MS:g} ms of the pulses'", f"{len(camera)} intervals"
    if not stream.baseline.get("ticks_hz") or len(camera) < 3:
        reason = "no timestamps, or too few frames"
        return Finding("intervals", stream.name, Word.NOT_MEASURED, None, limit, looked_at, reason)
    off = np.abs(camera - box * usual_rate(camera, box))
    worst = float(off.max())
    where = ranges_of(pulses[off > MAX_SKEW_MS], stream.divisor)
    note = f", before pulses {spelled(where)}" if where else ""
    text = f"median {np.median(camera):.3f} ms; worst {worst:.3f} ms off the pulses'{note}"
    return Finding("intervals", stream.name, Word.WARN if where else Word.PASS, worst, limit, looked_at, text, where)


def check_evidence(run: Run) -> list[Finding]:
    """Pulse numbers rest on evidence that can prove them: a trigger counter, or the camera's timestamps."""
    return [_evidence(stream) for stream in run.streams.values()]


def _evidence(stream: Stream) -> Finding:
    frames = stream.frames[stream.pulse_numbers != NO_PULSE]
    limit, looked_at = "timestamps or counter", f"{len(frames)} frames"
    if len(frames) == 0:
        return Finding("evidence", stream.name, Word.NOT_MEASURED, None, limit, looked_at, "no frame has a pulse")
    weakest = int(frames["evidence"].min())
    weak = ranges_of(
        np.asarray(frames["pulse_number"][frames["evidence"] < Evidence.TIMESTAMPS], np.int64), stream.divisor
    )
    name = Evidence(weakest).name.lower().replace("_", " ") if weakest <= Evidence.COUNTER else str(weakest)
    if weak:
        text = f"only {name} for pulses {spelled(weak)}: that gives order and count, no pulse number"
        return Finding("evidence", stream.name, Word.FAIL, weakest, limit, looked_at, text, weak)
    return Finding("evidence", stream.name, Word.PASS, weakest, limit, looked_at, f"by {name}")


def check_box_rate(run: Run) -> list[Finding]:
    """The box's clock against the host's, which joins the screen to the cameras."""
    pairs = int((run.clock_pairs["clock"] == b"box").sum())
    limit, looked_at = f"{MAX_CAMERA_PPM} ppm, residual {MAX_HOST_RESIDUAL_MS:g} ms", f"{pairs} clock pairs"
    if pairs < 2:
        text = "too few clock pairs: screen and cameras cannot be joined"
        return [Finding("box rate", "", Word.NOT_MEASURED, None, limit, looked_at, text)]
    fit = map_box(run)
    ppm, residual_ms = (fit.rate * BOX_HZ / 1e9 - 1) * 1e6, fit.residual / 1e6
    is_good = abs(ppm) <= MAX_CAMERA_PPM and residual_ms <= MAX_HOST_RESIDUAL_MS
    text = f"host against box {ppm:+.1f} ppm, residual {residual_ms:.3f} ms over {fit.pairs} fast round trips"
    text += f", half of the longest takes {fit.bound / 1e6:.3f} ms"
    text += f"; {fit.outliers} outliers" if fit.outliers else ""
    beyond_ns = _beyond_pairs_ns(run)
    word = Word.FAIL if not is_good else Word.NOT_MEASURED if beyond_ns > PAIRS_REACH_NS else Word.PASS
    if beyond_ns > PAIRS_REACH_NS:
        text += f"; in the last {beyond_ns / 1e9:.1f} s the box's clock was not read: how it ran could not be seen"
    return [Finding("box rate", "", word, ppm, limit, looked_at, text)]


def _beyond_pairs_ns(run: Run) -> int:
    """How long flips and frames went on after the last reading of the box's clock; at most 0 if they did not."""
    times = [run.flips["host_ns"], *(stream.frames["arrived_host_ns"] for stream in run.streams.values())]
    last = max((int(rows.max()) for rows in times if len(rows)), default=0)
    return last - int(_pairs_of(run, b"box")["host_after_ns"].max())


def check_host_clock(run: Run) -> list[Finding]:
    """The host clock against one that no time service slews, and UTC against the host clock."""
    raw, utc = _pairs_of(run, b"raw"), _pairs_of(run, b"utc")
    limit = f"{MAX_SLEW_PPM} ppm, the most a time service slews; no UTC step above {MAX_UTC_STEP_S:g} s"
    looked_at = f"{len(raw)} raw and {len(utc)} UTC pairs"
    steps_s = np.diff(utc["reading"] - _middles(utc)) / 1e9
    jumps = steps_s[np.abs(steps_s) > MAX_UTC_STEP_S]
    is_measured = len(raw) >= 2 and raw["reading"][0] != raw["reading"][-1]
    ppm = (fit_clocks(np.asarray(raw["reading"], np.int64), _middles(raw)).rate - 1) * 1e6 if is_measured else None
    rate = f"host clock against CLOCK_MONOTONIC_RAW {ppm:+.1f} ppm" if ppm is not None else "too few raw clock pairs"
    set_by = "".join(f"; the computer's UTC was set by {jump:+.1f} s" for jump in jumps[:5])
    word = Word.PASS if ppm is not None else Word.NOT_MEASURED
    if len(jumps) or (ppm is not None and abs(ppm) > MAX_SLEW_PPM):
        word = Word.WARN
    return [Finding("host clock", "", word, ppm, limit, looked_at, rate + set_by)]


def _pairs_of(run: Run, clock: bytes) -> Rows:
    return np.asarray(run.clock_pairs[run.clock_pairs["clock"] == clock])


def _middles(pairs: Rows) -> Numbers:
    """The host clock in the middle of each pair, ns."""
    return np.asarray(pairs["host_before_ns"] + (pairs["host_after_ns"] - pairs["host_before_ns"]) // 2, np.int64)


def check_skew(run: Run) -> list[Finding]:
    """Skew between the cameras' starts of exposure: declared delays only; measuring needs a wire or an LED."""
    armed = {name: stream for name, stream in run.streams.items() if stream.baseline}
    unknown = [name for name, stream in armed.items() if "exposure_start" not in stream.baseline.get("delays", {})]
    limit, looked_at = "1 ms", f"declared delays of {len(armed) - len(unknown)} cameras"
    unmeasured = "no ExposureActive line or LED sweep was measured"
    if unknown or not armed:
        text = f"no delay was declared of {', '.join(unknown) or 'any camera'}; {unmeasured}"
        return [Finding("skew", "", Word.NOT_MEASURED, None, limit, looked_at, text)]
    delays_us = [stream.start_delay_us for stream in armed.values()]
    spread_us = max(delays_us) - min(delays_us)
    text = f"declared delays differ by {spread_us:g} us; {unmeasured}"
    return [Finding("skew", "", Word.NOT_MEASURED, spread_us, limit, looked_at, text)]


def check_acknowledged(run: Run) -> list[Finding]:
    """How long a frame waited from the camera until it was safe on the disk."""
    rows = run.syncs[run.syncs["oldest_arrived_host_ns"] >= 0]
    limit, looked_at = f"{SLOW_MS} ms; above {TOO_SLOW_MS} ms fails", f"{len(rows)} syncs"
    if len(rows) == 0:
        return [Finding("acknowledged", "", Word.NOT_MEASURED, None, limit, looked_at, "no sync was recorded")]
    waited_ms = (rows["returned_host_ns"] - rows["oldest_arrived_host_ns"]) / 1e6
    worst = float(waited_ms.max())
    word = Word.FAIL if worst > TOO_SLOW_MS else Word.WARN if worst > SLOW_MS else Word.PASS
    text = f"frames were on the disk after {np.median(waited_ms):.0f} ms (median), {worst:.0f} ms (longest)"
    return [Finding("acknowledged", "", word, worst, limit, looked_at, text)]

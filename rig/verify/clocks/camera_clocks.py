"""Holds each camera's own timestamps against the box's, and the box's clock against the host's.

A constant delay cannot be seen here: the fit takes it up. What can be seen is a frame that claims the wrong pulse,
an interval that is too long or too short, and a clock that runs fast, slow or unsteadily.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rig.clock import ClockFit, fit_clocks
from rig.session.run import Run, Stream
from rig.session.timeline import map_box
from rig.streams import NO_PULSE, Evidence
from rig.verify.arms import same_arm
from rig.verify.clocks.paired import BOX_HZ, ClockStep, Paired, clock_steps, paired, usual_rate
from rig.verify.counters import camera_numbers
from rig.verify.findings import Finding, Numbers, Word, counted, due_pulses, ranges_of, spelled
from rig.verify.last_word import seen_in_part
from rig.verify.numbers import distinct, in_both
from rig.verify.tolerances import limit

NEAR_PERIODS = 0.25  # a frame further from its pulse than a quarter period may belong to the next one
OUTLIER = 6  # times the usual distance of frames from their pulses
TREND_FRAMES = 100  # a clock drifts slowly: its trend is the median of so many frames
SLOPE_FRAMES = 1000
HOLE_S = 5  # so long without a frame (a part not stored) no drift is followed: another part begins
OWN_RATE_S = 10  # a part must be so long for a rate of its own; over less, jitter would count as rate
MOST_STEPS = 5  # of a clock, written out in a text
FEWEST = 4  # frames of one arm of a camera, to say anything of its clock

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


@dataclass(frozen=True)
class CameraClock:
    """A camera's clock against the box's by its frames: the straight line that fits, and what lies off it."""

    ppm: float  # by which it runs faster than the box's
    offset_s: float  # what it showed more than the box's clock at the first frame of the line
    residual_us: float  # root mean square distance of frames from the line
    pulses: Numbers  # (n,) that frames claim; frames of pieces too short for a line are left out
    off_ms: Periods  # (n,) from the pulse that each claims, a slow drift taken out: this is judged
    off_line_us: Periods  # (n,) from the straight line of its piece
    steps: list[ClockStep]  # each time that it was set

    @property
    def outliers(self) -> int:
        """Frames further from their pulse than OUTLIER times the usual distance, and than a microsecond."""
        usual_ms = 1.4826 * float(np.median(np.abs(self.off_ms)))
        return int((np.abs(self.off_ms) > max(OUTLIER * usual_ms, 0.001)).sum())

    def spelled(self) -> str:
        """In words."""
        worst_ms = float(np.abs(self.off_ms).max())
        text = f"its clock {self.ppm:+.1f} ppm against the box's, {self.offset_s:+.6f} s ahead; residual"
        return f"{text} {self.residual_us:.1f} us, {self.outliers} outliers, worst {worst_ms:.3f} ms off"


def camera_clock(run: Run, stream: Stream) -> CameraClock | None:
    """The clock of a stream's camera; None: no timestamps, fewer than FEWEST frames on end, or it stood still."""
    ticks_hz, period_ticks = int(stream.baseline.get("ticks_hz", 0)), int(run.plan["period_ticks"])
    if not ticks_hz:
        return None
    return fit_camera(paired(run, stream), clock_steps(run, stream), ticks_hz, period_ticks, _stamps_limit_ms(run))


def fit_camera(
    pairs: Paired, steps: list[ClockStep], ticks_hz: int, period_ticks: int, limit_ms: float
) -> CameraClock | None:
    """A camera's clock from its frames and the times of their pulses; frames more than `limit_ms` off bend no line."""
    pieces = [piece for piece in same_arm(pairs.pieces) if len(piece) >= FEWEST]
    period_ms = period_ticks / BOX_HZ * 1000
    off_ms = [distances(pairs[p], ticks_hz, period_ticks, limit_ms / period_ms) * period_ms for p in pieces]
    lines = [_line(pairs[p], np.abs(off) <= limit_ms) for p, off in zip(pieces, off_ms, strict=True)]
    longest = max(zip(map(len, pieces), range(len(pieces)), strict=True), default=(0, 0))[1]
    if not lines or (line := lines[longest]) is None:
        return None
    off_line_us = [_off_line_us(line, pairs[p]) for line, p in zip(lines, pieces, strict=True)]
    return CameraClock(
        ppm=(BOX_HZ / (line.rate * ticks_hz) - 1) * 1e6,
        offset_s=line.origin / ticks_hz - line.offset / BOX_HZ,
        residual_us=line.residual * 1e6 / BOX_HZ,
        pulses=pairs.pulses[np.concatenate(pieces)],
        off_ms=np.concatenate(off_ms),
        off_line_us=np.concatenate(off_line_us),
        steps=steps,
    )


def _stamps_limit_ms(run: Run) -> float:
    period_ms = int(run.plan["period_ticks"]) / BOX_HZ * 1000
    return min(limit(run, "stamps_ms").value, NEAR_PERIODS * period_ms)


def _line(piece: Paired, is_near: NDArray[np.bool_]) -> ClockFit | None:
    """From camera ticks to box ticks, by frames near their pulses where there are two; None: the clock stood still."""
    near = np.flatnonzero(is_near) if is_near.sum() > 1 else np.arange(len(is_near))
    camera, box = piece.camera_ticks[near], piece.box_ticks[near]
    return fit_clocks(camera, box) if camera[0] != camera[-1] else None


def _off_line_us(line: ClockFit | None, piece: Paired) -> Periods:
    """How far each frame lies off the line, us; nan without a line."""
    if line is None:
        return np.full(len(piece.pulses), np.nan)
    off_ticks = (piece.camera_ticks - line.origin) * line.rate - (piece.box_ticks - line.offset)
    return np.asarray(off_ticks * 1e6 / BOX_HZ)


def check_stamps(run: Run) -> list[Finding]:
    """Every single frame was exposed at the pulse it claims, by its camera's own clock, each piece of it by itself."""
    unseen = "when these were due could not be seen"
    return [seen_in_part(_stamps(run, stream), run, stream, unseen) for stream in run.streams.values()]


def _stamps(run: Run, stream: Stream) -> Finding:
    bound, limit_ms = limit(run, "stamps_ms"), _stamps_limit_ms(run)
    limit_text = str(bound) if limit_ms == bound.value else f"{limit_ms:g} ms, a quarter period"
    pairs, clock = paired(run, stream), camera_clock(run, stream)
    said = partial(Finding, "stamps", stream.name, limit=f"{limit_text}; {limit(run, 'camera_ppm')}",
                   looked_at=f"{len(pairs.pulses)} frames", origin=bound.origin)  # fmt: skip
    if clock is None:
        word, text = _no_clock(stream, pairs)
        return said(word, None, text=text)
    worst_ms = float(np.abs(clock.off_ms).max())
    where = ranges_of(clock.pulses[np.abs(clock.off_ms) > limit_ms], stream.divisor)
    if where:
        far = int((np.abs(clock.off_ms) > limit_ms).sum())
        frames = counted(far, "frame was", "frames were")
        text = f"{frames} not exposed at the pulse claimed: {spelled(where)}; {clock.spelled()}"
        return said(Word.FAIL, worst_ms, text=text, ranges=where)
    word = _word_of(clock.steps) if abs(clock.ppm) <= limit(run, "camera_ppm").value else Word.FAIL
    where = ranges_of(np.array([step.pulse for step in clock.steps], np.int64))
    return said(word, worst_ms, text=_steps_spelled(clock.steps) + clock.spelled(), ranges=where)


def _no_clock(stream: Stream, pairs: Paired) -> tuple[Word, str]:
    """Word and text about a camera whose clock says nothing."""
    if not stream.baseline.get("ticks_hz"):
        return Word.NOT_MEASURED, "the camera has no timestamps"
    if len(pairs.pulses) < FEWEST:
        return Word.NOT_MEASURED, f"only {len(pairs.pulses)} frames"
    if all(len(piece) < FEWEST for piece in same_arm(pairs.pieces)):
        return Word.NOT_MEASURED, "too few frames of each arm"
    return Word.FAIL, "the camera's clock stood still: its timestamps say nothing of when frames were exposed"


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
    bound, looked_at = limit(run, "intervals_ms"), f"{len(camera)} intervals"
    if not stream.baseline.get("ticks_hz") or len(camera) < 3:
        reason = "no timestamps, or too few frames"
        said = (Word.NOT_MEASURED, None, str(bound), looked_at, reason, (), bound.origin)
        return Finding("intervals", stream.name, *said)
    off = camera - box * usual_rate(camera, box)
    worst = float(np.abs(off).max())
    where = ranges_of(pulses[np.abs(off) > bound.value], stream.divisor)
    note = f", before pulses {spelled(where)}" if where else ""
    text = f"median {np.median(camera):.3f} ms, jitter {1.4826e3 * np.median(np.abs(off)):.1f} us (SD); "
    text += f"worst {worst:.3f} ms off the pulses'{note}; {_rates_spelled(run, stream)}"
    word = Word.WARN if where else Word.PASS
    return Finding("intervals", stream.name, word, worst, str(bound), looked_at, text, where, bound.origin)


def frame_rates_hz(run: Run, stream: Stream) -> tuple[float, float]:
    """Frames a second that were got, and that were due: pulses sent to it and to be stored; by the host's clock."""
    due_hz = 1e9 / (stream.divisor * int(run.plan["period_ticks"]) * map_box(run).rate)
    due, got = due_pulses(run, stream), distinct(stream.pulse_numbers[stream.pulse_numbers != NO_PULSE])
    return due_hz * len(in_both(got, due)) / max(1, len(due)), due_hz


def _rates_spelled(run: Run, stream: Stream) -> str:
    got_hz, due_hz = frame_rates_hz(run, stream)
    return f"{got_hz:.3f} of {due_hz:.3f} fps due"


def check_evidence(run: Run) -> list[Finding]:
    """Pulse numbers rest on evidence that can prove them: a trigger counter, or the camera's timestamps."""
    return [_evidence(run, stream) for stream in run.streams.values()]


def _evidence(run: Run, stream: Stream) -> Finding:
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
    uncounted = ranges_of(camera_numbers.uncounted(run, stream), stream.divisor)
    if uncounted:
        text = f"said to be by counter, which did not go on as the pulses did, at pulses {spelled(uncounted)}"
        return Finding("evidence", stream.name, Word.FAIL, weakest, limit, looked_at, text, uncounted)
    return Finding("evidence", stream.name, Word.PASS, weakest, limit, looked_at, f"by {name}")

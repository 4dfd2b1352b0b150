"""What ties a camera to its cable and its first frame to pulse 0: line walk, preamble, postamble, seen by the cameras.

    group starts, in slowest periods     preamble 0 1 . 3 . . | body 6 7 8 ...     postamble ... n | . . n+3 . n+5 n+6

The pattern is looked for in each camera's own timestamps, so a camera armed late cannot pass for one in time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig.session.pulses import (
    BODY_SLOT,
    CLOSING,
    OPENING,
    has_postamble,
    planned_ticks,
    pulses_known,
    pulses_sent,
)
from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.clocks.paired import BOX_HZ, by_clock, clock_steps
from rig.verify.findings import Finding, Numbers, Word, counted, due_pulses, ranges_of
from rig.verify.last_word import last_word

HORIZON_SLOTS = 10  # how far the pattern is compared: preamble and a little of the body
NEAR_PERIODS = 0.25  # a frame is at a pulse when it lies within a quarter period of it
MOST_RATE_ERROR = 0.01  # a camera further from the box's rate is not triggered by it
MAX_BOX_DEVIATION_US = 100  # a tenth of the 1 ms aimed at between cameras; a timer makes it exact

Times = NDArray[np.float64]
_Seen = tuple[Numbers, Numbers]  # camera ticks of frames, and the pulses that they claim


def check_schedule(run: Run) -> list[Finding]:
    """The box sent its pulses when they were due, preamble and postamble included."""
    limit, looked_at = f"{MAX_BOX_DEVIATION_US} us, a tenth of the skew aimed at", f"{len(run.pulses)} pulses"
    numbers = run.pulses["pulse_number"]
    if len(numbers) == 0:
        return [Finding("schedule", "", Word.NOT_MEASURED, None, limit, looked_at, "no pulse was recorded")]
    # Without the box's end message the last groups may or may not be its postamble, so they are not judged.
    open_end = 0 if pulses_sent(run) is not None else len(CLOSING) * int(run.plan["group"])
    known = (numbers >= 0) & (numbers < pulses_known(run) - open_end)
    if not known.any():
        return [Finding("schedule", "", Word.NOT_MEASURED, None, limit, looked_at, "too few pulses")]
    late = run.pulses["box_ticks"][known] - planned_ticks(run)[numbers[known]]
    late_us = np.abs(late - np.median(late)) * 1e6 / BOX_HZ
    worst = float(late_us.max(initial=0.0))
    where = ranges_of(np.asarray(numbers[known][late_us > MAX_BOX_DEVIATION_US], np.int64))
    text, silence = f"worst pulse {worst:.1f} us off its plan", last_word(run)
    if silence is not None:
        text += f", of pulses up to {numbers[known].max()}; {silence.spelled()}: when it sent others could not be seen"
    word = Word.FAIL if where else Word.PASS if silence is None else Word.NOT_MEASURED
    return [Finding("schedule", "", word, worst, limit, looked_at, text, where)]


def check_line_walk(run: Run) -> list[Finding]:
    """Each camera delivered the number of frames that only its own trigger line was sent: 3, 5 or 7."""
    if len(run.walk_pulses) == 0 and not any(len(s.frames) for s in run.walk_streams.values()):
        text = "no line walk was recorded: swapped cables would not be seen"
        return [Finding("line walk", "", Word.NOT_MEASURED, None, "3 + 2 x line", "0 pulses", text)]
    counts = {name: len(stream.frames) for name, stream in run.walk_streams.items()}
    return [_walk(run, stream, counts) for stream in run.walk_streams.values()]


def _walk(run: Run, stream: Stream, counts: dict[str, int]) -> Finding:
    wanted, got = 3 + 2 * stream.line, counts[stream.name]
    sent = int(((run.walk_pulses["lines"] >> stream.line) & 1).sum())
    limit = f"{wanted} on line {stream.line}: 3 + 2 x line"
    looked_at = f"{sent} pulses sent, {got} frames got"
    untold = _untold_in_walk(run) if sent < wanted else 0
    if untold is None:
        text = f"the box told of {sent} pulses on line {stream.line}, and never of the end of its walk"
        return Finding("line walk", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text)
    if not sent <= wanted <= sent + untold:
        text = f"the box sent {sent} pulses on line {stream.line} instead of {wanted}"
        return Finding("line walk", stream.name, Word.FAIL, got, limit, looked_at, text)
    if got == wanted:
        note = f"; the box told of {sent}: messages were lost, not pulses" if sent < wanted else ""
        text = f"{got} frames: the cable of line {stream.line}{note}"
        return Finding("line walk", stream.name, Word.PASS, got, limit, looked_at, text)
    text = f"{got} frames instead of {wanted}: {_whose(run, stream, got)}"
    return Finding("line walk", stream.name, Word.FAIL, got, limit, looked_at, text)


def _untold_in_walk(run: Run) -> int | None:
    """Pulses that the box counted in its walk and whose message was lost; None when it never told the walk's end."""
    ends = [e for e in run.log_of("ended") if e.get("walk")]
    return int(ends[-1]["pulses_sent"]) - len(run.walk_pulses) if ends else None


def _whose(run: Run, stream: Stream, got: int) -> str:
    """In words, which cable a camera with `got` walk frames hangs on."""
    owners = [s.name for s in run.walk_streams.values() if 3 + 2 * s.line == got and s.name != stream.name]
    if owners:
        line = (got - 3) // 2
        swap = f"Swap the trigger cables of {stream.name} and {owners[0]}"
        return f"it hangs on line {line}, the cable of {owners[0]}. {swap}"
    return "no line sent that many. Check its cable and trigger source" if got else "its trigger cable is not connected"


def check_preamble(run: Run) -> list[Finding]:
    """Each camera saw the opening pattern, and its first frame is of the pulse it claims."""
    return [_end_of_run(run, stream, opening=True) for stream in run.streams.values()]


def check_postamble(run: Run) -> list[Finding]:
    """Each camera saw the closing pattern, and its last frame is of the pulse it claims."""
    return [_end_of_run(run, stream, opening=False) for stream in run.streams.values()]


def _end_of_run(run: Run, stream: Stream, *, opening: bool) -> Finding:
    name, which = ("preamble", "first") if opening else ("postamble", "last")
    told = _told_of(run, stream, "opening" if opening else "closing")
    ticks, claims = told or _own_frames(run, stream, opening=opening)
    looked_at, limit = f"{_looked_at(stream, told)} frames", f"{which} frame at its place in the pattern"
    reason = _not_measurable(run, stream, len(ticks), opening=opening, is_told=told is not None)
    if reason:
        return Finding(name, stream.name, Word.NOT_MEASURED, None, limit, looked_at, reason)
    pulses = np.arange(0, pulses_known(run), stream.divisor)
    period_s = int(run.plan["period_ticks"]) / BOX_HZ
    seen_periods = _seen_periods(stream, ticks, period_s)
    due_periods = planned_ticks(run)[pulses] / int(run.plan["period_ticks"])
    missed = _missed(_from_end(seen_periods, opening), _from_end(due_periods, opening), int(run.plan["group"]))
    claim = int(claims[0 if opening else -1])
    if missed is None:
        return Finding(name, stream.name, Word.FAIL, None, limit, looked_at, f"the pattern of the {name} was not seen")
    real = int(pulses[missed if opening else -1 - missed])
    if real != claim:
        text = f"the {which} frame is of pulse {real}, but claims pulse {claim}: all pulse numbers here may be off"
        return Finding(name, stream.name, Word.FAIL, real, limit, looked_at, text)
    lost = counted(missed, "pulse", "pulses")
    note = f"; no frame came of the {lost} {'before' if opening else 'after'} it" if missed else ""
    return Finding(name, stream.name, Word.PASS, real, limit, looked_at, f"{which} frame is of pulse {real}{note}")


def _looked_at(stream: Stream, told: _Seen | None) -> int:
    return int((stream.pulse_numbers != NO_PULSE).sum()) if told is None else len(told[0])


def _told_of(run: Run, stream: Stream, kind: str) -> _Seen | None:
    """What the log has of the first or last frames, where they were not stored: their camera ticks and pulses."""
    told = next(iter(run.log_of(kind, stream.name)), None)
    if told is None or len(told["pulses"]) != len(told["camera_ticks"]):
        return None
    return np.array(told["camera_ticks"], np.int64), np.array(told["pulses"], np.int64)


def _own_frames(run: Run, stream: Stream, *, opening: bool) -> _Seen:
    """Camera ticks of frames with a pulse from the first or last piece in which the clock ran on; all their pulses."""
    frames = stream.frames[stream.pulse_numbers != NO_PULSE]
    pieces = by_clock(frames, clock_steps(run, stream))
    own = pieces[0 if opening else -1] if pieces else np.asarray(frames)
    pulses = stream.pulse_numbers[stream.pulse_numbers != NO_PULSE]
    return own["camera_ticks"].astype(np.int64), np.asarray(pulses, np.int64)


def _seen_periods(stream: Stream, ticks: Numbers, period_s: float) -> Times:
    """When frames of one piece were exposed by their camera's clock, in base periods after the first of them.

    The clocks' rates may differ by half a per cent, which the usual interval between frames takes out.
    """
    periods = (ticks - ticks[0]) / float(stream.baseline["ticks_hz"]) / period_s
    rate = float(np.median(np.diff(periods))) / stream.divisor
    return np.asarray(periods / np.clip(rate, 1 - MOST_RATE_ERROR, 1 + MOST_RATE_ERROR))


def _not_measurable(run: Run, stream: Stream, frames: int, *, opening: bool, is_told: bool) -> str:
    if not stream.baseline.get("ticks_hz"):
        return "the camera has no timestamps, or was never armed"
    if pulses_known(run) == 0:
        return "the box told of no pulse"
    if not opening and pulses_sent(run) is None:
        return "the run has no end: the box never told it"
    if not opening and not has_postamble(run):
        return "none was sent: a recording was played, and stopped before its recorded end"
    groups = len(OPENING) * int(run.plan["group"]) // stream.divisor
    due, pulses = due_pulses(run, stream), np.arange(0, pulses_known(run), stream.divisor)
    ends = (due[:groups], pulses[:groups]) if opening else (due[-groups:], pulses[-groups:])
    if not is_told and not np.array_equal(*ends):
        return "it was not to be stored"
    return "" if frames >= 4 else f"only {frames} frames"


def _from_end(times: Times, opening: bool) -> Times:  # noqa: FBT001
    """Times counted from the first one on, or from the last one back; rising either way."""
    return np.asarray(times - times[0] if opening else (times[-1] - times)[::-1])


def _missed(seen: Times, due: Times, group: int) -> int | None:
    """How many of the first due times passed before the first one seen; None when no start fits the pattern.

    `seen` and `due` rise, in base periods. The start that explains most of what was seen and due wins.
    """
    horizon = HORIZON_SLOTS * group
    seen = seen[seen <= horizon]
    starts = np.flatnonzero(due < 2 * BODY_SLOT * group)[: max(1, len(due) - 3)]
    scores = np.array([_agreement(seen, due[start:] - due[start], horizon) for start in starts])
    best = int(np.argmax(scores))
    others = np.delete(scores, best)
    is_clear = scores[best] >= 1.2 and (len(others) == 0 or scores[best] > others.max())
    return best if is_clear else None


def _agreement(seen: Times, due: Times, horizon: float) -> float:
    """Share of due times that were seen plus share of seen times that were due: 2 when all agree."""
    due = due[due <= min(horizon, seen[-1] + NEAR_PERIODS)]
    return _near_share(due, seen) + _near_share(seen, due)


def _near_share(times: Times, others: Times) -> float:
    """Share of `times` that have one of `others` (rising) within a quarter period; 0 of none."""
    if not len(times) or not len(others):
        return 0.0
    after = np.searchsorted(others, times)
    before = after - 1  # of the first one the last, and after the last one the first: these are further than the other
    distances = np.minimum(np.abs(times - others[before]), np.abs(times - others[after - len(others)]))
    return float((distances <= NEAR_PERIODS).mean())

"""Holds the cameras' exposures against each other: how far apart they began at one pulse, and where their middles lie.

pulse ____|_____________________________
HS    ______[ 4 ms ]____________________
VIS   _______[    8 ms    ]_____________
            |-| of the starts: what a trigger controls
               |--| of the middles: on a perfect rig half the difference of the exposures
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np

from rig.session.run import Run, Stream
from rig.verify.clocks.exposed import (
    FEWEST,
    Exposures,
    Micros,
    Source,
    above_at,
    exposures,
    in_words,
    judged,
    of_row_0_us,
    set_us,
    stale_result,
)
from rig.verify.findings import Finding, Numbers, Word, due_pulses, ranges_of
from rig.verify.numbers import in_both
from rig.verify.tolerances import limit
from rig.verify.wired import box_input

LEAST_SEEN = 0.5  # of the pulses due to both streams: with less of them seen, it counts as not measured
WAYS = "there are no ExposureActive edges, no delay result for its serial number and exposure, no declared start delay"


@dataclass(frozen=True)
class Skew:
    """How long after another stream one began to expose, at each pulse of both, us (n,)."""

    stream: str
    other: str
    pulses: Numbers
    skew_us: Micros
    error_us: float  # by which each may be wrong
    sources: tuple[Source, Source]

    def spelled(self) -> str:
        """In words; what nobody measured says so before anything else."""
        by = " and ".join(sorted(set(self.sources)))
        mark = "DECLARED, not measured: " if Source.DECLARED in self.sources else ""
        if Source.EDGES not in self.sources:
            return f"{mark}{self.skew_us[0]:+.1f} us after {self.other}, at every pulse, by {by}"
        size_us = np.abs(self.skew_us)
        worst, most_us = int(np.argmax(size_us)), float(np.percentile(size_us, 99))
        text = f"{mark}{np.median(self.skew_us):+.1f} us after {self.other} (median), 99 % within {most_us:.1f} us, "
        text += f"worst {self.skew_us[worst]:+.1f} us at pulse {self.pulses[worst]}, by {by}"
        return f"{text}; each to {self.error_us:.0f} us"


def skew_between(run: Run, stream: Stream, other: Stream) -> Skew | None:
    """How long after `other` a stream began to expose; None where nothing tells, or they have no pulse in common."""
    found, held = exposures(run, stream), exposures(run, other)
    if found is None or held is None:
        return None
    pulses, own, others = _common(found, held)
    skew_us = found.starts_us[own] - held.starts_us[others]
    sources, error_us = (found.source, held.source), found.error_us + held.error_us
    return Skew(stream.name, other.name, pulses, skew_us, error_us, sources) if len(pulses) else None


def _common(found: Exposures, other: Exposures) -> tuple[Numbers, Numbers, Numbers]:
    """Pulses of both, and their places in each."""
    pulses = in_both(found.pulses, other.pulses)
    return pulses, np.searchsorted(found.pulses, pulses), np.searchsorted(other.pulses, pulses)


def check_skew(run: Run) -> list[Finding]:
    """Each pair of cameras began to expose together at each pulse."""
    return [_skew(run, *pair) for pair in stream_pairs(run)] or [_one_camera("skew")]


def stream_pairs(run: Run) -> list[tuple[Stream, Stream]]:
    """Each stream with each other one; the base is never the first of two."""
    streams = _base_first(run)
    return [(stream, other) for place, stream in enumerate(streams) for other in streams[:place]]


def _base_first(run: Run) -> list[Stream]:
    return sorted(run.streams.values(), key=lambda stream: stream is not run.base)


def _one_camera(check: str) -> Finding:
    text = "there is one camera: nothing to hold it against"
    return Finding(check, "", Word.PASS, None, "", "1 camera", text)


def _skew(run: Run, stream: Stream, other: Stream) -> Finding:
    bound, skew = limit(run, "skew_ms"), skew_between(run, stream, other)
    said = partial(Finding, "skew", pair_name(run, stream, other), origin=bound.origin)
    is_wired = all(box_input(run, each.name) is not None for each in (stream, other))
    if skew is None:
        text = _why_unknown(run, stream, other)
        return said(Word.NOT_MEASURED, None, in_words(bound), "0 pulses", text, is_expected=is_wired)
    result = judged(skew.skew_us, bound, skew.error_us)
    where, worst_ms = ranges_of(skew.pulses[result.is_far], stream.divisor), float(skew.skew_us[result.worst]) / 1000
    looked_at, text = f"{len(skew.pulses)} pulses", skew.spelled() + above_at(where) + _stale(run, stream, other)
    silent = [each.name for each in (stream, other) if _is_silent(run, each)]
    if silent:
        text += f"; no exposure was seen on ExposureActive of {' and '.join(silent)}, which rig.yaml says is wired: "
        text += "look at its cable"
    if silent and result.word is Word.PASS:
        # A start that was measured on another day still tells; one that nobody measured does not.
        word = Word.NOT_MEASURED if Source.DECLARED in skew.sources else Word.WARN
        return said(word, worst_ms, in_words(bound), looked_at, text, is_expected=word is Word.NOT_MEASURED)
    due = len(in_both(due_pulses(run, stream), due_pulses(run, other)))
    if result.word is Word.PASS and len(skew.pulses) < LEAST_SEEN * due:
        text += f"; that is less than half of the {due} pulses that were due to both"
        return said(Word.NOT_MEASURED, worst_ms, in_words(bound), looked_at, text, is_expected=is_wired)
    return said(result.word, worst_ms, in_words(bound, skew.error_us), looked_at, text, where)


def pair_name(run: Run, stream: Stream, other: Stream) -> str:
    """What findings about a pair are called: the slower stream alone where the other one is the base."""
    return stream.name if other is run.base else f"{other.name}-{stream.name}"


def _why_unknown(run: Run, stream: Stream, other: Stream) -> str:
    unknown = [each.name for each in (stream, other) if exposures(run, each) is None]
    text = f"nothing tells when {' and '.join(unknown)} began to expose: {WAYS}" if unknown else "no pulse in common"
    return text + _stale(run, stream, other)


def _stale(run: Run, *streams: Stream) -> str:
    """What ends a sentence where a delay result is of a camera that has been set otherwise since."""
    told = [stale_result(run, stream) for stream in streams if not _is_measured(run, stream)]
    return "".join(f"; {text}: measure again" for text in told if text)


def _is_measured(run: Run, stream: Stream) -> bool:
    found = exposures(run, stream)
    return found is not None and found.source is not Source.DECLARED


def _is_silent(run: Run, stream: Stream) -> bool:
    """Whether rig.yaml names an input for its ExposureActive line, and nothing came though pulses were sent."""
    found, is_wired = exposures(run, stream), box_input(run, stream.name) is not None
    is_seen = found is not None and found.source is Source.EDGES
    return is_wired and not is_seen and len(due_pulses(run, stream)) >= FEWEST


def check_midpoints(run: Run) -> list[Finding]:
    """The middles of the exposures lie as far apart as exposure times and known delays predict."""
    return [_midpoints(run, stream) for stream in _base_first(run)[1:]] or [_one_camera("midpoints")]


def _midpoints(run: Run, stream: Stream) -> Finding:
    """Their median is judged: a single one is off where a start or a length is, which other checks tell."""
    bound, base = limit(run, "midpoint_ms"), run.base
    said = partial(Finding, "midpoints", stream.name, origin=bound.origin)
    predicted_us = _predicted_us(stream) - _predicted_us(base)
    told = f"{predicted_us:+.1f} us by exposure times and known delays"
    pulses, after_us, error_us = _middles(run, stream, base)
    if len(pulses) == 0:
        text = f"the middles of {stream.name} and {base.name} were not measured; {told}"
        is_wired = all(box_input(run, each.name) is not None for each in (stream, base))
        return said(Word.NOT_MEASURED, None, in_words(bound), "0 pulses", text, is_expected=is_wired)
    off_us = after_us - predicted_us
    median_us, worst = float(np.median(off_us)), int(np.argmax(np.abs(off_us)))
    result = judged(np.array([median_us]), bound, error_us / sqrt(len(off_us)))
    text = f"{np.median(after_us):+.1f} us after {base.name} (median), {told}; worst {off_us[worst]:+.1f} us off"
    text += f" at pulse {pulses[worst]}"
    return said(result.word, median_us / 1000, in_words(bound), f"{len(pulses)} pulses", text)


def _predicted_us(stream: Stream) -> float:
    """From a pulse to the middle of the exposure of row 0, by all that is known without measuring."""
    return stream.start_delay_us + (set_us(stream) or 0.0) / 2


def _middles(run: Run, stream: Stream, base: Stream) -> tuple[Numbers, Micros, float]:
    """Pulses at which the middles of both were measured, how long after the base's each was, and its error, us."""
    found, held = exposures(run, stream), exposures(run, base)
    if found is None or held is None:
        return np.zeros(0, np.int64), np.zeros(0), 0.0
    pulses, own, others = _common(found, held)
    middles_us = found.starts_us + of_row_0_us(found, stream) / 2
    after_us = middles_us[own] - (held.starts_us + of_row_0_us(held, base) / 2)[others]
    is_known = np.isfinite(after_us)
    errors_us = [each.error_us for each in (found, held) if each.source is Source.EDGES]
    return pulses[is_known], after_us[is_known], sum(errors_us, 0.0)

"""When each camera began to expose after a pulse and for how long: from the best that the session holds.

    ExposureActive at the box's inputs    a start and a length at each pulse
    a delay result, carried along         one start and one length for all: measured on this rig on another day
    declared delays                       one start for all: nobody measured it

A camera's own timestamps never tell it: the fit between its clock and the box's takes up any constant delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from math import sqrt
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml.error import YAMLError

from rig.config.judging import TOLERANCES
from rig.session.pulses import pulse_times
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.session.timeline import map_box
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Numbers, Word, ranges_of, spelled
from rig.verify.numbers import distinct
from rig.verify.tolerances import Limit, limit
from rig.verify.wired import box_input, yaml_of

POLLED_US = 150.0  # an input that is polled is stamped at most so late: docs/reference/wire-format.md
SAME_EXPOSURE_US = 1.0  # a delay result holds for an exposure that is the same to this
SIGMAS = 3  # of a start in a delay result: it may be so far off
FEWEST = 4  # exposures seen at an input, to say anything of a camera
EXPOSURE_TIME = ("ExposureTime", "ExposureTimeAbs")  # its name in SFNC 2 (USB) and 1 (GigE)
DELAYS = {"trigger_delay_us": "trigger", "debouncer_us": "debouncer"}  # of a delay result: of a camera's baseline
ACTIVATION = "TriggerActivation"
SAME_DELAY_US = 0.01  # a setting that a result keeps in whole ns is the same to this

Micros = NDArray[np.float64]


class Source(StrEnum):
    """What the starts of exposure of a stream rest on."""

    EDGES = "ExposureActive"
    RESULT = "a delay result"
    DECLARED = "declared delays"


@dataclass(frozen=True)
class Exposures:
    """Starts and lengths of a stream's exposures, by pulse, rising; us, of row 0. nan: not known."""

    source: Source
    pulses: Numbers  # (n,)
    starts_us: Micros  # (n,) after the pulse
    lengths_us: Micros  # (n,)
    error_us: float = 0.0  # by which each start, and each end, may be stamped early or late
    without_pulse: int = 0  # exposures that no pulse of this stream caused


_SEEN: WeakKeyDictionary[Stream, list[Exposures | None]] = WeakKeyDictionary()


def exposures(run: Run, stream: Stream) -> Exposures | None:
    """Of a stream, by the best source that there is; None when nothing tells. Read once."""
    if stream not in _SEEN:
        _SEEN[stream] = [by_edges(run, stream) or _by_result(run, stream) or _declared(stream)]
    return _SEEN[stream][0]


def by_edges(run: Run, stream: Stream) -> Exposures | None:
    """By the camera's ExposureActive line at an input of the box; None when it is not wired, or too little was seen.

    A polled input is stamped 0 to POLLED_US late. Half of that is taken off, so that starts are right in the mean.
    """
    edges, times = _edges(run, stream), pulse_times(run)
    is_own = times.numbers % stream.divisor == 0
    numbers, pulse_ticks = times.numbers[is_own], times.box_ticks[is_own]
    rises = edges["box_ticks"][edges["level"] == 1].astype(np.int64)
    if len(rises) < FEWEST or len(numbers) == 0:
        return None
    places = np.searchsorted(pulse_ticks, rises, side="right") - 1
    after_ticks = rises - pulse_ticks[np.maximum(places, 0)]
    is_caused = (places >= 0) & (after_ticks < stream.divisor * int(run.plan["period_ticks"]))
    # The first exposure after a pulse is that pulse's own: nothing asked for a second one.
    own, first = np.unique(places[is_caused], return_index=True)
    first = np.flatnonzero(is_caused)[first]
    tick_us = map_box(run).rate / 1000  # a box whose clock is off must not make exposures longer
    error_us = 0.0 if _is_timed(run, stream) else POLLED_US / 2
    starts_us, lengths_us = after_ticks[first] * tick_us - error_us, _lengths(edges, rises)[first] * tick_us
    return Exposures(Source.EDGES, numbers[own], starts_us, lengths_us, error_us, len(rises) - len(own))


def _edges(run: Run, stream: Stream) -> Rows:
    """Edges of the run at the input of a camera's ExposureActive line, in the order of their times."""
    number = box_input(run, stream.name)
    if number is None:
        return np.asarray(run.edges[:0])
    edges = run.edges[(run.edges["run_id"] == run.run_id) & (run.edges["input"] == number)]
    return np.asarray(edges[np.argsort(edges["box_ticks"], kind="stable")])


def _lengths(edges: Rows, rises: Numbers) -> NDArray[np.float64]:
    """From each rise to the fall that follows it before the next rise, box ticks; nan without one."""
    falls = np.r_[edges["box_ticks"][edges["level"] == 0].astype(np.float64), np.inf]
    ends = falls[np.searchsorted(falls, rises, side="right").clip(max=len(falls) - 1)]
    is_own = np.isfinite(ends) & (ends <= np.r_[rises[1:].astype(np.float64), np.inf])
    return np.where(is_own, ends - rises, np.nan)


def _is_timed(run: Run, stream: Stream) -> bool:
    """Whether the hardware stamps the input of a camera: the last one of a box that says it has such an input."""
    box = run.devices.get("box")
    abilities = box.get("capabilities") if isinstance(box, dict) else None
    inputs = abilities.get("inputs") if isinstance(abilities, dict) and abilities.get("timed_input") else None
    return isinstance(inputs, int) and inputs - 1 == box_input(run, stream.name)


def _by_result(run: Run, stream: Stream) -> Exposures | None:
    """By the newest delay result in the session that is of this camera at this exposure."""
    for name in sorted(run.measured, reverse=True):  # their names begin with their dates
        found = _of_camera(run.measured[name], stream)
        if found is not None and not np.isfinite(found["start_us"]):
            return None  # a newer sweep could not tell it: what an older one says may hold no more
        if found is not None:
            error_us = float(np.nan_to_num(SIGMAS * found["start_sd_us"]))
            return _constant(Source.RESULT, stream, found["start_us"], found["length_us"], error_us)
    return None


def _of_camera(text: str, stream: Stream) -> dict[str, float] | None:
    """What a delay result says of a camera as it is set now; None when it says nothing of it."""
    told, exposure_us = _told_of(text, stream), set_us(stream)
    if told is None or exposure_us is None or _other_settings(told, stream):
        return None
    found = {key: _number(told.get(key)) for key in ("exposure_us", "start_us", "length_us", "start_sd_us")}
    return found if abs(found["exposure_us"] - exposure_us) <= SAME_EXPOSURE_US else None


def _told_of(text: str, stream: Stream) -> dict[str, Any] | None:
    """What a delay result says of a camera, whatever its settings; None when the text is something else."""
    try:
        result = yaml_of(text)
    except YAMLError:
        return None
    cameras = result.get("cameras")
    if result.get("what") != "delay" or not isinstance(cameras, dict) or not stream.serial:
        return None
    own = [each for each in cameras.values() if isinstance(each, dict) and str(each.get("serial")) == stream.serial]
    return own[0] if own else None


def trigger_settings(baseline: dict[str, Any]) -> dict[str, float | str]:
    """What moves the start of exposure, of a camera's Baseline as plain data: by the names of a delay result.

    What a camera does not tell is not there.
    """
    delays, activation = baseline.get("delays", {}), baseline.get("features", {}).get(ACTIVATION)
    found: dict[str, float | str] = {key: float(delays[name]["us"]) for key, name in DELAYS.items() if name in delays}
    return found if activation is None else {**found, "activation": str(activation)}


def _other_settings(told: dict[str, Any], stream: Stream) -> str:
    """Settings of the trigger that are not as when a delay result was made, in words; empty when all are."""
    now = trigger_settings(stream.baseline)
    other = [key for key in (*DELAYS, "activation") if not _same(told.get(key), now.get(key))]
    return ", ".join(f"{key} {told.get(key, 'not told')} then, {now.get(key, 'not told')} now" for key in other)


def _same(then: Any, now: float | str | None) -> bool:
    is_number = isinstance(now, float) and np.isfinite(_number(then))
    return abs(_number(then) - float(now or 0.0)) <= SAME_DELAY_US if is_number else then == now


def stale_result(run: Run, stream: Stream) -> str:
    """Why the newest delay result of a camera is not used though it is of that camera, in words; empty: it is, or none.

    Settings of its trigger, or its exposure time, have changed since.
    """
    for name in sorted(run.measured, reverse=True):
        told, exposure_us = _told_of(run.measured[name], stream), set_us(stream)
        if told is not None:
            other = _other_settings(told, stream)
            then_us = _number(told.get("exposure_us"))
            if exposure_us is None or not abs(then_us - exposure_us) <= SAME_EXPOSURE_US:
                other = f"exposure_us {then_us:g} then, {exposure_us or 0:g} now{', ' if other else ''}{other}"
            return f"the delay result {name} of {stream.name} is stale ({other})" if other else ""
    return ""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan


def _declared(stream: Stream) -> Exposures | None:
    """By the delays that the camera said when armed; None where its start of exposure is not among them."""
    if "exposure_start" not in stream.baseline.get("delays", {}):
        return None
    return _constant(Source.DECLARED, stream, stream.start_delay_us, np.nan, 0.0)


def _constant(source: Source, stream: Stream, start_us: float, length_us: float, error_us: float) -> Exposures:
    """The same at every pulse that has a frame."""
    pulses = distinct(stream.pulse_numbers[stream.pulse_numbers != NO_PULSE])
    return Exposures(source, pulses, np.full(len(pulses), start_us), np.full(len(pulses), length_us), error_us)


def set_us(stream: Stream) -> float | None:
    """The exposure time that the camera read back when armed, us; that of its frames where it has no such feature."""
    told = told_exposure_us(stream.baseline.get("features", {}))
    if told is None and len(stream.frames):
        told = float(np.median(stream.frames["exposure_us"]))
    return told if told is not None and told > 0 else None


def told_exposure_us(features: Mapping[str, Any]) -> float | None:
    """The exposure time among the features that a camera read back, us; None where it has no such feature."""
    told = (features[name] for name in EXPOSURE_TIME if isinstance(features.get(name), int | float))
    return next(map(float, told), None)


def rows_us(stream: Stream) -> float:
    """From the start of exposure of the first row to that of the last, us: 0 for a global shutter."""
    return max(0.0, stream.row_time_us) * (stream.height - 1)


@dataclass(frozen=True)
class Judged:
    """Distances (n,) held against a limit that a lab may set, and the ceiling that it may not."""

    word: Word
    is_far: NDArray[np.bool_]
    worst: int  # its place


def judged(off_us: Micros, bound: Limit, error_us: float) -> Judged:
    """Whether distances, each stamped wrong by up to `error_us`, lie within a limit: single ones, and their median.

    A single one is far when it is so whatever its error; in the median of many the errors of single ones vanish.
    """
    error_ms = error_us / 1000
    worst = int(np.argmax(np.abs(off_us)))
    median_ms, worst_ms = abs(float(np.median(off_us))) / 1000, abs(float(off_us[worst])) / 1000
    median_error_ms = error_ms / sqrt(len(off_us))
    levels = (max(bound.value, TOLERANCES[bound.name].ceiling), Word.FAIL), (bound.value, Word.WARN)
    reached = [word for ms, word in levels if worst_ms > ms + error_ms or median_ms > ms + median_error_ms]
    return Judged(reached[0] if reached else Word.PASS, np.abs(off_us) / 1000 > bound.value + error_ms, worst)


def in_words(bound: Limit, error_us: float = 0.0) -> str:
    """A limit with the ceiling above which it fails, and what single values may lie further off."""
    text = f"{bound}; above {TOLERANCES[bound.name].ceiling:g} fails"
    return f"{text}; single ones {error_us:.0f} us more, which is their error" if error_us > 0 else text


def check_exposure_time(run: Run) -> list[Finding]:
    """Each exposure was as long as the exposure time that the camera was set to."""
    return [_exposure_time(run, stream) for stream in run.streams.values()]


def _exposure_time(run: Run, stream: Stream) -> Finding:
    bound, found, asked_us = limit(run, "exposure_ms"), exposures(run, stream), set_us(stream)
    said = partial(Finding, "exposure time", stream.name, origin=bound.origin)
    told = _told(stream, asked_us)
    if found is None or asked_us is None or np.isnan(found.lengths_us).all():
        text, is_wired = f"nothing measured how long it exposed; {told}", box_input(run, stream.name) is not None
        return said(Word.NOT_MEASURED, None, in_words(bound), "0 exposures", text, is_expected=is_wired)
    is_known = np.isfinite(found.lengths_us)
    pulses, lengths_us = found.pulses[is_known], found.lengths_us[is_known]
    error_us = 2 * found.error_us if found.source is Source.EDGES else 0.0  # of both ends
    result = judged((of_row_0_us(found, stream) - asked_us)[is_known], bound, error_us)
    where, median_us = ranges_of(pulses[result.is_far], stream.divisor), float(np.median(lengths_us))
    text = f"{median_us:.1f} us (median) by {found.source}, furthest {lengths_us[result.worst]:.1f} us at pulse"
    text += f" {pulses[result.worst]}; {told}{above_at(where)}"
    text += f"; {found.without_pulse} exposures without a pulse of its own" if found.without_pulse else ""
    looked_at = f"{len(pulses)} exposures"
    return said(result.word, median_us, in_words(bound, error_us), looked_at, text, where)


def _told(stream: Stream, asked_us: float | None) -> str:
    """What the camera says of its exposure, in words. The time between its rows is no part of it."""
    read = "it told no exposure time" if asked_us is None else f"set to {asked_us:g} us"
    row_us = stream.row_time_us
    rows = f"row time {row_us:g} us, {rows_us(stream):g} us over all rows" if row_us > 0 else "all rows at once"
    return f"{read}; {rows}"


def of_row_0_us(found: Exposures, stream: Stream) -> Micros:
    """Lengths of the exposures of row 0, us, (n,). The line of a rolling shutter may be high until its last row ends:

    what it is high longer than the exposure time set is taken for that, up to the time over all rows.
    """
    asked_us = set_us(stream)
    if asked_us is None or found.source is not Source.EDGES:
        return found.lengths_us
    return found.lengths_us - np.clip(found.lengths_us - asked_us, 0.0, rows_us(stream))


def above_at(where: tuple[tuple[int, int], ...]) -> str:
    """Pulses above a limit, in words that go on a sentence; empty without any."""
    return f"; above the limit at pulses {spelled(where)}" if where else ""

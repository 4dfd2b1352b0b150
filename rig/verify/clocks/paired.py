"""Frames with the pulses they claim, in pieces in which a camera's clock ran on: arms, and parts of one between steps.

    timestamps jump against the pulses, and stay there --+-- arrivals do not: no time passed, the clock was set
                                                         +-- so do arrivals:  the frames claim wrong pulses

Arrivals are uneven, so that only a jump of half a period or more can be told to be one of the clock alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rig.session.pulses import pulse_times
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.session.timeline import map_box
from rig.streams import NO_COUNTER, NO_PULSE
from rig.verify.findings import Numbers

BOX_HZ = 2_000_000
LEAST_STEP_PERIODS = 0.5  # a smaller jump may be an exposure at another time: arrivals cannot tell
MOST_DRIFT = 1e-4  # two clocks drift apart by less over a part not stored
FEWEST_AROUND = 10  # frames on each side; a clock that was set keeps its new time
MOST_AROUND = 100
CLEAR = 0.25  # arrivals must be so much more even than the jump is high


@dataclass(frozen=True)
class ClockStep:
    """A camera's clock was set between two frames of one arm."""

    epoch: int
    pulse: int  # of the first frame after it
    seconds: float  # by the camera's clock, forward
    is_counted: bool  # the trigger counter went on by just the pulses that the frames claim


@dataclass(frozen=True)
class Paired:
    """Frames of a stream whose claimed pulse has a known time: pulse, box ticks, camera ticks, piece, each (n,)."""

    pulses: Numbers
    box_ticks: Numbers
    camera_ticks: Numbers
    pieces: Numbers  # counts pieces of one clock, rising

    def __getitem__(self, chosen: Numbers) -> Paired:
        """Some of them, by their places."""
        return Paired(*(part[chosen] for part in (self.pulses, self.box_ticks, self.camera_ticks, self.pieces)))


_FOUND: WeakKeyDictionary[Stream, tuple[Paired, list[ClockStep]]] = WeakKeyDictionary()  # several checks ask


def paired(run: Run, stream: Stream) -> Paired:
    """The frames of `stream` with the box ticks of the pulses they claim."""
    return _found(run, stream)[0]


def clock_steps(run: Run, stream: Stream) -> list[ClockStep]:
    """Each time that the clock of a stream's camera was set while it was armed, in their order."""
    return _found(run, stream)[1]


def _found(run: Run, stream: Stream) -> tuple[Paired, list[ClockStep]]:
    """Frames and steps, looked for once."""
    if stream not in _FOUND:
        frames, box_ticks = _known(run, stream)
        steps = _steps(run, stream, frames, box_ticks)
        begins = np.diff(frames["epoch"].astype(np.int64), prepend=int(frames["epoch"][0]) if len(frames) else 0) != 0
        begins[[place for place, _ in steps]] = True
        pulses, camera_ticks = (frames[name].astype(np.int64) for name in ("pulse_number", "camera_ticks"))
        pairs = Paired(pulses, box_ticks, camera_ticks, np.cumsum(begins))
        _FOUND[stream] = pairs, [step for _, step in steps]
    return _FOUND[stream]


def by_clock(frames: Rows, steps: list[ClockStep]) -> list[Rows]:
    """Frames with a pulse, in their order, in pieces of one clock; none for no frames."""
    begins = np.diff(frames["epoch"].astype(np.int64)) != 0
    for step in steps:
        is_after = (frames["epoch"] == step.epoch) & (frames["pulse_number"] >= step.pulse)
        begins |= is_after[1:] & ~is_after[:-1]
    return [np.asarray(piece) for piece in np.split(frames, np.flatnonzero(begins) + 1)] if len(frames) else []


def _known(run: Run, stream: Stream) -> tuple[Rows, Numbers]:
    """Frame rows whose claimed pulse has a known time, and the box ticks of these pulses."""
    times, claims = pulse_times(run), stream.pulse_numbers
    if len(times.numbers) == 0 or len(claims) == 0:
        return stream.frames[:0], np.zeros(0, np.int64)
    place = np.clip(np.searchsorted(times.numbers, claims), 0, len(times.numbers) - 1)
    known = (times.numbers[place] == claims) & (claims != NO_PULSE)
    return stream.frames[known], times.box_ticks[place[known]]


def _steps(run: Run, stream: Stream, frames: Rows, box_ticks: Numbers) -> list[tuple[int, ClockStep]]:
    """Place of the first frame after each step of the clock, and the step."""
    ticks_hz = int(stream.baseline.get("ticks_hz", 0))
    if not ticks_hz or len(frames) < 2 * FEWEST_AROUND:
        return []
    jumps = _jumps(frames["camera_ticks"].astype(np.int64), box_ticks, ticks_hz)
    limits = LEAST_STEP_PERIODS * int(run.plan["period_ticks"]) + MOST_DRIFT * np.abs(np.diff(box_ticks))
    arms = np.diff(frames["epoch"].astype(np.int64)) != 0
    places = np.flatnonzero((np.abs(jumps) > limits) & ~arms) + 1
    if len(places) == 0:
        return []
    edges = np.unique(np.r_[0, places, np.flatnonzero(arms) + 1, len(frames)])
    late = map_box(run).back(frames["arrived_host_ns"].astype(np.int64)) - box_ticks
    return [
        (int(place), _step(stream, frames, int(place), jumps[place - 1] / BOX_HZ))
        for place, before, after in zip(places, *_neighbours(edges, places), strict=True)
        if _is_of_clock(jumps[place - 1], late[max(before, place - MOST_AROUND) : place], late[place:after])
    ]


def _jumps(camera_ticks: Numbers, box_ticks: Numbers, ticks_hz: int) -> NDArray[np.float64]:
    """How much more time passed between two frames by the camera than between their pulses, box ticks, (n - 1,)."""
    camera, box = np.diff(camera_ticks) * (BOX_HZ / ticks_hz), np.diff(box_ticks)
    return np.asarray(camera / usual_rate(camera, box) - box)


def usual_rate(camera: NDArray[Any], box: NDArray[Any]) -> float:
    """How fast a camera's clock goes against the box's, by intervals of both (n,): their median, 1 if that is none.

    Damaged rows may claim that no time passed by the box.
    """
    rises = box > 0
    rate = float(np.median(camera[rises] / box[rises])) if rises.any() else 1.0
    return rate if rate > 0 else 1.0


def _neighbours(edges: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
    """The edge before each place, and the one after it."""
    found = np.searchsorted(edges, places)
    return edges[found - 1], edges[found + 1]


def _is_of_clock(jump: float, before: Numbers, after: Numbers) -> bool:
    """Whether frames arrive as late after a jump of their timestamps as before it. All in box ticks."""
    after = after[:MOST_AROUND]
    if min(len(before), len(after)) < FEWEST_AROUND:
        return False
    usual, since = np.median(before), np.median(after)
    spread = max(np.median(np.abs(before - usual)), np.median(np.abs(after - since)))
    return bool(max(abs(since - usual), spread) <= CLEAR * abs(jump))


def _step(stream: Stream, frames: Rows, place: int, seconds: float) -> ClockStep:
    before, after = frames[place - 1], frames[place]
    pulses = int(after["pulse_number"]) - int(before["pulse_number"])
    has_counter = NO_COUNTER not in (int(before["counter"]), int(after["counter"]))
    counted = int(after["counter"]) - int(before["counter"])
    is_counted = has_counter and counted * stream.divisor == pulses
    return ClockStep(int(after["epoch"]), int(after["pulse_number"]), seconds, is_counted)

"""Finds which pulse the first frames of an epoch belong to; from there every frame is placed from the one before.

At the start of the run by the preamble: its group starts are 1, 2 and 3 slowest periods apart, so the first frames
tell which pulse the first one was, even when the first was missed. A camera that comes back in mid-run has seen no
preamble: it is anchored by the host's clock, by a reading of its own clock at arm, or by when its frames arrive. Where
its ExposureActive line at an input of the box says the same, the anchor is as good as the preamble.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rig.cameras.camera import Baseline, TicksMark
from rig.record.box_times import TICK_NS, BoxTimes
from rig.record.lateness import Lateness
from rig.streams import NO_COUNTER, Edge, Evidence, Frame
from rig.trigger.box import PREAMBLE, TICKS_HZ, PulsePlan

ANCHOR_SLOTS = len(PREAMBLE) + 1  # so many slowest periods show where in the preamble the first frame lay
GHOSTS_BEFORE = 4  # so many of the first frames are tried as the first one that a pulse caused
MAX_RATE_ERROR = 0.01  # the box's resonator is of the 0.5 % class, a camera's crystal far better
MEASURES_RATE = 3  # frames of the preamble
RATE_DRIFT = 100e-6  # how much a rate that was measured may have changed since
NEAR = 0.25  # of a base period: further from its slot a frame belongs to no pulse
ARRIVALS_S = 1.0  # so long frames of a camera that came back are collected: the quickest of them counts
MAP_ERROR_TICKS = TICKS_HZ // 1000  # how far host times may be off on the box's clock, see docs/explanation
FEWEST_EDGES = 0.5  # of the frames so many must have their exposure told by then

PulseAt = Callable[[int], int | None]  # which pulse the plan sends so many periods of the stream after pulse 0


@dataclass(frozen=True)
class Anchor:
    """Where the chain of timestamps begins."""

    first: int  # which of the waiting frames; those before it are ghosts
    box_ticks: int  # of its pulse, since pulse 0
    rate: float  # box ticks to a camera tick
    rate_error: float
    strongest: Evidence  # that frames placed from here can have


class Anchoring(ABC):
    """How the first frames of an epoch are placed."""

    @abstractmethod
    def is_ready(self, frames: Sequence[Frame]) -> bool:
        """Whether these frames, the first ones of the epoch, are enough."""

    @abstractmethod
    def find(self, frames: Sequence[Frame]) -> Anchor | None:
        """Place them; None when nothing proves where they belong, and nothing will."""


def counter_index(baseline: Baseline, frame: Frame) -> int:
    """How many of this stream's pulses the counter saw before this frame's; NO_COUNTER without one."""
    return NO_COUNTER if baseline.counter == NO_COUNTER else frame.counter - baseline.counter - 1


class ByPreamble(Anchoring):
    """By the spacing of the preamble's groups.

    Of all choices the one under which most frames fall on pulses and fewest pulses lack a frame; the counter
    decides between equals. A frame before the chosen one is a ghost.
    """

    def __init__(self, divisor: int, plan: PulsePlan, baseline: Baseline, pulse_at: PulseAt) -> None:
        self._divisor, self._plan, self._baseline, self._pulse_at = divisor, plan, baseline, pulse_at
        self._nominal = TICKS_HZ / baseline.ticks_hz

    def is_ready(self, frames: Sequence[Frame]) -> bool:
        """See Anchoring.is_ready."""
        elapsed = (frames[-1].camera_ticks - frames[0].camera_ticks) * self._nominal
        return elapsed >= (ANCHOR_SLOTS - 0.5) * self._plan.slot_ticks

    def find(self, frames: Sequence[Frame]) -> Anchor:
        """See Anchoring.find; there is always a choice."""
        ticks = [frame.camera_ticks for frame in frames]
        reach = (ANCHOR_SLOTS + 0.5) * self._plan.slot_ticks / self._nominal
        choices: list[tuple[tuple[int, bool, int, int], float]] = []
        for first, frame in enumerate(frames[:GHOSTS_BEFORE]):
            counted = counter_index(self._baseline, frame)
            near = [t for t in ticks[first:] if t - ticks[first] <= reach]
            for start in range(ANCHOR_SLOTS * self._plan.group // self._divisor):
                score, rate = self._score(start, near)
                choices.append(((score - first, start == counted, -first, -start), rate))
        (_, _, first, start), rate = max(choices, key=lambda choice: choice[0])
        error = RATE_DRIFT if rate != self._nominal else MAX_RATE_ERROR
        return Anchor(-first, -start * self._divisor * self._plan.period_ticks, rate, error, Evidence.COUNTER)

    def _score(self, start: int, ticks: list[int]) -> tuple[int, float]:
        """Frames on pulses, less frames on none and pulses without a frame; and the rate that fits them best."""
        step = self._divisor * self._plan.period_ticks
        moved = [(t - ticks[0]) * self._nominal for t in ticks]
        steps = [start + round(m / step) for m in moved]
        rate = (steps[-1] - start) * step / (moved[-1] or 1)
        if len(ticks) < MEASURES_RATE or abs(rate - 1) > MAX_RATE_ERROR:
            rate = 1.0
        near = NEAR * self._plan.period_ticks
        hit = [
            n
            for m, n in zip(moved, steps, strict=True)
            if self._pulse_at(n) is not None and abs(m * rate - (n - start) * step) <= near
        ]
        window = ANCHOR_SLOTS * self._plan.group // self._divisor  # a hole behind the preamble says nothing about it
        due = sum(self._pulse_at(n) is not None for n in range(min(steps[-1] + 1, window)))
        missing = due - len({n for n in hit if n < window})
        return 2 * len(hit) - len(ticks) - missing, self._nominal * rate


class InMidRun(Anchoring):
    """A camera that came back. Ticks are the box's since pulse 0.

    `step_ticks`: the period of its stream. `rate`: box ticks to a tick of this camera, as measured before it was lost.
    `lateness`: of its frames, too. `exposures`: its edges since it was asked to arm again, none if any may be missing.
    """

    def __init__(
        self,
        step_ticks: int,
        plan: PulsePlan,
        baseline: Baseline,
        rate: float,
        times: BoxTimes,
        lateness: Lateness,
        exposures: Callable[[], Sequence[Edge]],
    ) -> None:
        self._step_ticks, self._plan, self._baseline = step_ticks, plan, baseline
        self._rate, self._times, self._lateness, self._exposures = rate, times, lateness, exposures

    def is_ready(self, frames: Sequence[Frame]) -> bool:
        """See Anchoring.is_ready."""
        return frames[-1].camera_ticks - frames[0].camera_ticks >= ARRIVALS_S * self._baseline.ticks_hz

    def find(self, frames: Sequence[Frame]) -> Anchor | None:
        """See Anchoring.find."""
        if not self._times.is_known:
            return None
        at = self._by_its_clock(frames)
        if at is None:
            at = self._by_arrivals(frames)
        if at is None:
            return None
        evidence = Evidence.TIMESTAMPS if self._was_exposed_at(at, frames) else Evidence.HOST_ARRIVAL
        return Anchor(0, at, self._rate, RATE_DRIFT, evidence)

    def _by_its_clock(self, frames: Sequence[Frame]) -> int | None:
        """When the first frame was triggered, as its clock was read at arm between two readings of the host's."""
        if not self._baseline.clock_pairs:
            return None
        pair = min(self._baseline.clock_pairs, key=lambda p: p.host_after_ns - p.host_before_ns)
        width = (pair.host_after_ns - pair.host_before_ns) / TICK_NS
        read_at = self._times.ticks_at((pair.host_before_ns + pair.host_after_ns) // 2)
        frame, late_us = frames[0], 0.0
        if self._baseline.ticks_mark is TicksMark.EXPOSURE_END:
            late_us = frame.exposure_us
        box_ticks = read_at + (frame.camera_ticks - pair.reading) * self._rate - late_us * TICKS_HZ / 1e6
        at = round(box_ticks / self._step_ticks) * self._step_ticks
        is_sure = abs(box_ticks - at) + width / 2 + MAP_ERROR_TICKS < self._step_ticks / 2
        return at if is_sure and self._quickest(frames) >= at - MAP_ERROR_TICKS else None

    def _by_arrivals(self, frames: Sequence[Frame]) -> int | None:
        """When the first frame was triggered, as the quickest frame arrives as late as quick ones always did."""
        if not self.is_ready(frames) or not self._lateness.is_under(self._step_ticks / 2):
            return None
        return round((self._quickest(frames) - self._lateness.least) / self._step_ticks) * self._step_ticks

    def _quickest(self, frames: Sequence[Frame]) -> float:
        """When the first frame would have arrived, had it been as quick as the quickest."""
        first = frames[0].camera_ticks
        return min(self._times.ticks_at(f.arrived_host_ns) - (f.camera_ticks - first) * self._rate for f in frames)

    def _was_exposed_at(self, at: int, frames: Sequence[Frame]) -> bool:
        """Whether its first exposure was at this pulse, and there is one for each of its frames, as far as was told."""
        edges = self._exposures()
        if not edges or self._times.due_ticks(edges[0].last_pulse) != at:
            return False
        near, first = NEAR * self._plan.period_ticks, frames[0].camera_ticks
        exposed = [edge.box_ticks - edges[0].box_ticks for edge in edges]
        due = [ticks for f in frames if (ticks := (f.camera_ticks - first) * self._rate) <= exposed[-1] + near]
        is_seen = all(min(abs(ticks - seen) for seen in exposed) <= near for ticks in due)
        return is_seen and len(due) >= FEWEST_EDGES * len(frames)

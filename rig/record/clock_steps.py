"""Whether a camera's clock was set, where a frame's timestamp says another pulse than its number and counter do.

    its clock was set          --> all frames from here on are off, and lie on pulses if that is taken back
    it is a ghost              --> the frames after it are on pulses as they are
    an edge was lost unseen, or its clock was set by whole periods --> either way all are on pulses: no clock of the
                                   camera can tell, the host's can, by the quickest arrival of a second

A trigger counter tells the first two at once as well. It is blind to the third where it sits behind the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from rig.record.lateness import Lateness
from rig.streams import Frame
from rig.trigger.box import TICKS_HZ

LOOKS = 8  # so many frames are seen to be on pulses or not
CLEAR = 2  # so many more on the one side settle it: a ghost is a single frame
WINDOW_S = 1.0  # of so long the quickest arrival counts


class Ruling(Enum):
    """What is known of a clock that is in doubt."""

    OPEN = "more frames must be seen"
    GOES_ON = "it was not set"
    UNPROVEN = "it goes on as far as can be told: edges lost unseen are common, steps of whole periods are not"
    WAS_SET = "it was set"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A frame's place in box ticks since pulse 0, by its clock and by its number or counter."""

    by_clock: float
    by_count: int
    after_pulse: int  # the last one that has a frame
    before_pulse: int | None  # the plan is not known from there on
    alone: int  # so many frames, itself counted, come before the next one in doubt


class ClockSteps:
    """Settles such doubts for one stream. Ticks are the box's; `near` is how far from its pulse a frame may lie."""

    def __init__(self, step_ticks: int, near: float, pulse_at: Callable[[int], int | None], lateness: Lateness) -> None:
        self._step_ticks, self._near, self._pulse_at, self._lateness = step_ticks, near, pulse_at, lateness

    def rule(self, doubt: Doubt, frames: Sequence[Frame], rate: float, *, is_final: bool) -> Ruling:
        """Settle a doubt of the first of these frames. `rate`: box ticks to one of the camera's. `is_final`: no more
        will come.
        """
        by_clock = self._on_pulses(doubt, doubt.by_clock, frames, rate)
        by_count = self._on_pulses(doubt, doubt.by_count, frames, rate)
        if by_clock is None or by_count is None:
            return Ruling.UNPROVEN if is_final else Ruling.OPEN
        if abs(by_clock - by_count) >= CLEAR:
            return Ruling.GOES_ON if by_clock > by_count else Ruling.WAS_SET
        if is_final and not by_clock and by_count:
            return Ruling.GOES_ON  # more likely a last ghost than a clock set before the last frame
        if len(frames) < LOOKS and not is_final:
            return Ruling.OPEN
        return self._by_arrival(
            doubt, list(islice(frames, doubt.alone)), rate, can_wait=doubt.alone == len(frames) and not is_final
        )

    def _on_pulses(self, doubt: Doubt, first: float, frames: Sequence[Frame], rate: float) -> int | None:
        """How many of the first frames lie on pulses, if the first of all is there; None where no plan reaches."""
        hits, last, ticks, box_ticks = 0, doubt.after_pulse, frames[0].camera_ticks, first
        for frame in islice(frames, LOOKS):
            at = box_ticks + (frame.camera_ticks - ticks) * rate
            step = round(at / self._step_ticks)
            pulse = self._pulse_at(step)
            if pulse is None or pulse <= last or abs(at - step * self._step_ticks) > self._near:
                continue
            if doubt.before_pulse is not None and pulse >= doubt.before_pulse:
                return None
            hits, last, ticks, box_ticks = hits + 1, pulse, frame.camera_ticks, step * self._step_ticks
        return hits

    def _by_arrival(self, doubt: Doubt, frames: Sequence[Frame], rate: float, *, can_wait: bool) -> Ruling:
        """By whether the quickest frame would have come earlier than any ever did, by half the difference at least.

        That it came early is certain at once; that none did is known after a second.
        """
        apart, first = doubt.by_clock - doubt.by_count, frames[0].camera_ticks
        dues = [(doubt.by_clock + (f.camera_ticks - first) * rate, f.arrived_host_ns) for f in frames]
        exposure = frames[0].exposure_us * TICKS_HZ / 1e6  # no frame arrives before it is exposed
        later = self._lateness.later_than_ever(dues, exposure, abs(apart) / 2)
        if later is not None and later < -1.5 * abs(apart):
            later = None  # too early for both: the quickest so far was slow
        if later is not None and later < -apart / 2:
            return Ruling.WAS_SET if apart > 0 else Ruling.GOES_ON
        is_whole = dues[-1][0] - dues[0][0] >= WINDOW_S * TICKS_HZ
        if can_wait and not is_whole:
            return Ruling.OPEN
        if later is None:
            return Ruling.UNPROVEN
        if apart < 0:
            return Ruling.WAS_SET
        is_measured = is_whole and self._lateness.has_second
        return Ruling.GOES_ON if is_measured and later < apart / 2 else Ruling.UNPROVEN

"""Decides which pulse each frame of one stream belongs to, as it arrives, and what is missing between two.

    camera ticks --(rate, anchor)--> box ticks since pulse 0 --> nearest slot of the plan --> pulse, or an extra
    trigger counter ----------------------------------------------------> confirms it, or shows a lost edge

The anchor is the preamble: its group starts are 1, 2 and 3 slowest periods apart, so the first frames tell which
pulse the first one was, even when the first was missed. From there each frame is placed from the one before it.
The postamble can only be placed once it is known where the body ended; frames wait for that, at most its length.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from rig.cameras.camera import Baseline
from rig.errors import DeviceNotReady
from rig.streams import NO_COUNTER, NO_PULSE, Evidence, Frame, Gap, GapCause
from rig.trigger.box import PREAMBLE, TICKS_HZ, PulsePlan

ANCHOR_SLOTS = len(PREAMBLE) + 1  # so many slowest periods show where in the preamble the first frame lay
RATE_AFTER_S = 1.0  # the camera's rate is measured once so much of it has been seen
NEAR = 0.25  # of a base period: further from its slot a frame belongs to no pulse


@dataclass(slots=True)
class Placed:
    """A frame with its pulse, and the hole that lies before it."""

    frame: Frame
    pulse: int  # NO_PULSE: an extra
    evidence: Evidence
    after_pulse: int  # for an extra: the stream's last pulse before it
    gap: Gap | None = None


class Pairing:
    """One stream's pulse numbers, in one epoch."""

    def __init__(self, stream: str, divisor: int, plan: PulsePlan, baseline: Baseline) -> None:
        """Raises DeviceNotReady for a camera without timestamps: nothing would prove its pulse numbers."""
        if not baseline.ticks_hz:
            raise DeviceNotReady(f"camera {stream}", "has no timestamps", allowed="a camera with timestamps")
        self.stream, self.divisor = stream, divisor
        self._plan, self._baseline = plan, baseline
        self._nominal = self._rate = TICKS_HZ / baseline.ticks_hz
        self._waiting: deque[Frame] = deque()
        self._origin: tuple[int, int] | None = None  # camera ticks and box ticks of the first placed frame
        self._last: tuple[int, int] = (0, 0)  # the same of the last one
        self._last_pulse = -divisor
        self._next_number = baseline.first_frame_number
        self._numbers_missing = 0
        self._counter_shift = 0  # edges that the counter missed, less those it saw too many
        self._held_from: int | None = None

    @property
    def last_pulse(self) -> int:
        """The last pulse that has a frame; negative before the first."""
        return self._last_pulse

    def place(self, frame: Frame) -> list[Placed]:
        """Take the next frame; give all whose pulse is decided now, in order."""
        self._waiting.append(frame)
        if self._origin is None and not self._can_anchor():
            return []
        return self._place_waiting()

    def hold(self, from_pulse: int) -> None:
        """The end of the body is not known, but it does not lie before `from_pulse`: place nothing after that."""
        self._held_from = from_pulse

    def ended(self, pulses_sent: int | None) -> list[Placed]:
        """The run is over after `pulses_sent` (None: nobody knows); place what waits."""
        if pulses_sent is not None:
            groups = pulses_sent // self._plan.group - 2 * sum(PREAMBLE)
            self._plan = replace(self._plan, body_groups=max(groups, 0))
        self._held_from = None
        return self._place_waiting()

    def close(self, pulses_sent: int | None, cause: GapCause) -> Gap | None:
        """The hole after the last frame, when it is known how many pulses were sent."""
        return self._gap(pulses_sent, cause) if pulses_sent else None

    def _can_anchor(self) -> bool:
        elapsed = (self._waiting[-1].camera_ticks - self._waiting[0].camera_ticks) * self._nominal
        return elapsed >= (ANCHOR_SLOTS - 0.5) * self._plan.slot_ticks

    def _place_waiting(self) -> list[Placed]:
        if self._origin is None and self._waiting:
            self._anchor()
        placed: list[Placed] = []
        while self._waiting:
            done = self._place(self._waiting[0])
            if done is None:
                break
            self._waiting.popleft()
            placed.append(done)
        return placed

    def _anchor(self) -> None:
        """Choose the pulse of the first frame: the one under which most frames fall on pulses and fewest lack."""
        step = self.divisor * self._plan.period_ticks
        first = self._waiting[0].camera_ticks
        moved = [(f.camera_ticks - first) * self._nominal for f in self._waiting]
        starts = range(ANCHOR_SLOTS * self._plan.group // self.divisor)
        counted = self._counter_index(self._waiting[0])
        best = max(starts, key=lambda k: (self._score(k * step, moved), k == counted, -k))
        self._origin = self._last = (first, best * step)

    def _score(self, start: int, moved: list[float]) -> int:
        """Frames on pulses, less frames on none and pulses between without a frame."""
        step = self.divisor * self._plan.period_ticks
        steps = [round((start + m) / step) for m in moved]
        pulses = [self._pulse_at(n) for n in steps]
        off = sum(
            p is None or abs(start + m - n * step) > NEAR * self._plan.period_ticks
            for p, m, n in zip(pulses, moved, steps, strict=True)
        )
        due = sum(self._pulse_at(n) is not None for n in range(steps[-1] + 1))
        return len(moved) - off - abs(due - (len(moved) - off))

    def _pulse_at(self, step: int) -> int | None:
        """The pulse that the plan sends `step` periods of this stream after pulse 0."""
        slot, within = divmod(step * self.divisor, self._plan.group)
        return self._plan.pulse_in_slot(slot, within)

    def _place(self, frame: Frame) -> Placed | None:
        """Place one frame; None while the plan does not reach that far yet."""
        step_ticks = self.divisor * self._plan.period_ticks
        box_ticks = self._last[1] + (frame.camera_ticks - self._last[0]) * self._rate
        step = round(box_ticks / step_ticks)
        pulse = self._pulse_at(step)
        if self._held_from is not None and pulse is not None and pulse >= self._held_from:
            return None
        self._note_number(frame)
        is_near = abs(box_ticks - step * step_ticks) <= NEAR * self._plan.period_ticks
        if pulse is None or not is_near or pulse <= self._last_pulse:
            return self._extra(frame, box_ticks)
        gap = self._gap(pulse, None)
        self._numbers_missing = 0
        self._last_pulse = pulse
        self._advance(frame.camera_ticks, step * step_ticks)
        return Placed(frame, pulse, self._evidence(frame, pulse), pulse, gap)

    def _extra(self, frame: Frame, box_ticks: float) -> Placed:
        step = int(box_ticks // (self.divisor * self._plan.period_ticks))
        before = next((p for n in range(step, -1, -1) if (p := self._pulse_at(n)) is not None), NO_PULSE)
        return Placed(frame, NO_PULSE, Evidence.TIMESTAMPS, max(before, self._last_pulse))

    def _note_number(self, frame: Frame) -> None:
        """Count the camera's own numbers that were jumped over."""
        missing = frame.frame_number - self._next_number
        if self._baseline.number_modulus:
            missing %= self._baseline.number_modulus
        self._numbers_missing += max(missing, 0)
        self._next_number = frame.frame_number + 1

    def _advance(self, camera_ticks: int, box_ticks: int) -> None:
        assert self._origin is not None
        self._last = (camera_ticks, box_ticks)
        seen = camera_ticks - self._origin[0]
        if seen >= RATE_AFTER_S * self._baseline.ticks_hz:
            self._rate = (box_ticks - self._origin[1]) / seen

    def _counter_index(self, frame: Frame) -> int:
        """How many of this stream's pulses the counter saw before this frame's; NO_COUNTER without one."""
        if self._baseline.counter == NO_COUNTER:
            return NO_COUNTER
        return frame.counter - self._baseline.counter - 1

    def _evidence(self, frame: Frame, pulse: int) -> Evidence:
        """COUNTER while the counter agrees; where it does not, an edge was lost or added on the wire."""
        counted = self._counter_index(frame)
        if counted == NO_COUNTER:
            return Evidence.TIMESTAMPS
        shift = pulse // self.divisor - counted
        agrees = shift == self._counter_shift
        self._counter_shift = shift
        return Evidence.COUNTER if agrees else Evidence.TIMESTAMPS

    def _gap(self, next_pulse: int, cause: GapCause | None) -> Gap | None:
        """The pulses between the last frame and `next_pulse`; their cause from the camera's numbers unless given."""
        first, last = self._last_pulse + self.divisor, next_pulse - 1
        last -= last % self.divisor
        if last < first:
            return None
        missing = (last - first) // self.divisor + 1
        cause = self._cause(missing) if cause is None else cause
        return Gap(self.stream, first, last, cause, self._numbers_missing)

    def _cause(self, missing: int) -> GapCause:
        if not self._numbers_missing:
            return GapCause.NOT_EXPOSED
        return GapCause.LOST_AFTER_EXPOSURE if self._numbers_missing >= missing else GapCause.MIXED

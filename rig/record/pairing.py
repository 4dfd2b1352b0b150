"""Decides which pulse each frame of one stream belongs to, as it arrives, and what is missing between two.

    camera ticks --(rate, anchor)--> box ticks since pulse 0 --> nearest slot of the plan --> pulse, or an extra
    trigger counter ----------------------------------------------------> confirms it, or shows a lost edge

The anchor is the preamble: its group starts are 1, 2 and 3 slowest periods apart, so the first frames tell which
pulse the first one was, even when the first was missed. From there each frame is placed from the one before it.
The postamble can only be placed once it is known where the body ended; frames wait for that, at most its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rig.cameras.camera import Baseline
from rig.errors import DeviceNotReady
from rig.streams import NO_COUNTER, NO_PULSE, Evidence, Frame, Gap, GapCause, Pulse
from rig.trigger.box import PREAMBLE, TICKS_HZ, PulsePlan

ANCHOR_SLOTS = len(PREAMBLE) + 1  # so many slowest periods show where in the preamble the first frame lay
GHOSTS_BEFORE = 4  # so many of the first frames are tried as the first one that a pulse caused
MAX_RATE_ERROR = 0.01  # the box's resonator is of the 0.5 % class, a camera's crystal far better
MEASURES_RATE = 3  # frames of the preamble
RATE_DRIFT = 100e-6  # how much a rate that was measured may have changed since
RATE_AFTER_S = 1.0  # the rate from the preamble is bettered once so much has been seen
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
        self._rate_error = MAX_RATE_ERROR
        self._waiting: deque[Frame] = deque()
        self._origin: tuple[int, int] | None = None  # camera ticks and box ticks of the first placed frame
        self._last: tuple[int, int] = (0, 0)  # the same of the last one
        self._last_pulse = -divisor
        self._next_number = baseline.first_frame_number
        self._numbers_missing = 0
        self._counter_shift = 0  # edges that the counter missed, less those it saw too many
        self._held_from: int | None = None
        self._told: dict[int, int] = {}  # pulses of a run whose end is not known, by base periods after pulse 0

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

    def ended(self, pulses_sent: int | None, told: Sequence[Pulse] = ()) -> list[Placed]:
        """The run is over after `pulses_sent` (None: nobody knows); place what waits.

        When nobody knows where the body ended, frames that waited for that belong to pulses that were `told`: the
        first of the body, the others after it. A frame on none of them belongs to no known pulse.
        """
        if pulses_sent is not None:
            groups = pulses_sent // self._plan.group - 2 * sum(PREAMBLE)
            self._plan = replace(self._plan, body_groups=max(groups, 0))
        elif self._held_from is not None:
            self._told = self._steps_of(told)
            return self._place_known()
        self._held_from = None
        return self._place_waiting()

    def _place_known(self) -> list[Placed]:
        placed = self._place_waiting()
        while self._waiting:
            frame = self._waiting.popleft()
            self._note_number(frame)
            placed.append(Placed(frame, NO_PULSE, Evidence.NONE, self._last_pulse))
            placed += self._place_waiting()
        return placed

    def _steps_of(self, told: Sequence[Pulse]) -> dict[int, int]:
        """Pulse numbers by base periods after pulse 0; those between two told are known where no silence is."""
        if not told:
            return {}
        first = told[0]
        group, within = divmod(first.pulse_number, self._plan.group)
        slots = (slot for slot in range(group + len(PREAMBLE)) if self._plan.group_in_slot(slot) == group)
        start = next(slots) * self._plan.group + within
        steps = {start + round((p.box_ticks - first.box_ticks) / self._plan.period_ticks): p.pulse_number for p in told}
        for (step, pulse), (later, beyond) in pairwise(list(steps.items())):
            if later - step == beyond - pulse:
                steps.update(zip(range(step, later), range(pulse, beyond), strict=True))
        return steps

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
        """Choose which of the first frames lies on which pulse, and how fast the camera's clock runs.

        Of all choices the one under which most frames fall on pulses and fewest pulses lack a frame; the counter
        decides between equals. A frame before the chosen one is a ghost.
        """
        ticks = [frame.camera_ticks for frame in self._waiting]
        reach = (ANCHOR_SLOTS + 0.5) * self._plan.slot_ticks / self._nominal
        choices: list[tuple[tuple[int, bool, int, int], float]] = []
        for first, frame in enumerate(list(self._waiting)[:GHOSTS_BEFORE]):
            counted, near = self._counter_index(frame), [t for t in ticks[first:] if t - ticks[first] <= reach]
            for start in range(ANCHOR_SLOTS * self._plan.group // self.divisor):
                score, rate = self._score(start, near)
                choices.append(((score - first, start == counted, -first, -start), rate))
        (_, _, first, start), self._rate = max(choices, key=lambda choice: choice[0])
        self._rate_error = RATE_DRIFT if self._rate != self._nominal else MAX_RATE_ERROR
        self._origin = self._last = (ticks[-first], -start * self.divisor * self._plan.period_ticks)

    def _score(self, start: int, ticks: list[int]) -> tuple[int, float]:
        """Frames on pulses, less frames on none and pulses without a frame; and the rate that fits them best."""
        step = self.divisor * self._plan.period_ticks
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
        window = ANCHOR_SLOTS * self._plan.group // self.divisor  # a hole behind the preamble says nothing about it
        due = sum(self._pulse_at(n) is not None for n in range(min(steps[-1] + 1, window)))
        missing = due - len({n for n in hit if n < window})
        return 2 * len(hit) - len(ticks) - missing, self._nominal * rate

    def _pulse_at(self, step: int) -> int | None:
        """The pulse that the plan sends `step` periods of this stream after pulse 0."""
        if (told := self._told.get(step * self.divisor)) is not None:
            return told
        slot, within = divmod(step * self.divisor, self._plan.group)
        return self._plan.pulse_in_slot(slot, within)

    def _place(self, frame: Frame) -> Placed | None:
        """Place one frame; None while the plan does not reach that far yet."""
        step_ticks = self.divisor * self._plan.period_ticks
        moved = (frame.camera_ticks - self._last[0]) * self._rate
        box_ticks = self._last[1] + moved
        step = round(box_ticks / step_ticks)
        pulse = self._pulse_at(step)
        near = NEAR * self._plan.period_ticks
        is_told = step * self.divisor in self._told
        if self._held_from is not None and pulse is not None and pulse >= self._held_from and not is_told:
            return None
        self._note_number(frame)
        if pulse is None or abs(box_ticks - step * step_ticks) > near or pulse <= self._last_pulse:
            return self._extra(frame, box_ticks)
        evidence = self._evidence(frame, pulse, is_sure=moved * self._rate_error <= near)
        gap = self._gap(pulse, None)
        self._numbers_missing = 0
        self._last_pulse = pulse
        self._advance(frame.camera_ticks, step * step_ticks)
        return Placed(frame, pulse, evidence, pulse, gap)

    def _extra(self, frame: Frame, box_ticks: float) -> Placed:
        step = int(box_ticks // (self.divisor * self._plan.period_ticks))
        before = next((p for n in range(step, -1, -1) if (p := self._pulse_at(n)) is not None), NO_PULSE)
        return Placed(frame, NO_PULSE, Evidence.TIMESTAMPS, max(before, self._last_pulse))

    def _note_number(self, frame: Frame) -> None:
        """Count the camera's own numbers that were jumped over."""
        self._numbers_missing += max(self._baseline.numbers_skipped(self._next_number, frame.frame_number), 0)
        self._next_number = self._baseline.number_after(frame.frame_number)

    def _advance(self, camera_ticks: int, box_ticks: int) -> None:
        assert self._origin is not None
        self._last = (camera_ticks, box_ticks)
        seen = camera_ticks - self._origin[0]
        if seen >= RATE_AFTER_S * self._baseline.ticks_hz:
            self._rate = (box_ticks - self._origin[1]) / seen
            self._rate_error = RATE_DRIFT

    def _counter_index(self, frame: Frame) -> int:
        """How many of this stream's pulses the counter saw before this frame's; NO_COUNTER without one."""
        if self._baseline.counter == NO_COUNTER:
            return NO_COUNTER
        return frame.counter - self._baseline.counter - 1

    def _evidence(self, frame: Frame, pulse: int, *, is_sure: bool) -> Evidence:
        """COUNTER while counter and timestamps agree; where they do not, an edge was lost or added on the wire.

        After a hole so long that the clocks may have drifted apart (`is_sure` False), timestamps alone prove nothing.
        """
        counted = self._counter_index(frame)
        by_time = Evidence.TIMESTAMPS if is_sure else Evidence.NONE
        if counted == NO_COUNTER:
            return by_time
        shift = pulse // self.divisor - counted
        agrees = shift == self._counter_shift
        self._counter_shift = shift
        return Evidence.COUNTER if agrees else by_time

    def _gap(self, next_pulse: int, cause: GapCause | None) -> Gap | None:
        """The pulses between the last frame and `next_pulse`; their cause from the camera's numbers unless given."""
        first, last = self._last_pulse + self.divisor, next_pulse - 1
        last -= last % self.divisor
        if last < first:
            return None
        missing = (last - first) // self.divisor + 1
        cause = self._cause(missing) if cause is None else cause
        return Gap(self.stream, first, last, cause, self._numbers_missing, missing)

    def _cause(self, missing: int) -> GapCause:
        if not self._numbers_missing:
            return GapCause.NOT_NUMBERED
        return GapCause.LOST_AFTER_EXPOSURE if self._numbers_missing >= missing else GapCause.MIXED

"""Decides which pulse each frame of one stream belongs to, as it arrives, and what is missing between two.

    camera ticks --(rate, anchor)--> box ticks since pulse 0 --> nearest slot of the plan --> pulse, or an extra
    trigger counter ----------------------------------------------------> confirms it, or shows a lost edge

The anchor is the preamble, or what `anchoring` finds for a camera that came back. From there each frame is placed
from the one before it. The postamble can only be placed once it is known where the body ended; frames wait for that,
at most its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from rig.cameras.camera import Baseline
from rig.record.anchoring import MAX_RATE_ERROR, NEAR, RATE_DRIFT, Anchoring, ByPreamble, InMidRun, counter_index
from rig.record.box_times import BoxTimes
from rig.record.lateness import Lateness
from rig.record.pairs import Pairs, Placed
from rig.streams import NO_COUNTER, NO_PULSE, Edge, Evidence, Frame, Gap, GapCause, Pulse, Status
from rig.trigger.box import POSTAMBLE, PREAMBLE, TICKS_HZ, PulsePlan

RATE_AFTER_S = 1.0  # the rate from the preamble is bettered once so much has been seen
BEFORE_ARM_S = 0.25  # a frame exposed so long before its camera's clock was read at arm is of the arm before
STEP_S = 0.75  # so much less time between two arrivals than between their timestamps: the camera's clock was set


class Pairing(Pairs):
    """One stream's pulse numbers by its camera's timestamps."""

    def __init__(
        self, stream: str, divisor: int, plan: PulsePlan, baseline: Baseline, times: BoxTimes | None = None
    ) -> None:
        self.stream, self.divisor = stream, divisor
        self._plan, self._baseline = plan, baseline
        self._times = times or BoxTimes(plan)
        self._lateness = Lateness(self._times)
        self._rate, self._rate_error = TICKS_HZ / baseline.ticks_hz, MAX_RATE_ERROR
        self._last_pulse = -divisor
        self._unplaced = 0  # frames of unknown pulses since then
        self._held_from: int | None = None
        self._told: dict[int, int] = {}  # pulses of a run whose end is not known, by base periods after pulse 0
        self._returning: InMidRun | None = None  # while a camera that came back has not been anchored
        self._anchor_with(ByPreamble(divisor, plan, baseline, self._pulse_at), baseline)

    def _anchor_with(self, anchoring: Anchoring, baseline: Baseline) -> None:
        """An epoch begins."""
        self._anchoring, self._baseline = anchoring, baseline
        self._waiting: deque[Frame] = deque()
        self._origin: tuple[int, int] | None = None  # camera ticks and box ticks of the first placed frame
        self._last: tuple[int, int] = (0, 0)  # the same of the last one
        self._last_frame: Frame | None = None
        self._strongest = Evidence.COUNTER
        self._is_unknown = False  # nothing proves the pulses of this epoch
        self._next_number = baseline.first_frame_number
        self._numbers_missing = self._damaged = 0
        self._counter_shift = 0  # edges that the counter missed, less those it saw too many

    @property
    def last_pulse(self) -> int:
        """See Pairs.last_pulse."""
        return self._last_pulse

    def place(self, frame: Frame) -> list[Placed]:
        """See Pairs.place."""
        if frame.status is not Status.OK:
            self._damaged += 1
            return []
        stale = self._stale_before(frame)
        self._waiting.append(frame)
        if self._origin is None and not self._is_unknown and not self._anchoring.is_ready(self._waiting):
            return stale
        return stale + self._place_waiting()

    def _stale_before(self, frame: Frame) -> list[Placed]:
        """Frames of a former arm that the driver delivered before this one, the first of the present arm."""
        if self._origin is not None or not self._waiting or not self._is_older(self._waiting[-1], frame):
            return []
        stale = [self._unpaired(f, Evidence.TIMESTAMPS, "is of a former arm") for f in self._waiting]
        self._waiting.clear()
        return stale

    def _is_older(self, frame: Frame, following: Frame) -> bool:
        """Whether a frame is of another arm than the next one: its timestamp or counter is higher, or from before."""
        read_at_arm = min((pair.reading for pair in self._baseline.clock_pairs), default=0)
        is_from_before = frame.camera_ticks < read_at_arm - BEFORE_ARM_S * self._baseline.ticks_hz
        counts_back = self._baseline.counter != NO_COUNTER and following.counter < frame.counter
        return following.camera_ticks < frame.camera_ticks or is_from_before or counts_back

    def _unpaired(self, frame: Frame, evidence: Evidence, note: str = "") -> Placed:
        return Placed(frame, NO_PULSE, evidence, max(self._last_pulse, NO_PULSE), note=note)

    def hold(self, from_pulse: int) -> None:
        """See Pairs.hold: nothing is placed after that."""
        self._held_from = from_pulse

    @property
    def begins_again(self) -> bool:
        """See Pairs.begins_again."""
        return self._returning is not None

    def exposed(self, edge: Edge) -> None:
        """See Pairs.exposed."""
        if self._returning is not None:
            self._returning.exposed(edge)

    def lost(self) -> list[Placed]:
        """See Pairs.lost."""
        return self._place_waiting()

    def back(self, baseline: Baseline) -> None:
        """See Pairs.back: the chain begins anew at a group start."""
        self._returning = InMidRun(self.divisor, self._plan, baseline, self._rate, self._times, self._lateness)
        self._anchor_with(self._returning, baseline)

    def ended(self, pulses_sent: int | None, told: Sequence[Pulse] = ()) -> list[Placed]:
        """See Pairs.ended.

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
            placed.append(self._unpaired(frame, Evidence.NONE))
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

    def close(self, pulses_sent: int | None, cause: GapCause) -> tuple[list[Placed], Gap | None]:
        """See Pairs.close."""
        gap = self._gap(pulses_sent, cause) if pulses_sent else None
        if gap is not None and cause is GapCause.UNKNOWN and self._damaged >= gap.missing:
            gap = replace(gap, cause=GapCause.DAMAGED)
        return [], gap

    def has_all(self, pulses_sent: int) -> bool:
        """See Pairs.has_all."""
        last = pulses_sent - 1
        return self._last_pulse >= last - last % self.divisor

    def _place_waiting(self) -> list[Placed]:
        if self._origin is None and self._waiting and not self._is_unknown:
            self._anchor()
        placed: list[Placed] = []
        while self._waiting:
            done = self._place_unknown() if self._is_unknown else self._place(self._waiting[0])
            if done is None:
                break
            self._waiting.popleft()
            placed.append(done)
        return placed

    def _anchor(self) -> None:
        anchor = self._anchoring.find(list(self._waiting))
        if anchor is None:
            self._is_unknown = True
            return
        self._rate, self._rate_error, self._strongest = anchor.rate, anchor.rate_error, anchor.strongest
        self._origin = self._last = (self._waiting[anchor.first].camera_ticks, anchor.box_ticks)

    def _place_unknown(self) -> Placed:
        self._unplaced += 1
        return self._unpaired(self._waiting[0], Evidence.NONE)

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
        stepped = self._stepped_to(frame, moved)
        box_ticks = self._last[1] + moved if stepped is None else float(stepped)
        step = round(box_ticks / step_ticks)
        pulse = self._pulse_at(step)
        near = NEAR * self._plan.period_ticks
        is_told = step * self.divisor in self._told
        if self._held_from is not None and pulse is not None and pulse >= self._held_from and not is_told:
            return None
        skipped = self._note_number(frame)
        if pulse is None or abs(box_ticks - step * step_ticks) > near or pulse <= self._last_pulse:
            return self._extra(frame, box_ticks)
        if self._returning is not None and pulse % self._plan.group:
            return Placed(frame, NO_PULSE, Evidence.NONE, self._last_pulse, is_dropped=True)
        note = "" if stepped is None else self._follow(frame, self._last[1] + moved - stepped, stepped)
        evidence = self._evidence(frame, pulse, is_sure=stepped is not None or moved * self._rate_error <= near)
        return self._placed(frame, pulse, evidence, step * step_ticks, skipped, note)

    def _placed(self, frame: Frame, pulse: int, evidence: Evidence, box_ticks: int, skipped: int, note: str) -> Placed:
        gap = self._gap(pulse, GapCause.CAMERA_LOST if self._returning is not None else None)
        self._returning = None
        self._numbers_missing = self._damaged = self._unplaced = 0
        self._last_pulse, self._last_frame = pulse, frame
        self._advance(frame.camera_ticks, box_ticks)
        if evidence >= Evidence.TIMESTAMPS and not skipped:
            self._lateness.note(box_ticks, frame.arrived_host_ns)
        return Placed(frame, pulse, evidence, pulse, gap, note)

    def _stepped_to(self, frame: Frame, moved: float) -> int | None:
        """Box ticks of a frame before which the camera's clock was set; None when it was not.

        Number and counter go on by the same, and the timestamp went back, or on by far more than the host's clock did.
        """
        before = self._last_frame
        if before is None:
            return None
        on = self._baseline.numbers_skipped(self._next_number, frame.frame_number) + 1
        if on < 1 or (self._baseline.counter != NO_COUNTER and frame.counter - before.counter != on):
            return None
        passed = (frame.arrived_host_ns - before.arrived_host_ns) * TICKS_HZ / 1e9
        if 0 < moved <= max(passed, 0) + STEP_S * TICKS_HZ:
            return None
        return self._box_ticks_after(on)

    def _box_ticks_after(self, frames: int) -> int | None:
        """Box ticks of the stream's pulse so many after the last one that has a frame; None when there is none."""
        step_ticks = self.divisor * self._plan.period_ticks
        reach = (len(POSTAMBLE) + 1) * self._plan.group // self.divisor
        step: int | None = self._last[1] // step_ticks
        for _ in range(frames):
            if step is not None:
                step = next((n for n in range(step + 1, step + reach) if self._pulse_at(n) is not None), None)
        return None if step is None else step * step_ticks

    def _follow(self, frame: Frame, off: float, box_ticks: int) -> str:
        """Go on from a clock that was set; without a counter, numbers and arrivals are all that holds the chain."""
        self._origin = (frame.camera_ticks, box_ticks)
        if self._baseline.counter == NO_COUNTER:
            self._strongest = Evidence.HOST_ARRIVAL
        return f"finds the camera's clock set by {off / TICKS_HZ:+.3f} s; by its number and arrival no time passed"

    def _extra(self, frame: Frame, box_ticks: float) -> Placed:
        step = int(box_ticks // (self.divisor * self._plan.period_ticks))
        before = next((p for n in range(step, -1, -1) if (p := self._pulse_at(n)) is not None), NO_PULSE)
        by_time = min(Evidence.TIMESTAMPS, self._strongest)
        return Placed(frame, NO_PULSE, by_time, max(before, self._last_pulse, NO_PULSE))

    def _note_number(self, frame: Frame) -> int:
        """Count the camera's own numbers that were jumped over; returns how many."""
        skipped = max(self._baseline.numbers_skipped(self._next_number, frame.frame_number), 0)
        self._numbers_missing += skipped
        self._next_number = self._baseline.number_after(frame.frame_number)
        return skipped

    def _advance(self, camera_ticks: int, box_ticks: int) -> None:
        assert self._origin is not None
        self._last = (camera_ticks, box_ticks)
        seen = camera_ticks - self._origin[0]
        if seen >= RATE_AFTER_S * self._baseline.ticks_hz:
            self._rate = (box_ticks - self._origin[1]) / seen
            self._rate_error = RATE_DRIFT

    def _evidence(self, frame: Frame, pulse: int, *, is_sure: bool) -> Evidence:
        """COUNTER while counter and timestamps agree; where they do not, an edge was lost or added on the wire.

        After a hole so long that the clocks may have drifted apart (`is_sure` False), timestamps alone prove nothing.
        """
        counted = counter_index(self._baseline, frame)
        by_time = min(Evidence.TIMESTAMPS, self._strongest) if is_sure else Evidence.NONE
        if counted == NO_COUNTER:
            return by_time
        shift = pulse // self.divisor - counted
        agrees = shift == self._counter_shift
        self._counter_shift = shift
        return min(Evidence.COUNTER, self._strongest) if agrees else by_time

    def _gap(self, next_pulse: int, cause: GapCause | None) -> Gap | None:
        """The pulses between the last frame and `next_pulse`; their cause from the camera's numbers unless given."""
        first, last = self._last_pulse + self.divisor, next_pulse - 1
        last -= last % self.divisor
        if last < first:
            return None
        missing = (last - first) // self.divisor + 1 - self._unplaced
        if missing <= 0:
            return None
        cause = self._cause(missing) if cause is None else cause
        return Gap(self.stream, first, last, cause, self._numbers_missing, missing)

    def _cause(self, missing: int) -> GapCause:
        if not self._numbers_missing and not self._damaged:
            return GapCause.NOT_NUMBERED
        if self._numbers_missing < missing:
            return GapCause.MIXED
        if self._damaged:
            return GapCause.DAMAGED if self._damaged >= missing else GapCause.MIXED
        return GapCause.LOST_AFTER_EXPOSURE

"""Decides which pulse each frame of one stream belongs to, as it arrives, and what is missing between two.

    camera ticks --(rate, anchor)--> box ticks since pulse 0 --> nearest slot of the plan --> pulse, or an extra
    trigger counter ----------------------------------------------------> confirms it, or shows a lost edge

The anchor is the preamble, or what `anchoring` finds for a camera that came back. From there each frame is placed
from the one before it. Where timestamp, number and counter do not agree, frames wait until `clock_steps` can tell
whether the camera's clock was set, a second at most. The postamble can only be placed once it is known where the body
ended; frames wait for that, at most its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from rig.cameras.camera import Baseline
from rig.record.anchoring import MAX_RATE_ERROR, NEAR, RATE_DRIFT, Anchoring, ByPreamble, InMidRun, counter_index
from rig.record.box_times import BoxTimes
from rig.record.clock_steps import LOOKS, ClockSteps, Doubt, Ruling
from rig.record.lateness import Lateness
from rig.record.pairs import Pairs, Placed
from rig.streams import NO_COUNTER, NO_PULSE, Edge, Evidence, Frame, Gap, GapCause, Pulse, Status
from rig.trigger.box import POSTAMBLE, PREAMBLE, TICKS_HZ, PulsePlan

RATE_AFTER_S = 1.0  # the rate from the preamble is bettered once so much has been seen
BEFORE_ARM_S = 0.25  # a frame exposed so long before its camera's clock was read at arm is of the arm before
DOUBT_S, FEWEST_DOUBTFUL = 0.7, 4  # what waits longer for its clock's sake is behind a loss, or a clock that was set
FARTHEST = 100_000  # numbers or counts that jump by more than so many frames say nothing


class Pairing(Pairs):
    """One stream's pulse numbers by its camera's timestamps."""

    def __init__(
        self, stream: str, divisor: int, plan: PulsePlan, baseline: Baseline, times: BoxTimes | None = None
    ) -> None:
        self.stream, self.divisor = stream, divisor
        self._plan, self._baseline = plan, baseline
        self._times = times or BoxTimes(plan)
        self._lateness = Lateness(self._times)
        self._step_ticks, self._near = divisor * plan.period_ticks, NEAR * plan.period_ticks
        self._doubtful = min(LOOKS, max(FEWEST_DOUBTFUL, int(DOUBT_S * TICKS_HZ / self._step_ticks)))
        self._clock_steps = ClockSteps(self._step_ticks, self._near, self._pulse_at, self._lateness)
        self._rate, self._rate_error = TICKS_HZ / baseline.ticks_hz, MAX_RATE_ERROR
        self._last_pulse = -divisor
        self._unplaced = 0  # frames of unknown pulses since then
        self._held_from: int | None = None
        self._told: dict[int, int] = {}  # pulses of a run whose end is not known, by base periods after pulse 0
        self._returning: InMidRun | None = None  # while a camera that came back has not begun again
        self._edges: list[Edge] | None = None  # exposures since a lost camera was asked to arm again, until it is back
        self._edges_from = 0  # events that the box had lost by then
        self._anchor_with(ByPreamble(divisor, plan, baseline, self._pulse_at), baseline)

    def _anchor_with(self, anchoring: Anchoring, baseline: Baseline) -> None:
        """An epoch begins."""
        self._anchoring, self._baseline = anchoring, baseline
        self._waiting: deque[Frame] = deque()
        self._origin: tuple[int, int] | None = None  # camera ticks and box ticks of the first placed frame
        self._last: tuple[int, int] = (0, 0)  # the same of the last one
        self._seen: Frame | None = None  # the last one that was placed or is an extra, and the slot in which it lies
        self._seen_in = 0
        self._is_final = False  # no frame of this epoch is still to come
        self._strongest = Evidence.COUNTER
        self._is_unknown = False  # nothing proves the pulses of this epoch
        self._is_in_doubt = False
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
        placed = stale + self._place_waiting()
        self._note_doubt()
        return placed

    def _note_doubt(self) -> None:
        """Whether so many frames wait for their clock's sake that it is no ghost, which LOOKS frames settle.

        Before the first one, and near the end, they wait for the plan.
        """
        is_new = self._seen is not None and self._held_from is None and len(self._waiting) >= self._doubtful
        self._is_in_doubt = bool(self._waiting) and (self._is_in_doubt or is_new)

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
    def is_in_doubt(self) -> bool:
        """See Pairs.is_in_doubt."""
        return self._is_in_doubt

    @property
    def is_returning(self) -> bool:
        """See Pairs.is_returning."""
        return self._returning is not None

    def asked_to_return(self) -> None:
        """See Pairs.asked_to_return."""
        self._edges, self._edges_from = [], self._times.events_lost

    def exposed(self, edge: Edge) -> None:
        """See Pairs.exposed."""
        if self._edges is not None:
            self._edges.append(edge)

    def lost(self) -> list[Placed]:
        """See Pairs.lost."""
        self._is_final = True
        return self._place_waiting()

    def returns(self, baseline: Baseline) -> None:
        """See Pairs.returns: the chain begins anew at a group start."""
        self._returning = InMidRun(
            self._step_ticks, self._plan, baseline, self._rate, self._times, self._lateness, self._exposures
        )
        self._anchor_with(self._returning, baseline)

    def _exposures(self) -> list[Edge]:
        """Those since it was asked to return; none where any may be missing."""
        return self._edges or [] if self._times.events_lost == self._edges_from else []

    def ended(self, pulses_sent: int | None, told: Sequence[Pulse] = (), *, has_postamble: bool = True) -> list[Placed]:
        """See Pairs.ended.

        When nobody knows where the body ended, frames that waited for that belong to pulses that were `told`: the
        first of the body, the others after it. A frame on none of them belongs to no known pulse.
        """
        if pulses_sent is not None and has_postamble:
            groups = pulses_sent // self._plan.group - 2 * sum(PREAMBLE)
            self._plan = replace(self._plan, body_groups=max(groups, 0))
        elif pulses_sent is None and self._held_from is not None:
            self._told = self._steps_of(told)
            return self._place_all()
        self._held_from = None
        return self._place_waiting()

    def _place_all(self) -> list[Placed]:
        """Give all that wait their pulses, or none where nobody knows them."""
        self._is_final = True
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
        start = self._times.due_ticks(first.pulse_number) // self._plan.period_ticks
        steps = {start + round((p.box_ticks - first.box_ticks) / self._plan.period_ticks): p.pulse_number for p in told}
        for (step, pulse), (later, beyond) in pairwise(list(steps.items())):
            if later - step == beyond - pulse:
                steps.update(zip(range(step, later), range(pulse, beyond), strict=True))
        return steps

    def close(self, pulses_sent: int | None, cause: GapCause) -> tuple[list[Placed], Gap | None]:
        """See Pairs.close."""
        placed = self._place_all()
        gap = self._gap(pulses_sent, cause) if pulses_sent else None
        if gap is not None and cause is GapCause.UNKNOWN and self._damaged >= gap.missing:
            gap = replace(gap, cause=GapCause.DAMAGED)
        return placed, gap

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
        """Place one frame; None while the plan does not reach that far yet, or its clock is in doubt."""
        moved = (frame.camera_ticks - self._last[0]) * self._rate
        by_clock = self._last[1] + moved
        by_count = self._by_count(frame, by_clock)
        ruling = self._ruling(by_clock, by_count) if by_count is not None else Ruling.GOES_ON
        if ruling is Ruling.OPEN:
            return None
        was_set = by_count is not None and ruling is Ruling.WAS_SET
        box_ticks = float(by_count) if by_count is not None and was_set else by_clock
        step = round(box_ticks / self._step_ticks)
        pulse = self._pulse_at(step)
        is_told = step * self.divisor in self._told
        if self._held_from is not None and pulse is not None and pulse >= self._held_from and not is_told:
            return None
        skipped = self._note_seen(frame, box_ticks)
        if pulse is None or abs(box_ticks - step * self._step_ticks) > self._near or pulse <= self._last_pulse:
            return self._extra(frame, box_ticks)
        if self._returning is not None and pulse % self._plan.group:
            return Placed(frame, NO_PULSE, Evidence.NONE, self._last_pulse, is_dropped=True)
        note = self._weaken(frame, ruling, by_clock, step * self._step_ticks)
        evidence = self._evidence(frame, pulse, is_sure=was_set or moved * self._rate_error <= self._near)
        return self._placed(frame, pulse, evidence, step * self._step_ticks, skipped, note)

    def _placed(self, frame: Frame, pulse: int, evidence: Evidence, box_ticks: int, skipped: int, note: str) -> Placed:
        gap = self._gap(pulse, GapCause.CAMERA_LOST if self._returning is not None else None)
        if self._returning is not None:
            self._returning = self._edges = None
        self._numbers_missing = self._damaged = self._unplaced = 0
        self._last_pulse = pulse
        self._advance(frame.camera_ticks, box_ticks)
        if evidence >= Evidence.TIMESTAMPS and not skipped:
            self._lateness.note(box_ticks, frame.arrived_host_ns)
        return Placed(frame, pulse, evidence, pulse, gap, note)

    def _by_count(self, frame: Frame, by_clock: float) -> int | None:
        """Box ticks of the pulse that its counter, or else its number, says; None where its timestamp says the same."""
        if self._seen is None:
            return None
        on = self._baseline.numbers_skipped(self._next_number, frame.frame_number) + 1
        return self._said_else(frame, by_clock, on, self._seen, self._seen_in)

    def _said_else(self, frame: Frame, by_clock: float, on: int, before: Frame, slot: int) -> int | None:
        """The same for a number that went on by so many, after a frame in a slot.

        It is enough that number or counter agrees with the timestamp. A number that does not go on says nothing.
        """
        counts = [on] if self._baseline.counter == NO_COUNTER else [frame.counter - before.counter, on]
        places = [at for count in dict.fromkeys(counts) if (at := self._box_ticks_after(slot, count)) is not None]
        agrees = any(abs(by_clock - at) <= self._near for at in places)
        return None if agrees or not places else places[0]

    def _box_ticks_after(self, slot: int, frames: int) -> int | None:
        """Box ticks of the stream's pulse so many after a slot of its own; None when there is none."""
        if not 0 < frames <= FARTHEST:
            return None
        reach = (len(POSTAMBLE) + 1) * self._plan.group // self.divisor
        step: int | None = slot
        for _ in range(frames):
            if step is not None:
                step = next((n for n in range(step + 1, step + reach) if self._pulse_at(n) is not None), None)
        return None if step is None else step * self._step_ticks

    def _ruling(self, by_clock: float, by_count: int) -> Ruling:
        before_pulse = None if self._told else self._held_from
        doubt = Doubt(by_clock, by_count, self._last_pulse, before_pulse, self._in_doubt_alone(by_clock))
        return self._clock_steps.rule(doubt, self._waiting, self._rate, is_final=self._is_final)

    def _in_doubt_alone(self, by_clock: float) -> int:
        """How many of the waiting frames agree with each other, if the first one is where its clock says."""
        first = self._waiting[0]
        for count, (before, frame) in enumerate(pairwise(self._waiting), 1):
            slot = self._slot_of(by_clock + (before.camera_ticks - first.camera_ticks) * self._rate)
            at = by_clock + (frame.camera_ticks - first.camera_ticks) * self._rate
            on = self._baseline.numbers_skipped(before.frame_number, frame.frame_number)
            if self._said_else(frame, at, on, before, slot) is not None:
                return count
        return len(self._waiting)

    def _slot_of(self, box_ticks: float) -> int:
        """In which period of the stream after pulse 0 it lies."""
        return int((box_ticks + self._near) // self._step_ticks)

    def _weaken(self, frame: Frame, ruling: Ruling, by_clock: float, box_ticks: int) -> str:
        """Go on from a clock that was in doubt, with the evidence that is left; returns what the log says of it."""
        if ruling is Ruling.UNPROVEN:
            self._strongest = min(self._strongest, Evidence.TIMESTAMPS)
        if ruling is not Ruling.WAS_SET:
            return ""
        self._origin = (frame.camera_ticks, box_ticks)
        if self._baseline.counter == NO_COUNTER:
            self._strongest = Evidence.HOST_ARRIVAL
        off_s = (by_clock - box_ticks) / TICKS_HZ
        return f"finds the camera's clock set by {off_s:+.3f} s; by its number and arrival no time passed"

    def _extra(self, frame: Frame, box_ticks: float) -> Placed:
        step = int(box_ticks // self._step_ticks)
        before = next((p for n in range(step, -1, -1) if (p := self._pulse_at(n)) is not None), NO_PULSE)
        by_time = min(Evidence.TIMESTAMPS, self._strongest)
        return Placed(frame, NO_PULSE, by_time, max(before, self._last_pulse, NO_PULSE))

    def _note_seen(self, frame: Frame, box_ticks: float) -> int:
        """Where the chain of numbers and counts goes on; returns how many numbers were jumped over."""
        self._seen, self._seen_in = frame, self._slot_of(box_ticks)
        return self._note_number(frame)

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

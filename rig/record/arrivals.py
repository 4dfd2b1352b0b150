"""A stream whose camera has no timestamps: when its frames arrive gives their order and their count, and little more.

    frame j arrives --> at most so many pulses were sent by then --> at most so many are lost before it
    the least of these, over j and all frames after it --------> no more lost before j than this
    no fewer lost than were lost before an earlier frame --------> where both agree, the pulse of j is sure

That needs no guess, as no frame arrives before its pulse, and finds what is whole; that something was lost and nothing
is merely late shows at the end of the run alone. It shows earlier where the lateness was measured while all was sure:
then the quickest frame of each second is no later than the quickest ones always were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rig.cameras.camera import Baseline
from rig.record.box_times import BoxTimes
from rig.record.lateness import WINDOW_NS, Lateness
from rig.record.pairs import Pairs, Placed
from rig.streams import NO_PULSE, Evidence, Frame, Gap, GapCause, Pulse, Status
from rig.trigger.box import PulsePlan

MOST_LATE = 0.25  # of the stream's period: the quickest frames of a second differ by less, or they pin nothing


class Arrivals(Pairs):
    """One stream's pulse numbers where order and causality leave one choice; else frames have none.

    Places are pulses of this stream, counted from 0. Losses: `_least_lost` are surely lost before the next frame.
    """

    def __init__(self, stream: str, divisor: int, plan: PulsePlan, times: BoxTimes) -> None:
        self.stream, self.divisor = stream, divisor
        self._step = divisor * plan.period_ticks
        self._times, self._lateness = times, Lateness(times)
        self._waiting: deque[tuple[Frame, int]] = deque()  # frames that may get a pulse, and their index
        self._frames = 0  # all that came, once and whole
        self._last_number: int | None = None
        self._sure: tuple[int, int] = (-1, -1)  # index and place of the last frame whose pulse is sure
        self._least_lost = 0
        self._fewest: int | None = None  # the least of what can be lost by each frame of this second
        self._second_ends_ns = 0
        self._is_held = False
        self._cause, self._damaged = GapCause.UNKNOWN, 0

    @property
    def last_pulse(self) -> int:
        """See Pairs.last_pulse."""
        return self._sure[1] * self.divisor

    def place(self, frame: Frame) -> list[Placed]:
        """See Pairs.place: at once when its pulse is sure, else when its second is over."""
        if frame.status is not Status.OK:
            self._damaged += 1
            return []
        if frame.frame_number == self._last_number:
            return [Placed(frame, NO_PULSE, Evidence.HOST_ARRIVAL, self._latest(frame), note="was delivered twice")]
        self._last_number = frame.frame_number
        placed = self._end_second(frame.arrived_host_ns)
        index, self._frames = self._frames, self._frames + 1
        self._waiting.append((frame, index))
        most_lost = self._place_at(frame.arrived_host_ns) - index
        self._fewest = most_lost if self._fewest is None else min(self._fewest, most_lost)
        return placed + (self._place_sure(index) if most_lost == self._least_lost else [])

    def _place_at(self, arrived_host_ns: int) -> int:
        """The last place whose frame may have arrived by then; more than any while the box has told too little."""
        if not self._times.is_known:
            return 1 << 40
        ticks = self._times.most_ticks_at(arrived_host_ns)
        if self._is_measured:
            measured = self._times.ticks_at(arrived_host_ns) - self._lateness.least + MOST_LATE * self._step
            ticks = min(ticks, measured)
        return self._times.last_pulse_by(ticks) // self.divisor

    def _latest(self, frame: Frame) -> int:
        """The last pulse of the stream that can have caused a frame."""
        return self._place_at(frame.arrived_host_ns) * self.divisor if self._times.is_known else NO_PULSE

    @property
    def _is_measured(self) -> bool:
        """Whether the quickest frame of a second tells how many are lost; not once the postamble may have begun."""
        return not self._is_held and self._lateness.is_under(MOST_LATE * self._step)

    def _place_sure(self, last: int) -> list[Placed]:
        """No more are lost before this frame than are surely lost: so it was with all that wait."""
        placed = []
        while self._waiting and self._waiting[0][1] <= last:
            frame, index = self._waiting.popleft()
            place = index + self._least_lost
            gap = self._gap_before(index, place)
            self._sure = (index, place)
            pulse = place * self.divisor
            self._lateness.note(self._times.due_ticks(pulse), frame.arrived_host_ns)
            placed.append(Placed(frame, pulse, Evidence.HOST_ARRIVAL, pulse, gap))
        return placed

    def _end_second(self, now_ns: int) -> list[Placed]:
        """A second is over: what still waits gets no pulse, and what its quickest frame lacks is surely lost."""
        if now_ns < self._second_ends_ns or self._is_held:
            return []
        self._second_ends_ns = now_ns + WINDOW_NS
        fewest, self._fewest = self._fewest, None
        placed = self._place_unknown()
        if fewest is not None and self._is_measured:
            self._least_lost = max(self._least_lost, fewest)
        return placed

    def _place_unknown(self) -> list[Placed]:
        placed = []
        while self._waiting:
            frame, _ = self._waiting.popleft()
            placed.append(Placed(frame, NO_PULSE, Evidence.NONE, self._latest(frame)))
        return placed

    def _gap_before(self, index: int, place: int) -> Gap | None:
        """Where pulses are lost between the last frame that is sure and this one: which ones, nobody knows."""
        missing = (place - self._sure[1]) - (index - self._sure[0])
        if missing <= 0:
            return None
        first, last = (self._sure[1] + 1) * self.divisor, (place - 1) * self.divisor
        cause = GapCause.DAMAGED if self._damaged >= missing else self._cause
        self._cause, self._damaged = GapCause.UNKNOWN, 0
        return Gap(self.stream, first, last, cause, 0, missing)

    def hold(self, from_pulse: int) -> None:  # noqa: ARG002  wherever it begins, the plan of the body bounds it
        """See Pairs.hold: the postamble has pauses, so that no more than causality is known from here on."""
        self._is_held = True

    def lost(self) -> list[Placed]:
        """See Pairs.lost."""
        self._cause = GapCause.CAMERA_LOST
        return self._place_unknown()

    def back(self, baseline: Baseline) -> None:  # noqa: ARG002
        """See Pairs.back. Its frames go on being counted; the first one that is sure ends the gap."""
        self._last_number = None

    def ended(self, pulses_sent: int | None, told: Sequence[Pulse] = ()) -> list[Placed]:  # noqa: ARG002
        """See Pairs.ended. Nothing is placed before the last frame has come: their count is what tells."""
        return [] if pulses_sent is not None else self._place_unknown()

    def close(self, pulses_sent: int | None, cause: GapCause) -> tuple[list[Placed], Gap | None]:
        """See Pairs.close: what is missing in all is known now; if nothing is, each frame has its pulse."""
        if not pulses_sent:
            return self._place_unknown(), None
        places = -(-pulses_sent // self.divisor)
        self._cause = cause if self._cause is GapCause.UNKNOWN else self._cause
        if places - self._frames == self._least_lost:
            return self._place_sure(self._frames - 1), None
        return self._place_unknown(), self._gap_before(self._frames, places)

    def has_all(self, pulses_sent: int) -> bool:
        """See Pairs.has_all."""
        return self._frames >= -(-pulses_sent // self.divisor)

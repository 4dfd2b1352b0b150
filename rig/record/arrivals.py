"""A stream whose camera has no timestamps: when its frames arrive gives their order and their count, and little more.

    frame j arrives --> so many pulses were sent by then --> pulse j the last of them:  nothing is lost, it is frame j's
                                                         --> more were sent:            lost, or late: no numbers now on
                                                         --> fewer were sent:           a frame too many, for certain

No frame arrives before its pulse, and nothing else is assumed: not how late frames are, nor that they come to be late
no more. So numbers end at the first doubt. How many are lost shows at the end of the run: pulses sent less frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rig.cameras.camera import Baseline
from rig.record.box_times import BoxTimes
from rig.record.pairs import Pairs, Placed
from rig.streams import NO_PULSE, Evidence, Frame, Gap, GapCause, Pulse, Status

SECOND_NS = 1_000_000_000
FEW = 3  # frames that are late for a second on a busy machine; more are said to be missing
TOO_MANY = "came when fewer pulses than frames had been sent: one of the frames up to here has no pulse"


class Arrivals(Pairs):
    """One stream's pulse numbers while order and causality leave one choice; from then on frames have none.

    Places are pulses of this stream, counted from 0. Frame `index` has the place of the same number while all is sure.
    """

    def __init__(self, stream: str, divisor: int, times: BoxTimes) -> None:
        self.stream, self.divisor = stream, divisor
        self._times = times
        self._uncounted: deque[Frame] = deque()  # it is not known yet what was sent when they arrived
        self._held: list[Placed] = []  # the last frame, until the next one shows it to be none too many
        self._frames = 0  # all that came, once and whole
        self._extras = 0  # of these surely too many
        self._last_number: int | None = None
        self._is_in_step = True  # nothing is lost yet
        self._sure = -1  # place of the last frame whose pulse is sure
        self._places: int | None = None  # pulses sent in the run, once it is over
        self._is_ending = False  # the postamble may have begun; its pauses are not known before the run is over
        self._cause, self._damaged = GapCause.UNKNOWN, 0
        self._missing, self._fewest, self._second_ends_ns = 0, 0, 0

    @property
    def last_pulse(self) -> int:
        """See Pairs.last_pulse."""
        return self._sure * self.divisor

    @property
    def missing(self) -> int:
        """See Pairs.missing."""
        return self._missing

    def place(self, frame: Frame) -> list[Placed]:
        """See Pairs.place: a frame in step with the next one, any other at once."""
        if frame.status is not Status.OK:
            self._damaged += 1
            placed = self._count_all()
            self._is_in_step = False
            return placed
        self._uncounted.append(frame)
        waited_ns = frame.arrived_host_ns - self._uncounted[0].arrived_host_ns
        can_wait = self._is_ending or (waited_ns < SECOND_NS and not self._times.is_known)
        return [] if can_wait else self._count_all()

    def _count_all(self) -> list[Placed]:
        placed = []
        while self._uncounted:
            placed += self._count(self._uncounted.popleft())
        return placed

    def _count(self, frame: Frame) -> list[Placed]:
        """Give a frame its place if no other is possible, and with it let go the one before."""
        if frame.frame_number == self._last_number:
            return self._behind_held(self._extra(frame, "was delivered twice"))
        self._last_number = frame.frame_number
        index, self._frames = self._frames, self._frames + 1
        most_lost = self._last_place(frame) - index
        self._watch(frame)
        if most_lost + self._extras < 0:
            self._extras += 1
            return [*self._let_go(is_sure=False), self._extra(frame, TOO_MANY)]
        before = self._let_go(is_sure=True)
        self._is_in_step = self._is_in_step and most_lost == 0
        return before + self._take(frame, index)

    def _take(self, frame: Frame, index: int) -> list[Placed]:
        if not self._is_in_step:
            return [Placed(frame, NO_PULSE, Evidence.NONE, self._latest(frame))]
        pulse = index * self.divisor
        self._held = [Placed(frame, pulse, Evidence.HOST_ARRIVAL, pulse)]
        return []

    def _extra(self, frame: Frame, note: str) -> Placed:
        return Placed(frame, NO_PULSE, Evidence.HOST_ARRIVAL, self._latest(frame), note=note)

    def _behind_held(self, placed: Placed) -> list[Placed]:
        """Rows follow in the order in which the frames came, as their pictures do."""
        if not self._held:
            return [placed]
        self._held.append(placed)
        return []

    def _let_go(self, *, is_sure: bool) -> list[Placed]:
        """The frame that was held and its duplicates; with its pulse if that is sure, else numbers end here."""
        held, self._held = self._held, []
        if held and is_sure:
            self._sure = held[0].pulse // self.divisor
        elif held:
            held[0] = Placed(held[0].frame, NO_PULSE, Evidence.NONE, held[0].pulse)
        self._is_in_step = self._is_in_step and is_sure
        return held

    def _last_place(self, frame: Frame) -> int:
        """The last place that can have caused a frame; more than any while the box has told too little."""
        if not self._times.is_known:
            return 1 << 40
        pulse = self._times.last_pulse_by(self._times.most_ticks_at(frame.arrived_host_ns))
        place = pulse // self.divisor
        return place if self._places is None else min(place, self._places - 1)

    def _latest(self, frame: Frame) -> int:
        """The last pulse of the stream that can have caused a frame."""
        return self._last_place(frame) * self.divisor if self._times.is_known else NO_PULSE

    def _watch(self, frame: Frame) -> None:
        """See how many frames are behind what was told; the least of a second is no mere delay on the way."""
        behind = self._times.last_told // self.divisor + 1 - (self._frames - self._extras)
        if frame.arrived_host_ns >= self._second_ends_ns:
            self._missing = self._fewest if self._fewest > FEW else 0
            self._fewest, self._second_ends_ns = behind, frame.arrived_host_ns + SECOND_NS
        self._fewest = min(self._fewest, behind)

    def hold(self, from_pulse: int) -> None:  # noqa: ARG002
        """See Pairs.hold: nothing is counted before it is known where the pauses of the postamble were."""
        self._is_ending = True

    def lost(self) -> list[Placed]:
        """See Pairs.lost."""
        placed = self._count_all() + self._let_go(is_sure=True)
        self._is_in_step, self._cause = False, GapCause.CAMERA_LOST
        return placed

    def returns(self, baseline: Baseline) -> None:  # noqa: ARG002
        """See Pairs.returns. Its frames go on being counted, and have no pulses."""
        self._last_number = None

    def ended(
        self,
        pulses_sent: int | None,
        told: Sequence[Pulse] = (),  # noqa: ARG002
        *,
        has_postamble: bool = True,
    ) -> list[Placed]:
        """See Pairs.ended. The whole plan is known now."""
        self._is_ending = False
        if pulses_sent is None:
            return self._count_all() + self._let_go(is_sure=True)
        self._places = -(-pulses_sent // self.divisor)
        if has_postamble:
            self._times.ended(pulses_sent)
        return self._count_all()

    def close(self, pulses_sent: int | None, cause: GapCause) -> tuple[list[Placed], Gap | None]:
        """See Pairs.close: what is missing in all is known now, and lies after the last frame that is sure."""
        placed = self._count_all()
        if not pulses_sent:
            return placed + self._let_go(is_sure=True), None
        places = -(-pulses_sent // self.divisor)
        placed += self._let_go(is_sure=self._frames <= places)
        self._missing = 0
        missing = places - self._frames + self._extras
        return placed, self._gap(places, missing, cause) if missing > 0 else None

    def _gap(self, places: int, missing: int, cause: GapCause) -> Gap:
        """Losses after the last frame that is sure: how many, and of which pulses nobody knows."""
        if self._damaged >= missing:
            cause = GapCause.DAMAGED
        elif self._cause is not GapCause.UNKNOWN:
            cause = self._cause
        first, last = (self._sure + 1) * self.divisor, (places - 1) * self.divisor
        return Gap(self.stream, first, last, cause, 0, missing)

    def has_all(self, pulses_sent: int) -> bool:
        """See Pairs.has_all."""
        return self._frames - self._extras >= -(-pulses_sent // self.divisor)

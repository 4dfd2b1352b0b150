"""What becomes of one stream's frames: each gets its pulse, is written or on purpose not, and every hole is a row."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from rig.cameras.camera import Baseline
from rig.record.alarms import log, note
from rig.record.arrivals import Arrivals
from rig.record.box_times import BoxTimes
from rig.record.messages import Action, AppendRow, ReleaseFrame, StoreFrame
from rig.record.pairing import Pairing
from rig.record.pairs import Pairs, Placed
from rig.record.rows import extra_row, frame_row, gap_row
from rig.session import layout
from rig.streams import NO_PULSE, Edge, Evidence, Frame, Gap, GapCause, Pulse, Status
from rig.trigger.box import POSTAMBLE, TICKS_HZ, PulsePlan

RESERVE_S = 1.0  # frames may still arrive for so long after a stop was asked for
FULL = "the room that was reserved is used up"
NO_PICTURE = "the recording that is played has no picture of it"
OPENING_GROUPS = 7  # the preamble's three and four of the body: verify compares ten slowest periods; as many at the end


@dataclass(slots=True)
class Counts:
    """How a stream stands; pulses without a frame are counted in `lost`."""

    arrived: int = 0
    stored: int = 0
    lost: int = 0
    extras: int = 0
    unknown: int = 0  # frames of which nobody knows whose pulse they are
    dropped: int = 0  # given back before the group with which a camera that came back begins again
    damaged: int = 0  # buffers that were not filled as they should be; their pulses are lost
    missing: int = 0  # pulses that lack a frame by count alone: lost, or over a second late

    @property
    def due(self) -> int:
        """Pulses that were to have a frame, as far as is known."""
        return self.arrived - self.damaged - self.extras + self.lost

    @property
    def lost_spelled(self) -> str:
        """`lost` in words; before the end it is only about known where frames have no numbers to go by."""
        return f"about {self.lost + self.missing}" if self.missing else str(self.lost)


@dataclass(frozen=True, slots=True)
class Storing:
    """From a pulse on, whether frames are kept; `reason` when they are not."""

    from_pulse: int
    is_kept: bool
    reason: str


def pairs_of(stream: str, divisor: int, plan: PulsePlan, baseline: Baseline, times: BoxTimes) -> Pairs:
    """What can tell the pulses of a camera's frames: its timestamps, else no more than when they arrive."""
    if baseline.ticks_hz:
        return Pairing(stream, divisor, plan, baseline, times)
    return Arrivals(stream, divisor, times)


class StreamKeeper:
    """One stream's frames of the recording run."""

    def __init__(
        self, stream: str, divisor: int, plan: PulsePlan, baseline: Baseline, capacity: int, times: BoxTimes
    ) -> None:
        self.stream, self.divisor, self.counts = stream, divisor, Counts()
        self._pairing = pairs_of(stream, divisor, plan, baseline, times)
        self._capacity = capacity
        last_s = (1 + len(POSTAMBLE)) * plan.slot_ticks / TICKS_HZ + RESERVE_S
        self._reserve = min(ceil(last_s * TICKS_HZ / (divisor * plan.period_ticks)), capacity // 2)
        self._changes: list[Storing] = []
        self._now = Storing(0, is_kept=True, reason="")
        self._not_stored_from: int | None = None
        self._unstored = 0  # frames that wait in their buffers
        self._opening_ends = OPENING_GROUPS * plan.group
        self._opening: list[tuple[int, int]] = []  # pulse and camera ticks of its frames that are not stored
        self._closing: deque[tuple[int, int]] = deque(maxlen=self._opening_ends // divisor)  # the same of the last ones

    @property
    def last_pulse(self) -> int:
        """The last pulse that has a frame; negative before the first."""
        return self._pairing.last_pulse

    def go_on(self, frames: int) -> None:
        """What comes now goes to a new file, with room for so many frames."""
        self._capacity = self.counts.stored + frames

    @property
    def is_full(self) -> bool:
        """Whether the room that was reserved is used up."""
        return self.counts.stored >= self._capacity

    @property
    def is_nearly_full(self) -> bool:
        """Whether what is left of the room is needed to end in order."""
        return self.counts.stored >= self._capacity - self._reserve

    def frame(self, frame: Frame) -> list[Action]:
        """Take the next frame of the camera.

        Its picture is written at once, so that no buffer waits for a pulse number; its row follows when the pulse is
        decided. Only where frames are not stored, or will soon not be, or where the camera was lost and it is not
        decided where its stream begins again, it waits in its buffer. So does one without a picture, which is never
        stored. A damaged one is given back.
        """
        self.counts.arrived += 1
        if frame.status is not Status.OK:
            self.counts.damaged += 1
            return [*self._keep_all(self._pairing.place(frame)), ReleaseFrame(frame)]
        if frame.has_picture and self._is_kept and not self._is_undecided:
            return [self._store(frame), *self._keep_all(self._pairing.place(frame))]
        self._unstored += 1
        return self._keep_all(self._pairing.place(frame))

    @property
    def _is_undecided(self) -> bool:
        """Whether it is still to be decided what becomes of a frame that comes now."""
        return bool(self._changes) or self._unstored > 0 or self._pairing.is_returning

    @property
    def _is_kept(self) -> bool:
        return self._now.is_kept and not self.is_full

    def _store(self, frame: Frame) -> Action:
        frame.frame_index, self.counts.stored = self.counts.stored, self.counts.stored + 1
        return StoreFrame(layout.data_path(self.stream), frame.frame_index, frame)

    def change(self, storing: Storing) -> None:
        """From a pulse on, keep frames or not. What changes nothing makes no frame wait in its buffer."""
        before = self._changes[-1] if self._changes else self._now
        if (storing.is_kept, storing.reason) != (before.is_kept, before.reason):
            self._changes.append(storing)

    def hold(self, from_pulse: int) -> None:
        """See Pairs.hold."""
        self._pairing.hold(from_pulse)

    def ended(self, pulses_sent: int | None, told: Sequence[Pulse] = (), *, has_postamble: bool = True) -> list[Action]:
        """The box has sent its last pulse. `told` and `has_postamble` as in Pairs.ended."""
        return self._keep_all(self._pairing.ended(pulses_sent, told, has_postamble=has_postamble))

    def lost(self) -> list[Action]:
        """The camera is gone."""
        return self._keep_all(self._pairing.lost())

    def asked_to_return(self) -> None:
        """The camera is asked to arm again."""
        self._pairing.asked_to_return()

    def returns(self, baseline: Baseline) -> None:
        """The camera is armed again; its frames are of a new epoch."""
        self._pairing.returns(baseline)
        self._closing.clear()  # its clock began anew

    @property
    def is_in_doubt(self) -> bool:
        """See Pairs.is_in_doubt."""
        return self._pairing.is_in_doubt

    def exposed(self, edge: Edge) -> None:
        """The camera's ExposureActive line rose at an input of the box."""
        self._pairing.exposed(edge)

    def has_all(self, pulses_sent: int) -> bool:
        """See Pairs.has_all."""
        return self._pairing.has_all(pulses_sent)

    def close(self, pulses_sent: int | None, cause: GapCause, now: int) -> list[Action]:
        """No frame follows: note the hole at the end, and end a part that is not stored."""
        placed, gap = self._pairing.close(pulses_sent, cause)
        actions = self._keep_all(placed) + (self._gap_rows(gap) if gap else [])
        actions += self._opening_told(now) + self._told("closing", [*self._closing], now)
        last = max(self.last_pulse, (pulses_sent or 0) - 1)
        return actions + self._end_not_stored(last - last % self.divisor)

    def _keep_all(self, placed: list[Placed]) -> list[Action]:
        self.counts.missing = self._pairing.missing
        return [action for p in placed for action in self._keep(p)]

    def _keep(self, placed: Placed) -> list[Action]:
        frame = placed.frame
        if placed.is_dropped:
            self._unstored -= 1
            self.counts.dropped += 1
            return [ReleaseFrame(frame)]
        actions: list[Action] = self._gap_rows(placed.gap) if placed.gap else []
        pulse = placed.after_pulse if placed.pulse == NO_PULSE else placed.pulse
        if frame.frame_index < 0 and self.is_full and self._now.is_kept:
            self._changes.insert(0, Storing(pulse, is_kept=False, reason=FULL))
        actions += self._switch(pulse)
        if placed.pulse != NO_PULSE:
            actions += self._heed_picture(frame, pulse)
        if frame.frame_index < 0:
            is_kept = self._is_kept and frame.has_picture
            self._unstored -= 1
            actions += [] if is_kept else self._seen(placed)
            actions.append(self._store(frame) if is_kept else ReleaseFrame(frame))
        if frame.frame_index >= 0:
            actions.append(frame_row(frame, placed.pulse, placed.evidence))
            self._closing.clear()
        return actions + self._oddities(placed)

    def _heed_picture(self, frame: Frame, pulse: int) -> list[Action]:
        """What is to be kept and has no picture is a part that is not stored, up to the next that has one."""
        if frame.has_picture and self._now.reason == NO_PICTURE:
            self._changes.insert(0, Storing(pulse, is_kept=True, reason=""))
        elif not frame.has_picture and self._is_kept:
            self._changes.insert(0, Storing(pulse, is_kept=False, reason=NO_PICTURE))
        return self._switch(pulse)

    def _seen(self, placed: Placed) -> list[Action]:
        """When the first and last frames were exposed is told without their pictures: it ties them to their pulses."""
        if placed.pulse >= 0:
            self._closing.append((placed.pulse, placed.frame.camera_ticks))
        if 0 <= placed.pulse < self._opening_ends:
            self._opening.append((placed.pulse, placed.frame.camera_ticks))
            return []
        return self._opening_told(placed.frame.arrived_host_ns)

    def _opening_told(self, now: int) -> list[Action]:
        """What was seen of the opening, once."""
        opening, self._opening = self._opening, []
        return self._told("opening", opening, now)

    def _told(self, kind: str, seen: list[tuple[int, int]], now: int) -> list[Action]:
        if not seen:
            return []
        pulses, ticks = zip(*seen, strict=True)
        return [log(now, {"kind": kind, "stream": self.stream, "pulses": pulses, "camera_ticks": ticks})]

    def _oddities(self, placed: Placed) -> list[Action]:
        """What else there is to say of a frame."""
        actions: list[Action] = []
        if placed.pulse == NO_PULSE:
            is_extra = placed.evidence is not Evidence.NONE or bool(placed.note)
            self.counts.extras += is_extra
            self.counts.unknown += not is_extra
            actions.append(extra_row(placed.frame, placed.after_pulse))
        if placed.note:
            text = f"camera {self.stream}: frame {placed.frame.frame_number} {placed.note}"
            actions.append(note(placed.frame.arrived_host_ns, text))
        return actions

    def _gap_rows(self, gap: Gap) -> list[Action]:
        """A hole is a row even where nothing was to be stored: it is a trigger that exposed nothing."""
        self.counts.lost += gap.missing
        return [gap_row(gap)]

    def _switch(self, pulse: int) -> list[Action]:
        """Begin or end a part that is not stored, when a change is due at this pulse."""
        actions: list[Action] = []
        while self._changes and self._changes[0].from_pulse <= pulse:
            change = self._changes.pop(0)
            if change.is_kept and self.is_full:
                continue
            if change.is_kept != self._now.is_kept or change.reason != self._now.reason:
                actions += self._end_not_stored(change.from_pulse - self.divisor)
                self._now = change
                actions += self._begin_not_stored()
        return actions

    def _begin_not_stored(self) -> list[Action]:
        if self._now.is_kept:
            return []
        self._not_stored_from = self._now.from_pulse
        return [self._not_stored_row(-1)]

    def _end_not_stored(self, last_pulse: int) -> list[Action]:
        if self._not_stored_from is None:
            return []
        row = self._not_stored_row(last_pulse)
        self._not_stored_from = None
        return [row]

    def _not_stored_row(self, last_pulse: int) -> Action:
        stream, reason = self.stream.encode(), self._now.reason.encode()[:60]
        return AppendRow(layout.NOT_STORED_ROWS, (stream, reason, self._not_stored_from, last_pulse))

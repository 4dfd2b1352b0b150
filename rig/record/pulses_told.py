"""What the box has told of the pulses of the recording run: the last one, those after a stop, and how many in all."""

from __future__ import annotations

from rig.clock import NS
from rig.streams import Pulse
from rig.trigger.box import TICKS_HZ


class PulsesTold:
    """The pulses of the recording run, as they are told. Times are host ns."""

    def __init__(self, period_ticks: int) -> None:
        self.sent: int | None = None  # by the box's own count, once it has ended
        self.after_stop: list[Pulse] = []  # the last pulse told before the stop, and those after it
        self._latest: Pulse | None = None
        self._period_ticks = period_ticks

    def told(self, pulse: Pulse, *, is_stopping: bool) -> None:
        """A pulse was told."""
        self._latest = pulse
        if is_stopping:
            self.after_stop.append(pulse)

    def stop(self) -> None:
        """The end is being asked for."""
        self.after_stop = [self._latest] if self._latest else []

    @property
    def count(self) -> int | None:
        """How many there were surely: the box's own count, else one more than the last one told; None if none was."""
        return self.sent or (self._latest.pulse_number + 1 if self._latest else None)

    @property
    def next(self) -> int:
        """The pulse after the last one told."""
        return self._latest.pulse_number + 1 if self._latest else 0

    def number_at(self, now: int, *, goes_on: bool) -> int:
        """The pulse that is being sent, by the time since the last one was told: messages may be late by a second."""
        if self._latest is None:
            return 0
        periods = (now - self._latest.arrived_host_ns) * TICKS_HZ // NS // self._period_ticks
        return self._latest.pulse_number + (max(periods, 0) if goes_on else 0)

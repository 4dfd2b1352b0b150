"""What the box says of itself during a run, and what the host saw go wrong on the line to it."""

from __future__ import annotations

from typing import Any

from rig.clock import NS
from rig.record.messages import Action, PingBox
from rig.streams import BoxStatus
from rig.trigger.box import BoxEvent, LineReport

PING_NS = NS // 5  # 5 Hz, the rate that docs/explanation measured for clock pairs


class BoxReports:
    """The reports of one recording. `is_final`: the one after the end of the recording run has come."""

    def __init__(self, run_id: int) -> None:
        self.is_final = False
        self._run_id, self._has_ended = run_id, False
        self._line = LineReport(0, 0, 0)
        self._next_ping = 0  # host ns

    def ping(self, now: int) -> list[Action]:
        """Ask the box for its clock, when it is time, host ns."""
        if now < self._next_ping:
            return []
        self._next_ping = now + PING_NS
        return [PingBox()]

    def run_ended(self) -> None:
        """The recording run is over; the next report is the last."""
        self._has_ended = True

    def take(self, event: BoxEvent) -> str:
        """Take a report; what to alarm about, in words, or nothing."""
        match event:
            case BoxStatus():
                self.is_final = self._has_ended and event.run_id == self._run_id
                if event.edges_late:
                    return "sent pulses late, by its own count: it is overloaded, or its firmware is at fault"
            case LineReport():
                self._line = event
        return ""

    def record(self) -> dict[str, Any]:
        """What went wrong on the line, for the log."""
        line = self._line
        counts = {"bad_frames": line.bad_frames, "foreign_events": line.foreign_events, "unanswered": line.unanswered}
        return {"kind": "line", **counts}

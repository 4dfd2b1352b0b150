"""Watches the room that a run has: in its file, on the disk for the file after that, and in memory."""

from __future__ import annotations

from rig.record.alarms import Alarms, log
from rig.record.cameras import Cameras
from rig.record.messages import Action, NextFile, RoomAdded, RoomRefused, Stock
from rig.record.plan import LEAST_FREE_BYTES, RunPlan
from rig.session.layout import Outcome, spelled_size

DISK = "disk"
MOST_WAITING = 100_000  # rows and texts, of about 0.5 kB: ten minutes of SMIC's load on a disk that stands still


class RoomWatch:
    """Part of the recorder's core. `ends_as`: how the run must end now, in order; None while it may go on."""

    def __init__(self, plan: RunPlan, alarms: Alarms, cameras: Cameras) -> None:
        self.ends_as: Outcome | None = None
        self._alarms, self._cameras = alarms, cameras
        self._low_bytes, self._is_low = plan.low_bytes, False
        self._low = f"less than {spelled_size(self._low_bytes)} is free: a session that outlasts its plan cannot go on"

    def take(self, event: RoomAdded | RoomRefused | Stock, now: int) -> list[Action]:
        """What follows at `now` (host ns) from what became of the next file, or from what is free on the disk."""
        match event:
            case RoomAdded():
                return self._go_on(event, now)
            case RoomRefused():
                self.ends_as = event.outcome
                text = f"the session outlasts its plan and cannot go on: {event.error}"
                return self._alarms.sound(now, text, DISK, cause=event.error.__cause__)
        return self._waiting(event.disk.actions, now) + self._free(event.disk.free_bytes, now)

    def _waiting(self, actions: int, now: int) -> list[Action]:
        """Frames have their cameras' buffers and no more; what is told of them, and of all else, has this bound."""
        if actions <= MOST_WAITING:
            return []
        self.ends_as = Outcome.DISK_FULL
        return self._alarms.sound(
            now, f"{actions} entries wait to be written: the disk takes none, and the run ends", DISK
        )

    def _go_on(self, event: RoomAdded, now: int) -> list[Action]:
        """No alarm: nothing is lost by it. The file that ends says that another follows."""
        text = f"what was planned is nearly used up: the session goes on in the file of run {event.number}"
        told = log(now, {"kind": "goes_on", "run": event.number, "text": text})
        return [told, NextFile(self._cameras.go_on(event.frames))]

    def _free(self, free_bytes: int, now: int) -> list[Action]:
        """Other programs write to the same disk."""
        if free_bytes < 0:  # the system does not tell
            return []
        if free_bytes < LEAST_FREE_BYTES:
            self.ends_as = Outcome.DISK_FULL
            text = f"less than {spelled_size(LEAST_FREE_BYTES)} is free: the run ends while it can be put in order"
            return self._alarms.sound(now, text, DISK)
        was_low, self._is_low = self._is_low, free_bytes < self._low_bytes
        if self._is_low:
            return self._alarms.sound(now, self._low, DISK)
        return self._alarms.take_back(now, self._low, DISK, "there is room again") if was_low else []

"""What the operator is told while recording, and the log's own words: each alarm once, counts and silences kept up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rig.record.messages import Action, AppendText
from rig.record.watch import BOX
from rig.session import layout
from rig.trigger.box import EventsLost

EVENTS, MISSING, WAITING = "events", "missing frames", "waiting frames"  # beside what is counted of cameras
SILENT = "silence"


def log(now: int, record: dict[str, Any]) -> Action:
    """A record of the log, at host ns `now`."""
    return AppendText(layout.LOG, now, record)


def note(now: int, text: str) -> Action:
    """A note in the log."""
    return log(now, {"kind": "note", "text": text})


class Alarms:
    """The alarms of one run. Each method returns what goes to the log; times are host ns."""

    def __init__(self, box_name: str) -> None:
        """`box_name` names the box's port: which cable to look at."""
        self.texts: list[str] = []
        self._box_name = box_name
        self._known: set[tuple[str, str]] = set()
        self._counts: dict[tuple[str, str], int] = {}  # by source and what is counted
        self._running: dict[tuple[str, str], int] = {}  # the same: index of the alarm whose text is kept up to date
        self._silence = -1  # index of the alarm that the box does not answer
        self._over: set[int] = set()  # indices of alarms that were taken back

    @property
    def standing(self) -> list[str]:
        """The alarms without those of what is over."""
        return [text for index, text in enumerate(self.texts) if index not in self._over]

    def sound(self, now: int, text: str, source: str, *, cause: BaseException | None = None) -> list[Action]:
        """Once for each text and source: a stuck device must not fill the log. `cause` is for the log alone."""
        if (source, text) in self._known:
            return []
        self._known.add((source, text))
        self.texts.append(f"{source}: {text}")
        raw = {"cause": f"{type(cause).__name__}: {cause}"} if cause is not None else {}
        return [log(now, {"kind": "alarm", "stream": source, "text": text, **raw})]

    def take_back(self, now: int, text: str, source: str, why: str) -> list[Action]:
        """What was alarmed about is over; if it happens again it is another alarm."""
        self._known.discard((source, text))
        self._over |= {i for i, known in enumerate(self.texts) if known == f"{source}: {text}"}
        return [note(now, f"{source}: {why}")]

    def count(self, now: int, what: str, source: str) -> list[Action]:
        """One alarm for each source and `what`, a noun in the plural, with the running count of it."""
        return self._keep_up(now, what, f"{what}: {self._counted(what, source, 1)} so far", source)

    def _counted(self, what: str, source: str, more: int) -> int:
        """How many there are, with so many more."""
        self._counts[source, what] = count = self._counts.get((source, what), 0) + more
        return count

    def _keep_up(self, now: int, what: str, text: str, source: str) -> list[Action]:
        """One alarm for each source and `what`, with the latest text."""
        index = self._running.setdefault((source, what), len(self.texts))
        if index == len(self.texts):
            return self.sound(now, text, source)
        self.texts[index] = f"{source}: {text}"
        return []

    def missing(self, now: int, count: int, source: str) -> list[Action]:
        """So many frames should have come for over a second, by count; 0: they came after all."""
        if not count:
            return self._is_over(now, MISSING, "the frames that were missing have come", source)
        text = f"frames are being lost, or are over a second late: about {count} by count"
        return self._stands(now, MISSING, text, source)

    def waiting(self, now: int, text: str, source: str) -> list[Action]:
        """Frames wait in a camera's buffers, more than half of what they hold."""
        return self._stands(now, WAITING, text, source)

    def written(self, now: int, source: str) -> list[Action]:
        """The frames that waited are written; nothing to tell of where none did."""
        return self._is_over(now, WAITING, "the frames that waited are written", source)

    def _stands(self, now: int, what: str, text: str, source: str) -> list[Action]:
        """An alarm that is kept up to date as long as what it tells of lasts, and stands again when it comes again."""
        index = self._running.get((source, what))
        has_come_again = index is not None and index in self._over
        self._over.discard(-1 if index is None else index)
        actions = self._keep_up(now, what, text, source)
        return [log(now, {"kind": "alarm", "stream": source, "text": text})] if has_come_again else actions

    def _is_over(self, now: int, what: str, why: str, source: str) -> list[Action]:
        index = self._running.get((source, what))
        if index is None or index in self._over:
            return []
        self._over.add(index)
        return [note(now, f"{source}: {why}")]

    def of_box(self, now: int, text: str) -> list[Action]:
        """An alarm of the box, with the name of its port."""
        return self.sound(now, f"{self._box_name}: {text}", BOX)

    def silences(self, now: int, fallen: list[str], again: list[str], silent_s: Callable[[str], float]) -> list[Action]:
        """Who has fallen silent, of whom each may say nothing for so many seconds, and who is heard again."""
        told = [self.silent(now, name, silent_s(name)) for name in fallen]
        told += [self.heard_again(now, name) for name in again]
        return [action for actions in told for action in actions]

    def silent(self, now: int, name: str, seconds: float) -> list[Action]:
        """Nothing was heard for so long: of a pulse from the box, at all from a camera or the screen."""
        text = f"has said nothing for {seconds:g} s"
        if name == BOX:
            text = f"{self._box_name}: has told of no pulse for {seconds:g} s; pulses may go on"
        return self._stands(now, SILENT, text, name)

    def heard_again(self, now: int, name: str) -> list[Action]:
        """Its silence is over."""
        return self._is_over(now, SILENT, "is heard again", name)

    def events_lost(self, now: int, event: EventsLost) -> list[Action]:
        """A record of each loss, and one alarm with the count of all so far."""
        record = {"kind": "events_lost", "first_seq": event.first_seq, "count": event.count}
        total = self._counted(EVENTS, BOX, event.count)
        lost = "1 event of the box was lost" if total == 1 else f"{total} events of the box were lost"
        text = f"{self._box_name}: {lost} so far; a lost event is no lost pulse"
        return [log(now, record), *self._keep_up(now, EVENTS, text, BOX)]

    def left_over(self, now: int, run_id: int) -> list[Action]:
        """The box was found sending a run of a program that is gone."""
        return [note(now, f"the box still sent run {run_id}, which nobody listened to; it was stopped first")]

    def box_silent(self, now: int, seconds: float) -> list[Action]:
        """The box does not answer; the alarm stands until it does."""
        actions = self.of_box(now, f"has not answered for {seconds:g} s, though its port is open; pulses may go on")
        self._silence = len(self.texts) - 1 if actions else self._silence
        self._over.discard(self._silence)
        return actions

    def box_answers(self, now: int) -> list[Action]:
        """The silence is over."""
        self._over.add(self._silence)
        return [note(now, f"{self._box_name} answers again")]

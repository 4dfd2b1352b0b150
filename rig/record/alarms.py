"""What the operator is told while recording, and the log's own words: each alarm once, counts and silences kept up."""

from __future__ import annotations

from typing import Any

from rig.record.messages import Action, AppendText
from rig.record.watch import BOX
from rig.session import layout
from rig.trigger.box import EventsLost


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
        self._events_lost = 0
        self._loss_index: int | None = None  # of the alarm with the running count
        self._silence, self._is_silent = "", False  # the alarm of it, and whether it holds
        self._counted: dict[tuple[str, str], tuple[int, int]] = {}  # by source and what: index of the alarm, count
        self._missing: dict[str, int] = {}  # by source: index of the alarm
        self._over: set[int] = set()  # indices of alarms that were taken back

    @property
    def standing(self) -> list[str]:
        """The alarms without those of what is over."""
        texts = [text for index, text in enumerate(self.texts) if index not in self._over]
        return [text for text in texts if self._is_silent or text != self._silence]

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
        index, count = self._counted.get((source, what), (len(self.texts), 0))
        self._counted[source, what] = index, count + 1
        text = f"{what}: {count + 1} so far"
        if not count:
            return self.sound(now, text, source)
        self.texts[index] = f"{source}: {text}"
        return []

    def missing(self, now: int, count: int, source: str) -> list[Action]:
        """So many frames should have come for over a second, by count; 0: they came after all."""
        text = f"frames are being lost, or are over a second late: about {count} by count"
        if source not in self._missing:
            self._missing[source] = len(self.texts)
            return self.sound(now, text, source)
        index = self._missing[source]
        if not count:
            self._over.add(index)
            return [note(now, f"{source}: the frames that were missing have come")]
        self.texts[index] = f"{source}: {text}"
        self._over.discard(index)
        return []

    def of_box(self, now: int, text: str) -> list[Action]:
        """An alarm of the box, with the name of its port."""
        return self.sound(now, f"{self._box_name}: {text}", BOX)

    def silent(self, now: int, name: str, seconds: float) -> list[Action]:
        """Nothing was heard for so long: of a pulse from the box, at all from a camera or the screen."""
        if name == BOX:
            return self.of_box(now, f"has told of no pulse for {seconds:g} s; pulses may go on")
        return self.sound(now, f"has said nothing for {seconds:g} s", name)

    def events_lost(self, now: int, event: EventsLost) -> list[Action]:
        """A record of each loss, and one alarm with the count of all so far."""
        record = {"kind": "events_lost", "first_seq": event.first_seq, "count": event.count}
        return [log(now, record), *self._count_lost(now, event.count)]

    def _count_lost(self, now: int, count: int) -> list[Action]:
        self._events_lost += count
        total = self._events_lost
        lost = "1 event of the box was lost" if total == 1 else f"{total} events of the box were lost"
        text = f"{lost} so far; a lost event is no lost pulse"
        if self._loss_index is not None:
            self.texts[self._loss_index] = f"{BOX}: {self._box_name}: {text}"
            return []
        self._loss_index = len(self.texts)
        return self.of_box(now, text)

    def left_over(self, now: int, run_id: int) -> list[Action]:
        """The box was found sending a run of a program that is gone."""
        return [note(now, f"the box still sent run {run_id}, which nobody listened to; it was stopped first")]

    def box_silent(self, now: int, seconds: float) -> list[Action]:
        """The box does not answer; the alarm stands until it does."""
        actions = self.of_box(now, f"has not answered for {seconds:g} s, though its port is open; pulses may go on")
        self._silence = self.texts[-1] if actions else self._silence
        self._is_silent = True
        return actions

    def box_answers(self, now: int) -> list[Action]:
        """The silence is over."""
        self._is_silent = False
        return [note(now, f"{self._box_name} answers again")]

"""What happened in a session, in the terms of BIDS: an onset in seconds, a duration, a kind. Derived from the runs.

    trials --> a step on the screen      answers --> an answer, a guess       log --> alarm, note, operator, withdrawn
    gaps, not_stored --> frames that are not there                            between two runs --> outage

Everything is on one time axis: seconds of the host clock from pulse 0 of the session, as `Session.at`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rig.clock import NS
from rig.session.opening import reading
from rig.session.run import Run
from rig.session.runfile import Json
from rig.session.timeline import TICK_NS, Timeline, why_gap

if TYPE_CHECKING:
    from rig.elicitation.steps import Step
    from rig.session.reader import Session

RECORDER, OPERATOR, PARTICIPANT = "recorder", "operator", "participant"


class Event(NamedTuple):
    """One row. What does not apply, or nobody knows, is None. Times are s; `run` is its number, from 1."""

    onset: float  # from pulse 0 of the session, host clock
    duration: float | None  # 0: a moment; None: it never ended
    trial_type: str  # the kind of the step, or of what else happened
    value: str | None = None  # what was answered, said, or wrong; why it is not there
    question: str | None = None
    step: str | None = None
    clip: str | None = None
    trial: int | None = None
    response_time: float | None = None  # from being asked to the answer
    first_move: float | None = None  # from being asked to the first key, or move of the pointer, about it
    confidence: int | None = None
    is_right: bool | None = None
    is_confirmed: bool | None = None  # of an answer; False: chosen or typed so far when the page ended
    source: str | None = None  # stream or device, participant, operator, recorder
    run: int = 1


def events_of(session: Session) -> list[Event]:
    """All events of a session, by onset. Raises Truncated when a run's texts cannot be read."""
    found = _outages(session)
    for run in session.runs:
        with reading(run.path, "events"):
            found += _OfRun(run, *session.placed_timelines[run.number]).all()
    return sorted(found, key=lambda event: event.onset)


def _outages(session: Session) -> list[Event]:
    """From one base period after the last pulse of a run to pulse 0 of the next."""
    placed = [(number, line, offset_ns) for number, (line, offset_ns) in session.placed_timelines.items()]
    found = []
    for (number, line, offset_ns), (_, _, next_ns) in pairwise(placed):
        end_ns = offset_ns + line.length_ns
        lasted_s = max(0, next_ns - end_ns) / NS
        found.append(Event(end_ns / NS, lasted_s, "outage", str(line.run.outcome), source=RECORDER, run=number))
    return found


class _OfRun:
    """The events of one run."""

    def __init__(self, run: Run, line: Timeline, offset_ns: int) -> None:
        """`offset_ns`: its pulse 0 after that of the session."""
        self._run, self._line = run, line
        self._zero_host_ns = line.start_host_ns - offset_ns
        self._period_ns = int(run.plan.get("period_ticks", 0)) * TICK_NS

    def all(self) -> Iterator[Event]:
        """Kind by kind."""
        yield from self._steps()
        yield from map(self._answer, self._run.answers)
        for entry in self._run.log:
            yield from self._noted(entry)
        yield from self._not_stored()
        yield from self._gaps()

    def _s(self, host_ns: int) -> float:
        return (host_ns - self._zero_host_ns) / NS

    def _place(self, index: int) -> Json:
        """Step, clip and trial as fields of an event."""
        step = self._step(index)
        if step is None:
            return {"run": self._run.number}
        return {"run": self._run.number, "step": step.name, "clip": step.clip, "trial": step.trial or None}

    def _step(self, index: int) -> Step | None:
        return self._run.steps[index] if 0 <= index < len(self._run.steps) else None

    def _steps(self) -> Iterator[Event]:
        """Each time that a step was shown: an operator may have had it repeated."""
        for row in self._run.trials:
            index, onset_ns, ended_ns = (int(row[name]) for name in ("step", "onset_host_ns", "ended_host_ns"))
            if onset_ns >= 0:  # else it was ended before its first flip
                step, duration = self._step(index), (ended_ns - onset_ns) / NS if ended_ns >= 0 else None
                kind = step.kind if step else "unknown"
                yield Event(self._s(onset_ns), duration, kind, **self._place(index))

    def _answer(self, record: Json) -> Event:
        said_ns = int(record["confirmed_host_ns"] if "confirmed_host_ns" in record else record["host_ns"])
        asked_ns = int(record.get("onset_host_ns", said_ns))
        moved_ns = int(record.get("first_key_host_ns", -1))
        took_s = max(0, said_ns - asked_ns) / NS
        is_confirmed = bool(record.get("is_confirmed", True))
        return Event(
            self._s(asked_ns),
            took_s,
            "answer",
            None if record.get("is_skipped") else str(record["answer"]),
            question=str(record["question"]),
            # A guess that nobody had asked for has none, and what ended with its page is no response.
            response_time=(took_s or None) if is_confirmed else None,
            first_move=(moved_ns - asked_ns) / NS if took_s and moved_ns >= asked_ns else None,
            confidence=record.get("confidence") or None,
            is_right=record.get("is_right"),
            is_confirmed=is_confirmed,
            source=str(record.get("by", PARTICIPANT)),
            **self._place(int(record["step"])),
        )

    def _noted(self, entry: Json) -> Iterator[Event]:
        """What of the log is to be seen beside the pictures; a guess is among the answers."""
        place, text, kind = self._place(int(entry.get("step", -1))), str(entry.get("text", "")), entry["kind"]
        now = self._s(int(entry["host_ns"]))
        if kind == "alarm":
            source = entry.get("stream")
            yield Event(now, 0.0, kind, text, source=None if source is None else str(source), **place)
        elif kind == "note":
            yield Event(now, 0.0, kind, text, source=RECORDER, **place)
        elif kind == "operator" and entry["said"] != "guess":
            said, at = str(entry["said"]), self._s(int(entry["said_host_ns"]))
            is_note = said == "note"
            yield Event(at, 0.0, said if is_note else kind, text if is_note else said, source=OPERATOR, **place)
        elif kind == "withdrawn":
            yield Event(self._s(int(entry["withdrawn_host_ns"])), 0.0, kind, source=PARTICIPANT, **place)
        elif kind == "declined":
            yield Event(now, 0.0, kind, text, source=PARTICIPANT, **place)

    def _not_stored(self) -> Iterator[Event]:
        for row in self._run.not_stored:
            stream, reason = (row[name].decode("utf-8", "replace") for name in ("stream", "reason"))
            yield self._without_frames("not_stored", reason, stream, int(row["first_pulse"]), int(row["last_pulse"]))

    def _gaps(self) -> Iterator[Event]:
        for name, stream in self._run.streams.items():
            for row in stream.gaps:
                cause = why_gap(int(row["cause"]))
                yield self._without_frames("gap", cause, name, int(row["first_pulse"]), int(row["last_pulse"]))

    def _without_frames(self, kind: str, why: str, stream: str, first: int, last: int) -> Event:
        """From the exposure of pulse `first` to one period of the stream after that of `last`; -1: to the end."""
        begin = self._host_ns(first)
        divisor = self._run.streams[stream].divisor if stream in self._run.streams else 1
        end = self._host_ns(last - last % divisor) + divisor * self._period_ns
        if last < 0:
            end = max(begin, self._line.start_host_ns + self._line.length_ns)
        return Event(self._s(begin), (end - begin) / NS, kind, why, source=stream, run=self._run.number)

    def _host_ns(self, pulse: int) -> int:
        """When a pulse was exposed; of one that nobody told of, by the period from its nearest neighbour above."""
        numbers = self._line.pulse_numbers
        if not len(numbers):
            return self._line.start_host_ns + pulse * self._period_ns
        place = int(np.searchsorted(numbers, pulse).clip(max=len(numbers) - 1))
        return int(self._line.exposed_host_ns[place]) + (pulse - int(numbers[place])) * self._period_ns

"""What an operator and other observers are told of a recording, and how what an operator says reaches the core.

    the core --Standing--> state() --> the channel --> operator: nothing that tells which clip is shown, if blind
                       --> events  --> the channel --> observer: steps by name, answers, what the operator said
    operator --> the channel --> said() --> OperatorSaid --> the core

A blind operator's state is put together from what such an operator may know; nothing is taken out of a fuller one.
Only alarms are foreign text: the screen's lose every word of the protocol that could name a clip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from rig.channel import Message, Server
from rig.clock import NS, Clock
from rig.elicitation.course import OUTSIDE
from rig.elicitation.steps import Step
from rig.errors import UserError
from rig.record.box_times import BoxReadings
from rig.record.keeping import Counts
from rig.record.messages import CONFIDENCE, MOST_LETTERS, Event, OperatorSaid, OperatorWord
from rig.record.states import RunState
from rig.record.watch import BOX
from rig.session.layout import Outcome
from rig.stimulus.screen import ScreenNote, StepBegan, StepEnded, Withdrawn
from rig.streams import Answer, ClockPair, Pulse

EVERY_NS = NS // 5  # a state is due five times a second
WORDS: tuple[OperatorWord, ...] = get_args(OperatorWord)
WHILE_PLAYED = ("stop", "note")  # words that lead a recorded session no other way
HIDDEN = "[hidden]"
VEILED_KEPT = 256  # texts; a run with more different alarms than that has other worries
LONG_WORD = 4  # letters; so long a word is hidden inside of others, too
KNOW_NO_FILM = ("box", "disk")  # whose alarms, and the cameras', never speak of what is on the screen


@dataclass(frozen=True)
class Standing:
    """How a recording stands."""

    state: RunState
    outcome: Outcome
    seconds: float  # since it began
    step: Step | None  # on the screen
    step_seconds: float  # since its first flip; 0 before
    trials: int
    may_guess: bool  # the clip of the trial that goes on is, or was, on the screen
    guess: str  # the operator's in this trial; empty: none yet
    is_paused: bool  # the next step waits for the operator, who paused it
    is_between: bool  # no step is on the screen
    is_waiting: bool  # the first step waits for the operator's start
    is_withdrawn: bool  # the participant wants no more: nothing is stored
    refused: tuple[str, ...]  # what the operator wanted and came too late or too soon, oldest first
    counts: Mapping[str, Counts]
    stored_bytes: int
    free_bytes: int  # on the session's disk; -1: the system did not tell
    alarms: tuple[str, ...]  # without those of what is over, each with its source
    is_simulated: bool  # any device of it


@dataclass(frozen=True)
class Rules:
    """What the protocol says about its operator."""

    is_blind: bool
    guesses: Mapping[str, str] = field(default_factory=dict)  # key -> value; none: nothing is to be guessed
    hidden: tuple[str, ...] = ()  # what could name a clip, as by `hidden_words`
    is_played: bool = False  # a recorded session is the rig: it goes as it went

    @cached_property
    def veil(self) -> Callable[[str], str]:
        """Makes a text into one without any hidden word. What it has made it keeps: an alarm is told many times."""
        if not self.hidden:
            return str
        words = "|".join(
            re.escape(word) if len(word) >= LONG_WORD else rf"\b{re.escape(word)}\b" for word in self.hidden
        )
        pattern = re.compile(words, re.IGNORECASE)
        return lru_cache(VEILED_KEPT)(lambda text: pattern.sub(HIDDEN, text))


def hidden_words(clips: Mapping[str, Any], steps: Iterable[Step]) -> tuple[str, ...]:
    """Everything in a protocol that could tell which clip is shown, longest first.

    `clips`: each clip by its name, as plain data: title, file, valence and whatever else is said of it.
    """
    words = {word for name, clip in clips.items() for word in (name, *_texts(clip))}
    for step in steps:
        words |= {step.name, step.text, step.clip or "", step.target, *(item.text for item in step.items)}
    words |= {part for word in words for part in _file_parts(word)}
    return tuple(sorted((word for word in words if re.search(r"\w", word)), key=lambda word: (-len(word), word)))


def _texts(value: object) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _file_parts(word: str) -> Iterator[str]:
    """A file's name and its folders' alone: a message may name it from elsewhere."""
    if "/" in word or re.search(r"\.\w{2,4}$", word):
        path = PurePosixPath(word)
        yield from (path.name, path.stem, *(part for part in path.parts if len(part) >= LONG_WORD))


def state(standing: Standing, rules: Rules) -> Message:
    """How it stands, as plain data, for an operator; without blindness the step's and the clip's name, too."""
    alarms, is_recording = list(standing.alarms), standing.state is RunState.RECORDING
    told = {
        "is_blind": rules.is_blind,
        "state": standing.state.name.lower(),
        "outcome": str(standing.outcome),
        "seconds": round(standing.seconds, 2),
        "is_simulated": standing.is_simulated,
        "is_paused": standing.is_paused and is_recording,
        "is_held": standing.is_paused and is_recording and standing.is_between,
        "is_waiting": standing.is_waiting and is_recording,  # a start that came sooner would be lost
        "is_withdrawn": standing.is_withdrawn,
        "trials": standing.trials,
        "streams": {name: _stream(counts) for name, counts in standing.counts.items()},
        "stored_bytes": standing.stored_bytes,
        "free_bytes": standing.free_bytes,
        "alarms": [_without_films(alarm, standing, rules) for alarm in alarms] if rules.is_blind else alarms,
        "guess": _guess(standing, rules),
        "refused": {"count": len(standing.refused), "last": standing.refused[-1] if standing.refused else ""},
        **_shown(standing, rules),
    }
    if not rules.is_blind:
        step = standing.step
        told |= {"step": step.name if step else "", "clip": (step.clip if step else None) or ""}
    return told


def _stream(counts: Counts) -> Message:
    return {"arrived": counts.arrived, "stored": counts.stored, "lost": counts.lost, "missing": counts.missing}


def _shown(standing: Standing, rules: Rules) -> Message:
    """What kind of step is on the screen. How long a clip is, is not told: it would tell which."""
    step = standing.step
    if step is None:
        return {"trial": 0, "kind": "", "step_seconds": 0.0, "left_s": None}
    # The penalty comes only when enough guesses were right.
    kind = "question" if rules.is_blind and step.kind == "penalty" else step.kind
    left_s = None if step.seconds is None else round(max(0.0, step.seconds - standing.step_seconds), 2)
    return {"trial": step.trial, "kind": kind, "step_seconds": round(standing.step_seconds, 2), "left_s": left_s}


def _guess(standing: Standing, rules: Rules) -> Message:
    is_asked = bool(rules.guesses) and standing.may_guess
    choices = [{"key": key, "value": value} for key, value in rules.guesses.items()]
    return {"is_asked": is_asked, "given": standing.guess, "choices": choices}


def _without_films(alarm: str, standing: Standing, rules: Rules) -> str:
    source = alarm.partition(":")[0]
    if source in KNOW_NO_FILM or source in standing.counts:
        return alarm
    return rules.veil(alarm)


def said(command: Message, now: int, rules: Rules) -> OperatorSaid:
    """What an operator wants, at host ns `now`. Raises UserError for what no operator can want."""
    word = next((word for word in WORDS if word == command.get("command")), None)
    if word is None:
        value = repr(command.get("command"))[:40]
        raise UserError("operator's command", "is not known", value=value, allowed=f"one of {', '.join(WORDS)}")
    if rules.is_played and word not in WHILE_PLAYED:
        allowed = f"a recorded session goes as it went: {' and '.join(WHILE_PLAYED)} alone"
        raise UserError(f"operator's {word}", "is not possible", allowed=allowed)
    if word == "note":
        return OperatorSaid(word, now, text=_note(command))
    if word == "guess":
        value, confidence = _guessed(command, rules), _confidence(command)
        return OperatorSaid(word, now, value=value, confidence=confidence, trial=_trial(command))
    return OperatorSaid(word, now, trial=_trial(command))


def _trial(command: Message) -> int:
    """The trial that is meant; 0: whichever goes on when the core hears of it."""
    trial = command.get("trial", 0)
    if not isinstance(trial, int) or isinstance(trial, bool) or trial < 0:
        raise UserError("trial of a command", "is not allowed", value=repr(trial)[:40], allowed="a whole number from 1")
    return trial


def _note(command: Message) -> str:
    text = command.get("text")
    if not isinstance(text, str) or not 0 < len(text.strip()) <= MOST_LETTERS:
        raise UserError("operator's note", "is not allowed", allowed=f"1 to {MOST_LETTERS} letters")
    return text.strip().encode("utf-8", "replace").decode()  # half a letter cannot be stored


def _guessed(command: Message, rules: Rules) -> str:
    value = command.get("value")
    if value not in rules.guesses.values():
        allowed = f"one of {', '.join(rules.guesses.values())}" if rules.guesses else "this protocol has none"
        raise UserError("operator's guess", "is not allowed", value=repr(value)[:40], allowed=allowed)
    return str(value)


def _confidence(command: Message) -> int:
    confidence = command.get("confidence")
    if not isinstance(confidence, int) or isinstance(confidence, bool) or confidence not in CONFIDENCE:
        allowed = f"a whole number from {CONFIDENCE[0]} to {CONFIDENCE[-1]}"
        raise UserError("confidence of a guess", "is not allowed", value=repr(confidence)[:40], allowed=allowed)
    return confidence


class Telling:
    """The channel of one recording: `look` and `event` by the core's thread, `close` at its end."""

    def __init__(
        self, folder: Path, rules: Rules, steps: tuple[Step, ...], tell: Callable[[Event], None], clock: Clock
    ) -> None:
        """Open it in the session's folder; `tell` gives the core an event, from any thread.

        Raises StorageError or DeviceNotReady when it cannot be opened.
        """
        self._rules, self._steps, self._tell, self._clock = rules, steps, tell, clock
        self._due_ns = self._pulse_due_ns = 0
        self._readings = BoxReadings()
        self._trial = 0  # that was told last
        rules.veil("")  # made now: that takes some 0.1 s, in which nothing else would be done
        self._server = Server(folder, self._take)

    def look(self, now: int, standing: Callable[[], Standing]) -> None:
        """Tell how it stands if that is due, at host ns `now`. Never waits for anybody."""
        if now >= self._due_ns:
            self.show(now, standing())

    def show(self, now: int, standing: Standing) -> None:
        """Tell how it stands at once: an alarm has sounded, or it is over."""
        self._due_ns = now + EVERY_NS
        self._trial = standing.step.trial if standing.step else 0
        self._server.publish(state(standing, self._rules), to="operator")
        self._server.publish(state(standing, Rules(is_blind=False, guesses=self._rules.guesses)), to="observer")

    def event(self, event: Event) -> None:
        """Tell observers of what the core was told, if it is anything to them."""
        told = self._told(event)
        if told is not None:
            self._server.event(told, to="observer")

    def _told(self, event: Event) -> Message | None:
        """Times are host ns; each kind has its own fields, which docs/how-to/operate-a-session.md lists."""
        match event:
            case StepBegan():
                return {"kind": "began", "host_ns": event.host_ns, **self._step(event.step)}
            case StepEnded():
                ended = {"host_ns": event.host_ns, "ended_by": event.ended_by}
                return {"kind": "ended", **ended, **self._step(event.step)}
            case Answer():
                answered = {"question": event.question, "answer": event.answer}
                flags = {"is_skipped": event.is_skipped, "is_confirmed": event.is_confirmed}
                told = {"kind": "answer", "host_ns": event.confirmed_host_ns}
                return {**told, **answered, **flags, **self._step(event.step)}
            case Withdrawn():
                return {"kind": "withdrawn", "host_ns": event.host_ns, **self._step(event.step)}
            case ScreenNote():
                return {"kind": "note", "host_ns": event.host_ns, "by": "screen", "text": event.text}
            case OperatorSaid():
                return self._operator(event)
            case ClockPair() if event.clock == BOX:
                self._readings.told_pair(event)
            case Pulse():
                return self._pulse(event)
        return None

    def _step(self, index: int) -> Message:
        if not 0 <= index < len(self._steps):
            return {"step": "", "step_kind": "", "trial": 0, "clip": ""}
        step = self._steps[index]
        return {"step": step.name, "step_kind": step.kind, "trial": step.trial, "clip": step.clip or ""}

    @staticmethod
    def _operator(event: OperatorSaid) -> Message:
        told = {"kind": event.kind, "host_ns": event.host_ns, "by": "operator"}
        if event.kind == "guess":
            return {**told, "answer": event.value, "confidence": event.confidence}
        return {**told, "text": event.text} if event.text else told

    def _pulse(self, pulse: Pulse) -> Message | None:
        """One a second, once it is known when it was sent: enough for the clock of another recorder to be mapped."""
        if pulse.arrived_host_ns < self._pulse_due_ns or (sent := self._readings.sent(pulse)) is None:
            return None
        self._pulse_due_ns = pulse.arrived_host_ns + NS
        host_ns, within_ns = sent
        told = {"run_id": pulse.run_id, "pulse": pulse.pulse_number, "box_ticks": pulse.box_ticks}
        return {"kind": "pulse", "host_ns": host_ns, "within_ns": within_ns, **told}

    def close(self) -> None:
        """Let all go. Never raises."""
        self._server.close()

    def _take(self, command: Message) -> None:
        """What is surely too late is refused here; what was told last is a moment old, so the core looks, too."""
        event = said(command, self._clock.now_ns(), self._rules)
        if command.get("trial", self._trial) != self._trial:
            raise UserError(f"operator's {event.kind}", "came too late", value=f"trial {event.trial}")
        if event.kind == "guess" and self._trial == OUTSIDE:
            raise UserError("operator's guess", "is for no trial", allowed="only while a trial goes on")
        self._tell(event)

"""The participant's screen of a recorded session: no window, but all that it told, when it told it.

Nothing of a step is told before that step is asked for. The screen cannot be hurried: an abort changes nothing. Only
where the playback is stopped before its recorded end, the step ends then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from rig.elicitation.steps import Step
from rig.errors import DeviceLost
from rig.session.decided import Decided
from rig.session.playback import Playback, Tape, wait_until_due
from rig.session.run import Run
from rig.session.runfile import Json
from rig.stimulus.screen import Screen, ScreenEvent, ScreenNote, StepBegan, StepEnded, Withdrawn
from rig.streams import Answer, ClockPair, DeviceInfo, Flip

SCREEN = "screen"  # in rows of clock pairs, and in records of the log
NOTED = f"{SCREEN}: "  # begins a note of the screen's own
HEARD_AGAIN = f"{NOTED}is heard again"  # the recorder's word
ENDED_BY = "as recorded"  # why a step ended is not kept
STOPPED = "stopped"
FOREVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Lost:
    """The screen is gone, for a reason in words."""

    text: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """A step that was shown; recorded host ns."""

    step: int
    onset_ns: int  # its first flip
    ended_ns: int  # -1: it never ended
    until_ns: int  # onset of the next one


_Told = ScreenEvent | _Lost
_Happening = tuple[int, _Told]  # when it is told, recorded host ns
_ORDER = (StepBegan, Flip, Answer, Withdrawn, StepEnded, ClockPair, ScreenNote, _Lost)  # of what is told together


class ReplayedScreen(Screen):
    """Plays the screen of a recorded run."""

    def __init__(self, playback: Playback) -> None:
        self._playback, self._shown, self._next = playback, _shown(playback.run), 0
        self._lost: DeviceLost | None = None
        self._is_on: int | None = None  # the step that has begun and not ended
        first_ns = self._shown[0].onset_ns if self._shown else FOREVER_NS
        self._tapes: list[Tape[_Told]] = [playback.tape(_in_order(_told(playback.run, 0, first_ns)))]

    def describe(self) -> DeviceInfo:
        """Who the recorded screen said it was; simulated, as nobody sees it now."""
        return DeviceInfo(**self._playback.told_of(SCREEN))

    def next_host_ns(self) -> int | None:
        """When `events` will next have something, host clock ns; None while nothing is shown."""
        times = [due for tape in self._tapes if (due := tape.next_host_ns()) is not None]
        return min(times, default=None)

    def show(self, step: Step) -> None:
        """Let the recorded showing of this step begin at its time; where another one was shown it is lost."""
        if self._next == len(self._shown):
            return  # in the recording it never began
        shown = self._shown[self._next]
        self._next += 1
        if shown.step != step.index:
            self._lose(f"shows step {shown.step + 1} next in the recording, not step {step.index + 1} ({step.name})")
            return
        told = _in_order(_told_of(self._playback.run, shown))
        self._tapes = [self._tapes[-1], self._playback.tape(told)]

    def _lose(self, problem: str) -> None:
        self._drop()
        self._lost = DeviceLost(f"screen {self._playback.words}", problem)

    def _drop(self) -> None:
        for tape in self._tapes:
            tape.drop()

    def events(self, timeout_s: float) -> list[ScreenEvent]:
        """See Screen.events."""
        told = self._stopped() if self._playback.end is not None else []
        wait_until_due(self._playback.clock, 0 if told else timeout_s, *self._tapes)
        while (came := self._tapes[0].next() or self._tapes[-1].next()) is not None:
            if isinstance(came[1], _Lost):
                self._lose(f"was lost in the recording: {came[1].text}")
            else:
                told.append(self._noted(_moved(came[1], self._playback.shift_ns)))
        if self._lost is not None and not told:
            raise self._lost
        return told

    def _noted(self, event: ScreenEvent) -> ScreenEvent:
        if isinstance(event, StepBegan):
            self._is_on = event.step
        elif isinstance(event, StepEnded):
            self._is_on = None
        return event

    def _stopped(self) -> list[ScreenEvent]:
        """The playback was stopped: nothing recorded is told any more, and the step on the screen is over."""
        self._drop()
        if self._is_on is None:
            return []
        return [self._noted(StepEnded(self._is_on, self._playback.clock.now_ns(), STOPPED))]

    def abort(self) -> None:
        """The step ends when it ended in the recording."""

    def close(self) -> None:
        """There is nothing to give back."""


def _moved(event: ScreenEvent, shift_ns: int) -> ScreenEvent:
    """The event with its host times on today's clock. What was never stamped stays 0."""
    if not shift_ns:
        return event
    stamps = (each.name for each in fields(event) if each.name.endswith("host_ns") or each.name in _OF_PAIRS)
    return replace(event, **{name: getattr(event, name) + shift_ns for name in stamps if getattr(event, name)})


_OF_PAIRS = ("host_before_ns", "host_after_ns")


def _shown(run: Run) -> list[_Shown]:
    rows, names = run.trials, ("step", "onset_host_ns", "ended_host_ns")
    untils = [*rows["onset_host_ns"][1:].tolist(), FOREVER_NS]
    return [_Shown(*row) for row in zip(*(rows[name].tolist() for name in names), untils, strict=False)]


def _told(run: Run, from_ns: int, until_ns: int) -> list[_Happening]:
    """What was told within a part of the run, but for the steps themselves."""
    of_log = ((at, told) for at, told in _of_log(run) if from_ns <= at < until_ns)
    return [*_flips(run, from_ns, until_ns), *_pairs(run, from_ns, until_ns), *of_log]


def _told_of(run: Run, shown: _Shown) -> list[_Happening]:
    """What was told of a step that was shown: the recorder decides with its end what to keep of the next one.

    It ends when that decision is due, and all that came before its end is told before.
    """
    found = [*_told(run, shown.onset_ns, shown.until_ns), *_of_step(run, shown)]
    if shown.ended_ns < 0:
        return found
    ends_ns = Decided(run).told_ns(shown.ended_ns, shown.step)
    in_time = [(min(at, ends_ns) if at <= shown.ended_ns else at, told) for at, told in found]
    return [*in_time, (ends_ns, StepEnded(shown.step, shown.ended_ns, ENDED_BY))]


def _in_order(happenings: list[_Happening]) -> list[_Happening]:
    return sorted(happenings, key=lambda happening: (happening[0], _ORDER.index(type(happening[1]))))


def _flips(run: Run, from_ns: int, until_ns: int) -> Iterator[_Happening]:
    names = [each.name for each in fields(Flip)]
    rows = run.flips[(run.flips["host_ns"] >= from_ns) & (run.flips["host_ns"] < until_ns)]
    for row in rows[names].tolist():
        flip = Flip(*row)
        yield flip.host_ns, flip


def _pairs(run: Run, from_ns: int, until_ns: int) -> Iterator[_Happening]:
    rows = run.clock_pairs[run.clock_pairs["clock"] == SCREEN.encode()]
    for row in rows[(rows["host_after_ns"] >= from_ns) & (rows["host_after_ns"] < until_ns)]:
        times = (int(row[name]) for name in ("reading", "reading_end", *_OF_PAIRS))
        pair = ClockPair(SCREEN, *times)
        yield pair.host_after_ns, pair


def _of_step(run: Run, shown: _Shown) -> Iterator[_Happening]:
    """Its begin, and its answers, which the recorder may have got a little later than its end."""
    yield shown.onset_ns, StepBegan(shown.step, shown.onset_ns)
    last_ns = shown.ended_ns if shown.ended_ns >= 0 else FOREVER_NS
    for entry in run.answers:
        if entry.get("by") is None and shown.onset_ns <= entry["host_ns"] < shown.until_ns:
            yield min(int(entry["host_ns"]), last_ns), _answer(entry)


def _answer(entry: Json) -> Answer:
    return Answer(**{each.name: entry[each.name] for each in fields(Answer) if each.name in entry})


def _of_log(run: Run) -> list[_Happening]:
    """What the screen noted, that the participant withdrew, and that the screen was lost."""
    lost_ns = _lost_ns(run)
    found: list[_Happening] = []
    for entry in run.log:
        at_ns, kind, text = int(entry["host_ns"]), entry.get("kind"), str(entry.get("text", ""))
        is_alarm = kind == "alarm" and entry.get("stream") == SCREEN
        if kind == "withdrawn" and not text:  # with a text it follows from an answer
            withdrawn = Withdrawn(int(entry["step"]), int(entry["withdrawn_host_ns"]))
            found.append((Decided(run).told_ns(withdrawn.host_ns), withdrawn))
        elif kind == "note" and text.startswith(NOTED) and text != HEARD_AGAIN:
            found.append((at_ns, ScreenNote(at_ns, text.removeprefix(NOTED))))
        elif is_alarm and at_ns < lost_ns:
            found.append((at_ns, ScreenNote(at_ns, text, is_alarm=True)))
        elif is_alarm and not any(isinstance(told, _Lost) for _, told in found):
            found.append((at_ns, _Lost(text)))
    return found


def _lost_ns(run: Run) -> int:
    """When the screen was lost: at the last alarm about it, if it told nothing any more; else FOREVER_NS."""
    alarms = [int(entry["host_ns"]) for entry in run.log_of("alarm", SCREEN)]
    flips, trials = run.flips["host_ns"], run.trials
    last_ns = max(int(flips.max(initial=0)), int(trials["ended_host_ns"].max(initial=0)))
    return alarms[-1] if alarms and len(trials) and alarms[-1] > last_ns else FOREVER_NS

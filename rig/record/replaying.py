"""What a recorder takes over from a recorded session that is its rig: the steps, and what the operator said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rig.elicitation.protocol import ProtocolFile
from rig.elicitation.steps import Step
from rig.errors import UserError
from rig.record.header import about_file
from rig.record.messages import AbortRequested, Event, OperatorSaid, StopRequested
from rig.record.steps_shown import WAITING
from rig.session.decided import ABORTED, RELEASES, STOPPED, Decided
from rig.session.layout import CONFIG
from rig.session.playback import Playback, run_meant
from rig.session.run import Run
from rig.session.runfile import Json

OPERATOR = "operator"


@dataclass(frozen=True)
class Replayed:
    """What a recorded session says of the one that is made from it."""

    steps: tuple[Step, ...]
    row: int  # of the order of clips, by the ledger of then
    visit: int
    is_waiting: bool  # its first step waited for the operator's start
    first: int  # step with which it began: those before were shown in the run that it resumed
    caught: int  # guesses that were right in earlier runs
    is_withdrawn: bool  # in an earlier run


def read_replayed(run_path: Path, protocol: ProtocolFile) -> Replayed:
    """What is taken over from the run file that is replayed. Raises UserError, SessionError."""
    with Run(*run_meant(run_path)) as run:
        require_own_protocol(run, protocol, str(run_path))
        head = run.attributes("/")
        order = int(head.get("row", 0)), int(head.get("visit", 1))
        is_waiting = bool((run.not_stored["reason"] == WAITING.encode()).any())
        begun = run.first_step, run.caught_before
        return Replayed(tuple(run.steps), *order, is_waiting, *begun, run.is_withdrawn_before)


def require_own_protocol(run: Run, protocol: ProtocolFile, session: str) -> None:
    """Raise UserError unless a run was recorded with this very file; `session`: how the message calls the run's."""
    own = run.attributes(f"{CONFIG}/protocol")
    if own.get("sha256") != about_file(protocol.document)["sha256"]:
        place = own.get("path", "a place that is not told")
        hint = f"Take the one of that time: it is in the session, and was at {place}"
        problem = f"is not the protocol that {session} was recorded with"
        raise UserError(str(protocol.document.path), problem, hint=hint)


class RecordedOperator:
    """Says what the operator of a recorded run said, when they said it."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._tape = playback.tape(_said(playback.run))

    def said(self, until_host_ns: int) -> list[Event]:
        """What was said up to then, host clock ns, and not told before."""
        if self._playback.end is not None:  # whoever stopped it has the word
            self._tape.drop()
        told: list[Event] = []
        while (came := self._tape.next(until_host_ns)) is not None:
            told.append(self._moved(came[1]))
        return told

    def next_host_ns(self) -> int | None:
        """When they will next say something, host clock ns; None while nothing is known to come."""
        return self._tape.next_host_ns()

    def _moved(self, event: Event) -> Event:
        if isinstance(event, OperatorSaid):
            return replace(event, host_ns=event.host_ns + self._playback.shift_ns)
        return event


def _said(run: Run) -> Iterator[tuple[int, Event]]:
    """What was said at the operator's terminal, or by a key; a stop said there is noted as well."""
    decided = Decided(run)
    stops_ns = {entry["host_ns"] for entry in run.log_of(OPERATOR) if entry.get("said") == "stop"}
    for entry in run.log:
        at_ns, text = int(entry["host_ns"]), entry.get("text")
        if entry.get("kind") == OPERATOR:
            yield decided.told_ns(at_ns) if entry["said"] in RELEASES else at_ns, _words(entry)
        elif entry.get("kind") == "note" and text == ABORTED:
            yield at_ns, AbortRequested()
        elif entry.get("kind") == "note" and text == STOPPED and at_ns not in stops_ns:
            yield at_ns, StopRequested()


def _words(entry: Json) -> OperatorSaid:
    """Whichever trial they were about went on then."""
    given = {name: entry[name] for name in ("text", "value", "confidence") if name in entry}
    return OperatorSaid(entry["said"], int(entry.get("said_host_ns", 0)), **given)

"""What the files of a session say of a visit whose recorder could not tell the ledger how it ended.

It was killed, or the ledger was held by another program just then; the files know better.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.errors import SessionError
from rig.session.layout import Outcome
from rig.session.reader import Session
from rig.session.run import Run

NOT_CLOSED = (Outcome.INCOMPLETE, Outcome.RECOVERED)  # then the log says whether the run had come to its end


@dataclass(frozen=True)
class Told:
    """What is known of a visit by its files."""

    takes_part: bool  # consent was given, or there was none to give and a step was shown
    is_withdrawn: bool
    outcome: Outcome | None  # of the last run; None: it was cut, and nobody has put it in order yet


def told_by(folder: Path) -> Told | None:
    """What the files in a session's folder tell; None when they cannot be read, or are being written."""
    try:
        with Session(folder, by_leds=False) as session:
            if session.unreadable or session.runs[-1].is_being_recorded:
                return None
            return Told(_takes_part(session), _is_withdrawn(session), _outcome(session.runs[-1]))
    except SessionError:
        return None


def _takes_part(session: Session) -> bool:
    asked = {step.index: step for step in session.runs[0].steps if step.kind == "consent"}
    if not asked:
        return any(len(run.trials) for run in session.runs)
    given = [answer for run in session.runs for answer in run.answers if int(answer["step"]) in asked]
    return any(answer["answer"] not in asked[int(answer["step"])].ends_run for answer in given if _is_given(answer))


def _is_given(answer: dict[str, object]) -> bool:
    """By the participant, who confirmed it."""
    return answer.get("by") != "operator" and answer.get("is_confirmed") is not False


def _is_withdrawn(session: Session) -> bool:
    return any(entry.get("kind") == "withdrawn" for run in session.runs for entry in run.log)


def _outcome(run: Run) -> Outcome | None:
    if run.outcome not in NOT_CLOSED:
        return run.outcome
    ends = [Outcome(str(entry["outcome"])) for entry in run.log_of("outcome")]
    return ends[-1] if ends else run.outcome if run.outcome is Outcome.RECOVERED else None

"""What a session tells of a participant who wanted no more: whether its files are to be kept, and who said so."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from rig.elicitation.steps import DELETE, KEEP
from rig.session.reader import Session


@dataclass(frozen=True)
class Withdrawal:
    """Of a participant who withdrew in a session."""

    subject: str
    session: int
    choice: str  # KEEP or DELETE, as the participant said; empty: nothing was said
    otherwise: str  # what the protocol says then

    @property
    def is_to_be_deleted(self) -> bool:
        """Whether no file of the session is to stay."""
        return (self.choice or self.otherwise) == DELETE

    @property
    def text(self) -> str:
        """In words, with the command that deletes it where it is to be deleted."""
        who = "the participant" if self.choice else "the protocol, as the participant did not say,"
        if not self.is_to_be_deleted:
            return f"the participant withdrew; {who} lets the recordings be kept"
        command = f"rig subjects delete {quote(self.subject)} --session {self.session} --reason withdrew"
        return f"the participant withdrew; {who} wants the recordings deleted: {command}"


def withdrawal_of(session: Session) -> Withdrawal | None:
    """What becomes of a session's recordings; None when nobody withdrew. Raises NotASession for a damaged file."""
    told = [entry for run in session.runs for entry in run.log_of("withdrawn")]
    if not told:
        return None
    first = session.runs[0]
    otherwise = str(told[0].get("otherwise", KEEP))
    return Withdrawal(first.subject, first.session, _choice(session), otherwise)


def _choice(session: Session) -> str:
    """What was answered on the page that only who withdrew sees; of several answers the last."""
    said = [
        str(answer["answer"])
        for run in session.runs
        for answer in run.answers
        if any(step.only_withdrawn and step.index == int(answer["step"]) for step in run.steps)
    ]
    return next((answer for answer in reversed(said) if answer in (KEEP, DELETE)), "")

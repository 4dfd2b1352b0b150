"""Every error a user can meet, divided by what they do next.

    RigError
     +-- UserError          mend what you wrote; exit code 2, never a traceback
     |    +-- ConfigError       rig.yaml or a dated calibration file
     |    +-- ProtocolError     an elicitation protocol
     |    +-- ClipError         a film clip
     |    +-- ProblemList       several of the above at once
     +-- DeviceError        mend the cable; names the device
     |    +-- DeviceNotFound    nothing answers at that name
     |    +-- DeviceNotReady    it answers, but cannot do what was asked
     |    +-- DeviceLost        it was there, and is gone
     +-- SessionError       a file of a session; says what is still good
          +-- NotASession       this is no session of ours
          +-- SessionExists     nothing is ever overwritten
          +-- Truncated         the end of the file is missing
          +-- ChecksumError     a frame differs from what the camera delivered
          +-- LabelsChanged     somebody else saved or closed them: read them again
          +-- NotServed         the page is of another session, or its files have gone: load it again
          +-- StorageError      the disk refused; what was acknowledged is kept

Anything else that escapes is a bug and may show a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class RigError(Exception):
    """What went wrong, in the user's terms.

    `subject` is the device, file or key at fault; `value` what was found there; `allowed` what would be
    right; `hint` what to do next. All are text and may be empty, except `subject`.
    """

    def __init__(self, subject: str, problem: str, *, value: str = "", allowed: str = "", hint: str = "") -> None:
        self.subject, self.problem, self.value, self.allowed, self.hint = subject, problem, value, allowed, hint
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        found = f"{self.value} {self.problem}" if self.value else self.problem
        allowed = f"; {self.allowed}" if self.allowed else ""
        return f"{self.subject}: {found}{allowed}" + (f". {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        """Lets an error cross from a child process with all its fields."""
        return (_rebuild, (type(self), self.subject, self.problem, self.value, self.allowed, self.hint))


def _rebuild(kind: type[RigError], subject: str, problem: str, value: str, allowed: str, hint: str) -> RigError:
    return kind(subject, problem, value=value, allowed=allowed, hint=hint)


class UserError(RigError):
    """Something the user wrote: a file, an option, a name."""


class ConfigError(UserError):
    """A line of rig.yaml or of a dated calibration file; `subject` is `file:line`."""


class ProtocolError(UserError):
    """A line of an elicitation protocol; `subject` is `file:line`."""


class ClipError(UserError):
    """A film clip that is missing, changed, or cannot be played as it is."""


class ProblemList(UserError):
    """Several problems, all found in one reading, so that they can be mended in one go."""

    def __init__(self, problems: Sequence[RigError]) -> None:
        self.problems = list(problems)
        super().__init__(f"{len(self.problems)} problems", "\n".join(f"  {p}" for p in self.problems))

    def _sentence(self) -> str:
        return f"{self.subject}:\n{self.problem}"

    def __reduce__(self) -> tuple[object, ...]:
        return (ProblemList, (self.problems,))


class DeviceError(RigError):
    """A device at fault; `subject` names it, e.g. `camera NIR (SIM-NIR)`."""


class DeviceNotFound(DeviceError):
    """Nothing answers at that name: not plugged in, wrong name, or held by another program."""


class DeviceNotReady(DeviceError):
    """It answers, but refuses or cannot do what was asked in time."""


class DeviceLost(DeviceError):
    """It was there and is gone: unplugged, reset, or its process died."""


class SessionError(RigError):
    """A session's file or folder; the text says what is still good."""


class NotASession(SessionError):
    """No session of ours: another kind of file, an empty file, an empty folder."""


class SessionExists(SessionError):
    """That session number or run is taken; nothing is ever overwritten."""


class Truncated(SessionError):
    """The end of the file is missing, as after a broken copy."""


class ChecksumError(SessionError):
    """A stored frame differs from what the camera delivered."""


class LabelsChanged(SessionError):
    """A coder's labels were saved or closed since they were read; nothing was overwritten."""


class NotServed(SessionError):
    """A page asks for a session that is not served any more, or whose files are not what they were."""


class StorageError(SessionError):
    """The disk refused a write or a sync; what was acknowledged stays readable."""


def raise_all(problems: Sequence[RigError]) -> None:
    """Raise what was found: nothing, the one problem, or the list of them."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemList(problems)

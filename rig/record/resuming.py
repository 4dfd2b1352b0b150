"""Where a session goes on that was cut: by a crash of this program, of the machine, or by a stimulus window that died.

It is read as it was left; nobody needs to recover it first. Order and steps are those of the run that was cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rig.clips.counted import Counted, even_fps
from rig.elicitation.course import OUTSIDE
from rig.elicitation.protocol import ProtocolFile
from rig.elicitation.steps import Step
from rig.errors import NotASession, SessionError, UserError
from rig.record.replaying import require_own_protocol
from rig.session.folder import SessionFolder, check_subject, folder_named, is_bare, sessions_below
from rig.session.layout import Outcome
from rig.session.leftovers import files_left
from rig.session.manifest import manifest_name
from rig.session.playback import replayed_from
from rig.session.reader import Session
from rig.session.run import Run
from rig.session.runfile import Json
from rig.session.withdrawal import withdrawal_of

OVER = (Outcome.FINISHED, Outcome.WITHDRAWN)
NONE_CUT = "Start a new one without --resume"
NOT_HERE = "Resume it where it was recorded, then archive it again; moved, copy its folder back without that file"


Sampling = tuple[int, int, int, str]  # of a camera: box ticks from frame to frame, width and height in px, pixel format


@dataclass(frozen=True)
class Resumed:
    """What the next run of a session goes on with."""

    folder: SessionFolder
    run: int  # its number
    resumes: int  # number of the run that was cut
    steps: tuple[Step, ...]
    first: int  # step to begin with
    caught: int  # right guesses so far
    row: int  # of the ledger
    cameras: dict[str, Sampling]  # by stream
    films: dict[str, Counted]  # by clip: the participant does not wait until they are decoded once more
    is_withdrawn: bool
    choice: str = ""  # of who withdrew: KEEP or DELETE; empty: not said


def find_cut(directory: Path, subject: str, number: int | None, protocol: ProtocolFile) -> Resumed:
    """Where the subject's newest session goes on if it was cut, or session `number`.

    An older one, or one that its operator stopped, goes on only by its number. Raises UserError when there
    is none, it is over, it is being recorded, or the protocol is another one now; SessionError when it cannot be read.
    """
    home = directory / f"sub-{check_subject(subject)}"
    if number is not None:
        return _resumed(_named(home, number), protocol, is_named=True)
    newest = next(iter(_recorded(home)), None)
    if newest is not None and _was_cut(newest):
        return _resumed(newest, protocol, is_named=False)
    older = " ".join(str(folder.number) for folder in cut_sessions(directory, subject))
    problem = f"has no session of {subject} that was cut" + (" after which none was recorded" if older else "")
    hint = f"one that was cut before: --session and one of {older}" if older else "one that was stopped: --session NN"
    raise UserError(str(directory), problem, hint=f"{NONE_CUT}; {hint}")


def cut_sessions(directory: Path, subject: str) -> list[SessionFolder]:
    """The subject's sessions that were cut and can go on, newest first."""
    return [folder for folder in _recorded(directory / f"sub-{subject}") if _was_cut(folder)]


def _recorded(home: Path) -> Iterator[SessionFolder]:
    """A subject's sessions that have a run, newest first."""
    found = (folder_named(path.absolute()) for path in (sessions_below(home) if home.is_dir() else []))
    for folder in sorted(filter(None, found), key=lambda folder: folder.number, reverse=True):
        if not is_bare(folder.path):
            yield folder


def _named(home: Path, number: int) -> SessionFolder:
    folder = folder_named((home / f"ses-{number:02d}").absolute())
    if folder is None or not folder.path.is_dir():
        raise UserError("--session", "does not exist", value=str(number), hint=NONE_CUT)
    return folder


def _was_cut(folder: SessionFolder) -> bool:
    try:
        with Session(folder.path) as session:
            last = session.runs[-1]
            return not (last.outcome.is_orderly or replayed_from(last)) and _first(session) < len(session.steps)
    except SessionError:  # nothing was recorded in it
        return False


def _resumed(folder: SessionFolder, protocol: ProtocolFile, *, is_named: bool) -> Resumed:
    with Session(folder.path) as session:
        last = session.runs[-1]
        _refuse(folder, session, protocol, is_named=is_named)
        highest = max(_number(path) for path in files_left(folder.path))
        steps = tuple(last.steps)
        row = int(last.attributes("/").get("row", 0))
        wish = withdrawal_of(session)
        first, caught, choice = _first(session), _caught(session), wish.choice if wish else ""
        devices = _cameras(last), _films(last, protocol)
        return Resumed(folder, highest + 1, last.number, steps, first, caught, row, *devices, wish is not None, choice)


def _films(run: Run, protocol: ProtocolFile) -> dict[str, Counted]:
    """What the run says of its films; not of one of which that cannot be true."""
    said = {name: _counted(run.clip(name)) for name in protocol.protocol.clips}
    return {name: film for name, film in said.items() if film is not None}


def _counted(clip: Json) -> Counted | None:
    pts_s, is_told = tuple(map(float, clip["pts"])), {"first", "at_s", "may_jump"} <= clip.keys()
    if not is_told or len(pts_s) < 2 or pts_s[0] != 0 or even_fps(pts_s) != clip["fps"]:
        return None
    size = (int(clip["width"]), int(clip["height"]))
    return Counted(*size, float(clip["fps"]), int(clip["first"]), pts_s, float(clip["at_s"]), bool(clip["may_jump"]))


def _cameras(run: Run) -> dict[str, Sampling]:
    period = int(run.plan["period_ticks"])
    return {
        name: (period * stream.divisor, stream.width, stream.height, stream.pixel_format.name)
        for name, stream in run.streams.items()
    }


def _refuse(folder: SessionFolder, session: Session, protocol: ProtocolFile, *, is_named: bool) -> None:
    """Raise UserError unless it can go on with this protocol."""
    last, path = session.runs[-1], str(folder.path)
    if session.unreadable:
        raise NotASession(path, f"cannot go on: {session.unreadable[0]}")
    manifest = folder.path / manifest_name(f"sub-{folder.subject}_{folder.path.name}")
    if manifest.exists():
        raise UserError(path, f"lies in an archive ({manifest.name}), whose sessions do not change", hint=NOT_HERE)
    if last.is_being_recorded:
        raise UserError(path, "is being recorded right now")
    if origin := replayed_from(last):
        raise UserError(path, f"was replayed from {origin}: nobody was recorded in it", hint=NONE_CUT)
    if last.outcome in OVER or (last.outcome.is_orderly and not is_named) or _first(session) >= len(last.steps):
        raise UserError(path, f"is over: {last.outcome}", hint=NONE_CUT)
    require_own_protocol(last, protocol, path)


def _number(path: Path) -> int:
    return int(path.name.split("_run-")[1].split("_")[0])


def _first(session: Session) -> int:
    """The step to begin with: behind the trial that was cut; outside of trials the step that was cut."""
    run = session.runs[-1]
    steps = run.steps
    if not len(run.trials):
        return run.first_step
    row = run.trials[-1]
    step = steps[int(row["step"])]
    if step.trial != OUTSIDE:
        return max(other.index for other in steps if other.trial == step.trial) + 1
    return step.index + (int(row["ended_host_ns"]) >= 0)


def _caught(session: Session) -> int:
    """How many trials the operator guessed right; a guess before a repeat counts no more, of several the last one."""
    right: dict[int, bool] = {}
    for run in session.runs:  # each has a host clock of its own
        for entry in sorted([*_guesses(run), *_repeats(run)], key=lambda entry: int(entry["host_ns"])):
            right[int(entry["trial"])] = bool(entry.get("is_right"))
    return sum(right.values())


def _guesses(run: Run) -> list[Json]:
    return [answer for answer in run.answers if answer.get("by") == "operator" and "trial" in answer]


def _repeats(run: Run) -> list[Json]:
    return [e for e in run.log_of("operator") if e.get("said") == "repeat" and "trial" in e]

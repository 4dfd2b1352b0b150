"""What is known of a recording before a device is opened: its clips, its place in the ledger, its steps, its folder."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rig.clips.manifest import FilmClip, find_clips
from rig.config.rig import RigFile
from rig.elicitation.protocol import ElicitationProtocol, ProtocolFile
from rig.elicitation.steps import Step
from rig.elicitation.tailoring import choose, questionnaires
from rig.elicitation.unroll import rows_of, unroll
from rig.errors import RigError, SessionError, UserError
from rig.record.header import Subject
from rig.record.plan import Lead, RunPlan, plan_run
from rig.record.replaying import Replayed, read_replayed
from rig.record.resuming import Resumed, Sampling, find_cut
from rig.session.as_rig import run_replayed
from rig.session.folder import SessionFolder, new_session, sessions_below
from rig.session.reader import Session
from rig.subjects.ledger import Ledger, Place
from rig.trigger.box import TICKS_HZ

FIRST_RUN = 1


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    rig: RigFile
    protocol: ProtocolFile
    subject: str
    out: Path
    session: int | None = None
    scripted: bool = False
    virtual: bool = False
    wait: bool = False  # the first step waits for the operator's start
    language: str = ""  # one of the protocol's; empty: its first
    resume: bool = False  # a session that was cut goes on
    clips: Mapping[str, FilmClip] | None = None  # as a check has found them just now; None: they are looked for


@dataclass(frozen=True)
class Prepared:
    """What is known before a device is opened."""

    subject: Subject
    plan: RunPlan
    clips: dict[str, FilmClip]
    ledger: Ledger
    place: Place


@contextmanager
def prepared(request: Request) -> Iterator[Prepared]:
    """Make or find the session's folder, and reserve the participant's place; a folder that stays empty is removed.

    Raises UserError, SessionError.
    """
    replayed, cut = _replayed(request), None
    if request.resume:
        cut = find_cut(request.out, request.subject, request.session, request.protocol)
    counted = cut.films if cut else {}
    clips = find_clips(request.protocol, counted) if request.clips is None else dict(request.clips)
    folder = cut.folder if cut else new_session(request.out, request.subject, request.session)
    try:
        ledger = Ledger(request.out)
        place = _reserved(request, ledger, folder, cut)
        plan = _planned(request, clips, ledger, place, replayed or cut)
        number = cut.run if cut else FIRST_RUN
        row, visit = (replayed.row, replayed.visit) if replayed else (place.row, place.visit)
        subject = Subject(folder, number, 1 + secrets.randbelow(2**32 - 2), row, visit)
        yield Prepared(subject, plan, clips, ledger, place)
    finally:
        with suppress(OSError):  # it holds something, or is not there any more
            folder.path.rmdir()


def _replayed(request: Request) -> Replayed | None:
    """The recorded session that is the rig, if one is. Raises UserError for options that it does not follow."""
    run_path = run_replayed(request.rig.rig)
    if run_path is None:
        return None
    taken = {"--resume": request.resume, "--wait": request.wait, "--language": request.language}
    for option in (option for option, is_given in taken.items() if is_given):
        allowed = "nothing of what the participant sees can be changed any more"
        raise UserError(option, "is not possible with a recorded session as the rig", allowed=allowed, hint="Omit it")
    return read_replayed(run_path, request.protocol)


def _reserved(request: Request, ledger: Ledger, folder: SessionFolder, cut: Resumed | None) -> Place:
    protocol = request.protocol.protocol
    order = protocol.name, order_key(protocol), rows_of(protocol)
    if cut is None:
        return ledger.reserve(*order, folder)
    return ledger.reserve(*order, folder, resumed_row=cut.row, is_withdrawn=cut.is_withdrawn)


def _planned(
    request: Request, clips: dict[str, FilmClip], ledger: Ledger, place: Place, earlier: Resumed | Replayed | None
) -> RunPlan:
    """The plan of the run; the place is free again when there can be none."""
    try:
        return plan_run(request.rig.rig, _steps_of(request, clips, place, earlier), _lead(request, earlier))
    except RigError:
        ledger.release(place, "not begun")
        raise


def _steps_of(
    request: Request, clips: dict[str, FilmClip], place: Place, earlier: Resumed | Replayed | None
) -> list[Step]:
    match earlier:
        case Resumed():
            return _steps_left(request, earlier)
        case Replayed():
            return list(earlier.steps)
        case None:
            return _steps(request, clips, place)


def order_key(protocol: ElicitationProtocol) -> str:
    """What tells its order from every other that it ever had."""
    what = [list(protocol.clips), protocol.variants, protocol.order.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _steps(request: Request, clips: dict[str, FilmClip], place: Place) -> list[Step]:
    protocol, streams = request.protocol.protocol, list(request.rig.rig.cameras)
    seconds = {name: clip.seconds for name, clip in clips.items()}
    chosen = fitting_clips(protocol, request.out, request.subject, place.visit)
    return unroll(
        protocol, streams, seconds, language=request.language, row=place.row, visit=place.visit, chosen=chosen
    )


def fitting_clips(protocol: ElicitationProtocol, out: Path, subject: str, visit: int) -> dict[str, list[str]]:
    """The clips that a participant sees on a visit, by the questionnaire that chose them; none if no trials ask for it.

    `out`: where the sessions lie in which it was answered. Raises ProtocolError when it was not.
    """
    if not questionnaires(protocol, visit):
        return {}
    return choose(protocol, _earlier_answers(protocol.name, out, subject), visit)


def _earlier_answers(protocol: str, out: Path, subject: str) -> dict[str, str]:
    """What the participant answered on earlier visits with this protocol, by question; of several the last answer."""
    answers: dict[str, str] = {}
    for path in sessions_below(out / f"sub-{subject}"):
        with suppress(SessionError), Session(path) as session:
            if session.runs[0].protocol == protocol:
                answers |= {str(told.get("question")): str(told.get("answer", "")) for told in session.answers}
    return answers


def _steps_left(request: Request, cut: Resumed) -> list[Step]:
    """The same steps, in the same language; their frames need cameras that are set as they were. Raises UserError."""
    if request.language:
        raise UserError("--language", "is that of the session that goes on", value=request.language, hint="Omit it")
    rig = request.rig.rig
    period = rig.box.period_ticks
    here = {name: (period * c.divisor, c.width, c.height, c.pixel_format) for name, c in rig.cameras.items()}
    if here != cut.cameras:
        hint = "Use the rig.yaml of the run that was cut; its text is in the session, /config/rig"
        raise UserError("--rig", "has other cameras", value=_spelled(here), allowed=_spelled(cut.cameras), hint=hint)
    return list(cut.steps)


def _spelled(cameras: Mapping[str, Sampling]) -> str:
    return ", ".join(f"{n} {TICKS_HZ / t:g} fps {w}x{h} {form}" for n, (t, w, h, form) in cameras.items())


def _lead(request: Request, earlier: Resumed | Replayed | None) -> Lead:
    protocol = request.protocol.protocol
    pay, otherwise = protocol.stakes.pay, str(protocol.withdrawal.otherwise)
    match earlier:
        case Resumed():
            otherwise = earlier.choice or otherwise
            return Lead(
                request.wait, pay, otherwise, earlier.resumes, earlier.first, earlier.caught, earlier.is_withdrawn
            )
        case Replayed():
            begun = 0, earlier.first, earlier.caught, earlier.is_withdrawn  # no run of its own session is resumed
            return Lead(earlier.is_waiting, pay, otherwise, *begun)
        case None:
            return Lead(request.wait, pay, otherwise)

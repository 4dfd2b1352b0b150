"""`rig record`: one session with a participant."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig.cli import SESSIONS
from rig.cli.status_line import StatusLine

if TYPE_CHECKING:
    from rig.record.recording import Recorded, Recording, Request, Status
    from rig.record.resuming import Resumed


NAMING_S = 1.0  # how long a recording may wait until what an earlier one has left is named


class Participant(StrEnum):
    """Who answers."""

    HUMAN = "human"
    SCRIPTED = "scripted"


class Speed(StrEnum):
    """Real time, or as fast as it can be computed."""

    REAL = "real"
    MAX = "max"


def record(
    protocol: Annotated[str, typer.Argument(help="A protocol's name or file.")],
    subject: Annotated[str, typer.Option(help="Pseudonym of the participant: letters and digits.")],
    rig: Annotated[
        str | None, typer.Option(help="A rig's name or rig.yaml; replay:SESSION runs a recorded session again.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where sessions lie.")] = SESSIONS,
    session: Annotated[int | None, typer.Option(help="Session number; default: the next free one.")] = None,
    participant: Annotated[Participant, typer.Option(help="Who answers.")] = Participant.HUMAN,
    speed: Annotated[
        Speed, typer.Option(help="max: in virtual time, simulated rigs and replay:SESSION only.")
    ] = Speed.REAL,
    language: Annotated[str, typer.Option(help="One of the protocol's languages; default: its first.")] = "",
    *,
    wait: Annotated[bool, typer.Option("--wait", help="The first step waits for the start in rig operate.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a session of theirs that was cut.")] = False,
) -> None:
    """Record a session. Ctrl-C once ends it in order, twice at once; both leave a good file. Ctrl-Z does nothing.

    Exit code 0: finished, stopped by you, or by the participant, with frames of every camera; 1: it ended in another
    way, or without one frame of a camera; 2: it could not begin.

    Example: rig record demo --rig demo --subject 001 --participant scripted

    Example: rig record demo --rig demo --subject 001 --resume
    """
    from rig.check.preflight import check
    from rig.errors import UserError, raise_all
    from rig.record.recording import Recording, Request
    from rig.record.resuming import find_cut
    from rig.session.as_rig import run_replayed

    if wait and speed is Speed.MAX:
        raise UserError("--wait", "is not possible in virtual time", allowed="--speed real", hint="Leave one out")
    find = partial(find_cut, out, subject, session) if resume else None
    found = check(rig, protocol, out, with_devices=False, subject=subject, find_cut=find)
    raise_all(found.problems)
    for warning in found.films.mute():
        _say(f"warning:    {warning}")
    assert found.rig is not None and found.protocol is not None
    is_scripted, is_virtual = participant is Participant.SCRIPTED, speed is Speed.MAX
    request = Request(
        found.rig, found.protocol, subject, out, session, scripted=is_scripted, virtual=is_virtual,
        wait=wait, language=language, resume=resume, clips=found.films.clips,
    )  # fmt: skip
    _name_left(out)
    if run := run_replayed(found.rig.rig):
        _say(f"replays:    {run}; no device is there, and nobody is recorded")
    if found.cut is not None:
        _name_cut(found.cut, request)
    if wait:
        _say(f"waits:      for the start, given in another terminal: {_to_operate(out)}")
    with StatusLine(_say) as line:
        recording = Recording(request, lambda status: line.show(_spelled(status)))
        with _ended_by_signals(recording):
            recorded = recording.record()
    _say_end(recorded, refusal=_delete(recorded, out))


def _delete(recorded: Recorded, out: Path) -> str | None:
    """The participant who withdrew, or the protocol for them, may want the recordings deleted.

    None: nothing was to be deleted. Empty: it is done. Else why it was not, and how it is.
    """
    from rig.elicitation.steps import DELETE
    from rig.errors import RigError
    from rig.session.folder import folder_named
    from rig.subjects.deleting import delete_session
    from rig.subjects.ledger import Ledger

    if recorded.withdrawal != DELETE:
        return None
    try:
        delete_session(recorded.path.parent, Ledger(out), "withdrawn by the participant")
    except RigError as error:
        session = folder_named(recorded.path.parent.absolute())
        where = f"{session.subject} --session {session.number}" if session else "ID --session NN"
        return f"{error}; then: rig subjects delete {where} --reason withdrew"
    return ""


def _to_operate(out: Path) -> str:
    from shlex import quote

    return "rig operate" if out == SESSIONS else f"rig operate --out {quote(str(out))}"


def _name_cut(cut: Resumed, request: Request) -> None:
    """Say which session goes on, and which others that were cut do not."""
    from rig.record.resuming import cut_sessions

    _say(f"goes on:    {cut.folder.path}, with step {cut.first + 1} of {len(cut.steps)}")
    for other in cut_sessions(request.out, request.subject):
        if other.number != cut.folder.number:
            _say(f"not resumed: {other.path}, which was cut as well; to go on with it: --session {other.number}")


def _name_left(out: Path) -> None:
    """Name the sessions that a crash has left unfinished; a new one waits a second for that at most."""
    from shlex import quote

    from rig.session.leftovers import not_closed_within

    left, is_all = not_closed_within(out, NAMING_S)
    for folder in left:
        _say(f"not closed: {folder}; next: rig recover {quote(str(folder))}")
    if not is_all:
        _say(f"{out} is slow: more may lie there that was not closed; later: rig recover --all --out {quote(str(out))}")


@contextmanager
def _ended_by_signals(recording: Recording) -> Iterator[None]:
    """Ctrl-C ends it in order, and at once from the second on. A polite kill and a closed terminal end it in order,
    however often: when a window is closed, system and shell both tell of it. Nothing lets it stand still (Ctrl-Z).
    """
    from rig import host

    interrupts = count()

    def end(number: int, _: object) -> None:
        if number == signal.SIGINT and next(interrupts) > 0:
            recording.abort()
        else:
            recording.stop()

    meant = dict.fromkeys(host.end_signals(), end) | dict.fromkeys(host.pause_signals(), signal.SIG_IGN)
    before = {number: signal.signal(number, handler) for number, handler in meant.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    from rig.cli.terminal import printable

    typer.echo(printable(text))


def _spelled(status: Status) -> str:
    trial = f"{status.step_number}/{status.steps} {status.step}" if status.step else status.state.name.lower()
    trial = f"{trial} ({status.held})" if status.held else trial
    streams = "  ".join(f"{n} {c.arrived} lost {c.lost_spelled}" for n, c in status.counts.items()) or "line walk"
    free = f"{status.free_bytes / 1e9:.0f}" if status.free_bytes >= 0 else "?"
    disk = f"{status.stored_bytes / 1e6:.0f} MB, {free} GB free"
    alarms = f"  ALARM {status.alarms[-1]}" if status.alarms else ""
    simulated = "SIMULATED  " if status.is_simulated else ""
    return f"{status.seconds:6.1f} s  {simulated}{trial:24} {streams}  {disk}{alarms}"


def _say_end(recorded: Recorded, refusal: str | None) -> None:
    """`refusal`: as `_delete` says."""
    for alarm in recorded.alarms:
        _say(f"ALARM   {alarm}")
    losses = ", ".join(f"{n} {c.lost} of {c.due}" for n, c in recorded.counts.items())
    _say(f"outcome: {recorded.outcome}")
    _say(f"lost:    {losses or 'nothing was recorded'}")
    if recorded.slowest_ms is not None:
        _say(f"on disk: every frame at latest {recorded.slowest_ms:.0f} ms after it arrived")
    if recorded.is_given_up:
        _say("stopped before anything was recorded; the session's number is free again")
        return
    if refusal == "":
        _say("the participant withdrew and wants nothing kept: every file of this session is deleted")
        if not recorded.outcome.is_orderly:
            raise typer.Exit(1)
        return
    if refusal:
        _say(f"NOT DELETED, though the participant withdrew and wants nothing kept: {refusal}")
        raise typer.Exit(1)
    if recorded.withdrawal:
        _say(f"the participant withdrew; {_kept_as(recorded)}")
    _say_session(recorded)
    if blank := [name for name, c in recorded.counts.items() if 0 < c.due <= c.lost]:
        _say(f"NOT ONE FRAME of {', '.join(blank)}")
    if blank or not recorded.outcome.is_orderly:
        raise typer.Exit(1)


def _kept_as(recorded: Recorded) -> str:
    from rig.record.recording import OWED

    if recorded.withdrawal == OWED:
        return "whether it may be kept could not be asked: rig record ... --resume asks, or rig subjects delete"
    return "what was recorded before is kept"


def _say_session(recorded: Recorded) -> None:
    """Where it lies, and what to do next."""
    from shlex import quote

    from rig.session.layout import Outcome

    for log in recorded.logs:
        _say(f"log:     {log}")
    _say(f"session: {recorded.path.parent}")
    if not recorded.path.exists():
        _say("         it is not there any more. If its folder was given another name: rig recover that one")
    else:
        _say_events(recorded.path.parent)
        command = "recover" if recorded.outcome is Outcome.CLOSE_FAILED else "verify"
        _say(f"next:    rig {command} {quote(str(recorded.path.parent))}")


def _say_events(folder: Path) -> None:
    """Save what happened beside the run. It can be done later, so it never makes a recording end badly."""
    import rig
    from rig.errors import RigError
    from rig.export.events import save_events

    try:
        with rig.open(folder) as session:
            _say(f"events:  {save_events(session, folder)}")
    except RigError as error:
        _say(f"events:  not written: {error}")

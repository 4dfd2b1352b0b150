"""What a page is told of a session before it asks for pictures: streams, runs, steps, holes, alarms, answers, banners.

Times are s from pulse 0 of the session on the host clock; pulses are those of the base stream of their run. Texts are
whatever a protocol, a device or a person wrote: plain strings, for the page to show as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import numpy as np

from rig.errors import RigError, UserError
from rig.session.layout import Outcome
from rig.session.presented import screen_end
from rig.session.reader import JoinedStream, Session
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.session.timeline import why_gap
from rig.session.withdrawal import withdrawal_of
from rig.web.axis import Axis
from rig.web.pictures import bits_of, kind_of
from rig.web.shelf import Opened

ASKED = {"--at": "seconds", "--clip": "clip"}  # what a page calls the options of a command
LATE, SKIPPED = 1, 2  # marks of a flip
Json = dict[str, Any]
T = TypeVar("T")


def overview(opened: Opened) -> Json:
    """The whole of `/api/session` but whose page it is. A part that cannot be read is left out and told in a banner."""
    session, first = opened.session, opened.session.runs[0]
    damages = [_banner("unreadable", str(error)) for error in opened.damages]

    def each_run(tell: Callable[[Axis], Iterator[Json]]) -> list[Json]:
        found: list[Json] = []
        for axis in opened.axes.values():
            try:
                found += tell(axis)
            except RigError as error:
                damages.append(_banner("unreadable", str(error)))
        return found

    steps = each_run(_steps)
    told = {
        "id": opened.identity,
        "title": f"sub-{session.subject} ses-{first.session:02d}",
        "rig": first.rig,
        "base": first.base.name,
        "streams": [_stream(stream) for stream in session.streams.values()],
        "runs": [_run(axis) for axis in opened.axes.values()],
        "steps": steps,
        "trials": list(_trials(steps)),
        "gaps": each_run(_gaps),
        "not_stored": each_run(_not_stored),
        "extras": each_run(_extras),
        "alarms": each_run(_alarms),
        "answers": each_run(_answers),
    }
    return {**told, "banners": [*_banners(session), *damages]}


def _stream(stream: JoinedStream) -> Json:
    newest = stream.parts[-1]
    return {
        "name": stream.name,
        "divisor": stream.divisor,
        "width": stream.width,
        "height": stream.height,
        "pixel_format": stream.pixel_format.name,
        "kind": kind_of(newest),
        "bits": bits_of(newest),
    }


def _run(axis: Axis) -> Json:
    run = axis.run
    ends = {"first_pulse": axis.first, "last_pulse": axis.last}
    return {"number": run.number, "outcome": str(run.outcome), **ends, "segments": axis.segments}


def _steps(axis: Axis) -> Iterator[Json]:
    """Each step that was shown, as often as it was; one whose end was never told until nobody knows of the screen."""
    rows, steps, until_s = axis.run.trials, axis.run.steps, _known_until_s(axis)
    for index, onset_ns, ended_ns in rows[["step", "onset_host_ns", "ended_host_ns"]].tolist():
        if onset_ns < 0 or not 0 <= index < len(steps):
            continue
        step, from_s = steps[index], float(axis.s_of(onset_ns))
        to_s = float(axis.s_of(ended_ns)) if ended_ns >= 0 else max(from_s, until_s)
        yield {
            "run": axis.run.number,
            "step": index,
            "name": step.name,
            "kind": step.kind,
            "clip": step.clip,
            "trial": step.trial or None,
            "from_s": from_s,
            "to_s": to_s,
            "first_pulse": int(axis.pulse_at(from_s)),
            "last_pulse": int(axis.pulse_at(to_s)),
        }


def _trials(steps: list[Json]) -> Iterator[Json]:
    """The steps of one trial together, as often as it was shown: begun anew in another run, it is one more."""
    for (run, number), rows in groupby(steps, lambda step: (step["run"], step["trial"])):
        first, *_ = shown = list(rows)
        if number is not None:
            begin = {key: first[key] for key in ("from_s", "first_pulse")}
            yield {"run": run, "trial": number, **begin, **{key: shown[-1][key] for key in ("to_s", "last_pulse")}}


def _known_until_s(axis: Axis) -> float:
    """Until when a run tells what was on the participant's screen."""
    end = screen_end(axis.run)
    return float(axis.s_of(end.host_ns)) if end else float(axis.at_s(axis.last + 1))


def _gaps(axis: Axis) -> Iterator[Json]:
    for name, stream in axis.run.streams.items():
        causes = [why_gap(cause) for cause in stream.gaps["cause"].tolist()]
        yield from _holes(axis, name, stream.divisor, stream.gaps, "cause", causes)


def _not_stored(axis: Axis) -> Iterator[Json]:
    rows = axis.run.not_stored
    for name, stream in axis.run.streams.items():
        own = rows[rows["stream"] == name.encode()]
        reasons = [reason.decode("utf-8", "replace") for reason in own["reason"].tolist()]
        yield from _holes(axis, name, stream.divisor, own, "reason", reasons)


def _holes(axis: Axis, name: str, divisor: int, rows: Rows, what: str, why: list[str]) -> Iterator[Json]:
    """Rows of pulses without frames; each lasts until the stream's next pulse, an open one until the run's end."""
    firsts = np.asarray(rows["first_pulse"], np.int64).clip(axis.first, axis.last)
    lasts = np.where(rows["last_pulse"] < 0, axis.last, rows["last_pulse"]).clip(firsts, axis.last)
    lasts = np.asarray(lasts, np.int64)
    ends = np.minimum(lasts - lasts % divisor + divisor, axis.last + 1)
    columns = (firsts.tolist(), lasts.tolist(), axis.at_s(firsts).tolist(), axis.at_s(ends).tolist(), why)
    for first, last, from_s, to_s, text in zip(*columns, strict=True):
        hole = {"first_pulse": first, "last_pulse": last, "from_s": from_s, "to_s": to_s}
        yield {"run": axis.run.number, "stream": name, **hole, what: text}


def _extras(axis: Axis) -> Iterator[Json]:
    for name, stream in axis.run.streams.items():
        after = np.asarray(stream.extras["after_pulse"], np.int64).clip(axis.first, axis.last)
        for pulse, at_s in zip(after.tolist(), axis.at_s(after).tolist(), strict=True):
            yield {"run": axis.run.number, "stream": name, "after_pulse": pulse, "at_s": at_s}


def _alarms(axis: Axis) -> Iterator[Json]:
    for entry in axis.run.log:
        if entry.get("kind") == "alarm":
            source = f"{entry['stream']}: " if entry.get("stream") else ""
            yield {**_moment(axis, int(entry["host_ns"])), "text": f"{source}{entry.get('text', '')}"}


def _answers(axis: Axis) -> Iterator[Json]:
    for record in axis.run.answers:
        said = "(left out)" if record.get("is_skipped") else str(record["answer"])
        at_ns = record["confirmed_host_ns"] if "confirmed_host_ns" in record else record["host_ns"]
        yield {**_moment(axis, int(at_ns)), "question": str(record["question"]), "answer": said}


def _moment(axis: Axis, host_ns: int) -> Json:
    at_s = float(axis.s_of(host_ns))
    return {"run": axis.run.number, "pulse": int(axis.pulse_at(at_s)), "at_s": at_s}


def _banner(kind: str, text: str) -> Json:
    return {"kind": kind, "text": text}


def _banners(session: Session) -> Iterator[Json]:
    """What a reader has to know before looking, without the verdict."""
    if session.is_simulated:
        yield _banner("simulated", f"SIMULATED: {', '.join(session.simulated_devices) or 'this rig'}")
    for error in session.unreadable:
        yield _banner("unreadable", str(error))
    for run in session.runs:
        yield from _of_run(run)
    try:
        withdrawal = withdrawal_of(session)
    except RigError as error:
        yield _banner("unreadable", str(error))
        return
    if withdrawal:
        yield _banner("withdrawn", f"WITHDRAWN: {withdrawal.text}")


def _of_run(run: Run) -> Iterator[Json]:
    if run.is_being_recorded:
        yield _banner("recording", f"Run {run.number} is being recorded right now; load the page again to see more")
    elif run.outcome is Outcome.INCOMPLETE:
        command = f"rig recover {quote(str(_folder(run)))}"
        yield _banner("cut", f"Run {run.number} broke off, killed or without power, and is not in order: {command}")
    elif not run.outcome.is_orderly:
        yield _banner("cut", f"Run {run.number} did not come to its end: {str(run.outcome).replace('_', ' ')}")
    if run.misplaced:
        yield _banner("misplaced", f"WRONG NAME: {run.misplaced}")
    try:
        missing = run.missing_files
    except RigError as error:
        yield _banner("unreadable", str(error))
        return
    if missing:
        yield _banner("missing", f"MISSING of run {run.number}: {', '.join(missing)}")


def _folder(run: Run) -> Path:
    return run.path.parent


def judged(session: Session) -> list[Json]:
    """A banner for each run whose verdict is not `complete`, or that has none. Reads all tables of the runs.

    A run that is being recorded right now has no verdict yet, and asks for none.
    """
    from rig.verify.verdict import load

    found = []
    for run in (run for run in session.runs if not run.is_being_recorded):
        command = f"rig verify {quote(str(_folder(run)))}"
        try:
            verdict = load(run)
        except RigError as error:
            found.append(_banner("unjudged", f"Run {run.number}: its verdict {error.problem}: {command}"))
            continue
        if verdict is None:
            found.append(_banner("unjudged", f"Run {run.number} was never verified: {command}"))
        elif not verdict.is_complete:
            found.append(_banner("fail", f"Run {run.number}: {verdict.headline}"))
    return found


def flips(opened: Opened, from_s: float, to_s: float, most: int) -> Json:
    """Flips of the screen between two moments: [at_s, film frame, step, marks] of each, or how many if above `most`."""
    within = []
    for axis in opened.axes.values():
        at_ns = axis.run.flips["host_ns"]
        is_within = (at_ns >= axis.host_of(from_s)) & (at_ns <= axis.host_of(to_s))
        within.append((axis, np.flatnonzero(is_within)))
    count = sum(len(places) for _, places in within)
    return {"count": count} if count > most else {"flips": [flip for part in within for flip in _flips(*part)]}


def _flips(axis: Axis, places: np.ndarray) -> list[tuple[float, int, int, int]]:
    rows = axis.run.flips[places]
    at_s = axis.s_of(rows["host_ns"])
    marks = LATE * (rows["late"] > 0) + SKIPPED * (rows["skipped"] > 0)
    return list(zip(at_s.tolist(), rows["film_frame"].tolist(), rows["step"].tolist(), marks.tolist(), strict=True))


def found(opened: Opened, clip: str | None, seconds: float) -> Json:
    """Run and pulse of so many seconds of the session, or of a clip. Raises UserError naming what is allowed."""
    try:
        line, host_ns = opened.session.locate(seconds, clip)
    except UserError as error:
        subject = ASKED.get(error.subject, error.subject)
        raise UserError(subject, error.problem, value=error.value, allowed=error.allowed, hint=error.hint) from None
    axis = opened.axes[line.run.number]
    return {"run": line.run.number, "pulse": int(axis.pulse_at(axis.s_of(host_ns)))}

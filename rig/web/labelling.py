"""The labels of a page: a coder's own, read and saved as the token says whose they are; nothing of the film by default.

    GET  /api/labels         all that this coder, or one who only looks, may see
    PUT  /api/labels         {"revision", "labels"}: all of the coder's own labels anew -> {"revision"}
    POST /api/labels/close   {"revision"}: they are the last word -> {"revision"}

409: the labels are not those of `revision` any more, or are closed, or those of the session that the page was made
for, which it names in the header X-Session; 507: the disk refused. Nothing was changed then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rig.errors import LabelsChanged, StorageError, UserError
from rig.labels.blind import of_others
from rig.labels.coding import Coding, coders
from rig.labels.label import EMOTIONS, FACS, KINDS, Label, label_of
from rig.session.runfile import Json
from rig.session.timeline import NOT_STORED_ON_PURPOSE
from rig.web.shelf import Shelf

HIDDEN = "hidden while labelling"
SESSION_HEADER = "x-session"
OPEN_BANNERS = {"simulated", "recording", "cut", "misplaced", "unjudged"}  # made of names of devices and files alone
OPEN_OF_STEPS = ("run", "kind", "from_s", "to_s", "first_pulse", "last_pulse", "trial")
OPEN_OF_SESSION = ("id", "title", "rig", "base", "streams", "runs", "trials", "gaps", "extras")


def routes(shelf: Shelf) -> list[Route]:
    """What a page asks about labels. Whose they are is `request.state.coder`, None: of somebody who only looks."""

    async def told(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(_told, shelf, asked_session(request), request.state.coder))

    async def save(request: Request) -> Response:
        return await _changed(shelf, request, lambda own, given: own.save(_labels(given), _revision(given)))

    async def close(request: Request) -> Response:
        return await _changed(shelf, request, lambda own, given: own.close(_revision(given)))

    return [
        Route("/api/labels", told),
        Route("/api/labels", save, methods=["PUT"]),
        Route("/api/labels/close", close, methods=["POST"]),
    ]


def asked_session(request: Request) -> str | None:
    """The identity of the session that a page was made for; None: no page asks, but somebody by hand."""
    return request.headers.get(SESSION_HEADER)


def _told(shelf: Shelf, asked: str | None, coder: str | None) -> Json:
    with shelf.borrowed(asked) as opened:
        others, problems = of_others(opened.session, coder)
        seen = {"others": {name: list(map(asdict, labels)) for name, labels in others.items()}, "problems": problems}
        if coder is None:
            return seen
        return {**seen, **_own(Coding(opened.session, coder)), "alone": coders(opened.session) == [coder]}


def _own(coding: Coding) -> Json:
    coded = coding.read()
    labels = list(map(asdict, coded.labels))
    offered = {"kinds": list(KINDS), "emotions": list(EMOTIONS), "action_units": sorted(FACS)}
    state = {"coder": coding.coder, "revision": coded.revision, "closed": coded.is_closed, "is_there": coded.is_there}
    return {**state, "labels": labels, **offered}


async def _changed(shelf: Shelf, request: Request, change: Callable[[Coding, Json], int]) -> Response:
    """Let the coder whose request it is change what is theirs; the answer is the new revision."""
    given, asked = _object(await request.body()), asked_session(request) or ""  # who changes has to say what

    def changed() -> int:
        with shelf.borrowed(asked) as opened, _refusals():
            return change(Coding(opened.session, request.state.coder), given)

    return JSONResponse({"revision": await run_in_threadpool(changed)})


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except LabelsChanged as exc:
        raise HTTPException(409, ". ".join(filter(None, (exc.problem, exc.hint)))) from None
    except StorageError as exc:
        raise HTTPException(507, str(exc)) from None


def _object(body: bytes) -> Json:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise UserError("the request", "is no JSON object")
    return given


def _revision(given: Json) -> int:
    revision = given.get("revision")
    if not isinstance(revision, int):
        raise UserError("the request", "does not say which revision of the labels it goes on from")
    return revision


def _labels(given: Json) -> list[Label]:
    labels = given.get("labels")
    if not isinstance(labels, list):
        raise UserError("the request", "holds no list of labels")
    return [label_of(label) for label in labels]


def blind(overview: Json) -> Json:
    """What a coder is told of a session while the film is hidden: when something was shown, never what.

    Only what is listed here passes, and no text that a person wrote.
    """
    steps = [{**{key: row[key] for key in OPEN_OF_STEPS}, "name": row["kind"]} for row in overview["steps"]]
    return {
        **{key: overview[key] for key in OPEN_OF_SESSION},
        "steps": [{**step, "step": None, "clip": None} for step in steps],
        "not_stored": [{**row, "reason": HIDDEN} for row in overview["not_stored"]],
        "alarms": [{**row, "text": HIDDEN} for row in overview["alarms"]],
        "answers": [],
        "banners": blind_banners(overview["banners"]),
    }


def blind_banners(banners: list[Json]) -> list[Json]:
    """The same of banners: that there is one, and of which kind."""
    hidden = "{}: the rest is {}"
    texts = (
        one["text"] if one["kind"] in OPEN_BANNERS else hidden.format(one["kind"].upper(), HIDDEN) for one in banners
    )
    return [{"kind": one["kind"], "text": text} for one, text in zip(banners, texts, strict=True)]


def blind_moment(moment: Json) -> Json:
    """The same of what was on the screen at one moment, and of why a camera has no picture of it."""
    shown = {"clip": None, "film_frame": -1, "step": None, "kind": moment["flips"]["kind"], "flip_age_ms": None}
    views = {name: {**view, "reason": _blind_reason(view["reason"])} for name, view in moment["views"].items()}
    return {**moment, "flips": {**shown, "reason": HIDDEN}, "views": views}


def _blind_reason(reason: str) -> str:
    """Without what a protocol calls the pictures that it does not want."""
    before, found, _ = reason.partition(NOT_STORED_ON_PURPOSE)
    return f"{before}{found}{HIDDEN}" if found else reason


def blind_flips(flips: Json) -> Json:
    """The same of refreshes of the screen: when, and whether late."""
    if "flips" not in flips:
        return flips
    return {"flips": [(at_s, -1, -1, marks) for at_s, _, _, marks in flips["flips"]]}

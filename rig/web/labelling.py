"""The labels of a page: a coder's own, read and saved as the token says whose they are; nothing of the film by default.

    GET  /api/labels         all that this coder, or one who only looks, may see
    PUT  /api/labels         {"revision", "labels"}: all of the coder's own labels anew -> {"revision"}
    POST /api/labels/close   {"revision"}: they are the last word -> {"revision"}

409: the labels are not those of `revision` any more, or are closed; 507: the disk refused. Nothing was changed then.
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
from rig.labels.coding import Coding
from rig.labels.label import EMOTIONS, FACS, KINDS, Label, label_of
from rig.session.runfile import Json
from rig.web.shelf import Shelf

HIDDEN = "hidden while labelling"


def routes(shelf: Shelf) -> list[Route]:
    """What a page asks about labels. Whose they are is `request.state.coder`, None: of somebody who only looks."""

    async def told(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(_told, shelf, request.state.coder))

    async def save(request: Request) -> Response:
        return await _changed(shelf, request, lambda own, given: own.save(_labels(given), _revision(given)))

    async def close(request: Request) -> Response:
        return await _changed(shelf, request, lambda own, given: own.close(_revision(given)))

    return [
        Route("/api/labels", told),
        Route("/api/labels", save, methods=["PUT"]),
        Route("/api/labels/close", close, methods=["POST"]),
    ]


def _told(shelf: Shelf, coder: str | None) -> Json:
    with shelf.borrowed() as opened:
        others, problems = of_others(opened.session, coder)
        seen = {"others": {name: list(map(asdict, labels)) for name, labels in others.items()}, "problems": problems}
        return seen if coder is None else {**seen, **_own(Coding(opened.session, coder))}


def _own(coding: Coding) -> Json:
    coded = coding.read()
    labels = list(map(asdict, coded.labels))
    offered = {"kinds": list(KINDS), "emotions": list(EMOTIONS), "action_units": sorted(FACS)}
    state = {"coder": coding.coder, "revision": coded.revision, "closed": coded.is_closed}
    return {**state, "labels": labels, **offered}


async def _changed(shelf: Shelf, request: Request, change: Callable[[Coding, Json], int]) -> Response:
    """Let the coder whose request it is change what is theirs; the answer is the new revision."""
    given = _object(await request.body())

    def changed() -> int:
        with shelf.borrowed() as opened, _refusals():
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
    """What a coder is told of a session while the film is hidden: when something was shown, never what."""
    trials = [{**trial, "name": trial["kind"], "clip": None} for trial in overview["trials"]]
    alarms = [{**alarm, "text": HIDDEN} for alarm in overview["alarms"]]
    return {**overview, "trials": trials, "alarms": alarms, "answers": []}


def blind_flips(flips: Json) -> Json:
    """The same of what was on the screen at one moment."""
    return {**flips, "clip": None, "film_frame": -1, "step": None, "flip_age_ms": None, "reason": HIDDEN}

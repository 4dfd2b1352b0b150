"""The server of a page: its routes, and the process's own loop around them. Who may ask for what is guard.py's alone.

Shelf (the session) --> build --> Guard(routes) --> serve: uvicorn, in this process, until Ctrl-C
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from getpass import getuser
from html import escape
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from rig import host
from rig.errors import ClipError, DeviceNotReady, NotServed, RigError
from rig.private import write_private
from rig.web import asking, labelling, overview
from rig.web.energy import MOST_BINS, Survey
from rig.web.guard import Guard
from rig.web.pictures import Asked, packet
from rig.web.shelf import Opened, Shelf

LOOPBACK = "127.0.0.1"
STATIC = Path(__file__).with_name("static")
THREADS = 4  # that read at once: each holds pictures
MOST_FLIPS = 20_000  # of an answer
PAIRS_AT_ONCE = 16  # of frames, between two looks whether the page still waits
Tokens = Mapping[str, str | None]  # whose each is: a coder's, or (None) anyone's who looks
T = TypeVar("T")


def build(shelf: Shelf, tokens: Tokens, *, names: tuple[str, ...] = ()) -> ASGIApp:
    """The application: the viewer for who looks, the labelling page for a coder. `names`: see Guard."""
    routes = [*_Pages(shelf).routes, *labelling.routes(shelf), Mount("/static", StaticFiles(directory=STATIC))]
    told = {HTTPException: _said, NotServed: _gone, RigError: _refused, ClientDisconnect: _left, Exception: _failed}
    return Guard(Starlette(routes=routes, exception_handlers=told), tokens, names)


async def _said(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _gone(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error), "is_gone": True}, 409)


async def _left(_: Request, __: Exception) -> Response:
    """To who broke off in the middle of a request; nobody reads it."""
    return Response(status_code=400)


async def _failed(_: Request, error: Exception) -> Response:
    """A fault of this program; its traceback goes to the terminal."""
    return JSONResponse({"error": f"This cannot be shown, by a fault of this program: {type(error).__name__}"}, 500)


class _Pages:
    """What is asked about the session on the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._limits: dict[str, CapacityLimiter] = {}

    @property
    def routes(self) -> list[Route]:
        """All but those of labels."""
        return [
            Route("/", self.page),
            Route("/api/session", self.session),
            Route("/api/verdict", self.verdict),
            Route("/api/pictures", self.pictures),
            Route("/api/film", self.film),
            Route("/api/find", self.find),
            Route("/api/flips", self.flips),
            Route("/api/motion", self.motion),
        ]

    async def page(self, request: Request) -> Response:
        """The page itself; whoever loads it sees the session as it is now."""
        await to_thread.run_sync(self._shelf.renew)
        return FileResponse(STATIC / ("viewer.html" if request.state.coder is None else "annotate.html"))

    async def session(self, request: Request) -> Response:
        """What there is to see."""
        told = await self._read(request, overview.overview)
        told = labelling.blind(told) if _is_blind(request) else told
        coder = request.state.coder
        return JSONResponse({**told, "page": "viewer" if coder is None else "labelling", "coder": coder})

    async def verdict(self, request: Request) -> Response:
        """Banners about what verify said; apart from the rest, since all tables are read for it."""
        banners = await self._read(request, lambda opened: overview.judged(opened.session))
        return JSONResponse({"banners": labelling.blind_banners(banners) if _is_blind(request) else banners})

    async def pictures(self, request: Request) -> Response:
        """Pictures of some moments; no more are read when the page does not wait for them any more."""
        query, tell = request.query_params, labelling.blind_moment if _is_blind(request) else dict
        with _waiting(request) as is_given_up:
            body = await self._read(request, lambda opened: packet(opened, Asked.of(query, opened), tell, is_given_up))
        return Response(body, media_type="application/octet-stream")

    async def film(self, request: Request) -> Response:
        """One film frame."""
        query = request.query_params
        _refuse_blind(request)
        run, clip, frame = asking.whole(query, "run"), asking.text(query, "clip"), asking.whole(query, "frame")

        def picture(opened: Opened) -> bytes:
            line = opened.axis(run).line
            if clip not in {step.clip for step in line.run.steps}:
                raise HTTPException(404, f"no film {clip} was shown in run {run}")
            try:
                return opened.films.jpeg(line, clip, frame)
            except ClipError as error:
                raise HTTPException(404, f"film not here: {error}") from None

        return Response(await self._read(request, picture, "film", 1), media_type="image/jpeg")

    async def find(self, request: Request) -> Response:
        """The place of a time."""
        query = request.query_params
        clip, seconds = query.get("clip"), asking.seconds(query, "seconds")
        if clip is not None:
            _refuse_blind(request)
        return JSONResponse(await self._read(request, lambda opened: overview.found(opened, clip, seconds)))

    async def flips(self, request: Request) -> Response:
        """Refreshes of the screen."""
        span, most = _span(request), asking.whole(request.query_params, "most", 2000, least=0, most=MOST_FLIPS)
        told = await self._read(request, lambda opened: overview.flips(opened, *span, most))
        return JSONResponse(labelling.blind_flips(told) if _is_blind(request) else told)

    async def motion(self, request: Request) -> Response:
        """Motion energy; given up when the page does not wait for it any more."""
        span, bins = _span(request), asking.whole(request.query_params, "bins", 600, least=1, most=MOST_BINS)
        with self._shelf.borrowed(labelling.asked_session(request)) as opened:
            survey = await self._thread(lambda: Survey(opened, *span, bins), "motion", 1)
            while not survey.is_over and not await request.is_disconnected():
                await self._thread(lambda: survey.go_on(PAIRS_AT_ONCE), "motion", 1)
        return JSONResponse(survey.told())

    async def _read(self, request: Request, read: Callable[[Opened], T], kind: str = "", most: int = THREADS) -> T:
        """What `read` finds in the session, in a thread; at most so many of a kind at once."""

        def reading() -> T:
            with self._shelf.borrowed(labelling.asked_session(request)) as opened:
                return read(opened)

        return await self._thread(reading, kind, most)

    async def _thread(self, work: Callable[[], T], kind: str, most: int) -> T:
        limiter = self._limits.setdefault(kind, CapacityLimiter(most))
        return await to_thread.run_sync(work, limiter=limiter)


@contextmanager
def _waiting(request: Request) -> Iterator[Callable[[], bool]]:
    """Tells, in any thread, whether who asked has gone meanwhile."""
    gone = Event()

    async def watch() -> None:
        with suppress(HTTPException):  # of too long a body, which nobody reads
            while (await request.receive())["type"] != "http.disconnect":
                pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield gone.is_set
    finally:
        watching.cancel()


def _is_blind(request: Request) -> bool:
    """Whether what was on the screen is not to be told: to a coder, unless they ask for the film."""
    return request.state.coder is not None and request.query_params.get("film") != "1"


def _refuse_blind(request: Request) -> None:
    if _is_blind(request):
        raise HTTPException(403, "The film is hidden while labelling")


def _span(request: Request) -> tuple[float, float]:
    """A stretch of time that lasts. Raises UserError."""
    from_s, to_s = (asking.seconds(request.query_params, name) for name in ("from_s", "to_s"))
    if from_s >= to_s:
        raise HTTPException(400, f"to_s: {to_s:g} is not allowed; a moment after from_s {from_s:g}")
    return from_s, to_s


def new_token() -> str:
    """What who has it is known by; fit for addresses and cookies."""
    return secrets.token_urlsafe(24)


def names_of(listen: str) -> tuple[str, ...]:
    """By which names a server that listens at `listen` may be called, beside the addresses of this machine."""
    return () if _is_loopback(listen) else (listen, socket.gethostname(), socket.getfqdn())


def _is_loopback(listen: str) -> bool:
    if listen == "localhost":
        return True
    try:
        return ip_address(listen).is_loopback
    except ValueError:  # a name
        return False


def serve(
    app: ASGIApp, tokens: Tokens, listener: socket.socket, *, listen: str, is_shown: bool, say: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C, or another signal to end.

    `listener`: of `listening`, at `listen`. `is_shown`: open the page in the browser, where there is one. `say` gets
    lines for the terminal.
    """
    import uvicorn

    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, ws="none", http="h11", loop="asyncio",
        proxy_headers=False, lifespan="off", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def end(*_: object) -> None:
        server.should_exit = True

    for number in host.end_signals():
        signal.signal(number, end)
    addresses = _addresses(listener, tokens)
    for line in [*_warning(listener, listen), *(f"{name}{address}" for name, address in addresses)]:
        say(line)
    with ExitStack() as until_the_end:
        if is_shown and host.has_display():
            webbrowser.open(until_the_end.enter_context(_leading_to(addresses[0][1])).as_uri())
        server.run(sockets=[listener])


@contextmanager
def _leading_to(address: str) -> Iterator[Path]:
    """A page that leads a browser to an address, for its owner only: arguments of programs are read by everybody."""
    with TemporaryDirectory(prefix="rig-") as folder:
        path = Path(folder) / "page.html"
        write_private(
            path, f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(address)}">'.encode()
        )
        yield path


def listening(listen: str, port: int) -> socket.socket:
    """A socket that listens there; `port` 0: a free one. Raises DeviceNotReady when nothing can."""
    try:
        family = socket.getaddrinfo(listen, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((listen, port), family=family)
    except (OSError, OverflowError, UnicodeError) as exc:
        is_no_name = isinstance(exc, UnicodeError)  # which says so of codecs
        reason = "it is no name of a computer" if is_no_name else getattr(exc, "strerror", None) or str(exc)
        hint = "Leave --port out for a free one" if port else "Choose an address of this machine"
        raise DeviceNotReady(f"{listen}:{port}", f"nothing can listen there: {reason}", hint=hint) from None
    # Connections inherit it. Else the second part of an answer waits 40 ms for word that the first has come.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _addresses(listener: socket.socket, tokens: Tokens) -> list[tuple[str, str]]:
    """What is printed before each address, and the address."""
    address, port = listener.getsockname()[:2]
    if ip_address(address).is_unspecified:
        address = socket.gethostname()
    name = f"[{address}]" if ":" in address else address
    return [(f"{coder}: " if coder else "", f"http://{name}:{port}/?token={token}") for token, coder in tokens.items()]


def _warning(listener: socket.socket, listen: str) -> list[str]:
    if _is_loopback(listen):
        return []
    port = listener.getsockname()[1]
    tunnel = f"ssh -N -L {port}:{LOOPBACK}:{port} {getuser()}@{socket.gethostname()}"
    return [
        "WARNING: faces and tokens go over the network unencrypted, to everybody who can read it.",
        f"Better: without --listen, with --port {port}, and on the other computer: {tunnel}",
    ]

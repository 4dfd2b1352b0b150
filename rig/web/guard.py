"""The one place that decides who may ask a page's server for what: token, cookie, Host, Origin, methods, headers.

    first visit   GET /?token=...  -->  cookie, and on to /         so that the token leaves the address
    afterwards    the cookie; Host and Origin must be this server's own; everything else is 403

A page of another site can make a browser send requests here, and can point a name of its own at this machine (DNS
rebinding): the first has a foreign Origin and no cookie, the second a foreign Host.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 1 << 20  # bytes of a request
MOST_LABELS = 32 << 20  # bytes of a coder's labels, which come all together
HTTP_PORT = 80
READING = ("GET", "HEAD")
WRITING = {("PUT", "/api/labels"), ("POST", "/api/labels/close")}  # only of a coder
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
LINK = "Paste the whole address that rig printed into the address bar of this browser"


class Guard:
    """Lets requests through to `app` that may be made; `scope["state"]["coder"]` says whose they are."""

    def __init__(self, app: ASGIApp, tokens: Mapping[str, str | None], names: Iterable[str] = ()) -> None:
        """`tokens`: whose each is, a coder's or (None) anyone's who looks. `names`: of this host, beside addresses."""
        self._app, self._tokens, self._names = app, dict(tokens), frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, _Headed(send))

    async def _answer(self, scope: Scope, receive: Receive, send: _Headed) -> None:
        try:
            coder = self._admitted(scope)
        except HTTPException as refused:
            await _refuse(refused, send)
            return
        if _token(scope):
            await _to_the_page(scope, send)
            return
        scope["state"] = {**scope.get("state", {}), "coder": coder}
        await self._app(scope, _Limited(receive, scope), send)

    def _admitted(self, scope: Scope) -> str | None:
        """The coder whose request it is, if any. Raises HTTPException."""
        headers = _headers(scope)
        self._require_own(scope, headers)
        known = self._known(_token(scope) or _cookie(scope, headers))
        if known is None:
            raise HTTPException(403, f"You are not known here. {LINK}.")
        coder = self._tokens[known]
        method, path = scope["method"], scope["path"]
        if method not in READING and not (coder is not None and (method, path) in WRITING):
            raise HTTPException(403, f"{method} is not allowed here")
        return coder

    def _require_own(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Raises HTTPException unless the request is for this server and from one of its own pages."""
        host = headers.get("host", "").lower()
        if host not in self._hosts(scope):
            raise HTTPException(403, f"This server has another name. {LINK}.")
        if headers.get("origin", f"http://{host}").lower() != f"http://{host}":
            raise HTTPException(403, "Pages of other sites may not ask this server")
        if "upgrade" in headers:
            raise HTTPException(403, "There are no web sockets here")
        if int(headers.get("content-length", "0") or 0) > _most_body(scope):
            raise _too_large(scope)

    def _hosts(self, scope: Scope) -> set[str]:
        """The names and the port by which the socket of this request may be called; it says so itself."""
        address, port = scope["server"]
        literal = ip_address(address)
        names = {f"[{literal}]" if literal.version == 6 else str(literal), *self._names}
        if literal.is_loopback:
            names.add("localhost")
        ends = [f":{port}", ""] if port == HTTP_PORT else [f":{port}"]  # browsers leave it out of addresses
        return {f"{name}{end}".lower() for name in names for end in ends}

    def _known(self, said: str) -> str | None:
        """The token that was said, compared with each in a time that tells nothing."""
        found = [token for token in self._tokens if hmac.compare_digest(token.encode(), said.encode())]
        return found[0] if found else None


class _Headed:
    """Sends answers with the headers that all of them have."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_ENCODED]}
        await self._send(message)


class _Limited:
    """Receives a request of limited length, also when it does not say how long it is. Raises HTTPException."""

    def __init__(self, receive: Receive, scope: Scope) -> None:
        self._receive, self._scope, self._bytes = receive, scope, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > _most_body(self._scope):
            raise _too_large(self._scope)
        return message


def _most_body(scope: Scope) -> int:
    return MOST_LABELS if _saves_labels(scope) else MOST_BODY


def _too_large(scope: Scope) -> HTTPException:
    if _saves_labels(scope):
        most = f"{MOST_LABELS >> 20} MiB"
        return HTTPException(413, f"Your labels together are larger than {most}: shorten the longest notes")
    return HTTPException(413, f"A request has at most {MOST_BODY} bytes")


def _saves_labels(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == ("PUT", "/api/labels")


def _headers(scope: Scope) -> dict[str, str]:
    """By name in small letters; several of one name, as cookies may come, joined."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}; {text}" if key in found else text
    return found


def _token(scope: Scope) -> str:
    """The token in the address of the page, and nowhere else."""
    if scope["path"] != "/" or scope["method"] != "GET":
        return ""
    query: bytes = scope["query_string"]
    return parse_qs(query.decode("latin-1")).get("token", [""])[0]


def _cookie_name(scope: Scope) -> str:
    """With the port: cookies know none, and two servers on one host must not put each other out."""
    return f"rig-{scope['server'][1]}"


def _cookie(scope: Scope, headers: Mapping[str, str]) -> str:
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == _cookie_name(scope)), "")


async def _to_the_page(scope: Scope, send: Send) -> None:
    """Along a redirection from another site, or from a file, no browser takes the cookie: there the page leads on."""
    is_from_elsewhere = _headers(scope).get("sec-fetch-site") == "cross-site"
    lead = (b"refresh", b"0; url=/") if is_from_elsewhere else (b"location", b"/")
    cookie = f"{_cookie_name(scope)}={_token(scope)}; Path=/; HttpOnly; SameSite=Strict"
    headers = [lead, (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200 if is_from_elsewhere else 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(refused: HTTPException, send: Send) -> None:
    body = json.dumps({"error": refused.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refused.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})

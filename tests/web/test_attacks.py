"""What other programs and pages may try on a viewer's port: all of it is refused, and the session stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.web.browser import ENDS_WITHIN_S, Address, serving
from tests.web.sessions import copied, troubled

PATHS = [
    "/",
    "/static/viewer.js",
    "/api/session",
    "/api/pictures?run=1&pulse=1",
    "/api/labels",
    "/api/flips",
    "/nothing",
]
OUTSIDE = [
    "/static/../server.py",
    "/static/..%2fserver.py",
    "/static/%2e%2e/server.py",
    "/static/../../../../../etc/passwd",
    "/static//etc/passwd",
    "/static/%2fetc/passwd",
    r"/static/..\server.py",
    "/static/viewer.js%00.png",
    "/../server.py",
    "//evil.example/static/viewer.js",
]
OF_PICTURES = [
    "run=x&pulse=1",
    "run=1",
    "run=-1&pulse=1",
    "run=1&pulse=99999999999999999999",
    "run=1&pulse=-5",
    "run=1&pulse=1e3",
    "run=1&pulse=1&count=1000000000",
    "run=1&pulse=1&count=-1",
    "run=1&pulse=1&step=0",
    "run=1&pulse=1&step=1e9",
    "run=1&pulse=1&streams=../../etc",
    "run=1&pulse=1&streams=%3Cscript%3E",
    "run=1&pulse=1&size=huge",
    "run=1&pulse=1&as=exe",
    "run=1&pulse=1&minus=pinned:1:nothing",
    "run=1&pulse=1&minus=earlier:-1",
    "run=1&pulse=1&minus=earlier:99999999999999",
    "run=%00&pulse=1",
    "run=1&run=2&pulse=%F0%9F",
]
OF_THE_REST = [
    "/api/film?run=1&clip=..%2f..%2fetc&frame=0",
    "/api/film?run=1&clip=bunny&frame=x",
    "/api/film?run=1&clip=bunny&frame=99999",
    "/api/film",
    "/api/find",
    "/api/find?clip=nothing&seconds=1",
    "/api/find?seconds=nan",
    "/api/find?seconds=1e400",
    "/api/flips?from_s=x",
    "/api/flips?most=-1",
    "/api/motion?bins=0",
    "/api/motion?bins=1000000000",
    "/api/motion?from_s=inf&to_s=-inf",
]
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: HTTPResponse) -> Answer:
        body = b"" if response.status == 101 else response.read()
        return cls(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


@dataclass(frozen=True)
class Attacker:
    """Speaks to the server as any program can; with the right cookie where a test says so."""

    address: Address
    cookie: str
    is_viewer: bool = True

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None) -> Answer:
        usual = {"Host": f"127.0.0.1:{self.address.port}", "Cookie": self.cookie}
        given = usual | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.address.port, timeout=ENDS_WITHIN_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            return Answer.of(connection.getresponse())
        finally:
            connection.close()


def files_of(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def attacking(address: Address, session: Path, *, is_viewer: bool) -> Iterator[Attacker]:
    """With the cookie of the page. Nothing that is done meanwhile may change a file."""
    before = files_of(session)
    first = Attacker(address, "").ask(f"/?token={address.token}", Cookie=None)
    yield Attacker(address, first.headers["set-cookie"].partition(";")[0], is_viewer=is_viewer)
    assert files_of(session) == before


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return troubled(tmp_path_factory.mktemp("attacks"))


@pytest.fixture(scope="module")
def viewer(session: Path) -> Iterator[Attacker]:
    with serving("replay", session, cwd=session) as (_, [address]), attacking(address, session, is_viewer=True) as one:
        yield one


@pytest.fixture(scope="module")
def coder(session: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    own = copied(session, tmp_path_factory.mktemp("coded"))
    command = ("annotate", own, "--coder", "anna")
    with serving(*command, cwd=own) as (_, [address]), attacking(address, own, is_viewer=False) as one:
        yield one


@pytest.fixture(params=[True, False], ids=["viewer", "coder"])
def attacker(request: pytest.FixtureRequest, viewer: Attacker, coder: Attacker) -> Attacker:
    """What a labelling page does otherwise than a viewer is tried on both."""
    return viewer if request.param else coder


def test_the_printed_address_leads_to_the_page_and_the_token_out_of_it(attacker: Attacker) -> None:
    first = attacker.ask(f"/?token={attacker.address.token}", Cookie=None)
    assert (first.status, first.headers["location"]) == (303, "/")
    parts = [part.strip().lower() for part in first.headers["set-cookie"].split(";")]
    assert {"httponly", "samesite=strict"} <= set(parts)
    assert not any(part.startswith("domain") for part in parts)
    page = attacker.ask("/")
    assert page.status == 200
    assert attacker.address.token.encode() not in page.body


def test_without_the_cookie_nothing_is_told(attacker: Attacker) -> None:
    name, _, value = attacker.cookie.partition("=")
    wrong = ["", f"{name}=", f"{name}=wrong", f"{name}={value[:-1]}", f"{name}x={value}", f"{name}=\u00fc"]
    for path, cookie in [*((path, None) for path in PATHS), *(("/api/session", cookie) for cookie in wrong)]:
        answer = attacker.ask(path, Cookie=cookie)
        assert answer.status == 403, (path, cookie)
        assert len(answer.body) < 300


def test_the_token_opens_only_the_front_door(attacker: Attacker) -> None:
    token = attacker.address.token
    for path in PATHS[1:]:
        assert attacker.ask(f"{path}{'&' if '?' in path else '?'}token={token}", Cookie=None).status == 403, path


def test_a_wrong_token_opens_nothing(viewer: Attacker) -> None:
    for token in ("", "wrong", "%00", "a" * 5000):
        answer = viewer.ask(f"/?token={token}", Cookie=None)
        assert answer.status == 403, token
        assert "set-cookie" not in answer.headers


def test_a_foreign_host_is_refused(viewer: Attacker) -> None:
    """As after DNS rebinding: the browser would send our cookie with it."""
    port = viewer.address.port
    hosts = ["evil.example", f"evil.example:{port}", "127.0.0.1:1", f"127.0.0.1.evil.example:{port}", "", None]
    for host in hosts:
        assert viewer.ask("/api/session", Host=host).status in {400, 403}, host
        assert viewer.ask(f"/?token={viewer.address.token}", Host=host, Cookie=None).status in {400, 403}, host


def test_a_foreign_origin_is_refused(attacker: Attacker) -> None:
    own_port = f"https://127.0.0.1:{attacker.address.port}"
    body = b'{"revision": 0, "labels": []}'
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", own_port, "http://localhost.evil"):
        assert attacker.ask("/api/session", Origin=origin).status == 403, origin
        for method, path in (("PUT", "/api/labels"), ("POST", "/api/labels/close")):
            answer = attacker.ask(path, method, body, Origin=origin, Content_Length=str(len(body)))
            assert answer.status == 403, (origin, path)


def test_no_websocket_is_opened(viewer: Attacker) -> None:
    for path in ("/", "/api/session", "/ws"):
        for headers in ({"Origin": "http://evil.example"}, {"Origin": viewer.address.origin}):
            assert viewer.ask(path, **UPGRADE | headers).status in {400, 403, 404, 426}
        assert viewer.ask(path, **UPGRADE, Cookie=None).status in {403, 404}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_what_shows_a_session_cannot_be_written_to(viewer: Attacker, method: str) -> None:
    for path in ("/", "/static/viewer.js", "/api/session", "/api/pictures?run=1&pulse=1"):
        assert viewer.ask(path, method, b"x", Content_Length="1").status in {400, 403, 405}


def test_who_only_looks_can_save_no_labels(attacker: Attacker) -> None:
    body = b'{"revision": -1, "labels": []}'
    for method, path in (("PUT", "/api/labels"), ("POST", "/api/labels/close")):
        answer = attacker.ask(path, method, body, Content_Length=str(len(body)))
        assert answer.status == (403 if attacker.is_viewer else 409)


def test_no_file_but_those_of_the_page_is_given_away(viewer: Attacker) -> None:
    for path in OUTSIDE:
        answer = viewer.ask(path)
        assert answer.status in {400, 403, 404}, path
        assert b"import" not in answer.body
        assert b"root:" not in answer.body


@pytest.mark.parametrize("query", OF_PICTURES)
def test_senseless_questions_about_pictures_are_answered_with_what_is_allowed(viewer: Attacker, query: str) -> None:
    answer = viewer.ask(f"/api/pictures?{query}")
    assert answer.status in {200, 400, 404}
    assert len(answer.body) < 20e6
    assert b"Traceback" not in answer.body
    if answer.status != 200:
        assert b'"error"' in answer.body


@pytest.mark.parametrize("path", OF_THE_REST)
def test_senseless_questions_about_the_rest_are_answered_too(viewer: Attacker, path: str) -> None:
    answer = viewer.ask(path)
    assert answer.status in {400, 403, 404}
    assert b'"error"' in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("path", ["/api/labels", "/api/session"])
def test_a_body_without_end_is_not_read(coder: Attacker, path: str) -> None:
    assert coder.ask(path, "PUT", Content_Length=str(10**12)).status in {400, 403, 405, 413}


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
def test_every_answer_forbids_what_a_page_needs_not(attacker: Attacker, origin: str | None) -> None:
    for path in (*PATHS, "/?token=wrong"):
        assert_forbidding(attacker.ask(path, Origin=origin).headers)


def assert_forbidding(headers: dict[str, str]) -> None:
    policy = {
        part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";") if part.strip()
    }
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["connect-src"] == ["'self'"]
    for name in ("frame-ancestors", "base-uri", "form-action"):
        assert policy[name] == ["'none'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & {word for words in policy.values() for word in words}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert not [name for name in headers if name.startswith("access-control")]

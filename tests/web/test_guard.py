"""Who may ask for what: all else is refused before any page hears of it. test_attacks.py tries a real server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from rig.web.guard import HEADERS, MOST_BODY, MOST_LABELS, Guard
from tests.web.asked import SERVER, TOKEN, ask, run

CODER = "coders-token"
WRITES = [("PUT", "/api/labels"), ("POST", "/api/labels/close")]


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """Says whose request came through, and what was in it."""
    request = Request(scope, receive)
    body = await request.body()
    await PlainTextResponse(f"{request.state.coder} {len(body)}")(scope, receive, send)


APP = Guard(inner, {TOKEN: None, CODER: "anna"}, names=("labpc",))


def status(path: str = "/", method: str = "GET", **options: Any) -> int:
    answer = ask(APP, path, method, **options)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS  # on every answer
    if answer.status_code >= 400:
        assert list(answer.json()) == ["error"]
    return answer.status_code


def test_the_token_is_taken_once_and_leaves_the_address() -> None:
    answer = ask(APP, f"/?token={TOKEN}", cookies={})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["set-cookie"] == f"rig-8000={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert ask(APP, "/any").text == "None 0"
    assert ask(APP, "/any", cookies={"rig-8000": CODER}).text == "anna 0"


def test_who_comes_from_another_site_or_a_file_is_led_on_by_the_page() -> None:
    """Along a redirection from there a browser would leave the new cookie out."""
    answer = ask(APP, f"/?token={TOKEN}", cookies={}, headers={"sec-fetch-site": "cross-site"})
    assert (answer.status_code, answer.headers["refresh"]) == (200, "0; url=/")
    assert answer.headers["set-cookie"].endswith("SameSite=Strict")


def test_two_servers_on_one_host_do_not_put_each_other_out() -> None:
    jar = httpx.Cookies({"rig-8000": TOKEN, "rig-9000": "of the other"})
    assert status(cookies=jar) == 200
    assert ask(APP, f"/?token={CODER}", base="http://127.0.0.1:9000").headers["set-cookie"].startswith("rig-9000=")


@pytest.mark.parametrize(
    "cookies", [{}, {"rig-8000": ""}, {"rig-8000": TOKEN[:-1]}, {"rig-80": TOKEN}, {"rig-8000": "é"}]
)
def test_without_the_right_cookie_nothing_is_told(cookies: dict[str, str]) -> None:
    headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()}
    assert status("/api/session", cookies={}, headers=headers) == 403


@pytest.mark.parametrize(
    "path", ["/?token=wrong", "/?token=", f"/?Token={TOKEN}", f"/api/session?token={TOKEN}", f"/static/x?token={TOKEN}"]
)
def test_the_token_opens_the_front_door_alone(path: str) -> None:
    assert status(path, cookies={}) == 403


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8000.evil.example", ""])
def test_another_name_or_port_than_ours_is_refused(host: str) -> None:
    assert status(headers={"host": host}) == 403
    assert status(f"/?token={TOKEN}", headers={"host": host}, cookies={}) == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000", "labpc:8000"])
def test_own_names_are_known(host: str) -> None:
    assert status(headers={"host": host, "origin": f"http://{host}"}) == 200


def test_on_the_port_of_http_itself_browsers_leave_it_out() -> None:
    async def there(scope: Scope, receive: Receive, send: Send) -> None:
        await APP({**scope, "server": ("127.0.0.1", 80)}, receive, send)

    def answered(host: str) -> int:
        return ask(there, "/", headers={"host": host}, cookies={"rig-80": TOKEN}).status_code

    assert [answered(host) for host in ("127.0.0.1", "localhost", "127.0.0.1:80")] == [200] * 3
    assert answered("evil.example") == 403


def test_a_name_of_loopback_means_nothing_elsewhere() -> None:
    cookies = {"rig-8000": TOKEN}
    assert status(base="http://192.0.2.7:8000", headers={"host": "localhost:8000"}, cookies=cookies) == 403
    assert status(base="http://192.0.2.7:8000", cookies=cookies) == 200
    assert status(base="http://[::1]:8000", cookies=cookies) == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), *WRITES])
def test_pages_of_other_sites_are_refused_by_any_method(origin: str, method: str, path: str) -> None:
    assert status(path, method, headers={"origin": origin}, cookies={"rig-8000": CODER}) == 403


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/session", "/api/labels", "/api/labels/close"])
def test_only_a_coder_writes_and_only_labels(method: str, path: str) -> None:
    assert status(path, method) == 403
    allowed = 200 if (method, path) in WRITES else 403
    assert status(path, method, cookies={"rig-8000": CODER}) == allowed


def test_a_request_has_a_limited_length_also_when_it_does_not_tell_it() -> None:
    async def pieces() -> Any:
        for _ in range(MOST_BODY // 1000 + 1):
            yield bytes(1000)

    coder = {"cookies": {"rig-8000": CODER}}
    for path, method, most in (("/api/labels/close", "POST", MOST_BODY), ("/api/labels", "PUT", MOST_LABELS)):
        assert status(path, method, content=bytes(most), **coder) == 200
        assert status(path, method, content=bytes(most + 1), **coder) == 413
    with pytest.raises(Exception, match=str(MOST_BODY)):  # an application turns it into an answer, see test_server.py
        ask(APP, "/api/labels/close", "POST", content=pieces(), **coder)


def test_a_coder_is_told_what_to_do_about_too_many_words() -> None:
    said = ask(APP, "/api/labels", "PUT", content=bytes(MOST_LABELS + 1), cookies={"rig-8000": CODER}).json()["error"]
    assert said == "Your labels together are larger than 32 MiB: shorten the longest notes"


def test_there_are_no_web_sockets() -> None:
    assert status(headers={"upgrade": "websocket", "connection": "upgrade"}) == 403
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    run(APP({"type": "websocket", "path": "/"}, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_nothing_says_that_other_sites_may_read_answers() -> None:
    answer = ask(APP, "/", headers={"origin": SERVER})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]

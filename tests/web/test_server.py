"""The server as a process of its own: where it listens, what it prints, how it ends, and what it gives a browser."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from rig import host
from rig.web import pictures as pictures_module
from rig.web import server
from rig.web.guard import MOST_BODY
from rig.web.server import build
from rig.web.shelf import Shelf
from tests import commands
from tests.handmade import Plan, make_run
from tests.web.asked import TOKEN, ask, pictures, run, told
from tests.web.browser import Address, serving

CODER = {"rig-8000": "coders"}
OF_PICTURES = {
    "type": "http", "method": "GET", "path": "/api/pictures", "query_string": b"run=1&pulse=0&count=16",
    "headers": [(b"host", b"127.0.0.1:8000"), (b"cookie", f"rig-8000={TOKEN}".encode())],
    "server": ("127.0.0.1", 8000), "scheme": "http", "http_version": "1.1", "root_path": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("served"), Plan()).parent


@pytest.fixture(scope="module")
def app(session: Path) -> Iterator[ASGIApp]:
    with Shelf(session) as shelf:
        yield build(shelf, {TOKEN: None, "coders": "anna"})


@pytest.fixture(scope="module")
def served(session: Path) -> Iterator[tuple[Address, int]]:
    """The address that was printed, and the process."""
    with serving("replay", session, cwd=session.parent) as (process, [address]):
        yield address, process.pid


def test_the_page_is_for_this_computer_alone(served: tuple[Address, int]) -> None:
    address, pid = served
    assert address.origin == f"http://127.0.0.1:{address.port}"
    assert len(address.token) >= 32
    listening = [line.split()[1] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines() if " 0A " in line]
    assert f"0100007F:{address.port:04X}" in listening


def test_no_answer_waits_for_its_packets_to_be_filled() -> None:
    """Else the second part of each would come 40 ms late."""
    with server.listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        line, _ = listener.accept()
        with line:
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_nothing_is_written_beside_the_session(served: tuple[Address, int], session: Path) -> None:
    address, _ = served
    with httpx.Client(base_url=address.origin, cookies={f"rig-{address.port}": address.token}) as client:
        for path in ("/", "/api/session", "/api/verdict", "/api/pictures?run=1&pulse=3", "/api/labels"):
            assert client.get(path).status_code == 200, path
    assert [path.name for path in session.iterdir()] == ["sub-001_ses-01_run-01_session.h5"]
    assert stat.S_IMODE(next(session.iterdir()).stat().st_mode) == 0o400


def test_no_trace_of_programs_is_told(served: tuple[Address, int]) -> None:
    address, _ = served
    line = http.client.HTTPConnection("127.0.0.1", address.port)
    line.request("GET", "/")
    answer = line.getresponse()
    assert (answer.status, answer.getheader("server")) == (403, None)
    line.close()


def test_it_ends_in_order_when_it_is_asked_to(session: Path) -> None:
    with (
        serving("replay", session, cwd=session.parent) as (process, [address]),
        socket.create_connection(("127.0.0.1", address.port)),  # a browser that keeps its line open
    ):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_on_the_network_it_warns_and_names_the_tunnel_and_ends_when_it_is_terminated(session: Path) -> None:
    command = [sys.executable, "-u", "-m", "rig", "replay", str(session), "--no-browser", "--listen", "0.0.0.0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    with process.stdout as said:
        warning, better, address = (said.readline() for _ in range(3))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    port = Address(address.strip()).port
    assert warning.startswith("WARNING:")
    assert f"ssh -N -L {port}:127.0.0.1:{port} " in better
    assert address.startswith(f"http://{socket.gethostname()}:{port}/?token=")


def test_where_nothing_can_listen_it_says_so(session: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = commands.refused("replay", session, "--no-browser", "--port", port, cwd=tmp_path)
    assert f"127.0.0.1:{port}" in said
    assert "Leave --port out" in said
    assert "nothing can listen" in commands.refused("replay", session, "--listen", "192.0.2.1", cwd=tmp_path)


def test_what_is_no_session_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    assert "does not exist" in commands.refused("replay", tmp_path / "nowhere", cwd=tmp_path)
    assert "--clips" in commands.refused("replay", tmp_path, "--clips", tmp_path / "none", cwd=tmp_path)
    assert "to save" in commands.refused("replay", tmp_path, "--clip", "clip1", cwd=tmp_path)


def test_a_browser_is_opened_only_before_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not host.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert host.has_display()


def test_each_page_is_for_whom_it_is(app: ASGIApp) -> None:
    assert "annotate.js" in ask(app, "/", cookies=CODER).text
    assert "viewer.js" in ask(app, "/").text
    coders = ask(app, "/api/session", cookies=CODER).json()
    assert (coders["page"], coders["coder"]) == ("labelling", "anna")


def test_a_coder_is_told_nothing_of_the_film_unless_asking_for_it(app: ASGIApp) -> None:
    for path in ("/api/session", "/api/pictures?run=1&pulse=64"):
        hidden, shown = (
            ask(app, f"{path}{more}", cookies=CODER) for more in ("", "?film=1" if "?" not in path else "&film=1")
        )
        for word in (b"bunny", b"clip1"):
            assert word not in hidden.content
            assert word in shown.content
    assert ask(app, "/api/find?clip=clip1&seconds=0.1", cookies=CODER).status_code == 403
    assert ask(app, "/api/find?clip=clip1&seconds=0.1&film=1", cookies=CODER).status_code == 200


def test_errors_are_told_as_json(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, status in (
        ("/nowhere", 404),
        ("/static/../server.py", 404),
        ("/api/film?run=1&clip=x&frame=0", 404),
        ("/api/film?run=1&clip=bunny&frame=0", 404),
    ):
        answer = ask(app, path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), path
    assert ask(app, "/api/film?run=1&clip=bunny&frame=0").json()["error"].startswith("film not here: clip bunny")
    too_long = ask(app, "/api/labels/close", "POST", cookies=CODER, content=_pieces())
    assert (too_long.status_code, list(too_long.json())) == (413, ["error"])


def test_who_breaks_off_in_the_middle_of_a_request_leaves_no_traceback(app: ASGIApp) -> None:
    scope = {
        **OF_PICTURES, "method": "PUT", "path": "/api/labels",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"cookie", b"rig-8000=coders"), (b"content-length", b"5")],
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    run(app(scope, receive, send))  # raises what uvicorn would print


async def _pieces() -> Any:
    """A body that does not say how long it is."""
    for _ in range(MOST_BODY // 4096 + 1):
        yield bytes(4096)


def test_pictures_that_nobody_waits_for_any_more_are_not_read(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked for 16 moments goes while the second picture is read."""
    read, original = list[int](), pictures_module.samples_of

    async def leave_while_one_is_read() -> None:
        loop, left = asyncio.get_running_loop(), asyncio.Event()
        messages = [{"type": "http.request", "body": b""}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def leave() -> None:
            left.set()
            for _ in range(10):
                await asyncio.sleep(0)  # the server hears of it

        def samples_of(place: pictures_module.Place, factor: int) -> Any:
            read.append(place.pulse)
            if len(read) == 2:
                asyncio.run_coroutine_threadsafe(leave(), loop).result(30)
            return original(place, factor)

        async def send(_: Any) -> None:
            pass

        monkeypatch.setattr(pictures_module, "samples_of", samples_of)
        await app(OF_PICTURES, receive, send)

    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, leave_while_one_is_read()).result()
    assert len(read) == 2


def test_many_ask_at_once_and_each_gets_what_it_asked_for(served: tuple[Address, int]) -> None:
    address, pid = served

    def asked(pulse: int) -> bool:
        line = http.client.HTTPConnection("127.0.0.1", address.port)
        with closing(line):
            cookie = {"Cookie": f"rig-{address.port}={address.token}"}
            line.request("GET", f"/api/pictures?run=1&pulse={pulse}&count=4", headers=cookie)
            return f'"pulse": {pulse}'.encode() in line.getresponse().read()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(asked, range(80)))
    assert len(list(Path(f"/proc/{pid}/task").iterdir())) < 20


def test_a_session_that_changed_is_shown_as_it_is_when_the_page_is_loaded(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(body_groups=8))
    with Shelf(path.parent) as shelf:
        app = build(shelf, {TOKEN: None})
        assert told(app, "/api/session")["runs"][0]["last_pulse"] == 55
        make_run(tmp_path, Plan(body_groups=18))
        assert ask(app, "/").status_code == 200
        assert told(app, "/api/session")["runs"][0]["last_pulse"] == 95
        assert len(pictures(app, "run=1&pulse=90")[1]) == 3

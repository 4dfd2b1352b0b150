"""A page is one of the session it was made for: no other stands under its title, and none gets its labels."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from starlette.types import ASGIApp

import rig
from rig.labels.coding import Coding
from rig.web import server
from rig.web.server import build
from rig.web.shelf import Shelf
from tests.handmade import Plan, make_run
from tests.web.asked import TOKEN, ask
from tests.web.browser import Address, Watched, opened, serving

CODER = {"rig-8000": "coders"}
READS = (
    "/api/session", "/api/verdict", "/api/pictures?run=1&pulse=3", "/api/film?run=1&clip=bunny&frame=0&film=1",
    "/api/find?seconds=0.1", "/api/flips?from_s=0&to_s=1", "/api/motion?from_s=0&to_s=1", "/api/labels",
)  # fmt: skip
ANOTHER = "another session is served here now"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("first"), Plan(body_groups=8)).parent


@pytest.fixture
def session(first: Path, tmp_path: Path) -> Path:
    """A copy of it, in a place of its own."""
    return Path(shutil.copytree(first, tmp_path / first.name))


@pytest.fixture
def app(session: Path) -> Iterator[ASGIApp]:
    with Shelf(session) as shelf:
        yield build(shelf, {TOKEN: None, "coders": "anna"})


def identity(session: Path) -> str:
    with rig.open(session) as opened:
        return opened.identity


def test_a_session_is_the_same_however_often_it_is_opened_and_a_copy_is_another(first: Path, session: Path) -> None:
    assert identity(session) == identity(session) == identity(next(session.glob("*.h5")))
    assert identity(first) != identity(session)


def test_no_answer_of_another_session_than_the_page_asks_for(app: ASGIApp, session: Path) -> None:
    names = (identity(session), "of-a-copy")
    for path in READS:
        there, elsewhere = (ask(app, path, cookies=CODER, headers={"X-Session": name}) for name in names)
        assert there.status_code == (404 if "film?" in path else 200)
        assert (elsewhere.status_code, elsewhere.json()["is_gone"]) == (409, True)
        assert ANOTHER in elsewhere.json()["error"]


@pytest.mark.parametrize("headers", [{}, {"X-Session": ""}, {"X-Session": "of-a-copy"}])
def test_labels_are_changed_only_in_the_session_that_is_named(
    app: ASGIApp, session: Path, headers: dict[str, str]
) -> None:
    with rig.open(session) as opened:
        coding = Coding(opened, "anna")
        coding.begin()
        revision = coding.read().revision
    before = (session / "annotations/anna.tsv").read_bytes()
    for path, method in (("/api/labels", "PUT"), ("/api/labels/close", "POST")):
        content = json.dumps({"revision": revision, "labels": []})
        assert ask(app, path, method, cookies=CODER, headers=headers, content=content).status_code == 409
        known = ask(app, path, method, cookies=CODER, headers={"X-Session": identity(session)}, content=content)
        assert known.status_code == 200
    assert (session / "annotations/anna.tsv").read_bytes() == before


def test_the_same_labels_in_another_session_have_another_revision(first: Path, session: Path) -> None:
    revisions = set()
    for place in (first, session):
        with rig.open(place) as opened:
            revisions.add(Coding(opened, "anna").read().revision)
    assert len(revisions) == 2


def run_file(session: Path) -> Path:
    [path] = session.glob("*.h5")
    path.chmod(0o600)
    return path


def cut(session: Path) -> None:
    os.truncate(run_file(session), 60_000)


def remove(session: Path) -> None:
    run_file(session).unlink()


def remove_all(session: Path) -> None:
    shutil.rmtree(session)


@pytest.mark.parametrize("harm", [cut, remove, remove_all])
def test_files_that_went_while_they_were_shown_are_told_of_also_when_the_page_is_loaded_again(
    app: ASGIApp, session: Path, harm: object
) -> None:
    assert ask(app, "/api/pictures?run=1&pulse=3").status_code == 200
    harm(session)  # type: ignore[operator]
    for _ in range(2):
        for path in READS:
            answer = ask(app, path, cookies=CODER)
            assert answer.status_code == 409, path
            assert "cut short, replaced or removed" in answer.json()["error"]
        assert ask(app, "/", cookies=CODER).status_code == 200


def test_what_lies_there_instead_is_shown_when_the_page_is_loaded_again(app: ASGIApp, session: Path) -> None:
    before = ask(app, "/api/session").json()
    cut(session)
    assert ask(app, "/").status_code == 200
    remove(session)
    assert ask(app, "/api/session").status_code == 409
    shutil.copy(make_run(session.parent / "later", Plan(body_groups=9)), session)
    assert ask(app, "/").status_code == 200
    after = ask(app, "/api/session").json()
    assert after["runs"][0]["last_pulse"] > before["runs"][0]["last_pulse"]
    assert ask(app, "/api/pictures?run=1&pulse=9").status_code == 200


def test_a_file_that_grows_stays_the_same(app: ASGIApp, session: Path) -> None:
    with run_file(session).open("ab") as file:
        file.write(bytes(4096))
    assert ask(app, "/api/pictures?run=1&pulse=3").status_code == 200


def test_a_stale_page_says_so_shows_nothing_else_and_saves_nothing(
    browser: Browser, first: Path, session: Path
) -> None:
    """The server was ended and begun again on the same port, over another session of the same title."""
    with serving("annotate", first, "--coder", "anna", cwd=first) as (_, [address]):
        context = browser.new_context()
        page = Watched(context.new_page())
        page.page.goto(address.url)
        page.until("window.rig?.ready === true")
    with serving("annotate", session, "--coder", "anna", "--port", address.port, cwd=session) as (_, [again]):
        context.new_page().goto(again.url)  # takes the cookie, for the stale page as well
        page.press("1")
        page.until("document.querySelector('dialog.gone')?.open === true")
        assert ANOTHER in page.js("document.querySelector('dialog.gone').textContent")
        assert "NOT SAVED" in page.js("document.querySelector('.save-state').textContent")
        page.page.on("request", lambda request: page.requests.append(request))
        page.press("Escape", "Escape", "ArrowRight", "1", "End")
        page.js("() => rig.go({ run: 1, pulse: 40 }).catch(() => {})")
        assert page.js("document.querySelector('dialog.gone').open")
        asked = {path for request in page.requests if (path := urlsplit(request.url).path).startswith("/api/")}
        assert asked <= {"/api/labels"}  # whether its own session is there again; a browser may want the icon late
        context.close()
    assert [len((place / "annotations/anna.tsv").read_text().splitlines()) for place in (first, session)] == [1, 1]


def test_the_browser_is_led_to_the_page_without_the_token_among_the_arguments(
    browser: Browser, address: Address
) -> None:
    with server._leading_to(address.url) as file:
        assert address.token not in file.as_uri()
        assert [path.stat().st_mode & 0o077 for path in (file, file.parent)] == [0, 0]
        context = browser.new_context()
        page = Watched(context.new_page())
        page.page.goto(file.as_uri())
        page.page.wait_for_url(re.compile(f"{re.escape(address.origin)}/(#.*)?$"))
        page.until("window.rig?.ready === true")
        assert page.page.url.partition("#")[0] == f"{address.origin}/"
        context.close()
    assert not file.parent.exists()


def test_a_moment_that_is_gone_is_named(browser: Browser, address: Address) -> None:
    """As of a run that is shorter now: an answer without moments."""
    with opened(browser, address.url) as page:
        nothing = b'{"moments": [], "pictures": []} '
        body = len(nothing).to_bytes(4, "little") + nothing
        page.page.route("**/api/pictures*", lambda route: route.fulfill(body=body))
        page.press("End")
        page.until("document.querySelector('.notice').textContent.includes('not in this session any more')")

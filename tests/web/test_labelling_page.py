"""A server that dies in the middle of a mark, and two coders: what was acknowledged is there, and is theirs alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.handmade import Plan, make_run
from tests.web.browser import chromium, opened, serving
from tests.web.sessions import HOSTILE

STATE = "document.querySelector('.save-state').dataset.state"
PULSES, LAST = range(10, 60, 6), 70
COLUMNS = 16


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("killed"), Plan(body_groups=30)).parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def rows(session: Path, coder: str) -> list[list[str]]:
    with (session / f"annotations/{coder}.tsv").open(newline="") as file:
        return list(csv.reader(file, dialect="excel-tab"))


def test_a_server_killed_in_the_middle_of_a_mark_leaves_a_whole_table(browser: Browser, session: Path) -> None:
    """Keys go on while the server is killed; the page then says that they are not saved."""
    server = serving("annotate", session, "--coder", "anna", cwd=session)
    with server as (process, [address]), opened(browser, address.url) as page:
        for pulse in PULSES:
            page.go(1, pulse)
            page.press("1")
            page.until(f"{STATE} === 'saved'")
            page.press("Enter")
        page.go(1, LAST)
        page.press("1")
        process.kill()
        page.press("ArrowRight", "2")
        page.until(f"{STATE} === 'failed'")
    table = rows(session, "anna")
    assert {len(row) for row in table} == {COLUMNS}
    onsets = [int(row[table[0].index("onset")]) for row in table[1:]]
    assert onsets in ([*PULSES], [*PULSES, LAST])


def test_after_it_each_coder_finds_their_own_labels_and_nobody_elses(browser: Browser, session: Path) -> None:
    """A hostile note is a text, to whoever wrote it."""
    coders = ["--coder", "anna", "--coder", "ben"]
    with serving("annotate", session, *coders, cwd=session, pages=2) as (_, [of_anna, of_ben]):
        with opened(browser, of_anna.url) as page:
            page.press("u", "n")
            page.page.keyboard.type(HOSTILE)
            page.press("Escape")
            page.until(f"{STATE} === 'saved'")
            page.page.reload()
            page.until("window.rig?.ready === true")
            listed = page.js("document.querySelectorAll('ol[aria-label=labels] li').length")
            assert listed == len(rows(session, "anna")) - 1
            page.press("u")
            assert page.js("window.hacked") is None
            assert page.js("document.querySelectorAll('img, iframe').length") == 0
            assert HOSTILE in page.js("async () => (await (await fetch('/api/labels')).json()).labels[0].note")
        with opened(browser, of_ben.url) as page:
            told = page.js("async () => (await fetch('/api/labels')).json()")
            assert (told["coder"], told["labels"], told["others"]) == ("ben", [], {})
            assert "anna" not in page.js("document.documentElement.outerHTML")
            assert {request.url.partition("?")[0] for request in page.requests} >= {f"{of_ben.origin}/api/labels"}

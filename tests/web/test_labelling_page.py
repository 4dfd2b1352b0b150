"""A server that dies in the middle of a mark, a session that is away, two coders at once: no mark is lost."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import rig
from rig.labels.coding import Coding
from rig.labels.label import Label
from tests.handmade import Plan, make_run
from tests.web.browser import Address, Watched, opened, serving
from tests.web.sessions import HOSTILE

STATE = "document.querySelector('.save-state').dataset.state"
PULSES, LAST = range(10, 60, 6), 70
ELSEWHERE = 100
GONE = "document.querySelector('dialog.gone')"
COLUMNS = 16


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return make_run(tmp_path, Plan(body_groups=30)).parent


def rows(session: Path, coder: str) -> list[list[str]]:
    with (session / f"annotations/{coder}.tsv").open(newline="") as file:
        return list(csv.reader(file, dialect="excel-tab"))


def test_a_server_killed_in_the_middle_of_a_mark_leaves_a_whole_table_and_the_page_saves_to_the_next(
    browser: Browser, session: Path
) -> None:
    """Keys go on while the server is killed; the page then says that they are not saved, and what to do.

    What was saved from elsewhere meanwhile stays, and so does what was done here; what was changed in both is named.
    """
    command = ("annotate", session, "--coder", "anna")
    with opened_before_kill(browser, command, session) as (page, address):
        table = rows(session, "anna")
        assert {len(row) for row in table} == {COLUMNS}
        onsets = [int(row[table[0].index("onset")]) for row in table[1:]]
        assert onsets in ([*PULSES], [*PULSES, LAST])
        assert f"again with --port {address.port} " in page.js("document.querySelector('.save-state').textContent")
        page.press("U", "5", "U", "Delete", "Enter")
        mark_elsewhere(session, noted=PULSES[-1])
        with serving(*command, "--port", address.port, cwd=session) as (_, [again]):
            other = page.page.context.new_page()
            other.goto(again.url)
            page.until(f"{STATE} === 'saved'")
            there = {int(row[2]): row for row in rows(session, "anna")[1:]}
            assert list(there) == [*PULSES[:-2], PULSES[-1], LAST, ELSEWHERE]
            assert there[LAST][3] == str(LAST + 1)
            assert (there[PULSES[-1]][11], there[PULSES[-1]][14]) == ("micro", "from elsewhere")
            page.press("z", "y", "Enter")
            page.until(f"{STATE} === 'saved'")
            assert {int(row[2]) for row in rows(session, "anna")[1:]} == set(there)
            said = page.js("document.querySelector('.labels').textContent")
            assert f"NOT saved of 1 label: run 1, {PULSES[-1]} · – · –. The table was changed meanwhile" in said
            page.page.get_by_text("Dismiss").click()
            assert "NOT saved" not in page.js("document.querySelector('.labels').textContent")
            page.page.get_by_text("Close labelling").click()
            page.until("document.querySelector('dialog.ask')?.textContent.includes('No other coder has begun')")
            page.press("Escape")


def mark_elsewhere(session: Path, *, noted: int | None = None) -> None:
    """As from another window, on another port: one label more, and a note to that which begins at a pulse."""
    with rig.open(session) as opened:
        coding = Coding(opened, "anna")
        read = coding.read()
        labels = [replace(label, note="from elsewhere") if label.onset == noted else label for label in read.labels]
        coding.save([*labels, Label("elsewhere", 1, ELSEWHERE, None, None, "micro")], read.revision)


@contextmanager
def opened_before_kill(
    browser: Browser, command: tuple[object, ...], session: Path
) -> Iterator[tuple[Watched, Address]]:
    """A page with labels, the last of which is marked while its server is killed; nothing answers it any more."""
    with serving(*command, cwd=session) as (process, [address]), opened(browser, address.url) as page:
        for pulse in PULSES:
            page.go(1, pulse)
            page.press("1")
            page.until(f"{STATE} === 'saved'")
            page.press("Enter")
        page.go(1, LAST + 1)
        page.go(1, LAST)
        page.press("1")
        process.kill()
        page.press("ArrowRight")
        page.until(f"rig.place().pulse === {LAST + 1}")
        page.press("2")
        page.until(f"{STATE} === 'failed'")
        process.wait()
        yield page, address


def test_each_coder_finds_their_own_labels_and_nobody_elses(browser: Browser, session: Path) -> None:
    """Both at once; a hostile note is a text, to whoever wrote it."""
    with rig.open(session) as opened_session:
        Coding(opened_session, "anna").begin()
    mark_elsewhere(session)
    coders = ["--coder", "anna", "--coder", "ben"]
    with (
        serving("annotate", session, *coders, cwd=session, pages=2) as (_, [of_anna, of_ben]),
        opened(browser, of_anna.url) as anna,
        opened(browser, of_ben.url) as ben,
    ):
        anna.press("u", "n")
        anna.page.keyboard.type(HOSTILE)
        anna.press("Escape")
        anna.until(f"{STATE} === 'saved'")
        ben.go(1, LAST)
        ben.press("1")
        ben.until(f"{STATE} === 'saved'")
        assert [row[2] for row in rows(session, "ben")[1:]] == [str(LAST)]
        anna.page.reload()
        anna.until("window.rig?.ready === true")
        listed = "document.querySelectorAll('ol[aria-label=labels] li').length"
        assert (anna.js(listed), ben.js(listed)) == (len(rows(session, "anna")) - 1, 1)
        anna.press("u")
        assert anna.js("window.hacked") is None
        assert anna.js("document.querySelectorAll('img, iframe').length") == 0
        assert HOSTILE in anna.js("async () => (await (await fetch('/api/labels')).json()).labels[0].note")
        ben.press("2")  # what anna saved is no newer state of his
        ben.until(f"{STATE} === 'saved'")
        told = ben.js("async () => (await fetch('/api/labels')).json()")
        assert (told["coder"], len(told["labels"]), told["others"]) == ("ben", 1, {})
        assert "anna" not in ben.js("document.documentElement.outerHTML")
        assert {request.url.partition("?")[0] for request in ben.requests} >= {f"{of_ben.origin}/api/labels"}
        away_for_a_moment(ben, session)
        assert [row[2:5] for row in rows(session, "ben")[1:]] == [[str(LAST), str(LAST), str(LAST)]]
        shutil.rmtree(session / "annotations")  # what is on the page is then on the disk again
        ben.press("Enter")
        ben.go(1, ELSEWHERE)
        ben.press("1")
        ben.until(f"{STATE} === 'saved'")
        assert [row[2] for row in rows(session, "ben")[1:]] == [str(LAST), str(ELSEWHERE)]
        assert (session / "annotations/ben.json").exists()


def away_for_a_moment(page: Watched, session: Path) -> None:
    """A mark is made while the session is not there; no key of the page's reloads it, and it goes on by itself."""
    session.rename(away := session.with_name("away"))
    page.press("3")
    page.until(f"{GONE}?.open === true")
    assert "NOT SAVED: changes of 1 label" in page.js(f"{GONE}.textContent")
    page.js("() => { window.isStillHere = true; }")
    page.press("Enter", "Enter")
    assert page.js(f"{GONE}.open && document.activeElement.localName") == "h2"
    away.rename(session)
    page.until(f"{GONE} === null && {STATE} === 'saved'")
    assert page.js("window.isStillHere")
    page.go(1, LAST)

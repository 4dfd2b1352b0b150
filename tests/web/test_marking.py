"""Marking by keys, in Chromium before `rig annotate`: what is marked is on the disk, and what is not is said."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from tests.handmade import Plan, make_run
from tests.web.browser import Address, Watched, opened, serving
from tests.web.looked import are_on_time

CODERS = ("anna", "ben", "cleo", "dora", "eve", "fay", "gus", "hal", "ida", "jon", "kim")  # none in two tests
LOOP_SPEED = 0.1
QUICK_HAND = """() => {
  const plain = window.setTimeout;
  window.setTimeout = (act, ms) => plain(act, ms === 400 ? 1e6 : ms);  // what is typed is not taken before it is left
}"""
STATE = "document.querySelector('.save-state')"
SAVED = f"{STATE}.dataset.state === 'saved'"
LISTED = "[...document.querySelectorAll('ol[aria-label=labels] li')].map((item) => item.textContent)"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("marking"), Plan(body_groups=30)).parent


@pytest.fixture(scope="module")
def links(session: Path) -> Iterator[dict[str, Address]]:
    """The address of each coder, of one server."""
    named = [word for coder in CODERS for word in ("--coder", coder)]
    with serving("annotate", session, *named, cwd=session, pages=len(CODERS)) as (_, addresses):
        yield dict(zip(CODERS, addresses, strict=True))


def _rows(session: Path, coder: str) -> list[dict[str, str]]:
    with (session / f"annotations/{coder}.tsv").open(newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def _marks(session: Path, coder: str) -> list[tuple[str, ...]]:
    return [tuple(row[mark] for mark in ("onset", "apex", "offset")) for row in _rows(session, coder)]


def _mark(page: Watched, *marks: tuple[str, int]) -> None:
    for key, pulse in marks:
        page.go(1, pulse)
        page.press(key)
    page.until(SAVED)


def _problem(page: Watched) -> Any:
    return page.js("document.querySelector('.label-problem').textContent")


def test_marks_are_rows_and_every_state_comes_back_by_undo_and_redo(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    with opened(browser, links["anna"].url) as page:
        _mark(page, ("1", 20), ("2", 24), ("3", 30))
        _mark(page, ("1", 31))  # beyond its end another begins
        assert _marks(session, "anna") == [("20", "24", "30"), ("31", "n/a", "n/a")]
        _mark(page, ("2", 28))
        assert "onset 31 would lie after apex 28" in _problem(page)
        assert _marks(session, "anna")[1] == ("31", "n/a", "n/a")
        page.press("Delete", "U", "5", "8")
        page.until(SAVED)
        assert [(row["kind"], row["uncertain"]) for row in _rows(session, "anna")] == [("macro", "true")]
        states = []
        for key in "zzzzzzzyyyyyyy":
            page.press(key)
            page.until(SAVED)
            states.append((key, _marks(session, "anna"), [row["kind"] for row in _rows(session, "anna")]))
        assert states[-1] == ("y", [("20", "24", "30")], ["macro"])
        assert [marks for _, marks, _ in states[:7]] == [
            [("20", "24", "30")],
            [("20", "24", "30")],
            [("20", "24", "30"), ("31", "n/a", "n/a")],
            [("20", "24", "30")],
            [("20", "24", "n/a")],
            [("20", "n/a", "n/a")],
            [],
        ]
        page.press("y")
        assert _problem(page) == "Nothing to redo"
        _mark(page, ("1", 10))  # to another expression, or to mend this one: it says what became of it
        assert "Label 1 now lasts from 10 to 30" in _problem(page)
        assert _marks(session, "anna") == [("10", "24", "30")]


def test_what_is_typed_is_saved_as_it_stands_and_keys_in_a_field_mark_nothing(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    with opened(browser, links["ben"].url) as page:
        page.press("e", *"py")
        assert _problem(page).startswith("No label is chosen: 1, 2 or 3 begins one")
        assert page.js("document.activeElement.value") == ""
        page.press("Escape", "4")
        assert _problem(page).startswith("No label is chosen")
        _mark(page, ("1", 20), ("2", 24), ("3", 30))
        for key, text, end in (("e", "joy 123", "Enter"), ("x", "L14A+25", "Enter"), ("n", '<b>1 "2', "Escape")):
            page.press(key)
            page.page.keyboard.type(text)
            page.press(end)
        page.until(SAVED)
        [row] = _rows(session, "ben")
        assert (row["emotion"], row["aus"], row["note"]) == ("joy 123", "L14A+25", '<b>1 "2')
        assert (row["onset"], row["kind"]) == ("20", "micro")
        page.press("z", "z")
        page.until(SAVED)
        assert [_rows(session, "ben")[0][field] for field in ("emotion", "aus", "note")] == ["joy 123", "n/a", "n/a"]


def test_action_units_that_are_none_stay_in_their_field_until_they_are_mended_or_given_up(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    def aus() -> list[str]:
        return [row["aus"] for row in _rows(session, "eve")]

    field = "document.querySelector('input[placeholder^=\"1+2\"]')"
    with opened(browser, links["eve"].url) as page:
        page.js(QUICK_HAND)
        _mark(page, ("1", 40), ("x", 40))
        page.page.keyboard.type("6b + l12 ")
        assert page.js(f"{STATE}.dataset.state") == "saving"
        page.press("Enter")
        page.until(SAVED)
        assert (aus(), page.js(f"{field}.value")) == (["6B+L12"], "6B+L12")
        page.press("x", "End", *"+99", "Enter", "8")  # the field keeps the keys
        assert "are no action units" in _problem(page)
        page.page.get_by_label("note").click()
        assert page.js(f"[{field}.value, {field}.ariaInvalid]") == ["6B+L12+998", "true"]
        assert page.js(f"{STATE}.textContent") == "NOT SAVED: AUs “6B+L12+998”"
        page.press("Escape", "Enter", "u", "x", *["Backspace"] * 4, "Enter")
        page.until(SAVED)
        assert page.js(f"{field}.ariaInvalid") == "false"
        page.press("x", *"+99", "Enter", "Escape")
        assert (_problem(page), page.js(f"{field}.value")) == ("“6B+L12+99” was given up", "6B+L12")
        assert page.js(SAVED)
        page.press("Delete")
        page.until(SAVED)
        assert aus() == []


def test_a_mark_belongs_to_the_picture_that_is_shown(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    with opened(browser, links["gus"].url) as page:
        page.go(1, 40)
        page.press("p")
        page.go(1, 50)
        page.press("b", "Enter", "1")
        assert "pinned picture is shown" in _problem(page)
        page.press("b", "1")
        page.until(SAVED)
        held: list[Route] = []
        page.page.route("**/api/pictures?*", lambda route: held.append(route))
        page.press("End", "2")  # nothing of the last pulse has come yet
        page.until(SAVED)
        assert held
        assert page.place() == (1, 50)
        assert _marks(session, "gus") == [("50", "50", "n/a")]
        for route in held:
            route.abort()


def test_the_list_leads_to_each_label_and_is_filtered(browser: Browser, links: dict[str, Address]) -> None:
    with opened(browser, links["cleo"].url) as page:
        _mark(page, ("1", 12), ("2", 14), ("3", 16), ("e", 16))
        page.press(*"joy", "Enter")
        _mark(page, ("Enter", 16), ("1", 30), ("Enter", 30), ("1", 60), ("8", 60))
        assert page.js(LISTED) == [
            "12 · 14 · 16 micro joy",
            "30 · – · – micro  no apex, no offset",
            "60 · – · – micro  ? no apex, no offset",
        ]
        page.go(1, 0)
        page.press("Enter", "u", "u")
        page.until("rig.place().pulse === 30")
        page.page.get_by_label("which labels are listed").select_option("uncertain")
        assert page.js(LISTED) == ["60 · – · – micro  ? no apex, no offset"]
        page.page.get_by_label("which labels are listed").select_option("unlabelled")
        assert [words.partition(" ")[0] for words in page.js(LISTED)] == ["30", "60"]
        page.page.get_by_text("60 · – · –").click()
        page.until("rig.place().pulse === 60")
        page.press("L", "L")
        page.until("rig.place().pulse === 12")
        assert page.js("document.querySelector('legend').textContent") == "label 1, run 1"
        speed = page.js("document.querySelector('[aria-label=speed]').value")
        page.press("r")
        page.until("rig.played.length > 12 && new Set(rig.played.map(({ pulse }) => pulse)).size === 5")
        page.press("r")
        assert {at["pulse"] for at in page.js("rig.played")} == {12, 13, 14, 15, 16}
        assert are_on_time(page, LOOP_SPEED, loop_from=12)
        assert page.js("document.querySelector('[aria-label=speed]').value") == speed


def test_a_click_in_the_list_leaves_the_keys_to_the_page(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    with opened(browser, links["fay"].url) as page:
        _mark(page, ("1", 10), ("2", 12), ("3", 14), ("Enter", 14), ("1", 30), ("e", 30))
        page.page.keyboard.type("joy")
        page.page.get_by_text("10 · 12 · 14").click()
        assert page.js("document.querySelector('legend').textContent") == "label 1, run 1"
        page.until("rig.place().pulse === 10")
        page.press("Enter")
        _mark(page, ("1", 5))
        assert _marks(session, "fay") == [("5", "n/a", "n/a"), ("10", "12", "14"), ("30", "n/a", "n/a")]
        assert [row["emotion"] for row in _rows(session, "fay")] == ["n/a", "n/a", "joy"]


def test_a_second_window_overwrites_nothing_and_what_was_changed_in_both_is_named(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    with opened(browser, links["dora"].url) as first, opened(browser, links["dora"].url) as second:
        _mark(first, ("1", 20))
        second.go(1, 50)
        second.press("1")
        second.until(SAVED)
        assert _marks(session, "dora") == [("20", "n/a", "n/a"), ("50", "n/a", "n/a")]
        assert "changed in another window" in _problem(second)
        second.press("U", "5")
        second.until(SAVED)
        first.press("n")
        first.page.keyboard.insert_text("what was typed")  # at once: no part of it is taken before the rest
        first.until("document.querySelector('.labels').textContent.includes('NOT saved of 1 label: run 1, 20 · – · –')")
        assert first.js(f"{STATE}.textContent") == "NOT SAVED: note “what was typed”"
        assert first.js(LISTED) == second.js(LISTED)
        first.press("Escape")
        first.until(SAVED)
        noted = [(row["kind"], row["note"]) for row in _rows(session, "dora")]
        assert noted == [("macro", "what was typed"), ("micro", "n/a")]


def test_a_mark_that_the_disk_refuses_is_not_saved_on_the_page_until_it_is(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    folder, away = session / "annotations", session / "away"
    with opened(browser, links["hal"].url) as page:
        folder.rename(away)
        folder.write_text("in the way")
        page.go(1, 20)
        page.press("1")
        page.until(f"{STATE}.dataset.state === 'failed'")
        assert page.js(f"{STATE}.textContent").startswith("NOT SAVED: ")
        page.go(1, 21)
        with page.page.expect_response(lambda answer: answer.request.method == "PUT") as refused:
            page.press("2")
        assert refused.value.status == 507
        folder.unlink()
        away.rename(folder)
        page.until(SAVED)
        assert _marks(session, "hal") == [("20", "21", "n/a")]


def test_who_has_closed_sees_those_who_have_and_changes_nothing(
    browser: Browser, links: dict[str, Address], session: Path
) -> None:
    for coder in ("ida", "jon"):
        with opened(browser, links[coder].url) as page:
            assert page.js("document.querySelectorAll('.other-labels li').length") == 0
            _mark(page, ("1", 20), ("2", 24), ("3", 30))
            page.page.get_by_text("Close labelling").click()
            page.page.get_by_text("Close for ever").click()
            page.until(f"{STATE}.textContent === 'closed'")
            page.press("1", "Delete")
            assert "closed" in _problem(page)
            assert _marks(session, coder) == [("20", "24", "30")]
            seen = page.js("document.querySelector('.other-labels').textContent")
    assert seen == "Labels of ida20 · 24 · 30 micro "


def test_film_clips_and_answers_are_hidden_until_they_are_asked_for(
    browser: Browser, links: dict[str, Address]
) -> None:
    with opened(browser, links["kim"].url) as page:
        page.go(1, 70)
        told = [request.url for request in page.requests if "/api/" in request.url]
        assert [url for url in told if "film=1" in url or "/api/film" in url or "/api/flips" in url] == []
        assert "clip1" not in page.js("document.body.textContent")
        assert not page.js("document.querySelector('[data-stream=film]').checkVisibility()")
        page.press("f")
        page.until("document.querySelector('.place').textContent.includes('clip1')")

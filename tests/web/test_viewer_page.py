"""The viewer as its user has it: what is on the canvases, and what keys do; against the file, read by h5py alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Route

from tests.films import number_of
from tests.handmade import FLIP_NS, Plan, film_onset, host_of, pulse_ticks
from tests.web.browser import FRAMES, Address, Watched, opened
from tests.web.looked import TILE, are_on_time, now, pixels, read, words
from tests.web.sessions import DAMAGED, HOSTILE, LOST, NOT_STORED, STREAMS, stored

ENDED = "!rig.page.player.isPlaying"
SAID = "document.querySelector('.foot .notice').textContent"


@pytest.fixture(scope="module")
def viewer(browser: Browser, address: Address) -> Iterator[Watched]:
    with opened(browser, address.url) as page:
        yield page
        assert not page.complaints
        assert not page.failed


@pytest.fixture(scope="module")
def troubled_viewer(browser: Browser, trouble_address: Address) -> Iterator[Watched]:
    with opened(browser, trouble_address.url) as page:
        yield page
        assert not page.complaints
        assert {urlsplit(url).path for url in page.failed} <= {"/api/film"}  # it is not here


def test_a_canvas_is_the_frame_bit_for_bit(viewer: Watched, run_path: Path) -> None:
    """100 random frames of each stream: grey of 8 bits, colours, and of 12 bits the upper 8."""
    files, chosen = stored(run_path), np.random.default_rng(1)
    own_pulses = chosen.choice(files["VIS"].pulses, 100, replace=False)
    pulses = (own_pulses + chosen.integers(STREAMS["VIS"], size=100)).tolist()
    for pulse, sheets in zip(pulses, read(viewer, pulses), strict=True):
        for stream, divisor in STREAMS.items():
            own_pulse = pulse - pulse % divisor
            assert sheets[stream]["key"] == f"{stream}/1/{own_pulse}"
            assert np.array_equal(pixels(sheets[stream]), files[stream].on_screen(own_pulse)), (pulse, stream)


def test_the_film_frame_on_the_page_is_the_one_named_and_moves_with_the_pulses(viewer: Watched) -> None:
    """The film has 25 frames a second, so that 30 pulses are 7.5 of them; each frame is brought once."""
    seen = []
    for pulse in range(150, 330, 30):
        viewer.go(1, pulse)
        viewer.until(f"!{TILE.format('film')}.classList.contains('late')")
        named = re.search(r"film frame (\d+)", words(viewer, "film"))
        assert named, words(viewer, "film")
        assert number_of(pixels(now(viewer)["film"])[..., :3]) == int(named[1])
        seen.append(int(named[1]))
    assert len(set(seen)) >= 5
    assert set(np.diff(seen[: len(set(seen))]).tolist()) <= {7, 8}
    asked = Counter(request.url for request in viewer.requests if "/api/film" in request.url)
    assert len(asked) > 5
    assert set(asked.values()) == {1}, asked.most_common(3)


def test_steps_on_and_back_show_each_frame_in_turn(viewer: Watched) -> None:
    viewer.go(1, 200)
    for key, pulses in (("ArrowRight", range(201, 231)), ("ArrowLeft", range(229, 199, -1))):
        for pulse in pulses:
            viewer.press(key)
            viewer.until(f"document.querySelector('canvas[data-stream=HS]').dataset.picture === 'HS/1/{pulse}'")
            assert viewer.place() == (1, pulse)


def test_a_step_is_as_long_as_it_is_set_by_keys_and_in_its_field(viewer: Watched) -> None:
    field = viewer.page.get_by_label("step", exact=True)
    viewer.go(1, 200)
    for key, pulse in ((">", 202), ("<", 203)):
        viewer.press(key, "ArrowRight")
        viewer.until_at(1, pulse)
    field.fill("7")
    field.press("Enter")
    viewer.press("ArrowLeft", "ArrowLeft")
    viewer.page.get_by_role("button", name="▶").click()
    viewer.until_at(1, 203 - 7)
    field.fill("1")
    field.press("Enter")


def test_no_request_leaves_the_host(
    viewer: Watched, troubled_viewer: Watched, address: Address, trouble_address: Address
) -> None:
    """Of two pages that have been used by all the tests before, one of them with hostile texts."""
    for page, own in ((viewer, address), (troubled_viewer, trouble_address)):
        page.go(1, 10)
        urls = {request.url for request in page.requests}
        assert len(urls) > 10
        assert not [url for url in urls if not url.startswith((own.origin + "/", f"blob:{own.origin}/"))]


@pytest.mark.parametrize("stream", LOST)
def test_in_a_gap_there_is_no_picture_but_its_reason(troubled_viewer: Watched, stream: str) -> None:
    before, inside = min(LOST[stream]) - STREAMS[stream], sorted(LOST[stream])
    assert read(troubled_viewer, [before])[0][stream]["key"]
    for pulse in inside:
        assert read(troubled_viewer, [pulse])[0][stream]["key"] is None
        assert troubled_viewer.js(f"{TILE.format(stream)}.querySelector('canvas').hidden")
        assert re.search("no (frame|picture)", words(troubled_viewer, stream))
        assert re.search("lost|never|camera|gap", words(troubled_viewer, stream)), words(troubled_viewer, stream)


def test_what_was_not_stored_and_what_is_damaged_say_so(troubled_viewer: Watched) -> None:
    stream, first, _ = NOT_STORED
    assert read(troubled_viewer, [first + 8])[0][stream]["key"] is None
    assert "not stored" in words(troubled_viewer, stream)
    assert read(troubled_viewer, [DAMAGED])[0]["HS"]["key"] is None
    assert "differs from what the camera delivered" in words(troubled_viewer, "HS")


def test_a_step_into_a_gap_takes_the_picture_away_and_out_of_it_brings_the_next(troubled_viewer: Watched) -> None:
    troubled_viewer.go(1, 39)
    for pulse in range(40, 46):
        troubled_viewer.press("ArrowRight")
        due = "undefined" if pulse in LOST["HS"] else f"'HS/1/{pulse}'"
        troubled_viewer.until(f"document.querySelector('canvas[data-stream=HS]').dataset.picture === {due}")


def test_captions_say_how_old_each_frame_and_the_flip_are(troubled_viewer: Watched) -> None:
    """Three periods from the frames of pulse 72; the film began 0.5 s after pulse 0 was sent, exposed 20 us later."""
    troubled_viewer.go(1, 75)
    troubled_viewer.until(f"!{TILE.format('film')}.innerText.includes('loading')")
    flip_ms = (host_of(Plan(), pulse_ticks(Plan())[75]) + 20e3 - film_onset(Plan())) / 1e6 % (FLIP_NS / 1e6)
    for stream, age in (("HS", "age 0.0 ms"), ("VIS", "age 30.0 ms"), ("NIR", "age 30.0 ms"),
                        ("film", f"flip age {flip_ms:.1f} ms")):  # fmt: skip
        assert age in words(troubled_viewer, stream)


@pytest.mark.parametrize("away", ["End", "Space", ".", "t"])
def test_what_is_said_of_a_place_goes_when_another_one_is_shown(troubled_viewer: Watched, away: str) -> None:
    troubled_viewer.go(1, 50)
    troubled_viewer.press("g")
    troubled_viewer.until("!document.querySelector('.tile.late')")
    troubled_viewer.js(FRAMES)
    said = troubled_viewer.js(SAID)
    assert said.startswith("VIS: gap, ")
    troubled_viewer.press(away)
    troubled_viewer.until(f"!{SAID}.includes({said!r})")
    troubled_viewer.press(*(["Space"] if away == "Space" else []))


def test_an_address_without_its_pulse_says_so_and_shows_the_first(browser: Browser, address: Address) -> None:
    with opened(browser, f"{address.url}#run=9&pulse=1") as page:
        page.until("document.querySelector('canvas[data-stream=HS]').dataset.picture === 'HS/1/0'")
        page.js(FRAMES)
        assert page.js(SAID) == "This session has no pulse 1 in run 9"


@pytest.mark.parametrize("key", ["A", "Q", "l"])
def test_hostile_texts_stay_texts(troubled_viewer: Watched, key: str) -> None:
    """An alarm's, a question's and its answer's, a label's emotion: told when they are jumped to."""
    troubled_viewer.go(1, 100)
    troubled_viewer.press(key)
    troubled_viewer.until("document.querySelector('.foot .notice').textContent.includes('onerror=')")
    told = troubled_viewer.js("document.querySelector('.foot .notice').textContent")
    assert told.count(HOSTILE) == (2 if key == "Q" else 1)
    assert troubled_viewer.js("window.hacked") is None
    assert troubled_viewer.js("document.querySelectorAll('img, script:not([src]), iframe').length") == 0


def test_banners_say_what_must_be_known_first(troubled_viewer: Watched) -> None:
    """That of the verdict comes after the first picture."""
    troubled_viewer.until("document.querySelector('.banner.fail')")
    told = troubled_viewer.page.locator(".banner").all_inner_texts()
    assert told[0].startswith("SIMULATED: ")
    assert [text for text in told if re.match("Run 1: NOT complete", text)], told


def test_an_address_leads_to_a_pulse_and_follows_it(browser: Browser, trouble_address: Address) -> None:
    with opened(browser, f"{trouble_address.url}#run=2&pulse=33") as page:
        assert page.place() == (2, 33)
        assert "token" not in page.page.url
        page.press("ArrowRight")
        page.until("location.hash === '#run=2&pulse=34'")
        page.js("() => { location.hash = '#run=1&pulse=77' }")
        page.until("rig.place().run === 1 && rig.place().pulse === 77")
        page.js("() => { location.hash = '#run=9&pulse=77' }")
        page.until("/no pulse 77 in run 9/.test(document.body.innerText)")
        assert page.place() == (1, 77)


def test_the_jump_to_gaps_stops_between_two_runs_and_says_so(troubled_viewer: Watched) -> None:
    troubled_viewer.go(1, 200)
    troubled_viewer.press("g")
    troubled_viewer.until("document.querySelector('canvas[data-stream=HS]').dataset.picture === 'HS/1/263'")
    troubled_viewer.until(f"{SAID} === 'nothing recorded: run 1 ended, run 2 began'")
    troubled_viewer.go(2, 50)
    troubled_viewer.press("G")
    troubled_viewer.until_at(1, 263)


def test_what_was_played_goes_on_in_the_next_run_at_once(troubled_viewer: Watched) -> None:
    """Between them lie 17 s in which nothing was recorded: six minutes at this speed."""
    troubled_viewer.go(1, 262)
    choose_speed(troubled_viewer, "0.05")
    troubled_viewer.press("Space")
    troubled_viewer.until("rig.place().run === 2 && rig.place().pulse >= 2")
    troubled_viewer.press("Space")
    shown, passed, skipped, without = counted(troubled_viewer)
    assert passed == 2 + troubled_viewer.place()[1] + 1
    assert shown + skipped + without == passed


def counted(page: Watched) -> tuple[int, int, int, int]:
    """Frames shown, passed, skipped and without a picture, as the page says."""
    text = page.js("document.querySelector('.foot .count').textContent")
    said = re.search(r"shown (\d+) of (\d+) HS frames, skipped (\d+)(?:, (\d+) without a picture)?$", text)
    assert said, text
    shown, passed, skipped, without = (int(number or 0) for number in said.groups())
    return shown, passed, skipped, without


def played(page: Watched) -> list[int]:
    return [one["pulse"] for one in page.js("rig.played")]


def choose_speed(page: Watched, speed: str) -> None:
    page.page.get_by_label("speed").select_option(speed)


@pytest.mark.parametrize(("speed", "frames"), [("0.05", 4), ("1", 20)])
def test_the_pulses_played_follow_the_clock_at_the_chosen_speed(viewer: Watched, speed: str, frames: int) -> None:
    """The slowest speed and the fastest; those between are played below."""
    viewer.go(1, 100)
    choose_speed(viewer, speed)
    viewer.press("Space")
    viewer.until(f"rig.played.length >= {frames} || {ENDED}")
    if not viewer.js(ENDED):
        viewer.press("Space")
    assert are_on_time(viewer, float(speed))


def test_playing_says_how_many_frames_it_showed_and_how_many_it_skipped(viewer: Watched) -> None:
    """Also when the speed changes meanwhile: each frame counts once."""
    for speed, meanwhile in (("0.25", "["), ("0.5", "]")):
        viewer.go(1, 100)
        choose_speed(viewer, speed)
        viewer.press("Space")
        viewer.until("rig.played.length >= 6")
        assert are_on_time(viewer, float(speed))
        viewer.press(meanwhile)
        viewer.until("rig.played.length >= 14")
        viewer.press("Space")
        pulses = played(viewer)
        assert pulses == sorted(set(pulses))
        passed = pulses[-1] - pulses[0] + 1
        assert counted(viewer) == (len(pulses), passed, passed - len(pulses), 0)


def test_what_is_lost_is_not_counted_as_shown_nor_as_skipped(troubled_viewer: Watched) -> None:
    troubled_viewer.go(1, 36)
    choose_speed(troubled_viewer, "0.25")
    troubled_viewer.press("Space")
    troubled_viewer.until("rig.place().pulse >= 50")
    troubled_viewer.press("Space")
    pulses = played(troubled_viewer)
    assert not set(pulses) & LOST["HS"]
    passed = troubled_viewer.place()[1] - 36 + 1
    lost = len(LOST["HS"])
    assert counted(troubled_viewer) == (len(pulses), passed, passed - lost - len(pulses), lost)


def test_where_the_pinned_moment_has_no_frame_its_reason_stands_in_place_of_a_picture(
    troubled_viewer: Watched,
) -> None:
    """At pulse 42 HS has lost its frame, VIS has one."""
    troubled_viewer.go(1, 42)
    troubled_viewer.press("p")
    troubled_viewer.go(1, 100)
    for key, is_shown in (("b", True), ("b", False), ("w", True), ("w", False)):
        troubled_viewer.press(key)
        nothing = f"{TILE.format('HS')}.querySelector('.pinned-nothing')"
        assert troubled_viewer.js(f"{nothing}?.checkVisibility() ?? false") is is_shown, key
        if is_shown:
            assert re.search("no frame\\s+.*(lost|never|camera|gap)", troubled_viewer.js(f"{nothing}.innerText"))
        assert not troubled_viewer.js("document.querySelector('canvas[data-pinned=HS]').checkVisibility()")
        assert troubled_viewer.js("document.querySelector('canvas[data-pinned=VIS]').checkVisibility()") is is_shown
    troubled_viewer.press("p")
    troubled_viewer.go(1, 42)
    troubled_viewer.press("p")


def test_the_answer_that_was_overtaken_moves_nothing(viewer: Watched) -> None:
    """The first place typed is found late, when another has been typed since."""
    held: list[Route] = []
    viewer.page.route("**/api/find?*", lambda route: held.append(route))
    viewer.press("j", *"1.5s", "Enter")
    while not held:
        viewer.page.wait_for_timeout(5)
    viewer.press("Escape", "j", *"77", "Enter")
    viewer.until("rig.place().pulse === 77")
    with viewer.page.expect_response("**/api/find?*"):
        held[0].continue_()
    viewer.js(FRAMES)
    assert viewer.place() == (1, 77)
    viewer.page.unroute_all()


@pytest.mark.parametrize(
    ("typed", "place"),
    [("0.872s", (1, 75)), ("20.872s", (2, 75)), ("clip1@0.402", (2, 78)), ("1:33", (1, 33)), ("2:34", (2, 34))],
)
def test_what_is_typed_leads_to_that_very_place(troubled_viewer: Watched, typed: str, place: tuple[int, int]) -> None:
    """Pulse 75 is sent 0.87 s after pulse 0 of its run; clip1 begins after 0.5 s, and was shown last in run 2."""
    troubled_viewer.go(3 - place[0], 0)
    troubled_viewer.press("j", *typed, "Enter")
    troubled_viewer.until(f"rig.place().run === {place[0]} && rig.place().pulse === {place[1]}")
    assert troubled_viewer.js("document.activeElement === document.body")


def test_of_two_ways_asked_for_the_later_one_is_gone(troubled_viewer: Watched) -> None:
    ended = troubled_viewer.js(
        "async () => (await Promise.allSettled([rig.go({ run: 2, pulse: 60 }), rig.go({ run: 2, pulse: 10 })]))"
        ".map(({ status, reason }) => reason?.name ?? status)"
    )
    assert ended == ["AbortError", "fulfilled"]
    assert troubled_viewer.place() == (2, 10)


def test_pinning_and_unpinning_at_once_asks_for_no_moment_that_is_none(viewer: Watched) -> None:
    """While differences are shown, the plain picture of the moment is not here yet."""
    viewer.press("k")
    viewer.go(1, 290)
    viewer.press("p", "p")
    viewer.go(1, 291)
    viewer.press("k")
    assert not [request.url for request in viewer.requests if "NaN" in request.url or "undefined" in request.url]


def test_keys_typed_into_a_field_are_its_own(viewer: Watched) -> None:
    viewer.go(1, 100)
    viewer.press("j", *"clip1@1.0")
    assert viewer.place() == (1, 100)
    viewer.press("Enter")
    viewer.until("rig.place().pulse !== 100")
    assert viewer.js("document.activeElement === document.body")


def test_every_control_is_reached_by_tab_and_shows_it(viewer: Watched) -> None:
    viewer.press("c")
    assert viewer.reached_by_tab() > 20
    viewer.press("Escape")

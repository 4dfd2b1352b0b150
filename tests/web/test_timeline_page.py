"""The time line: what is drawn where, against what was planted; and the hand that drags along it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route

from tests.web.browser import Address, Watched, opened
from tests.web.looked import CANVAS, TILE
from tests.web.sessions import GHOST, LABELLED, LOST, NOT_STORED

DRAWN = "document.querySelector('.timeline canvas').toDataURL().split(',')[1]"
INKS = """(names) => {
  const style = getComputedStyle(document.querySelector(".timeline"));
  const canvas = document.createElement("canvas").getContext("2d");
  return names.map((name) => {
    canvas.fillStyle = style.getPropertyValue(`--${name}`).trim();
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  });
}"""
LANES = """async () => {
  const { lanesOf } = await import("/static/timeline-draw.js");
  const lanes = lanesOf(rig.page.session).map(({ name, kind, top, height }) => [name || kind, [top, top + height]]);
  return Object.fromEntries(lanes);
}"""
LANES_WITHOUT_TRIALS = """async () => {
  const { lanesOf } = await import("/static/timeline-draw.js");
  return lanesOf({ ...rig.page.session, trials: [] }).map(({ name }) => name);
}"""
BREAKS = """async () => {
  const [{ Axis }, { wordsOf }] = [await import("/static/axis.js"), await import("/static/words.js")];
  const run = (number, atS) => ({ number, first_pulse: 0, last_pulse: 99, segments: [[0, 99, atS, 0.01]] });
  const { breaks } = new Axis([run(1, 0), run(3, 5), run(4, 5.5), run(5, 9)]);
  return breaks.map((row) => [row.from_s, row.to_s, wordsOf.break(row)]);
}"""
BETWEEN = "nothing recorded: run 1 ended, run 2 began"
DETAILED = "rig.page.timeline.details.motion?.toS === rig.page.timeline.toS"  # motion of what is in view is here
FLIPS_ARE_IN_VIEW = """(({ details: { flips }, fromS, toS }) =>
  flips?.rows.length && flips.rows.every(([atS]) => fromS <= atS && atS <= toS))(rig.page.timeline)"""
SAMPLED = "rig.page.timeline.details.motion?.is_each_frame === false"
ARRIVED = "rig.page.display.shown.index === rig.page.display.target"
FLIPS = "async () => (await (await fetch('/api/flips?from_s=0&to_s=9')).json()).flips"
PERIOD_S = 0.01
FLIP_PX, MOTION_PX = 2, 26  # of a flip's tick the part that no words reach; the tallest motion
LEAPS_AT, EQUAL = 256, (230, 250)  # HS pulses by whose pictures the lowest byte of the number falls to 0, rises by 1
Bars = list[tuple[int, int, int]]  # row, first column and column behind the last one


@pytest.fixture(scope="module")
def viewer(browser: Browser, trouble_address: Address) -> Iterator[Watched]:
    with opened(browser, trouble_address.url) as page:
        page.until("document.querySelector('.banner.fail')")  # nothing moves any more
        page.js("async () => { window.told = await (await fetch('/api/session')).json(); }")
        yield page
        assert not page.complaints


def drawn(page: Watched, *names: str) -> list[Bars]:
    """Where the colours of the style sheet stand in the time line, as level bars."""
    return [bars(is_inked) for is_inked in inked(page, *names)]


def inked(page: Watched, *names: str) -> list[np.ndarray]:
    """Which pixels of the time line have these colours of the style sheet."""
    picture = painted(page)
    return [np.all(picture == ink, axis=2) for ink in page.js(INKS, list(names))]


def painted(page: Watched) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(page.js(DRAWN)))).convert("RGB"))


def rows_of(page: Watched, lane: str) -> slice:
    return slice(*page.js(LANES)[lane])


def columns_of(is_inked: np.ndarray) -> list[int]:
    """Columns that are inked from top to bottom."""
    return np.flatnonzero(is_inked.all(axis=0)).tolist()


def bars(is_inked: np.ndarray) -> Bars:
    edges = np.diff(np.pad(is_inked, ((0, 0), (1, 1))).astype(int), axis=1)
    return [
        (row, int(first), int(end))
        for row in range(len(edges))
        for first, end in zip(np.flatnonzero(edges[row] == 1), np.flatnonzero(edges[row] == -1), strict=True)
    ]


def ends(page: Watched) -> tuple[float, float]:
    """The first and the last second of the session, by its runs."""
    runs = page.js("told.runs")
    return second_of(runs[0], runs[0]["first_pulse"]), second_of(runs[-1], runs[-1]["last_pulse"])


def second_of(run: dict[str, list[list[float]]], pulse: float) -> float:
    [at] = [start + (pulse - first) * each for first, last, start, each in run["segments"] if first <= pulse <= last]
    return at


def columns(page: Watched) -> tuple[float, float]:
    """The column of second 0 and columns a second: the lanes of the cameras reach from the first pulse to the last."""
    [lanes] = drawn(page, "lane")
    left, right = min(first for _, first, _ in lanes), max(end for *_, end in lanes)
    first_s, last_s = ends(page)
    per_s = (right - left) / (last_s - first_s)
    return left - first_s * per_s, per_s


def test_gaps_stand_in_their_cameras_lane_where_they_are(viewer: Watched) -> None:
    """HS lost 5 pulses in a row, VIS one of its own; their neighbours are not red, nor is anything later."""
    viewer.press("h", "Home", *"iii")  # the first eighth of the session
    [red] = drawn(viewer, "bad")
    zero, per_s = columns_zoomed(viewer)
    run = viewer.js("told.runs")[0]
    reds = {column for _, first, end in red for column in range(first, end)}
    for stream, period_s in (("HS", PERIOD_S), ("VIS", 4 * PERIOD_S)):
        lost = sorted(LOST[stream])
        for pulse in (lost[0] - 1, *lost, lost[-1] + round(period_s / PERIOD_S)):
            middle = int(zero + per_s * (second_of(run, pulse) + PERIOD_S / 2))
            assert (middle in reds) is (pulse in lost), (stream, pulse)
    assert max(reds) < zero + per_s * (second_of(run, max(LOST["VIS"])) + 4 * PERIOD_S) + 2
    viewer.press("h")


def columns_zoomed(page: Watched) -> tuple[float, float]:
    """By the cursor, which stands at the place: at two places."""
    at = []
    for pulse in (10, 150):
        page.go(1, pulse)
        left = page.js("document.querySelector('.timeline .cursor').getBoundingClientRect().left")
        root = page.js("document.querySelector('.timeline').getBoundingClientRect().left")
        at.append((second_of(page.js("told.runs")[0], pulse), left - root))
    (one_s, one), (other_s, other) = at
    per_s = (other - one) / (other_s - one_s)
    return one - one_s * per_s, per_s


def test_runs_steps_labels_and_answers_stand_where_they_are(viewer: Watched) -> None:
    """Over the whole session, at whose ends the lanes begin and end."""
    viewer.press("h")
    lanes, clips, labels, answers = drawn(viewer, "lane", "clip", "label", "answer")
    zero, per_s = columns(viewer)
    runs, steps = viewer.js("told.runs"), viewer.js("told.steps")
    between = [zero + per_s * second_of(runs[0], runs[0]["last_pulse"]), zero + per_s * second_of(runs[1], 0)]
    assert not [bar for bar in lanes if between[0] + 3 < bar[1] < between[1] - 3], "between two runs there is no lane"
    films = [step for step in steps if step["clip"]]
    assert len(films) == 2
    for film in films:
        assert [bar for bar in clips if abs(bar[1] - (zero + per_s * film["from_s"])) < 3], film
    onset = zero + per_s * second_of(runs[0], LABELLED[0])
    assert {first for _, first, _ in labels} <= set(range(int(onset) - 2, int(onset) + 8))
    assert labels
    for answer in viewer.js("told.answers"):
        column = zero + per_s * max(answer["at_s"], ends(viewer)[0])  # one from before the first pulse stands there
        assert [bar for bar in answers if bar[1] - 2 <= column <= bar[2] + 2], answer


def test_the_row_of_trials_holds_each_trial_whole_and_only_sessions_with_trials_have_it(viewer: Watched) -> None:
    """From its clip to the end of its question; what comes before belongs to none."""
    viewer.press("h")
    zero, per_s = columns(viewer)
    middle = rows_of(viewer, "trials").start + 1  # above the words
    found = [bar[1:] for bar in drawn(viewer, "trial")[0] if bar[0] == middle]
    steps = viewer.js("told.steps")
    due = [
        [zero + per_s * step["from_s" if name == "clip1" else "to_s"] for name in ("clip1", "report-how")
         for step in steps if (step["run"], step["name"]) == (run, name)]
        for run in (1, 2)
    ]  # fmt: skip
    assert found == [pytest.approx(ends, abs=2) for ends in due]
    assert "trials" not in viewer.js(LANES_WITHOUT_TRIALS)


def test_between_two_runs_the_lanes_are_hatched_and_the_pointer_and_a_click_say_why(viewer: Watched) -> None:
    viewer.press("h", "Home")
    zero, per_s = columns(viewer)
    first, second = viewer.js("told.runs")
    left = zero + per_s * second_of(first, first["last_pulse"])
    right = zero + per_s * second_of(second, 0)
    [faint, panel] = viewer.js(INKS, ["faint", "panel"])
    picture = painted(viewer).astype(int)
    is_dark = np.abs(picture - faint).sum(axis=2) < np.abs(picture - panel).sum(axis=2)
    for stream in ("HS", "VIS", "NIR"):
        assert 0.1 < is_dark[rows_of(viewer, stream), round(left) + 3 : round(right) - 3].mean() < 0.5, stream
    words = "document.querySelector('.pointer-words').textContent"
    for column, is_between in ((left + 20, True), (right - 20, True), (left - 20, False), (right + 20, False)):
        point(viewer, column)
        assert (BETWEEN in viewer.js(words)) is is_between
    point(viewer, (left + right) / 2)
    viewer.page.mouse.down()
    viewer.page.mouse.up()
    viewer.until(f"{CANVAS.format('HS')}.dataset.picture === 'HS/1/{first['last_pulse']}'")
    viewer.until(f"document.querySelector('.foot .notice').textContent === {BETWEEN!r}")
    point(viewer, left - 20)
    viewer.page.mouse.down()
    viewer.page.mouse.up()
    viewer.until("document.querySelector('.foot .notice').textContent === ''")


def test_a_break_is_only_where_time_went_by_and_a_run_that_is_not_shown_is_not_said_to_be_none(viewer: Watched) -> None:
    """Run 2 cannot be read; the clocks of runs 3 and 4 overlap."""
    assert viewer.js(BREAKS) == [
        [pytest.approx(1), 5, "nothing that can be shown: run 1 ended, run 3 began"],
        [pytest.approx(6.5), 9, "nothing recorded: run 4 ended, run 5 began"],
    ]


def test_flips_apexes_extras_and_alarms_are_ticks_and_a_diamond_where_they_are(viewer: Watched) -> None:
    viewer.press("h")
    viewer.press("Home", *"iii")
    viewer.until(f"{DETAILED} && {FLIPS_ARE_IN_VIEW}")
    zero, per_s = columns_zoomed(viewer)
    run, width = viewer.js("told.runs")[0], painted(viewer).shape[1]
    ink, faint, red = inked(viewer, "ink", "faint", "bad")

    def columns_at(*seconds: float) -> list[int]:
        return [column for at_s in seconds if (column := round(zero + per_s * at_s)) < width]

    feet = slice(rows_of(viewer, "steps").stop - FLIP_PX, rows_of(viewer, "steps").stop)
    flips = columns_at(*(at_s for at_s, *_ in viewer.js(FLIPS)))
    assert len(flips) > 100
    assert columns_of(ink[feet]) == pytest.approx(flips, abs=1)
    marks, labels = rows_of(viewer, "marks"), rows_of(viewer, "labels")
    assert columns_of(ink[labels]) == pytest.approx(columns_at(second_of(run, LABELLED[1])), abs=1)
    assert columns_of(faint[marks]) == pytest.approx(columns_at(second_of(run, GHOST)), abs=1)
    [alarm] = viewer.js("told.alarms")
    middle = columns_at(max(alarm["at_s"], ends(viewer)[0]))[0]
    diamond = np.flatnonzero(red[marks].any(axis=0))
    assert set(range(middle + 1, middle + 5)) <= set(diamond.tolist()) <= set(range(middle - 6, middle + 7))
    viewer.press("h")


def test_what_was_not_stored_is_hatched_in_its_cameras_lane_alone(viewer: Watched) -> None:
    """Its lines are slanted: of pixels between the colours of lines and of the panel."""
    viewer.press("h", "Home", *"iii")
    zero, per_s = columns_zoomed(viewer)
    run = viewer.js("told.runs")[0]
    stream, first, last = NOT_STORED
    picture = painted(viewer).astype(int)
    [faint, panel] = viewer.js(INKS, ["faint", "panel"])
    is_dark = np.abs(picture - faint).sum(axis=2) < np.abs(picture - panel).sum(axis=2)
    lane, is_lane = rows_of(viewer, stream), inked(viewer, "lane")[0]
    start, left, right = (round(zero + per_s * second_of(run, pulse)) for pulse in (0, first, last + 4))
    assert not is_lane[lane, left + 1 : right - 1].any()
    assert 0.1 < is_dark[lane, left:right].mean() < 0.5
    assert is_dark[lane, left:right].any(axis=1).all()
    assert is_lane[lane, start + 2 : left - 1].all()
    viewer.press("h")


def test_motion_is_as_tall_as_it_is_strong_and_says_when_it_was_sampled(viewer: Watched) -> None:
    """Where the lowest byte of the pictures' numbers begins anew, and where each is one more than the last."""
    viewer.press("h", "Home", *"ii")
    viewer.until(DETAILED)
    zero, per_s = columns_zoomed(viewer)
    run = viewer.js("told.runs")[0]

    def heights(*pulses: int) -> list[int]:
        columns = [int(zero + per_s * second_of(run, pulse)) for pulse in pulses]
        motion = inked(viewer, "motion")[0][rows_of(viewer, "motion")]
        return [int(motion[:, column - 3 : column + 4].sum(axis=0).max()) for column in columns]

    assert heights(LEAPS_AT) == [MOTION_PX]
    assert heights(*range(*EQUAL)) == [1] * len(range(*EQUAL))
    assert heights(42) == [0]  # HS is lost before it and after it
    beside, said = painted(viewer)[rows_of(viewer, "motion")], "motion of sampled frames"
    viewer.page.route("**/api/motion?*", sampled)
    viewer.press("h", "Home", *"ii")
    viewer.until(f"{SAMPLED} && {DETAILED}")
    point(viewer, zero + per_s * second_of(run, 20))
    assert said in viewer.js("document.querySelector('.pointer-words').textContent")
    assert (painted(viewer)[rows_of(viewer, "motion")] != beside).any(axis=(0, 2)).sum() > 20  # the word "sampled"
    viewer.page.unroute_all()
    viewer.press("h")


def sampled(route: Route) -> None:
    """Answer as of a stretch that is too long to look at each frame."""
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "is_each_frame": False})


def test_what_lies_under_the_pointer_is_told(viewer: Watched) -> None:
    viewer.press("h", "Home", *"iii")
    zero, per_s = columns_zoomed(viewer)
    run = viewer.js("told.runs")[0]
    for pulse, due in ((42, "HS: gap"), (NOT_STORED[1] + 4, "NIR: not stored"), (LABELLED[1], " s")):
        point(viewer, zero + per_s * second_of(run, pulse))
        assert due in viewer.js("document.querySelector('.pointer-words').textContent")
    viewer.press("h")


def point(page: Watched, column: float) -> None:
    left, top = page.js("(({ left, top }) => [left, top])(document.querySelector('.timeline').getBoundingClientRect())")
    page.page.mouse.move(left + column, top + 8)


def test_who_drags_along_it_sees_each_place_and_stays_at_the_last(viewer: Watched) -> None:
    viewer.press("h", "Home", *"iii")
    zero, per_s = columns_zoomed(viewer)
    run = viewer.js("told.runs")[0]
    pulses = [60, 90, 170]
    point(viewer, zero + per_s * (second_of(run, pulses[0]) + PERIOD_S / 2))
    viewer.page.mouse.down()
    seen = []
    for pulse in pulses:
        point(viewer, zero + per_s * (second_of(run, pulse) + PERIOD_S / 2))
        viewer.until(f"Math.abs(rig.place().pulse - {pulse}) <= 1 && {ARRIVED}")
        seen.append(viewer.place()[1])
        viewer.until(f"{CANVAS.format('HS')}.dataset.picture === 'HS/1/{seen[-1]}'")
    viewer.page.mouse.up()
    point(viewer, zero + per_s * second_of(run, 20))  # the hand is open again
    assert viewer.place()[1] == seen[-1]
    assert all(one < other for one, other in pairwise(seen))
    assert f"pulse {seen[-1]}" in viewer.js(f"{TILE.format('HS')}.innerText")
    viewer.press("h")


def test_shift_and_wheel_move_it_and_the_wheel_zooms_it_at_the_pointer(viewer: Watched) -> None:
    viewer.press("h")
    viewer.go(1, 150)
    zero, per_s = columns_zoomed(viewer)
    column = zero + per_s * second_of(viewer.js("told.runs")[0], 100)
    point(viewer, column)
    told = viewer.js("document.querySelector('.pointer-words').textContent").partition(" s")[0]
    viewer.page.mouse.wheel(0, -900)
    viewer.page.mouse.move(0, 0)
    point(viewer, column)
    again = viewer.js("document.querySelector('.pointer-words').textContent").partition(" s")[0]
    assert float(again) == pytest.approx(float(told), abs=0.02)
    zoomed = columns_zoomed(viewer)
    assert zoomed[1] == pytest.approx(8 * per_s, rel=0.01)
    viewer.press("(", ")", "h")
    assert columns_zoomed(viewer)[1] == pytest.approx(per_s, rel=0.01)

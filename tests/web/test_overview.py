"""What a page is told of a session before any picture: what was planted into files by hand, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from starlette.types import ASGIApp

import rig
from rig import host
from rig.session import layout
from rig.session.layout import Outcome
from rig.verify import verdict
from rig.web.server import build
from rig.web.shelf import Shelf
from tests.handmade import BOX_0, HOST_0, PERIOD, Plan, make_run, pulse_ticks
from tests.web.asked import TOKEN, pictures, refused, told
from tests.web.sessions import HOSTILE, LOST, NOT_STORED, troubled

SECOND_NS = 20_000_000_000  # between two runs, by the host clock


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    with Shelf(troubled(tmp_path_factory.mktemp("troubled"))) as shelf:
        yield build(shelf, {TOKEN: None})


@pytest.fixture(scope="module")
def overview(app: ASGIApp) -> Any:
    return told(app, "/api/session")


def of(path: Path) -> dict[str, Any]:
    """The overview of a session, with the banners about its verdicts."""
    with Shelf(path) as shelf:
        app = build(shelf, {TOKEN: None})
        found = told(app, "/api/session")
        return {**found, "banners": found["banners"] + told(app, "/api/verdict")["banners"]}


def kinds(found: dict[str, Any]) -> list[str]:
    return [banner["kind"] for banner in found["banners"]]


def judge(folder: Path) -> None:
    """As rig verify does."""
    with rig.open(folder, by_leds=False) as session:
        for run in session.runs:
            verdict.save(run.path, verdict.verify_run(run))


def exposed_s(plan: Plan) -> np.ndarray:
    """When each pulse was exposed after pulse 0, by the drawing of the slots."""
    return (pulse_ticks(plan) - BOX_0) * 500e-9 * (1 + plan.box_ppm * 1e-6)


def test_streams_and_runs_are_told_as_the_files_have_them(overview: Any) -> None:
    assert (overview["title"], overview["rig"]) == ("sub-001 ses-01", "demo")
    assert (overview["page"], overview["coder"], overview["base"]) == ("viewer", None, "HS")
    assert [(s["name"], s["divisor"], s["kind"], s["bits"]) for s in overview["streams"]] == [
        ("HS", 1, "grey8", 8), ("VIS", 4, "grey8", 8), ("NIR", 4, "grey8", 8),
    ]  # fmt: skip
    assert [(run["number"], run["first_pulse"], run["last_pulse"]) for run in overview["runs"]] == [
        (1, 0, 263),
        (2, 0, 103),
    ]


def test_every_pulse_lies_near_its_segment(overview: Any) -> None:
    first, second = (_drawn_s(run) for run in overview["runs"])
    near_s = 0.1 * PERIOD * 500e-9
    assert np.abs(first - exposed_s(Plan())).max() < near_s
    # The clock of so short a run is known to 2 ms alone.
    assert np.abs(second - SECOND_NS / 1e9 - exposed_s(Plan(body_groups=20))).max() < near_s + 0.002


def _drawn_s(run: Any) -> np.ndarray:
    """When each pulse of a run is, by its segments, which cover them one by one."""
    assert len(run["segments"]) < 15
    covered = [pulse for first, last, *_ in run["segments"] for pulse in range(first, last + 1)]
    assert covered == list(range(run["last_pulse"] + 1))
    return np.array(
        [s + (p - first) * every for first, last, s, every in run["segments"] for p in range(first, last + 1)]
    )


def test_holes_are_told_with_cause_and_time(overview: Any) -> None:
    at_s = exposed_s(Plan())
    gaps = [gap for gap in overview["gaps"] if gap["run"] == 1]
    assert {(gap["stream"], gap["first_pulse"], gap["cause"]) for gap in gaps} == {
        (stream, pulse, "not numbered") for stream, pulses in LOST.items() for pulse in pulses
    }
    [vis] = [gap for gap in gaps if gap["stream"] == "VIS"]
    assert [vis["from_s"], vis["to_s"]] == pytest.approx([at_s[60], at_s[64]], abs=1e-4)
    stream, first, last = NOT_STORED
    [left_out] = overview["not_stored"]
    assert (left_out["stream"], left_out["first_pulse"], left_out["last_pulse"]) == (stream, first, last)
    assert left_out["reason"] == "protocol: baseline"
    [extra] = overview["extras"]
    assert (extra["run"], extra["stream"], extra["after_pulse"]) == (1, "HS", 30)


def test_steps_answers_and_alarms_are_told_with_their_pulse(overview: Any) -> None:
    steps = {(step["run"], step["name"]): step for step in overview["steps"]}
    assert len(steps) == 6
    clip = steps[1, "clip1"]
    assert (clip["clip"], clip["kind"], clip["step"], clip["trial"]) == ("bunny", "clip", 1, 1)
    assert steps[1, "welcome"]["trial"] is None
    assert [clip["from_s"], clip["to_s"]] == pytest.approx([0.5, 1.5], abs=1e-3)
    at_s = exposed_s(Plan())
    assert [clip["first_pulse"], clip["last_pulse"]] == [int((at_s <= s).sum()) - 1 for s in (0.5 - 20e-6, 1.5 - 20e-6)]
    assert [(a["run"], a["question"], a["answer"]) for a in overview["answers"]] == [
        (1, "how", "[red]happy"),
        (2, "how", "[red]happy"),
    ]
    [alarm] = overview["alarms"]
    assert (alarm["run"], alarm["pulse"], alarm["text"]) == (1, 0, HOSTILE)


def test_a_trial_is_its_steps_together_in_each_run(overview: Any) -> None:
    """From the clip's beginning to the end of the question about it."""
    steps = {(step["run"], step["name"]): step for step in overview["steps"]}
    assert [(trial["run"], trial["trial"]) for trial in overview["trials"]] == [(1, 1), (2, 1)]
    for trial in overview["trials"]:
        first, last = (steps[trial["run"], name] for name in ("clip1", "report-how"))
        assert [trial["from_s"], trial["first_pulse"]] == [first["from_s"], first["first_pulse"]]
        assert [trial["to_s"], trial["last_pulse"]] == [last["to_s"], last["last_pulse"]]


def test_trials_one_behind_the_other_are_two_and_steps_outside_are_none(tmp_path: Path) -> None:
    found = of(make_run(tmp_path, Plan(trials=(1, 2, 0))))
    steps = {step["name"]: step for step in found["steps"]}
    assert [(t["trial"], t["from_s"], t["to_s"]) for t in found["trials"]] == [
        (number, steps[name]["from_s"], steps[name]["to_s"]) for number, name in ((1, "welcome"), (2, "clip1"))
    ]


def test_a_step_that_was_cut_ends_with_the_last_flip_and_not_in_the_next_run(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(steps_open={1}, steps_missing={2}, outcome="incomplete", closed=False))
    make_run(tmp_path, Plan(run=2, host_0=HOST_0 + SECOND_NS, created_utc="2026-03-01T10:00:20+00:00"))
    with h5py.File(path, locking=False) as file:
        last_ns = file["stimulus/presentation/flips"]["host_ns"].max()  # behind what was written lie zeros
        onset_ns = file["intervals/trials"]["onset_host_ns"].max()
    [cut] = [step for step in of(path.parent)["steps"] if (step["run"], step["name"]) == (1, "clip1")]
    lasted_s = (last_ns - onset_ns) / 1e9 + 1 / 60
    assert cut["to_s"] - cut["from_s"] == pytest.approx(lasted_s, abs=1e-3)
    assert cut["last_pulse"] == (exposed_s(Plan()) <= cut["to_s"]).sum() - 1


def test_flips_are_told_one_by_one_or_counted(app: ASGIApp) -> None:
    flips = told(app, "/api/flips?from_s=0.49&to_s=0.7")["flips"]
    assert [flip[1] for flip in flips if flip[1] >= 0] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5]
    assert flips[0][0] == pytest.approx(0.5, abs=1e-4)
    assert told(app, "/api/flips?from_s=0.49&to_s=0.7&most=3") == {"count": 13}
    assert told(app, "/api/flips?from_s=-1e300&to_s=1e300&most=3")["count"] > 13
    assert "to_s" in refused(app, "/api/flips?from_s=2&to_s=2")


def test_a_late_and_a_skipping_flip_are_marked(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(late_flips=1, film_holes={3}))
    with Shelf(path) as shelf:
        flips = told(build(shelf, {TOKEN: None}), "/api/flips?from_s=0&to_s=2")["flips"]
    assert [number for number, flip in enumerate(flips) if flip[3] & 1] == [
        0
    ]  # the very first comes before pulse 0 is exposed
    assert [flip[1] for flip in flips if flip[3] & 2] == [4]


def test_a_time_is_found_in_its_run_and_in_a_clip(app: ASGIApp) -> None:
    middle_s = exposed_s(Plan()) + PERIOD * 500e-9 / 2
    assert told(app, f"/api/find?seconds={middle_s[77]}") == {"run": 1, "pulse": 77}
    assert told(app, f"/api/find?seconds={SECOND_NS / 1e9 + middle_s[50]}") == {"run": 2, "pulse": 50}
    # In the last run that played it, which began it half a second after its pulse 0.
    assert told(app, f"/api/find?clip=clip1&seconds={middle_s[60] - 0.5}") == {"run": 2, "pulse": 60}
    assert "0.000 to 2.880 s (run 1)" in refused(app, "/api/find?seconds=9")
    assert "clip1" in refused(app, "/api/find?clip=other&seconds=0.3")
    for wrong in ("seconds=9", "seconds=nan", "clip=clip1&seconds=9"):
        assert refused(app, f"/api/find?{wrong}").startswith("seconds: "), wrong  # no words of a command line
    assert refused(app, "/api/find?clip=other&seconds=0.3").startswith("clip: ")


def test_motion_is_measured_between_neighbours_and_none_where_there_are_no_frames(app: ASGIApp) -> None:
    """The pictures differ by their numbers alone."""
    between_s = exposed_s(Plan()) - PERIOD * 500e-9 / 2
    found = told(app, f"/api/motion?from_s={between_s[30]}&to_s={between_s[90]}&bins=60")
    assert found["is_each_frame"]
    none = {pulse for pulse in range(30, 90) if pulse in LOST["HS"] or pulse - 1 in LOST["HS"]}
    assert {30 + n for n, energy in enumerate(found["energy"]) if energy is None} == none
    values = {30 + n: energy for n, energy in enumerate(found["energy"]) if energy is not None}
    assert set(values.values()) == {36 / (96 * 64)}  # by one step where the number's lowest byte stands


def test_of_a_long_stretch_frames_are_chosen(app: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.web.energy.MOST_PAIRS", 20)
    found = told(app, "/api/motion?from_s=0&to_s=25&bins=2000")
    assert not found["is_each_frame"]
    assert 10 < sum(energy is not None for energy in found["energy"]) <= 20  # none share a bin
    found = told(app, "/api/motion?from_s=0&to_s=25&bins=10")
    assert found["energy"][0] is not None
    assert found["energy"][8] is not None  # of the second run
    assert found["energy"][4] is None  # between the runs


def test_what_a_reader_must_know_first_stands_in_banners(tmp_path: Path) -> None:
    sound = make_run(tmp_path / "sound", Plan()).parent
    assert kinds(of(sound)) == ["simulated", "unjudged"]
    judge(sound)
    assert kinds(of(sound)) == ["simulated"]
    lossy = make_run(tmp_path / "lossy", Plan(silent={"HS": {50}})).parent
    judge(lossy)
    found = of(lossy)
    assert kinds(found) == ["simulated", "fail"]
    assert "NOT complete" in found["banners"][-1]["text"]
    failed = make_run(tmp_path / "failed", Plan(outcome="device_lost")).parent
    assert "did not come to its end: device lost" in of(failed)["banners"][1]["text"]


def test_a_session_that_was_killed_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    plan = Plan(
        closed=False, outcome="incomplete", written=120, has_ended=False, pulses_lost_on_wire=set(range(100, 264))
    )
    path = make_run(tmp_path, plan).parent
    found = of(path)
    assert kinds(found)[:2] == ["simulated", "cut"]
    assert f"rig recover {path}" in found["banners"][1]["text"]
    [run] = found["runs"]
    assert (run["outcome"], run["last_pulse"]) == (str(Outcome.INCOMPLETE), 119)  # frames tell of pulses up to there
    [*_, last] = run["segments"]
    assert last[1] == 119
    assert last[3] == pytest.approx(0.01, rel=1e-3)


def test_a_session_that_is_being_recorded_says_so_and_grows_with_each_load(tmp_path: Path) -> None:
    plan = {"closed": False, "outcome": "incomplete", "has_ended": False}
    path = make_run(tmp_path, Plan(**plan, written=120, pulses_lost_on_wire=set(range(120, 264))))
    later = make_run(tmp_path / "later", Plan(**plan, written=200, pulses_lost_on_wire=set(range(200, 264))))
    with path.open("r+b") as file:
        host.hold_alone(file.fileno())
        with Shelf(path.parent) as shelf:
            app = build(shelf, {TOKEN: None})
            before = told(app, "/api/session")
            assert kinds(before) == ["simulated", "recording"]
            assert told(app, "/api/verdict") == {"banners": []}  # not "never verified": it cannot be
            shutil.copyfile(later, path)
            assert told(app, "/api/session") == before  # as long as the page is open
            shelf.renew()
            assert told(app, "/api/session")["runs"][0]["last_pulse"] == 199


def test_a_session_in_use_is_closed_only_when_nobody_reads_it(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(body_groups=8))
    with Shelf(path) as shelf, shelf.borrowed() as before:
        make_run(tmp_path, Plan(body_groups=9))
        shelf.renew()
        with shelf.borrowed() as after:
            assert after is not before
        assert before.session.runs[0].streams["HS"].data.read(5)[0, 0] == 110


def test_a_bad_run_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    first = make_run(tmp_path, Plan(body_groups=8))
    second = make_run(tmp_path, Plan(run=2, body_groups=8, host_0=HOST_0 + SECOND_NS))
    second.chmod(0o600)
    second.write_bytes(second.read_bytes()[:50_000])
    found = of(first.parent)
    assert [run["number"] for run in found["runs"]] == [1]
    [unreadable] = [banner for banner in found["banners"] if banner["kind"] == "unreadable"]
    assert second.name in unreadable["text"]


def test_a_run_whose_pulses_cannot_be_read_costs_none_of_the_others(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(body_groups=8))
    make_run(tmp_path, Plan(run=2, body_groups=8, host_0=HOST_0 + SECOND_NS))
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        del file[layout.PULSES]
    with Shelf(path.parent) as shelf:
        app = build(shelf, {TOKEN: None})
        found = told(app, "/api/session")
        assert [run["number"] for run in found["runs"]] == [2]
        assert {step["run"] for step in found["steps"]} == {2}
        [unreadable] = [banner["text"] for banner in found["banners"] if banner["kind"] == "unreadable"]
        assert path.name in unreadable
        assert pictures(app, "run=2&pulse=3")[0][0]["pulse"] == 3
        assert "2" in refused(app, "/api/pictures?run=1&pulse=3")


def test_a_bad_log_costs_the_alarms_and_nothing_else(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(alarm="low light"))
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        del file["stimulus/answers/text"]
    found = of(path)
    assert found["answers"] == []
    assert [alarm["text"] for alarm in found["alarms"]] == ["low light"]
    assert len(found["steps"]) == 3
    assert any("answers" in banner["text"] for banner in found["banners"] if banner["kind"] == "unreadable")

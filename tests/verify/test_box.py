"""What the box itself reports, held against what was told of it: planted by hand, with an independent writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.handmade import Plan, make_run
from tests.verify.wired_sessions import said

WIRED = {"HS": 0, "VIS": 1, "NIR": 2}


def judged(folder: Path, plan: Plan) -> dict[tuple[str, str], Finding]:
    return said(make_run(folder, plan), "box report", "exposures")


def report_of(folder: Path, plan: Plan) -> Finding:
    return judged(folder, plan)["box report", ""]


def test_a_box_that_reports_nothing_amiss_passes(tmp_path: Path) -> None:
    found = report_of(tmp_path, Plan())
    assert (found.word, found.value) == (Word.PASS, 0)
    assert "264 pulses, 0 late, 0 events dropped, 0 damaged requests" in found.text


def test_pulses_that_came_late_by_the_boxs_own_count_fail(tmp_path: Path) -> None:
    found = report_of(tmp_path, Plan(report={"edges_late": 3}))
    assert (found.word, found.value) == (Word.FAIL, 3)
    assert "3 edges of its pulses came late" in found.text


def test_a_count_of_pulses_that_differs_from_the_one_told_at_the_end_fails(tmp_path: Path) -> None:
    found = report_of(tmp_path, Plan(report={"pulses_sent": 263}))
    assert found.word is Word.FAIL
    assert "it counts 263 pulses sent, and told 264" in found.text


@pytest.mark.parametrize(
    ("dropped", "lost", "word", "text"),
    [
        (5, 5, Word.WARN, "5 events dropped by the box"),
        (0, 4, Word.WARN, "4 events lost on the serial line"),
        (5, 9, Word.WARN, "5 events dropped by the box, its queue being full; 4 events lost on the serial line"),
        (5, 4, Word.FAIL, "it dropped 5 events, of which only 4 were missed"),
    ],
)
def test_events_dropped_and_lost_are_told_apart(tmp_path: Path, dropped: int, lost: int, word: Word, text: str) -> None:
    found = report_of(tmp_path, Plan(report={"events_dropped": 7 + dropped}, events_lost=lost))
    assert found.word is word
    assert text in found.text


@pytest.mark.parametrize(("dropped", "word"), [(0, Word.PASS), (4, Word.FAIL)])
def test_events_lost_in_the_line_walk_do_not_stand_for_those_of_the_run(
    tmp_path: Path, dropped: int, word: Word
) -> None:
    """The box's own count is that since the report after the walk."""
    found = report_of(tmp_path, Plan(report={"events_dropped": 7 + dropped}, events_lost_in_walk=5))
    assert found.word is word


def test_a_few_damaged_requests_are_nothing_and_many_warn(tmp_path: Path) -> None:
    assert report_of(tmp_path, Plan(report={"bad_frames": 7})).word is Word.PASS
    found = report_of(tmp_path, Plan(report={"bad_frames": 8}))
    assert found.word is Word.WARN
    assert "6 damaged requests" in found.text


@pytest.mark.parametrize(
    ("plan", "text"),
    [(Plan(has_reports=False), "made no report"), (Plan(has_ended=False), "made no report")],
    ids=("no report", "lost before its end"),
)
def test_without_a_report_after_the_run_nothing_is_measured_though_expected(
    tmp_path: Path, plan: Plan, text: str
) -> None:
    found = report_of(tmp_path, plan)
    assert (found.word, found.is_expected) == (Word.NOT_MEASURED, True)
    assert text in found.text


def test_a_report_from_before_the_end_is_not_taken_for_the_last(tmp_path: Path) -> None:
    found = report_of(tmp_path, Plan(report={"box_ticks": 1_500_000}))
    assert found.word is Word.NOT_MEASURED
    assert "did not say after the run" in found.text


def test_exposures_that_no_line_tells_are_not_measured_and_not_required(tmp_path: Path) -> None:
    with Run(make_run(tmp_path, Plan())) as run:
        verdict = verify_run(run)
    found = [f for f in verdict.findings if f.check == "exposures"]
    assert [(f.stream, f.word, f.is_expected) for f in found] == [
        (name, Word.NOT_MEASURED, False) for name in ("HS", "VIS", "NIR")
    ]
    assert "exposures" not in verdict.missing


def test_exposures_are_counted_apart_from_pulses(tmp_path: Path) -> None:
    found = judged(tmp_path, Plan(wired=WIRED))
    assert [found["exposures", name].value for name in WIRED] == [264, 66, 66]
    assert {found["exposures", name].word for name in WIRED} == {Word.PASS}


def test_exposures_follow_the_rows_of_lost_and_of_extra_frames(tmp_path: Path) -> None:
    found = judged(tmp_path, Plan(wired=WIRED, lost={"HS": {50, 51}}, ghosts={"VIS": [80]}))
    assert found["exposures", "HS"].word is found["exposures", "VIS"].word is Word.PASS
    assert "exposed 262 times" in found["exposures", "HS"].text
    assert "exposed 67 times" in found["exposures", "VIS"].text


def test_exposures_beyond_pulses_and_rows_fail_by_name(tmp_path: Path) -> None:
    """A camera that the box saw expose once more than anybody tells; and one whose wire is dead."""
    found = judged(tmp_path, Plan(wired=WIRED, rises={"NIR": 1, "VIS": -66}))
    assert (found["exposures", "NIR"].word, found["exposures", "NIR"].value) == (Word.FAIL, 67)
    assert found["exposures", "VIS"].text.endswith("look at that cable")
    assert found["exposures", "HS"].word is Word.PASS

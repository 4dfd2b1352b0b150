"""The verdict as a whole: what makes a run complete, its file, and its figure."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rig
from rig.config.judging import CHECK_NAMES
from rig.errors import NotASession, Truncated
from rig.session.folder import beside
from rig.session.run import Run
from rig.verify import verdict
from rig.verify.clocks import camera_clocks
from rig.verify.counters import anchors, counts
from rig.verify.findings import Check, Finding, Word, ranges_of, spelled
from rig.verify.report.overview import draw_overview
from rig.verify.verdict import CHECKS, Verdict, load, save, verify_run
from tests.handmade import Plan, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with Run(make_run(tmp_path_factory.mktemp("run"), Plan(protocol_text="name: demo\n"))) as opened:
        yield opened


def saying(word: Word) -> Callable[[Check], Check]:
    """Checks that do not look, and all say one word."""

    def deaf(check: Check) -> Check:
        return replace(check, function=lambda _: [Finding(check.name, "", word, None, "", "", "as told")])

    return deaf


@pytest.mark.parametrize("name", CHECK_NAMES)
@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), Truncated("file.h5", "ends too early")])
def test_a_check_that_crashes_fails_by_name_and_hides_no_other(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    def crash(_: Run) -> list[Finding]:
        raise error

    told = [replace(c, function=crash) if c.name == name else saying(Word.PASS)(c) for c in CHECKS]
    monkeypatch.setattr(verdict, "CHECKS", tuple(told))
    found = verify_run(run)
    assert [(f.check, f.word) for f in found.findings] == [
        (check, Word.FAIL if check == name else Word.PASS) for check in CHECK_NAMES
    ]
    (crashed,) = [finding.text for finding in found.findings if finding.check == name]
    assert "ZeroDivisionError: a bug" in crashed or "file.h5: ends too early" in crashed
    assert not found.is_complete


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_run_lacks_each_check_that_was_not_measured_if_it_is_required(
    run: Run, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    told = [saying(Word.NOT_MEASURED if each is check else Word.PASS)(each) for each in CHECKS]
    monkeypatch.setattr(verdict, "CHECKS", tuple(told))
    found = verify_run(run)
    assert found.missing == ((check.name,) if check.is_required and not check.needs else ())
    assert found.is_complete is not bool(found.missing)


def test_the_summary_names_what_failed_and_what_was_not_measured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"frames": Word.FAIL, "skew": Word.NOT_MEASURED, "photodiode": Word.NOT_MEASURED, "extras": Word.WARN}
    monkeypatch.setattr(verdict, "CHECKS", tuple(saying(words.get(c.name, Word.PASS))(c) for c in CHECKS))
    found = verify_run(run)
    assert found.summary == "NOT complete: failed: frames; required but not measured: skew"
    assert found.headline == f"{found.summary}. Stimulus onset: NOT MEASURED, as told"
    monkeypatch.setattr(
        verdict, "CHECKS", tuple(saying(Word.WARN if c.name == "extras" else Word.PASS)(c) for c in CHECKS)
    )
    assert verify_run(run).summary == "complete, to look at: extras"


@pytest.mark.parametrize("plan", [Plan(), Plan(lost={"HS": {9}}), Plan(closed=False, has_ended=False, written=40)])
def test_verdict_file_reads_back_equal_private_and_beside_the_run(tmp_path: Path, plan: Plan) -> None:
    path = make_run(tmp_path, plan)
    with rig.open(path) as session:
        found = verify_run(session.runs[0])
        assert save(path, found) == beside(path, "verdict.json")
        assert load(session.runs[0]) == found
    assert stat.S_IMODE(beside(path, "verdict.json").stat().st_mode) == 0o600
    content = json.loads(beside(path, "verdict.json").read_text())
    assert content["complete"] is found.is_complete
    assert content["words"]["FAIL"] == found.count(Word.FAIL)
    assert sorted(p.name for p in path.parent.iterdir()) == sorted([path.name, beside(path, "verdict.json").name])


def test_no_verdict_is_none_and_another_file_in_its_place_an_error(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    with rig.open(path) as session:
        assert load(session.runs[0]) is None
        for text in ("{}", "[1]", "not json", '{"findings": 3}'):
            beside(path, "verdict.json").write_text(text)
            with pytest.raises(NotASession, match="no verdict of ours"):
                load(session.runs[0])


@pytest.mark.parametrize(
    "later", [Plan(closed=False, written=101), Plan(written=100, closed=False, outcome="incomplete"), Plan()]
)
def test_verdict_of_a_run_that_changed_since_is_not_taken_for_its_verdict(tmp_path: Path, later: Plan) -> None:
    path = make_run(tmp_path, Plan(closed=False, written=100))
    with rig.open(path) as session:
        save(path, verify_run(session.runs[0]))
    path.unlink()
    with rig.open(make_run(tmp_path, later)) as session, pytest.raises(NotASession, match="is older than the run"):
        load(session.runs[0])


def test_verify_changes_no_byte_of_the_run(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    before = path.read_bytes()
    with rig.open(path) as session:
        save(path, verify_run(session.runs[0]))
    assert path.read_bytes() == before


def test_run_without_any_frame_or_pulse_is_judged_and_not_complete(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(box_resets_at=0, written=0, has_ended=False, has_walk=False))) as session:
        found: Verdict = verify_run(session.runs[0])
        assert draw_overview(session.runs[0], found).png
    assert not found.is_complete
    assert not [f.text for f in found.findings if "check itself failed" in f.text]


def test_numbers_are_spelled_as_ranges() -> None:
    assert ranges_of(np.array([4, 8, 12, 40, 44, 99]), 4) == ((4, 12), (40, 44), (99, 99))
    assert ranges_of(np.zeros(0, np.int64)) == ()
    assert spelled(tuple((i, i) for i in range(0, 40, 2))).endswith("20, 22 and 8 more")


def test_figure_marks_every_loss_in_red(tmp_path: Path) -> None:
    def red(plan: Plan, number: int) -> int:
        plan.number_of_session = number
        with rig.open(make_run(tmp_path, plan)) as session:
            png = draw_overview(session.runs[0], verify_run(session.runs[0])).png
        (tmp_path / "overview.png").write_bytes(png)
        pixels = np.asarray(Image.open(tmp_path / "overview.png").convert("RGB")).astype(int)
        lines = (pixels[..., 0] > 150) & (pixels[..., 1:].max(2) < 110)
        return int((lines.sum(0) > 60).sum())

    assert red(Plan(), 1) == 0
    assert red(Plan(lost={"HS": {60, 160}, "VIS": {100}}), 2) >= 3


OF_ROWS = (
    counts.check_frames, counts.check_recount, counts.check_pairing, counts.check_order, camera_clocks.check_stamps,
    camera_clocks.check_intervals, anchors.check_preamble, anchors.check_schedule,
)  # fmt: skip


def test_checks_go_through_rows_all_at_once(tmp_path: Path) -> None:
    """Real sessions have 360,000 rows: for ten times as many, fewer lines of ours are run in addition than are rows."""
    lines_of(tmp_path, 100)  # what is imported only now is no matter of rows
    few, many = lines_of(tmp_path, 100), lines_of(tmp_path, 1000)
    more_rows = 1000 - 100  # of VIS and NIR; of HS four times as many
    assert {name: many[name] - few[name] for name in few if many[name] - few[name] >= more_rows} == {}
    assert sum(few.values()) > 1000


def lines_of(folder: Path, body_groups: int) -> dict[str, int]:
    """How many lines of ours each check runs."""
    plan = Plan(body_groups=body_groups, lost={"HS": set(range(50, 400, 40))})
    with rig.open(make_run(folder, plan)) as session:
        return {check.__name__: lines_run(partial(check, session.runs[0])) for check in OF_ROWS}


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of the package are run for it, in this thread."""
    package, count = str(Path(rig.__file__).parent), 0

    def counted(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal count
        count += event == "line" and frame.f_code.co_filename.startswith(package)
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        work()
    finally:
        sys.settrace(before)
    return count

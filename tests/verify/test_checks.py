"""Each check passes on a good run, and names the planted fault with its number on a bad one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import rig
from rig import host
from rig.session.run import Run
from rig.streams import EXTRA
from rig.verify.findings import Finding, Word
from rig.verify.verdict import CHECKS, Verdict, verify_run
from tests.handmade import Plan, make_run, note_checksums


class Judged:
    """A run that is judged as far as it is asked: by one check, or for all that a verdict says by all of them."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def _verdict(self) -> Verdict:
        return verify_run(self._run)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._verdict, name)

    def by(self, name: str) -> list[Finding]:
        (check,) = [check for check in CHECKS if check.name == name]
        return check.function(self._run)


Judge = Callable[..., Judged]


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    with ExitStack() as opened:

        def _judge(plan: Plan | None = None, edit: Callable[[h5py.File], None] | None = None) -> Judged:
            path = make_run(tmp_path, plan)
            if edit:
                path.chmod(0o600)
                with h5py.File(path, "r+") as file:
                    edit(file)
                    if "xxh3_64" in file["config/rig"].attrs:
                        note_checksums(file)
            return Judged(opened.enter_context(rig.open(path)).runs[0])

        yield _judge


def found(judged: Judged | Verdict, check: str, stream: str = "") -> Finding:
    findings = judged.by(check) if isinstance(judged, Judged) else judged.findings
    (finding,) = [f for f in findings if (f.check, f.stream) == (check, stream)]
    return finding


def failed(verdict: Judged | Verdict) -> set[tuple[str, str]]:
    return {(f.check, f.stream) for f in verdict.findings if f.word is Word.FAIL}


def test_good_run_passes_every_check_and_is_complete(judge: Judge) -> None:
    verdict = judge()
    assert verdict.is_complete
    assert {f.word for f in verdict.findings if f.check in verdict.required} == {Word.PASS}
    assert {f.check for f in verdict.findings} == {check.name for check in CHECKS}


@pytest.mark.parametrize("place", ["sub-002/ses-01/{}", "sub-001/ses-03/{}", "x/sub-002_ses-01_run-01_session.h5",
                                   "x/sub-001_ses-01_run-02_session.h5"])  # fmt: skip
def test_run_that_lies_under_a_name_that_is_not_its_own_is_not_complete(tmp_path: Path, place: str) -> None:
    path = make_run(tmp_path)
    copy = tmp_path / place.format(path.name)
    copy.parent.mkdir(parents=True)
    shutil.copy(path, copy)
    with rig.open(copy) as session:
        verdict = verify_run(session.runs[0])
    assert failed(verdict) == {("identity", "")}
    assert "it is sub-001_ses-01_run-01 by what is in it" in found(verdict, "identity").text
    assert not verdict.is_complete


def test_copy_whose_name_says_nothing_may_be_complete_and_is_worth_a_look(tmp_path: Path) -> None:
    shutil.copy(make_run(tmp_path), tmp_path / "copy.h5")
    with rig.open(tmp_path / "copy.h5") as session:
        verdict = verify_run(session.runs[0])
    assert (found(verdict, "identity").word, verdict.is_complete) == (Word.WARN, True)


def test_run_that_is_being_recorded_is_not_called_killed(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False, outcome="incomplete"))
    killed = "incomplete: the recorder was killed, lost power, or the disk refused its close"
    for is_held, text in ((True, "incomplete: it is being recorded right now"), (False, killed)):
        with rig.open(path) as session, path.open("rb") as recorder:
            if is_held:
                host.hold_shared(recorder.fileno())
            assert found(verify_run(session.runs[0]), "ending").text.split(";")[0] == text


def test_the_layout_is_judged_before_all_that_is_read_by_it(judge: Judge) -> None:
    assert judge().findings[0].check == "schema"


def test_pulses_due_are_not_called_sent(judge: Judge) -> None:
    finding = found(judge(Plan(not_stored=[("VIS", 60, 99)])), "frames", "VIS")
    assert finding.looked_at == "56 pulses due, 56 frames got"


def test_skew_by_declared_delays_alone_is_called_declared(judge: Judge) -> None:
    skew = found(judge(), "skew", "VIS")
    assert (skew.word, skew.value) == (Word.PASS, 0.0)
    assert skew.text.startswith("DECLARED, not measured: +0.0 us after HS")


def test_delays_that_nobody_declared_do_not_differ_by_nothing(judge: Judge) -> None:
    verdict = judge(Plan(undeclared={"VIS", "NIR"}))
    skew = found(verdict, "skew", "VIS")
    assert (skew.word, skew.value, skew.looked_at) == (Word.NOT_MEASURED, None, "0 pulses")
    assert skew.text.startswith("nothing tells when VIS began to expose")
    assert "skew" in verdict.missing


# pulses and frames


def test_lost_frames_on_vis_are_named_with_their_pulses(judge: Judge) -> None:
    verdict = judge(Plan(lost={"VIS": {40, 44, 100}}))
    finding = found(verdict, "frames", "VIS")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, 3, ((40, 44), (100, 100)))
    assert "40-44, 100" in finding.text
    assert failed(verdict) == {("frames", "VIS")}


def test_lost_base_frame_fails_the_pairing_of_both_slow_streams(judge: Judge) -> None:
    verdict = judge(Plan(lost={"HS": {40, 41}}))
    assert failed(verdict) == {("frames", "HS"), ("pairing", "VIS"), ("pairing", "NIR")}
    assert found(verdict, "pairing", "NIR").ranges == ((40, 40),)


def test_frames_not_stored_on_purpose_are_not_lost(judge: Judge) -> None:
    verdict = judge(Plan(not_stored=[("HS", 60, 99), ("VIS", 60, 99)]))
    assert verdict.is_complete
    assert "10 where HS was not to be stored" in found(verdict, "pairing", "NIR").text


def test_ghost_frame_is_an_extra_after_its_pulse(judge: Judge) -> None:
    finding = found(judge(Plan(ghosts={"NIR": [100]})), "extras", "NIR")
    assert (finding.word, finding.value, finding.ranges) == (Word.WARN, 1, ((100, 100),))


def test_gap_row_in_a_part_not_stored_is_a_warning_and_no_loss(judge: Judge) -> None:
    verdict = judge(Plan(not_stored=[("HS", 60, 99)], lost={"HS": {70, 71}}))
    finding = found(verdict, "frames", "HS")
    assert (finding.word, finding.value, finding.ranges) == (Word.WARN, 0, ((70, 71),))
    assert "in parts not stored no frame came for 2 pulses: 70-71" in finding.text
    assert verdict.is_complete


def test_loss_is_told_apart_from_what_did_not_come_in_a_part_not_stored(judge: Judge) -> None:
    finding = found(judge(Plan(not_stored=[("HS", 60, 99)], lost={"HS": {70, 120}})), "frames", "HS")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, 1, ((120, 120),))
    assert "1 of 224 pulses have no frame: 120; in parts not stored no frame came for 1 pulse: 70" in finding.text


def _unstored_extra(after_pulse: int) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        row = np.zeros(1, EXTRA)
        row["seq"], row["epoch"], row["frame_index"], row["after_pulse"] = 1, 1, -1, after_pulse
        file["acquisition/HS/extras"].resize((1,))
        file["acquisition/HS/extras"][:] = row

    return edit


def test_extra_that_came_in_a_part_not_stored_is_told(judge: Judge) -> None:
    verdict = judge(Plan(not_stored=[("HS", 60, 99)]), _unstored_extra(70))
    finding = found(verdict, "extras", "HS")
    assert (finding.word, finding.value, finding.ranges) == (Word.WARN, 1, ((70, 70),))
    recount = found(verdict, "recount", "HS")
    assert (recount.word, recount.text) == (
        Word.PASS,
        "0 lost and 0 extra, as recorded; in parts not stored 0 lost and 1 extra are told",
    )


def test_extra_not_stored_where_all_was_to_be_stored_fails_the_recount(judge: Judge) -> None:
    finding = found(judge(Plan(not_stored=[("HS", 60, 99)]), _unstored_extra(120)), "recount", "HS")
    assert (finding.word, finding.value) == (Word.FAIL, 1)


def test_frame_stored_in_a_part_told_not_stored_fails_the_recount(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["intervals/not_stored"][:]
        rows["last_pulse"] = 101
        file["intervals/not_stored"][:] = rows

    finding = found(judge(Plan(not_stored=[("HS", 60, 99)]), edit), "recount", "HS")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((100, 101),))


def test_lost_frame_without_a_gap_row_fails_the_recount(judge: Judge) -> None:
    finding = found(judge(Plan(silent={"HS": {70}})), "recount", "HS")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, 1, ((70, 70),))


def test_gap_row_for_a_frame_that_is_there_fails_the_recount(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        row = file["acquisition/VIS/gaps"][:]
        row["last_pulse"] = 48
        file["acquisition/VIS/gaps"][:] = row

    assert found(judge(Plan(lost={"VIS": {44}}), edit), "recount", "VIS").ranges == ((48, 48),)


def test_extra_without_a_row_fails_the_recount(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        file["acquisition/NIR/extras"].resize((0,))

    assert found(judge(Plan(ghosts={"NIR": [100]}), edit), "recount", "NIR").value == 1


def test_pulse_claimed_twice_is_named(judge: Judge) -> None:
    finding = found(judge(Plan(claimed={"HS": {80: 79}})), "order", "HS")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((79, 79),))


def test_slow_frame_on_a_pulse_that_is_not_its_own_is_named(judge: Judge) -> None:
    verdict = judge(Plan(claimed={"VIS": {80: 81}}))
    assert found(verdict, "pairing", "VIS").ranges == ((81, 81),)
    assert found(verdict, "order", "VIS").word is Word.FAIL


def test_repeated_camera_number_fails_the_order(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        rows["frame_number"][30] = 29
        file["acquisition/HS/frames"][:] = rows

    assert "1 x camera number repeated" in found(judge(edit=edit), "order", "HS").text


def test_camera_number_that_wraps_at_its_modulus_is_in_order_and_otherwise_not(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        rows["frame_number"] %= 100
        file["acquisition/HS/frames"][:] = rows

    assert found(judge(Plan(number_modulus=100)), "order", "HS").word is Word.PASS
    assert found(judge(Plan(number_of_session=2), edit), "order", "HS").value == 2


def test_lost_pulse_message_is_a_warning_and_its_frames_are_not_lost(judge: Judge) -> None:
    verdict = judge(Plan(pulses_lost_on_wire={90, 91}))
    finding = found(verdict, "pulses")
    assert (finding.word, finding.value, finding.ranges) == (Word.WARN, 2, ((90, 91),))
    assert verdict.is_complete


def test_pulse_told_beyond_the_boxs_own_count_fails(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/pulses"][:]
        rows["pulse_number"][-1] += 3
        file["acquisition/pulses"][:] = rows

    assert found(judge(edit=edit), "pulses").word is Word.FAIL


def test_pulse_that_went_to_other_lines_than_planned_fails(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/pulses"][:]
        rows["lines"][[20, 33]] = 1, 3  # 20 is for all lines, 33 for the first alone
        file["acquisition/pulses"][:] = rows

    finding = found(judge(edit=edit), "pulses")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, 2, ((20, 20), (33, 33)))
    assert "other lines than planned: 20, 33" in finding.text


def test_run_in_which_the_box_told_of_no_pulse_is_judged_without_a_check_that_fails_itself(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        file["acquisition/pulses"].resize(0, axis=0)

    verdict = judge(Plan(has_ended=False), edit)
    assert found(verdict, "pulses").word is Word.FAIL
    assert not [f for f in verdict.findings if "check itself failed" in f.text]
    assert found(verdict, "preamble", "HS").text == "the box told of no pulse"


def test_frames_whose_pulse_nobody_knows_are_neither_ringing_nor_are_others_lost(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        rows["pulse_number"][-4:], rows["evidence"][-4:] = -1, 0
        file["acquisition/HS/frames"][:] = rows

    verdict = judge(Plan(has_ended=False), edit)
    assert {found(verdict, check, "HS").word for check in ("extras", "frames")} == {Word.NOT_MEASURED}
    assert "ringing" not in found(verdict, "extras", "HS").text


def test_frame_of_a_pulse_whose_message_was_lost_is_held_against_the_plan(judge: Judge) -> None:
    plan = Plan(pulses_lost_on_wire=set(range(98, 108)), jitter_ticks={"HS": {100: -0.2}})
    finding = found(judge(plan), "stamps", "HS")
    assert (finding.word, finding.ranges, finding.looked_at) == (Word.FAIL, ((100, 100),), "264 frames")


def test_box_that_never_told_its_end_is_not_measured_and_not_complete(judge: Judge) -> None:
    verdict = judge(Plan(has_ended=False))
    assert found(verdict, "pulses").word is Word.NOT_MEASURED
    assert verdict.missing == ("pulses", "box", "schedule", "postamble")
    assert "the box's last word is of pulse 263" in found(verdict, "box").text
    assert not verdict.is_complete


def test_box_restart_is_found_in_log_and_timer(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/pulses"][:]
        rows["box_ticks"][150:] -= 2_000_000
        file["acquisition/pulses"][:] = rows

    finding = found(judge(edit=edit), "box")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((150, 150),))
    assert "brown out" in found(judge(Plan(box_resets_at=150)), "box").text


def test_pulse_off_its_plan_is_named(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/pulses"][:]
        rows["box_ticks"][33] += 400
        file["acquisition/pulses"][:] = rows

    finding = found(judge(edit=edit), "schedule")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, pytest.approx(200), ((33, 33),))


# line walk, preamble, postamble


def test_swapped_cables_of_vis_and_nir_are_both_named(judge: Judge) -> None:
    verdict = judge(Plan(walk_lines={"HS": 0, "VIS": 2, "NIR": 1}))
    finding = found(verdict, "line walk", "VIS")
    assert (finding.word, finding.value) == (Word.FAIL, 7)
    assert "line 2, the cable of NIR" in finding.text
    assert "line 1, the cable of VIS" in found(verdict, "line walk", "NIR").text
    assert failed(verdict) == {("line walk", "VIS"), ("line walk", "NIR")}


@pytest.mark.parametrize(("frames", "words"), [(0, "not connected"), (4, "no line sent that many")])
def test_wrong_number_of_walk_frames_is_explained(judge: Judge, frames: int, words: str) -> None:
    finding = found(judge(Plan(walk_frames={"VIS": frames})), "line walk", "VIS")
    assert (finding.word, finding.value) == (Word.FAIL, frames)
    assert words in finding.text


def test_run_without_line_walk_is_not_complete(judge: Judge) -> None:
    assert judge(Plan(has_walk=False)).missing == ("line walk",)


def test_camera_armed_late_that_says_so_passes_the_preamble_with_its_losses_told(judge: Judge) -> None:
    verdict = judge(Plan(lost={"VIS": {0, 4}}))
    finding = found(verdict, "preamble", "VIS")
    assert (finding.word, finding.value) == (Word.PASS, 8)
    assert failed(verdict) == {("frames", "VIS")}


@pytest.mark.parametrize(("stream", "divisor"), [("HS", 1), ("VIS", 4)])
def test_camera_armed_late_that_claims_pulse_0_fails_the_preamble(judge: Judge, stream: str, divisor: int) -> None:
    """It missed its first pulse and numbers every frame one too low: counts alone cannot tell."""
    plan = Plan()
    shifted = {pulse: pulse - divisor for pulse in range(divisor, plan.pulses, divisor)}
    verdict = judge(Plan(lost={stream: {0}}, claimed={stream: shifted}))
    finding = found(verdict, "preamble", stream)
    assert (finding.word, finding.value) == (Word.FAIL, divisor)
    assert "claims pulse 0" in finding.text


@pytest.mark.parametrize("camera_ppm", [-5900, 5900])
def test_patterns_are_seen_by_clocks_half_a_per_cent_apart(judge: Judge, camera_ppm: float) -> None:
    assert judge(Plan(camera_ppm=camera_ppm)).is_complete


def test_camera_that_runs_free_is_not_taken_for_triggered(judge: Judge) -> None:
    verdict = judge(Plan(camera_ppm=20_000))
    assert {("stamps", "HS"), ("stamps", "VIS"), ("stamps", "NIR")} <= failed(verdict)


def test_last_frame_with_a_wrong_pulse_fails_the_postamble(judge: Judge) -> None:
    plan = Plan(silent={"NIR": {260}}, claimed={"NIR": {256: 260}})
    finding = found(judge(plan), "postamble", "NIR")
    assert (finding.word, finding.value) == (Word.FAIL, 256)


def test_run_without_any_pattern_fails_the_preamble(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        rows["camera_ticks"] = 10_000_000 * np.arange(1, len(rows) + 1)
        file["acquisition/HS/frames"][:] = rows

    verdict = judge(edit=edit)
    assert "not seen" in found(verdict, "preamble", "HS").text
    assert {("preamble", "HS"), ("postamble", "HS"), ("stamps", "HS")} <= failed(verdict)


# clocks


def test_rate_between_camera_and_box_is_reported_in_ppm(judge: Judge) -> None:
    assert "its clock +30.0 ppm against the box's" in found(judge(), "stamps", "HS").text
    assert found(judge(Plan(box_ppm=-250)), "box rate").value == pytest.approx(-250, abs=0.1)


def test_frames_shifted_by_one_pulse_after_a_loss_are_named(judge: Judge) -> None:
    """One frame was lost and another invented as its neighbour: the counts are equal, the timestamps are not."""
    shifted = {pulse: pulse - 1 for pulse in range(200, 240)}
    verdict = judge(Plan(silent={"HS": {199, 239}}, claimed={"HS": shifted}))
    finding = found(verdict, "stamps", "HS")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((199, 237),))


@pytest.mark.parametrize("periods", [-0.2, -0.11, 0.11, 0.2])
def test_single_frame_more_than_1_ms_off_its_pulse_fails_and_is_named(judge: Judge, periods: float) -> None:
    """A ghost edge 2 ms before its pulse swallowed the true one: counts, numbers and counter are all right."""
    verdict = judge(Plan(jitter_ticks={"HS": {100: periods}}))
    assert failed(verdict) == {("stamps", "HS")}
    finding = found(verdict, "stamps", "HS")
    assert (finding.value, finding.ranges) == (pytest.approx(abs(periods) * 10, abs=0.01), ((100, 100),))


@pytest.mark.parametrize("frames", [30, 60, 150, 250, 400])
def test_many_frames_in_a_row_2_ms_early_are_not_taken_for_a_drift(judge: Judge, frames: int) -> None:
    early = dict.fromkeys(range(300, 300 + frames), -0.2)
    finding = found(judge(Plan(body_groups=300, jitter_ticks={"HS": early})), "stamps", "HS")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((300, 299 + frames),))


def _drifting(ppm_a_second: float) -> Callable[[h5py.File], None]:
    """The HS camera's clock gains, so that its rate changes all the time."""

    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        ticks = rows["camera_ticks"].astype(np.float64)
        seconds = (ticks - ticks[0]) / 1e9
        rows["camera_ticks"] = np.rint(ticks + ppm_a_second * 1e-6 / 2 * seconds**2 * 1e9).astype(np.uint64)
        file["acquisition/HS/frames"][:] = rows

    return edit


@pytest.mark.parametrize("ppm_a_second", [-0.05, 0.05])
def test_clock_that_drifted_through_ten_minutes_not_stored_is_not_failed(judge: Judge, ppm_a_second: float) -> None:
    """The rate changes by 30 ppm while there is no frame: a whole period beside a straight line through the rest."""
    parts = [(name, 1500, 61499) for name in ("HS", "VIS", "NIR")]
    verdict = judge(Plan(body_groups=17_000, not_stored=parts), _drifting(ppm_a_second))
    assert found(verdict, "stamps", "HS").word is Word.PASS, found(verdict, "stamps", "HS").text
    assert found(verdict, "intervals", "HS").word is Word.PASS


def test_frame_off_its_pulse_after_a_part_not_stored_is_named(judge: Judge) -> None:
    plan = Plan(body_groups=600, not_stored=[("HS", 300, 1299)], jitter_ticks={"HS": {1310: 0.2}})
    finding = found(judge(plan), "stamps", "HS")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((1310, 1310),))


def test_single_frame_off_its_pulse_by_more_than_a_quarter_period_is_named(judge: Judge) -> None:
    finding = found(judge(Plan(jitter_ticks={"VIS": {120: 0.3}})), "stamps", "VIS")
    assert (finding.word, finding.ranges) == (Word.FAIL, ((120, 120),))
    assert finding.value == pytest.approx(3, abs=0.05)
    assert found(judge(Plan(jitter_ticks={"VIS": {120: 0.05}})), "stamps", "VIS").word is Word.PASS


def test_ghost_and_swallow_leave_counts_equal_but_not_the_intervals(judge: Judge) -> None:
    verdict = judge(Plan(jitter_ticks={"HS": {100: 0.2}}))
    finding = found(verdict, "intervals", "HS")
    assert (finding.word, finding.ranges) == (Word.WARN, ((100, 101),))


def test_camera_whose_oscillator_drifts_slowly_is_not_failed(judge: Judge) -> None:
    assert found(judge(Plan(body_groups=700), _drifting(2)), "stamps", "HS").word is Word.PASS


@pytest.mark.parametrize(("evidence", "word"), [(1, Word.FAIL), (2, Word.FAIL), (3, Word.PASS), (4, Word.PASS)])
def test_pulse_numbers_by_arrival_or_led_alone_are_never_called_synchronised(
    judge: Judge, evidence: int, word: Word
) -> None:
    assert found(judge(Plan(evidence=evidence)), "evidence", "HS").word is word


def test_run_without_clock_pairs_cannot_join_screen_and_cameras(judge: Judge) -> None:
    verdict = judge(edit=lambda file: file["acquisition/clock_pairs"].resize((1,)))
    assert verdict.missing == ("box rate",)


@pytest.mark.parametrize(("seconds", "word"), [(0.9, Word.PASS), (1.1, Word.WARN), (2.1, Word.FAIL)])
def test_time_from_grab_to_disk_is_held_against_1_and_2_seconds(judge: Judge, seconds: float, word: Word) -> None:
    finding = found(judge(Plan(sync_delay_s=seconds)), "acknowledged")
    assert (finding.word, finding.value) == (word, pytest.approx(seconds * 1000))


@pytest.mark.parametrize(("ppm", "word"), [(12, Word.PASS), (-99, Word.PASS), (101, Word.WARN), (-499, Word.WARN)])
def test_host_clock_is_held_against_the_raw_clock(judge: Judge, ppm: float, word: Word) -> None:
    finding = found(judge(Plan(raw_ppm=ppm)), "host clock")
    assert (finding.word, finding.value) == (word, pytest.approx(ppm, abs=0.01))


@pytest.mark.parametrize(("step_s", "word"), [(0.9, Word.PASS), (-3600, Word.WARN)])
def test_utc_that_was_set_in_mid_run_is_told(judge: Judge, step_s: float, word: Word) -> None:
    finding = found(judge(Plan(utc_step_s=step_s)), "host clock")
    assert (finding.word, f"UTC was set by {step_s:+.1f} s" in finding.text) == (word, word is Word.WARN)


def test_run_without_other_clocks_is_not_measured_and_may_be_complete(judge: Judge) -> None:
    verdict = judge(Plan(has_other_clocks=False))
    assert found(verdict, "host clock").word is Word.NOT_MEASURED
    assert verdict.is_complete


# screen


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Plan(steps_missing={1}), "never begun: clip1"),
        (Plan(steps_missing={0, 1, 2}), "never begun: welcome, clip1, report-how"),
        (Plan(steps_open={2}), "begun and never ended: report-how"),
        (Plan(step_shift_s={0: (0, -0.05)}), "ended too early: welcome"),
        (Plan(step_shift_s={1: (-0.1, 0)}), "out of order: clip1"),
        (Plan(step_shift_s={1: (0, -2)}), "out of order: clip1"),
    ],
)
def test_step_missing_or_cut_short_in_a_finished_run_fails(judge: Judge, plan: Plan, text: str) -> None:
    verdict = judge(plan)
    assert (found(verdict, "steps").word, found(verdict, "steps").text) == (Word.FAIL, text)
    assert failed(verdict) == {("steps", "")}


def test_step_missing_in_a_run_that_the_operator_stopped_is_a_warning(judge: Judge) -> None:
    finding = found(judge(Plan(outcome="stopped", steps_open={1}, steps_missing={2})), "steps")
    assert (finding.word, finding.value, finding.ranges) == (Word.WARN, 2, ((1, 2),))


@pytest.mark.parametrize(("late_s", "word"), [(0.03, Word.PASS), (0.04, Word.WARN)])
def test_fixed_length_may_be_two_refreshes_longer(judge: Judge, late_s: float, word: Word) -> None:
    plan = Plan(step_shift_s={0: (0, late_s), 1: (late_s, 0)})
    verdict = judge(plan)
    assert found(verdict, "steps").word is word
    assert verdict.is_complete


def test_run_that_does_not_say_its_steps_is_not_measured_and_not_complete(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        del file["config/steps"]
        file["config/steps"] = "[]"

    assert "steps" in judge(edit=edit).missing


def test_film_frames_never_shown_fail_and_are_named(judge: Judge) -> None:
    finding = found(judge(Plan(film_holes={7, 8, 20}, photodiode=False)), "film frames", "clip1")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, 3, ((7, 8), (20, 20)))
    assert "skipped before" not in finding.text


def test_film_frame_skipped_while_far_behind_is_listed_with_its_flip_gap_but_fails(judge: Judge) -> None:
    finding = found(judge(Plan(film_holes={7, 8, 9})), "film frames", "clip1")
    assert finding.word is Word.FAIL
    assert "skipped before 10 while 4 behind, after 16.7 ms" in finding.text
    assert "without such a reason" not in finding.text


def test_film_frames_dropped_without_being_far_behind_are_told_apart_from_those_that_were_skipped(judge: Judge) -> None:
    finding = found(judge(Plan(film_holes={3, 7, 8, 9})), "film frames", "clip1")
    assert "skipped before 10" in finding.text
    assert "1 without such a reason" in finding.text


def test_film_that_never_began_fails_with_all_its_frames(judge: Judge) -> None:
    finding = found(judge(Plan(film_begins=False)), "film frames", "clip1")
    assert (finding.word, finding.value) == (Word.FAIL, 25)


def test_some_late_flips_are_worth_a_look_and_leave_the_run_complete(judge: Judge) -> None:
    verdict = judge(Plan(late_flips=4))
    assert found(verdict, "late flips").word is Word.WARN
    assert verdict.is_complete


def test_light_is_measured_against_the_flips(judge: Judge) -> None:
    finding = found(judge(), "photodiode")
    assert (finding.word, finding.value) == (Word.PASS, pytest.approx(12, abs=0.01))


def test_light_that_does_not_follow_the_flips_fails(judge: Judge) -> None:
    finding = found(judge(Plan(edges_missing=5)), "photodiode")
    assert finding.word is Word.FAIL
    assert "5 not seen" in finding.text


def test_screen_without_photodiode_is_not_measured_but_may_be_complete(judge: Judge) -> None:
    verdict = judge(Plan(photodiode=False))
    assert found(verdict, "photodiode").word is Word.NOT_MEASURED
    assert verdict.is_complete


def test_photodiode_that_rig_yaml_names_and_nobody_saw_is_not_measured_and_expected(judge: Judge) -> None:
    verdict = judge(edit=lambda file: file["acquisition/edges"].resize((0,)))
    assert found(verdict, "photodiode").word is Word.NOT_MEASURED
    assert verdict.unmeasured == ["photodiode"]


@pytest.mark.parametrize("text", ["box: {}\n", "box: {inputs: {photodiode: 4}}\nscreen: {patch_px: 0}\n"])
def test_photodiode_is_not_expected_of_a_rig_without_one_or_without_a_patch(judge: Judge, text: str) -> None:
    def edit(file: h5py.File) -> None:
        del file["config/rig"]
        file["config/rig"] = text
        file["acquisition/edges"].resize((0,))

    verdict = judge(edit=edit)
    assert found(verdict, "photodiode").word is Word.NOT_MEASURED
    assert verdict.unmeasured == []


def test_table_of_edges_that_is_gone_fails(judge: Judge) -> None:
    verdict = judge(edit=lambda file: file["acquisition"].__delitem__("edges"))
    assert {("photodiode", ""), ("rows", "")} <= failed(verdict)


# the file


def test_changed_picture_is_named_with_its_pulse(judge: Judge) -> None:
    finding = found(judge(Plan(damaged={"NIR": {40, 80}})), "checksums", "NIR")
    assert (finding.word, finding.value, finding.ranges) == (Word.FAIL, 2, ((40, 40), (80, 80)))


def test_hole_in_the_rows_of_a_finished_run_fails(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        rows = file["acquisition/edges"][:]
        rows["seq"][20] = 0
        file["acquisition/edges"][:] = rows

    finding = found(judge(edit=edit), "rows")
    assert finding.word is Word.FAIL
    assert "/acquisition/edges: 5 rows after row 20" in finding.text


@pytest.mark.parametrize(
    ("outcome", "word"),
    [("finished", Word.PASS), ("stopped", Word.WARN), ("incomplete", Word.FAIL), ("device_lost", Word.FAIL),
     ("disk_full", Word.FAIL), ("close_failed", Word.FAIL), ("failed", Word.FAIL)],
)  # fmt: skip
def test_how_the_run_ended_decides(judge: Judge, outcome: str, word: Word) -> None:
    assert found(judge(Plan(outcome=outcome)), "ending").word is word


def test_losses_at_the_end_of_a_run_that_ended_out_of_order_may_be_told_by_the_recorder(judge: Judge) -> None:
    for told, untold in ({255, 256, 257}, set()), (set(), {255, 256, 257}):
        tail = set(range(258, 264))
        verdict = judge(Plan(outcome="device_lost", lost={"HS": tail | told}, silent={"HS": untold}))
        assert found(verdict, "frames", "HS").value == 9
        assert found(verdict, "recount", "HS").word is Word.PASS


def test_killed_run_tells_which_losses_come_from_the_cut(judge: Judge) -> None:
    plan = Plan(closed=False, outcome="incomplete", has_ended=False, written=200, lost={"HS": {60}})
    verdict = judge(plan)
    finding = found(verdict, "frames", "HS")
    assert finding.value == 1 + 64
    assert "64 of them after the last stored frame" in finding.text
    assert found(verdict, "recount", "HS").word is Word.PASS
    assert found(verdict, "schedule").word is Word.NOT_MEASURED
    assert "of pulses up to 251" in found(verdict, "schedule").text


@pytest.fixture
def silent(judge: Judge) -> Judged:
    """A run whose box fell silent after pulse 99 of 264, in mid-film, while the cameras went on."""

    def edit(file: h5py.File) -> None:
        last_ticks = file["acquisition/pulses"]["box_ticks"][99]
        for table, clock in (("pulses", "box_ticks"), ("edges", "box_ticks"), ("clock_pairs", "reading")):
            rows = file[f"acquisition/{table}"]
            rows.resize((int((rows[clock] <= last_ticks).sum()),))

    return judge(Plan(has_ended=False, has_reports=False, has_other_clocks=False), edit)


@pytest.mark.parametrize("check", ["frames", "recount", "order", "stamps", "intervals"])
def test_frames_after_the_boxs_last_word_are_not_called_good(silent: Judged, check: str) -> None:
    finding = found(silent, check, "HS")
    assert (finding.word, finding.ranges) == (Word.NOT_MEASURED, ((100, 263),))
    assert "164 frames claim pulses 100-263, after the last that the box told of" in finding.text


def test_one_frame_after_the_boxs_last_word_is_told_as_one(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        file["acquisition/pulses"].resize((263,))

    verdict = judge(Plan(has_ended=False, has_reports=False, has_other_clocks=False), edit)
    told = "1 frame claims pulse 263, after the last that the box told of"
    assert [told in found(verdict, check, "HS").text for check in ("frames", "order")] == [True, True]


def test_nothing_fails_for_what_could_not_be_seen_any_more(silent: Judged) -> None:
    assert failed(silent) == set()
    words = {f.check: f.word for f in silent.findings}
    for check in ("pulses", "box", "schedule", "pairing", "postamble", "box rate", "photodiode"):
        assert words[check] is Word.NOT_MEASURED, check
    assert "the box's clock was not read" in found(silent, "box rate").text


def test_a_fault_before_the_boxs_last_word_still_fails(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        file["acquisition/pulses"].resize((160,))

    verdict = judge(
        Plan(has_ended=False, lost={"HS": {61}}, silent={"HS": {200}}, jitter_ticks={"VIS": {80: 0.2}}), edit
    )
    assert (found(verdict, "frames", "HS").word, found(verdict, "frames", "HS").ranges) == (Word.FAIL, ((61, 61),))
    assert found(verdict, "stamps", "VIS").ranges == ((80, 80),)


def test_a_base_frame_missing_after_the_boxs_last_word_is_not_called_unstored_on_purpose(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        file["acquisition/pulses"].resize((160,))

    finding = found(judge(Plan(has_ended=False, silent={"HS": {200}}), edit), "pairing", "VIS")
    assert finding.word is Word.NOT_MEASURED
    assert "not to be stored" not in finding.text
    assert "; 1 without one after the last pulse told of" in finding.text


def loses_walk_pulse(file: h5py.File) -> None:
    rows = file["line_walk/pulses"]
    kept = np.delete(rows[:], 4)
    kept["seq"] = np.arange(1, len(kept) + 1)
    rows.resize((len(kept),))
    rows[:] = kept


def test_a_walk_pulse_whose_message_was_lost_was_sent_all_the_same(judge: Judge) -> None:
    finding = found(judge(edit=loses_walk_pulse), "line walk", "VIS")
    assert finding.word is Word.PASS
    assert "the box told of 4: messages were lost, not pulses" in finding.text


def test_a_walk_pulse_that_the_box_did_not_count_either_was_not_sent(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        loses_walk_pulse(file)
        text = file["log/text"][:].tobytes().replace(b'"pulses_sent": 15', b'"pulses_sent": 14')
        file["log/text"][:] = np.frombuffer(text, np.uint8)

    assert found(judge(edit=edit), "line walk", "VIS").word is Word.FAIL


def test_edges_that_were_lost_on_the_way_are_not_held_against_the_photodiode(judge: Judge) -> None:
    lost = found(judge(Plan(edges_missing=5, events_lost=5, events_lost_s=1.0)), "photodiode")
    assert lost.word is Word.NOT_MEASURED
    assert "5 changes have none where events of the box were lost" in lost.text


def test_edges_beyond_the_room_for_them_are_not_held_against_the_photodiode(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        file["acquisition/edges"].resize((9,))

    full = Plan(full_table="/acquisition/edges")
    finding = found(judge(full, edit), "photodiode")
    assert finding.word is Word.NOT_MEASURED
    assert "the room for edges was full" in finding.text


def test_an_alarm_that_the_outcome_tells_is_told_once(judge: Judge) -> None:
    text = found(judge(Plan(alarm="the end")), "ending").text
    assert text.count("the end") == 1


def test_trigger_mode_that_fell_back_to_free_run_fails(judge: Judge) -> None:
    def edit(file: h5py.File) -> None:
        text = file["log/text"][:].tobytes()
        place = text.rindex(b'"TriggerMode": "On"')
        changed = text[:place] + text[place:].replace(b'"On"', b'"No"', 1)
        file["log/text"][:] = np.frombuffer(changed, np.uint8)

    finding = found(judge(edit=edit), "features", "NIR")
    assert (finding.word, finding.text) == (Word.FAIL, "TriggerMode: On became No")

"""Exposures counted by the cameras' own numbers and trigger counters, the host clock in windows, arms compared.

Faults are planted by hand into a file of an independent writer; those of real sessions into the simulated world.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.session.folder import beside
from rig.session.run import Run
from rig.sim.faults import Fault, read_truth
from rig.streams import CLOCK_PAIR, GapCause
from rig.verify.clocks import camera_clocks, host_clock
from rig.verify.counters import camera_numbers, counts
from rig.verify.file import integrity
from rig.verify.findings import Finding, Word
from tests.handmade import HOST_0, Plan, make_run
from tests.verify.wired_sessions import changed, found, wired

Change = Callable[[np.ndarray], None]
Edit = Callable[[h5py.File], None]


def rows_of(path: str, change: Change) -> Edit:
    def edit(file: h5py.File) -> None:
        rows = file[path][:]
        change(rows)
        file[path][:] = rows

    return edit


def judged(folder: Path, check: Callable[[Run], list[Finding]], plan: Plan | None, *edits: Edit) -> dict[str, Finding]:
    path = make_run(folder, plan)
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        for edit in edits:
            edit(file)
    return found(path, check)


def numbers(change: Change, stream: str = "HS") -> Edit:
    return rows_of(f"acquisition/{stream}/frames", change)


def jumps(place: int, by: int, field: str = "frame_number") -> Change:
    def change(rows: np.ndarray) -> None:
        rows[field][place:] += by

    return change


# exposures by the cameras' numbers


def test_pulses_exposures_and_frames_are_counted_apart(tmp_path: Path) -> None:
    """One lost frame had a number, the other had none."""
    seen = judged(tmp_path, counts.check_frames, Plan(lost={"VIS": {80, 120}}), numbers(jumps(20, 1), "VIS"))
    assert "66 pulses sent to it, 65 exposed by its numbers, 64 stored" in seen["VIS"].text
    assert "264 pulses sent to it, 264 exposed by its numbers, 264 stored" in seen["HS"].text
    assert (seen["HS"].word, seen["VIS"].word) == (Word.PASS, Word.FAIL)


@pytest.mark.parametrize("modulus", [0, 150])
def test_exposures_without_pulse_and_frame_are_a_warning_and_placed(tmp_path: Path, modulus: int) -> None:
    def change(rows: np.ndarray) -> None:
        rows["frame_number"][31:] += 3
        rows["frame_number"] %= modulus or 1000

    frames = judged(tmp_path, counts.check_frames, Plan(number_modulus=modulus), numbers(change))["HS"]
    assert (frames.word, frames.value, frames.ranges) == (Word.WARN, 0, ((30, 30),))
    assert "267 exposed by its numbers, 264 stored: 3 exposures without a pulse" in frames.text


@pytest.mark.parametrize(
    ("said", "exposed", "word"),
    [
        (GapCause.LOST_AFTER_EXPOSURE, 1, Word.PASS),
        (GapCause.DAMAGED, 1, Word.PASS),
        (GapCause.NOT_NUMBERED, 0, Word.FAIL),
        (GapCause.LOST_AFTER_EXPOSURE, 0, Word.FAIL),
        (GapCause.NOT_NUMBERED, 1, Word.FAIL),
        (GapCause.CAMERA_LOST, 0, Word.PASS),
    ],
)
def test_what_a_gap_row_says_of_exposures_is_held_against_the_numbers(
    tmp_path: Path, said: GapCause, exposed: int, word: Word
) -> None:
    def gap(rows: np.ndarray) -> None:
        rows["cause"], rows["frames_exposed"] = int(said), exposed

    edits = numbers(jumps(20, 1), "VIS"), rows_of("acquisition/VIS/gaps", gap)
    recount = judged(tmp_path, counts.check_recount, Plan(lost={"VIS": {80}}), *edits)["VIS"]
    assert (recount.word, recount.ranges) == (word, ((80, 80),) if word is Word.FAIL else ())


def test_a_recorded_sessions_exposures_are_those_that_the_world_committed(tmp_path: Path) -> None:
    faults = "lost_frames: 6, lost_pulses: 6, ghost_frames: 4, duplicate_frames: 3, stale_frames: true"
    faults += ", damaged_frames: 3, first_pulse: 40, last_pulse: 480"
    path = wired(tmp_path, 5, faults=faults)
    truth = read_truth(beside(path, "truth.jsonl"))
    frames, evidence = found(path, counts.check_frames), found(path, camera_clocks.check_evidence)
    with Run(path) as run:
        for name, stream in run.streams.items():
            struck = [t.fault for t in truth if t.stream == name]
            sent = -(-len(run.pulses) // stream.divisor)
            exposed = sent - struck.count(Fault.LOST_PULSE) + struck.count(Fault.GHOST_FRAME)
            assert camera_numbers.exposed(run, stream) == exposed
            assert "without a pulse, of which" not in frames[name].text
    assert {finding.word for finding in found(path, counts.check_recount).values()} == {Word.PASS}
    assert {finding.word for finding in evidence.values()} == {Word.PASS}


def test_a_recorders_row_that_hides_an_exposure_is_found(tmp_path: Path) -> None:
    path = wired(tmp_path, 3, faults="lost_frames: 6, first_pulse: 40, last_pulse: 250")

    def edit(file: h5py.File) -> None:
        for name in ("HS", "VIS", "NIR"):
            rows_of(f"acquisition/{name}/gaps", lambda rows: rows.__setitem__("frames_exposed", 0))(file)

    truth = read_truth(beside(path, "truth.jsonl"))
    recount = found(changed(path, tmp_path, edit), counts.check_recount)
    for name, finding in recount.items():
        is_struck = any(t.stream == name and t.fault is Fault.LOST_FRAME for t in truth)
        assert finding.word is (Word.FAIL if is_struck else Word.PASS)


# order, by modulus


def test_a_number_that_falls_is_no_wrap_and_told_with_its_pulse(tmp_path: Path) -> None:
    def falls(rows: np.ndarray) -> None:
        rows["frame_number"][50] = 10

    order = judged(tmp_path, counts.check_order, Plan(number_modulus=65536), numbers(falls))["HS"]
    assert (order.word, order.value, order.ranges) == (Word.FAIL, 1, ((50, 50),))


def test_numbers_that_wrap_in_a_long_part_not_stored_do_not_fall(tmp_path: Path) -> None:
    """More than half of the modulus lies in it."""
    plan = Plan(number_modulus=256, not_stored=[("HS", 40, 199)])

    def change(rows: np.ndarray) -> None:
        rows["frame_number"] = rows["pulse_number"] % 256

    for check in (counts.check_order, counts.check_frames):
        finding = judged(tmp_path, check, plan, numbers(change))["HS"]
        assert finding.word is Word.PASS, finding.text


def test_timestamps_and_arms_out_of_order_are_told_with_their_pulses(tmp_path: Path) -> None:
    def change(rows: np.ndarray) -> None:
        rows["camera_ticks"][60] = rows["camera_ticks"][59]
        rows["epoch"][100] = 7

    order = judged(tmp_path, counts.check_order, None, numbers(change))["HS"]
    assert order.ranges == ((60, 60), (100, 101))
    assert "1 x timestamp not rising" in order.text
    assert "1 x frame of another arm of the camera; 1 x arm that begins again" in order.text


# the trigger counter


def test_a_counter_that_goes_on_otherwise_than_the_pulses_proves_nothing(tmp_path: Path) -> None:
    evidence = judged(tmp_path, camera_clocks.check_evidence, None, numbers(jumps(40, 7, "counter")))
    assert (evidence["HS"].word, evidence["HS"].ranges) == (Word.FAIL, ((40, 40),))
    assert evidence["VIS"].word is Word.PASS


def test_a_counter_that_missed_the_first_edges_is_held_against_the_one_at_arm(tmp_path: Path) -> None:
    evidence = judged(tmp_path, camera_clocks.check_evidence, None, numbers(jumps(0, -1, "counter"), "VIS"))
    assert (evidence["VIS"].word, evidence["VIS"].ranges) == (Word.FAIL, ((0, 0),))


def test_a_counter_is_not_asked_where_timestamps_are_said_to_prove(tmp_path: Path) -> None:
    evidence = judged(tmp_path, camera_clocks.check_evidence, Plan(evidence=3), numbers(jumps(40, 7, "counter")))
    assert {finding.word for finding in evidence.values()} == {Word.PASS}


# the host clock, in windows


def raw_pairs(seconds: int, ppm: Callable[[np.ndarray], np.ndarray], late_ns: int = 0) -> Edit:
    """One reading a second of a raw clock against which the host's goes `ppm` fast; every fifth takes `late_ns`."""

    def edit(file: h5py.File) -> None:
        host = np.arange(seconds + 1) * 1_000_000_000
        passed = np.r_[0, np.cumsum(1e9 / (1 + ppm(np.arange(seconds)) * 1e-6))]
        rows = np.zeros(len(host), CLOCK_PAIR)
        rows["clock"], rows["reading"] = b"raw", 7e11 + np.rint(passed)
        rows["host_before_ns"], rows["host_after_ns"] = HOST_0 + host - 500, HOST_0 + host + 500
        rows["host_after_ns"][1::5] += late_ns
        pairs = file["acquisition/clock_pairs"][:]
        rows = np.concatenate([pairs[pairs["clock"] != b"raw"], rows])
        rows["seq"] = 1 + np.arange(len(rows))
        file["acquisition/clock_pairs"].resize((len(rows),))
        file["acquisition/clock_pairs"][:] = rows

    return edit


@pytest.mark.parametrize("seconds", [20, 600])
@pytest.mark.parametrize(("slewed_ppm", "word"), [(0, Word.PASS), (30, Word.PASS), (500, Word.WARN), (-500, Word.WARN)])
def test_a_slew_for_a_fifth_of_the_run_is_told_with_its_times(
    tmp_path: Path, seconds: int, slewed_ppm: int, word: Word
) -> None:
    first, last = seconds * 2 // 5, seconds * 3 // 5

    def ppm(at: np.ndarray) -> np.ndarray:
        return np.where((at >= first) & (at < last), 12 + slewed_ppm, 12)

    pairs = raw_pairs(seconds, ppm, late_ns=20_000_000)
    host = judged(tmp_path, host_clock.check_host_clock, None, pairs)[""]
    assert host.word is word, host.text
    if word is Word.WARN:  # pulse 0 is half a second after the first reading
        assert f"slewed from {first - 0.5:.1f} to {last - 0.5:.1f} s after pulse 0" in host.text
        assert f"by {12 + slewed_ppm:+.1f} ppm" in host.text


@pytest.mark.parametrize(("ppm", "word"), [(98, Word.PASS), (499, Word.WARN), (-120, Word.WARN)])
def test_a_clock_that_is_slewed_all_along_is_told(tmp_path: Path, ppm: int, word: Word) -> None:
    host = judged(tmp_path, host_clock.check_host_clock, None, raw_pairs(300, lambda at: np.full(len(at), ppm)))[""]
    assert host.word is word
    assert host.value == pytest.approx(ppm, abs=0.1)
    assert ("slewed from -0.5 to 299.5 s" in host.text) == (word is Word.WARN)


# the file


def test_incomplete_pictures_are_named_with_their_pulses(tmp_path: Path) -> None:
    def change(rows: np.ndarray) -> None:
        rows["status"][[10, 20, 21]] = 1

    sums = judged(tmp_path, integrity.check_checksums, None, numbers(change, "VIS"))["VIS"]
    assert (sums.word, sums.value, sums.ranges) == (Word.WARN, 3, ((40, 40), (80, 84)))
    assert "3 incomplete: pulses 40, 80-84" in sums.text


@pytest.mark.parametrize("is_first_stop", [True, False])
def test_settings_of_every_arm_and_stop_are_compared(tmp_path: Path, is_first_stop: bool) -> None:
    """A camera that was armed twice: either its first stop reads otherwise, or its second arm and stop do."""
    with Run(make_run(tmp_path)) as run:
        log = list(run.log)
        (armed,) = [e for e in log if (e["kind"], e.get("stream"), e.get("epoch")) == ("armed", "HS", 1)]
        (stopped,) = [e for e in log if (e["kind"], e.get("stream")) == ("stopped", "HS")]
        on = stopped["features"]
        off = {**on, "TriggerMode": "Off"}
        first, second = (off, on) if is_first_stop else (on, off)
        again = {**armed, "epoch": 2, "baseline": {**armed["baseline"], "features": second}}
        ends = [{**stopped, "features": first}, again, {**stopped, "epoch": 2, "features": second}]
        run.__dict__["log"] = [*(entry for entry in log if entry is not stopped), *ends]
        (finding,) = [f for f in integrity.check_features(run) if f.stream == "HS"]
    assert (finding.word, finding.value) == (Word.FAIL, 1 if is_first_stop else 2)
    when = "by the end of arm 1" if is_first_stop else "when armed again as arm 2"
    assert f"TriggerMode: On became Off {when}" in finding.text

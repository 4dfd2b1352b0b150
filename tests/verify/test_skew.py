"""Skew, length and middle of exposures, against what the simulated world was told to do."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.session.run import Run
from rig.verify.clocks import exposed, skew
from rig.verify.clocks.exposed import Source
from rig.verify.findings import Finding, Word
from tests.handmade import Plan, make_run
from tests.verify.wired_sessions import changed, found, wired

POLLED_US = 150
PAIRS = ("VIS", "NIR", "VIS-NIR")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wired(tmp_path_factory.mktemp("clean"), 2)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VIS begins 3 ms late without saying so."""
    return wired(tmp_path_factory.mktemp("late"), 2, faults="undeclared_delay_us: {VIS: 3000}")


def test_cameras_that_begin_together_pass_by_their_exposure_lines(clean: Path) -> None:
    skews = found(clean, skew.check_skew)
    assert tuple(skews) == PAIRS
    for finding in skews.values():
        assert (finding.word, finding.origin) == (Word.PASS, "default")
        assert abs(finding.value) * 1000 <= POLLED_US
        assert "by ExposureActive; each to 150 us" in finding.text
    assert {f.word for f in found(clean, skew.check_midpoints).values()} == {Word.PASS}


def test_starts_and_lengths_are_those_of_the_simulated_cameras(clean: Path) -> None:
    """Each start is stamped 0 to 150 us late, of which half is taken off."""
    with Run(clean) as run:
        for name, exposure_us in (("HS", 4000), ("VIS", 8000), ("NIR", 8000)):
            own = exposed.exposures(run, run.streams[name])
            assert own is not None
            assert own.source is Source.EDGES
            np.testing.assert_array_equal(own.pulses, run.streams[name].pulse_numbers)
            assert np.abs(own.starts_us).max() <= POLLED_US / 2 + 1
            assert np.abs(own.lengths_us - exposure_us).max() <= POLLED_US + 1
            assert own.without_pulse == 0


def test_a_delay_that_nobody_declared_is_measured_and_held_against_1_and_5_ms(late: Path) -> None:
    skews = found(late, skew.check_skew)
    assert {name: finding.word for name, finding in skews.items()} == {
        "VIS": Word.WARN, "NIR": Word.PASS, "VIS-NIR": Word.WARN
    }  # fmt: skip
    assert skews["VIS"].value == pytest.approx(3, abs=0.16)
    assert skews["VIS"].ranges[0][0] == 0
    assert skews["VIS"].limit.startswith("1 ms (default); above 5 fails")
    with Run(late) as run:
        measured = skew.skew_between(run, run.streams["VIS"], run.streams["HS"])
    assert measured is not None
    assert float(np.median(measured.skew_us)) == pytest.approx(3000, abs=30)


def test_above_the_ceiling_of_5_ms_it_fails(tmp_path: Path) -> None:
    finding = found(wired(tmp_path, 1, faults="undeclared_delay_us: {NIR: 5500}"), skew.check_skew)["NIR"]
    assert (finding.word, finding.value) == (Word.FAIL, pytest.approx(5.5, abs=0.16))


def test_a_limit_that_the_rig_sets_is_used_and_says_so(tmp_path: Path) -> None:
    edits = {"simulation:": "tolerances: {skew_ms: 4}\nsimulation:"}
    path = wired(tmp_path, 1, faults="undeclared_delay_us: {VIS: 3000}", edits=edits)
    finding = found(path, skew.check_skew)["VIS"]
    assert (finding.word, finding.origin) == (Word.PASS, "rig")
    assert finding.limit.startswith("4 ms (rig)")


def test_single_pulses_at_which_a_camera_began_late_are_named(clean: Path, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        edges = file["acquisition/edges"][:]
        edges["box_ticks"][(edges["input"] == 1) & (edges["last_pulse"] == 80)] += 2 * 1400
        file["acquisition/edges"][:] = edges

    finding = found(changed(clean, tmp_path, edit), skew.check_skew)["VIS"]
    assert (finding.word, finding.ranges) == (Word.WARN, ((80, 80),))
    assert "at pulse 80" in finding.text


def test_an_input_that_the_hardware_stamps_has_no_error_of_polling(tmp_path: Path) -> None:
    path = wired(tmp_path, 1, inputs="inputs: {HS: 0, VIS: 5}")
    with Run(path) as run:
        stamped, polled = (exposed.exposures(run, run.streams[name]) for name in ("VIS", "HS"))
    assert stamped is not None
    assert polled is not None
    assert (stamped.error_us, polled.error_us) == (0, POLLED_US / 2)
    assert np.abs(stamped.starts_us).max() <= 0.5  # a tick


def test_edges_of_less_than_half_of_the_pulses_are_not_called_good(clean: Path, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        edges = file["acquisition/edges"][:]
        edges["input"][(edges["input"] == 1) & (edges["last_pulse"] > 90)] = 4
        file["acquisition/edges"][:] = edges

    finding = found(changed(clean, tmp_path, edit), skew.check_skew)["VIS"]
    assert (finding.word, finding.is_expected) == (Word.NOT_MEASURED, True)


# without wires


@pytest.fixture(scope="module")
def unset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing is wired or declared."""
    return wired(tmp_path_factory.mktemp("unset"), 1, inputs="inputs: {}")


def unwired(folder: Path, *, declared: bool) -> Path:
    delay = "exposure_us: 8000, start_delay_us: 1400," if declared else "exposure_us: 8000,"
    base = "exposure_us: 4000, start_delay_us: 20," if declared else "exposure_us: 4000,"
    return wired(
        folder, 1, inputs="inputs: {}", edits={"exposure_us: 8000,": delay, "exposure_us: 4000,": base}
    )  # fmt: skip


def test_timestamps_alone_never_give_a_skew(tmp_path: Path) -> None:
    path = unwired(tmp_path, declared=False)
    for finding in (*found(path, skew.check_skew).values(), *found(path, skew.check_midpoints).values()):
        assert (finding.word, finding.value, finding.is_expected) == (Word.NOT_MEASURED, None, False)
    assert {f.word for f in found(path, exposed.check_exposure_time).values()} == {Word.NOT_MEASURED}


def test_declared_delays_are_judged_and_called_declared(tmp_path: Path) -> None:
    skews = found(unwired(tmp_path, declared=True), skew.check_skew)
    assert {name: finding.word for name, finding in skews.items()} == {
        "VIS": Word.WARN, "NIR": Word.WARN, "VIS-NIR": Word.PASS
    }  # fmt: skip
    assert skews["VIS"].value == pytest.approx(1.38)
    assert all(finding.text.startswith("DECLARED, not measured") for finding in skews.values())


RESULT = """\
schema: 1
what: delay
rig: small
made: {made}T10:00:00+00:00
simulated: true
cameras:
  HS: {{serial: SIM-HS, {trigger}, exposure_us: 4000.0, start_us: 20.0, start_sd_us: 1.0, length_us: 4000.2}}
  VIS: {{serial: {serial}, {trigger}, exposure_us: {exposure}, start_us: {start}, start_sd_us: 1.0, length_us: 8300.0}}
"""
AS_SET = "trigger_delay_us: 0.0, debouncer_us: 0.0, activation: RisingEdge"


def with_results(folder: Path, *results: str) -> dict[str, Finding]:
    """Delay results lie beside rig.yaml, one a day; nothing is wired."""
    for day, text in enumerate(results, 1):
        dated = folder / f"2026-03-0{day}T100000Z_delay"
        dated.mkdir(parents=True)
        (dated / "result.yaml").write_text(text)
    return found(wired(folder, 1, inputs="inputs: {}"), skew.check_skew)


def result(serial: str = "SIM-VIS", exposure: float = 8000.4, start: float = 1520.0, trigger: str = AS_SET) -> str:
    return RESULT.format(made="2026-03-01", serial=serial, exposure=exposure, start=start, trigger=trigger)


def test_the_newest_delay_result_in_the_session_is_judged(tmp_path: Path) -> None:
    finding = with_results(tmp_path, result(start=90.0), result())["VIS"]
    assert (finding.word, finding.value) == (Word.WARN, pytest.approx(1.5))
    assert "by a delay result" in finding.text
    assert "DECLARED" not in finding.text


@pytest.mark.parametrize("text", [result(serial="SIM-OTHER"), result(exposure=8002.0), "what: delay\ncameras: [}"])
def test_a_delay_result_of_another_camera_or_exposure_says_nothing(tmp_path: Path, text: str) -> None:
    assert with_results(tmp_path, text)["VIS"].word is Word.NOT_MEASURED


def test_a_newer_sweep_without_a_start_makes_an_older_one_count_no_more(tmp_path: Path) -> None:
    newest = result().replace("start_us: 1520.0, start_sd_us: 1.0,", "start_us: null, start_sd_us: null,")
    assert "null" in newest
    finding = with_results(tmp_path, result(), newest)["VIS"]
    assert (finding.word, "nothing tells when VIS began" in finding.text) == (Word.NOT_MEASURED, True)


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        (AS_SET.replace("delay_us: 0", "delay_us: 300"), "trigger_delay_us 300.0 then, 0.0 now"),
        (AS_SET.replace("debouncer_us: 0", "debouncer_us: 10"), "debouncer_us 10.0 then, 0.0 now"),
        (AS_SET.replace("Rising", "Falling"), "activation FallingEdge then, RisingEdge now"),
        ("model: any", "trigger_delay_us not told then, 0.0 now"),
    ],
)
def test_a_delay_result_of_another_setting_of_the_trigger_is_stale_and_says_so(
    unset: Path, trigger: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "2026-03-01T100000Z_delay/result.yaml"
    monkeypatch.setattr(Run, "measured", {name: result(trigger=trigger)})
    finding = found(unset, skew.check_skew)["VIS"]
    assert finding.word is Word.NOT_MEASURED
    assert f"the delay result {name} of VIS is stale ({told}" in finding.text
    monkeypatch.setattr(Run, "measured", {name: result(trigger=trigger), "2026-02-01_delay.yaml": result()})
    older = found(unset, skew.check_skew)["VIS"]
    assert (older.value, "stale" in older.text) == (pytest.approx(1.5), False)


def test_lines_that_are_wired_and_show_nothing_are_missed_whatever_was_declared(
    tmp_path: Path, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = found(make_run(tmp_path, Plan(wired={"HS": 0, "VIS": 1})), skew.check_skew)["VIS"]
    assert (finding.word, finding.is_expected) == (Word.NOT_MEASURED, True)
    assert "no exposure was seen on ExposureActive of VIS and HS, which rig.yaml says is wired" in finding.text
    silent = changed(clean, tmp_path, lambda file: file["acquisition/edges"].resize((0,)))
    monkeypatch.setattr(Run, "measured", {"2026-03-01_delay.yaml": result(start=90.0)})
    finding = found(silent, skew.check_skew)["VIS"]
    assert (finding.word, finding.value) == (Word.WARN, pytest.approx(0.07))
    assert "look at its cable" in finding.text


def test_one_camera_alone_is_not_left_incomplete_for_a_skew_it_cannot_have(tmp_path: Path) -> None:
    with Run(make_run(tmp_path)) as run:
        del run.streams["VIS"], run.streams["NIR"]
        for check in (skew.check_skew, skew.check_midpoints):
            assert [(f.word, f.looked_at) for f in check(run)] == [(Word.PASS, "1 camera")]


# lengths and middles


def test_exposures_longer_than_set_are_named_by_the_exposure_line(tmp_path: Path) -> None:
    path = wired(tmp_path, 3, faults="long_exposures: 1, last_pulse: 250")
    times = found(path, exposed.check_exposure_time)
    (bad,) = [finding for finding in times.values() if finding.word is not Word.PASS]
    with Run(path) as run:
        rows = run.streams[bad.stream].frames
        long = rows["pulse_number"][rows["exposure_us"] > 1.2 * np.median(rows["exposure_us"])]
    assert bad.word is Word.FAIL
    assert (
        sorted(long.tolist()) == [first for first, last in bad.ranges for first in range(first, last + 1)][: len(long)]
    )
    assert {f.word for f in found(path, skew.check_skew).values()} == {Word.PASS}


def test_the_length_is_held_against_the_feature_that_was_read_back(clean: Path, tmp_path: Path) -> None:
    """Every exposure is 0.3 ms longer than the feature says: ExposureTime of a camera that rounds without a word."""

    def edit(file: h5py.File) -> None:
        edges = file["acquisition/edges"][:]
        edges["box_ticks"][(edges["input"] == 2) & (edges["level"] == 0)] += 600
        file["acquisition/edges"][:] = edges

    finding = found(changed(clean, tmp_path, edit), exposed.check_exposure_time)["NIR"]
    assert (finding.word, finding.value) == (Word.WARN, pytest.approx(8300, abs=30))
    assert "set to 8000 us" in finding.text


def test_middles_differ_by_half_the_difference_of_exposures_and_no_more(late: Path, clean: Path) -> None:
    good, bad = found(clean, skew.check_midpoints)["VIS"], found(late, skew.check_midpoints)["VIS"]
    assert "+2000.0 us by exposure times and known delays" in good.text
    assert (good.word, good.value) == (Word.PASS, pytest.approx(0, abs=0.03))
    assert (bad.word, bad.value) == (Word.FAIL, pytest.approx(3, abs=0.03))


def test_a_camera_that_exposes_at_the_falling_edge_shows_in_its_middles(tmp_path: Path) -> None:
    path = wired(tmp_path, 1, faults="falling_edge: NIR")  # pulses of 1 ms
    words = {name: finding.word for name, finding in found(path, skew.check_midpoints).items()}
    assert words == {"VIS": Word.PASS, "NIR": Word.WARN}


def test_the_time_between_rows_is_told_apart_and_is_no_skew(tmp_path: Path) -> None:
    edits = {"exposure_us: 4000,": "exposure_us: 4000, simulated: {shutter: rolling, row_time_us: 20},"}
    path = wired(tmp_path, 1, edits=edits)
    finding = found(path, exposed.check_exposure_time)["HS"]
    assert finding.word is Word.PASS
    assert "row time 20 us, 1260 us over all rows" in finding.text
    assert found(path, skew.check_skew)["VIS"].word is Word.PASS


def test_a_line_that_is_high_until_the_last_row_ends_moves_no_middle(tmp_path: Path) -> None:
    """The simulated line tells row 0; that of other rolling shutters falls 63 rows of 60 us later."""
    edits = {"exposure_us: 4000,": "exposure_us: 4000, simulated: {shutter: rolling, row_time_us: 60},"}
    path = wired(tmp_path, 1, edits=edits)

    def later(us: int) -> Path:
        def edit(file: h5py.File) -> None:
            edges = file["acquisition/edges"][:]
            edges["box_ticks"][(edges["input"] == 0) & (edges["level"] == 0)] += 2 * us
            file["acquisition/edges"][:] = edges

        (tmp_path / str(us)).mkdir()
        return changed(path, tmp_path / str(us), edit)

    for us, word in ((63 * 60, Word.PASS), (63 * 60 + 600, Word.WARN)):
        assert {f.word for f in found(later(us), skew.check_midpoints).values()} == {word}
        assert found(later(us + 1), exposed.check_exposure_time)["HS"].word is word

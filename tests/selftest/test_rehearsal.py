"""What the sweep measured is kept, found by the next session wherever rig.yaml lies, and used by its verdict."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rig.config.find import find_rig
from rig.config.measured import folder_for_results, measured_on
from rig.config.rig import RigFile, read_rig
from rig.elicitation.protocol import read_protocol
from rig.errors import StorageError
from rig.selftest import delay
from rig.selftest.delay import keep_starts
from rig.selftest.rehearsal import rehearse
from rig.selftest.starts import Start
from rig.verify.findings import Finding, Word
from rig.verify.verdict import Verdict
from tests.rigs import RIG, write_protocol
from tests.selftest.test_starts import rig_with, swept

NOON, LATER = "2026-11-26T12:00:00.000+00:00", "2026-11-26T12:00:01.000+00:00"
FAULT = "undeclared_delay_us: {VIS: 3000}"
UNTOLD = dict.fromkeys(("HS", "VIS", "NIR"), "exposure_us: 2000")


@pytest.fixture(scope="module")
def rig_file(tmp_path_factory: pytest.TempPathFactory) -> RigFile:
    """A rig whose VIS begins 3 ms after its pulses, which nobody tells."""
    folder = tmp_path_factory.mktemp("elsewhere")
    rig_with(folder, UNTOLD, faults=FAULT)
    return read_rig(folder / "rig.yaml")


@pytest.fixture(scope="module")
def starts(rig_file: RigFile) -> list[Start]:
    return list(swept(rig_file.rig).values())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Each test has a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def skew(verdict: Verdict | None) -> dict[str, Finding]:
    assert verdict is not None
    return {finding.stream: finding for finding in verdict.findings if finding.check == "skew"}


def test_the_verdict_of_a_rehearsal_uses_the_starts_that_were_just_measured(
    rig_file: RigFile, starts: list[Start], here: Path
) -> None:
    """Without them nothing tells the skew; with them VIS is 3 ms late, NIR is not, as the simulator was told."""
    protocol = read_protocol(write_protocol(here, ("before", 1, "all")))
    without = rehearse(rig_file, protocol, here, 5, is_ended=lambda: False, virtual=True)
    assert {finding.word for finding in skew(without).values()} == {Word.NOT_MEASURED}
    keep_starts(rig_file, starts, is_simulated=True)
    found = skew(rehearse(rig_file, protocol, here, 5, is_ended=lambda: False, virtual=True))
    assert {name: finding.word for name, finding in found.items()} == {
        "VIS": Word.WARN, "NIR": Word.PASS, "VIS-NIR": Word.WARN,
    }  # fmt: skip
    assert found["VIS"].value == pytest.approx(3.0, abs=0.02)
    assert "by a delay result" in found["VIS"].text
    assert sorted(path.name for path in here.iterdir()) == ["calibration", "still.yaml"]


def test_a_rehearsal_is_judged_by_the_limits_of_the_protocol(
    rig_file: RigFile, starts: list[Start], here: Path
) -> None:
    keep_starts(rig_file, starts, is_simulated=True)
    path = write_protocol(here, ("before", 1, "all"))
    path.write_text(path.read_text().replace("blocks:", "tolerances: {skew_ms: 4}\nblocks:"))
    found = skew(rehearse(rig_file, read_protocol(path), here, 5, is_ended=lambda: False, virtual=True))
    assert (found["VIS"].word, found["VIS"].origin) == (Word.PASS, "protocol")


def test_a_rehearsal_that_is_ended_is_not_judged_and_leaves_nothing(rig_file: RigFile, here: Path) -> None:
    assert rehearse(rig_file, None, here, 5, is_ended=lambda: True, virtual=True) is None
    assert list(here.iterdir()) == []


def test_a_result_says_what_was_measured_on_which_camera(rig_file: RigFile, starts: list[Start], here: Path) -> None:
    path = keep_starts(rig_file, starts, is_simulated=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    result = YAML(typ="safe").load(path.read_text())
    assert {key: result[key] for key in ("schema", "what", "rig", "simulated")} == {
        "schema": 1, "what": "delay", "rig": "small", "simulated": True,
    }  # fmt: skip
    vis = result["cameras"]["VIS"]
    assert (vis["serial"], vis["model"], vis["exposure_us"]) == ("SIM-VIS", "simulated camera", 2000)
    assert vis["start_us"] == pytest.approx(3000, abs=10)
    assert vis["length_us"] == pytest.approx(2000, abs=20)
    assert 0 < vis["start_sd_us"] < 5
    assert vis["frames"] > 80


def test_a_start_that_a_newer_sweep_could_not_measure_is_no_longer_taken_from_an_older_one(
    rig_file: RigFile, starts: list[Start], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delay, "utc_now", lambda: NOON)
    keep_starts(rig_file, starts, is_simulated=True)
    monkeypatch.setattr(delay, "utc_now", lambda: LATER)
    unseen = UNTOLD | {"VIS": "exposure_us: 2000, simulated: {leds: {in_view: false}}"}
    (here / "blind").mkdir()
    blind = swept(rig_with(here / "blind", unseen))["VIS"]
    path = keep_starts(rig_file, [starts[0], blind, starts[2]], is_simulated=True)
    cameras = YAML(typ="safe").load(path.read_text())["cameras"]
    assert {name: camera["start_us"] is None for name, camera in cameras.items()} == {
        "HS": False, "VIS": True, "NIR": False,
    }  # fmt: skip
    found = skew(rehearse(rig_file, None, here, 5, is_ended=lambda: False, virtual=True))
    assert {name: finding.word for name, finding in found.items()} == {
        "VIS": Word.NOT_MEASURED, "NIR": Word.PASS, "VIS-NIR": Word.NOT_MEASURED,
    }  # fmt: skip


def test_a_result_is_never_overwritten(rig_file: RigFile, starts: list[Start], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delay, "utc_now", lambda: NOON)
    path = keep_starts(rig_file, starts, is_simulated=True)
    assert path == Path("calibration/small/2026-11-26T120000Z_delay/result.yaml")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="is there already"):
        keep_starts(rig_file, starts[:1], is_simulated=True)
    assert path.read_bytes() == before


def test_results_of_a_shipped_rig_lie_in_calibration_here_and_hide_it_from_nobody(here: Path) -> None:
    shipped = find_rig("demo")
    assert folder_for_results(shipped, "demo") == Path("calibration/demo")
    dated = here / "calibration" / "demo" / "2026-11-26T120000Z_delay"
    dated.mkdir(parents=True)
    (dated / "result.yaml").write_text("what: delay\n")
    assert find_rig("demo") == shipped
    assert [each.name for each in measured_on(shipped, "demo")] == ["2026-11-26T120000Z_delay/result.yaml"]


def test_results_of_ones_own_rig_lie_beside_its_rig_yaml_whatever_it_calls_itself(here: Path) -> None:
    own = here / "calibration" / "lab-one" / "rig.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(RIG.format(seed=1, faults=""))
    assert folder_for_results(find_rig("lab-one"), "small") == Path("calibration/lab-one")


def test_of_two_results_of_one_name_that_beside_rig_yaml_counts(here: Path) -> None:
    for folder, text in (("calibration/small", "far"), ("elsewhere", "near")):
        (here / folder).mkdir(parents=True)
        (here / folder / "2026-11-26_delay.yaml").write_text(text)
    (here / "calibration/small/2026-11-27_delay.yaml").write_text("newer")
    found = measured_on(here / "elsewhere" / "rig.yaml", "small")
    assert [each.text for each in found] == ["near", "newer"]


def test_starts_are_told_as_plain_data(starts: list[Start]) -> None:
    told = json.loads(json.dumps([start.to_json() for start in starts]))
    assert [start["stream"] for start in told] == ["HS", "VIS", "NIR"]
    assert told[1]["result"]["word"] == "FAIL"

"""`rig check --sync` as one types it: what it prints, what it keeps, how it ends."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rig.check.preflight import Checked
from rig.cli.check_sync import check_sync
from rig.config.rig import read_rig
from rig.selftest import rehearsal
from rig.selftest.results import Result
from rig.selftest.starts import Start
from rig.session.run import Run as RunFile
from rig.verify.findings import Word
from rig.verify.verdict import Verdict, verify_run
from tests import commands
from tests.cli.virtual import Run, run_virtually
from tests.handmade import make_run
from tests.rigs import RIG

__all__ = ["run_virtually"]


@pytest.fixture
def rig(tmp_path: Path) -> str:
    """The name of a rig in calibration, whose VIS exposes at the wrong edge."""
    path = tmp_path / "calibration" / "small" / "rig.yaml"
    path.parent.mkdir(parents=True)
    text = RIG.format(seed=1, faults="falling_edge: VIS")
    path.write_text(re.sub("exposure_us: [48]000", "exposure_us: 2000", text))
    return "small"


def test_a_wrong_edge_is_found_before_a_session_and_what_was_measured_is_kept(
    rig: str, tmp_path: Path, run_virtually: Run
) -> None:
    done = run_virtually("check", "--rig", rig, "--sync", 5, "--no-speed", "--json")
    assert done.exit_code == 1, (done.stdout, done.stderr)
    sync = json.loads(done.stdout)["sync"]
    words = {start["stream"]: start["result"]["word"] for start in sync["starts"]}
    assert words == {"HS": "PASS", "VIS": "FAIL", "NIR": "PASS"}
    kept = tmp_path / sync["result"]
    assert kept.parent.parent == tmp_path / "calibration" / "small"
    assert 'what: "delay"' in kept.read_text()
    skew = [finding for finding in sync["verdict"]["findings"] if finding["check"] == "skew"]
    assert all("by a delay result" in finding["text"] for finding in skew)
    assert list(tmp_path.glob(".rig-check-*")) == []
    assert not (tmp_path / "sessions").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [(["--no-devices"], "cannot look at synchrony without devices"), ([], "is not a folder")],
)
def test_what_stands_in_the_way_is_told_before_anything_is_swept(
    rig: str, tmp_path: Path, options: list[str], problem: str
) -> None:
    shutil.copytree(tmp_path / "calibration" / "small", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "calibration")
    (tmp_path / "calibration").touch()
    path = tmp_path / "elsewhere" / "rig.yaml"
    done = commands.run("check", "--rig", path, "--sync", 5, "--no-speed", *options, cwd=tmp_path)
    assert (done.returncode, problem in done.stderr, "sweeping" in done.stdout) == (2, True, False), done


def test_ctrl_c_in_the_sweep_ends_it_in_order_and_keeps_nothing(rig: str, tmp_path: Path) -> None:
    with commands.started("check", "--rig", rig, "--sync", 600, "--no-speed", cwd=tmp_path) as process:
        line = ""
        while "sweeping" not in line:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line or process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert (process.returncode, err) == (1, "ended before it was done; nothing more is judged\n"), (out, err)
    assert [path.name for path in (tmp_path / "calibration" / "small").iterdir()] == ["rig.yaml"]


@pytest.mark.parametrize("word", Word)
def test_a_rig_is_ready_only_if_every_start_was_measured_and_is_as_told(
    rig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: Word
) -> None:
    """However good the verdict is, which without a measured start rests on declared ones."""
    monkeypatch.chdir(tmp_path)
    with RunFile(make_run(tmp_path)) as run:
        good: Verdict = verify_run(run)
    assert good.is_complete
    measured = Start("HS", "A", "m", 4000.0, 0.0, Result("start of HS", Word.PASS, 1.0, "", ""), 99, 1.0, 1.0, 4000.0)
    other = replace(measured, stream="VIS", start_us=None, result=Result("start of VIS", word, None, "no LED", ""))
    monkeypatch.setattr(rehearsal, "sweep_rig", lambda *_, **__: ([measured, other], True))
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_, **__: good)
    shown = io.StringIO()
    found = Checked([], [], rig=read_rig(Path("calibration") / rig / "rig.yaml"))
    is_good, told = check_sync(found, tmp_path, 5, Console(file=shown, width=200))
    assert is_good is (word is Word.PASS)
    assert ("NOT ready: start of VIS" in shown.getvalue()) is not is_good
    assert [start["result"]["word"] for start in told["starts"]] == ["PASS", word]

"""Verdicts about sessions that were really recorded, in virtual time, against what the simulated world did to them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rig.cameras.camera import AtStop
from rig.record.recording import Recorded
from rig.session.folder import beside
from rig.session.pulses import unstored_pulses
from rig.session.run import Run
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import Fault, read_truth
from rig.sim.sensor import Sensor
from rig.verify.findings import Finding, Word
from rig.verify.report.overview import draw_overview
from rig.verify.verdict import contents, verify_run
from tests.rigs import record, write_protocol, write_rig
from tests.verify.wired_sessions import said

FAULTS = "lost_frames: 6, lost_pulses: 6, ghost_frames: 6, first_pulse: {first}, last_pulse: {last}"
BLOCKS = (("before", 1.5, "all"), ("break", 1.2, "none"), ("after", 1.0, "all"))
STREAMS = ("HS", "VIS", "NIR")


def _recorded(folder: Path, *, seed: int = 1, faults: str = "") -> Recorded:
    return record(folder, write_rig(folder, seed=seed, faults=faults), write_protocol(folder, *BLOCKS))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session without faults, which no test changes."""
    return _recorded(tmp_path_factory.mktemp("clean")).path


def _findings(path: Path) -> dict[tuple[str, str], Finding]:
    with Run(path) as run:
        return {(f.check, f.stream): f for f in verify_run(run).findings}


@pytest.mark.parametrize("seed", range(3))
def test_losses_and_ghosts_in_and_around_a_part_not_stored_are_counted_as_they_were_committed(
    tmp_path: Path, seed: int
) -> None:
    recorded = _recorded(tmp_path, seed=seed, faults=FAULTS.format(first=130, last=320))
    truth, found = read_truth(beside(recorded.path, "truth.jsonl")), _findings(recorded.path)
    with Run(recorded.path) as run:
        parts = {name: set(unstored_pulses(run, run.streams[name]).tolist()) for name in STREAMS}
    for name in STREAMS:
        missing = {t.pulse for t in truth if t.stream == name and t.fault is not Fault.GHOST_FRAME}
        ghosts = [t.pulse for t in truth if t.stream == name and t.fault is Fault.GHOST_FRAME]
        lost, unseen = missing - parts[name], missing & parts[name]
        frames, extras = found["frames", name], found["extras", name]
        assert found["recount", name].word is Word.PASS, found["recount", name].text
        assert (frames.value, frames.word is Word.FAIL) == (len(lost), bool(lost))
        told = f"no frame came for {len(unseen)} pulse" + ("s" if len(unseen) > 1 else "") + ":"
        assert (told in frames.text) is bool(unseen)
        assert (extras.value, sum(last - first + 1 for first, last in extras.ranges)) == (len(ghosts), len(ghosts))


def test_triggers_lost_in_a_part_not_stored_alone_warn_and_leave_the_run_complete(tmp_path: Path) -> None:
    recorded = _recorded(tmp_path, seed=3, faults=FAULTS.format(first=190, last=250))
    with Run(recorded.path) as run:
        verdict = verify_run(run)
    assert verdict.is_complete, [f for f in verdict.findings if f.word is Word.FAIL]
    warned = {f.check for f in verdict.findings if f.word is Word.WARN}
    assert warned == {"frames", "extras"}


def test_a_ghost_edge_2_ms_early_that_swallows_the_true_one_fails_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts, numbers and counter are equal; only the camera's own clock shows it."""
    true_edge: Callable[..., None] = Sensor.edge

    def edge(self: Sensor, host_ns: int, pulse: int, period_ns: int, *, walk: bool) -> None:
        early = 2_000_000 if (self.name, pulse, walk) == ("HS", 100, False) else 0
        true_edge(self, host_ns - early, pulse, period_ns, walk=walk)

    monkeypatch.setattr(Sensor, "edge", edge)
    found = _findings(_recorded(tmp_path).path)
    assert {key for key, finding in found.items() if finding.word is Word.FAIL} == {("stamps", "HS")}
    stamps = found["stamps", "HS"]
    assert (stamps.value, stamps.ranges) == (pytest.approx(2, abs=0.01), ((100, 100),))


def test_every_planned_step_of_a_recorded_session_is_found(clean: Path) -> None:
    found = said(clean, "steps")
    assert (found["steps", ""].word, found["steps", ""].looked_at) == (Word.PASS, "3 steps planned, 3 begun")


def test_a_recorded_session_has_light_for_its_patch_only_where_a_film_was_shown(clean: Path) -> None:
    finding = said(clean, "photodiode")["photodiode", ""]
    assert (finding.word, finding.is_expected) == (Word.NOT_MEASURED, False)


def test_a_copy_of_a_run_has_the_same_contents(clean: Path, tmp_path: Path) -> None:
    copy = tmp_path / clean.name
    copy.write_bytes(clean.read_bytes())
    os.utime(copy, (1, 1))
    with Run(clean) as run, Run(copy) as other:
        assert contents(run) == contents(other)
        assert min(contents(run).values()) > 0


@pytest.mark.parametrize(("became", "word"), [(4500.0, Word.FAIL), (4000.0000001, Word.PASS)])
def test_an_exposure_time_that_changed_during_the_run_fails_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, became: float, word: Word
) -> None:
    stop = SimulatedCamera.stop

    def changed(camera: SimulatedCamera) -> AtStop:
        at_stop = stop(camera)
        features = {**at_stop.features, "ExposureTime": became} if camera.name == "HS" else at_stop.features
        return AtStop(features, at_stop.clock_pairs)

    monkeypatch.setattr(SimulatedCamera, "stop", changed)
    came = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")))
    finding = said(came.path, "features")["features", "HS"]
    assert finding.word is word
    assert ("ExposureTime: 4000.0 became 4500.0" in finding.text) == (word is Word.FAIL)


def test_a_run_without_timestamps_is_drawn_without_intervals(tmp_path: Path) -> None:
    """Libraries warn of an axis without a length, and warnings are errors here."""
    blind, seeing = tmp_path / "blind", tmp_path / "seeing"
    blue = {}
    for folder, cut in ((blind, "height: 64, simulated: {timestamps: false}"), (seeing, "height: 64")):
        folder.mkdir()
        rig = write_rig(folder)
        rig.write_text(rig.read_text().replace("height: 64", cut))
        with Run(record(folder, rig, write_protocol(folder, ("still", 1, "all"))).path) as run:
            png = draw_overview(run, verify_run(run)).png
        pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
        upper = pixels[: len(pixels) * 3 // 5]  # the screen's part, below, has points in either
        blue[folder] = int(((upper[..., 2] > 140) & (upper[..., 0] < 90)).sum())
    assert blue[blind] == 0 < blue[seeing]

"""Sessions with cameras that have neither timestamps nor a counter: what is lost is counted, and nothing is claimed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.record.recording import Recorded
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.runfile import Run
from rig.sim.faults import lost_pulses, read_truth
from rig.streams import NO_PULSE, Evidence
from rig.verify.findings import Finding, Word
from rig.verify.verdict import Verdict, verify_run
from tests.burnt_in import burnt_in_number
from tests.record.schedules import DIVISORS
from tests.rigs import record, write_protocol, write_rig

FAULTS = (
    "",
    "lost_frames: 3, unnumbered_frames: 2, lost_pulses: 2, damaged_frames: 1, first_pulse: 400, last_pulse: 600",
    "lost_frames: 5, lost_pulses: 4, late_frames: 3, stalls: 1, first_pulse: 40, last_pulse: 600",
    "long_exposures: 1, timeouts: 1, overheatings: 1, first_pulse: 40, last_pulse: 600",
    "late_frames: 6, stalls: 1, first_frame_delay_s: 0.3, first_pulse: 40, last_pulse: 600",
    "disconnects: 1, away_s: 0.5, lost_frames: 3, first_pulse: 380, last_pulse: 500",
)


def recorded(folder: Path, seed: int, *, streams: tuple[str, ...] = tuple(DIVISORS)) -> Recorded:
    """A session of 8 s in which `streams` have no clock and no counter."""
    rig = write_rig(folder, seed=seed, faults=FAULTS[seed % len(FAULTS)])
    text = rig.read_text()
    for name in streams:
        clockless = f"serial: SIM-{name}, simulated: {{timestamps: false, counter: none}},"
        text = text.replace(f"serial: SIM-{name},", clockless)
    rig.write_text(text)
    return record(folder, rig, write_protocol(folder, ("still", 8, "all")))


def verdict_of(came: Recorded) -> Verdict:
    with Run(came.path) as run:
        return verify_run(run)


@pytest.mark.parametrize("seed", range(12))
def test_the_count_is_exact_each_gap_contains_its_losses_and_no_number_is_wrong(tmp_path: Path, seed: int) -> None:
    came = recorded(tmp_path, seed)
    truth = read_truth(beside(came.path, "truth.jsonl"))
    found: dict[tuple[str, str], Finding] = {(f.check, f.stream): f for f in verdict_of(came).findings}
    with Run(came.path) as run:
        for name in DIVISORS:
            stream, lost = run.streams[name], lost_pulses(truth, name)
            assert int(stream.gaps["missing"].sum()) == len(lost)
            for gap in stream.gaps:
                inside = [p for p in lost if gap["first_pulse"] <= p <= gap["last_pulse"]]
                assert len(inside) == gap["missing"]
            burnt = np.array([burnt_in_number(stream.data[i]) for i in range(len(stream.frames))])
            known = stream.pulse_numbers != NO_PULSE
            np.testing.assert_array_equal(stream.pulse_numbers[known], burnt[known])
            assert set(stream.frames["evidence"][known].tolist()) <= {int(Evidence.HOST_ARRIVAL)}
            assert found["recount", name].word is Word.PASS, found["recount", name].text
            assert (found["frames", name].word is Word.FAIL) == bool(lost)
            assert not lost or found["frames", name].value == len(lost)


def test_such_a_stream_is_never_called_synchronised_though_nothing_is_lost(tmp_path: Path) -> None:
    came = recorded(tmp_path, 0)
    assert came.outcome is Outcome.FINISHED
    assert [c.lost + c.unknown + c.extras for c in came.counts.values()] == [0, 0, 0]
    verdict = verdict_of(came)
    words = {(f.check, f.stream): f.word for f in verdict.findings}
    assert not verdict.is_complete
    for name in DIVISORS:
        assert words["evidence", name] is Word.FAIL
        assert {words[check, name] for check in ("stamps", "intervals", "preamble", "postamble")} == {Word.NOT_MEASURED}
        assert words["frames", name] is words["order", name] is words["recount", name] is Word.PASS


def test_one_camera_without_a_clock_weakens_no_other(tmp_path: Path) -> None:
    came = recorded(tmp_path, 6, streams=("NIR",))
    words = {(f.check, f.stream): f.word for f in verdict_of(came).findings}
    for name in ("HS", "VIS"):
        assert {words[check, name] for check in ("evidence", "stamps", "intervals", "frames")} == {Word.PASS}
    assert words["evidence", "NIR"] is Word.FAIL


def test_a_gap_row_that_counts_too_few_fails_the_recount(tmp_path: Path) -> None:
    came = recorded(tmp_path, 1)
    came.path.chmod(0o600)
    with h5py.File(came.path, "r+") as run:
        name = next(name for name in DIVISORS if len(run[f"/acquisition/{name}/gaps"]))
        rows = run[f"/acquisition/{name}/gaps"][:]
        wide = np.flatnonzero(rows["last_pulse"] - rows["first_pulse"] >= 2 * DIVISORS[name])[0]
        rows["missing"][wide] += 1
        run[f"/acquisition/{name}/gaps"][:] = rows
    finding = next(f for f in verdict_of(came).findings if (f.check, f.stream) == ("recount", name))
    assert finding.word is Word.FAIL
    assert "lack a frame by count" in finding.text

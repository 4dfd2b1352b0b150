"""Sessions with cameras that have neither timestamps nor a counter: what is lost is counted, and nothing is claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.keeping import Counts
from rig.record.recording import Recorded, Recording, Request, Status
from rig.record.states import RunState
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim.faults import extras, lost_pulses, read_truth
from rig.streams import NO_PULSE, Evidence
from rig.verify.findings import Finding, Word
from rig.verify.verdict import Verdict, verify_run
from tests.burnt_in import burnt_in_number
from tests.record.clockless import make_clockless, run_clockless
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
TWICE = "duplicate_frames: 4, late_frames: 3, first_pulse: 40, last_pulse: 400"
SCHEDULES = (1, 15)  # ghosts, stale and late frames, wrapped numbers; cameras that come back or do not


def recorded(folder: Path, seed: int, *, streams: tuple[str, ...] = tuple(DIVISORS), seconds: float = 8) -> Recorded:
    """A session in which `streams` have no clock and no counter."""
    rig = make_clockless(write_rig(folder, seed=seed, faults=FAULTS[seed % len(FAULTS)]), streams)
    return record(folder, rig, write_protocol(folder, ("still", seconds, "all")))


@pytest.fixture(scope="module")
def of_seed(tmp_path_factory) -> Callable[[int], Recorded]:
    """Such sessions of all cameras, each recorded once, for those who only read."""
    return cache(lambda seed: recorded(tmp_path_factory.mktemp(f"seed-{seed}"), seed))


def verdict_of(came: Recorded) -> Verdict:
    with Run(came.path) as run:
        return verify_run(run)


@pytest.mark.parametrize("seed", SCHEDULES)
def test_all_that_a_seeded_schedule_leaves_to_be_known_is_told_and_true(tmp_path: Path, seed: int) -> None:
    """`python -m bench.clockless` runs all 200."""
    assert [str(stream) for stream in run_clockless(tmp_path, seed) if not stream.is_exact] == []


@pytest.mark.parametrize("seed", range(3))
def test_the_count_is_exact_each_gap_contains_its_losses_and_no_number_is_wrong(
    of_seed: Callable[[int], Recorded], seed: int
) -> None:
    came = of_seed(seed)
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
            for check in ("recount", "checksums"):
                assert found[check, name].word is Word.PASS, found[check, name].text
            assert (found["frames", name].word is Word.FAIL) == bool(lost)
            assert not lost or found["frames", name].value == len(lost)


def test_a_frame_delivered_twice_while_others_wait_keeps_rows_and_pictures_together(tmp_path: Path) -> None:
    rig = make_clockless(write_rig(tmp_path, seed=3, faults=TWICE))
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 5, "all")))
    found = {(f.check, f.stream): f.word for f in verdict_of(came).findings}
    with Run(came.path) as run:
        twice = [e.pulse for e in extras(read_truth(beside(came.path, "truth.jsonl")), "HS")]
        assert twice
        hs = run.streams["HS"]
        burnt = np.array([burnt_in_number(picture) for picture in hs.data])
        assert burnt[1:][np.diff(burnt) == 0].tolist() == twice
        assert np.flatnonzero(np.diff(hs.frames["frame_number"].astype(np.int64)) == 0).tolist() == (
            np.flatnonzero(np.diff(burnt) == 0).tolist()
        )
    assert {found["checksums", name] for name in DIVISORS} == {Word.PASS}


def test_losses_are_alarmed_and_shown_while_they_go_on_and_again_at_the_end(tmp_path: Path) -> None:
    """By count alone, before any gap is known."""
    rig = make_clockless(write_rig(tmp_path, seed=2, faults="lost_frames: 200, first_pulse: 100, last_pulse: 500"))
    files = read_rig(rig), read_protocol(write_protocol(tmp_path, ("still", 8, "all")))
    live: list[tuple[Counts, tuple[str, ...]]] = []

    def show(status: Status) -> None:
        if status.state is RunState.RECORDING and status.counts["HS"].missing:
            live.append((replace(status.counts["HS"]), status.alarms))

    came = Recording(Request(*files, "001", tmp_path / "sessions", scripted=True, virtual=True), show).record()
    lost, (counts, alarms) = came.counts["HS"].lost, live[0]
    assert counts.lost_spelled == f"about {counts.missing}"
    assert any("HS: frames are being lost, or are over a second late: about" in text for text in alarms)
    assert max(counts.missing for counts, _ in live) <= lost
    assert f"HS: pulses without a frame, found when the run had ended: {lost}" in came.alarms
    assert came.counts["HS"].lost_spelled == str(lost)


def test_such_a_stream_is_never_called_synchronised_though_nothing_is_lost(of_seed: Callable[[int], Recorded]) -> None:
    came = of_seed(0)
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


def test_a_gap_row_that_counts_too_few_fails_the_recount(of_seed: Callable[[int], Recorded], tmp_path: Path) -> None:
    was = of_seed(1)
    came = replace(was, path=tmp_path / was.path.name)
    came.path.write_bytes(was.path.read_bytes())
    with h5py.File(came.path, "r+") as run:
        name = next(name for name in DIVISORS if len(run[f"/acquisition/{name}/gaps"]))
        rows = run[f"/acquisition/{name}/gaps"][:]
        wide = np.flatnonzero(rows["last_pulse"] - rows["first_pulse"] >= 2 * DIVISORS[name])[0]
        rows["missing"][wide] += 1
        run[f"/acquisition/{name}/gaps"][:] = rows
    finding = next(f for f in verdict_of(came).findings if (f.check, f.stream) == ("recount", name))
    assert finding.word is Word.FAIL
    assert "lack a frame by count" in finding.text

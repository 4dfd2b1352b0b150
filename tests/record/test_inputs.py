"""The box's inputs in a recorded session: exposures counted apart from pulses, and a flood of edges that is no harm."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.record import plan
from rig.record.recording import Recorded
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig

INPUTS = {"HS": 0, "VIS": 1, "NIR": 2, "photodiode": 5}


def wired(folder: Path, faults: str = "") -> Path:
    path = write_rig(folder, faults=faults)
    inputs = ", ".join(f"{name}: {number}" for name, number in INPUTS.items())
    path.write_text(path.read_text().replace("rate_hz: 100}", f"rate_hz: 100, inputs: {{{inputs}}}}}"))
    return path


def recorded(folder: Path, faults: str = "") -> Recorded:
    return record(folder, wired(folder, faults), write_protocol(folder, ("still", 4, "all")))


def judged(path: Path) -> dict[tuple[str, str], Finding]:
    with Run(path) as run:
        return {(f.check, f.stream): f for f in verify_run(run).findings}


def test_the_box_reports_and_counts_every_exposure_of_a_recorded_session(tmp_path: Path) -> None:
    path = recorded(tmp_path).path
    found = judged(path)
    with Run(path) as run:
        sent = int(run.box_reports["pulses_sent"][-1])
        assert len(run.pulses) == sent
        assert set(run.box_reports["run_id"].tolist()) == {run.run_id, run.run_id ^ 1}  # the line walk, too
    assert found["box report", ""].word is Word.PASS
    for name, divisor in {"HS": 1, "VIS": 4, "NIR": 4}.items():
        assert (found["exposures", name].word, found["exposures", name].value) == (Word.PASS, -(-sent // divisor))


def test_exposures_of_a_session_with_faults_are_those_that_its_rows_say(tmp_path: Path) -> None:
    """Pulses lost on the wire expose nothing, frames lost later do, and so does a ghost."""
    faults = "lost_frames: 6, lost_pulses: 6, ghost_frames: 4, first_pulse: 60, last_pulse: 300"
    found = judged(recorded(tmp_path, faults).path)
    assert {found["exposures", name].word for name in ("HS", "VIS", "NIR")} == {Word.PASS}
    assert any("as the rows of lost and of extra frames say" in f.text for (check, _), f in found.items())


def test_a_trigger_line_that_is_dead_shows_in_the_exposures_too(tmp_path: Path) -> None:
    found = judged(recorded(tmp_path, "dead_line: NIR").path)
    assert found["line walk", "NIR"].word is Word.FAIL
    assert found["frames", "NIR"].word is Word.FAIL


def test_edges_beyond_the_room_reserved_end_no_recording_and_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "EDGE_ROOM", 100)
    monkeypatch.setattr(plan, "EDGE_HEADROOM", 0)
    came = recorded(tmp_path)
    assert came.outcome is Outcome.FINISHED
    assert [a for a in came.alarms if "edges" in a] == [
        "disk: the room reserved for /acquisition/edges is used up; its further rows are lost"
    ]
    with Run(came.path) as run:
        assert len(run.edges) == 100
    found = judged(came.path)
    assert found["rows", ""].word is Word.WARN
    assert "/acquisition/edges: " in found["rows", ""].text
    assert "rows did not fit" in found["rows", ""].text
    assert found["exposures", "HS"].word is Word.PASS  # counted, though not all told
    assert found["frames", "HS"].word is Word.PASS


def test_a_box_that_resets_in_mid_run_fails_by_name(tmp_path: Path) -> None:
    came = recorded(tmp_path, "reset_at_pulse: 200")
    assert came.outcome is Outcome.DEVICE_LOST
    found = judged(came.path)
    assert found["box", ""].word is Word.FAIL
    assert "restarted (boot 2, cause: brown out)" in found["box", ""].text
    assert found["box report", ""].word is Word.NOT_MEASURED


def test_lost_bytes_and_swallowed_starts_cost_events_at_most(tmp_path: Path) -> None:
    """Each byte that is lost spoils one message; pulses and frames are all there, and the counts are in the log."""
    came = recorded(tmp_path, "dropped_bytes: 5, swallowed_starts: 2, first_pulse: 60, last_pulse: 300")
    assert came.outcome is Outcome.FINISHED
    found = judged(came.path)
    with Run(came.path) as run:
        (line,) = [entry for entry in run.log if entry["kind"] == "line"]
    assert line["bad_frames"] + line["unanswered"] >= 2 + 2
    assert {found[check, "HS"].word for check in ("frames", "order", "stamps")} == {Word.PASS}
    assert found["box report", ""].word is Word.WARN
    assert "events lost on the serial line" in found["box report", ""].text


def test_a_box_that_is_hardly_heard_any_more_costs_no_frame_its_number(tmp_path: Path) -> None:
    """Bytes are dropped until long after the stop: nobody hears of the end, and yet no frame is called lost."""
    rig = write_rig(tmp_path, faults="dropped_bytes: 900, first_pulse: 0, last_pulse: 2000")
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 10, "all")))
    assert came.outcome is Outcome.DEVICE_LOST
    assert len([alarm for alarm in came.alarms if "lost so far" in alarm]) == 1
    found = judged(came.path)
    told_bad = {check for (check, stream), finding in found.items() if finding.word is Word.FAIL}
    assert told_bad == {"ending", "acknowledged"}  # the last rows waited until nobody expected the box any more
    with h5py.File(came.path) as run:
        for stream, divisor in (("HS", 1), ("VIS", 4), ("NIR", 4)):
            numbers = run[f"/acquisition/{stream}/frames"]["pulse_number"]
            burnt = np.array([burnt_in_number(picture) for picture in run[f"/acquisition/{stream}/data"]])
            known = numbers >= 0
            np.testing.assert_array_equal(numbers[known], burnt[known])
            assert numbers.max() >= run["/acquisition/pulses"]["pulse_number"].max() // divisor * divisor

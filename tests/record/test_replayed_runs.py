"""Replayed as rigs: a run in several files, a run that resumed another, sessions that lie in an archive."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.errors import SessionError
from rig.record.messages import OperatorSaid
from rig.record.recording import Recorded, Recording, Status
from rig.session.as_rig import look_at_replay
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.verify.findings import Finding
from tests.archives import bring
from tests.record.compared import compared, in_short, rows_of, tables_of, verdict_of
from tests.record.replays import Made, formats, replay, wired
from tests.record.trials import record_with, write_trials
from tests.rigs import record, write_protocol, write_rig
from tests.short_plans import files_of, shorten_plans

FAULTS = (
    "lost_frames: 2, lost_pulses: 2, ghost_frames: 2, duplicate_frames: 2, damaged_frames: 2, last_pulse: 600, "
    "disconnects: 1, away_s: 0.5"
)
PARTS = (("a", 3.5, "all"), ("b", 1, "none"), ("c", 2, "all"))


def assert_same_rows(before: Path, after: Path) -> None:
    with h5py.File(before) as then, h5py.File(after) as now:
        for path in tables_of(then):
            assert rows_of(now, path).tobytes() == rows_of(then, path).tobytes(), path


def assert_same_verdict(expected: dict[str, list[Finding]], after: Path) -> None:
    found = compared(verdict_of(after))
    for check, findings in expected.items():
        assert found[check] == findings, check


# --- a run in several files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outlasting(tmp_path_factory) -> Made:
    """A session with losses, and a part that is not stored, which outlasts its plan twice."""
    folder = tmp_path_factory.mktemp("outlasting")
    rig, protocol = write_rig(folder, seed=5, faults=FAULTS), write_protocol(folder, *PARTS)
    rig.write_text(wired(rig.read_text()))
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        return Made(record(folder, rig, protocol).path, protocol)


@pytest.fixture(scope="module")
def said(outlasting) -> dict[str, list[Finding]]:
    """What verify says of it."""
    return compared(verdict_of(outlasting.path))


def test_a_run_in_several_files_comes_again_file_by_file(outlasting, said, tmp_path, monkeypatch):
    shorten_plans(monkeypatch)
    again = replay(outlasting, tmp_path)
    then, now = files_of(outlasting.path), files_of(again.path)
    assert (len(then), len(now)) == (3, 3)
    for before, after in zip(then, now, strict=True):
        assert_same_rows(before, after)
    assert_same_verdict(said, again.path)


def test_by_a_recorder_with_room_for_it_all_it_becomes_one_file(outlasting, said, tmp_path):
    """The run is meant by each of its files."""
    again = replay(outlasting._replace(path=files_of(outlasting.path)[1]), tmp_path)
    assert files_of(again.path) == [again.path]
    with Run(*files_of(outlasting.path)) as then, Run(again.path) as now:
        np.testing.assert_array_equal(unnumbered(now.pulses), unnumbered(then.pulses))
        for name, stream in then.streams.items():
            for table in ("frames", "gaps", "extras"):
                expected, found = (unnumbered(getattr(each, table)) for each in (stream, now.streams[name]))
                np.testing.assert_array_equal(found, expected, err_msg=f"{name}/{table}")
    found = compared(verdict_of(again.path))
    for check, findings in said.items():  # in words they count files, and what the log says of them
        assert in_short(found[check]) == in_short(findings), check


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_run_of_which_a_file_is_not_there_is_refused(outlasting, number, tmp_path):
    """What was in it would count as lost."""
    folder = Path(shutil.copytree(outlasting.path.parent, tmp_path / "sub-001/ses-01"))
    gone = files_of(folder / outlasting.path.name)[number - 1]
    gone.unlink()
    with pytest.raises(
        SessionError, match=rf"cannot be replayed: a part of its run is in {gone.name}, which is not here"
    ):
        look_at_replay(f"replay:{folder}")


def unnumbered(table: np.ndarray) -> np.ndarray:
    """Each file numbers its own rows, and each run has an id of its own."""
    table = table.copy()
    for name in {"seq", "run_id"} & set(table.dtype.names or ()):
        table[name] = 0
    return table


# --- a run that resumed another -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def resumed(tmp_path_factory) -> tuple[Made, Recorded]:
    """A session that was cut in its second trial and went on with the third: its second run, and that replayed."""
    folder = tmp_path_factory.mktemp("resumed")
    rig, protocol, left = write_rig(folder), write_trials(folder, "fear", "joy", "fear"), folder / "left"
    guessed: set[str] = set()

    def act(recording: Recording, status: Status) -> None:
        if status.step.endswith("-guess") and status.step not in guessed:
            guessed.add(status.step)
            recording.say(OperatorSaid("guess", 0, value="fear", confidence=5))
        if status.step == "trial02-film" and not left.exists():
            shutil.copytree(folder / "sessions", left)
            recording.stop()

    record_with(folder, rig, protocol, act)
    made = Made(record_with(folder, rig, protocol, act, out=left, resume=True).path, protocol)
    return made, replay(made, folder / "again")


def test_a_run_that_resumed_another_is_replayed_from_its_own_first_step(resumed):
    made, again = resumed
    assert (made.path.name, again.path.name) == (
        "sub-001_ses-01_run-02_session.h5",
        "sub-again_ses-01_run-01_session.h5",
    )
    assert (again.outcome, again.alarms) == (Outcome.FINISHED, ())
    assert_same_rows(made.path, again.path)
    assert_same_verdict(compared(verdict_of(made.path)), again.path)


def test_it_owes_what_was_guessed_before_and_goes_on_with_nothing_itself(resumed):
    made, again = resumed
    with Run(made.path) as then, Run(again.path) as now:
        told = ("resumes", "first_step", "caught_before", "withdrawn_before")
        assert [then.attributes("/")[name] for name in told] == [1, 7, 1, False]
        assert [now.attributes("/")[name] for name in told] == [0, 7, 1, False]
        assert now.trials["step"].tolist() == then.trials["step"].tolist() == list(range(7, 13))
        assert [a["answer"] for a in now.answers] == [a["answer"] for a in then.answers]


# --- what happened in a part that was not stored ------------------------------------------------------------------

UNSEEN = {
    "counted, but not numbered": ("unnumbered_frames: 2, first_pulse: 60, last_pulse: 160", "line", 2),
    "exposed, but not numbered": ("unnumbered_frames: 2, first_pulse: 60, last_pulse: 160", "frame", 2),
    "many at once, some twice": ("late_frames: 3, duplicate_frames: 10, first_pulse: 60, last_pulse: 205", "line", 3),
    "a camera lost": ("disconnects: 1, away_s: 0.2, first_pulse: 60, last_pulse: 150", "line", 1),
}


@pytest.mark.parametrize("what", UNSEEN)
def test_what_happened_where_nothing_was_stored_comes_to_the_same_verdict(what: str, tmp_path: Path) -> None:
    faults, counter, seed = UNSEEN[what]
    rig, protocol = (
        write_rig(tmp_path, seed=seed, faults=faults),
        write_protocol(tmp_path, ("a", 2, "none"), ("b", 1, "all")),
    )
    text = rig.read_text()
    rig.write_text(text.replace("serial: SIM-", f"simulated: {{counter: {counter}}}, serial: SIM-"))
    made = Made(record(tmp_path, rig, protocol).path, protocol)
    assert_same_verdict(compared(verdict_of(made.path)), replay(made, tmp_path / "again").path)


# --- where it lies ------------------------------------------------------------------------------------------------


def test_an_archived_session_is_replayed_as_the_one_it_was_copied_from(tmp_path):
    """Its pictures were compressed for it; and nothing is written to the archive, which others may only read."""
    made = formats(tmp_path)
    (tmp_path / "nas").mkdir()
    target = bring(made.path.parent, tmp_path / "nas", compress=True).target
    kept = target / made.path.name
    before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in target.iterdir()}
    again = replay(made._replace(path=kept), tmp_path / "again").path
    assert {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in target.iterdir()} == before
    assert_same_rows(made.path, again)
    assert_same_verdict(compared(verdict_of(made.path)), again)

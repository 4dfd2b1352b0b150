"""What made a recorder store frames, or not, is told once more in the group in which it decided."""

from __future__ import annotations

from collections.abc import Iterator

import h5py
import numpy as np
import pytest

from rig.session.decided import Decided
from rig.session.run import Run
from tests.record.replays import Made, operated

GROUP = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return operated(tmp_path_factory.mktemp("operated"))


@pytest.fixture
def run(made: Made) -> Iterator[Run]:
    with Run(made.path) as opened:
        yield opened


def test_the_end_of_a_step_is_told_early_in_the_group_before_the_one_whose_frames_are_stored_otherwise(
    run: Run, made: Made
) -> None:
    with h5py.File(made.path, locking=False) as file:
        pulses, trials = file["acquisition/pulses"][:], file["intervals/trials"][:]
        rows = file["intervals/not_stored"][:]
    hs = rows[(rows["stream"] == b"HS") & (rows["last_pulse"] >= 0)]
    changes = np.unique([*hs["first_pulse"], *(hs["last_pulse"] + 1)])
    sent = dict(zip(pulses["pulse_number"].tolist(), pulses["arrived_host_ns"].tolist(), strict=True))
    moved = 0
    for ended_ns in {int(ns) for ns in trials["ended_host_ns"] if ns > 0}:
        last = int(pulses["pulse_number"][pulses["arrived_host_ns"] <= ended_ns][-1])
        due = (last // GROUP + 1) * GROUP
        told_ns = Decided(run).told_ns(ended_ns)
        if due not in changes:
            assert told_ns == ended_ns
            continue
        moved += 1
        assert sent[due - GROUP] < told_ns < sent[due - GROUP + 2]
    assert moved >= 4


def test_what_the_operator_said_before_stays_before(run: Run) -> None:
    (pause_ns,) = {e["host_ns"] for e in run.log if e.get("said") == "pause"}
    ended_ns = int(run.trials["ended_host_ns"][run.trials["ended_host_ns"] > pause_ns].min())
    assert pause_ns < Decided(run).told_ns(ended_ns) <= ended_ns


def test_a_word_about_a_step_that_was_taken_a_little_late_still_comes_before_its_end(run: Run) -> None:
    ended_ns = int(run.trials["ended_host_ns"][1])
    late_ns = ended_ns + 5_000_000
    run.__dict__["log"] = [*run.log, {"kind": "operator", "said": "repeat", "step": 1, "host_ns": late_ns}]
    assert Decided(run).told_ns(ended_ns, 1) == late_ns + 1
    assert Decided(run).told_ns(ended_ns, 2) <= ended_ns


def test_a_run_without_pulses_changes_nothing(run: Run) -> None:
    run.__dict__["pulses"] = run.pulses[:0]
    assert Decided(run).told_ns(12_345) == 12_345


def test_however_late_the_recorder_heard_of_it_the_change_belongs_to_the_last_reason(run: Run) -> None:
    """Up to the next step: what changed after that had another reason."""
    decided = Decided(run)
    ended = [ns for ns in run.trials["ended_host_ns"].tolist() if decided.told_ns(ns) != ns]
    step = int(np.flatnonzero(run.trials["ended_host_ns"] == ended[0])[0])
    trials = run.trials.copy()
    trials["ended_host_ns"][step] -= 900_000_000
    run.__dict__["trials"] = trials
    assert Decided(run).told_ns(ended[0] - 900_000_000) == decided.told_ns(ended[0])
    trials["onset_host_ns"][step + 1] = ended[0] - 400_000_000
    assert Decided(run).told_ns(ended[0] - 900_000_000) == ended[0] - 900_000_000

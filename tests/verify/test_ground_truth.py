"""Seeded sessions of every kind of fault, and clean ones: what is wrong is found at its place, and nothing else is.

`python -m bench.ground_truth` runs ten times as many of them; here each kind is there once.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rig.config.judging import CHECK_NAMES, TOLERANCES, Tolerance
from rig.config.rig import Faults
from rig.verify import verdict
from tests import fault_kinds, faulty
from tests.fault_kinds import HARMLESS, KINDS, ORDER, plan_of
from tests.ground_truth import LINES, run_seed

GROUPS = 8
REFUSED = {"rounded_features"}  # a camera that does this is not armed: there is no session


def seed_of(name: str) -> int:
    """The first seed of a kind."""
    return [kind.name for kind in ORDER].index(name)


@pytest.mark.parametrize("group", range(GROUPS))
def test_each_kind_of_fault_is_found_at_its_place_and_nothing_in_clean_sessions(group: int) -> None:
    results = [run_seed(seed) for seed in range(group, len(ORDER), GROUPS)]
    assert [str(result) for result in results if not result.is_right] == []


def test_a_judge_that_leaves_a_check_out_misses_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    left = tuple(check for check in verdict.CHECKS if check.name != "frozen")
    monkeypatch.setattr(verdict, "CHECKS", left)
    result = run_seed(seed_of("frozen frames"))
    assert (result.is_right, len(result.missed)) == (False, result.places)


def test_a_judge_that_cries_wolf_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOLERANCES, "dark_percent", Tolerance(1, 90, "%", ""))
    result = run_seed(seed_of("clean"))
    assert not result.is_right
    assert {alarm.split()[0] for alarm in result.alarms} == {"darkness"}


def test_each_check_belongs_to_one_line_of_evidence() -> None:
    assert sorted(check for checks in LINES.values() for check in checks) == sorted(CHECK_NAMES)


def test_every_fault_of_the_simulated_world_is_committed_by_a_kind_or_is_harmless() -> None:
    used = {key for seed in range(3 * len(ORDER)) for key in plan_of(seed)[1].faults} | {k for h in HARMLESS for k in h}
    assert set(Faults.model_fields) - used == REFUSED
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("module", [faulty, fault_kinds])
def test_what_goes_wrong_is_chosen_without_the_judge(module: object) -> None:
    tree = ast.parse(Path(str(getattr(module, "__file__", ""))).read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names
    assert not {
        name for name in names if name.startswith("rig.verify") or name in ("tests.ground_truth", "tests.alone")
    }

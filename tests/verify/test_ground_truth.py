"""Seeded sessions of every kind of fault, and clean ones: what is wrong is found at its place, and nothing else is.

`python -m bench.ground_truth` runs ten times as many of them, twice as long; here each kind is there once, above its
tolerance, in as short a session as its faults leave room for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from rig.config.judging import CHECK_NAMES, TOLERANCES, Tolerance
from rig.config.rig import Faults
from rig.streams import NO_PULSE
from rig.verify import verdict
from tests import fault_kinds, faulty
from tests.fault_kinds import HARMLESS, KINDS, ORDER, plan_of
from tests.faulty import Plan, usual_plan
from tests.ground_truth import ALONE, LINES, TOLD_BY, run_seed

GROUPS = 8
ROUNDS = 10  # as the benchmark's
HARMLESS_KINDS = {"display latency"}  # its tolerance is more than a simulated screen can have
REFUSED = {"rounded_features"}  # a camera that does this is not armed: there is no session
SHORT_S, SHORT_FILM = 2.0, 25  # of the neutral screen, as the sync LEDs need it; film frames
LONG = {"camera away", "two cameras away"}  # they come back, and are looked at afterwards


def short_plan(seed: int) -> Plan:
    """As the benchmark's, and over sooner where its kind of fault leaves that."""
    plan = usual_plan(seed)
    is_long = ORDER[seed % len(ORDER)].name in LONG
    return plan if is_long else replace(plan, seconds=SHORT_S, film_frames=SHORT_FILM)


@pytest.fixture(autouse=True, scope="module")
def short_sessions() -> Iterator[None]:
    """Also for what asks for their plans."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fault_kinds, "usual_plan", short_plan)
        yield


def seed_of(name: str) -> int:
    """The first seed of a kind at which it must be found; the first one of a kind that never must."""
    first = [kind.name for kind in ORDER].index(name)
    return next((seed for seed in seeds_at(first) if plan_of(seed)[1].is_above), first)


def seeds_at(place: int) -> range:
    """The benchmark's seeds of a place of the order."""
    return range(place, ROUNDS * len(ORDER), len(ORDER))


@cache
def seeds() -> list[int]:
    """One of each kind, and two clean ones, of which the benchmark has 90."""
    clean = [place for place, kind in enumerate(ORDER) if kind.is_clean][:2]
    return [seed_of(kind.name) for kind in ORDER if not kind.is_clean] + clean


@pytest.mark.parametrize("group", range(GROUPS))
def test_each_kind_of_fault_is_found_at_its_place_and_nothing_in_clean_sessions(group: int) -> None:
    results = [run_seed(seed) for seed in seeds()[group::GROUPS]]
    assert [str(result) for result in results if not result.is_right] == []


@pytest.mark.parametrize(
    ("check", "kind"),
    [("frozen", "frozen frames"), ("recount", "recorder's count wrong"), ("box", "box reset")],
)
def test_a_judge_that_leaves_a_check_out_misses_its_faults(
    check: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tuple(each for each in verdict.CHECKS if each.name != check)
    monkeypatch.setattr(verdict, "CHECKS", left)
    result = run_seed(seed_of(kind))
    assert (result.is_right, len(result.missed)) == (False, result.places)


@pytest.mark.parametrize("kind", ["clean", "no trigger at all"])
def test_a_judge_that_cries_wolf_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOLERANCES, "dark_percent", Tolerance(1, 90, "%", ""))
    result = run_seed(seed_of(kind))
    assert (result.is_right, result.missed) == (False, ())
    assert {alarm.split()[0] for alarm in result.alarms} == {"darkness"}


def test_each_check_belongs_to_one_line_of_evidence() -> None:
    assert sorted(check for checks in LINES.values() for check in checks) == sorted(CHECK_NAMES)


def test_what_is_no_matter_of_pulses_counts_only_by_the_checks_that_say_it() -> None:
    assert {check for checks in TOLD_BY.values() for check in checks} <= {*CHECK_NAMES, ALONE}
    plans = [plan_of(seed) for seed in seeds()]
    assert {kind.name for kind, plan in plans if any(place.first == NO_PULSE for place in plan.places)} < set(TOLD_BY)
    assert set(TOLD_BY) < {kind.name for kind in KINDS}


def test_each_kind_is_there_above_its_tolerance_and_with_the_amounts_asked_for_by_name() -> None:
    plans = [plan_of(seed) for place in range(len(ORDER)) for seed in seeds_at(place)]
    assert {kind.name for kind in KINDS} - {k.name for k, plan in plans if plan.is_above} == HARMLESS_KINDS
    amounts = {plan.amount.split(", ")[-1] for _, plan in plans}
    assert amounts >= {"+5000 ppm", "-5000 ppm", "3.00 px", "5.00 % at 49.98 Hz"}
    blurs = {float(plan.amount.split()[-2]) for kind, plan in plans if kind.name == "defocus" and plan.is_above}
    assert len(blurs) > 2


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

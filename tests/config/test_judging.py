"""What rig.yaml and a protocol ask of the verdict: limits up to their ceilings, and checks that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.config.judging import CHECK_NAMES, TOLERANCES, WHY
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.errors import ProblemList, UserError
from rig.verify.verdict import CHECKS

ROOT = Path(__file__).parents[2]
FILES = {
    "rig": (read_rig, (ROOT / "calibration/demo/rig.yaml").read_text().partition("\n")[2]),
    "protocol": (read_protocol, (ROOT / "protocols/demo.yaml").read_text().partition("\n")[2]),
}


def read(kind: str, more: str, folder: Path) -> object:
    reader, text = FILES[kind]
    path = folder / f"{kind}.yaml"
    path.write_text(f"{more}\n{text}")
    return reader(path)


def told(kind: str, more: str, folder: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        read(kind, more, folder)
    problems = caught.value.problems if isinstance(caught.value, ProblemList) else [caught.value]
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


@pytest.mark.parametrize("kind", FILES)
def test_every_limit_may_be_set_from_0_to_its_ceiling_and_no_further(kind: str, tmp_path: Path) -> None:
    for wanted in (0, 1):
        limits = {name: wanted * tolerance.ceiling for name, tolerance in TOLERANCES.items()}
        read(kind, f"tolerances: {limits}".replace("'", ""), tmp_path)
    above = {name: f"{tolerance.ceiling + 0.001:f}" for name, tolerance in TOLERANCES.items()}
    problems = told(kind, f"tolerances: {above}".replace("'", ""), tmp_path)
    assert [problem.split(": ")[1] for problem in problems] == [f"tolerances.{name}" for name in above]
    for problem, (name, tolerance) in zip(problems, TOLERANCES.items(), strict=True):
        allowed = f"{tolerance.unit}, 0 to {tolerance.ceiling:g}, usually {tolerance.usual:g}: {tolerance.text}"
        assert problem.endswith(f"{float(above[name])!r} is not allowed; {allowed}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("tolerances: {skew_ms: 6}", "tolerances.skew_ms: 6 is not allowed; ms, 0 to 5, usually 1: between the starts"),
        ("tolerances: {skew_ms: -1}", "tolerances.skew_ms: -1 is not allowed; ms, 0 to 5"),
        ("tolerances: {skew_ms: '2'}", "tolerances.skew_ms: '2' is not allowed; ms, 0 to 5"),
        ("tolerances: {skew_ms: .inf}", "tolerances.skew_ms: .inf is not allowed; a finite number"),
        ("tolerances: {skew: 2}", "tolerances.skew: is an unknown key; the keys here are skew_ms, stamps_ms"),
        ("tolerances: [skew_ms]", "tolerances: a list is not allowed; the keys here are skew_ms, stamps_ms"),
    ],
)
@pytest.mark.parametrize("kind", FILES)
def test_a_limit_that_is_none_is_told_with_its_line_and_what_is_allowed(
    kind: str, more: str, message: str, tmp_path: Path
) -> None:
    assert told(kind, more, tmp_path)[0].startswith(f"{kind}.yaml:1: {message}")


def test_a_protocol_may_require_any_check_and_only_those_that_there_are(tmp_path: Path) -> None:
    read("protocol", f"requires: [{', '.join(CHECK_NAMES)}]", tmp_path)
    (problem,) = told("protocol", "requires: [frames, fames]", tmp_path)
    assert problem.startswith("protocol.yaml:1: requires.1: 'fames' is not allowed; a check of rig verify: schema, ")
    assert all(f" {name}" in problem for name in CHECK_NAMES)
    assert told("protocol", "requires: []", tmp_path)[0].startswith("protocol.yaml:1: requires: an empty list is not")
    assert told("rig", "requires: [frames]", tmp_path)[0].startswith("rig.yaml:1: requires: is an unknown key")


def test_the_usual_limits_lie_below_their_ceilings() -> None:
    assert all(0 <= tolerance.usual <= tolerance.ceiling for tolerance in TOLERANCES.values())


def test_the_names_that_files_may_use_are_those_of_the_judge_and_each_says_why_it_matters() -> None:
    assert [check.name for check in CHECKS] == list(CHECK_NAMES)
    assert all(check.why == WHY[check.name] and check.why.endswith(".") for check in CHECKS)
    assert len(set(WHY.values())) == len(WHY)

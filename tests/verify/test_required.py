"""What makes a run complete: the checks that its protocol requires, or the usual ones, and limits with their origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.session.run import Run
from rig.verify.findings import Check, Finding, Word
from rig.verify.required import Required, missing, required
from rig.verify.tolerances import Limit, Origin, limit
from rig.verify.verdict import CHECKS
from tests.handmade import Plan, make_run

PASS, FAIL, WARN, NOT_MEASURED = Word.PASS, Word.FAIL, Word.WARN, Word.NOT_MEASURED
TABLE = (
    Check("plain", lambda _: []),
    Check("on request", lambda _: [], is_required=False),
    Check("where possible", lambda _: [], needs="a lamp"),
)


def finding(check: str, word: Word, *, is_expected: bool = False) -> Finding:
    return Finding(check, "", word, None, "", "", "", is_expected=is_expected)


def judged(findings: list[Finding], *asked: str) -> tuple[str, ...]:
    usual = Required(("plain", "where possible"), Origin.DEFAULT)
    return missing(Required(asked, Origin.PROTOCOL) if asked else usual, TABLE, findings)


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        ([PASS], False),
        ([WARN], False),
        ([FAIL], False),
        ([NOT_MEASURED], True),
        ([PASS, NOT_MEASURED], True),
        ([], True),
    ],
)
def test_a_required_check_is_missing_when_anything_of_it_was_not_measured(words: list[Word], *, lacks: bool) -> None:
    assert judged([finding("plain", word) for word in words]) == (("plain",) if lacks else ())


def test_what_a_rig_cannot_have_is_missing_only_where_the_protocol_requires_it_or_the_rig_says_it_has_it() -> None:
    plain = finding("plain", PASS)
    unmeasured, expected = (finding("where possible", NOT_MEASURED, is_expected=each) for each in (False, True))
    assert judged([plain, unmeasured]) == judged([plain]) == ()
    assert judged([plain, expected]) == ("where possible",)
    assert judged([plain, unmeasured], "plain", "where possible") == ("where possible",)
    assert judged([plain], "on request") == ("on request",)
    assert judged([finding("on request", PASS)], "on request") == ()


def test_by_default_all_is_required_but_the_photodiode_and_exposure_active(tmp_path: Path) -> None:
    with Run(make_run(tmp_path, Plan(protocol_text="name: demo\n"))) as run:
        asked = required(run, CHECKS)
    left_out = {check.name for check in CHECKS} - set(asked.names)
    assert (asked.origin, left_out >= {"photodiode", "exposures"}) == (Origin.DEFAULT, True)
    assert {"skew", "box report", "host clock", "late flips", "acknowledged", "features"} <= set(asked.names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("requires: [frames, photodiode]", ("frames", "photodiode")),
        ("requires: [of a later version]", ("of a later version",)),
        ("requires: frames and all", ("frames and all",)),
        ("requires: [", ("what the protocol requires",)),
        ("requires: []", ("what the protocol requires",)),
    ],
)
def test_what_the_protocol_in_the_session_requires_goes_before_the_usual(
    tmp_path: Path, text: str, names: tuple[str, ...]
) -> None:
    """A name that is no check, and a text that cannot be read, is not taken for nothing required."""
    with Run(make_run(tmp_path, Plan(protocol_text=text))) as run:
        asked = required(run, CHECKS)
    assert asked == Required(names, Origin.PROTOCOL)
    assert set(missing(asked, CHECKS, [finding("frames", PASS)])) == set(names) - {"frames"}


SKEW_2, SKEW_3, SKEW_6 = (f"tolerances: {{skew_ms: {most}}}\n" for most in (2, 3, 6))


@pytest.mark.parametrize(
    ("rig_text", "protocol_text", "expected", "spelled"),
    [
        ("", "name: x", Limit("skew_ms", 1, Origin.DEFAULT), "1 ms (default)"),
        (SKEW_2, "name: x", Limit("skew_ms", 2, Origin.RIG), "2 ms (rig)"),
        (SKEW_2, SKEW_3, Limit("skew_ms", 3, Origin.PROTOCOL), "3 ms (protocol)"),
        ("tolerances: {skew_ms: 0}", "name: x", Limit("skew_ms", 0, Origin.RIG), "0 ms (rig)"),
        (
            SKEW_6,
            "name: x",
            Limit("skew_ms", 5, Origin.RIG, is_cut=True),
            "5 ms (rig, which asks for more than the ceiling of 5)",
        ),
        ("tolerances: {skew_ms: -2}", "name: x", Limit("skew_ms", 1, Origin.DEFAULT), "1 ms (default)"),
        ("tolerances: {skew_ms: true}", "tolerances: 7", Limit("skew_ms", 1, Origin.DEFAULT), "1 ms (default)"),
    ],
)
def test_a_limit_says_who_set_it_and_none_is_looser_than_its_ceiling(
    tmp_path: Path, rig_text: str, protocol_text: str, expected: Limit, spelled: str
) -> None:
    with Run(make_run(tmp_path, Plan(rig_text=rig_text, protocol_text=protocol_text))) as run:
        found = limit(run, "skew_ms")
    assert (found, str(found)) == (expected, spelled)

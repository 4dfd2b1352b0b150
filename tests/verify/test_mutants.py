"""A judge that is made a little worse is found out: each mutant changes a word that a run with a known fault gets.

A mutant has a limit that is another, looks at one thing less, says another word, or leaves a check out.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from rig.config.judging import TOLERANCES
from rig.session import heard
from rig.session.run import Run
from rig.verify import findings, required, verdict
from rig.verify.clocks import camera_clocks, host_clock
from rig.verify.counters import anchors, box, counts, extras
from rig.verify.file import integrity, telemetry
from rig.verify.findings import Check, Finding, Word
from rig.verify.screen import film, flips
from rig.verify.verdict import verify_run
from tests.handmade import Plan, make_run

PASS, WARN, FAIL, NOT_MEASURED = Word.PASS, Word.WARN, Word.FAIL, Word.NOT_MEASURED
LOST, GHOST, LATE = {"VIS": {40}}, {"HS": [50]}, {"HS": {60: 0.2}}  # a fifth of 10 ms
SWAPPED = {"HS": 0, "VIS": 2, "NIR": 1}


@dataclass(frozen=True)
class Case:
    """A run with a known fault, and the word that one check has for it."""

    plan: Plan
    check: str
    stream: str
    word: Word


CASES = {
    "lost frame": Case(Plan(lost=LOST), "frames", "VIS", FAIL),
    "lost frame without a row": Case(Plan(silent={"HS": {70}}), "frames", "HS", FAIL),
    "lost frame nobody noted": Case(Plan(silent={"HS": {70}}), "recount", "HS", FAIL),
    "message of a pulse lost": Case(Plan(pulses_lost_on_wire={90}), "pulses", "", WARN),
    "ghost": Case(Plan(ghosts=GHOST), "extras", "HS", WARN),
    "pulse claimed twice": Case(Plan(claimed={"HS": {80: 79}}), "order", "HS", FAIL),
    "frame on a pulse not its own": Case(Plan(claimed={"VIS": {80: 81}}), "pairing", "VIS", FAIL),
    "frame 2 ms late": Case(Plan(jitter_ticks=LATE), "stamps", "HS", FAIL),
    "interval 2 ms long": Case(Plan(jitter_ticks=LATE), "intervals", "HS", WARN),
    "clock half a per cent off": Case(Plan(camera_ppm=5900), "stamps", "HS", PASS),
    "clock 0.7 % off": Case(Plan(camera_ppm=7000), "stamps", "HS", FAIL),
    "cables swapped": Case(Plan(walk_lines=SWAPPED), "line walk", "VIS", FAIL),
    "first frame lost": Case(Plan(silent={"HS": {0}}, claimed={"HS": {1: 0}}), "preamble", "HS", FAIL),
    "box restarted": Case(Plan(box_resets_at=150), "box", "", FAIL),
    "pulses came late": Case(Plan(report={"edges_late": 3}), "box report", "", FAIL),
    "trigger swallowed": Case(Plan(wired={"HS": 1}, rises={"HS": -1}), "exposures", "HS", FAIL),
    "numbers by arrival": Case(Plan(evidence=1), "evidence", "HS", FAIL),
    "skew known of no camera": Case(Plan(undeclared={"HS", "VIS", "NIR"}), "skew", "VIS", NOT_MEASURED),
    "host clock slewed": Case(Plan(raw_ppm=600), "host clock", "", WARN),
    "disk slow": Case(Plan(sync_delay_s=1.5), "acknowledged", "", WARN),
    "disk too slow": Case(Plan(sync_delay_s=2.5), "acknowledged", "", FAIL),
    "film frame never shown": Case(Plan(film_holes={7}), "film frames", "clip1", FAIL),
    "light that did not follow": Case(Plan(edges_missing=2), "photodiode", "", FAIL),
    "sound off": Case(Plan(sound_late_ms=(-41.0,)), "sound", "clip1", FAIL),
    "sound not begun": Case(Plan(sound_late_ms=(None,)), "sound", "clip1", FAIL),
    "refreshes late": Case(Plan(late_flips=4), "late flips", "", WARN),
    "step left out": Case(Plan(steps_missing={1}), "steps", "", FAIL),
    "picture changed": Case(Plan(damaged={"NIR": {44}}), "checksums", "NIR", FAIL),
    "stopped": Case(Plan(outcome="stopped"), "ending", "", WARN),
}
Patch = Callable[[pytest.MonkeyPatch], None]


def constant(module: ModuleType, name: str, value: Any) -> Patch:
    return lambda patch: patch.setattr(module, name, value)


def tolerance(name: str, **changed: Any) -> Patch:
    return lambda patch: patch.setitem(TOLERANCES, name, replace(TOLERANCES[name], **changed))


def skipped(name: str) -> Patch:
    left = tuple(check for check in verdict.CHECKS if check.name != name)
    return lambda patch: patch.setattr(verdict, "CHECKS", left)


def text(function: Any, old: str, new: str) -> Patch:
    """The function as it would be with `new` in place of `old`, wherever it is called from."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, (function.__qualname__, old)
    module = compile("from __future__ import annotations\n" + source.replace(old, new), "mutant", "exec")
    (code,) = [each for each in module.co_consts if isinstance(each, CodeType) and each.co_name == function.__name__]
    assert isinstance(function, FunctionType)
    return lambda patch: patch.setattr(function, "__code__", code)


MUTANTS: list[tuple[str, Patch]] = [
    ("lost frame", text(counts._frames, "lost = due_pulses(run, stream), lost_pulses(run, stream)",
                        "lost = due_pulses(run, stream), lost_pulses(run, stream)[1:]")),
    ("lost frame without a row", text(findings.lost_pulses, "without(due_pulses(run, stream), stream.pulse_numbers)",
                                      "__import__('rig.session.pulses').session.pulses.told_lost(run, stream)")),
    ("lost frame", skipped("frames")),
    ("lost frame nobody noted", text(counts._recount, "Word.FAIL", "Word.PASS")),
    ("message of a pulse lost", text(counts.check_pulses, "Word.WARN", "Word.PASS")),
    ("ghost", text(extras._extras, "Word.WARN", "Word.PASS")),
    ("pulse claimed twice", text(counts._disorder, "np.diff(claimed) <= 0", "np.diff(claimed) < 0")),
    ("frame on a pulse not its own", text(counts._pairing, "len(off) or len(lost)", "len(lost)")),
    ("frame 2 ms late", tolerance("stamps_ms", usual=3)),
    ("interval 2 ms long", tolerance("intervals_ms", usual=3)),
    ("clock half a per cent off", tolerance("camera_ppm", usual=5000)),
    ("clock 0.7 % off", tolerance("camera_ppm", usual=8000, ceiling=8000)),
    ("cables swapped", text(anchors._walk, "if got == wanted:", "if got:")),
    ("first frame lost", text(anchors._end_of_run, "if real != claim:", "if real < claim:")),
    ("box restarted", text(counts.check_box, "if len(back) or boots:", "if len(back):")),
    ("pulses came late", text(box.check_box_report, "if late else []", "if late > 9 else []")),
    ("trigger swallowed", text(box._exposures, "fewest <= seen <= most", "seen <= most")),
    ("numbers by arrival", text(camera_clocks._evidence, "< Evidence.TIMESTAMPS", "< Evidence.NONE")),
    ("skew known of no camera", skipped("skew")),
    ("host clock slewed", constant(host_clock, "MAX_SLEW_PPM", 1000)),
    ("disk slow", constant(telemetry, "SLOW_MS", 2000)),
    ("disk too slow", constant(telemetry, "TOO_SLOW_MS", 3000)),
    ("film frame never shown", text(film._film_frames, "if len(never) == 0 and not backward:", "if not backward:")),
    ("light that did not follow", tolerance("light_unseen_percent", usual=50)),
    ("sound off", tolerance("sound_ms", usual=42)),
    ("sound not begun", text(heard.heard_in, '("note", "alarm")', '("alarm",)')),
    ("refreshes late", tolerance("late_flips_percent", usual=5)),
    ("step left out", text(flips.check_steps, "s.index not in begun and", "s.index in () and")),
    ("picture changed", text(integrity._checksums, "~looks(run, stream).is_good", "~looks(run, stream).is_good[:3]")),
    ("picture changed", skipped("checksums")),
    ("stopped", constant(integrity, "_ENDS", dict.fromkeys(integrity._ENDS, PASS))),
]  # fmt: skip


@pytest.fixture(scope="module")
def path_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run of a case, made when it is first asked for."""
    return cache(lambda name: make_run(tmp_path_factory.mktemp("run"), CASES[name].plan))


def said(path: Path, case: Case) -> list[Word]:
    """What the judge, as it is now, says of the case's check and stream."""
    with Run(path) as run:
        own = [check for check in verdict.CHECKS if check.name == case.check]
        return [f.word for check in own for f in check.function(run) if f.stream == case.stream]


@pytest.mark.parametrize("name", CASES)
def test_a_known_fault_has_its_word(path_of: Callable[[str], Path], name: str) -> None:
    assert said(path_of(name), CASES[name]) == [CASES[name].word]


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=lambda number: f"{number}-{MUTANTS[number][0]}")
def test_a_mutant_of_the_judge_is_found_out(
    path_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    name, mutate = MUTANTS[number]
    mutate(monkeypatch)
    assert said(path_of(name), CASES[name]) != [CASES[name].word]


RULES: dict[str, Patch] = {
    "one unmeasured finding is enough": text(required._is_missing, "or bool(unmeasured)", "or unmeasured == findings"),
    "no finding is none unmeasured": text(required._is_missing, "not findings or bool", "bool"),
    "what nobody knows is not asked": text(required.missing, "if _is_missing", "if own[name] and _is_missing"),
    "nothing is required": text(required.required, "for name in names", "for name in names[:0]"),
    "only failures count": text(vars(verdict.Verdict)["is_complete"].fget, "not self.missing and all", "all"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_completeness_that_is_another_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    found = [Finding("order", each, word, None, "", "", "") for each, word in (("HS", PASS), ("VIS", NOT_MEASURED))]
    monkeypatch.setattr(verdict, "CHECKS", (Check("order", lambda _: found), Check("files", lambda _: [])))
    lacks = ("order", "files", "of a later version")
    with Run(make_run(tmp_path, Plan(protocol_text=f"requires: [{', '.join(lacks)}]"))) as run:
        assert judged(run) == (False, lacks)
        RULES[rule](monkeypatch)
        assert judged(run) != (False, lacks)


def judged(run: Run) -> tuple[bool, tuple[str, ...]]:
    found = verify_run(run)
    return found.is_complete, found.missing

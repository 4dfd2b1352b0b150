"""What the scripted participant does: the same for the same seed, an answer for every item, in a person's time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from rig.clock import NS
from rig.config.rig import Screen as Config
from rig.elicitation.steps import Choice, Item, Step
from rig.sim.script import WORDS, Script, script
from rig.stimulus.pages.boxes import Box
from rig.stimulus.pages.form import Form
from rig.stimulus.pages.page import Page, look_of

QUESTION = Step(3, "question", "felt", "What?", {"1": "happy", "2": "sad"}, None, 8.0, None, ("HS",), "")
CHOICES = (Choice("1", "happy", "Happy"), Choice("2", "sad", "Sad"), Choice("n", "none", "None"))
ITEMS = (
    Item("r-felt", "choice", "What did you feel?", CHOICES, may_skip=True),
    Item("r-strength", "scale", "How strong?", points=7),
    Item("r-valence", "sam", "How pleasant?", points=9, dimension="valence"),
    Item("r-words", "text", "In your own words?", most_letters=9, may_skip=True),
)
CONFIG = Config(backend="simulated", width=1280, height=720, refresh_hz=60)
PAGES = [replace(QUESTION, name="page", keys={}, items=ITEMS)] + [
    replace(QUESTION, index=i, name=item.name, keys={}, items=(item,)) for i, item in enumerate(ITEMS)
]


def _boxes(step: Step) -> tuple[Box, ...]:
    return Page(step, (CONFIG.width, CONFIG.height), look_of(CONFIG)).boxes


def _answered(step: Step, boxes: tuple[Box, ...], planned: Script) -> list[tuple[str, str, bool]]:
    """What a form says that was given, when the deeds are done to it."""
    form, told = Form(step, 0, boxes), []
    for deed in planned.deeds:
        host_ns = round(deed.after_s * NS)
        if deed.pointer:
            told += form.mouse(*deed.pointer, host_ns)
        else:
            told += form.key(deed.key, host_ns)
            form.typed(deed.text, host_ns)
    assert form.is_complete
    return [(answer.question, answer.answer, answer.is_skipped) for answer in told]


def test_question_is_answered_by_one_of_its_keys_in_about_a_second() -> None:
    scripts = [script(replace(QUESTION, index=i), seed=1) for i in range(100)]
    keys = [(planned.deeds[0].key, planned.answers[0].answer) for planned in scripts]
    assert set(keys) == {("1", "happy"), ("2", "sad")}
    assert len(keys) == 100
    assert all(0.8 <= planned.deeds[0].after_s <= 1.5 for planned in scripts)


def test_instruction_is_left_by_its_key_after_about_two_seconds() -> None:
    (deed,) = script(replace(QUESTION, kind="instruction", keys={"space": "space"}), seed=1).deeds
    assert deed.key == "space"
    assert deed.after_s == pytest.approx(2, abs=0.3)


def test_step_without_keys_is_left_alone() -> None:
    assert script(replace(QUESTION, kind="baseline", keys={}), seed=1) == Script()


def test_script_depends_on_seed_and_step_alone() -> None:
    page, boxes = PAGES[0], _boxes(PAGES[0])
    assert script(page, 5, boxes) == script(replace(page), 5, boxes)
    assert len({script(QUESTION, seed) for seed in range(20)}) == 20
    assert len({script(page, seed, boxes) for seed in range(20)}) == 20


def test_consent_is_never_refused_by_script() -> None:
    consent = replace(QUESTION, kind="consent", keys={"y": "yes", "n": "no"}, ends_run=("no",))
    assert {script(consent, seed).answers[0].answer for seed in range(30)} == {"yes"}


@pytest.mark.parametrize("has_mouse", [True, False])
@pytest.mark.parametrize("step", PAGES, ids=lambda step: step.name)
def test_every_item_gets_the_answer_that_the_script_says(step: Step, has_mouse: bool) -> None:
    boxes = _boxes(step)
    kinds, given = set(), set()
    for seed in range(60):
        planned = script(step, seed, boxes if has_mouse else ())
        said = [(answer.question, answer.answer, answer.is_skipped) for answer in planned.answers]
        assert _answered(step, boxes, planned) == said
        assert [name for name, _, _ in said] == [item.name for item in step.items]
        kinds |= {"pointer" if deed.pointer else "key" for deed in planned.deeds}
        given |= set(said)
    assert kinds == ({"pointer", "key"} if has_mouse else {"key"})
    for item in step.items:
        _all_answers_occur(item, {(answer, skipped) for name, answer, skipped in given if name == item.name})


def _all_answers_occur(item: Item, given: set[tuple[str, bool]]) -> None:
    assert (("", True) in given) == item.may_skip
    if item.kind == "text":
        assert ("", False) in given  # an empty text is an answer, and no skipped one
        assert all(answer.startswith(WORDS) for answer, _ in given if answer)
        assert max(len(answer) for answer, _ in given) == 9
    values = {answer for answer, is_skipped in given if not is_skipped}
    if item.kind == "choice":
        assert values == {"happy", "sad", "none"}
    if item.points:
        assert values == {str(point) for point in range(1, item.points + 1)}


def test_deeds_come_one_after_another() -> None:
    """So that a key of one item never comes with the letter of the next."""
    for seed in range(50):
        times = [deed.after_s for deed in script(PAGES[0], seed, _boxes(PAGES[0])).deeds]
        assert all(after - before >= 0.029 for before, after in pairwise(times))


def test_who_withdraws_holds_the_key_and_does_nothing_else() -> None:
    planned = script(PAGES[0], 1, withdraws_by="escape")
    (deed,) = planned.deeds
    assert (deed.key, planned.answers) == ("escape", ())
    assert deed.hold_s > 1

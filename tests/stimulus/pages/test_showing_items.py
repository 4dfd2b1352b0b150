"""A step with items, flip by flip: answered as they are given, over when the last one is."""

from __future__ import annotations

import pytest

from rig.elicitation.steps import Step
from rig.stimulus.pages.boxes import named
from rig.stimulus.pages.page import Page
from rig.stimulus.showing import FlipLog, Showing
from rig.streams import Answer
from tests.stimulus.pages.asked import SIZES, choice, look, step, words

PERIOD_NS = 10_000_000
BEGAN = 1_000_000_000


def _shown(asked: Step) -> Showing:
    """The step, after its first flip."""
    page = Page(asked, SIZES[0], look(SIZES[0])) if asked.items else None
    showing = Showing(asked, None, PERIOD_NS, page.boxes if page else ())
    log = FlipLog(PERIOD_NS, has_patch=False)
    showing.flipped(log.of_step(showing, -1, BEGAN, BEGAN, 0.0, underrun=False))
    return showing


def test_step_ends_as_answered_with_its_last_item() -> None:
    showing = _shown(step(choice(), words()))
    assert showing.pressed("2", BEGAN + 5) == [Answer(7, "felt", "sadness", BEGAN, BEGAN + 5, BEGAN + 5)]
    assert not showing.is_over(BEGAN + PERIOD_NS)
    showing.typed("so so", BEGAN + 10)
    answer = Answer(7, "words", "so so", BEGAN + 5, BEGAN + 10, BEGAN + 20)
    assert showing.pressed("return", BEGAN + 20) == [answer]
    assert (showing.is_over(BEGAN + PERIOD_NS), showing.ended_by) == (True, "answered")
    assert showing.pressed("2", BEGAN + 30) == []


def test_click_answers_it_too() -> None:
    asked = step(choice())
    showing = _shown(asked)
    box = next(named(Page(asked, SIZES[0], look(SIZES[0])).boxes, "choice", "felt", "anger"))
    assert showing.pointed(box.left + 3, box.top + 3, True, BEGAN + 5) == [
        Answer(7, "felt", "anger", BEGAN, BEGAN + 5, BEGAN + 5)
    ]
    assert showing.ended_by == "answered"


def test_what_is_done_before_its_first_flip_or_after_its_end_answers_nothing() -> None:
    asked = step(choice())
    early = Showing(asked, None, PERIOD_NS)
    assert (early.pressed("1", 5), early.pointed(600, 300, True, 6), early.form) == ([], [], None)
    late = _shown(asked)
    late.abort()
    assert (late.pressed("1", BEGAN + 5), late.ended_by) == ([], "abort")


@pytest.mark.parametrize(
    ("kind", "keys", "is_answer"),
    [
        ("instruction", {"space": "space"}, False),
        ("question", {"1": "happy", "2": "sad"}, True),
        ("consent", {"y": "yes", "n": "no"}, True),
        ("debrief", {"k": "keep", "d": "delete"}, True),
        ("debrief", {"space": "space"}, False),
        ("break", {"space": "space", "return": "return"}, False),
    ],
)
def test_key_that_ends_a_step_is_an_answer_where_something_is_asked(
    kind: str, keys: dict[str, str], *, is_answer: bool
) -> None:
    asked = Step.from_json({**step().to_json(), "kind": kind, "keys": keys})
    showing = _shown(asked)
    key, value = next(iter(keys.items()))
    expected = [Answer(7, "asked", value, BEGAN, BEGAN + 5, BEGAN + 5)] if is_answer else []
    assert (showing.pressed(key, BEGAN + 5), showing.ended_by) == (expected, "key")

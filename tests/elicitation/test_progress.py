"""How far a questionnaire has come: what its pages say, and how long a penalty is."""

from __future__ import annotations

import pytest

from rig.config.find import find_protocol
from rig.elicitation.course import Course
from rig.elicitation.protocol import read_protocol
from rig.elicitation.steps import Step
from rig.elicitation.unroll import unroll


def _steps(name: str) -> list[Step]:
    protocol = read_protocol(find_protocol(name)).protocol
    return unroll(protocol, ("HS",), dict.fromkeys(protocol.clips, 5.0))


def test_pages_of_a_questionnaire_count_on() -> None:
    pages = [step for step in _steps("samm") if step.asked_in_all]
    assert {step.asked_in_all for step in pages} == {sum(len(step.items) for step in pages)}
    assert [step.asked_before for step in pages] == [0, len(pages[0].items)]


@pytest.mark.parametrize("caught", [1, 3])
def test_penalty_is_as_long_as_the_guesses_made_it(caught: int) -> None:
    course, shown = Course(_steps("smic"), caught=caught), []
    while step := course.next():
        shown += [step] if step.kind == "penalty" else []
    asked = sum(len(step.items) for step in shown)
    assert asked > 0
    assert {step.asked_in_all for step in shown} == {asked}
    assert shown[-1].asked_before + len(shown[-1].items) == asked

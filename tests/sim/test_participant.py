"""The scripted participant's choices: the same for the same seed, one of the keys, in a person's time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.elicitation.steps import Step
from rig.errors import DeviceNotReady
from rig.sim.participant import ScriptedParticipant, script

QUESTION = Step(3, "question", "felt", "What?", {"1": "happy", "2": "sad"}, None, 8.0, None, ("HS",), "")


def test_question_is_answered_by_one_of_its_keys_in_about_a_second() -> None:
    choices = [script(replace(QUESTION, index=i), seed=1) for i in range(100)]
    assert {key for key, _ in filter(None, choices)} == {"1", "2"}
    assert all(0.8 <= after_s <= 1.5 for _, after_s in filter(None, choices))
    assert None not in choices


def test_instruction_is_left_by_its_key_after_about_two_seconds() -> None:
    choice = script(replace(QUESTION, kind="instruction", keys={"space": "space"}), seed=1)
    assert choice is not None
    assert choice[0] == "space"
    assert choice[1] == pytest.approx(2, abs=0.3)


def test_step_without_keys_is_left_alone() -> None:
    assert script(replace(QUESTION, kind="baseline", keys={}), seed=1) is None


def test_choice_depends_on_seed_and_step_alone() -> None:
    assert script(QUESTION, 5) == script(replace(QUESTION), 5)
    assert len({script(QUESTION, seed) for seed in range(20)}) == 20


def test_display_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotReady, match="display :987"):
        ScriptedParticipant(":987", 1, tmp_path)

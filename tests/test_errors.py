"""What an error says is what a user reads."""

from __future__ import annotations

import pickle

from rig.errors import ClipError, ConfigError, ProblemList


def test_a_list_of_problems_has_one_on_each_line_and_no_blank_at_an_end() -> None:
    problems = ProblemList([ConfigError("rig.yaml:3: box", "is missing"), ClipError("film.mp4", "does not exist")])
    assert str(problems) == "2 problems:\n  rig.yaml:3: box: is missing\n  film.mp4: does not exist"


def test_a_list_of_problems_crosses_from_one_process_to_another() -> None:
    problems = ProblemList([ConfigError("a", "is wrong", value="5"), ConfigError("b", "is wrong", hint="Mend it")])
    again = pickle.loads(pickle.dumps(problems))
    assert str(again) == str(problems)
    assert [(p.value, p.hint) for p in again.problems] == [("5", ""), ("", "Mend it")]

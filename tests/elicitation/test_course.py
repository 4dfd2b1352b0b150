"""The way through the steps: each in its turn, trials once more or left out, what is due to whom, and what is paid."""

from __future__ import annotations

import pytest

from rig.elicitation.course import Course, Pay
from rig.elicitation.steps import Choice, Item, Step


def step(index: int, kind: str = "instruction", **more) -> Step:
    given = {"name": f"s{index}", "text": "", "keys": {}, "seconds": None, "clip": None, "store": ("HS",), "reason": ""}
    return Step(index=index, kind=kind, max_seconds=10, **{**given, **more})


def trials(*targets: str) -> list[Step]:
    """Of each trial a clip, a question and a guess; before them an instruction, behind them a penalty and a debrief."""
    steps = [step(0)]
    for trial, target in enumerate(targets, 1):
        for kind in ("clip", "question", "guess"):
            steps.append(step(len(steps), kind, trial=trial, target=target))
    steps.append(step(len(steps), "penalty", least_caught=2, text="caught {caught} times, {pay} left"))
    steps.append(step(len(steps), "question", only_withdrawn=True))
    return [*steps, step(len(steps), "debrief")]


def rest(course: Course) -> list[int]:
    shown = []
    while (present := course.next()) is not None:
        shown.append(present.index)
    return shown


def go(course: Course, index: int) -> None:
    """On until that step is on the screen."""
    while course.index < index:
        assert course.next() is not None


def test_each_step_comes_once_in_order_without_those_for_who_withdraws_and_penalties_that_are_not_due():
    course = Course(trials("a", "b"))
    assert course.step is None
    assert rest(course) == [0, 1, 2, 3, 4, 5, 6, 9]
    assert (course.step, course.next(), course.trials) == (None, None, 2)


def test_a_trial_comes_once_more_from_its_first_step_and_the_guess_in_it_counts_no_more():
    course = Course(trials("a", "b"))
    go(course, 5)
    assert course.guessed("b") is True
    assert course.caught == 1
    course.repeat_trial()
    assert (course.caught, rest(course)) == (0, [4, 5, 6, 9])


def test_outside_of_trials_the_step_comes_once_more():
    course = Course(trials("a"))
    go(course, 0)
    course.repeat_trial()
    assert rest(course)[:2] == [0, 1]


def test_what_is_left_of_a_trial_is_left_out():
    course = Course(trials("a", "b"))
    go(course, 1)
    course.skip_trial()
    assert rest(course) == [4, 5, 6, 9]


def test_a_guess_that_was_given_early_is_not_asked_for():
    course = Course(trials("a", "b"))
    go(course, 2)
    assert course.guessed("x") is False
    assert (course.guess, rest(course)) == ("x", [4, 5, 6, 9])


def test_of_several_guesses_in_a_trial_the_last_one_counts():
    course = Course(trials("a"))
    go(course, 1)
    assert [course.guessed(value) for value in ("a", "x", "a")] == [True, False, True]
    assert course.caught == 1
    course.guessed("x")
    assert course.caught == 0


def test_outside_of_trials_there_is_nothing_to_guess_and_without_a_target_nothing_is_right():
    course = Course(trials(""))
    go(course, 0)
    assert (course.guessed("a"), course.guess) == (None, "")
    go(course, 1)
    assert (course.guessed(""), course.caught, course.guess) == (None, 0, "")
    assert (course.guessed("a"), course.caught, course.guess) == (None, 0, "a")
    assert 3 not in rest(course)


@pytest.mark.parametrize(("guesses", "is_due"), [(["a", "b"], True), (["a", "x"], False), (["x", "x"], False)])
def test_a_penalty_is_due_from_its_number_of_right_guesses_on(guesses, is_due):
    course = Course(trials("a", "b"))
    for index, guess in zip((1, 4), guesses, strict=True):
        go(course, index)
        course.guessed(guess)
    assert (7 in rest(course)) is is_due


@pytest.mark.parametrize(("caught", "left"), [(0, "20 EUR"), (2, "17 EUR"), (15, "0 EUR")])
def test_what_was_caught_and_what_is_left_of_the_pay_is_written_into_the_texts(caught, left):
    items = (
        Item("q-1", "choice", "{caught} times", choices=(Choice("1", "fair {pay}", "{pay} is fair"),)),
        Item("q-2", "scale", "How fair?", points=5, low="{caught} is few", high="{pay} is much"),
    )
    steps = [step(0, text="{caught}: {pay}", items=items)]
    shown = Course(steps, caught=caught, pay=Pay(20, -1.5, "EUR")).next()
    chosen, scale = shown.items
    assert (shown.text, chosen.text) == (f"{caught}: {left}", f"{caught} times")
    assert chosen.choices == (Choice("1", "fair {pay}", f"{left} is fair"),)  # what is stored is the same for all
    assert (scale.low, scale.high) == (f"{caught} is few", f"{left} is much")


def test_who_withdraws_reads_the_debrief_and_is_asked_what_is_asked_of_them():
    course = Course(trials("a", "b"))
    go(course, 2)
    course.withdraw()
    assert rest(course) == [8, 9]


def test_who_has_withdrawn_is_not_asked_for_consent_once_more():
    asked = [step(1, "debrief"), step(2, "debrief", ends_run=("no",)), step(3, "debrief")]
    steps = [step(0), *asked, step(4, "debrief", only_withdrawn=True)]
    course = Course(steps)
    go(course, 0)
    course.withdraw()
    assert rest(course) == [1, 3, 4]
    assert rest(Course(steps)) == [0, 1, 2, 3]


def test_without_consent_nothing_comes():
    course = Course(trials("a"))
    go(course, 0)
    course.decline()
    assert rest(course) == []


def test_a_later_run_begins_with_the_step_it_is_told_and_knows_what_was_caught_before():
    course = Course(trials("a", "b"), first=4, caught=1)
    assert (course.step, course.guessed("a")) == (None, None)  # nothing of this run was shown yet
    go(course, 4)
    course.guessed("b")
    assert (course.caught, rest(course)) == (2, [5, 7, 9])

"""The operator starts, pauses, repeats, skips, stops, notes and guesses; everything is in the log."""

from __future__ import annotations

import pytest

from rig.record.messages import StopBox
from rig.record.plan import Lead
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import ScreenNote, StepEnded
from tests.record.led import Led, step
from tests.record.test_run import S

ALL = {"HS", "VIS", "NIR"}


@pytest.fixture
def led(tmp_path) -> Led:
    return Led(tmp_path)


def test_all_that_is_said_is_logged_with_the_step_and_the_trial(led):
    led.go(2)
    for kind in ("start", "pause", "go_on", "note", "repeat", "skip"):
        led.said(kind, text="x" if kind == "note" else "")
    said = led.records("operator")
    assert [entry["said"] for entry in said] == ["start", "pause", "go_on", "note", "repeat", "skip"]
    assert {(entry["step"], entry["trial"]) for entry in said} == {(2, 1)}
    assert said[3]["text"] == "x"


def test_before_the_start_nothing_is_shown_and_nothing_stored_while_the_cameras_run(tmp_path):
    led = Led(tmp_path, lead=Lead(is_waiting=True))
    led.wait(5)
    assert (led.shown, led.run.state) == ([], RunState.RECORDING)
    assert (led.stored(), led.reasons()) == (set(), {"waiting"})
    assert not [alarm for alarm in led.run.alarms if alarm.startswith("screen")]
    led.said("start")
    assert led.on == 0


def test_a_pause_begins_after_the_step_on_the_screen_and_lasts_until_the_operator_goes_on(led):
    led.go(1)
    led.said("pause")
    assert (led.aborts, led.stored()) == (0, ALL)
    led.ended()
    led.wait(60)
    assert (led.on, led.stored(), led.reasons()) == (1, set(), {"pause"})
    assert led.run.alarms == [alarm for alarm in led.run.alarms if not alarm.startswith("screen")]
    led.said("go_on")
    assert (led.on, led.stored()) == (2, ALL)


def test_a_pause_that_is_taken_back_in_time_holds_nothing(led):
    led.go(1)
    led.said("pause")
    led.said("go_on")
    led.ended()
    assert led.on == 2


def test_a_repeat_ends_the_step_on_the_screen_and_shows_the_trial_once_more(led):
    led.go(5)
    led.said("guess", value="joy", confidence=2)
    led.said("repeat")
    assert led.aborts == 1
    led.ended("abort")
    assert led.on == 4
    led.go(9)
    assert [shown.index for shown in led.shown] == [0, 1, 2, 3, 4, 5, 4, 5, 6, 9]  # no penalty: the guess is forgotten


def test_a_skip_ends_the_step_on_the_screen_and_goes_on_behind_the_trial(led):
    led.go(1)
    led.said("skip")
    assert led.aborts == 1
    led.ended("abort")
    assert led.on == 4


@pytest.mark.parametrize(("word", "then"), [("repeat", 1), ("skip", 4)])
def test_in_a_pause_the_trial_comes_once_more_or_not_at_all_when_the_operator_goes_on(led, word, then):
    led.go(2)
    led.said("pause")
    led.ended()
    led.said(word)
    assert (led.aborts, led.on) == (0, 2)
    led.said("go_on")
    assert led.on == then


def test_nobody_is_recorded_because_the_consent_was_skipped(led):
    led.said("skip")
    assert (led.aborts, led.on) == (0, 0)
    led.ended("time")
    assert led.run.outcome is Outcome.STOPPED


def test_a_consent_may_be_asked_for_once_more(led):
    led.answered("no")
    led.said("repeat")
    led.ended("abort")
    assert [shown.index for shown in led.shown] == [0, 0]
    led.answered("yes")
    led.ended()
    assert led.on == 1


def test_a_stop_ends_the_run_in_order(led):
    led.go(2)
    led.said("stop")
    assert led.asked(StopBox)
    assert (led.run.state, led.run.outcome) == (RunState.DRAINING, Outcome.STOPPED)


def test_a_guess_is_an_answer_of_the_operators_with_its_confidence_and_whether_it_is_right(led):
    led.go(2)
    led.said("guess", value="fear", confidence=4)
    (guess,) = (answer for answer in led.answers if answer.get("by") == "operator")
    assert (guess["step"], guess["trial"], guess["question"]) == (2, 1, "guess")
    assert (guess["answer"], guess["confidence"], guess["is_right"]) == ("fear", 4, True)
    assert guess["confirmed_host_ns"] == led.now - S // 1000
    assert (led.aborts, led.on) == (0, 2)
    led.ended()
    assert led.on == 4  # nobody is asked for it again


def test_a_guess_ends_the_step_that_waits_for_it(led):
    led.go(3)
    led.began()
    onset = led.now
    led.said("guess", value="joy", confidence=1)
    assert led.aborts == 1
    (guess,) = (answer for answer in led.answers if answer.get("by") == "operator")
    assert (guess["onset_host_ns"], guess["is_right"]) == (onset - S // 1000, False)
    led.ended("abort")
    assert led.on == 4


def test_a_guess_counts_from_the_first_flip_of_its_clip_on_and_not_in_the_wash_out_before_it(tmp_path):
    led = Led(tmp_path, steps=with_wash_outs())
    for _ in range(2):  # in the wash-out, and while the clip is made ready
        led.said("guess", value="fear", confidence=4, trial=1)
        assert not led.run.steps.may_guess
        led.go(1)
    assert ([a for a in led.answers if a.get("by")], led.run.steps.course.caught) == ([], 0)
    assert led.records("operator") == []
    assert led.run.wishes.refused == ["guess for trial 1 came before its clip: nothing was done"] * 2
    led.began()
    led.said("guess", value="fear", confidence=4, trial=1)
    (guess,) = (answer for answer in led.answers if answer.get("by") == "operator")
    assert (guess["step"], guess["trial"], led.run.steps.course.caught) == (1, 1, 1)
    led.said("repeat")
    led.ended("abort")
    led.said("guess", value="fear", confidence=4, trial=1)
    assert len(led.run.wishes.refused) == 3  # its clip is still to come once more


def test_a_guess_may_come_in_all_steps_behind_the_clip(tmp_path):
    led = Led(tmp_path, steps=with_wash_outs())
    led.go(2)
    led.said("guess", value="joy", confidence=1, trial=1)
    led.go(4)
    led.said("guess", value="joy", confidence=1, trial=2)
    assert [(a["step"], a["trial"]) for a in led.answers if a.get("by") == "operator"] == [(2, 1)]


def with_wash_outs():
    """Two trials of a wash-out, a clip and a step that waits for the guess."""
    return [
        step(3 * (trial - 1) + place, kind, trial=trial, target="fear", clip="c" if kind == "clip" else None)
        for trial in (1, 2)
        for place, kind in enumerate(("wash-out", "clip", "guess"))
    ]


def test_before_the_first_step_of_a_resumed_run_what_is_said_stands_at_no_step(tmp_path):
    led = Led(tmp_path, lead=Lead(is_waiting=True, first=4))
    led.said("note", text="again")
    led.said("start")
    led.said("note", text="here")
    assert [(e["said"], e["step"], e["trial"]) for e in led.records("operator")] == [
        ("note", -1, 0), ("start", -1, 0), ("note", 4, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["guess", "skip", "repeat"])
def test_what_was_meant_for_a_trial_that_is_over_does_nothing_and_is_noted(led, word):
    led.go(4)
    led.said(word, trial=1, value="joy" if word == "guess" else "")
    assert (led.aborts, led.records("operator"), led.run.steps.course.caught) == (0, [], 0)
    assert [entry["text"] for entry in led.records("note")] == [
        f"operator's {word} for trial 1 came too late: nothing was done"
    ]
    assert led.run.wishes.refused == [f"{word} for trial 1 came too late: nothing was done"]
    led.said(word, trial=2, value="joy" if word == "guess" else "")
    assert len(led.records("operator")) == len(led.run.wishes.refused) == 1
    assert led.aborts == (word != "guess")


def test_outside_of_trials_a_guess_is_in_the_log_alone(led):
    led.go(0)
    led.said("guess", value="joy", confidence=1)
    assert not led.answers
    assert led.records("operator")[0]["value"] == "joy"


def test_what_is_said_when_the_run_is_over_changes_nothing(led):
    led.said("stop")
    for word in ("start", "go_on", "repeat", "skip", "guess", "stop"):
        led.said(word)
    assert (led.run.outcome, led.on, led.aborts) == (Outcome.STOPPED, 0, 1)  # the stop's own
    assert len(led.records("operator")) == 7


def test_a_step_that_ended_by_itself_while_it_was_to_be_ended_is_repeated_all_the_same(led):
    led.go(4)
    led.said("repeat")
    led.tell(StepEnded(4, led.now, "last-frame"))
    assert [shown.index for shown in led.shown][-2:] == [4, 4]


def test_what_the_screen_cannot_do_is_an_alarm_and_what_is_only_worth_knowing_a_note(led):
    led.tell(ScreenNote(led.now, "clips with sound: joy"))
    assert led.run.alarms == []
    led.tell(ScreenNote(led.now, "silent: no sound device is used", is_alarm=True))
    assert led.run.alarms == ["screen: silent: no sound device is used"]
    assert [text.record["kind"] for text in led.texts[-2:]] == ["note", "alarm"]

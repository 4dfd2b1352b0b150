"""The recorder's core on its way through a protocol: answers of pages, consent, what is due to whom."""

from __future__ import annotations

import pytest

from rig.errors import DeviceLost
from rig.record.messages import CloseFile, DeviceFailed, StopBox
from rig.record.plan import Lead
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import StepEnded
from tests.record.led import Led, step


@pytest.fixture
def led(tmp_path) -> Led:
    return Led(tmp_path)


def test_consent_is_answered_and_the_trials_follow(led):
    assert led.on == 0
    led.answered("yes")
    led.ended()
    assert (led.on, led.stored()) == (1, {"HS", "VIS", "NIR"})


def test_nothing_is_stored_while_consent_is_asked_for_and_its_reason_is_the_protocols(led):
    assert (led.stored(), led.reasons()) == (set(), {"protocol: consent"})


@pytest.mark.parametrize(("answer", "why"), [("no", "consent was not given: no"), ("", "no answer in 10 s")])
def test_without_consent_the_run_ends_in_order_and_keeps_no_picture_of_its_end(led, answer, why):
    if answer:
        led.answered(answer)
    led.ended("key" if answer else "time")
    assert led.asked(StopBox)
    assert (len(led.shown), led.run.state, led.run.outcome) == (1, RunState.DRAINING, Outcome.STOPPED)
    (declined,) = led.records("declined")
    assert (declined["step"], why in declined["text"]) == (0, True)
    assert (led.stored(), led.reasons()) == (set(), {"no consent"})
    led.drain(40)
    assert led.asked(CloseFile) == [CloseFile(Outcome.STOPPED)]


def _stopped(led):
    led.said("stop")
    led.ended("abort")


def _lost(led):
    led.tell(DeviceFailed("screen", DeviceLost("screen", "is gone")))
    led.said("stop")


@pytest.mark.parametrize("lead", [Lead(), Lead(is_waiting=True)], ids=["asked", "waiting"])
@pytest.mark.parametrize("ends", [_stopped, _lost])
def test_nobody_is_stored_who_was_not_asked_to_its_end_and_nobody_is_told_to_have_declined(tmp_path, lead, ends):
    led = Led(tmp_path, lead=lead)
    if lead.is_waiting:
        led.shown.append(led.plan.steps[0])
    ends(led)
    assert (led.run.state, led.stored(), led.records("declined")) == (RunState.DRAINING, set(), [])


def test_a_consent_that_is_asked_for_once_more_is_open_again(led):
    led.answered("yes")
    led.said("pause")
    led.ended()
    led.said("repeat")
    led.said("go_on")
    assert [shown.index for shown in led.shown] == [0, 0]
    _stopped(led)
    assert (led.stored(), led.reasons()) == (set(), {"no consent"})


def test_the_end_of_who_consented_is_stored(led):
    led.go(2)
    _stopped(led)
    assert led.stored() == {"HS", "VIS", "NIR"}


@pytest.mark.parametrize(("first", "is_kept"), [(0, False), (1, True)])
def test_the_preamble_is_kept_only_if_the_first_step_is(tmp_path, first, is_kept):
    led = Led(tmp_path, lead=Lead(first=first))
    for keeper in led.run.keepers.values():
        assert is_kept is all(change.is_kept for change in (keeper._now, *keeper._changes))
        assert is_kept or keeper._changes[0].from_pulse == 0


def test_each_answer_of_a_page_is_written_when_it_is_given_and_ends_nothing(tmp_path):
    led = Led(tmp_path, [step(0, "question"), step(1)])
    for number in range(3):
        led.answered(str(number), f"page-{number}")
        (written,) = led.answers[number:]
        assert (written["question"], written["answer"], written["is_skipped"]) == (f"page-{number}", str(number), False)
    assert len(led.shown) == 1
    led.ended("answered")
    assert led.on == 1


def test_a_penalty_comes_when_it_is_due_and_says_how_often_the_participant_was_caught(led):
    led.go(4)
    led.said("guess", value="joy", confidence=3)
    led.go(7)
    assert led.shown[-1].text == "caught 1"


def test_a_penalty_that_is_not_due_is_left_out_and_what_is_for_who_withdraws_too(led):
    led.go(9)
    assert [shown.index for shown in led.shown] == [0, 1, 2, 3, 4, 5, 6, 9]


def test_the_end_of_another_step_ends_none(led):
    led.go(2)
    led.tell(StepEnded(1, led.now, "key"))
    assert led.on == 2


def test_the_room_of_answers_is_that_of_every_question_and_of_its_longest_text(tmp_path):
    from rig.elicitation.steps import Choice, Item
    from rig.session.layout import ANSWERS, text_logs

    items = [Item(f"page-{n}", "text", "?", most_letters=1000) for n in range(20)]
    items += [Item("page-c", "choice", "?", choices=(Choice("1", "x" * 500, "label"),))]
    plan = Led(tmp_path, [step(0, "question", items=tuple(items))]).plan
    log = next(log for log in text_logs(plan.room) if log.path == ANSWERS)
    assert log.rows >= 21 + plan.least[f"{ANSWERS}/rows"]
    assert log.text_bytes >= 20 * 6 * 1000 + 500 + plan.least[f"{ANSWERS}/text"]

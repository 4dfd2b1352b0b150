"""A participant who wants no more: nothing is stored any more, the debrief comes, and they say what becomes of it."""

from __future__ import annotations

import pytest

from rig.record.messages import CloseFile
from rig.record.plan import Lead
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import Withdrawn
from tests.record.led import Led


@pytest.fixture
def led(tmp_path) -> Led:
    return Led(tmp_path)


def withdraws(led: Led) -> None:
    led.tell(Withdrawn(led.on, led.now))


def test_storing_stops_at_once_and_the_debrief_follows(led):
    led.go(1)
    withdraws(led)
    assert (led.stored(), led.reasons()) == (set(), {"withdrawn"})
    led.ended("withdrawn")
    assert led.on == 8
    led.ended()
    assert led.on == 9
    assert (led.stored(), led.reasons()) == (set(), {"withdrawn"})
    led.ended()
    assert (led.run.state, led.run.outcome) == (RunState.DRAINING, Outcome.WITHDRAWN)
    assert led.stored() == set()  # of the postamble too
    led.drain(40)
    assert led.asked(CloseFile) == [CloseFile(Outcome.WITHDRAWN)]


def test_it_is_in_the_log_with_its_moment(led):
    led.go(2)
    withdraws(led)
    (entry,) = led.records("withdrawn")
    assert (entry["step"], entry["withdrawn_host_ns"]) == (2, led.now - 1_000_000)


@pytest.mark.parametrize("otherwise", ["keep", "delete"])
@pytest.mark.parametrize("answer", ["keep", "delete", ""])
def test_the_participant_says_what_becomes_of_it_and_otherwise_the_protocol(tmp_path, answer, otherwise):
    led = Led(tmp_path, lead=Lead(otherwise=otherwise))
    led.go(2)
    assert led.run.steps.withdrawal == ""
    withdraws(led)
    led.ended("withdrawn")
    if answer:
        led.answered(answer)
    led.ended()
    assert led.run.steps.withdrawal == (answer or otherwise)


def test_a_step_that_was_on_its_way_to_the_screen_is_ended_too(led):
    led.go(2)
    led.tell(Withdrawn(-1, led.now))
    assert led.aborts == 1


@pytest.mark.parametrize("word", ["pause", "stop"])
def test_neither_a_pause_keeps_the_debrief_waiting_nor_is_a_stop_the_outcome(led, word):
    led.go(1)
    led.said("pause")
    led.ended()
    withdraws(led)
    assert led.on == 8
    if word == "stop":
        led.said("stop")
        assert led.run.outcome is Outcome.WITHDRAWN


def test_before_the_start_too(tmp_path):
    led = Led(tmp_path, lead=Lead(is_waiting=True))
    led.wait(1)
    led.tell(Withdrawn(-1, led.now))
    assert (led.on, led.run.steps.is_waiting) == (8, False)


def test_who_has_withdrawn_does_so_once(led):
    led.go(2)
    withdraws(led)
    led.ended("withdrawn")
    withdraws(led)
    assert led.aborts == 1
    led.ended("withdrawn")
    assert led.on == 9


def test_after_the_end_it_is_in_the_log_alone(led):
    led.said("stop")
    withdraws(led)
    assert (len(led.records("withdrawn")), led.run.outcome, led.run.steps.withdrawal) == (1, Outcome.STOPPED, "")


def test_a_run_that_resumes_that_of_who_withdrew_keeps_nothing(tmp_path):
    led = Led(tmp_path, lead=Lead(resumes=1, first=4, is_withdrawn=True))
    assert (led.on, led.stored()) == (8, set())

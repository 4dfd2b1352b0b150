"""A participant who wants no more: nothing is stored any more, the debrief comes, and they say what becomes of it."""

from __future__ import annotations

import pytest

from rig.errors import DeviceLost
from rig.record import recording
from rig.record.messages import CloseFile, DeviceFailed, StopRequested
from rig.record.plan import Lead
from rig.record.run import Run
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.stimulus.screen import Withdrawn
from rig.trigger.box import RunBegan
from tests.record.led import Led, step
from tests.record.test_run import BOX, RUN, WALK


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


@pytest.mark.parametrize("is_over", [False, True])
def test_while_the_box_sends_its_last_pulses_it_counts_as_well(led, is_over):
    led.go(9)
    if is_over:
        led.ended()
    else:
        led.said("stop")
    assert (led.run.state, led.stored()) == (RunState.DRAINING, {"HS", "VIS", "NIR"})
    led.tell(Withdrawn(-1, led.now))
    assert (led.stored(), led.reasons()) == (set(), {"withdrawn"})
    assert (led.run.outcome, led.run.steps.withdrawal) == (Outcome.WITHDRAWN, "keep")
    led.drain(40)
    assert led.asked(CloseFile) == [CloseFile(Outcome.WITHDRAWN)]


def test_a_lost_device_stays_the_outcome_of_who_withdrew(led):
    led.go(1)
    led.tell(DeviceFailed("screen", DeviceLost("screen", "is gone")))
    withdraws(led)
    led.said("stop")
    assert (led.run.outcome, led.run.steps.withdrawal) == (Outcome.DEVICE_LOST, "keep")


class Early(Led):
    """The participant withdraws before the rig is armed, or once it is: `when`."""

    when = 0

    def tell(self, event, after_s=0.001):
        before, self.now = self.now, self.now
        if self.when == (1 if isinstance(event, RunBegan) and event.run_id == RUN else 0):
            self.when = -1
            super().tell(Withdrawn(-1, before))
        actions = super().tell(event, after_s)
        if isinstance(event, RunBegan):
            self.reasons_at_begin = self.reasons()
        return actions


@pytest.mark.parametrize("when", [0, 1], ids=["arming", "about to begin"])
@pytest.mark.parametrize("steps", [None, [step(0), step(1), step(2, "debrief")]], ids=["consent", "none"])
def test_who_withdraws_before_the_recording_is_stored_not_at_all(tmp_path, monkeypatch, when, steps):
    monkeypatch.setattr(Early, "when", when)
    led = Early(tmp_path, steps)
    assert led.run.state is RunState.RECORDING
    assert (led.stored(), led.reasons(), led.run.steps.withdrawal) == (set(), {"withdrawn"}, "keep")
    assert led.reasons_at_begin == {"withdrawn"}  # not only at the first step
    assert led.on == (2 if steps else 8)
    led.said("stop")
    assert (led.run.outcome, led.stored()) == (Outcome.WITHDRAWN, set())


def test_who_withdraws_while_the_rig_is_armed_has_withdrawn_though_it_was_stopped_then(tmp_path):
    run = Run(Led(tmp_path).plan, walk_id=WALK, run_id=RUN, box_name=BOX)
    run.begin()
    run.step(Withdrawn(-1, 1), 2)
    run.step(StopRequested(), 3)
    assert (run.state, run.outcome) == (RunState.CLOSED, Outcome.WITHDRAWN)


@pytest.mark.parametrize("word", ["pause", "start"])
def test_no_pause_after_it_holds_the_debrief(led, word):
    led.go(1)
    withdraws(led)
    led.said(word)
    led.ended("withdrawn")
    assert (led.on, led.run.steps.held, led.run.steps.is_paused) == (8, "", False)


def taking_back(**more) -> list:
    """A step, a debrief that asks for consent anew, and what only who withdrew sees."""
    asked = step(1, "debrief", ends_run=("no",), store=(), reason="protocol: debrief")
    return [step(0), asked, step(2, "debrief", only_withdrawn=True, **more)]


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_consent_taken_back_in_the_debrief_is_a_withdrawal(tmp_path, answer):
    led = Led(tmp_path, taking_back(), Lead(otherwise="delete"))
    led.go(1)
    led.answered(answer)
    led.ended()
    if answer == "yes":
        assert (led.run.outcome, led.run.steps.withdrawal, len(led.shown)) == (Outcome.FINISHED, "", 2)
        return
    (entry,) = led.records("withdrawn")
    assert (entry["step"], entry["text"], entry["otherwise"]) == (1, "consent taken back: no", "delete")
    assert (led.on, led.stored(), led.run.steps.withdrawal) == (2, set(), "delete")
    led.answered("keep")
    led.ended()
    assert (led.run.outcome, led.run.steps.withdrawal) == (Outcome.WITHDRAWN, "keep")


def test_consent_taken_back_where_nobody_is_asked_further_goes_by_the_protocol(tmp_path):
    led = Led(tmp_path, taking_back()[:2], Lead(otherwise="delete"))
    led.go(1)
    led.answered("no")
    led.said("stop")
    led.ended("abort")
    assert (led.run.outcome, led.run.steps.withdrawal, led.stored()) == (Outcome.WITHDRAWN, "delete", set())


def test_a_run_that_resumes_that_of_who_withdrew_keeps_nothing(tmp_path):
    led = Led(tmp_path, lead=Lead(resumes=1, first=4, is_withdrawn=True))
    assert (led.on, led.stored()) == (8, set())


@pytest.mark.parametrize("answer", ["", "delete"])
def test_a_window_that_dies_before_the_question_is_answered_leaves_the_choice_to_the_participant(led, answer):
    led.go(2)
    withdraws(led)
    led.ended("withdrawn")
    if answer:
        led.answered(answer)
    assert led.run.steps.owes_choice == (not answer)
    led.tell(DeviceFailed("screen", DeviceLost("screen", "is gone")))
    led.tell(StopRequested())
    assert not led.run.outcome.is_orderly
    assert recording._withdrawal(led.run) == (answer or recording.OWED)

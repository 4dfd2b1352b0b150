"""A participant's place in the ledger: what consent, a withdrawal and the outcome of a run make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import UserError
from rig.record.booking import Booking
from rig.session.folder import new_session
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan
from rig.streams import Answer
from rig.subjects.ledger import Ledger, Place
from tests.record.led import step

STEPS = (step(0, "consent", ends_run=("no",)), step(1), step(2))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def place_of(ledger: Ledger, subject: str) -> Place:
    return ledger.reserve("p", "key", 4, new_session(ledger.path.parent, subject))


def is_gone(ledger: Ledger, subject: str) -> bool:
    try:
        ledger.expect("p", "key", 4, subject)
    except UserError as error:
        assert "dropped out" in str(error)
        return True
    return False


@pytest.mark.parametrize("outcome", [Outcome.WITHDRAWN, Outcome.DEVICE_LOST, Outcome.CLOSE_FAILED])
@pytest.mark.parametrize("answer", ["yes", ""])
def test_who_withdrew_has_dropped_out_whatever_the_outcome_and_be_it_before_consent(ledger, outcome, answer):
    booking = Booking(ledger, place_of(ledger, "001"), STEPS)
    if answer:
        booking.event(Answer(0, "q", answer, 1, 2, 3))
    assert booking.close(outcome, is_withdrawn=True) == []
    assert is_gone(ledger, "001")


@pytest.mark.parametrize("outcome", [Outcome.DEVICE_LOST, Outcome.STOPPED, Outcome.FINISHED])
def test_who_did_not_withdraw_has_not(ledger, outcome):
    booking = Booking(ledger, place_of(ledger, "001"), STEPS)
    booking.event(Answer(0, "q", "yes", 1, 2, 3))
    assert booking.close(outcome) == []
    assert not is_gone(ledger, "001")


@pytest.mark.parametrize(("first", "state"), [(0, "freed"), (1, "confirmed")])
def test_who_goes_on_behind_consent_takes_part(ledger, first, state):
    """The kill may have come between the consent and its note in the ledger."""
    booking = Booking(ledger, place_of(ledger, "001"), STEPS, first)
    booking.event(StepBegan(first, 1))
    booking.close(Outcome.STOPPED)
    (entry,) = ledger.subjects()
    assert [row.state for row in entry.rows] == [state]

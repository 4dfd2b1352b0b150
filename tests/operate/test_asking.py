"""Keys become commands: only those that mean something now, and nothing that cannot be undone by one key."""

from __future__ import annotations

from typing import Any

import pytest

from rig.operate.asking import BACKSPACE, ESCAPE, INTERRUPT, RETURN, Asking, hotkeys
from rig.operate.keys import Keys
from rig.record.states import RunState
from rig.record.telling import Rules, state
from tests.operate.recorder import RULES, STEPS, standing

TRIAL = state(standing(), RULES)
WAITING = state(standing(step=None, is_waiting=True), RULES)


def pressed(keys: str | list[str], seen: Any = None) -> list[Any]:
    """The commands that these keys give."""
    asking, seen = Asking(), TRIAL if seen is None else seen
    return [command for key in keys if (command := asking.press(key, seen)) is not None]


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        ("p", {"command": "pause"}),
        ("P", {"command": "pause"}),
        ("ry", {"command": "repeat", "trial": 3}),
        ("ay", {"command": "skip", "trial": 3}),
        ("ey", {"command": "stop"}),
        ("gp4", {"command": "guess", "trial": 3, "value": "pleasant", "confidence": 4}),
        ("GP1", {"command": "guess", "trial": 3, "value": "pleasant", "confidence": 1}),
        ("gx?n05", {"command": "guess", "trial": 3, "value": "nasty", "confidence": 5}),
        (["n", "q", "space", "é", "!", BACKSPACE, RETURN], {"command": "note", "text": "q é"}),
    ],
)
def test_keys_give_a_command(keys: Any, command: dict[str, Any]) -> None:
    assert pressed(keys) == [command]


def test_the_start_is_given_only_to_a_recording_that_waits_for_it() -> None:
    assert pressed("s", WAITING) == [{"command": "start"}]
    assert pressed("s") == []


def test_p_goes_on_when_it_was_paused() -> None:
    assert pressed("p", state(standing(is_paused=True), RULES)) == [{"command": "go_on"}]


@pytest.mark.parametrize(
    "keys", ["r", "rn", "rr", "a", "aay", "e", "eq", "g", "gp", "gy", "nx", "n", ["n", "space", RETURN], "xyz1"]
)
def test_half_of_a_command_gives_nothing(keys: Any) -> None:
    assert [command for command in pressed(keys) if command["command"] != "note"] == []


@pytest.mark.parametrize("first", ["r", "a", "e", "g", "gp", "nfoo"])
def test_escape_leads_back_and_no_command_is_left(first: str) -> None:
    assert pressed([*first, ESCAPE, "y", "4", RETURN]) == []
    asking = Asking()
    for key in [*first, ESCAPE]:
        asking.press(key, TRIAL)
    assert asking.prompt(TRIAL) == ""


def test_only_what_means_something_now_is_offered() -> None:
    def offered(seen: Any) -> str:
        return "".join(hotkey.key for hotkey in hotkeys(seen))

    assert offered(TRIAL) == "pragneq"
    assert offered(WAITING) == "spneq"
    assert offered(state(standing(step=STEPS[0]), RULES)) == "pneq"
    assert offered(state(standing(step=None, state=RunState.ARMING, is_waiting=True, is_paused=True), RULES)) == "neq"
    assert offered(state(standing(), Rules(is_blind=True))) == "praneq"
    assert offered(state(standing(step=None, is_withdrawn=True), RULES)) == "neq"
    assert offered({}) == offered(state(standing(state=RunState.CLOSED), RULES)) == "q"


@pytest.mark.parametrize(
    ("key", "seen", "named"),
    [("g", state(standing(), Rules(is_blind=True)), "g"), ("S", TRIAL, "s"), ("up", WAITING, "up"), ("n", {}, "n")],
)
def test_a_key_that_means_nothing_now_is_answered_until_the_next_one(key: str, seen: Any, named: str) -> None:
    asking = Asking()
    assert asking.press(key, seen) is None
    assert (asking.said, asking.prompt(seen)) == (f"{named} means nothing now", "")
    asking.press(ESCAPE, seen)
    assert asking.said == ""


def test_what_was_begun_in_a_trial_is_not_sent_in_the_next() -> None:
    for keys in ("gp", "g", "r", "a"):
        asking = Asking()
        for key in keys:
            asking.press(key, TRIAL)
        assert asking.prompt(TRIAL)
        asking.look(TRIAL | {"trial": 4})
        assert asking.prompt(TRIAL) == ""
        assert "was not sent: its trial is over" in asking.said
        assert asking.press("y", TRIAL | {"trial": 4}) is None


def test_what_came_of_a_trials_keys_is_not_shown_in_the_next() -> None:
    asking = Asking()
    asking.look(TRIAL)
    for key in "gp4":
        asking.press(key, TRIAL)
    asking.look(TRIAL)
    assert asking.said == "Guess: pleasant, confidence 4"
    asking.look(TRIAL | {"trial": 4})
    assert asking.said == ""


def test_a_note_goes_on_into_the_next_trial() -> None:
    asking = Asking()
    asking.press("n", TRIAL)
    asking.press("x", TRIAL)
    asking.look(TRIAL | {"trial": 4})
    assert asking.press(RETURN, TRIAL) == {"command": "note", "text": "x"}


def test_a_note_takes_no_more_than_the_recorder_does() -> None:
    (note,) = pressed(["n", *"x" * 1500, RETURN])
    assert note["text"] == "x" * 1000


@pytest.mark.parametrize("keys", ["q", "Q", ["n", "x", INTERRUPT], ["g", INTERRUPT], [INTERRUPT]])
def test_q_and_ctrl_c_leave(keys: Any) -> None:
    asking = Asking()
    for key in keys:
        asking.press(key, TRIAL)
    assert asking.is_leaving


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"ag1", ["a", "g", "1"]),
        ("hän €".encode(), ["h", "ä", "n", "space", "€"]),
        (b"\r\n\x7f\b\x03\x1b", [RETURN, RETURN, BACKSPACE, BACKSPACE, INTERRUPT, ESCAPE]),
        (b"\x1b[A\x1b[B\x1bOC\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1b[15~a\x1b[1;5Cb\x01\xff", ["a", "b", "\ufffd"]),
        (b"\x1b[", []),
    ],
)
def test_what_a_terminal_sends_is_read_as_keys(sent: bytes, keys: list[str]) -> None:
    assert Keys().feed(sent) == keys


def test_a_letter_that_comes_in_two_parts_is_one_key() -> None:
    keys = Keys()
    assert [*keys.feed("ä".encode()[:1]), *keys.feed("ä".encode()[1:])] == ["ä"]

"""What an operator is told, and what of an operator's words reaches the core."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rig.channel import Client
from rig.clock import VirtualClock
from rig.errors import UserError
from rig.record.keeping import Counts
from rig.record.messages import Event, OperatorSaid, Tick
from rig.record.states import RunState
from rig.record.telling import EVERY_NS, HIDDEN, WORDS, Rules, Telling, hidden_words, said, state
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan, StepEnded, Withdrawn
from rig.streams import Answer, ClockPair, Pulse
from tests.operate import recorder
from tests.operate.recorder import RULES, STEPS, standing
from tests.record.led import Led
from tests.test_channel import heard

SECRETS = (
    *("waterfall7", "The Sound of Qwerty", "zebra", "crossing", "jubilant", "elation", "Xylander", "brook"),
    *("welcomehere", "Mulgrew", "washing3", "clipblock3", "guessing3", "penaltypage1", "penalty"),
)
SCREEN_ALARMS = (
    "screen: clip waterfall7: /home/lab/films/zebra/crossing.mp4 cannot be decoded",
    "screen: process rig.stimulus.child: JUBILANT Crossing.MP4 | the sound of qwerty: ended, exit code 1",
    "screen: did not end step clipblock3",
    "recorder: elation1995",
)


@pytest.fixture
def commands() -> list[Event]:
    return []


@pytest.fixture
def telling(tmp_path: Path, commands: list[Event]) -> Iterator[Telling]:
    telling = Telling(tmp_path, RULES, STEPS, commands.append, VirtualClock())
    yield telling
    telling.close()


class Ears(Client):
    """A client that keeps every byte that it was sent."""

    def __init__(self, folder: Path, role: Any) -> None:
        super().__init__(folder, role)
        self.bytes = b""

    def receive(self, timeout_s: float) -> list[dict[str, Any]]:
        messages = super().receive(timeout_s)
        self.bytes += "".join(json.dumps(message, ensure_ascii=False) for message in messages).encode()
        return messages


def told(folder: Path, telling: Telling, role: Any) -> bytes:
    """Every byte that a client of this role is sent of every step, alarm and event."""
    with Ears(folder, role) as ears:
        for step in STEPS:
            for alarm in SCREEN_ALARMS:
                telling.show(0, standing(step=step, alarms=(alarm,)))
                heard(ears)  # a state that was not sent yet would make way for the next
            telling.event(StepBegan(step.index, 10))
            telling.event(Answer(step.index, f"{step.name}-felt", "elation", 10, 11, 12))
            telling.event(StepEnded(step.index, 20, "time"))
        telling.event(OperatorSaid("note", 30, text="he laughs at waterfall7"))
        telling.event(Withdrawn(2, 40))
        telling.show(0, standing(step=None, state=RunState.CLOSED))
        last = b"withdrawn" if role == "observer" else b'"closed"'
        while last not in ears.bytes:
            heard(ears)
        return ears.bytes


def test_nothing_that_a_blind_operator_is_sent_tells_which_clip_is_shown(tmp_path: Path, telling: Telling) -> None:
    sent = told(tmp_path, telling, "operator").lower()
    assert [secret for secret in SECRETS if secret.lower().encode() in sent] == []
    assert b'"trial": 3' in sent


def test_an_observer_is_sent_all_of_it(tmp_path: Path, telling: Telling) -> None:
    sent = told(tmp_path, telling, "observer").decode()
    assert [
        word for word in ("clipblock3", "waterfall7", "elation", "qwerty", "penaltypage1") if word not in sent
    ] == []


def test_how_long_a_clip_is_is_not_told_but_how_long_a_wash_out_lasts() -> None:
    assert state(standing(), RULES)["left_s"] is None
    washing = state(standing(step=STEPS[1], step_seconds=10.0), RULES)
    assert (washing["kind"], washing["left_s"]) == ("wash-out", 20.0)


def test_an_operator_who_is_not_blind_sees_step_and_clip() -> None:
    seen = state(standing(alarms=SCREEN_ALARMS), Rules(is_blind=False))
    assert (seen["step"], seen["clip"], tuple(seen["alarms"])) == ("clipblock3", "waterfall7", SCREEN_ALARMS)


@pytest.mark.parametrize("alarm", ["HS: is lost: crossing", "box: /dev/zebra: is silent", "disk: elation"])
def test_alarms_of_cameras_box_and_disk_are_told_word_by_word(alarm: str) -> None:
    assert state(standing(alarms=(alarm,)), RULES)["alarms"] == [alarm]


def test_an_alarm_of_the_screen_keeps_what_names_no_clip() -> None:
    alarm = "screen: did not end step clipblock3; press Ctrl-C to end it in order"
    hidden = f"screen: did not end step {HIDDEN}; press Ctrl-C to end it in order"
    assert state(standing(alarms=(alarm,)), RULES)["alarms"] == [hidden]


def test_short_names_are_hidden_as_words_alone() -> None:
    rules = Rules(is_blind=True, hidden=hidden_words({"a": {}}, ()))
    shown = state(standing(alarms=("screen: clip a has no sound at all",)), rules)["alarms"]
    assert shown == [f"screen: clip {HIDDEN} has no sound at all"]


def test_every_text_of_clips_and_steps_is_among_the_hidden_words() -> None:
    assert set(recorder.WORDS) >= {
        "waterfall7",
        "films/zebra/crossing.mp4",
        "crossing",
        "zebra",
        "Xylander 1995",
        "brook",
    }
    assert set(recorder.WORDS) >= {"Hide what you feel, dear Mulgrew", "washing3", "elation"}
    assert "" not in recorder.WORDS
    assert "+" not in hidden_words({}, [recorder.step(0, "baseline", "x", text="+")])


def test_the_state_says_how_it_stands() -> None:
    told = state(standing(guess="nasty", is_paused=True, outcome=Outcome.STOPPED), RULES)
    assert told | {"seconds": 100.0, "trials": 16, "trial": 3, "kind": "clip", "step_seconds": 10.0} == told
    assert told | {"is_paused": True, "is_waiting": False, "is_simulated": True, "is_blind": True} == told
    assert told | {"is_held": False, "is_withdrawn": False} == told
    assert told | {"state": "recording", "outcome": "stopped", "free_bytes": 99_000_000_000} == told
    assert told["streams"]["VIS"] == {"arrived": 2500, "stored": 0, "lost": 3, "missing": 0}
    choices = [{"key": "p", "value": "pleasant"}, {"key": "n", "value": "nasty"}]
    assert told["guess"] == {"is_asked": True, "given": "nasty", "choices": choices}
    json.dumps(told)


def test_between_trials_nothing_is_to_be_guessed() -> None:
    assert not state(standing(step=STEPS[0]), RULES)["guess"]["is_asked"]
    assert not state(standing(step=None), RULES)["guess"]["is_asked"]


def test_in_a_trial_nothing_is_to_be_guessed_before_its_clip_nor_where_nothing_can_be() -> None:
    assert not state(standing(may_guess=False), RULES)["guess"]["is_asked"]
    assert not state(standing(), Rules(is_blind=True))["guess"]["is_asked"]


def test_states_are_due_five_times_a_second(tmp_path: Path, telling: Telling) -> None:
    asked = list[int]()
    for now in range(0, 10 * EVERY_NS, EVERY_NS // 10):
        telling.look(now, lambda: standing(seconds=float(len(asked.append(1) or asked))))
    assert len(asked) == 10


def test_pulses_are_told_once_a_second(telling: Telling) -> None:
    telling._told(ClockPair("box", 0, 0, -1_000_000, 1_000_000))
    numbers = [telling._told(Pulse(7, number, 1, number * 20_000, number * 10_000_000)) for number in range(301)]
    assert [told["pulse"] for told in numbers if told is not None] == [0, 100, 200, 300]
    assert telling._told(Tick()) is None


@pytest.mark.parametrize("ppm", [-4000, 0, 4000])
def test_a_pulse_whose_message_comes_late_is_told_with_when_it_was_sent(telling: Telling, ppm: int) -> None:
    """Truth: the box's clock, `ppm` off. Answers and messages take 0.2 to 30 ms, and pulses up to 0.3 s."""
    rng = np.random.default_rng(7)
    told = list[tuple[dict[str, Any], float]]()
    for n in range(3000):  # each 10 ms
        sent_ns, ticks = 5e9 + n * 1e7 / (1 + ppm / 1e6), 700_000 + n * 20_000
        if n % 20 == 10:
            asked_ns, answered_ns = sent_ns - rng.exponential(1e6) - 2e5, sent_ns + rng.exponential(2e6) + 2e5
            telling._told(ClockPair("box", ticks, ticks, int(asked_ns), int(answered_ns)))
        pulse = telling._told(Pulse(7, n, 1, ticks, int(sent_ns + rng.uniform(1e6, 3e8))))
        told += [(pulse, sent_ns)] if pulse else []
    assert len(told) >= 25
    assert all(abs(pulse["host_ns"] - sent_ns) <= pulse["within_ns"] + 1 for pulse, sent_ns in told)
    assert max(pulse["within_ns"] for pulse, _ in told[1:]) < 2_000_000


def test_no_pulse_is_told_before_it_is_known_when_it_was_sent(telling: Telling) -> None:
    assert telling._told(Pulse(7, 0, 1, 160_000, 90_000_000)) is None


@pytest.mark.parametrize("word", [word for word in WORDS if word not in ("note", "guess")])
def test_a_word_of_the_operator_reaches_the_core(
    tmp_path: Path, telling: Telling, commands: list[Event], word: str
) -> None:
    with Client(tmp_path) as client:
        client.send({"command": word})
        client.send({"command": "nonsense"})
        assert "is not known" in heard(client)[0]["refused"]
    assert commands == [OperatorSaid(word, VirtualClock().now_ns())]  # type: ignore[arg-type]


def test_notes_and_guesses_come_with_what_was_said() -> None:
    note = said({"command": "note", "text": " hän nauroi \ud800 \n"}, 5, RULES)
    assert note == OperatorSaid("note", 5, text="hän nauroi ?")
    guess = said({"command": "guess", "value": "nasty", "confidence": 4}, 6, RULES)
    assert guess == OperatorSaid("guess", 6, value="nasty", confidence=4)


def test_a_recorded_session_that_is_played_is_led_no_other_way() -> None:
    played = replace(RULES, is_played=True)
    assert [said({"command": word, "text": "x"}, 5, played).kind for word in ("stop", "note")] == ["stop", "note"]
    for word in ("start", "pause", "go_on", "repeat", "skip", "guess"):
        with pytest.raises(UserError, match=f"operator's {word}: is not possible; a recorded session goes as it went"):
            said({"command": word, "value": "nasty", "confidence": 4}, 5, played)


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"command": None},
        {"command": ["start"]},
        {"command": "note"},
        {"command": "note", "text": "  "},
        {"command": "note", "text": "x" * 1001},
        {"command": "note", "text": 7},
        {"command": "guess"},
        {"command": "guess", "value": "elation", "confidence": 3},
        {"command": "guess", "value": ["nasty"], "confidence": 3},
        {"command": "guess", "value": "nasty"},
        *({"command": "guess", "value": "nasty", "confidence": bad} for bad in (0, 6, "3", True, None, 2.5, [])),
    ],
)
def test_what_no_operator_can_want_is_refused(command: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        said(command, 0, RULES)
    assert error.value.allowed


def test_the_last_that_came_too_late_is_in_the_state() -> None:
    assert state(standing(), RULES)["refused"] == {"count": 0, "last": ""}
    assert state(standing(refused=("a", "b")), RULES)["refused"] == {"count": 2, "last": "b"}


def test_what_was_meant_for_a_trial_does_not_reach_the_next(
    tmp_path: Path, telling: Telling, commands: list[Event]
) -> None:
    telling.show(0, standing())
    with Client(tmp_path) as client:
        heard(client)
        client.send({"command": "skip", "trial": 2})
        assert "came too late" in heard(client)[0]["refused"]
        for trial in ("3", None, -1, True, 3.5):
            client.send({"command": "skip", "trial": trial})
            assert "is not allowed" in heard(client)[0]["refused"]
        client.send({"command": "skip", "trial": 3})
        client.send({"command": "nonsense"})
        heard(client)
    assert [(event.kind, event.trial) for event in commands if isinstance(event, OperatorSaid)] == [("skip", 3)]


def test_a_guess_outside_of_trials_is_refused_with_the_reason(
    tmp_path: Path, telling: Telling, commands: list[Event]
) -> None:
    telling.show(0, standing(step=STEPS[0]))
    with Client(tmp_path) as client:
        heard(client)
        client.send({"command": "guess", "value": "nasty", "confidence": 4})
        assert "is for no trial" in heard(client)[0]["refused"]
    assert commands == []


def test_what_was_too_late_for_the_state_told_last_is_so_for_the_core(
    tmp_path: Path, telling: Telling, commands: list[Event]
) -> None:
    """The state that was told is 0.2 s old at most: meanwhile the next trial began."""
    led = Led(tmp_path)
    led.go(3)
    telling.show(0, standing(step=led.run.steps.course.step))
    led.ended()
    for command in ({"command": "skip"}, {"command": "guess", "value": "nasty", "confidence": 5}):
        telling._take({**command, "trial": 1})
    for event in commands:
        led.tell(event)
    assert (led.run.steps.course.trial, led.aborts, led.answers[1:]) == (2, 0, [])
    assert len(led.records("note")) == 2


def test_lost_frames_by_count_are_told_apart(telling: Telling) -> None:
    told = state(standing(counts={"HS": Counts(arrived=5, missing=2)}), RULES)
    assert told["streams"]["HS"] == {"arrived": 5, "stored": 0, "lost": 0, "missing": 2}

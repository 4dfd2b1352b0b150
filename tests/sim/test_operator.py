"""The operator by script acts by seed, on nothing but what an operator is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rig.clock import NS
from rig.errors import DeviceNotReady
from rig.record.telling import state
from rig.sim.operator import Guess, Script, ScriptedOperator, guess, note
from tests.operate.recorder import RULES, STEPS, standing, step
from tests.record.test_telling import SECRETS
from tests.test_channel import start_recorder

VALUES = ["pleasant", "nasty"]


def in_trial(trial: int, **changed: Any) -> dict[str, Any]:
    return state(standing(step=step(2, "clip", "x", trial=trial), **changed), RULES)


def all_commands(script: Script, seen: dict[str, Any], begin_ns: int, seconds: float = 3.0) -> list[dict[str, Any]]:
    """What the script does while this is so, looked at 20 times a second."""
    looks = range(begin_ns, begin_ns + round(seconds * NS), NS // 20)
    return [command for now in looks for command in script.look(seen, now)]


def test_the_same_seed_guesses_the_same_in_any_order_of_values() -> None:
    many = [guess(trial, VALUES, 7) for trial in range(1, 200)]
    assert many == [guess(trial, VALUES[::-1], 7) for trial in range(1, 200)]
    assert many != [guess(trial, VALUES, 8) for trial in range(1, 200)]
    assert {one.value for one in many} == {*VALUES}
    assert {one.confidence for one in many} == {1, 2, 3, 4, 5}


def test_a_guess_is_the_same_in_every_version_of_python() -> None:
    assert guess(1, VALUES, 1) == Guess("pleasant", 1, pytest.approx(1.682221682063078))


def test_it_starts_once_what_waits_for_it() -> None:
    script = Script(1)
    waiting = state(standing(step=None, is_waiting=True), RULES)
    assert all_commands(script, waiting, 0) == [{"command": "start"}]
    assert all_commands(script, state(standing(step=STEPS[0]), RULES), 3 * NS) == []


def test_it_guesses_once_in_each_trial_when_it_means_to() -> None:
    script = Script(5)
    for trial in (1, 4):
        meant = guess(trial, VALUES, 5)
        begin = trial * 100 * NS
        (said,) = all_commands(script, in_trial(trial), begin)
        expected = {"command": "guess", "trial": trial, "value": meant.value, "confidence": meant.confidence}
        assert said == expected
    early = Script(5)
    assert all_commands(early, in_trial(1), 0, guess(1, VALUES, 5).after_s - 0.1) == []


def test_in_a_third_of_the_trials_it_waits_for_the_step_that_asks_for_the_guess() -> None:
    trials = [trial for trial in range(1, 301) if guess(trial, VALUES, 5).waits]
    assert 80 < len(trials) < 120
    script, trial = Script(5), next(trial for trial in trials if trial > 3)
    assert [c for c in all_commands(script, in_trial(trial), 0, 30.0) if c["command"] == "guess"] == []
    asking = state(standing(step=step(3, "guess", "x", trial=trial)), RULES)
    said = [c for c in all_commands(script, asking, 40 * NS) if c["command"] == "guess"]
    assert [one["value"] for one in said] == [guess(trial, VALUES, 5).value]
    early = all_commands(Script(5), asking, 0, guess(trial, VALUES, 5).after_s - 0.1)
    assert [c for c in early if c["command"] == "guess"] == []


def test_it_counts_its_time_from_when_it_may_guess() -> None:
    script, meant = Script(5), guess(1, VALUES, 5)
    assert all_commands(script, in_trial(1, may_guess=False), 0, 30.0) == []
    assert all_commands(script, in_trial(1), 30 * NS, meant.after_s - 0.1) == []
    assert len(all_commands(script, in_trial(1), 30 * NS + int(meant.after_s * NS))) == 1


def test_it_pauses_once_and_goes_on_and_notes_every_third_trial() -> None:
    script = Script(5)
    assert all_commands(script, in_trial(2, guess="nasty"), 0) == [{"command": "pause"}]
    assert all_commands(script, in_trial(2, guess="nasty", is_paused=True), 3 * NS) == [{"command": "go_on"}]
    assert all_commands(script, in_trial(3, guess="nasty"), 6 * NS) == [{"command": "note", "text": note(3)}]


def test_as_a_process_it_guesses_as_its_script_says_and_its_log_has_all_it_was_sent(tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    with start_recorder(tmp_path) as recorder:
        assert recorder.stdout is not None
        operator = ScriptedOperator(tmp_path, 116, log)
        said = [recorder.stdout.readline() for _ in range(2)]
        operator.close()
        recorder.kill()
    meant = guess(3, VALUES, 116)
    assert f"text='{note(3)}'" in said[0]
    assert re.search(f"kind='guess'.*value='{meant.value}', confidence={meant.confidence}", said[1])
    sent = log.read_text().lower()
    assert '"trial": 3' in sent
    assert [secret for secret in SECRETS if secret.lower() in sent] == []


def test_without_a_recorder_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotReady, match="no recorder runs for this session"):
        ScriptedOperator(tmp_path, 1, tmp_path / "operator.log")

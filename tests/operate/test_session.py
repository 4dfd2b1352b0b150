"""A whole session in real time, led by the operator by script; another operator's terminal is killed in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rig
from rig.channel import FILE, Client
from rig.clock import NS
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.errors import RigError
from rig.record.recording import Recorded, Recording, Request
from rig.session.run import Run
from rig.session.timeline import map_box
from rig.sim.operator import ScriptedOperator, guess, note
from tests.films import make_film, sha256_of
from tests.journeys.accounts import assert_all_told
from tests.rigs import write_rig
from tests.waiting import wait_for

STARTS_WITHIN_S, SEED, TRIALS = 60, 142, 3  # a seed with quick guesses
FILMS = {"aardvark": "jubilant", "basilisk": "gloomy", "cormorant": "jubilant"}
SECRETS = (*FILMS, "mixed", "quokka", "openingbase", "filming", "resting", "guessing", "dear Mulgrew")
PROTOCOL = """\
schema: 1
name: led
title: three short films
clips:
{clips}
order: {{kind: random, seed: 5}}
operator: {{blind: true, guesses: {{j: jubilant, g: gloomy}}}}
blocks:
  - {{kind: baseline, name: openingbase, seconds: 1}}
  - kind: trials
    name: films
    clips: all
    each:
      - {{kind: clip, name: filming}}
      - {{kind: guess, name: guessing, text: "Please wait, dear Mulgrew.", max_seconds: 5}}
"""


def write_led_protocol(folder: Path) -> Path:
    clips = []
    for name, target in FILMS.items():
        film = make_film(folder / f"{name}.mp4", 15)
        known = f"file: {film.name}, sha256: {sha256_of(film)}, title: The quokka, licence: l"
        clips.append(f"  {name}: {{{known}, valence: mixed, target: {target}}}")
    path = folder / "led.yaml"
    path.write_text(PROTOCOL.format(clips="\n".join(clips)))
    return path


@dataclass(frozen=True)
class Led:
    """What came of the session."""

    recorded: Recorded
    sent: str  # all that the operator was sent
    followed: list[dict[str, Any]]  # all that an observer was sent


def channel_of(sessions: Path) -> Path:
    """The folder of the session, as soon as its channel is open."""
    wait_for(lambda: list(sessions.glob(f"sub-*/ses-*/{FILE}")), "no channel was opened")
    return next(sessions.glob(f"sub-*/ses-*/{FILE}")).parent


def follow(client: Client) -> list[dict[str, Any]]:
    """What an observer is sent until the recorder lets it go."""
    followed = list[dict[str, Any]]()
    try:
        while True:
            followed += client.receive(STARTS_WITHIN_S)
    except RigError:
        return followed


def kill_an_operator(session: Path) -> None:
    """An operator's program attaches, and is killed as soon as it has heard how things stand."""
    code = "import sys; from pathlib import Path; from rig.channel import Client; c = Client(Path(sys.argv[1]))"
    code += "; print(len(c.receive(30)), flush=True); c.receive(99)"
    with subprocess.Popen([sys.executable, "-c", code, str(session)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and int(process.stdout.readline()) > 0
        process.kill()


@pytest.fixture(scope="module")
def led(tmp_path_factory: pytest.TempPathFactory) -> Led:
    folder = tmp_path_factory.mktemp("led")
    files = read_rig(write_rig(folder)), read_protocol(write_led_protocol(folder))
    request = Request(*files, "001", folder / "sessions", scripted=True, wait=True)
    came = list[Recorded]()
    recording = Recording(request, lambda _: None)
    thread = threading.Thread(target=lambda: came.append(recording.record()))
    thread.start()
    try:
        session = channel_of(folder / "sessions")
        with Client(session, "observer") as observer:
            while not observer.receive(STARTS_WITHIN_S):  # it is there before the operator starts
                pass
            operator = ScriptedOperator(session, SEED, folder / "operator.log")
            kill_an_operator(session)
            followed = follow(observer)
            operator.close()
    finally:
        thread.join(2 * STARTS_WITHIN_S)
    return Led(came[0], (folder / "operator.log").read_text(), followed)


def test_the_killed_terminal_ends_nothing_and_every_pulse_is_accounted_for(led: Led) -> None:
    assert_all_told(led.recorded.path.parent, "finished")
    assert not (led.recorded.path.parent / FILE).exists()


def test_the_operator_is_told_when_the_pause_holds(led: Led) -> None:
    paused = [line.partition('"is_paused": true, "is_held": ')[2][:4] for line in led.sent.splitlines()]
    assert "true" in paused


def test_the_guesses_in_the_file_are_those_of_the_script(led: Led) -> None:
    with rig.open(led.recorded.path) as session:
        guesses = [answer for answer in session.answers if answer.get("by") == "operator"]
    meant = [guess(trial, ["jubilant", "gloomy"], SEED) for trial in range(1, TRIALS + 1)]
    assert [(one["answer"], one["confidence"]) for one in guesses] == [(one.value, one.confidence) for one in meant]


def test_no_guess_came_before_its_clip_and_one_was_left_to_the_step_that_waits_for_it(led: Led) -> None:
    waits = [guess(trial, ["jubilant", "gloomy"], SEED).waits for trial in range(1, TRIALS + 1)]
    assert sorted(waits) == [False, False, True]
    with rig.open(led.recorded.path) as session:
        (run,) = session.runs
        onsets = {
            run.steps[row["step"]].trial: row["onset_host_ns"] for row in run.trials[::-1]
        }  # the clip comes first
        guesses = [answer for answer in run.answers if answer.get("by") == "operator"]
        kinds = [run.steps[one["step"]].kind for one in guesses]
    assert all(one["confirmed_host_ns"] > onsets[one["trial"]] + 5e8 for one in guesses)
    assert {kind for kind, is_waiting in zip(kinds, waits, strict=True) if is_waiting} == {"guess"}


def test_start_pause_and_notes_are_in_the_log(led: Led) -> None:
    with rig.open(led.recorded.path) as session:
        said = [(entry["said"], entry.get("text", "")) for entry in session.log if entry["kind"] == "operator"]
    assert [word for word, _ in said if word != "guess"] == ["start", "pause", "go_on", "note"]
    assert ("note", note(3)) in said


def test_no_clip_is_named_in_what_the_operator_was_sent(led: Led) -> None:
    assert [secret for secret in SECRETS if secret in led.sent] == []
    states = [json.loads(line)["state"] for line in led.sent.splitlines() if line.startswith("{")]
    assert {state["trial"] for state in states} >= {1, 2, 3}
    assert (states[-1]["state"], states[-1]["outcome"]) == ("closed", "finished")


def test_an_observer_was_told_of_every_step_and_clip(led: Led) -> None:
    events = [message["event"] for message in led.followed if "event" in message]
    shown = [event["clip"] for event in events if event["kind"] == "began" and event["step_kind"] == "clip"]
    assert sorted(shown) == sorted(FILMS)
    ended = [event for event in events if event["kind"] == "ended"]
    assert len(ended) == len([event for event in events if event["kind"] == "began"])


def test_an_observer_was_told_when_pulses_were_sent_and_not_when_their_messages_came(led: Led) -> None:
    """Truth: the box's clock, fitted to all of the session."""
    told = [m["event"] for m in led.followed if m.get("event", {}).get("kind") == "pulse"]
    with Run(led.recorded.path) as run:
        fitted = map_box(run)
    off_ns = [abs(pulse["host_ns"] - int(fitted(pulse["box_ticks"]))) for pulse in told]
    assert len(told) > 3
    assert all(off <= pulse["within_ns"] + fitted.bound for off, pulse in zip(off_ns, told, strict=True))
    assert min(pulse["within_ns"] for pulse in told) < NS  # it is no bound that says nothing

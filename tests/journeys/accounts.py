"""What holds of a recording in real time however busy the machine is: what came and what did not are told alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import rig
from rig.channel import Client
from rig.config.rig import Screen
from rig.elicitation.steps import Step
from rig.session.run import Run
from rig.sim.script import script
from rig.stimulus.pages.page import Page, look_of
from tests.waiting import WAITS_S


def heard(client: Client, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first state that a recorder tells of which something holds."""
    until = time.monotonic() + WAITS_S
    while time.monotonic() < until:
        for message in client.receive(1.0):
            state: dict[str, Any] = message.get("state", {})
            if state and is_it(state):
                return state
    raise AssertionError("never told")


def run_file(folder: Path) -> Path:
    """The only run file of the session in a folder."""
    (path,) = folder.glob("*_session.h5")
    return path


def assert_all_told(folder: Path, outcome: str) -> None:
    """The first run in a folder ended so, its last group is whole, and every pulse of a camera has a frame or a gap.

    That nothing is lost is the machine's doing: bench.recording measures it.
    """
    with rig.open(folder) as session:
        run = session.runs[0]
        assert str(run.outcome) == outcome
        pulses = run.pulses["pulse_number"].tolist()
        assert pulses == list(range(len(pulses)))
        assert len(pulses) % 4 == 0
        for name in run.streams:
            assert_told(run, name, pulses)


def assert_told(run: Run, name: str, pulses: Iterable[int]) -> None:
    """Each of these pulses that is one of a stream's has a frame or stands in a gap, and not both, unless it was in an
    interval that is not stored on purpose.
    """
    stream = run.streams[name]
    frames = [number for number in stream.pulse_numbers.tolist() if number >= 0]
    left_out = {n for row in run.not_stored if row["stream"] == name.encode() for n in _within(row)}
    told = sorted([*frames, *(number for gap in stream.gaps for number in _within(gap)[:: stream.divisor])])
    meant = [number for number in pulses if number % stream.divisor == 0]
    assert [n for n in told if n not in left_out] == [n for n in meant if n not in left_out], name
    assert not left_out & set(frames), name


def _within(row: np.void) -> range:
    return range(row["first_pulse"], row["last_pulse"] + 1)


def scripted(steps: Iterable[Step], screen: Screen) -> dict[str, str]:
    """What the scripted participant of seed 1 answers to the questions: not to what only ends an instruction."""
    size, look = (screen.width, screen.height), look_of(screen)
    asked = [step for step in steps if step.kind == "question"]
    return {given.question: given.answer for s in asked for given in script(s, 1, Page(s, size, look).boxes).answers}

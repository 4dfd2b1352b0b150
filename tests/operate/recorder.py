"""Stands in for a recorder: tells how a recording stands, and keeps what an operator said.

As a program, `python -m tests.operate.recorder FOLDER`: trial 3 of 16, five times a second, until it is killed or its
standard input ends; it prints one line for each command.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rig import host
from rig.clock import HostClock
from rig.elicitation.steps import Step
from rig.record.keeping import Counts
from rig.record.messages import Event
from rig.record.states import RunState
from rig.record.telling import EVERY_NS, Rules, Standing, Telling, hidden_words
from rig.session.layout import Outcome

GUESSES = {"p": "pleasant", "n": "nasty"}
CLIPS: dict[str, Any] = {
    "waterfall7": {
        "title": "The Sound of Qwerty",
        "file": "films/zebra/crossing.mp4",
        "valence": "jubilant",
        "target": "elation",
        "strong": True,
        "norms": {"who": "Xylander 1995", "mean": 4.2},
        "tags": ["brook"],
    }
}


def step(index: int, kind: Any, name: str, **given: Any) -> Step:
    plain: dict[str, Any] = {"text": "", "keys": {}, "seconds": None, "max_seconds": 9, "clip": None, "trial": 3}
    return Step(index=index, kind=kind, name=name, store=("HS",), reason="", **{**plain, **given})


STEPS = (
    step(0, "instruction", "welcomehere", text="Hide what you feel, dear Mulgrew", trial=0),
    step(1, "wash-out", "washing3", seconds=30.0),
    step(2, "clip", "clipblock3", clip="waterfall7", target="elation"),
    step(3, "guess", "guessing3"),
    step(4, "penalty", "penaltypage1", trial=0, least_caught=2),
)
WORDS = hidden_words(CLIPS, STEPS)
RULES = Rules(is_blind=True, guesses=GUESSES, hidden=WORDS)


def standing(**changed: Any) -> Standing:
    """Ten seconds into the clip of trial 3 of 16."""
    shown = changed.get("step", STEPS[2])
    plain = Standing(
        state=RunState.RECORDING,
        outcome=Outcome.INCOMPLETE,
        seconds=100.0,
        step=shown,
        step_seconds=10.0,
        trials=16,
        may_guess=shown is not None and shown.trial > 0,
        guess="",
        is_paused=False,
        is_between=False,
        is_waiting=False,
        is_withdrawn=False,
        refused=(),
        counts={"HS": Counts(arrived=10_000), "VIS": Counts(arrived=2_500, lost=3)},
        stored_bytes=1_500_000_000,
        free_bytes=99_000_000_000,
        alarms=(),
        is_simulated=True,
    )
    return replace(plain, **changed)


def main() -> None:
    clock = HostClock()

    def say(event: Event) -> None:
        sys.stdout.write(repr(event) + "\n")
        sys.stdout.flush()

    telling = Telling(Path(sys.argv[1]), RULES, STEPS, say, clock)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not host.is_readable(0, EVERY_NS / 1e9):
        telling.look(clock.now_ns(), standing)
    telling.close()


if __name__ == "__main__":
    main()

"""An operator by script: attaches to a recording as a real one does, starts it, guesses, notes and pauses by seed.

Run as a process of its own (`python -m rig.sim.operator`). It acts on nothing but what the recorder sends an operator;
each line of that goes to its log, so that it can be looked through for what an operator must not know.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rig.channel import Client
from rig.children import Message, Parent, started
from rig.clock import NS, HostClock
from rig.errors import DeviceLost, RigError

ATTACH_S = 30.0
LISTEN_S = 0.05
GUESSING_S = (0.5, 2.0)  # from when it may guess until the guess
WAITS = 1 / 3  # of all trials: there it guesses only when the recording waits for it
NOTE_EVERY, PAUSE_TRIAL = 3, 2  # every third trial has a note; in the second one the operator pauses
PAUSE_NS = NS


@dataclass(frozen=True)
class Guess:
    """What this operator guesses in a trial."""

    value: str
    confidence: int  # 1 to 5
    after_s: float  # from the clip's first flip, or the begin of the step that waits for it
    waits: bool = False  # for that step


def guess(trial: int, values: list[str], seed: int) -> Guess:
    """The same for the same trial, values and seed."""
    # Seeded by text: Python hashes numbers and tuples differently from run to run, a text's digest never.
    choice = random.Random(f"{seed} trial {trial}")
    meant = Guess(choice.choice(sorted(values)), choice.randint(1, 5), choice.uniform(*GUESSING_S))
    return replace(meant, waits=choice.random() < WAITS)


def note(trial: int) -> str:
    """What this operator notes in a trial; empty: nothing."""
    return f"trial {trial}: all well" if trial and trial % NOTE_EVERY == 0 else ""


class Script:
    """What this operator does: told how the recording stands, it says the commands that follow."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._trial = 0
        self._since_ns: int | None = None  # it may guess in this trial
        self._done: set[tuple[str, int]] = set()  # command and trial, 0 for what belongs to none
        self._paused_ns: int | None = None

    def look(self, state: Message, now: int) -> list[Message]:
        """The commands that are due at host ns `now`, each once."""
        if state["trial"] != self._trial:
            self._trial, self._since_ns = state["trial"], None
        commands = [{"command": "start"}] if state["is_waiting"] and self._is_new("start", 0) else []
        return [*commands, *self._guess(state, now), *self._pause(state, now), *self._note()]

    def _is_new(self, command: str, trial: int) -> bool:
        is_new = (command, trial) not in self._done
        self._done.add((command, trial))
        return is_new

    def _guess(self, state: Message, now: int) -> list[Message]:
        asked = state["guess"]
        if not asked["is_asked"] or asked["given"]:
            return []
        meant = guess(self._trial, [choice["value"] for choice in asked["choices"]], self._seed)
        if meant.waits and state["kind"] != "guess":
            return []
        self._since_ns = now if self._since_ns is None else self._since_ns
        if now - self._since_ns < meant.after_s * NS or not self._is_new("guess", self._trial):
            return []
        said = {"value": meant.value, "confidence": meant.confidence}
        return [{"command": "guess", "trial": self._trial, **said}]

    def _pause(self, state: Message, now: int) -> list[Message]:
        if self._trial == PAUSE_TRIAL and self._is_new("pause", PAUSE_TRIAL):
            return [{"command": "pause"}]
        if not state["is_paused"]:
            return []
        self._paused_ns = now if self._paused_ns is None else self._paused_ns
        if now - self._paused_ns < PAUSE_NS or not self._is_new("go_on", PAUSE_TRIAL):
            return []
        return [{"command": "go_on"}]

    def _note(self) -> list[Message]:
        text = note(self._trial)
        return [{"command": "note", "text": text}] if text and self._is_new("note", self._trial) else []


class ScriptedOperator:
    """A process that operates the session in `session`, which must be recorded already."""

    def __init__(self, session: Path, seed: int, log: Path) -> None:
        """Start it; everything that it is sent goes to `log`. Blocks until it is attached. Raises DeviceNotReady."""
        setup = {"session": str(session), "seed": seed}
        self._child = started("rig.sim.operator", log, setup, who="scripted operator", within_s=ATTACH_S)

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._child.pid

    def close(self) -> None:
        """End the process. A second call does nothing."""
        self._child.close()


def main() -> None:
    """Operate what the parent names until the recorder has ended, or the parent wants an end."""
    parent = Parent(int(sys.argv[1]))
    asked = parent.receive(ATTACH_S)
    if not asked:
        return
    try:
        client = Client(Path(asked[0]["session"]))
    except RigError as error:
        parent.send({"error": str(error)})
        return
    parent.send({"ready": True})
    with client:
        _operate(client, Script(int(asked[0]["seed"])), parent)


def _operate(client: Client, script: Script, parent: Parent) -> None:
    clock = HostClock()
    state: dict[str, Any] | None = None
    while parent.receive() is not None:
        try:
            for message in client.receive(LISTEN_S):
                sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
                sys.stdout.flush()
                state = message.get("state", state)
            for command in script.look(state, clock.now_ns()) if state else []:
                client.send(command)
        except DeviceLost:  # the recording is over
            return


if __name__ == "__main__":
    main()

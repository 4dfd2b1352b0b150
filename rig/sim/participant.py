"""A participant by script: chooses answers by seed, and presses real keys on a virtual display.

Run as a process of its own (`python -m rig.sim.participant`) it presses the keys by the XTEST extension of X, so that
they come to the window the way a keyboard's do.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

from rig.children import Child, Message, Parent
from rig.clock import NS, HostClock
from rig.elicitation.steps import Step
from rig.errors import DeviceLost, DeviceNotReady, RigError

START_S = 20.0
HOLD_NS = 30_000_000  # how long a key is held down
READING_S = (1.8, 2.2)  # until a key of an instruction is pressed
ANSWERING_S = (0.8, 1.5)  # until a question is answered
X_NAMES = {"return": "Return", "left": "Left", "right": "Right", "up": "Up", "down": "Down"}


def script(step: Step, seed: int) -> tuple[str, float] | None:
    """The key that this participant presses in a step, and how long after its first flip, s; None: none.

    The same for the same step and seed.
    """
    if not step.keys:
        return None
    # Seeded by text: Python hashes numbers and tuples differently from run to run, a text's digest never.
    choice = random.Random(f"{seed} {step.index} {step.name}")
    after_s = choice.uniform(*(ANSWERING_S if step.kind == "question" else READING_S))
    return choice.choice(sorted(step.keys)), after_s


class ScriptedParticipant:
    """A process that presses keys on the display `display`. Only for one that the rig started itself."""

    def __init__(self, display: str, seed: int, folder: Path) -> None:
        """Start it; its log goes to `folder`. Blocks until it is ready. Raises DeviceNotReady naming the display."""
        self._seed = seed
        self._child = Child("rig.sim.participant", folder / "participant.log")
        try:
            self._child.send({"display": display})
            messages = self._child.receive(START_S)
        except DeviceLost as exc:
            self._child.close()
            raise DeviceNotReady("scripted participant", f"did not start on display {display}: {exc}") from None
        if not messages or "ready" not in messages[0]:
            self._child.close()
            problem = messages[0]["error"] if messages else f"did not answer in {START_S:g} s"
            raise DeviceNotReady(f"scripted participant on display {display}", problem)

    def began(self, step: Step) -> None:
        """The step is on the screen now: its key will be pressed. Does not block. Raises DeviceLost."""
        choice = script(step, self._seed)
        self._child.send({"press": choice})

    def close(self) -> None:
        """End the process; keys not pressed yet are not pressed. A second call does nothing."""
        self._child.close()


class Keyboard:
    """A keyboard on an X display, without a keyboard."""

    def __init__(self, display: str) -> None:
        """Raises DeviceNotReady when the display does not answer or has no XTEST."""
        from Xlib.display import Display
        from Xlib.error import DisplayError

        try:
            self._display: Any = Display(display)
        except (DisplayError, OSError) as exc:
            raise DeviceNotReady(f"display {display}", f"does not answer: {exc}") from None
        if not self._display.has_extension("XTEST"):
            raise DeviceNotReady(f"display {display}", "has no XTEST extension")

    def press(self, key: str, clock: HostClock) -> None:
        """Press and release a key, by PsychoPy's name of it. Blocks for 30 ms."""
        from Xlib import XK, X
        from Xlib.ext import xtest

        code = self._display.keysym_to_keycode(XK.string_to_keysym(X_NAMES.get(key, key)))
        xtest.fake_input(self._display, X.KeyPress, code)
        self._display.sync()
        clock.sleep_until(clock.now_ns() + HOLD_NS)
        xtest.fake_input(self._display, X.KeyRelease, code)
        self._display.sync()

    def close(self) -> None:
        """Leave the display."""
        self._display.close()


def main() -> None:
    """Press what the parent asks for, each when it is due; a new request takes the place of the last."""
    parent = Parent(int(sys.argv[1]))
    keyboard: Keyboard | None = None
    clock = HostClock()
    due: tuple[int, str] | None = None  # host clock ns, key
    while True:
        left_s = max(due[0] - clock.now_ns(), 0) / NS if due else 1.0
        messages = parent.receive(left_s)
        if messages is None:
            return
        for message in messages:
            if "display" in message:
                keyboard = _open(parent, message["display"])
            else:
                due = _due(message, clock)
        if keyboard and due and clock.now_ns() >= due[0]:
            keyboard.press(due[1], clock)
            due = None


def _open(parent: Parent, display: str) -> Keyboard:
    try:
        keyboard = Keyboard(display)
    except RigError as exc:
        parent.send({"error": str(exc)})
        raise SystemExit(1) from None
    parent.send({"ready": True})
    return keyboard


def _due(message: Message, clock: HostClock) -> tuple[int, str] | None:
    if message["press"] is None:
        return None
    key, after_s = message["press"]
    return clock.now_ns() + round(after_s * NS), key


if __name__ == "__main__":
    main()

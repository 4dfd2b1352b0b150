"""One operator's terminal: keys in, commands to the recorder, and its state on the screen until the operator leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from rig import host
from rig.channel import Message
from rig.operate.asking import Asking, hotkeys
from rig.operate.keys import Keys
from rig.operate.link import Link
from rig.operate.screen import View, lines

LISTEN_S = 0.05  # so long a key may wait


class Terminal:
    """Attached to one recording. `run` blocks until the operator leaves, or the terminal is gone."""

    def __init__(self, link: Link, session: Path, console: Console, clean: Callable[[str], str]) -> None:
        """`clean` makes foreign text harmless to a terminal."""
        self._link, self._console, self._clean = link, console, clean
        self._session = f"{session.resolve().parent.name} {session.resolve().name}"
        self._asking, self._keys = Asking(), Keys()
        self._state: Message = {}
        self._refused = ""

    def run(self, keyboard: int) -> None:
        """Follow the recording; `keyboard` is the descriptor of a terminal. The recording goes on when it returns."""
        console = self._console
        with host.keys_at_once(keyboard), Live(console=console, screen=True, auto_refresh=False) as live:
            shown: object = None
            while not self._asking.is_leaving:
                self._hear(self._link.receive(LISTEN_S))
                typed = host.typed(keyboard)
                if typed is None:
                    return
                for key in self._keys.feed(typed):
                    self.press(key)
                view = self.view()
                if view != shown:
                    shown = view
                    live.update(Group(*lines(view, console.width, console.height)), refresh=True)

    def _hear(self, messages: list[Message]) -> None:
        for message in messages:
            if "state" in message:
                self._take(_cleaned(message["state"], self._clean))
            elif "refused" in message:
                self._refused = f"Refused: {self._clean(str(message['refused']))}"
        self._asking.look(self._now)

    def _take(self, state: Message) -> None:
        """How it stands; with it may come that what was sent in a trial's last moment came too late."""
        if self._state and state["refused"]["count"] > self._state["refused"]["count"]:
            self._refused = f"Refused: {state['refused']['last']}"
        self._state = state

    @property
    def _now(self) -> Message:
        """How the recording stands; empty while there is no recorder."""
        return self._state if self._link.is_attached else {}

    def press(self, key: str) -> None:
        """A key was pressed; the command that it completes is sent."""
        self._refused = ""
        command = self._asking.press(key, self._now)
        if command is not None and not self._link.send(command):
            self._refused = "Not sent: the recorder is gone"

    def view(self) -> View:
        """What there is to show now."""
        prompt = self._asking.prompt(self._state)
        said = self._refused or self._asking.said
        return View(
            session=self._session,
            state=self._state,
            is_attached=self._link.is_attached,
            silent_s=float(int(self._link.silent_s())),  # whole seconds: a new one is a reason to draw anew
            prompt=self._clean(prompt),
            said=self._clean(said),
            hotkeys=hotkeys(self._now),
        )


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """Plain data with every text in it made harmless, and of one line."""
    if isinstance(value, str):
        return clean(value).replace("\n", " ")
    if isinstance(value, dict):
        return {clean(key): _cleaned(each, clean) for key, each in value.items()}
    return [_cleaned(each, clean) for each in value] if isinstance(value, list) else value

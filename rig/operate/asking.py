"""What an operator's keys mean: a command, or a step towards one. Pure: keys in, commands out.

    at rest --s, p----------------------------> start, pause or go on
            --r, a, e--> sure? --y------------> repeat, skip, stop
            --n--> a line, return ------------> note
            --g--> a choice --> 1 to 5 -------> guess
            --q, Ctrl-C--> leaves

Escape leads back to rest. So does the end of the trial for what is meant for that trial.
"""

from __future__ import annotations

from dataclasses import dataclass

from rig.channel import Message
from rig.record.messages import CONFIDENCE, MOST_LETTERS

ESCAPE, RETURN, BACKSPACE, INTERRUPT = "escape", "return", "backspace", "interrupt"
SURE = {
    "r": ("repeat", "Repeat this trial from its beginning?"),
    "a": ("skip", "Leave out the rest of this trial?"),
    "e": ("stop", "End the recording?"),
}
OF_A_TRIAL = ("repeat", "skip", "guess")


@dataclass(frozen=True)
class Hotkey:
    """A key and what it does."""

    key: str
    does: str


def hotkeys(state: Message) -> tuple[Hotkey, ...]:
    """The keys that mean something now; `state` as the recorder told it, empty when there is no recorder."""
    if state.get("state", "closed") == "closed":
        return (Hotkey("q", "leave"),)
    keys = [Hotkey("s", "start")] if state["is_waiting"] else []
    may_pause = state["state"] == "recording" and not state["is_withdrawn"]
    keys += [Hotkey("p", "go on" if state["is_paused"] else "pause")] if may_pause else []
    keys += [Hotkey("r", "repeat trial"), Hotkey("a", "skip trial")] if state["trial"] else []
    keys += [Hotkey("g", "guess")] if state["guess"]["is_asked"] else []
    return (*keys, Hotkey("n", "note"), Hotkey("e", "end"), Hotkey("q", "leave"))


class Asking:
    """One operator at the keys."""

    def __init__(self) -> None:
        self.is_leaving = False
        self.said = ""  # what came of the last keys, for the operator
        self._command = ""  # that is being put together; empty at rest
        self._text = ""  # of a note so far
        self._value = ""  # guessed; the confidence is still to come
        self._trial = 0  # that is being spoken of
        self._seen = 0  # trial that goes on

    def prompt(self, state: Message) -> str:
        """What the operator is asked; empty at rest."""
        if self._command == "note":
            return f"Note: {self._text}_"
        if self._command == "guess" and not self._value:
            choices = "  ".join(f"{choice['key']} {choice['value']}" for choice in state["guess"]["choices"])
            return f"Which clip is it?  {choices}"
        if self._command == "guess":
            return f"{self._value}: how sure are you?  1 not at all ... 5 quite sure"
        asked = next((question for command, question in SURE.values() if command == self._command), "")
        return f"{asked}  y yes, any other key no" if asked else ""

    def look(self, state: Message) -> None:
        """Forget what was said and meant in a trial that is over. `state`: how it stands now; empty: no recorder."""
        if state.get("trial", 0) != self._seen:
            self._seen, self.said = state.get("trial", 0), ""
        if self._command in OF_A_TRIAL and state.get("trial", 0) != self._trial:
            why = "its trial is over" if state else "the recorder is gone"
            self._rest(f"{self._command.capitalize()} was not sent: {why}")

    def press(self, key: str, state: Message) -> Message | None:
        """Take a key: a letter, or one of the names above; the command that it completes."""
        if key == INTERRUPT:
            self.is_leaving = True
        elif key == ESCAPE:
            self._rest("")
        elif self._command == "note":
            return self._write(key)
        elif self._command == "guess":
            return self._guess(key, state)
        elif self._command:
            return self._confirm(key)
        else:
            return self._at_rest(key.lower(), state)
        return None

    def _rest(self, said: str) -> None:
        self._command, self._text, self._value, self.said = "", "", "", said

    def _begin(self, command: str, state: Message) -> None:
        self._rest("")
        self._command, self._trial = command, state.get("trial", 0)

    def _at_rest(self, key: str, state: Message) -> Message | None:
        self.said = ""
        if key not in [hotkey.key for hotkey in hotkeys(state)]:
            self.said = f"{key} means nothing now"
        elif key == "q":
            self.is_leaving = True
        elif key == "s":
            return self._done({"command": "start"}, "Start was sent")
        elif key == "p":
            is_paused = state["is_paused"]
            said = "Go on was sent" if is_paused else "Pause was sent: this step ends first, then the next one waits"
            return self._done({"command": "go_on" if is_paused else "pause"}, said)
        else:
            self._begin({"n": "note", "g": "guess"}.get(key) or SURE[key][0], state)
        return None

    def _done(self, command: Message, said: str) -> Message:
        self._rest(said)
        return command

    def _confirm(self, key: str) -> Message | None:
        if key.lower() != "y":
            self._rest("")
            return None
        of_trial = {"trial": self._trial} if self._command in OF_A_TRIAL else {}
        return self._done({"command": self._command, **of_trial}, f"{self._command.capitalize()} was sent")

    def _write(self, key: str) -> Message | None:
        if key == RETURN:
            text = self._text.strip()
            if not text:
                self._rest("")
                return None
            return self._done({"command": "note", "text": text}, f"Note: {text}")
        if key == BACKSPACE:
            self._text = self._text[:-1]
        elif (len(key) == 1 or key == "space") and len(self._text) < MOST_LETTERS:
            self._text += " " if key == "space" else key
        return None

    def _guess(self, key: str, state: Message) -> Message | None:
        if not self._value:
            values = {choice["key"]: choice["value"] for choice in state["guess"]["choices"]}
            self._value = values.get(key) or values.get(key.lower(), "")
            return None
        if key not in map(str, CONFIDENCE):
            return None
        guess = {"value": self._value, "confidence": int(key)}
        said = f"Guess: {self._value}, confidence {key}"
        return self._done({"command": "guess", "trial": self._trial, **guess}, said)

"""What the operator's terminal shows, as lines of text: pure, from what the recorder said last."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rich.text import Text

from rig.channel import Message
from rig.operate.asking import Hotkey

QUIET_S = 1.0  # a recorder says how it stands five times a second; so long without a word is shown
ALARM_LINES = 3  # that one alarm may take
ASKED_LINES = 4  # that a question or a note may take
GOOD, BAD, MILD, DIM = "bold green", "bold red", "bold yellow", "dim"
ENDED_WELL = ("finished",)
STATES = {"idle": "GETTING READY", "arming": "GETTING READY", "draining": "ENDING"}


@dataclass(frozen=True)
class View:
    """What there is to show."""

    session: str
    state: Message  # as the recorder told it last; empty before
    is_attached: bool
    silent_s: float  # since the recorder was heard, or since it is gone
    prompt: str  # what the operator is asked; empty at rest
    said: str  # what came of the last keys
    hotkeys: tuple[Hotkey, ...]


def lines(view: View, width: int, height: int) -> list[Text]:
    """At most `height` lines, none of them wider than `width`; the alarms have what the others leave."""
    state = view.state
    above = [_title(view, width), _standing(view)]
    if state:
        above += [_step(state), Text(), *_streams(state), _disk(state), Text()]
    below = [Text(), *_asked(view, width), _keys(view)]
    alarms = _alarms(state.get("alarms", []), width, height - len(above) - len(below)) if state else []
    gap = [Text()] * max(0, height - len(above) - len(alarms) - len(below))
    shown = [*above, *alarms, *gap, *below]
    for line in shown:
        line.truncate(width, overflow="ellipsis")
    return shown[:height]


def _title(view: View, width: int) -> Text:
    state = view.state
    title = Text(view.session, "bold")
    title.append("  SIMULATED" if state.get("is_simulated") else "", MILD)
    title.append("  blind" if state.get("is_blind") else "", DIM)
    clock = _spelled_s(state["seconds"]) if state else ""
    title.pad_right(max(1, width - title.cell_len - len(clock)))
    return title.append(clock)


def _spelled_s(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _standing(view: View) -> Text:
    """Whether there is a recorder, and what it does."""
    state, silent = view.state, _spelled_s(view.silent_s)
    if state.get("state") == "closed":
        outcome = state["outcome"]
        return Text(f"ENDED: {outcome}", GOOD if outcome in ENDED_WELL else BAD)
    if not view.is_attached:
        return Text(f"THE RECORDER IS GONE, for {silent}; waiting for it to come back", BAD)
    if view.silent_s >= QUIET_S:
        return Text(f"THE RECORDER SAYS NOTHING, for {silent}", BAD)
    return _doing(state) if state else Text("Attached; waiting for the recorder's first word", DIM)


def _doing(state: Message) -> Text:
    if state["is_waiting"]:
        return Text("WAITING FOR YOUR START", MILD)
    if state["is_withdrawn"] and state["state"] == "recording":
        return Text("WITHDRAWN by the participant: nothing is stored any more", MILD)
    if state["is_held"]:
        return Text("PAUSED: the next step waits for you", MILD)
    if state["is_paused"]:
        return Text("PAUSE FOLLOWS: this step goes on to its end", MILD)
    return Text(STATES.get(state["state"], "RECORDING"), GOOD)


def _step(state: Message) -> Text:
    """Trial and kind of step, with its time, and the guess."""
    trial = [f"trial {state['trial']} of {state['trials']}"] if state["trial"] else []
    names = [state["kind"], *(name for name in (state.get("step"), state.get("clip")) if name)]
    shown = [*trial, *dict.fromkeys(names)] if state["kind"] else []
    if state["is_held"]:
        shown = [*trial, "nothing on the screen"]
    elif shown:
        left_s = state["left_s"]
        shown.append(f"{state['step_seconds']:.0f} s" if left_s is None else f"{left_s:.0f} s left")
    return Text("  ".join([*shown, *_guess(state["guess"])]))


def _guess(guess: Message) -> list[str]:
    if not guess["is_asked"]:
        return []
    return [f"guess: {guess['given']}" if guess["given"] else "no guess yet"]


def _streams(state: Message) -> list[Text]:
    streams = state["streams"]
    if not streams:
        return [Text("no frames yet", DIM)]
    name_width = max(len(name) for name in streams)
    return [_stream(name.ljust(name_width), counts) for name, counts in streams.items()]


def _stream(name: str, counts: Message) -> Text:
    """A camera; frames that are late, or were lost, are not to be told yet."""
    lost, about = counts["lost"] + counts["missing"], "about " if counts["missing"] else ""
    line = Text(f"{name}  {counts['arrived']:>9,} frames  ")
    return line.append(f"{about}{lost:,} LOST" if lost else "0 lost", BAD if lost else GOOD)


def _disk(state: Message) -> Text:
    free = state["free_bytes"]
    spelled = f"{free / 1e9:,.0f} GB free" if free >= 0 else "free room unknown"
    return Text(f"disk  {state['stored_bytes'] / 1e9:,.2f} GB written, {spelled}")


def _alarms(alarms: list[str], width: int, room: int) -> list[Text]:
    """The newest alarms that there is room for, the newest last, and how many are not shown."""
    if not alarms:
        return [Text("no alarm", DIM)][: max(0, room)]
    shown: list[str] = []
    left = len(alarms)
    for alarm in reversed(alarms):
        folded = textwrap.wrap(f"ALARM {alarm}", width, max_lines=ALARM_LINES, placeholder=" ...")
        if len(folded) + len(shown) > room - (1 if left > 1 else 0):
            break
        shown, left = [*folded, *shown], left - 1
    older = [Text(f"and {left} {'alarm' if left == 1 else 'alarms'} before", MILD)] if left else []
    return [*older, *(Text(line, BAD) for line in shown)][: max(0, room)]


def _asked(view: View, width: int) -> list[Text]:
    """The question, or what came of the last answer; of a note longer than the room for it the end."""
    folded = textwrap.wrap(view.prompt or view.said, width) or [""]
    return [Text(line, "bold" if view.prompt else "") for line in folded[-ASKED_LINES:]]


def _keys(view: View) -> Text:
    line = Text()
    for hotkey in view.hotkeys:
        line.append(hotkey.key, "bold reverse").append(f" {hotkey.does}  ")
    return line

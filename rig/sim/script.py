"""What a scripted participant does in a step, by seed: which keys, letters and clicks, and when. Pure.

The simulated screen and the process that presses real keys both do what is written here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rig.elicitation.steps import Item, Step
from rig.stimulus.pages.boxes import CONFIRM, SKIP, Box, BoxKind, named
from rig.stimulus.pages.form import CONFIRM_KEY, SKIP_KEY, most_letters

READING_S = (1.8, 2.2)  # until a key of an instruction is pressed
ANSWERING_S = (0.8, 1.5)  # until a question is answered
NEXT_S = (0.3, 0.6)  # from one answer of a page to the next
LETTER_S = 0.1  # from one letter to the next
MOVING_S = 0.1  # from the middle of the pointer's way to its end, and from there to the click
HOLD_S = 0.03  # how long a key or a button is held down
WITHDRAWING_S = 1.4  # how long the key of withdrawal is held: well over what it takes
CLICKS, SKIPS, EMPTY = 0.5, 0.2, 0.1  # shares: clicks of all answers, of what may be skipped, of texts left empty
MOST_KEYED = 10  # points of a scale that have a digit
WORDS = ("glad", "Ärger", "déjà", "Straße", "радость", "שמחה", "ελπίδα", "😀")


@dataclass(frozen=True)
class Deed:
    """One thing that is done: a key, a letter, or the pointer."""

    after_s: float  # the step's first flip, s
    key: str = ""  # pressed, and let go after `hold_s`
    text: str = ""  # one letter, typed in whatever layout has it
    pointer: tuple[int, int, bool] | None = None  # px from the upper left corner; whether its left button is down
    hold_s: float = HOLD_S


@dataclass(frozen=True)
class Given:
    """An answer that the deeds give."""

    question: str
    answer: str
    is_skipped: bool = False


@dataclass(frozen=True)
class Script:
    """A step as this participant takes it."""

    deeds: tuple[Deed, ...] = ()  # in the order of their times
    answers: tuple[Given, ...] = ()


def script(step: Step, seed: int, boxes: Sequence[Box] = (), *, withdraws_by: str = "") -> Script:
    """What this participant does in a step. The same for the same step, seed and boxes.

    `boxes`: those of its page; without them nothing is clicked. `withdraws_by`: the key to withdraw with, now.
    """
    # Seeded by text: Python hashes numbers and tuples differently from run to run, a text's digest never.
    choice = random.Random(f"{seed} {step.index} {step.name}")
    if withdraws_by:
        return Script((Deed(choice.uniform(0.5, 1.0), key=withdraws_by, hold_s=WITHDRAWING_S),))
    if step.items:
        return _Page(step, boxes, choice).script()
    if not step.keys:
        return Script()
    after_s = choice.uniform(*(ANSWERING_S if step.kind == "question" else READING_S))
    key = choice.choice(sorted(key for key, answer in step.keys.items() if answer not in step.ends_run))
    return Script((Deed(after_s, key=key),), (Given(step.name, step.keys[key]),))


class _Page:
    """Goes through the items of a page, in their order."""

    def __init__(self, step: Step, boxes: Sequence[Box], choice: random.Random) -> None:
        self._step, self._boxes, self._choice = step, boxes, choice
        self._now_s = 0.0
        self._deeds: list[Deed] = []

    def script(self) -> Script:
        answers = []
        for index, item in enumerate(self._step.items):
            self._now_s += self._choice.uniform(*(NEXT_S if index else ANSWERING_S))
            answers.append(self._answer(item))
        return Script(tuple(self._deeds), tuple(answers))

    def _answer(self, item: Item) -> Given:
        if item.may_skip and self._choice.random() < SKIPS:
            self._press(SKIP_KEY, "button", "", SKIP)
            return Given(item.name, "", is_skipped=True)
        match item.kind:
            case "choice":
                return self._choose(item)
            case "text":
                return self._write(item)
            case _:
                return self._rate(item)

    def _choose(self, item: Item) -> Given:
        chosen = self._choice.choice([c for c in item.choices if c.value not in self._step.ends_run])
        self._press(chosen.key, "choice", item.name, chosen.value)
        return Given(item.name, chosen.value)

    def _rate(self, item: Item) -> Given:
        value = self._choice.randint(1, item.points)
        kind: BoxKind = "manikin" if item.kind == "sam" else "point"
        is_click = self._press(str(value % 10) if value <= MOST_KEYED else "", kind, item.name, str(value))
        if not is_click or len(self._step.items) == 1:  # else the click was all
            self._confirm()
        return Given(item.name, str(value))

    def _write(self, item: Item) -> Given:
        words = [] if self._choice.random() < EMPTY else self._choice.sample(WORDS, 2)
        text = " ".join(words)[: most_letters(item)]
        for letter in text:
            self._deeds.append(Deed(self._now_s, text=letter))
            self._now_s += LETTER_S
        self._confirm()
        return Given(item.name, text)

    def _confirm(self) -> None:
        self._now_s += self._choice.uniform(*NEXT_S)
        self._press(CONFIRM_KEY, "button", "", CONFIRM)

    def _press(self, key: str, kind: BoxKind, name: str, value: str) -> bool:
        """Press the key or click on the box, whichever there is, or either; whether it was a click."""
        box = next(named(self._boxes, kind, name, value), None)
        is_click = box is not None and (not key or self._choice.random() < CLICKS)
        if box is not None and is_click:
            self._deeds += self._click(box)
        else:
            self._deeds.append(Deed(self._now_s, key=key))
        return is_click

    def _click(self, box: Box) -> Iterator[Deed]:
        """Towards the middle of the box, there, and its button."""
        x, y = box.left + box.width // 2, box.top + box.height // 2
        yield Deed(self._now_s, pointer=(x, box.top - 1, False))
        yield Deed(self._now_s + MOVING_S, pointer=(x, y, False))
        self._now_s += 2 * MOVING_S
        yield Deed(self._now_s, pointer=(x, y, True))
        yield Deed(self._now_s + HOLD_S, pointer=(x, y, False))

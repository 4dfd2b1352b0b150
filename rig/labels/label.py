"""A label: one expression as one coder saw it, and what it may say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from rig.errors import UserError

MARKS = ("onset", "apex", "offset")
KINDS = {
    "micro": "a micro-expression",
    "macro": "an expression of ordinary length",
    "blink": "the eyes close and open",
    "other": "anything else that moves",
}
EMOTIONS = (
    "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise", "positive", "negative",
)  # fmt: skip
MOST_LETTERS = 4000  # of any text
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a letter, which UTF-8 cannot write
_AU = re.compile(r"[LRTB]?(?P<number>[1-9][0-9]?)[A-E]?")
FACS = {1, 2, *range(4, 47), 50, *range(51, 67), 68, 69, *range(70, 75), 80, 81, 82, 84, 85, 91, 92, 97, 98}
LARGEST = 2**53  # whole numbers below it are exact in JSON for every reader


@dataclass(frozen=True)
class Label:
    """One expression as one coder saw it. Marks are pulses of the base stream in run `run`, None: not marked yet."""

    id: str
    run: int
    onset: int | None
    apex: int | None
    offset: int | None
    kind: str
    emotion: str = ""
    aus: str = ""
    note: str = ""
    uncertain: bool = False

    @property
    def marks(self) -> dict[str, int | None]:
        """Onset, apex and offset."""
        return {mark: getattr(self, mark) for mark in MARKS}

    @property
    def marked(self) -> list[int]:
        """The pulses of those marks that are there."""
        return [pulse for pulse in self.marks.values() if pulse is not None]

    @property
    def missing(self) -> list[str]:
        """Names of the marks that are not there."""
        return [mark for mark, pulse in self.marks.items() if pulse is None]


def label_of(given: object) -> Label:
    """A label from plain data, as JSON gives it. Raises UserError naming the field; places are not looked at."""
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise UserError("label", "is none", allowed='an object with an "id" of letters')
    label = f"label {given['id'][:64]!r}"
    wrong = {field.name for field in fields(Label)} ^ set(given)
    if wrong:
        raise UserError(label, f"has other fields than a label: {', '.join(sorted(map(repr, wrong)))}")
    for name in ("run", *MARKS):
        is_good = _is_number(given[name]) or (given[name] is None and name != "run")
        require(is_good, label, name, given[name], "a whole number from 0 on")
    for name in ("id", "kind", "emotion", "aus", "note"):
        require(isinstance(given[name], str), label, name, given[name], "a text")
    require(isinstance(given["uncertain"], bool), label, "uncertain", given["uncertain"], "true or false")
    return _checked(Label(**given), label)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def require(is_good: object, label: str, name: str, value: object, allowed: str = "") -> None:
    """Raise UserError about a field of a label unless `is_good`."""
    if not is_good:
        raise UserError(f"{label}, {name}", "is not allowed", value=f"{value!r:.80}", allowed=allowed)


def _checked(found: Label, label: str) -> Label:
    """The label again. Raises UserError for a value that none may have."""
    require(_ID.fullmatch(found.id), label, "id", found.id, "1 to 64 letters, digits and hyphens")
    require(found.kind in KINDS, label, "kind", found.kind, ", ".join(KINDS))
    for name in ("emotion", "note"):
        text = getattr(found, name)
        require(len(text) <= MOST_LETTERS, label, name, text, f"at most {MOST_LETTERS} letters")
        require(not _SURROGATE.search(text), label, name, text, "whole letters")
    is_good = len(found.aus) <= MOST_LETTERS and are_aus(found.aus)
    require(is_good, label, "aus", found.aus, "numbers of FACS as in 1+2, R12 or L14C+25")
    marked = found.marked
    require(marked == sorted(marked), label, "marks", tuple(found.marks.values()), "onset <= apex <= offset")
    return found


def are_aus(text: str) -> bool:
    """Whether a text is a sum of action units of FACS, each with a side and an intensity if need be; or empty."""
    found = [_AU.fullmatch(part) for part in text.split("+")]
    return not text or all(au is not None and int(au["number"]) in FACS for au in found)


def refuse_twins(labels: Iterable[Label]) -> None:
    """Raise UserError when two labels have one id."""
    seen: set[str] = set()
    for label in labels:
        require(label.id not in seen, f"label {label.id!r}", "id", label.id, "each id once")
        seen.add(label.id)

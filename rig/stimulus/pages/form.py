"""What keys, letters and pointer mean on a page: they become answers, one for each item. Pure.

    asked -> first key or move -> value, as often as wanted -> confirmed: an Answer, and the next item is asked

A choice is confirmed by its key or a click on it. A scale, manikins and a text take a value first, and `return` or the
button confirms it; on a page of several items a click on a point confirms it at once. `tab` or its button skips. What
is not confirmed when the page ends is an Answer as well, marked so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from unicodedata import category, combining

from rig.elicitation.steps import Item, Step
from rig.stimulus.pages.boxes import CONFIRM, SKIP, Box, named
from rig.streams import Answer

CONFIRM_KEY, SKIP_KEY, ERASE_KEY = "return", "tab", "backspace"
MOST_LETTERS = 10_000  # of a text whose item does not say
ZERO_WIDTH = "\u200c\u200d"  # (non-)joiners, which Persian words and composed emoji need
_POINTS = ("point", "manikin")


@dataclass(frozen=True, slots=True)
class Filled:
    """What an item looks like."""

    value: str = ""  # chosen or typed so far
    is_confirmed: bool = False
    is_current: bool = False  # the one that is asked now


State = tuple[Filled, ...]  # of all items of a page, in their order


@dataclass(slots=True)
class _Given:
    """How far an item has come; host clock, ns."""

    asked_ns: int
    first_ns: int | None = None  # first key or move of the pointer about it
    value: str = ""
    is_confirmed: bool = False
    was_asked: bool = False


class Form:
    """The items of a page and what was answered so far. Times are host clock, ns; they never go back."""

    def __init__(
        self, step: Step, began_host_ns: int, boxes: Sequence[Box] = (), *, is_button_down: bool = False
    ) -> None:
        """`boxes`: those of the page, which the pointer and a page read from right to left need.

        `is_button_down`: whether the pointer's button was held already, which is no click on this page.
        """
        self._step, self._items, self._boxes = step, step.items, boxes
        self._given = [_Given(began_host_ns) for _ in step.items]
        self._current = 0  # the item asked now; as many as there are items: none
        self._key_ns = -1  # the last key that an item took which is no text
        self._place: tuple[int, int] | None = None  # of the pointer
        self._is_down = is_button_down
        if self._given:
            self._given[0].was_asked = True

    @property
    def is_complete(self) -> bool:
        """Whether every item has its answer, or was skipped."""
        return all(given.is_confirmed for given in self._given)

    @property
    def current(self) -> Item | None:
        """The item that is asked now; None when all are answered."""
        return self._items[self._current] if self._current < len(self._items) else None

    @property
    def state(self) -> State:
        """What the page shows of it."""
        return tuple(Filled(g.value, g.is_confirmed, i == self._current) for i, g in enumerate(self._given))

    def key(self, key: str, host_ns: int) -> list[Answer]:
        """A key went down, in PsychoPy's names. One that means nothing to the item asked is ignored."""
        item, index = self.current, self._current
        if item is None:
            return []
        if item.kind != "text":
            self._key_ns = host_ns
        if key == SKIP_KEY:
            return self._skip(index, host_ns)
        if key == CONFIRM_KEY and item.kind != "choice":
            return self._confirm(index, host_ns)
        value = _value_by_key(item, self._given[index].value, key, is_mirrored=self._is_mirrored(item))
        if value is None:
            return []
        self._set(index, value, host_ns)
        return self._confirm(index, host_ns) if item.kind == "choice" else []

    def typed(self, text: str, host_ns: int) -> None:
        """Letters were typed, in whatever layout; the item asked takes them if it is a text.

        What a key types comes after `key`, with the same time: then the item that took the key has it.
        """
        item = self.current
        if item is None or item.kind != "text" or host_ns <= self._key_ns:
            return
        room = most_letters(item) - len(self._given[self._current].value)
        letters = "".join(letter for letter in text if is_letter(letter))[:room]
        self._set(self._current, self._given[self._current].value + letters, host_ns)

    def mouse(self, x: int, y: int, is_down: bool, host_ns: int) -> list[Answer]:  # noqa: FBT001
        """The pointer is there now, px from the upper left corner; `is_down`: its left button is."""
        has_moved, was_down = (x, y) != self._place, self._is_down
        self._place, self._is_down = (x, y), is_down
        hit = [] if self.is_complete else [box for box in self._boxes if box.contains(x, y)]
        if has_moved:
            self._note_move(hit, host_ns)
        if was_down and is_down:
            self._drag(hit, host_ns)
        return self._click(hit, host_ns) if is_down and not was_down else []

    def _note_move(self, hit: list[Box], host_ns: int) -> None:
        for index, item in enumerate(self._items):
            if any(box.kind == "item" and box.name == item.name for box in hit):
                self._note_first(index, host_ns)

    def _note_first(self, index: int, host_ns: int) -> None:
        given = self._given[index]
        given.first_ns = host_ns if given.first_ns is None else given.first_ns

    def _click(self, hit: list[Box], host_ns: int) -> list[Answer]:
        for box in hit:
            if box.kind == "button":
                press = self._confirm if box.value == CONFIRM else self._skip
                return press(self._current, host_ns) if self._has_button(box.value) else []
            index = self._open_item(box)
            if index is not None:
                return self._click_item(index, box, host_ns)
        return []

    def _has_button(self, value: str) -> bool:
        item = self.current
        return item is not None and value in buttons(item, self._given[self._current].value)

    def _open_item(self, box: Box) -> int | None:
        """The item whose answer a click on the box gives, unless it has one."""
        if box.kind not in ("choice", "field", *_POINTS):
            return None
        index = next(i for i, item in enumerate(self._items) if item.name == box.name)
        return None if self._given[index].is_confirmed else index

    def _click_item(self, index: int, box: Box, host_ns: int) -> list[Answer]:
        if box.kind == "field":
            self._note_first(index, host_ns)
            self._current, self._given[index].was_asked = index, True
            return []
        self._set(index, box.value, host_ns)
        if box.kind == "choice" or len(self._items) > 1:
            return self._confirm(index, host_ns)
        return []

    def _drag(self, hit: list[Box], host_ns: int) -> None:
        """On the only scale of a page the value follows the pointer while its button is down."""
        points = [box for box in hit if box.kind in _POINTS]
        if points and len(self._items) == 1:
            self._set(0, points[0].value, host_ns)

    def unconfirmed(self, host_ns: int) -> list[Answer]:
        """What was chosen or typed and not confirmed, when the page ends; nothing of items that nobody touched."""
        open_ones = [index for index, given in enumerate(self._given) if given.value and not given.is_confirmed]
        return [replace(self._answer(index, host_ns), is_confirmed=False) for index in open_ones]

    def _set(self, index: int, value: str, host_ns: int) -> None:
        self._note_first(index, host_ns)
        self._given[index].value = value

    def _skip(self, index: int, host_ns: int) -> list[Answer]:
        if not self._items[index].may_skip:
            return []
        self._given[index].value = ""
        return self._give(index, host_ns, is_skipped=True)

    def _confirm(self, index: int, host_ns: int) -> list[Answer]:
        """A text may be empty; of all else there must be a value."""
        if not self._given[index].value and self._items[index].kind != "text":
            return []
        return self._give(index, host_ns, is_skipped=False)

    def _give(self, index: int, host_ns: int, *, is_skipped: bool) -> list[Answer]:
        self._note_first(index, host_ns)
        self._given[index].is_confirmed = True
        self._ask_next(host_ns)
        return [replace(self._answer(index, host_ns), is_skipped=is_skipped)]

    def _answer(self, index: int, host_ns: int) -> Answer:
        given, item = self._given[index], self._items[index]
        first_ns = host_ns if given.first_ns is None else given.first_ns
        return Answer(self._step.index, item.name, given.value, given.asked_ns, first_ns, host_ns)

    def _ask_next(self, host_ns: int) -> None:
        """The first item without an answer is asked from now on, unless it was before."""
        self._current = next((i for i, g in enumerate(self._given) if not g.is_confirmed), len(self._items))
        if self.current is None or self._given[self._current].was_asked:
            return
        given = self._given[self._current]
        # The pointer may have crossed it on its way before: that was not about it.
        given.was_asked, given.asked_ns, given.first_ns = True, host_ns, None

    def _is_mirrored(self, item: Item) -> bool:
        """Whether the item's points go from right to left."""
        points = [box for kind in _POINTS for box in named(self._boxes, kind, item.name)]  # type: ignore[arg-type]
        return len(points) > 1 and points[0].left > points[1].left


def most_letters(item: Item) -> int:
    """How many letters the item takes."""
    return item.most_letters or MOST_LETTERS


def buttons(item: Item, value: str) -> tuple[str, ...]:
    """The buttons that mean something while the item is asked and has that value."""
    can_confirm = item.kind == "text" or (item.kind != "choice" and value)
    return ((CONFIRM,) if can_confirm else ()) + ((SKIP,) if item.may_skip else ())


def progress(step: Step, state: State) -> str:
    """Which item of the whole questionnaire is asked, and how many it has, e.g. 3 / 100."""
    asked = min(sum(filled.is_confirmed for filled in state) + 1, len(state))
    return f"{step.asked_before + asked} / {step.asked_in_all or len(state)}"


def is_letter(letter: str) -> bool:
    """Whether a text takes it: it can be seen, or joins others; no control sign, nor one that turns the writing."""
    return letter.isprintable() or letter in ZERO_WIDTH or category(letter) == "Zs"


def _value_by_key(item: Item, value: str, key: str, *, is_mirrored: bool) -> str | None:
    """The value that the key gives the item; None: it means nothing to it."""
    if item.kind == "choice":
        return next((choice.value for choice in item.choices if choice.key == key), None)
    if item.kind == "text":
        return _erased(value) if key == ERASE_KEY else None
    return _point_by_key(item.points, value, key, is_mirrored=is_mirrored)


def _point_by_key(points: int, value: str, key: str, *, is_mirrored: bool) -> str | None:
    """A digit names a point, 0 the tenth; an arrow goes to the next one, at first from the middle."""
    if len(key) == 1 and key in "0123456789":
        point = int(key) or 10
        return str(point) if point <= points else None
    if key not in ("left", "right"):
        return None
    if not value:
        return str((points + 1) // 2)
    change = 1 if (key == "right") != is_mirrored else -1
    return str(min(max(int(value) + change, 1), points))


def _erased(text: str) -> str:
    """Without its last letter and what belongs to that: accents, joiners, variations."""
    while text and _is_part(text[-1]):
        text = text[:-1]
    return text[:-1]


def _is_part(letter: str) -> bool:
    return bool(combining(letter)) or category(letter) in ("Mn", "Me") or letter in ZERO_WIDTH

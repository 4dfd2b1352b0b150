"""Where everything of a page lies: texts, and below or beside each the places to answer. Pure arithmetic of boxes.

    one item                        several: below each other, or, where that is too long, beside each other
    +--------------------------+    +--------------------------+
    |          text            |    |  text        [1][2][3]   |
    |  text of the item        |    |  text        [1][2][3]   |
    |  [1 choice]  [2 choice]  |    |  text        [1][2][3]   |
    |         [skip] [confirm] |    | 3 / 100  [skip] [confirm]|
    +--------------------------+    +--------------------------+

The largest letters that fit are taken, from BEST_DEG down to LEAST_DEG. A page that is read from right to left is laid
out from left to right and mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from math import ceil
from pathlib import Path

from rig.elicitation.steps import Choice, Item, Step
from rig.errors import ProtocolError
from rig.stimulus.pages.boxes import CONFIRM, SKIP, Box, BoxKind, named
from rig.stimulus.pages.fonts import Letters, is_rtl
from rig.stimulus.pages.form import most_letters

# Height of a capital letter in degrees of visual angle. ISO 9241-303 asks for 0.27 and recommends 0.33 to 0.37; who
# sits still before a camera cannot lean forward, so ours is never below 0.6.
BEST_DEG, LEAST_DEG = 0.9, 0.6
SIZES_DEG = (BEST_DEG, 0.8, 0.7, LEAST_DEG)
MARGIN = 0.05  # of the screen's height and width, on each side
READABLE_EM = 40  # widest line of text, in heights of the font: about 75 letters
LEAST_MANIKIN_EM, MANIKIN_EM = 2.5, 7  # width of a manikin: least and most, in heights of the font
POINT_EM, WIDEST_POINT_EM = 2.5, 5  # width of a numbered point: beside a text, and below it
FIELD_LINES = 5  # most lines that a field shows
NO_ITEM = ""
SIGNS = {"left": "←", "right": "→", "up": "↑", "down": "↓", "return": "↵", "space": "␣", "tab": "⇥"}
SIGN_OF_BUTTON = {CONFIRM: SIGNS["return"], SKIP: SIGNS["tab"]}  # as on the keyboard: the same in every language


class Style(Enum):
    """How items are laid out."""

    LIST = "list"  # text, below it one choice under the other
    FLOW = "flow"  # text, below it choices in lines
    BESIDE = "beside"  # text, beside it choices in lines


@dataclass(frozen=True)
class Look:
    """What a page needs to know of the screen."""

    font: Path
    px_per_degree: float
    patch_px: int = 0  # side of the photodiode patch in the lower right corner, which nothing of a page may touch


@dataclass(frozen=True)
class Layout:
    """A page that fits its screen."""

    boxes: tuple[Box, ...]
    letters: Letters
    is_rtl: bool


def layout(step: Step, size: tuple[int, int], look: Look) -> Layout:
    """The step's page on a screen of `size` (width, height) px. Raises ProtocolError when it does not fit."""
    sizes = [Letters(look.font, degrees * look.px_per_degree) for degrees in SIZES_DEG]
    ways = (_Arranger(step, size, look, letters, style) for style, letters in _ways(step, sizes))
    fitting = (way for way in ways if way.fits)
    if best := next(fitting, None):
        if not step.items and best.breaks_lines:  # smaller letters may keep the lines as they were written
            best = next((other for other in fitting if not other.breaks_lines), best)
        return Layout(best.boxes, best.letters, best.is_rtl)
    raise ProtocolError(
        f"step {step.name}",
        f"does not fit on a screen of {size[0]}x{size[1]} px",
        value=f"its page of {len(step.items)} items" if step.items else f"its text of {len(step.text)} letters",
        allowed=f"letters of {LEAST_DEG} degrees, {LEAST_DEG * look.px_per_degree:.0f} px, at least",
        hint="Shorten it, or spread it over more pages",
    )


def _ways(step: Step, sizes: list[Letters]) -> Iterator[tuple[Style, Letters]]:
    """How it may be laid out, best first: a list is worth smaller letters, of several items large ones come first."""
    kinds = {item.kind for item in step.items}
    if len(step.items) < 2:
        styles = (Style.LIST, Style.FLOW) if "choice" in kinds else (Style.LIST,)
        yield from ((style, letters) for style in styles for letters in sizes)
        return
    styles = (Style.BESIDE, Style.FLOW) if kinds <= {"choice", "scale"} else (Style.FLOW, Style.BESIDE)
    yield from ((style, letters) for letters in sizes for style in styles)


class _Arranger:
    """One way to lay out a step."""

    def __init__(self, step: Step, size: tuple[int, int], look: Look, letters: Letters, style: Style) -> None:
        self._step, self.letters, self._style = step, letters, style
        self._screen_width, self._screen_height = size
        self._gap = letters.gap_px
        self._pad = letters.pad_px
        self._between = self._gap if style is Style.BESIDE else 2 * self._gap  # from item to item
        self._side = max(round(size[0] * MARGIN), look.patch_px + self._gap)
        self._width = size[0] - 2 * self._side
        self._top = round(size[1] * MARGIN)
        self.is_rtl = is_rtl(step.text + "".join(item.text for item in step.items))
        footer = list(self._footer())
        end = min((box.top for box in footer), default=self._screen_height - self._top) - (self._gap if footer else 0)
        content, height = self._content()
        self.fits = height <= end - self._top and all(self._is_sound(box) for box in content)
        down = self._top + max(end - self._top - height, 0) // 2
        boxes = [*(box.moved(self._side, down) for box in content), *footer]
        self.boxes = tuple(box.mirrored(size[0]) for box in boxes) if self.is_rtl else tuple(boxes)

    @property
    def breaks_lines(self) -> bool:
        """Whether a line of the page's own text had to be broken."""
        own = len(self._step.text.strip("\n").split("\n"))
        return any(len(box.lines) > own for box in named(self.boxes, "text"))

    def _is_sound(self, box: Box) -> bool:
        """Whether it is inside, and no manikin is too small to be told from the next."""
        is_small = box.kind == "manikin" and box.width < LEAST_MANIKIN_EM * self.letters.em_px
        return box.left >= 0 and box.right <= self._width and not is_small

    def _content(self) -> tuple[list[Box], int]:
        """All but the footer, and how high it is; its upper left corner is 0, 0."""
        boxes = list(self._page_text())
        end = max((box.bottom for box in boxes), default=0)
        for number, item in enumerate(self._step.items):
            top = end + (self._between if end else 0)
            boxes += (box.moved(0, top) for box in self._item(number, item))
            end = max(box.bottom for box in boxes)
        return boxes, end

    def _page_text(self) -> Iterator[Box]:
        """The page's own text, in the middle."""
        if self._step.text.strip():
            box = self._text("text", self._step.text, min(self._width, READABLE_EM * self.letters.em_px))
            yield box.moved((self._width - box.width) // 2, 0)

    def _text(self, kind: BoxKind, text: str, width: int, name: str = NO_ITEM, value: str = "") -> Box:
        """A text in as small a box as holds it."""
        beside = 2 * self.letters.overhang_px
        lines = self.letters.lines(text, width - beside)
        drawn = ceil(max(self.letters.width(line) for line in lines)) + beside
        return Box(kind, 0, 0, drawn, len(lines) * self.letters.line_px, name, value, tuple(lines))

    def _item(self, number: int, item: Item) -> list[Box]:
        """An item: its text, and how it is answered below or beside it."""
        mark = self._gap if len(self._step.items) > 1 else 0  # room for the mark of the item that is asked
        width = self._width - mark
        is_beside = self._style is Style.BESIDE
        column = max(self._column(item, width) for item in self._step.items) if is_beside else width
        texts = self._texts(item, width - column - self._gap if is_beside else width)
        left, top = (width - column, 0) if is_beside else (0, sum(text.height + self._gap for text in texts))
        answer = [box.moved(left, top) for box in self._answer(number, item, column)]
        if is_beside:
            texts, answer = _levelled(texts, answer)
        elif not mark:
            texts, answer = _centred(texts, width), _centred(answer, width)
        boxes = [box.moved(mark, 0) for box in (*texts, *answer)]
        return [Box("item", 0, 0, self._width, max(box.bottom for box in boxes), item.name), *boxes]

    def _texts(self, item: Item, width: int) -> list[Box]:
        """The item's text, if it has any: of a consent the page's text says it all."""
        return [self._text("text", item.text, width, item.name)] if item.text.strip() else []

    def _column(self, item: Item, width: int) -> int:
        """How wide an item's answer is beside its text: half of it all, or less if its points need less."""
        points = round(item.points * POINT_EM * self.letters.em_px)
        return min(width // 2, points) if item.kind == "scale" else width // 2

    def _answer(self, number: int, item: Item, width: int) -> list[Box]:
        """The places where an item is answered, from 0, 0 on."""
        make: dict[str, Callable[[], list[Box]]] = {
            "choice": lambda: self._choices(item, width),
            "scale": lambda: self._scale(number, item, width),
            "sam": lambda: self._manikins(item, width),
            "text": lambda: self._field(item, width),
        }
        return make[item.kind]()

    def _choices(self, item: Item, width: int) -> list[Box]:
        boxes: list[Box] = []
        left = top = 0
        for choice in item.choices:
            chip = self._chip(item, choice, width)
            if boxes and (self._style is Style.LIST or left + chip[0].width > width):
                left, top = 0, max(box.bottom for box in boxes) + self._pad
            boxes += (box.moved(left, top) for box in chip)
            left += chip[0].width + self._gap
        return boxes

    def _chip(self, item: Item, choice: Choice, width: int) -> list[Box]:
        """A choice: its key and its label in a frame; a label that is its key stands once."""
        key = self._text("label", SIGNS.get(choice.key, choice.key), width, item.name, choice.value)
        inside = [key.moved(self._pad, self._pad)]
        if choice.label != choice.key:
            left = inside[0].right + self._gap
            label = self._text("label", choice.label, width - left - self._pad, item.name, choice.value)
            inside.append(label.moved(left, self._pad))
        right, bottom = max(box.right for box in inside), max(box.bottom for box in inside)
        return [Box("choice", 0, 0, right + self._pad, bottom + self._pad, item.name, choice.value), *inside]

    def _scale(self, number: int, item: Item, width: int) -> list[Box]:
        """Points in a row, above them what the first and the last one mean."""
        side = self.letters.line_px + self._pad
        width = min(width, item.points * WIDEST_POINT_EM * self.letters.em_px)
        labels = [] if self._has_labels_of_before(number) else list(self._ends(item, width))
        top = max((box.bottom + self._pad for box in labels), default=0)
        row = list(self._row("point", item, width, side))
        return [*labels, *(box.moved(0, top) for box in row)]

    def _has_labels_of_before(self, number: int) -> bool:
        """Beside each other, equal scales have one heading."""
        if number == 0 or self._style is not Style.BESIDE:
            return False
        before, item = self._step.items[number - 1], self._step.items[number]
        return (before.kind, before.points, before.low, before.high) == (item.kind, item.points, item.low, item.high)

    def _ends(self, item: Item, width: int) -> Iterator[Box]:
        """Labels of the first and of the last point."""
        room = (width - self._gap) // 2
        if self.letters.width(item.low) + self._gap + self.letters.width(item.high) <= width:
            room = width
        if item.low:
            yield self._text("label", item.low, room, item.name)
        if item.high:
            label = self._text("label", item.high, room, item.name)
            yield label.moved(width - label.width, 0)

    def _row(self, kind: BoxKind, item: Item, width: int, height: int) -> Iterator[Box]:
        """A track and its points, as wide as all. Where numbers find no room, the one chosen stands below."""
        line = self.letters.line_px
        yield Box("track", 0, 0, width, height, item.name)
        edges = [round(width * i / item.points) for i in range(item.points + 1)]
        has_numbers = self.letters.width(str(item.points)) + self._pad < width / item.points
        for point in range(1, item.points + 1):
            left, wide, number = edges[point - 1], edges[point] - edges[point - 1], str(point)
            yield Box(kind, left, 0, wide, height, item.name, number)
            if has_numbers:
                below = height - line if kind == "manikin" else (height - line) // 2
                yield Box("label", left, below, wide, line, item.name, number, (number,), is_centred=True)
        if not has_numbers:
            yield Box("counter", 0, height + self._pad, width, line, item.name)

    def _manikins(self, item: Item, width: int) -> list[Box]:
        """Manikins in a row, each above its number."""
        most = MANIKIN_EM * self.letters.em_px // (1 if len(self._step.items) == 1 else 2)
        side = min(width // item.points, most)
        used = side * item.points
        labels = list(self._ends(item, used))
        top = max((box.bottom + self._pad for box in labels), default=0)
        row = [box.moved(0, top) for box in self._row("manikin", item, used, side + self.letters.line_px)]
        return [*labels, *row]

    def _field(self, item: Item, width: int) -> list[Box]:
        """A field with as many lines as its text may need, up to FIELD_LINES, and a count of letters below it."""
        line, most = self.letters.line_px, most_letters(item)
        lines = min(ceil(most * self.letters.width("n") / width), FIELD_LINES)
        field = Box("field", 0, 0, width, lines * line + 2 * self._pad, item.name)
        count = ceil(self.letters.width(f"{most} / {most}")) + 2 * self._pad
        return [field, Box("counter", width - count, field.bottom + self._pad, count, line, item.name)]

    def _footer(self) -> Iterator[Box]:
        """Progress and buttons along the lower edge, as far as the page needs any."""
        items = self._step.items
        has_progress = max(len(items), self._step.asked_in_all) > 1
        buttons = [CONFIRM] if any(item.kind != "choice" for item in items) else []
        buttons = [SKIP, *buttons] if any(item.may_skip for item in items) else buttons
        if not (has_progress or buttons):
            return
        height = self.letters.line_px + self._pad
        top = self._screen_height - self._top - height
        yield Box("footer", self._side, top, self._width, height)
        if has_progress:
            width = ceil(self.letters.width("0000 / 0000"))
            yield Box("progress", self._side, top, width, height)
        yield from self._buttons(buttons, top, height)

    def _buttons(self, values: list[str], top: int, height: int) -> Iterator[Box]:
        width = 4 * self.letters.em_px
        left = (self._screen_width - len(values) * (width + self._gap) + self._gap) // 2
        for value in values:
            box = Box("button", left, top, width, height, NO_ITEM, value, (SIGN_OF_BUTTON[value],), is_centred=True)
            yield box
            left += width + self._gap


def _centred(boxes: list[Box], width: int) -> list[Box]:
    """Together in the middle of the page."""
    right = (width - max((box.right for box in boxes), default=0)) // 2
    return [box.moved(right, 0) for box in boxes]


def _levelled(texts: list[Box], answer: list[Box]) -> tuple[list[Box], list[Box]]:
    """Text and row of points in the middle of each other; a heading stays above both."""
    rows = [box for box in answer if box.kind == "track"] or answer
    row = (min(box.top for box in rows) + max(box.bottom for box in rows)) // 2
    height = max((text.height for text in texts), default=0)
    middle = max(row, height // 2)
    return [text.moved(0, middle - height // 2) for text in texts], [box.moved(0, middle - row) for box in answer]

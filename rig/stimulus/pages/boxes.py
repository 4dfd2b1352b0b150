"""Named rectangles of a page: where its texts, choices, points, fields and buttons are, in pixels of the screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

BoxKind = Literal[
    "text",  # what is read: the page's own text (no name), or an item's
    "item",  # all of an item: its text and how it is answered
    "choice",  # of a choice; its value is that of the choice
    "track",  # of a scale or of manikins: from the first point to the last
    "point",  # of a scale; its value is the number
    "manikin",  # its value is the number
    "field",  # of a text
    "counter",  # of a text: letters typed / letters that it takes
    "label",  # words or a sign in or beside one of the above, whose name and value it has
    "button",  # CONFIRM or SKIP
    "footer",  # progress and buttons
    "progress",
]
CONFIRM, SKIP = "confirm", "skip"  # values of the buttons


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: `left` and `top` are its first pixel, counted from the upper left corner of the screen."""

    kind: BoxKind
    left: int
    top: int
    width: int
    height: int
    name: str = ""  # of the item; empty: of the page
    value: str = ""  # the answer, or the button, that a click on it means
    lines: tuple[str, ...] = ()  # written in it
    is_centred: bool = False  # whether its lines are; else each begins where its writing begins

    @property
    def right(self) -> int:
        """The first pixel beyond it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first line beyond it."""
        return self.top + self.height

    def contains(self, x: int, y: int) -> bool:
        """Whether the pixel lies in it."""
        return self.left <= x < self.right and self.top <= y < self.bottom

    def overlaps(self, other: Box) -> bool:
        """Whether they share a pixel."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def moved(self, right: int, down: int) -> Box:
        """The same box elsewhere."""
        return replace(self, left=self.left + right, top=self.top + down)

    def mirrored(self, screen_width: int) -> Box:
        """The box as it lies on a page that is read from right to left."""
        return replace(self, left=screen_width - self.right)


def named(boxes: Iterable[Box], kind: BoxKind, name: str = "", value: str | None = None) -> Iterator[Box]:
    """The boxes of a kind and a name, and of a value if one is given."""
    return (b for b in boxes if b.kind == kind and b.name == name and value in (None, b.value))

"""Draws a page from its boxes: what never changes once, what is answered again and again, part by part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from rig.elicitation.steps import Item, Step
from rig.errors import ProtocolError
from rig.stimulus.pages.boxes import Box, named
from rig.stimulus.pages.colours import BACKGROUND, INK, PAPER, Colour
from rig.stimulus.pages.fonts import has_side, is_rtl
from rig.stimulus.pages.form import Filled, State, buttons, most_letters, progress
from rig.stimulus.pages.layout import Layout
from rig.stimulus.pages.manikins import manikin

_TAIL = 500  # letters: a long text is shown from a multiple of this on, so that its lines stay as they are


class Painter:
    """Draws one page."""

    def __init__(self, step: Step, size: tuple[int, int], layout: Layout) -> None:
        """Raises ProtocolError when a laboratory's own manikin is missing or is no picture."""
        self._step, self._layout, self._letters = step, layout, layout.letters
        self._pen = max(self._letters.em_px // 14, 2)
        self._pad = self._letters.pad_px
        # Scales of so many points that there is no room for numbers, nor for lines between them.
        self._narrow = {b.name for i in step.items if i.kind != "text" for b in named(layout.boxes, "counter", i.name)}
        self._own = {item.name: _own_manikins(item) for item in step.items if item.images}
        self._still = Image.new("RGB", size, BACKGROUND)
        draw = ImageDraw.Draw(self._still)
        for box in layout.boxes:
            if box.kind == "text" or (box.kind == "label" and not box.value):
                self._write(draw, box, INK)

    def part(self, region: Box, state: State) -> Image.Image:
        """That region as it is in that state."""
        picture = self._still.crop((region.left, region.top, region.right, region.bottom))
        draw = ImageDraw.Draw(picture)
        for item, filled in zip(self._step.items, state, strict=True):
            for box in self._layout.boxes:
                if box.name == item.name and box.overlaps(region):
                    self._paint(picture, draw, box.moved(-region.left, -region.top), item, filled)
        for box in self._layout.boxes:
            if box.kind in ("progress", "button") and box.overlaps(region):
                self._paint_footer(draw, box.moved(-region.left, -region.top), state)
        return picture

    def _paint(self, picture: Image.Image, draw: ImageDraw.ImageDraw, box: Box, item: Item, filled: Filled) -> None:
        is_chosen = bool(box.value) and box.value == filled.value
        match box.kind:
            case "item":
                self._mark(draw, box, filled)
            case "choice":
                self._frame(draw, box, is_chosen=is_chosen)
            case "track" if item.kind == "scale":
                self._frame(draw, box, is_chosen=False)
            case "point" if is_chosen or item.name not in self._narrow:
                self._frame(draw, box, is_chosen=is_chosen)
            case "manikin":
                self._manikin(picture, draw, box, item, is_chosen=is_chosen)
            case "label" if box.value:
                self._write(draw, box, PAPER if is_chosen else INK)
            case "field":
                self._field(picture, box, filled)
            case "counter":
                self._counter(draw, box, item, filled)

    def _mark(self, draw: ImageDraw.ImageDraw, box: Box, filled: Filled) -> None:
        """A bar beside the item that is asked, if there are several."""
        if filled.is_current and len(self._step.items) > 1:
            left = box.right - 2 * self._pen if self._layout.is_rtl else box.left
            draw.rectangle((left, box.top, left + 2 * self._pen - 1, box.bottom - 1), INK)

    def _frame(self, draw: ImageDraw.ImageDraw, box: Box, *, is_chosen: bool) -> None:
        fill = INK if is_chosen else BACKGROUND
        draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill, INK, self._pen)

    def _write(self, draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
        """The lines of a box, each from the side where its paragraph's writing begins."""
        font, beside = self._letters.font, self._letters.overhang_px
        top = box.top + self._letters.above_px + (box.height - len(box.lines) * self._letters.line_px) // 2
        direction = "rtl" if is_rtl(" ".join(box.lines)) else "ltr"
        anchor, x = ("r", box.right - beside) if self._is_from_right(box) else ("l", box.left + beside)
        anchor, x = ("m", (box.left + box.right) // 2) if box.is_centred else (anchor, x)
        for number, line in enumerate(box.lines):
            place = (x, top + number * self._letters.line_px)
            draw.text(place, line, colour, font, f"{anchor}a", direction=direction)

    def _is_from_right(self, box: Box) -> bool:
        """From which side the lines begin; a number alone begins as its page does."""
        text = " ".join(box.lines)
        return is_rtl(text) if has_side(text) else self._layout.is_rtl

    def _manikin(
        self, picture: Image.Image, draw: ImageDraw.ImageDraw, box: Box, item: Item, *, is_chosen: bool
    ) -> None:
        side = min(box.height - self._letters.line_px, box.width) - 2 * self._pen
        if is_chosen:
            self._frame(draw, box, is_chosen=True)
        place = ((box.left + box.right - side) // 2, box.top + self._pen)
        if item.images:
            own = self._own[item.name][int(box.value) - 1].copy()
            own.thumbnail((side, side))
            picture.paste(own, place, own)
        else:
            picture.paste(manikin(item.dimension, int(box.value), item.points, side), place)

    def _field(self, picture: Image.Image, box: Box, filled: Filled) -> None:
        """The end of what was typed, with a caret; drawn apart, so that no letter reaches beyond the field."""
        field = Image.new("RGB", (box.width, box.height), PAPER)
        draw = ImageDraw.Draw(field)
        width, most = box.width - 2 * self._pad, (box.height - 2 * self._pad) // self._letters.line_px
        text = filled.value[max(len(filled.value) // _TAIL - 2, 0) * _TAIL :]
        lines = tuple(self._letters.lines(text, width - 4 * self._letters.overhang_px)[-most:]) if text else ("",)
        inside = Box("field", self._pad, self._pad, width, len(lines) * self._letters.line_px, lines=lines)
        self._write(draw, inside, INK)
        if filled.is_current:
            self._caret(draw, inside)
        draw.rectangle((0, 0, box.width - 1, box.height - 1), None, INK, self._pen)
        picture.paste(field, (box.left, box.top))

    def _caret(self, draw: ImageDraw.ImageDraw, inside: Box) -> None:
        used = round(self._letters.width(inside.lines[-1])) + self._letters.overhang_px + self._pen
        left = inside.right - used if self._is_from_right(inside) else inside.left + used
        draw.rectangle((left, inside.bottom - self._letters.line_px, left + self._pen - 1, inside.bottom - 1), INK)

    def _counter(self, draw: ImageDraw.ImageDraw, box: Box, item: Item, filled: Filled) -> None:
        """Of a text: letters typed of those that it takes, white on black when it takes no more. Else the value."""
        if item.kind != "text":
            self._write(draw, replace(box, lines=(filled.value,), is_centred=True), INK)
            return
        most = most_letters(item)
        is_full = len(filled.value) >= most
        if is_full:
            self._frame(draw, box, is_chosen=True)
        count = f"{len(filled.value)} / {most}"
        self._write(draw, replace(box, lines=(count,), is_centred=True), PAPER if is_full else INK)

    def _paint_footer(self, draw: ImageDraw.ImageDraw, box: Box, state: State) -> None:
        if box.kind == "progress":
            self._write(draw, replace(box, lines=(progress(self._step, state),)), INK)
            return
        current = next(((i, f) for i, f in zip(self._step.items, state, strict=True) if f.is_current), None)
        if current and box.value in buttons(current[0], current[1].value):
            self._frame(draw, box, is_chosen=False)
            self._write(draw, box, INK)


def _own_manikins(item: Item) -> list[Image.Image]:
    return [_picture(Path(item.images) / f"{point}.png", item) for point in range(1, item.points + 1)]


def _picture(path: Path, item: Item) -> Image.Image:
    try:
        with Image.open(path) as opened:
            picture: Image.Image = opened.convert("RGBA")
    except OSError as error:
        hint = f"Put a picture there, 1.png to {item.points}.png, or leave images out"
        raise ProtocolError(f"question {item.name}", f"is no picture: {error}", value=str(path), hint=hint) from error
    return picture

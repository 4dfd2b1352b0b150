"""Pictures laid out beside each other with words below, for contact sheets and videos."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rig.clips.decode import Size, fitted
from rig.session.timeline import FilmView, Instant, View
from rig.streams import Picture

CAPTION, MARGIN = 22, 8  # px
INK, PAPER, FAINT = (20, 20, 20), (255, 255, 255), (232, 232, 232)
TOLD_MS = 0.1  # a picture that is older is said to be
LINE = 18  # px from one line of a reason to the next


class Tiles:
    """A sheet with a heading above rows of tiles of one size; `row` and `column` count from 0."""

    def __init__(self, tile: Size, columns: int, rows: int) -> None:
        """`tile`: (width, height) of a picture's place, px. The sheet's own sides are even, as films need it."""
        self.tile, self._columns = tile, columns
        width = 2 * MARGIN + columns * (tile[0] + MARGIN)
        height = 2 * MARGIN + CAPTION + rows * (tile[1] + CAPTION + MARGIN)
        self.image = Image.new("RGB", (width + width % 2, height + height % 2), PAPER)
        self._draw, self._font = ImageDraw.Draw(self.image), ImageFont.load_default(13)

    def head(self, text: str) -> None:
        """Write above all tiles."""
        self._write((MARGIN, MARGIN), text, self.image.width - 2 * MARGIN)

    def put(self, place: int, picture: Picture | None, reason: str, caption: str) -> None:
        """Show a picture, or the reason why there is none, in a place, counted row by row; what was there goes."""
        left, top = self.corner(place)
        self._draw.rectangle((left, top, left + self.tile[0] - 1, top + self.tile[1] - 1), FAINT)
        if picture is None:
            self._explain((left, top), reason)
        else:
            self._paste((left, top), picture)
        self._write((left, top + self.tile[1] + 3), caption, self.tile[0])

    def corner(self, place: int) -> tuple[int, int]:
        """Left and top of a place, px."""
        row, column = divmod(place, self._columns)
        return MARGIN + column * (self.tile[0] + MARGIN), MARGIN + CAPTION + row * (self.tile[1] + CAPTION + MARGIN)

    def _paste(self, corner: tuple[int, int], picture: Picture) -> None:
        shown = enlarged(picture, self.tile)
        left, top = ((room - side) // 2 for room, side in zip(self.tile, shown.size, strict=True))
        self.image.paste(shown, (corner[0] + left, corner[1] + top))

    def _explain(self, corner: tuple[int, int], reason: str) -> None:
        lines = self._wrapped(reason)[: self.tile[1] // LINE - 1]
        top = corner[1] + (self.tile[1] - LINE * len(lines)) // 2
        for number, line in enumerate(lines):
            self._draw.text((corner[0] + 10, top + LINE * number), line, INK, font=self._font)

    def _write(self, corner: tuple[int, int], text: str, width: int) -> None:
        """One line on blank paper, cut where `width` ends."""
        left, top = corner
        self._draw.rectangle((left, top, left + width - 1, top + CAPTION - 5), PAPER)
        self._draw.text(corner, self._fit(text, width), INK, font=self._font)

    def _fit(self, text: str, width: int) -> str:
        while self._draw.textlength(text, font=self._font) > width:
            text = text[:-1]
        return text

    def _wrapped(self, text: str) -> list[str]:
        """`text` in lines that fit a tile."""
        lines, width = [""], self.tile[0] - 20
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self._draw.textlength(longer, font=self._font) <= width:
                lines[-1] = longer
            else:
                lines.append(self._fit(word, width))
        return lines


def enlarged(picture: Picture, tile: Size) -> Image.Image:
    """A picture as large as fits; a small one by a whole factor, so that its pixels stay what they are."""
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")
    factor = min(tile[0] // image.width, tile[1] // image.height)
    if factor:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return image.resize(fitted(image.size, tile), Image.Resampling.BOX)


def captioned(view: View | FilmView, instant: Instant, at_s: float) -> str:
    """What a view shows. `at_s`: the instant, s from pulse 0 of the session."""
    if isinstance(view, View):
        age = f"  {view.age_ms:.1f} ms old" if view.age_ms is not None and view.age_ms >= TOLD_MS else ""
        return f"{view.stream}  pulse {view.pulse}  run {instant.run}  {at_s:.3f} s{age}"
    step = view.step.name if view.step else "screen"
    frame = f"  film frame {view.film_frame}" if view.film_frame >= 0 else ""
    flip = f"  flip {(instant.host_ns - view.flip_host_ns) / 1e6:.1f} ms before" if view.flip_host_ns >= 0 else ""
    return f"{step}{frame}{flip}"

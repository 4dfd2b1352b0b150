"""Draws docs/how-to/screens.png: one page of each kind, in English and Arabic, half answered.

python -m tests.stimulus.pages.montage
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from rig.elicitation.steps import Step
from rig.stimulus.pages.form import Form
from rig.stimulus.pages.page import Page
from tests.stimulus.pages.asked import SIZES, WORDS, every_kind, look

FILE = Path(__file__).parents[3] / "docs" / "how-to" / "screens.png"
NAMES = ("consent", "scale", "manikins", "text", "questionnaire")
SMALL, GAP, COLOURS = (480, 270), 8, 16


def montage() -> Image.Image:
    """The sheet, RGB: a row for each kind of page, a column for each language."""
    sheet = Image.new("RGB", (2 * SMALL[0] + GAP, len(NAMES) * (SMALL[1] + GAP) - GAP), "white")
    for column, language in enumerate(("en", "ar")):
        pages = {asked.name: asked for asked in every_kind(language)}
        for row, name in enumerate(NAMES):
            picture = _picture(pages[name], WORDS[language]["typed"])
            sheet.paste(picture, (column * (SMALL[0] + GAP), row * (SMALL[1] + GAP)))
    return sheet


def _picture(asked: Step, typed: str) -> Image.Image:
    page = Page(asked, SIZES[0], look(SIZES[0]))
    form = Form(asked, 0, page.boxes)
    form.typed(typed, 1)
    for number, key in enumerate(("3", "return", "5") if len(asked.items) > 1 else ("4",)):
        form.key(key, number)
    return Image.fromarray(page.draw(form.state)).resize(SMALL, Image.Resampling.LANCZOS)


def main() -> None:
    montage().quantize(COLOURS).save(FILE, optimize=True)


if __name__ == "__main__":
    main()

"""Pages as pictures: inside the screen, nothing cut off or overlapping, large and dark enough, in three languages.

What is measured comes from the picture and from the geometry of a screen 530 mm wide, 600 mm away.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import radians, tan
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rig.config.find import find_protocol
from rig.elicitation.protocol import read_protocol
from rig.elicitation.steps import Step
from rig.elicitation.unroll import unroll
from rig.errors import ProtocolError
from rig.stimulus.pages.boxes import Box, named
from rig.stimulus.pages.form import Form, progress
from rig.stimulus.pages.layout import layout
from rig.stimulus.pages.page import Page
from tests.stimulus.pages.asked import PATCH_PX, SIZES, WORDS, every_kind, look, questionnaire, sam, scale, step, words
from tests.stimulus.pages.montage import FILE, montage

Pixels = NDArray[np.uint8]
AROUND = {"item", "footer"}  # boxes whose content has boxes of its own
UNANSWERED = {"button", "counter"}  # boxes that may be empty as long as nothing is answered
SCREENS = [pytest.param(size, language, id=f"{size[1]}-{language}") for size in SIZES for language in WORDS]


def _page(asked: Step, size: tuple[int, int]) -> Page:
    return Page(asked, size, look(size))


def _least_px(size: tuple[int, int], distance_mm: float) -> float:
    """0.6 degrees in pixels."""
    return 2 * distance_mm * tan(radians(0.3)) * size[0] / 530


def _cut(picture: Pixels, box: Box, ring: int = 0) -> Pixels:
    return picture[box.top - ring : box.bottom + ring, box.left - ring : box.right + ring]


def _answered(asked: Step, page: Page) -> Form:
    """Every item with a value, the last one not confirmed."""
    form = Form(asked, 0, page.boxes)
    for number, item in enumerate(asked.items):
        form.key("4", number)
        form.typed("Answer", number + 1)
        form.key("return", number + 1) if item is not asked.items[-1] else None
    return form


@pytest.mark.parametrize(("size", "language"), SCREENS)
def test_everything_is_inside_the_screen_and_nothing_overlaps(size: tuple[int, int], language: str) -> None:
    patch = Box("text", size[0] - PATCH_PX, size[1] - PATCH_PX, PATCH_PX, PATCH_PX)
    for asked in every_kind(language):
        boxes = _page(asked, size).boxes
        assert all(b.left >= 0 and b.right <= size[0] and b.top >= 0 and b.bottom <= size[1] for b in boxes)
        assert not any(box.overlaps(patch) for box in boxes)
        items = [box for box in boxes if box.kind in ("item", "footer")]
        shown = [box for box in boxes if box.kind not in ("item", "footer", "track")]
        assert not any(a.overlaps(b) for a, b in combinations(items, 2)), asked.name
        for a, b in combinations(shown, 2):
            is_inside = "label" in (a.kind, b.kind) and (a.name, a.value) == (b.name, b.value) and a.value
            assert is_inside or not a.overlaps(b), (asked.name, a, b)


@pytest.mark.parametrize(("size", "language"), SCREENS)
def test_no_letter_reaches_out_of_its_box_or_is_left_out(size: tuple[int, int], language: str) -> None:
    for asked in every_kind(language):
        page = _page(asked, size)
        picture = page.draw(Form(asked, 0).state)
        for box in (b for b in page.boxes if b.kind == "text" or (b.kind == "label" and not b.value)):
            inside = _cut(picture, box, 2).copy()
            inside[2:-2, 2:-2] = picture[0, 0]
            assert (inside == picture[0, 0]).all(), (asked.name, box)
        texts = [asked.text, *(item.text for item in asked.items)]
        drawn = ["".join(box.lines) for box in page.boxes if box.kind == "text"]
        assert [t.replace(" ", "") for t in drawn] == ["".join(t.split()) for t in texts if t]


@pytest.mark.parametrize(("size", "language"), SCREENS)
def test_all_that_is_read_has_a_contrast_of_7_to_1(size: tuple[int, int], language: str) -> None:
    for asked in every_kind(language):
        if asked.name == "fine-scale":  # a hundred points: no protocol can ask for more than eleven
            continue
        page = _page(asked, size)
        for form in (Form(asked, 0), _answered(asked, page)):
            picture = page.draw(form.state)
            not_yet = UNANSWERED if not any(given.value for given in form.state) else set()
            for box in page.boxes:
                if box.kind not in AROUND | not_yet:
                    assert _contrast(_cut(picture, box)) >= 7, (asked.name, box)


def _contrast(pixels: Pixels) -> float:
    """Of the colour furthest from the most frequent one, which is what the letters stand on: WCAG 2.1."""
    packed, counts = np.unique(pixels.astype(np.uint32) @ (1 << 16, 1 << 8, 1), return_counts=True)
    colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1)
    linear = np.where(colours <= 10, colours / 3294.6, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    light = linear @ (0.2126, 0.7152, 0.0722)
    ground = light[counts.argmax()]
    return float(max((max(v, ground) + 0.05) / (min(v, ground) + 0.05) for v in light))


@pytest.mark.parametrize(("distance_mm", "items"), [(300, 22), (600, 10), (1200, 2)])
@pytest.mark.parametrize("size", SIZES)
def test_capital_letters_of_the_fullest_page_are_0_6_degrees_high(
    size: tuple[int, int], distance_mm: float, items: int
) -> None:
    """With as many items as fit on the smaller screen."""
    asked = step(*(scale(name=f"q{i}", text="H " * 30) for i in range(items)), text="HH")
    page = Page(asked, size, look(size, distance_mm))
    picture = page.draw(Form(asked, 0).state)
    for box in named(page.boxes, "text"):
        rows = np.flatnonzero((_cut(picture, box) < 80).any(axis=(1, 2)))
        assert rows[-1] - rows[0] + 1 >= _least_px(size, distance_mm)


@pytest.mark.parametrize(
    "asked", [step(text="word " * 700), questionnaire(count=40), step(sam(), words(), text="w " * 500)]
)
def test_what_does_not_fit_is_refused_with_what_to_do(asked: Step) -> None:
    with pytest.raises(
        ProtocolError, match=r"step \w+: its .* does not fit on a screen of 1280x720 px.*0.6 degrees.*pages"
    ):
        _page(asked, SIZES[0])


def test_word_that_is_wider_than_the_screen_is_broken() -> None:
    page = _page(step(text="n" * 300), SIZES[0])
    (box,) = page.boxes
    assert ("".join(box.lines), len(box.lines) > 1, box.right <= 1280) == ("n" * 300, True, True)


@pytest.mark.parametrize("language", ["ar", "he"])
def test_page_read_from_right_to_left_begins_at_the_right(language: str) -> None:
    asked = step(scale(language), words(language))
    page = _page(asked, SIZES[0])
    points = list(named(page.boxes, "point", "strong"))
    assert points[0].left > points[-1].left
    low, high = (box for box in named(page.boxes, "label", "strong", ""))
    assert low.left > high.left
    field = next(named(page.boxes, "field", "words"))
    form = Form(asked, 0, page.boxes)
    form.key("tab", 1)
    form.key("3", 2)
    form.key("return", 3)
    form.typed(WORDS[language]["typed"], 4)
    columns = np.flatnonzero((_cut(page.draw(form.state), field)[8:-8, 8:-8] < 80).any(axis=(0, 2)))
    assert columns.mean() > field.width / 2


def test_hebrew_is_drawn_in_its_reading_order_as_pillow_draws_it_turned_by_hand() -> None:
    text, turned = "שלום עולם", "םלוע םולש"
    page, wrong = _page(step(text=text), SIZES[0]), _page(step(text=turned), SIZES[0])
    font = ImageFont.truetype(look(SIZES[0]).font, page.letters.em_px, layout_engine=ImageFont.Layout.BASIC)
    by_hand = Image.new("RGB", SIZES[0], "white")
    ImageDraw.Draw(by_hand).text((100, 100), turned, "black", font)
    assert _likeness(page.draw(()), np.asarray(by_hand)) > 0.85
    assert _likeness(wrong.draw(()), np.asarray(by_hand)) < 0.5


def test_full_stop_of_a_hebrew_sentence_stands_at_its_left_end() -> None:
    picture = _page(step(text="שלום."), SIZES[0]).draw(())
    columns = _ink(picture).all(axis=2).sum(axis=0)
    inked = columns[np.flatnonzero(columns)[0] : np.flatnonzero(columns)[-1] + 1]
    assert inked[:3].max() < 0.4 * inked[-12:].max()


def _likeness(picture: Pixels, other: Pixels) -> float:
    """Correlation of how much ink the columns have, from the first inked one on."""
    columns = [(pixels < 80).all(axis=2).sum(axis=0) for pixels in (picture, other)]
    inked = [found[np.flatnonzero(found)[0] :][:150] for found in columns]
    return float(np.corrcoef(*inked)[0, 1])


def _ink(pixels: Pixels) -> NDArray[np.bool_]:
    return pixels < 80


@pytest.mark.parametrize(("size", "language"), SCREENS)
def test_redrawing_what_changed_gives_the_picture_that_is_drawn_whole(size: tuple[int, int], language: str) -> None:
    for asked in every_kind(language):
        page = _page(asked, size)
        form = Form(asked, 0, page.boxes)
        before, picture = form.state, page.draw(form.state).copy()
        for number, key in enumerate(("2", "right", "return", "5", "return", "tab")):
            form.key(key, number)
            form.typed("x", number)
            regions = page.changed(before, form.state)
            for region in regions:
                _cut(picture, region)[:] = page.draw(form.state, region)
            assert bool(regions) == (form.state != before)
            before = form.state
        assert (picture == page.draw(form.state)).all(), asked.name


def test_answer_changes_only_its_item_and_the_footer() -> None:
    asked = questionnaire()
    page = _page(asked, SIZES[0])
    form = Form(asked, 0, page.boxes)
    before = page.draw(form.state)
    form.mouse(*_middle(next(named(page.boxes, "point", "q6", "3"))), True, 1)
    rows = np.flatnonzero((before != page.draw(form.state)).any(axis=(1, 2)))
    item, footer = next(named(page.boxes, "item", "q6")), next(named(page.boxes, "footer"))
    assert all(item.top <= row < item.bottom or footer.top <= row for row in rows)
    assert rows.min() < item.bottom
    assert rows.max() >= footer.top


def _middle(box: Box) -> tuple[int, int]:
    return box.left + box.width // 2, box.top + box.height // 2


def test_chosen_is_white_on_black_and_nothing_else_is() -> None:
    asked = step(scale())
    page = _page(asked, SIZES[0])
    form = Form(asked, 0, page.boxes)
    form.key("4", 1)
    picture = page.draw(form.state)
    dark = [(_cut(picture, box) < 40).mean() > 0.5 for box in named(page.boxes, "point", "strong")]
    assert dark == [False, False, False, True, False]


def test_progress_counts_through_the_whole_questionnaire() -> None:
    asked = questionnaire(count=3)
    later = replace(asked, asked_before=40, asked_in_all=100)
    shown = []
    for page in (_page(asked, SIZES[0]), _page(later, SIZES[0])):
        form = Form(page.step, 0, page.boxes)
        form.key("tab", 1)
        shown.append(progress(page.step, form.state))
    assert shown == ["2 / 3", "42 / 100"]


def test_field_that_is_full_says_so() -> None:
    asked = step(words(most_letters=3))
    page = _page(asked, SIZES[0])
    counter, form = next(named(page.boxes, "counter", "words")), Form(asked, 0)
    dark = []
    for letter in "abcd":
        form.typed(letter, 1)
        dark.append(bool((_cut(page.draw(form.state), counter) < 40).mean() > 0.5))
    assert dark == [False, False, True, True]


@pytest.mark.parametrize("typed", ["n" * 10_000, "word " * 2_000, "שלום " * 2_000, "Z\u0351\u0352" * 300, "😀" * 50])
def test_long_and_tall_text_stays_in_its_field_and_shows_its_end(typed: str) -> None:
    asked = step(words(most_letters=10_000))
    page = _page(asked, SIZES[0])
    form, field = Form(asked, 0), next(named(page.boxes, "field", "words"))
    empty = page.draw(form.state)
    form.typed(typed[:-1], 1)
    almost = page.draw(form.state)
    form.typed(typed[-1], 2)
    now = page.draw(form.state)
    outside = np.ones(empty.shape[:2], bool)
    for box in (field, next(named(page.boxes, "counter", "words"))):
        outside[box.top : box.bottom, box.left : box.right] = False
    assert (empty == now)[outside].all()
    assert (_cut(almost, field) != _cut(now, field)).any()


def test_manikins_differ_as_their_dimension_says() -> None:
    asked = step(*(sam(dimension=d) for d in ("valence", "arousal", "dominance")))
    page = _page(asked, SIZES[1])
    picture = page.draw(Form(asked, 0).state)[..., 0]
    drawn = {
        d: [_cut(picture, b)[: -page.letters.line_px] for b in named(page.boxes, "manikin", d)]
        for d in ("valence", "arousal", "dominance")
    }
    burst = [_ink(m).sum() for m in drawn["arousal"]]
    height = [np.ptp(np.flatnonzero(_ink(m).any(axis=1))) for m in drawn["dominance"]]
    assert burst == sorted(burst)
    assert burst[-1] > 1.5 * burst[0]
    assert height == sorted(set(height))
    assert height[-1] > 2.5 * height[0]
    assert all((a != b).any() for a, b in combinations(drawn["valence"], 2))


def test_laboratorys_own_manikins_are_shown(tmp_path: Path) -> None:
    for point in range(1, 6):
        Image.new("RGB", (90, 60), (40 * point, 0, 0)).save(tmp_path / f"{point}.png")
    own = step(replace(sam(), points=5, images=str(tmp_path)))
    page = _page(own, SIZES[0])
    picture = page.draw(Form(own, 0).state)
    for point, box in enumerate(named(page.boxes, "manikin", "valence"), start=1):
        assert ((_cut(picture, box) == (40 * point, 0, 0)).all(axis=2)).sum() > 1_000
    (tmp_path / "4.png").write_text("no picture")
    with pytest.raises(ProtocolError, match=r"question valence: .*4\.png is no picture"):
        _page(own, SIZES[0])


@pytest.mark.parametrize("name", ["smic", "smic-sub", "casme2", "samm", "demo", "no-film"])
def test_every_page_of_the_shipped_protocols_fits(name: str) -> None:
    protocol = read_protocol(find_protocol(name)).protocol
    for language in protocol.languages:
        steps = unroll(protocol, ("HS",), dict.fromkeys(protocol.clips, 5.0), language=language)
        different = {(asked.text, *(item.text for item in asked.items)): asked for asked in steps}
        assert all(layout(asked, SIZES[0], look(SIZES[0])) for words, asked in different.items() if any(words))


def test_picture_in_the_documents_shows_the_pages_as_they_are() -> None:
    with Image.open(FILE) as stored:
        shown = np.asarray(stored.convert("L"), np.int16)
    assert FILE.stat().st_size < 200_000
    assert np.abs(np.asarray(montage().convert("L"), np.int16) - shown).mean() < 4, "run its module again"

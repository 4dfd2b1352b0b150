"""Letters: which ones a font lacks, where lines break, which way they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from rig.errors import ConfigError
from rig.stimulus.pages.fonts import Letters, default_font, is_rtl, missing_letters, px_per_degree
from rig.stimulus.pages.page import letters_of
from tests.stimulus.pages.asked import WORDS, choice, every_kind, step

FONT = default_font()
LETTERS = Letters(FONT, 20)


def test_letters_that_the_font_lacks_are_named_each_once() -> None:
    assert missing_letters(FONT, "爱 a 爱 ßя😀") == ["U+7231 CJK UNIFIED IDEOGRAPH-7231"]
    assert missing_letters(FONT, "\u0b95\U0001f9e0") == ["U+0B95 TAMIL LETTER KA", "U+1F9E0 BRAIN"]


def test_what_has_no_picture_is_not_missed() -> None:
    assert missing_letters(FONT, "a\n\t\u200d\u200f\u00a0\u3000\ufe0f") == []


def test_what_is_missed_is_what_pillow_draws_as_the_box_of_no_letter() -> None:
    font = ImageFont.truetype(FONT, 40, layout_engine=ImageFont.Layout.BASIC)
    box = bytes(font.getmask("\U0010fffd"))
    for letter in "aßяأש→⇥↵␣爱அ한あ😀🧠":
        assert bool(missing_letters(FONT, letter)) == (bytes(font.getmask(letter)) == box), letter


@pytest.mark.parametrize("language", WORDS)
def test_default_font_has_every_letter_of_pages_in_latin_arabic_and_hebrew(language: str) -> None:
    assert [missing_letters(FONT, letters_of(asked)) for asked in every_kind(language)] == [[]] * 10


def test_all_that_a_page_writes_is_looked_at() -> None:
    assert {*"What did you feel happiness 1 / 8 ↵ ⇥"} <= {*letters_of(step(choice()))}


@pytest.mark.parametrize("content", [None, b"", b"no font", b"\x00\x01\x00\x00garbage"])
def test_file_that_is_no_font_is_an_error_that_names_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "lab.ttf"
    if content is not None:
        path.write_bytes(content)
    for use in (lambda: missing_letters(path, "a"), lambda: Letters(path, 20)):
        with pytest.raises(ConfigError, match=r"screen\.font: .*lab\.ttf is no font"):
            use()


@pytest.mark.parametrize("capital_px", [8.0, 15.17, 22.75, 41.3])
def test_capital_letters_are_at_least_as_high_as_asked_and_hardly_higher(capital_px: float) -> None:
    rows = Letters(FONT, capital_px).font.getmask("H").size[1]
    assert capital_px <= rows <= capital_px + 2


def test_degree_of_visual_angle_at_57_cm_is_a_centimetre() -> None:
    assert px_per_degree(1000, 1000, 572.96) == pytest.approx(10, rel=1e-4)


@settings(max_examples=60)
@given(st.text(st.sampled_from("ab WMiشلום 爱\n"), max_size=80), st.integers(40, 300))
def test_lines_lose_no_letter_and_none_is_too_wide(text: str, width_px: int) -> None:
    lines = LETTERS.lines(text, width_px)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(LETTERS.font.getlength(line) <= width_px + 2 or len(line) == 1 for line in lines)


def test_lines_break_between_words_and_where_the_text_breaks() -> None:
    assert LETTERS.lines("one two\n\nthree\n", 10_000) == ["one two", "", "three"]
    width = LETTERS.font.getlength("one two")
    assert LETTERS.lines("one two three", width + 1) == ["one two", "three"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("hello", False), ("مرحبا", True), ("שלום", True), ("12 שלום a", True), ("(a) שלום", False), ("12", False)],
)
def test_first_letter_with_a_side_says_which_way_a_text_is_read(text: str, *, expected: bool) -> None:
    assert is_rtl(text) is expected

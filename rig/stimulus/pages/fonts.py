"""The letters of a page: their font, how large they are for the eye, and which ones the font lacks."""

from __future__ import annotations

import struct
from functools import lru_cache
from importlib.util import find_spec
from math import ceil, radians, tan
from pathlib import Path
from unicodedata import bidirectional, category, name

from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont, features

from rig.errors import ConfigError

PADDING = 0.35  # between letters and a frame around them, in heights of the font
OVERHANG = 1 / 16  # how far letters such as a final Arabic one reach beyond their width, in heights of the font
GAP = 0.55  # between what stands apart, in heights of the font
LEADING = 1.13  # distance of lines, in heights of the font
_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")  # categories of letters that need no picture
_VARIATIONS = range(0xFE00, 0xFE10)  # selectors: they change the letter before them where the font can
_TRIAL_PX = 1000  # size at which a font is measured


def default_font() -> Path:
    """DejaVu Sans: Latin, Greek, Cyrillic, Arabic, Hebrew and more. matplotlib brings it."""
    package = find_spec("matplotlib")
    if package is None or package.origin is None:
        raise ConfigError("screen.font", "is not given, and matplotlib, which brings one, is missing")
    return Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def px_per_degree(width_px: int, width_mm: float, distance_mm: float) -> float:
    """Pixels of a degree of visual angle, straight ahead of an eye at that distance."""
    return 2 * distance_mm * tan(radians(0.5)) * width_px / width_mm


def missing_letters(font: Path, text: str) -> list[str]:
    """The letters of the text that the font has no picture for, each once, e.g. U+611B CJK UNIFIED IDEOGRAPH-611B.

    Raises ConfigError when it is no font.
    """
    has = _letters_of(font)
    lacking = sorted({letter for letter in text if ord(letter) not in has and _is_seen(letter)})
    return [f"U+{ord(letter):04X} {name(letter, '')}".rstrip() for letter in lacking]


def _is_seen(letter: str) -> bool:
    return category(letter) not in _UNSEEN and ord(letter) not in _VARIATIONS


@lru_cache
def _letters_of(font: Path) -> frozenset[int]:
    try:
        with font.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as opened:
            return frozenset(opened.getBestCmap() or ())
    except (OSError, TTLibError, struct.error) as error:
        raise _no_font(font, error) from error


@lru_cache
def _opened(font: Path, em_px: int) -> ImageFont.FreeTypeFont:
    if not (features.check("raqm") and features.check("fribidi")):  # Pillow would write from left to right in silence
        hint = "Install Pillow from its wheel, which brings raqm, and FriBidi: apt-get install libfribidi0"
        raise ConfigError("Pillow", "cannot shape letters", hint=hint)
    try:
        return ImageFont.truetype(font, em_px, layout_engine=ImageFont.Layout.RAQM)
    except OSError as error:
        raise _no_font(font, error) from error


def _no_font(font: Path, error: Exception) -> ConfigError:
    return ConfigError("screen.font", f"is no font: {error}", value=str(font), allowed="a TrueType or OpenType file")


def is_rtl(text: str) -> bool:
    """Whether the text is read from right to left: by its first letter that says so (Unicode annex 9, P2 and P3)."""
    return _side(text) in ("R", "AL")


def has_side(text: str) -> bool:
    """Whether any letter says so; digits and signs do not."""
    return bool(_side(text))


def _side(text: str) -> str:
    sides = (bidirectional(letter) for letter in text)
    return next((side for side in sides if side in ("L", "R", "AL")), "")


def _capital_px(font: Path, em_px: int) -> float:
    return -_opened(font, em_px).getbbox("H", anchor="ls")[1]


class Letters:
    """A font at one size: how wide a text is and where its lines break."""

    def __init__(self, font: Path, capital_px: float) -> None:
        """`capital_px`: least height of its capital H. Raises ConfigError when it is no font."""
        em_px = ceil(_TRIAL_PX * capital_px / _capital_px(font, _TRIAL_PX))
        while _capital_px(font, em_px) < capital_px:  # hinting may have made it one pixel less
            em_px += 1
        self.font, self.capital_px = _opened(font, em_px), _capital_px(font, em_px)
        self.em_px = em_px
        height_px = sum(self.font.getmetrics())
        self.line_px = round(height_px * LEADING)
        self.above_px = round((self.line_px - height_px) * 0.7)  # room for what reaches above a font's own height
        self.overhang_px = ceil(em_px * OVERHANG)
        self.pad_px, self.gap_px = round(em_px * PADDING), round(em_px * GAP)
        self._widths: dict[str, float] = {}

    def width(self, text: str) -> float:
        """Width of a line, px. Words are measured once; letters of two words never join."""
        return sum(self._word_width(word) for word in text.split(" ")) + text.count(" ") * self._word_width(" ")

    def _word_width(self, word: str) -> float:
        if word not in self._widths:
            direction = "rtl" if is_rtl(word) else "ltr"
            self._widths[word] = self.font.getlength(word, direction=direction)
        return self._widths[word]

    def lines(self, text: str, width_px: float) -> list[str]:
        """The text broken into lines: where it breaks itself, between words, and inside a word that is too long."""
        return [line for part in text.strip("\n").expandtabs(4).split("\n") for line in self._wrapped(part, width_px)]

    def _wrapped(self, part: str, width_px: float) -> list[str]:
        lines: list[str] = []
        for word in part.split(" "):
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer) <= width_px:
                lines[-1] = longer
            else:
                lines += self._pieces(word, width_px)
        return lines

    def _pieces(self, word: str, width_px: float) -> list[str]:
        """A word, cut into what fits on a line each if it is too long for one."""
        most = self._most(width_px)
        pieces: list[str] = []
        while len(word) > most or (self._word_width(word) > width_px and len(word) > 1):
            end = self._fitting(word, width_px)
            pieces.append(word[:end])
            word = word[end:]
        return [*pieces, word]

    def _most(self, width_px: float) -> int:
        """No line of so many letters is looked at at once: few are narrower than an eighth of the font's height."""
        return max(ceil(8 * width_px / self.em_px), 1)

    def _fitting(self, word: str, width_px: float) -> int:
        """How many letters of the word fit, at least one: found by halving."""
        low, high = 1, min(len(word), self._most(width_px))
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.font.getlength(word[:middle]) <= width_px else (low, middle - 1)
        return low

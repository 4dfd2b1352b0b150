"""Manikins to point at: how pleasant, how excited, how much in control a participant feels. Drawn by the program.

They are our own figures after the idea of the Self-Assessment Manikin (Bradley and Lang, 1994): the mouth shows
valence, the burst in the body arousal, the size of the figure dominance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi, sin

from PIL import Image, ImageDraw

from rig.stimulus.pages.colours import BACKGROUND, INK, PAPER

FINER = 4  # drawn so much larger, then made small: Pillow draws edges in steps
_RAYS = 9  # of the burst


class _Figure:
    """A figure being drawn in a square of `side` px; places are shares of it, counted from its middle and its floor."""

    def __init__(self, side: int, size: float) -> None:
        self.side, self.size = side, size
        self.picture = Image.new("RGB", (side, side), BACKGROUND)
        self.draw = ImageDraw.Draw(self.picture)
        self.pen = max(round(side * size * 0.02), FINER)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place: `x` from the middle, `y` above the floor, in shares of the figure."""
        return self.side / 2 + x * self.size * self.side, self.side * 0.97 - y * self.size * self.side * 0.94

    def round(self, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
        """A disc with an outline."""
        (left, top), (right, bottom) = self.at(x - radius, y + radius), self.at(x + radius, y - radius)
        self.draw.ellipse((left, top, right, bottom), fill, INK, self.pen)

    def block(self, left: float, bottom: float, right: float, top: float) -> None:
        """A rounded block with an outline."""
        corners = (*self.at(left, top), *self.at(right, bottom))
        self.draw.rounded_rectangle(corners, 0.05 * self.size * self.side, PAPER, INK, self.pen)

    def line(self, *places: tuple[float, float]) -> None:
        """A line through places."""
        self.draw.line([self.at(x, y) for x, y in places], INK, round(self.pen * 1.5), "curve")

    def star(self, x: float, y: float, outer: float, inner: float) -> None:
        """A burst: rays from the inner to the outer radius."""
        turns = [(i * pi / _RAYS, outer if i % 2 == 0 else inner) for i in range(2 * _RAYS)]
        self.draw.polygon([self.at(x + radius * sin(turn), y + radius * cos(turn)) for turn, radius in turns], INK)


def _body(figure: _Figure) -> None:
    for side in (-1, 1):
        left, right = sorted((side * 0.03, side * 0.14))
        figure.block(left, 0.0, right, 0.22)
        left, right = sorted((side * 0.19, side * 0.29))
        figure.block(left, 0.24, right, 0.56)
    figure.block(-0.2, 0.18, 0.2, 0.6)
    figure.round(0, 0.79, 0.19, PAPER)


def _eyes(figure: _Figure, opened: float) -> None:
    for x in (-0.075, 0.075):
        if opened < 0.15:
            figure.line((x - 0.035, 0.83), (x + 0.035, 0.83))
        else:
            figure.round(x, 0.83, 0.015 + 0.025 * opened, INK)


def _mouth(figure: _Figure, bend: float) -> None:
    """`bend` from -1 (corners down) to 1 (corners up)."""
    xs = [i / 10 - 1 for i in range(21)]
    figure.line(*((0.1 * x, 0.72 + 0.06 * bend * (x * x - 0.5)) for x in xs))


def _valence(share: float, side: int) -> Image.Image:
    figure = _Figure(side, 1.0)
    _body(figure)
    _eyes(figure, 0.5)
    _mouth(figure, 2 * share - 1)
    return figure.picture


def _arousal(share: float, side: int) -> Image.Image:
    figure = _Figure(side, 1.0)
    _body(figure)
    _eyes(figure, share)
    _mouth(figure, 0.0)
    outer = 0.02 + 0.17 * share
    figure.star(0, 0.39, outer, outer * (0.9 - 0.5 * share))
    return figure.picture


def _dominance(share: float, side: int) -> Image.Image:
    figure = _Figure(side, 0.3 + 0.7 * share)
    _body(figure)
    _eyes(figure, 0.5)
    _mouth(figure, 0.0)
    return figure.picture


_DRAWN: dict[str, Callable[[float, int], Image.Image]] = {
    "valence": _valence,
    "arousal": _arousal,
    "dominance": _dominance,
}


@lru_cache(maxsize=64)
def manikin(dimension: str, point: int, points: int, side: int) -> Image.Image:
    """The manikin of a point, 1 to `points`, in a square of `side` px on the page's grey: RGB."""
    share = (point - 1) / (points - 1)
    return _DRAWN[dimension](share, side * FINER).resize((side, side), Image.Resampling.BOX)

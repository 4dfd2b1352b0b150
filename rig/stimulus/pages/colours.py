"""The colours of a page, RGB. They differ in light by 7:1 at least (WCAG 2.1, 1.4.6): ink on background by 8.0:1."""

from __future__ import annotations

Colour = tuple[int, int, int]
BACKGROUND: Colour = (160, 160, 160)  # the neutral grey, between pages too
INK: Colour = (0, 0, 0)  # letters, lines, and what is chosen
PAPER: Colour = (255, 255, 255)  # fields, manikins, and letters on what is chosen

"""The page of one step: laid out once, drawn whole, and then only where an answer changed it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.config.rig import Screen
from rig.elicitation.steps import Step
from rig.stimulus.pages.boxes import Box
from rig.stimulus.pages.drawing import Painter
from rig.stimulus.pages.fonts import default_font, px_per_degree
from rig.stimulus.pages.form import State
from rig.stimulus.pages.layout import SIGNS, Look, layout


def look_of(screen: Screen) -> Look:
    """How pages look on the screen that rig.yaml describes. Raises ConfigError when there is no font."""
    font = Path(screen.font) if screen.font else default_font()
    return Look(font, px_per_degree(screen.width, screen.width_mm, screen.distance_mm), screen.patch_px)


def boxes_of(step: Step, screen: Screen) -> tuple[Box, ...]:
    """Where everything of the step's page lies on that screen; nothing is drawn. Raises as `Page` does."""
    return layout(step, (screen.width, screen.height), look_of(screen)).boxes


def letters_of(step: Step) -> str:
    """Every letter that the step's page writes, the program's own signs and digits too: the font must have them."""
    parts = [step.text, *SIGNS.values(), "0123456789/"] if step.items else [step.text]
    for item in step.items:
        parts += [item.text, item.low, item.high, *(choice.key + choice.label for choice in item.choices)]
    return "".join(parts)


class Page:
    """What a step shows, but for a film: its text, its items, and what was answered so far."""

    def __init__(self, step: Step, size: tuple[int, int], look: Look) -> None:
        """Lay it out on a screen of `size` (width, height) px, and draw what never changes.

        Raises ProtocolError when it cannot fit, or a laboratory's own manikin is missing.
        """
        self.step, self.size = step, size
        found = layout(step, size, look)
        self.boxes, self.letters = found.boxes, found.letters
        self._painter = Painter(step, size, found)

    @property
    def is_clickable(self) -> bool:
        """Whether the pointer has anything to do on it."""
        return bool(self.step.items)

    @property
    def whole(self) -> Box:
        """The region that is all of it."""
        return Box("text", 0, 0, *self.size)

    def draw(self, state: State, region: Box | None = None) -> NDArray[np.uint8]:
        """The picture of a region, or of all of it: uint8 (height, width, 3), RGB, the upper line first."""
        return np.asarray(self._painter.part(region or self.whole, state))

    def changed(self, before: State, now: State) -> list[Box]:
        """The regions that differ between two states: items and footer. Draw those anew; none: nothing changed."""
        if before == now:
            return []
        names = {i.name for i, b, n in zip(self.step.items, before, now, strict=True) if b != n}
        return [box for box in self.boxes if box.kind == "footer" or (box.kind == "item" and box.name in names)]

"""A box of another make: it works, and declares of itself what it likes."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from rig.streams import DeviceInfo
from rig.trigger.box import TriggerBox
from tests.trigger.wrapped import Wrapped

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-trigger-box.md"
Capabilities = dict[str, int | bool]


def example() -> Capabilities:
    """What the page about adding a box lets its example declare."""
    text = PAGE.read_text().split("capabilities = ", 1)[1].split("}", 1)[0] + "}"
    declared: Capabilities = ast.literal_eval("".join(line.strip() for line in text.splitlines()))
    return declared


class OtherMake(Wrapped):
    """A box that declares `capabilities` and nothing else."""

    def __init__(self, box: TriggerBox, capabilities: Capabilities) -> None:
        super().__init__(box)
        self.capabilities = capabilities

    def describe(self) -> DeviceInfo:
        return replace(self.box.describe(), model="Camera Controller", capabilities=dict(self.capabilities))

"""What a self-test says about each thing that it tested, and what a line is called."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rig.trigger.box import LinePlan, PulsePlan
from rig.verify.findings import Word

# What is sent when there is no rig.yaml to say it: 100 Hz on line 0, 25 Hz on lines 1 and 2.
PLAN = PulsePlan(20_000, (LinePlan(0, 1, 2000), LinePlan(1, 4, 2000), LinePlan(2, 4, 2000)), 18_000)

_LINE_PINS = {0: "D4", 1: "D5", 2: "D6"}
_INPUT_PINS = {0: "A0", 1: "A1", 2: "A2", 3: "A3", 4: "A4", 5: "D8"}


@dataclass(frozen=True)
class Result:
    """One thing that was tested."""

    name: str
    word: Word
    value: float | None  # what was measured, in the unit that `text` says; None: nothing
    text: str  # in words
    limit: str  # what it was held against, and where that comes from

    def to_json(self) -> dict[str, str | float | None]:
        """Plain data."""
        return {**asdict(self), "word": str(self.word)}


def judged(name: str, value: float, text: str, limit: str, *, is_good: bool) -> Result:
    """PASS or FAIL."""
    return Result(name, Word.PASS if is_good else Word.FAIL, value, text, limit)


def line_name(line: int) -> str:
    """A trigger line and its pin on an Uno."""
    return f"line {line} ({_LINE_PINS[line]})" if line in _LINE_PINS else f"line {line}"


def input_name(number: int) -> str:
    """An input of the box and its pin on an Uno."""
    return f"input {number} ({_INPUT_PINS[number]})" if number in _INPUT_PINS else f"input {number}"

"""The window's process, whose window reads back what it has drawn before each flip, for holding the log against it.

    with read_back(plan): PsychoPyScreen(.., folder)  --> python -m tests.stimulus.read_back: the shipped process, with
                                                          a window that reads its own back buffer
    compared(folder, plan, flips, number_in)         <--  READ_BACK in that folder, when the window closes

What is shipped has no part in this: the window is a subclass, put in its place in a process of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from rig.children import Child
from rig.clock import NS
from rig.stimulus import child
from rig.streams import Flip

READ_BACK, PLAN = "read-back.npz", "READ_BACK_PLAN"  # a file in the window's folder, a variable of its environment
HELD_UP_NS = NS // 4  # six film frames of 25 fps: four and more behind, the player leaves out what it must
Shown = tuple[int, int]  # film frame and patch of a flip


@dataclass(frozen=True)
class Plan:
    """Which flips are read back (a seeded share of them), and which come HELD_UP_NS late; by number in the log."""

    share: float = 1.0
    seed: int = 0
    held_up: Sequence[int] = ()

    def is_read(self, flip_number: int) -> bool:
        return random.Random(f"{self.seed}, {flip_number}").random() < self.share


@contextmanager
def read_back(plan: Plan) -> Iterator[None]:
    """Windows that are opened meanwhile read back what they show."""

    def started(_module: str, log: Path, *, env: dict[str, str]) -> Child:
        return Child(__name__, log, env={**env, PLAN: json.dumps(asdict(plan))})

    with patch("rig.stimulus.process.Child", started):
        yield


def compared(
    folder: Path, plan: Plan, flips: list[Flip], number_in: Callable[[NDArray[np.uint8]], int]
) -> list[tuple[Shown | None, Shown | None]]:
    """Of each flip that was read back, or should be: what its pixels show and what the log says; None where it is not.

    `folder`: of a window that is closed; `flips`: all that it told; `number_in`: the film frame in a line of its
    pixels, uint8 (width, 3), which is that in the middle of the film's upper half.
    """
    with np.load(folder / READ_BACK) as file:
        rows = list(zip(file["host_ns"].tolist(), file["lines"], file["patches"], strict=True))
    seen = {host_ns: (number_in(line), int(level.mean() > 127)) for host_ns, line, level in rows}
    logged = {flip.host_ns: (flip.film_frame, flip.patch) for flip in flips if plan.is_read(flip.flip_number)}
    return [(seen.get(at), logged.get(at)) for at in sorted(seen.keys() | logged.keys())]


def main() -> None:
    """The child: as rig.stimulus.child, but for its window, which can be loaded only once the display is there."""
    shipped = child._perform_on

    def perform_on(*given: Any) -> None:
        from tests.stimulus.reading_window import ReadingWindow

        with patch("rig.stimulus.window.Window", ReadingWindow):
            shipped(*given)

    with patch.object(child, "_perform_on", perform_on):
        child.main()


if __name__ == "__main__":
    main()

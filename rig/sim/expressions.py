"""When the face moves: micro-expressions and blinks by seed, on world time, the same for every camera.

    onset          apex                    offset         host ns; between them the face is neutral
      |  quarter sine |  quarter cosine      |
      0 ------------> 1 -------------------> 0            strength

One micro-expression falls into every 6 s, one blink into every 4 s. The program has no state: any moment can be asked
for, in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import cos, pi, sin

import numpy as np

MS = 1_000_000
EXPRESSION_EVERY_NS, BLINK_EVERY_NS = 6_000 * MS, 4_000 * MS
SHORTEST, LONGEST = 11, 58  # of a micro-expression, in frames of 10 ms
FRAME_NS = 10 * MS
BLINK_NS = (150 * MS, 300 * MS)


class Movement(StrEnum):
    """What moves, with its action unit in the Facial Action Coding System."""

    BROW_RAISE = "brow_raise"  # AU 1 + 2
    BROW_LOWER = "brow_lower"  # AU 4
    LIP_CORNER_UP = "lip_corner_up"  # AU 12, on one side
    LIP_CORNERS_DOWN = "lip_corners_down"  # AU 15
    BLINK = "blink"  # AU 45


EXPRESSIONS = tuple(movement for movement in Movement if movement is not Movement.BLINK)


@dataclass(frozen=True)
class Shown:
    """One movement as the face showed it, host ns."""

    kind: Movement
    onset_ns: int
    apex_ns: int
    offset_ns: int

    def strength(self, host_ns: int) -> float:
        """How far it has gone: 0 before the onset, 1 at the apex, 0 from the offset on."""
        if not self.onset_ns < host_ns < self.offset_ns:
            return 0.0
        if host_ns < self.apex_ns:
            return sin(pi / 2 * (host_ns - self.onset_ns) / (self.apex_ns - self.onset_ns))
        return cos(pi / 2 * (host_ns - self.apex_ns) / (self.offset_ns - self.apex_ns))


Tell = Callable[[Shown], None]


class Performance:
    """The whole program of one face."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._expression = lru_cache(maxsize=4)(self._plan_expression)
        self._blink = lru_cache(maxsize=4)(self._plan_blink)

    def at(self, host_ns: int) -> list[Shown]:
        """What moves at a moment, nothing most of the time."""
        planned = (self._expression(host_ns // EXPRESSION_EVERY_NS), self._blink(host_ns // BLINK_EVERY_NS))
        return [shown for shown in planned if shown.onset_ns < host_ns < shown.offset_ns]

    def _plan_expression(self, number: int) -> Shown:
        rng = np.random.default_rng((self._seed, 13, number))
        kind = EXPRESSIONS[int(rng.integers(len(EXPRESSIONS)))]
        lasts_ns = int(rng.integers(SHORTEST, LONGEST + 1)) * FRAME_NS
        return _placed(kind, number * EXPRESSION_EVERY_NS, EXPRESSION_EVERY_NS, lasts_ns, rng)

    def _plan_blink(self, number: int) -> Shown:
        rng = np.random.default_rng((self._seed, 17, number))
        return _placed(Movement.BLINK, number * BLINK_EVERY_NS, BLINK_EVERY_NS, int(rng.integers(*BLINK_NS)), rng)


def _placed(kind: Movement, begins_ns: int, every_ns: int, lasts_ns: int, rng: np.random.Generator) -> Shown:
    """Somewhere within its time; the apex after 30 to 50 % of it."""
    onset_ns = begins_ns + int(rng.integers(every_ns - lasts_ns))
    return Shown(kind, onset_ns, onset_ns + round(lasts_ns * rng.uniform(0.3, 0.5)), onset_ns + lasts_ns)

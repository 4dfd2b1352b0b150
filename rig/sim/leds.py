"""The three sync LEDs: what the box does with their lines, and how long each was lit while a camera exposed.

A mask says which are lit: bit 0 LED A, bit 1 LED B1, bit 2 LED B2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import count

from rig.trigger import wire

LED_A, DARK = 1, 0
SEED = 0xB5A3C  # the first 20 bits of LED A, lowest first
FLASH_TICKS = 400
KEPT_NS = 3_000_000_000  # longer than the longest exposure and its readout

Change = tuple[int, int]  # ticks after a pulse, mask from then on
Shares = tuple[float, float, float]


def codes() -> Iterator[int]:
    """The mask of each pulse from pulse 0 on: LED A by x^20 + x^3 + 1, B1 and B2 the Gray code of pulse mod 4."""
    state = SEED
    for pulse in count():
        phase = pulse & 3
        yield state & 1 | (phase ^ phase >> 1) << 1
        state = state >> 1 | ((state ^ state >> 3) & 1) << 19


def changes_after(start: wire.Start, pulse: int, code: Iterator[int]) -> Iterator[Change]:
    """What the LEDs do after a pulse. `code`: of a recording run, at the pulse to come."""
    offset = start.test_offset_ticks
    match start.mode:
        case wire.Mode.RECORD:
            yield start.led_phase_ticks, next(code)
        case wire.Mode.TEST_EDGE:
            yield offset, DARK if pulse % 2 else LED_A
        case wire.Mode.TEST_FLASH:
            yield from ((offset, LED_A), (offset + FLASH_TICKS, DARK))
        case wire.Mode.TEST_FREE if pulse == 0:
            yield from _blinks(start.test_period_ticks)


def _blinks(period_ticks: int) -> Iterator[Change]:
    for began in count(0, period_ticks):
        yield began, LED_A
        yield began + period_ticks // 2, DARK


class LedHistory:
    """What the LED lines did of late, for cameras to see."""

    def __init__(self) -> None:
        self._changes: deque[tuple[int, int]] = deque([(-(2**63), DARK)])

    def change(self, host_ns: int, mask: int) -> None:
        """The lines are `mask` from `host_ns` on; changes come in the order of their times."""
        self._changes.append((host_ns, mask))
        while self._changes[1][0] < host_ns - KEPT_NS:
            self._changes.popleft()

    def shares(self, begins_ns: int, ends_ns: int) -> Shares:
        """The share of a time, at most KEPT_NS ago, during which each LED was lit, 0 to 1."""
        lit_ns, until_ns = [0, 0, 0], ends_ns
        for since_ns, mask in reversed(self._changes):
            for led in range(3):
                lit_ns[led] += max(0, until_ns - max(since_ns, begins_ns)) * (mask >> led & 1)
            until_ns = min(until_ns, since_ns)
            if since_ns <= begins_ns:
                break
        a, b1, b2 = (ns / (ends_ns - begins_ns) for ns in lit_ns)
        return a, b1, b2

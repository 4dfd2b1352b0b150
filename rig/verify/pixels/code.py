"""The code that the three sync LEDs blink, and how much of it an exposure sees (docs/reference/wire-format.md).

    pulses       n             n+1            n+2        code n stands until the LED phase after pulse n,
    LEDs    -- n ---|---- n+1 ----|---- n+2 ----|--      code n+1 from then on
    exposure     [=]                                     a short one sees code n alone,
                 [=================]                     a long one a known mixture of n, n+1, n+2

Written apart from the box and its simulation, from the documented polynomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rig.verify.findings import Numbers

ORDER, TAP, SEED = 20, 3, 0xB5A3C
CODE_PERIOD = (1 << ORDER) - 1  # pulses until LED A repeats; A, B1 and B2 together repeat after four times that

Levels = NDArray[np.float64]
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class LedTiming:
    """When a stream's frames are exposed, and when the sync LEDs change; all from the pulse on, in us."""

    divisor: int  # its frames are of pulses that are multiples of this
    exposure_us: float
    start_delay_us: float  # from the pulse to the start of exposure
    period_us: float  # base period of the pulses
    led_phase_us: float  # from a pulse to the change of the LEDs

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of the exposure of pulse n each code n, n+1, ... fills; the sum is 1."""
        start, end = self.start_delay_us, self.start_delay_us + self.exposure_us
        codes = 1 + max(0, ceil((end - self.led_phase_us) / self.period_us))
        begins = [start, *(self.led_phase_us + j * self.period_us for j in range(codes - 1))]
        ends = [*begins[1:], end]
        return tuple(
            max(0.0, min(b, end) - max(a, start)) / self.exposure_us for a, b in zip(begins, ends, strict=True)
        )


@cache
def code_a() -> Bits:
    """LED A by pulse number, uint8 (CODE_PERIOD,): 1 where it is on."""
    code = np.zeros(CODE_PERIOD, np.uint8)
    code[:ORDER] = [SEED >> k & 1 for k in range(ORDER)]
    known, scale = ORDER, 1
    while known < CODE_PERIOD:
        # The square of a polynomial over two elements: s[k+20] = s[k+3] ^ s[k] holds as well for 40, 6, for 80, 12, ...
        while ORDER * scale * 2 <= known:
            scale *= 2
        first = known - ORDER * scale
        count = min((ORDER - TAP) * scale, CODE_PERIOD - known)
        code[known : known + count] = code[first + TAP * scale :][:count] ^ code[first:][:count]
        known += count
    return code


def codes(numbers: Numbers) -> Bits:
    """LEDs A, B1, B2 of pulse numbers (...): uint8 (..., 3), 1 where lit."""
    phase = numbers % 4
    gray = phase ^ phase >> 1
    return np.stack([code_a()[numbers % CODE_PERIOD], gray & 1, gray >> 1], axis=-1).astype(np.uint8)


def expected_levels(numbers: Numbers, shares: tuple[float, ...]) -> Levels:
    """How long each LED was lit in the exposures of pulses (n,), as a share of the exposure: float64 (n, 3).

    `shares`: LedTiming.shares of their stream.
    """
    mixed = [share * codes(numbers + j) for j, share in enumerate(shares)]
    return np.asarray(sum(mixed), np.float64)

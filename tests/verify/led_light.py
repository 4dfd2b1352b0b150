"""The light of the sync LEDs as cameras see it, written from docs/reference/wire-format.md alone.

Light is summed up over time, and a frame gets what came between the start and the end of its exposure.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from rig.verify.pixels.code import LedTiming

PERIOD = 2**20 - 1
HS = LedTiming(divisor=1, exposure_us=4000, start_delay_us=0, period_us=10_000, led_phase_us=9000)
VIS = LedTiming(divisor=4, exposure_us=8000, start_delay_us=0, period_us=10_000, led_phase_us=9000)
VIS_20_MS = LedTiming(divisor=4, exposure_us=20_000, start_delay_us=800, period_us=10_000, led_phase_us=9000)


@cache
def _bits_of_a() -> np.ndarray:
    """A register of 20 bits, shifted once a pulse: s[k+20] = s[k+3] xor s[k]; squared, it holds twice as far apart."""
    bits = np.zeros(PERIOD, np.uint8)
    bits[:20] = [0xB5A3C >> k & 1 for k in range(20)]
    known, apart = 20, 1
    while known < PERIOD:
        apart *= 2 if known >= 40 * apart else 1
        new = np.arange(known, min(known + 17 * apart, PERIOD))
        bits[new] = bits[new - 17 * apart] ^ bits[new - 20 * apart]
        known += len(new)
    return bits


def lit(pulses: np.ndarray) -> np.ndarray:
    """LEDs A, B1, B2 that stand for these pulses (n,): 0 or 1, (n, 3)."""
    gray = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])[pulses % 4]
    return np.c_[_bits_of_a()[pulses % PERIOD], gray]


def levels(pulses: np.ndarray, exposures: LedTiming) -> np.ndarray:
    """What the frames of these pulses (n,) see, from 0 (dark throughout) to 1 (lit throughout); (n, 3)."""
    first, last = int(pulses.min()) - 1, int(pulses.max()) + 66
    standing = np.arange(first, last)
    changes_us = np.arange(first - 1, last) * exposures.period_us + exposures.led_phase_us
    light = np.zeros((len(changes_us), 3))
    light[1:] = np.cumsum(lit(standing) * exposures.period_us, axis=0)
    start_us = pulses * exposures.period_us + exposures.start_delay_us
    sums = [
        np.interp(start_us + exposures.exposure_us, changes_us, column) - np.interp(start_us, changes_us, column)
        for column in light.T
    ]
    return np.stack(sums, axis=1) / exposures.exposure_us


def seen(pulses: np.ndarray, exposures: LedTiming, rng: np.random.Generator, contrast_to_noise: float) -> np.ndarray:
    """The same through a camera: each LED with a dark level and a gain of its own, and noise."""
    gain, dark = rng.uniform(40, 200, 3), rng.uniform(5, 60, 3)
    clean = levels(pulses, exposures)
    return dark + gain * (clean + rng.normal(0, 1 / contrast_to_noise, clean.shape))


def window(exposures: LedTiming, rng: np.random.Generator, seconds: float = 2.0, *, laps: int = 1) -> np.ndarray:
    """The pulses of the frames of some seconds, from anywhere in the code."""
    frames = round(seconds * 1e6 / exposures.period_us / exposures.divisor)
    first = int(rng.integers(0, PERIOD * laps // exposures.divisor)) * exposures.divisor
    return first + exposures.divisor * np.arange(frames)


def with_slip(pulses: np.ndarray, lost: int, repeated: int) -> np.ndarray:
    """The frame at `lost` is not there, and the one at `repeated` is there twice; both are places in `pulses`."""
    places = np.sort(np.r_[np.delete(np.arange(len(pulses)), lost), repeated])
    return pulses[places]

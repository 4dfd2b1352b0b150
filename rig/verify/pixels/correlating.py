"""Where in LED A's code a stretch of frames may lie: the places that look most like it, out of all there are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rig.verify.findings import Numbers
from rig.verify.pixels.code import CODE_PERIOD, Levels, code_a

LEAST_VARIANCE = 0.02  # of what LED A shows: below it no likeness is told from noise
PIECE_PULSES = 8192  # the code is transformed in pieces, which stay in the processor's cache
SIDES = (1023, 1025)  # of a table of the whole code

Series = NDArray[np.float32]


def places_alike(values: Levels, divisor: int, shares: tuple[float, ...], count: int) -> Numbers:
    """`count` pulses, in any order, at which consecutive frames are most likely to begin: int64, 0 to CODE_PERIOD - 1.

    `values`: brightness of LED A in the frames, (n,); `divisor` and `shares` as LedTiming has them.
    """
    alike = _correlated(values - values.mean(), divisor, shares)
    alike /= _spread(shares, divisor, len(values))
    return _highest(alike, count)


@lru_cache(maxsize=4)
def _shown(shares: tuple[float, ...]) -> Levels:
    """What LED A shows to exposures with these shares, from -0.5 to 0.5, of all pulses of the code."""
    code = code_a() - 0.5
    return np.asarray(sum(share * np.roll(code, -j) for j, share in enumerate(shares)))  # one at a time: 8 MB each


@lru_cache(maxsize=4)
def _spectra(shares: tuple[float, ...], size: int) -> NDArray[np.complex64]:
    """Of what is shown, in pieces of `size` pulses that begin three quarters of it apart."""
    shown = np.resize(_shown(shares).astype(np.float32), CODE_PERIOD + size)  # the code repeats
    pieces = np.lib.stride_tricks.sliding_window_view(shown, size)[:: size * 3 // 4]
    return np.asarray(np.fft.rfft(pieces), np.complex64)


def _correlated(values: Levels, divisor: int, shares: tuple[float, ...]) -> Series:
    """The sum of `values` times what is shown `divisor` pulses apart, for each pulse to begin with: (CODE_PERIOD,)."""
    steps = np.arange(len(values)) * divisor
    size = max(PIECE_PULSES, 4 << int(steps[-1]).bit_length())  # the frames span a quarter of a piece at most
    series = np.zeros(size, np.float32)
    series[steps] = values
    found = np.fft.irfft(_spectra(shares, size) * np.fft.rfft(series).conj(), size)
    return np.asarray(found[:, : size * 3 // 4].reshape(-1)[:CODE_PERIOD])


@lru_cache(maxsize=4)
def _spread(shares: tuple[float, ...], divisor: int, count: int) -> Series:
    """How much LED A varies over `count` frames, for each pulse to begin with: (CODE_PERIOD,)."""
    mean, square = (_sums(_shown(shares) ** power, divisor, count) / count for power in (1, 2))
    return np.sqrt(np.maximum(square - mean**2, LEAST_VARIANCE)).astype(np.float32)


def _sums(values: Levels, divisor: int, count: int) -> Levels:
    """Of `count` values `divisor` apart, for each to begin with; what comes behind the end begins anew."""
    rows = -(-CODE_PERIOD // divisor) + count
    sums = np.cumsum(np.resize(values, rows * divisor).reshape(rows, divisor), axis=0)
    sums = np.concatenate([np.zeros((1, divisor)), sums])
    return np.asarray((sums[count:] - sums[:-count]).reshape(-1)[:CODE_PERIOD])


def _highest(values: Series, count: int) -> Numbers:
    """Where the highest of (CODE_PERIOD,) are: they lie in those rows of a table that have the highest maxima."""
    table = values.reshape(SIDES)
    rows = np.argpartition(-table.max(axis=1), count)[:count]
    places = np.argpartition(-table[rows].reshape(-1), count)[:count]
    return np.asarray(rows[places // SIDES[1]] * SIDES[1] + places % SIDES[1], np.int64)

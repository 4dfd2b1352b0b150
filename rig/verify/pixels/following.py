"""Follows a stretch of frames from a guess on, frame by frame: some may be lost, repeated, or of no pulse.

A hidden Markov model: its states are by how many frames the stretch is ahead or behind (its lag), or that a frame is
of no pulse. Several guesses are followed at once, forward and backward in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import lcm
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rig.verify.findings import Numbers
from rig.verify.pixels.code import CODE_PERIOD, LedTiming, Levels, expected_levels

MOST_LAG = 24  # frames by which losses and repeats may shift a stretch against its first guess
MOST_MIXED = 6  # codes in an exposure, of which all mixtures are considered; of more a sample is

# Chances from one frame to the next, of what an ordinary stream does not do.
_SLIP, _JUMP, _LEAVE, _STRANGE = 1e-4, 1e-7, 1e-9, 0.01

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Light:
    """What each LED looks like in the pictures: dark level, contrast and noise, each (3,), in its own unit."""

    dark: Levels
    contrast: Levels
    noise: Levels


@dataclass(frozen=True)
class Track:
    """A stretch, followed: numbers and their confidence, each (n,)."""

    numbers: Numbers
    confidence: Levels
    light: Light
    evidence: float  # log likelihood of the levels, over all ways that frames may be lost or repeated


@dataclass(frozen=True)
class _Model:
    """What n frames may be, when frame i is about that of pulse `first` + i x divisor."""

    light: Light
    numbers: Numbers  # the pulse of each frame at each lag, (n, lags)
    gain: Levels  # log by which LED A's level is likelier of that pulse than of none, (n, lags)
    best: Levels  # log likelihood of each frame's levels in its likeliest state, (n,)
    fits: Levels  # likelihood in each state, of that in the likeliest, (n, lags + 1)


def followed(levels: Levels, exposures: LedTiming, starts: Sequence[tuple[int, Light]]) -> list[Track]:
    """The likeliest number of each frame, for each of some starts: the pulse of frame 0, and what the LEDs look like.

    `levels`: as led_code.decode has them.
    """
    if not starts:
        return []
    models = [_model(levels, exposures, first, light) for first, light in starts]
    chances, scales = _chances(np.stack([model.fits for model in models]))
    return [_track(*parts) for parts in zip(models, chances, scales, strict=True)]


def _model(levels: Levels, exposures: LedTiming, first: int, light: Light) -> _Model:
    modulus = lcm(4, exposures.divisor) * CODE_PERIOD
    numbers = (first + exposures.divisor * np.arange(-MOST_LAG, len(levels) + MOST_LAG)) % modulus
    due = light.dark + light.contrast * expected_levels(numbers, exposures.shares)
    strange = _strange(levels, exposures, light)
    by_led = _normal(levels[:, :, None], _windows(due), light.noise[:, None])
    logs = np.c_[by_led.sum(1), strange.sum(1)]
    best = logs.max(1)
    return _Model(light, _windows(numbers), by_led[:, 0] - strange[:, :1], best, np.exp(logs - best[:, None]))


def _track(model: _Model, chances: Levels, scale: Levels) -> Track:
    """The likeliest numbers: `chances` of each state (n, states), and the factors that were taken out of them, (n,)."""
    lag, index = chances[:, :-1].argmax(1), np.arange(len(chances))
    gain = np.where(chances[:, -1] > 0.5, 0, model.gain[index, lag]).sum()
    change = np.log(_steps()[lag[:-1], lag[1:]]).sum()
    confidence = chances[index, lag] * _trust(float(gain + change))
    return Track(model.numbers[index, lag], confidence, model.light, float(model.best.sum() + np.log(scale).sum()))


def _trust(gain: float) -> float:
    """Chance that a place in the code is the right one, when LED A is so much likelier there than with random bits.

    Of all places in the code, a wrong one reaches that gain (a log) with a chance of at most exp(-gain) each.
    """
    return max(0.0, 1 - CODE_PERIOD * float(np.exp(-max(gain, 0.0))))


def _windows(values: NDArray[Value]) -> NDArray[Value]:
    """For each frame the values at all lags: (n, ..., lags)."""
    return np.lib.stride_tricks.sliding_window_view(values, 2 * MOST_LAG + 1, axis=0)


def _normal(value: Levels, mean: Levels, deviation: Levels) -> Levels:
    """The log of the normal density."""
    return np.asarray(-(((value - mean) / deviation) ** 2) / 2 - np.log(deviation * np.sqrt(2 * np.pi)))


@cache
def _mixtures(shares: tuple[float, ...]) -> Levels:
    """The levels that random codes would mix to, as shares of an exposure; a sample of them where they are many."""
    count = len(shares)
    if count > MOST_MIXED:
        return expected_levels(np.arange(1 << MOST_MIXED), shares)[:, 0]
    return np.array([sum(share * (code >> j & 1) for j, share in enumerate(shares)) for code in range(1 << count)])


def _strange(levels: Levels, exposures: LedTiming, light: Light) -> Levels:
    """The log density of each LED's level in a frame of no pulse, (n, 3): random codes, or rarely anything."""
    due = light.dark[:, None] + light.contrast[:, None] * _mixtures(exposures.shares)
    coded = np.exp(_normal(levels[:, :, None], due, light.noise[:, None])).mean(2)
    return np.asarray(np.log((1 - _STRANGE) * coded + _STRANGE / (2 * np.ptp(levels, axis=0) + light.noise)))


@cache
def _steps() -> Levels:
    """Chances from one frame's lag to the next frame's: the lags from -MOST_LAG to MOST_LAG, and last, of no pulse."""
    lags = 2 * MOST_LAG + 1
    change = np.abs(np.subtract.outer(np.arange(lags), np.arange(lags)))
    steps = np.zeros((lags + 1, lags + 1))
    steps[:-1, :-1] = np.select([change == 0, change == 1], [1.0, _SLIP], _JUMP)
    steps[:-1, -1] = _LEAVE
    steps[-1] = np.r_[np.full(lags, 0.5 / lags), 0.5]
    return np.asarray(steps / steps.sum(1, keepdims=True))


def _chances(fits: Levels) -> tuple[Levels, Levels]:
    """Chances of each state given all frames, (guesses, n, states), and the factors taken out of them, (guesses, n).

    `fits`: (guesses, n, states). What the frames behind one say of it is found as what those before it say, backward.
    """
    steps = _steps()
    in_turn = np.stack([fits, fits[:, ::-1]]).transpose(2, 0, 1, 3)
    begin = np.full(len(steps), 1 / (len(steps) - 1))
    begin[-1] = _LEAVE
    passed, scales = _passed(in_turn, np.stack([steps, steps.T]), np.stack([begin, np.ones_like(begin)]))
    chances = passed[:, 0]
    chances[:-1] *= passed[-2::-1, 1] @ steps.T
    chances /= chances.sum(axis=2, keepdims=True)
    return chances.swapaxes(0, 1), scales[:, 0, :, 0].T


def _passed(fits: Levels, steps: Levels, begin: Levels) -> tuple[Levels, Levels]:
    """Chances given the frames so far, and the factors taken out of each frame's.

    In both directions at once, each with its own steps (2, states, states) and beginning (2, states). `fits` and what
    is returned: (n, 2, guesses, states); factors (n, 2, guesses, 1).
    """
    chances, scales = np.empty_like(fits), np.empty((*fits.shape[:3], 1))
    state = begin[:, np.newaxis] * fits[0]
    for i, (fit, chance, scale) in enumerate(zip(fits, chances, scales, strict=True)):
        state = (state @ steps) * fit if i else state
        np.add.reduce(state, axis=2, keepdims=True, out=scale)
        state = np.divide(state, scale, out=chance)
    return chances, scales

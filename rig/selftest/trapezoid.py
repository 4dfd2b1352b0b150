"""From the brightness of a blinking LED in a camera's pictures: when its exposures begin, and how long they last.

    LED         ____|''''''''|________|''''''''|____     period of its own, half of it lit
    exposures      [====]        [====]       [====]     each at another phase of it
    brightness        1/2           1           1/4      the share of the exposure in which the LED was lit

Over the phase the brightness is a trapezoid. Where its ramps lie tells the start, how wide they are the length. An
exposure of L and one of a period less L make the same ramps, so that the camera's word decides between these two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LENGTHS = (1.0, 0.7, 1.3, 0.4)  # of the length told: a fit sets out from each of these
STARTS = 60  # in one period of the LED; the best one begins a fit, for each length
STEPS = 40  # of a fit, at most
FINE_US = 0.01  # a step so short is the last one
EARLIEST = 0.25  # of a period: starts are told from so much before the pulse on
MARGIN = 0.02  # of half a period: lengths keep so far from its ends, where the ramps say nothing
TOLD_SD_US = 20.0  # cameras set their exposure in steps of up to 35 us, older GigE models of Basler
AGREES = 4  # standard deviations; further off, the length told is not used


@dataclass(frozen=True)
class Trapezoid:
    """The best fit. Times are us of the clock that the phases are told by; brightness is in the unit of the levels."""

    start_us: float  # from the pulse, less whole periods of the LED
    length_us: float
    dark: float  # brightness with the LED off
    swing: float  # how much brighter it is with the LED on
    residual: float  # standard deviation of the levels around the fit
    start_sd_us: float  # by the residual; nan when the levels do not tell it
    length_sd_us: float


def lit_share(phases_us: Values, start_us: NDArray[Any] | float, length_us: float, period_us: float) -> Values:
    """The share of an exposure, 0 to 1, in which the LED is lit, when the pulse comes at these phases of the LED."""
    begins_us = phases_us + start_us
    return np.asarray((_lit_us(begins_us + length_us, period_us) - _lit_us(begins_us, period_us)) / length_us)


def _lit_us(at_us: Values, period_us: float) -> Values:
    """For how long it has been lit from phase 0 on."""
    periods, within = np.divmod(at_us, period_us)
    return np.asarray(periods * (period_us / 2) + np.minimum(within, period_us / 2))


def fit(phases_us: Values, levels: Values, period_us: float, told_us: float) -> Trapezoid:
    """Fit start, length and brightness to levels (n,) at phases (n,) of the LED; n is at least 8.

    `told_us`: the exposure time that the camera tells. It steadies the start where noise leaves the length less sure
    than that; `length_us` is by the levels alone.
    """
    sweep = _Sweep(phases_us, levels, period_us, told_us)
    as_told, *others = sweep.beginnings()
    free = min((sweep.refined(*begin) for begin in (as_told, *others)), key=lambda found: found.residual)
    steadied = sweep.refined(*as_told, free.residual / TOLD_SD_US)
    is_told_right = (steadied.residual / free.residual) ** 2 < 1 + AGREES**2 / len(levels) if free.residual else False
    best = replace(steadied, length_us=free.length_us, length_sd_us=free.length_sd_us) if is_told_right else free
    return sweep.in_period(best)


class _Sweep:
    """Levels over the phase, and fits to them."""

    def __init__(self, phases_us: Values, levels: Values, period_us: float, told_us: float) -> None:
        self._phases_us, self._levels, self._period_us, self._told_us = phases_us, levels, period_us, told_us
        half_us = period_us / 2
        least_us = told_us // half_us * half_us
        self._shortest_us, self._longest_us = least_us + MARGIN * half_us, least_us + (1 - MARGIN) * half_us

    def beginnings(self) -> list[tuple[float, float]]:
        """Starts and lengths to set out from: for each length the start at which the levels follow best."""
        starts_us = np.arange(STARTS) * (self._period_us / STARTS)
        own = self._levels - self._levels.mean()
        found = []
        for length_us in (self._possible(self._told_us * ratio) for ratio in LENGTHS):
            shares = lit_share(self._phases_us, starts_us.reshape(-1, 1), length_us, self._period_us)
            shares -= shares.mean(axis=1, keepdims=True)
            alike = shares @ own / np.maximum(np.linalg.norm(shares, axis=1), 1e-9)
            found.append((float(starts_us[np.argmax(alike)]), length_us))
        return found

    def _possible(self, length_us: float) -> float:
        return float(np.clip(length_us, self._shortest_us, self._longest_us))

    def refined(self, start_us: float, length_us: float, belief: float = 0.0) -> Trapezoid:
        """Newton's way to the least squares, with a step halved as long as it makes things worse.

        `belief` in the length told: what 1 us off it weighs, in the unit of the levels.
        """
        squares, step = self._squares(start_us, length_us, belief)
        for _ in range(STEPS):
            most_us = self._period_us / 8
            there = start_us + float(np.clip(step[0], -most_us, most_us)), self._possible(length_us + float(step[1]))
            squares_there, step_there = self._squares(*there, belief)
            if squares_there < squares:
                (start_us, length_us), squares, step = there, squares_there, step_there
            else:
                step = step / 2
            if np.abs(step).max() < FINE_US:
                break
        return self._trapezoid(start_us, length_us, belief)

    def _squares(self, start_us: float, length_us: float, belief: float) -> tuple[float, Values]:
        """The sum of squares at a start and a length, and the step in both that is to make it least."""
        parts, _, rest = self._parts(start_us, length_us)
        parts, rest = np.r_[parts, [[0, 0, 0, belief]]], np.r_[rest, belief * (self._told_us - length_us)]
        return float(rest @ rest), np.linalg.lstsq(parts, rest, rcond=None)[0][2:]

    def _parts(self, start_us: float, length_us: float) -> tuple[Values, Values, Values]:
        """What dark, swing, start and length change in the levels, (n, 4); dark and swing; what is left, (n,)."""
        share = lit_share(self._phases_us, start_us, length_us, self._period_us)
        linear = np.c_[np.ones(len(share)), share]
        brightness = np.linalg.lstsq(linear, self._levels, rcond=None)[0]
        is_lit_first, is_lit_last = (self._is_lit(start_us + after_us) for after_us in (0, length_us))
        by_start = brightness[1] * (is_lit_last - is_lit_first) / length_us
        by_length = brightness[1] * (is_lit_last - share) / length_us
        rest = np.asarray(self._levels - linear @ brightness)
        return np.c_[linear, by_start, by_length], np.asarray(brightness, np.float64), rest

    def _is_lit(self, after_us: float) -> Values:
        """1 where the LED is lit so long after the pulse, else 0."""
        return ((self._phases_us + after_us) % self._period_us < self._period_us / 2).astype(np.float64)

    def _trapezoid(self, start_us: float, length_us: float, belief: float) -> Trapezoid:
        parts, (dark, swing), rest = self._parts(start_us, length_us)
        variance = float(rest @ rest) / max(1, len(rest) - 4)
        known = parts.T @ parts
        known[3, 3] += belief**2
        start_sd_us, length_sd_us = np.sqrt(np.diag(np.linalg.pinv(known))[2:] * variance)
        sd_us = float(start_sd_us), float(length_sd_us)
        return Trapezoid(start_us, length_us, float(dark), float(swing), variance**0.5, *sd_us)

    def in_period(self, found: Trapezoid) -> Trapezoid:
        """The same fit with its start in the period that is told of."""
        earliest_us = -EARLIEST * self._period_us
        return replace(found, start_us=(found.start_us - earliest_us) % self._period_us + earliest_us)

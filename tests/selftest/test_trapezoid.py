"""Start and length of an exposure from the brightness of a blinking LED, against light summed up over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rig.selftest.trapezoid import Trapezoid, fit

TRIALS = 60
FRAMES, STEP_US = 240, 50.0  # a sweep of 240 frames, as the requirement has it
PERIOD_US = FRAMES * STEP_US
DARK, SWING = 0.1, 0.6


def brightness(phases_us: NDArray[Any], start_us: float, length_us: float) -> NDArray[Any]:
    """The LED is lit in the first half of each period; of the light since phase 0, what came in each exposure."""
    begin_us = phases_us + start_us
    return np.asarray(DARK + SWING * (light_us(begin_us + length_us) - light_us(begin_us)) / length_us)


def light_us(until_us: NDArray[Any]) -> NDArray[Any]:
    """How long it was lit since phase 0; negative before it."""
    periods, within_us = np.divmod(until_us, PERIOD_US)
    return np.asarray(periods * PERIOD_US / 2 + np.minimum(within_us, PERIOD_US / 2))


def trials(noise: float, length_us: float, told_us: float) -> tuple[list[float], list[Trapezoid]]:
    """Errors of the start in many seeded sweeps, us, and the fits. `noise`: of the LED's swing."""
    random = np.random.default_rng(7)
    phases_us = np.arange(FRAMES) * STEP_US
    errors, fits = [], []
    for start_us in random.uniform(0, 1500, TRIALS):
        levels = brightness(phases_us, start_us, length_us) + noise * SWING * random.normal(size=FRAMES)
        found = fit(phases_us, levels, PERIOD_US, told_us)
        errors.append(found.start_us - start_us)
        fits.append(found)
    return errors, fits


def rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(("noise", "most_us"), [(0.02, 10.0), (0.10, 50.0)])
@pytest.mark.parametrize("length_us", [1000.0, 4000.0])
def test_a_start_is_found_from_240_frames_as_precisely_as_asked(noise: float, most_us: float, length_us: float) -> None:
    errors, fits = trials(noise, length_us, length_us)
    assert rms(errors) <= most_us
    assert abs(np.mean(errors)) <= 3 * rms(errors) / np.sqrt(TRIALS)
    # What it says of its own error is true: neither boasting nor hiding.
    assert 0.7 < rms(errors) / float(np.median([found.start_sd_us for found in fits])) < 1.4


def test_an_exposure_that_is_not_as_told_is_measured_and_does_not_bend_the_start() -> None:
    errors, fits = trials(0.02, length_us=3000.0, told_us=4000.0)
    assert rms([found.length_us - 3000.0 for found in fits]) < 40
    assert rms(errors) < 30


@pytest.mark.parametrize("start_us", [-900.0, 300.0, 5000.0])
def test_without_noise_start_length_and_brightness_are_what_they_were(start_us: float) -> None:
    phases_us = np.arange(FRAMES) * STEP_US
    found = fit(phases_us, brightness(phases_us, start_us, 4000.0), PERIOD_US, 4000.0)
    assert found.start_us == pytest.approx(start_us, abs=1)
    assert found.length_us == pytest.approx(4000.0, abs=1)
    assert (found.dark, found.swing) == pytest.approx((DARK, SWING), abs=0.001)
    assert found.residual < 0.001

"""What the simulated cameras draw is what docs/reference/simulation.md says, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from rig.sim.face import Face
from tests.burnt_in import NO_PULSE, burnt_in_number

HEIGHT, WIDTH = 64, 96


def _drawn(
    pulse: int,
    last_pulse: int | None = None,
    *,
    band: int = 0,
    leds: tuple[float, float, float] = (0, 0, 0),
) -> np.ndarray:
    out = np.zeros((HEIGHT, WIDTH), np.uint8)
    Face(HEIGHT, WIDTH, band=band, noise=3, seed=1).draw(
        out, pulse=pulse, last_pulse=pulse if last_pulse is None else last_pulse, leds=leds
    )
    return out


@pytest.mark.parametrize("pulse", [0, 7, 12345678, 99999999])
def test_the_burnt_in_number_is_the_pulse(pulse):
    assert burnt_in_number(_drawn(pulse)) == pulse


def test_a_frame_without_a_pulse_shows_dashes():
    assert burnt_in_number(_drawn(NO_PULSE, 40)) == NO_PULSE


@pytest.mark.parametrize("leds", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0.2, 0.4, 0.8)])
def test_a_sync_led_is_as_bright_as_the_share_of_the_exposure_in_which_it_was_lit(leds):
    picture = _drawn(7, leds=leds)
    for left, share in zip((4, 20, 36), leds, strict=True):
        assert (picture[HEIGHT - 12 : HEIGHT - 4, left : left + 8] == 10 + 245 * share).all()


def test_the_same_seed_draws_the_same_picture_and_each_camera_another():
    np.testing.assert_array_equal(_drawn(5), _drawn(5))
    assert (_drawn(5) != _drawn(5, band=2)).mean() > 0.5

"""What the simulated cameras draw is what docs/reference/simulation.md says, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from rig.sim.face import Face
from tests.burnt_in import NO_PULSE, burnt_in_number

HEIGHT, WIDTH = 64, 96


def _drawn(pulse: int, last_pulse: int | None = None, *, band: int = 0) -> np.ndarray:
    out = np.zeros((HEIGHT, WIDTH), np.uint8)
    Face(HEIGHT, WIDTH, band=band, noise=3, seed=1).draw(
        out, pulse=pulse, last_pulse=pulse if last_pulse is None else last_pulse
    )
    return out


def _m_sequence(length: int) -> list[int]:
    """x^20 + x^3 + 1 from its recurrence, s[n+20] = s[n+3] ^ s[n], the seed's bit n being s[n]."""
    bits = [0xB5A3C >> n & 1 for n in range(20)]
    while len(bits) < length:
        bits.append(bits[-17] ^ bits[-20])
    return bits[:length]


@pytest.mark.parametrize("pulse", [0, 7, 12345678, 99999999])
def test_the_burnt_in_number_is_the_pulse(pulse):
    assert burnt_in_number(_drawn(pulse)) == pulse


def test_a_frame_without_a_pulse_shows_dashes():
    assert burnt_in_number(_drawn(NO_PULSE, 40)) == NO_PULSE


def test_the_sync_leds_show_the_codes_of_the_pulse():
    gray = {0: (0, 0), 1: (1, 0), 2: (1, 1), 3: (0, 1)}
    sequence = _m_sequence(200)
    for pulse in range(200):
        picture = _drawn(pulse)
        lit = [int(picture[HEIGHT - 12 : HEIGHT - 4, left : left + 8].mean() > 128) for left in (4, 20, 36)]
        assert lit == [sequence[pulse], *gray[pulse % 4]], pulse


def test_the_same_seed_draws_the_same_picture_and_each_camera_another():
    np.testing.assert_array_equal(_drawn(5), _drawn(5))
    assert (_drawn(5) != _drawn(5, band=2)).mean() > 0.5

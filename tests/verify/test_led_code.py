"""Pulse numbers from the brightness of the sync LEDs, against light summed up by other code from the docs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rig.streams import NO_PULSE
from rig.verify.pixels import code
from rig.verify.pixels.code import CODE_PERIOD, expected_levels
from rig.verify.pixels.led_code import MIN_CONFIDENCE, Slip, decode, find_slips
from tests.verify.led_light import HS, PERIOD, VIS, VIS_20_MS, levels, lit, seen, window, with_slip

DEMO = 65.0  # contrast to noise: a tenth of 245 grey values over the noise of 8 x 8 px of the demo rig, 3 each
DELAYED = replace(VIS, start_delay_us=850, exposure_us=8000)
AT_500_HZ = replace(HS, period_us=2000, exposure_us=1500, led_phase_us=1800)


def test_the_code_is_the_documented_one_over_its_whole_period() -> None:
    assert CODE_PERIOD == PERIOD
    assert np.array_equal(code.codes(np.arange(PERIOD)), lit(np.arange(PERIOD)))


def test_every_fourth_bit_of_the_code_is_the_same_code_857853_places_on() -> None:
    sequence = code.code_a()
    assert np.array_equal(sequence[4 * np.arange(PERIOD) % PERIOD], np.roll(sequence, -857_853))


@pytest.mark.parametrize("exposures", [HS, VIS, DELAYED, VIS_20_MS, replace(VIS, exposure_us=36_000)])
def test_what_a_frame_should_see_is_the_light_that_falls_into_its_exposure(exposures) -> None:
    pulses = np.arange(0, 4000, exposures.divisor)
    assert sum(exposures.shares) == pytest.approx(1)
    assert expected_levels(pulses, exposures.shares) == pytest.approx(levels(pulses, exposures), abs=1e-9)


def test_an_exposure_of_20_ms_mixes_three_codes() -> None:
    assert replace(VIS_20_MS, start_delay_us=0).shares == pytest.approx((0.45, 0.5, 0.05))


@pytest.mark.parametrize("exposures", [HS, AT_500_HZ, VIS, DELAYED, replace(HS, divisor=2)])
def test_any_two_seconds_from_anywhere_in_the_code_give_their_pulse_numbers(exposures) -> None:
    rng = np.random.default_rng(1)
    for _ in range(15):
        pulses = window(exposures, rng)
        found = decode(seen(pulses, exposures, rng, DEMO), exposures)
        assert np.array_equal(found.numbers, pulses)
        assert found.confidence.min() >= MIN_CONFIDENCE


@pytest.mark.parametrize(
    "exposures", [VIS_20_MS, replace(VIS_20_MS, exposure_us=14_000), replace(HS, divisor=3), replace(VIS, divisor=7)]
)
def test_two_seconds_that_have_to_be_correlated_give_their_pulse_numbers(exposures) -> None:
    rng = np.random.default_rng(2)
    for _ in range(2):
        pulses = window(exposures, rng)
        assert np.array_equal(decode(seen(pulses, exposures, rng, DEMO), exposures).numbers, pulses)


@pytest.mark.parametrize("exposures", [HS, VIS])
def test_the_first_frames_and_those_around_the_end_of_the_code_have_numbers_that_go_on(exposures) -> None:
    rng = np.random.default_rng(3)
    for first in (0, PERIOD - 103, 2 * PERIOD - 98, 4 * PERIOD - 800):
        pulses = (first // 4 * 4) + np.arange(200) * exposures.divisor
        assert np.array_equal(decode(seen(pulses, exposures, rng, DEMO), exposures).numbers, pulses)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_without_b1_and_b2_the_numbers_are_those_of_the_first_time(noise) -> None:
    rng = np.random.default_rng(4)
    for _ in range(5):
        pulses = window(HS, rng)
        light = seen(pulses, HS, rng, DEMO)
        light[:, 1:] = rng.normal(7, noise, (len(pulses), 2))
        assert np.array_equal(decode(light, HS).numbers, pulses)


def test_a_long_series_with_losses_repeats_and_strange_frames_is_numbered_in_all_its_parts() -> None:
    rng = np.random.default_rng(5)
    pulses = np.r_[10_000:10_400, 10_403:10_900, 10_899, 10_900:11_000, 16_000:16_500]
    light = seen(pulses, HS, rng, DEMO)
    light[300] += 1000
    found = decode(light, HS).numbers
    assert found[300] == NO_PULSE
    assert ((found == pulses) | (found == NO_PULSE)).all()
    # After the loss of 50 s no frame has a number before the next stretch.
    assert (found == pulses).mean() > 0.9
    slips = find_slips(found, 1)
    assert slips[:2] == [Slip(399, 400, 10_399, 10_403, 3), Slip(896, 897, 10_899, 10_899, -1)]
    assert [slip.missing for slip in slips[2:]] == [5000]


def test_a_lost_hs_frame_whose_neighbour_is_doubled_is_always_found_at_any_distance() -> None:
    """One of 200 places, at every eighth distance before and after; 20,000 trials are in bench/led_code.py."""
    rng = np.random.default_rng(6)
    for distance in [-1, 1, *(d for d in range(-198, 199, 8) if d)]:
        lost = rng.integers(max(1, 1 - distance), min(199, 199 - distance), endpoint=True)
        repeated = lost + distance
        pulses = window(HS, rng, 2.01)
        true = with_slip(pulses, lost, repeated)
        found = decode(seen(true, HS, rng, DEMO), HS).numbers
        assert np.array_equal(found, true), (lost, repeated)
        jumps = {slip.missing: slip for slip in find_slips(found, 1)}
        assert sorted(jumps) == [-1, 1]
        assert jumps[1].pulse + 1 == pulses[lost]
        assert jumps[-1].pulse == jumps[-1].next_pulse == pulses[repeated]


def test_a_session_without_fault_shows_no_slip() -> None:
    rng = np.random.default_rng(7)
    for _ in range(30):
        assert find_slips(decode(seen(window(HS, rng), HS, rng, DEMO / 6.5), HS).numbers, 1) == []


@pytest.mark.parametrize("exposures", [VIS, VIS_20_MS])
def test_a_lost_slow_frame_is_found_between_the_frames_whose_numbers_are_certain(exposures) -> None:
    rng = np.random.default_rng(8)
    for lost in (12, 25, 38):
        pulses = window(exposures, rng, 2.04)
        true = np.delete(pulses, lost)
        found = decode(seen(true, exposures, rng, DEMO), exposures).numbers
        assert ((found == true) | (found == NO_PULSE)).all()
        (slip,) = find_slips(found, exposures.divisor)
        assert slip.missing == 1
        assert slip.pulse < pulses[lost] < slip.next_pulse
        assert slip.next_frame - slip.frame <= 12


@pytest.mark.parametrize(
    "light",
    [np.full((200, 3), 12.0), np.random.default_rng(9).normal(50, 5, (200, 3)), np.arange(600.0).reshape(200, 3)],
    ids=["dark", "noise", "ramp"],
)
@pytest.mark.parametrize("exposures", [HS, VIS, VIS_20_MS, replace(VIS, divisor=64, exposure_us=630_000)])
def test_what_is_no_code_gets_no_number(exposures, light) -> None:
    assert (decode(light, exposures).numbers == NO_PULSE).all()


def test_another_code_gets_no_number() -> None:
    """The bits of x^20 + x^17 + 1, which is ours backwards."""
    rng = np.random.default_rng(10)
    backwards = seen(window(HS, rng), HS, rng, DEMO)[::-1]
    assert (decode(backwards, HS).numbers == NO_PULSE).all()


def test_too_few_frames_get_no_number_rather_than_a_wrong_one() -> None:
    rng = np.random.default_rng(11)
    for frames in (1, 5, 19, 20, 21, 22):
        pulses = window(VIS, rng)[:frames]
        assert (decode(seen(pulses, VIS, rng, DEMO), VIS).numbers == NO_PULSE).all()


@pytest.mark.parametrize(("exposures", "contrast_to_noise"), [(HS, 1.0), (VIS, 2.5), (VIS_20_MS, 3.0)])
def test_in_too_much_noise_numbers_are_missing_and_seldom_wrong(exposures, contrast_to_noise) -> None:
    rng = np.random.default_rng(12)
    wrong = []
    for _ in range(6 if exposures is VIS else 2):
        pulses = window(exposures, rng)
        found = decode(seen(pulses, exposures, rng, contrast_to_noise), exposures)
        wrong.append(np.mean((found.numbers != pulses) & (found.numbers != NO_PULSE)))
    assert np.mean(wrong) < 0.05


def test_contrast_and_noise_of_led_a_are_measured() -> None:
    rng = np.random.default_rng(13)
    found = decode(seen(window(HS, rng, 20), HS, rng, 10), HS)
    assert found.contrast_to_noise == pytest.approx(10, rel=0.1)

"""Blur, LEDs in the scene, and what the lamps do, measured from the pictures alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from rig.config.rig import Rig
from rig.sim.light import Lamps
from tests.sim.optical import MS, NS, US, Eye, camera
from tests.sim.test_world import RUN, Bare

QUIET = {"full_well_e": 1e6, "read_noise_e": 0}
BLACK, WHITE = 4, 255


def spread_px2(line: np.ndarray) -> float:
    """Variance of what an edge is made of."""
    steps = np.diff(line)
    weights = steps / steps.sum()
    place = np.arange(len(steps))
    return float((weights * (place - (weights * place).sum()) ** 2).sum())


@pytest.mark.parametrize("blur_px", [0, 1.5, 3])
def test_an_edge_is_spread_by_the_blur_in_both_directions(blur_px: float) -> None:
    eye = Eye(camera(exposure_us=20.0, simulated=QUIET | {"blur_px": blur_px}), "chart")
    picture = eye.film(NS + k * MS for k in range(20)).mean(axis=0)
    across = picture[50:100, 148:172].mean(axis=0)  # a step of the chart at 160
    down = picture[12:36, 290:310].mean(axis=1)  # the upper edge of the brightest
    assert spread_px2(across) == pytest.approx(blur_px**2, abs=0.8)
    assert spread_px2(down) == pytest.approx(blur_px**2, abs=0.8)


def test_a_moving_edge_is_spread_as_much() -> None:
    pictures = [
        Eye(camera(exposure_us=20.0, simulated=QUIET | {"blur_px": blur_px}), "chart").film([NS]) for blur_px in (0, 3)
    ]
    sharp, blurred = (picture[0, 150] for picture in pictures)
    edge = int(np.argmax(np.abs(np.diff(sharp[20:-20])))) + 20
    assert spread_px2(blurred[edge - 12 : edge + 13]) == pytest.approx(9, abs=1)


def test_a_face_out_of_focus_is_the_sharp_one_blurred() -> None:
    sharp, blurred = (Eye(camera(simulated=QUIET | {"blur_px": blur_px})).take(NS) for blur_px in (0, 3))
    due = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(3)), float)
    inner = slice(40, 200), slice(110, 300)  # beside the marks
    off = np.abs(due - blurred)[inner]
    assert off.mean() < 1 and off.max() < 6
    assert np.abs(due - sharp)[inner].mean() > 4


PLACED = {"x": 150, "y": 60, "size_px": 6, "spacing_px": 14, "contrast": 0.3}


def led_area(picture: np.ndarray, led: int) -> np.ndarray:
    return picture[60:66, 150 + 14 * led : 156 + 14 * led].astype(float)


@pytest.mark.parametrize(
    ("form", "spectrum"), [("Mono8", "near_infrared"), ("RGB8", "visible"), ("BayerRG8", "visible")]
)
def test_leds_are_where_they_were_placed_and_as_bright_as_their_contrast(form: str, spectrum: str) -> None:
    eye = Eye(camera(pixel_format=form, simulated={"leds": PLACED, "spectrum": spectrum}))
    dark = eye.take(NS)
    eye.leds.change(0, 0b101)
    eye.leds.change(NS + 1 * MS, 0b111)  # B1 for three quarters of the exposure
    lit = eye.take(NS)
    for led, share in enumerate((1, 0.75, 1)):
        due = BLACK + (WHITE - BLACK) * (0.04 + 0.3 * share)
        assert led_area(dark, led).mean() == pytest.approx(BLACK + (WHITE - BLACK) * 0.04, abs=1)
        assert led_area(lit, led).mean() == pytest.approx(due, abs=1.5)
        assert led_area(lit, led).std() > 0.5  # photons
    changed = np.argwhere((lit != dark).reshape(240, 320, -1).any(axis=2))
    assert changed.min(axis=0).tolist() == [60, 150]
    assert changed.max(axis=0).tolist() == [65, 150 + 2 * 14 + 5]


def test_leds_out_of_focus_are_spread_and_lose_no_light() -> None:
    eyes = [Eye(camera(simulated=QUIET | {"leds": PLACED, "blur_px": blur_px})) for blur_px in (0, 2)]
    light, peaks = [], []
    for eye in eyes:
        dark = eye.take(NS).astype(float)
        eye.leds.change(0, 0b001)
        more = (eye.take(NS) - dark)[50:76, 138:162]
        light.append(more.sum())
        peaks.append(more.max())
    assert light[1] == pytest.approx(light[0], rel=0.03)
    assert peaks[1] < 0.8 * peaks[0]


def test_leds_out_of_view_change_nothing_in_the_picture() -> None:
    eye = Eye(camera(simulated={"leds": {"in_view": False}}))
    dark = eye.take(NS)
    eye.leds.change(0, 0b111)
    assert np.array_equal(eye.take(NS), dark)
    usual = Eye(camera())
    assert not np.array_equal(usual.take(NS)[228:236, 4:12], dark[228:236, 4:12])  # the face, where marks are else


def test_each_row_of_a_rolling_shutter_sees_placed_leds_by_its_own_exposure() -> None:
    rolling = {"shutter": "rolling", "row_time_us": 400, "leds": PLACED | {"size_px": 10}}
    eye = Eye(camera(simulated=QUIET | rolling))
    eye.leds.change(NS + 60 * 400 * US, 0b001)  # as row 60 begins, which so sees all of it
    rows = eye.take(NS)[60:70, 150:160].mean(axis=1)
    assert rows == pytest.approx([BLACK + (WHITE - BLACK) * 0.34] * 10, abs=1)
    other = Eye(camera(simulated=QUIET | rolling))
    other.leds.change(0, 0b001)
    other.leds.change(NS + 60 * 400 * US + 4 * MS, 0)  # as row 60 ends; each later row lacks 0.4 ms more
    rows = other.take(NS)[60:70, 150:160].mean(axis=1)
    assert rows == pytest.approx([BLACK + (WHITE - BLACK) * (0.04 + 0.3 * (1 - row / 10)) for row in range(10)], abs=1)


def rippled(host_ns: int, percent: float, hz: float, lasts_ns: int) -> float:
    """Light of a lamp at twice the frequency of the mains, by adding it up."""
    instants = (host_ns + (np.arange(10_000) + 0.5) * lasts_ns / 10_000) / NS
    return float((1 + percent / 100 * np.sin(2 * np.pi * 2 * hz * instants)).mean())


def test_visible_light_ripples_at_twice_the_frequency_of_the_mains() -> None:
    ripple = {"ripple_percent": 5.0, "mains_hz": 49.98}
    shape = {"simulated": QUIET | {"white_exposure_us": 6000}}
    steady, eye = Eye(camera(**shape), "chart"), Eye(camera(**shape), "chart", lamps=Lamps(**ripple))
    times = [NS + k * 1_700_000 for k in range(30)]
    area = (slice(None), slice(30, 110), slice(200, 310))
    seen = (eye.film(times)[area].mean(axis=(1, 2)) - BLACK) / (steady.film(times)[area].mean(axis=(1, 2)) - BLACK)
    due = [rippled(host_ns, 5, 49.98, 4 * MS) for host_ns in times]
    assert np.ptp(due) > 0.05
    assert seen == pytest.approx(due, abs=0.002)
    infrared = Eye(camera(simulated=QUIET | {"spectrum": "near_infrared"}), lamps=Lamps(**ripple))
    assert np.array_equal(infrared.take(NS), Eye(camera(simulated=QUIET | {"spectrum": "near_infrared"})).take(NS))


def test_ripple_makes_bands_across_a_rolling_shutter() -> None:
    shape = {
        "exposure_us": 1000.0,
        "simulated": QUIET | {"shutter": "rolling", "row_time_us": 80, "white_exposure_us": 2000},
    }
    pictures = [Eye(camera(**shape), "chart", lamps=lamps).take(NS) for lamps in (Lamps(), Lamps(ripple_percent=20))]
    still, banded = (picture[30:110, 200:310].mean(axis=1) - BLACK for picture in pictures)
    due = [rippled(NS + row * 80 * US, 20, 50, MS) for row in range(30, 110)]
    assert np.ptp(due) > 0.2
    assert banded / still == pytest.approx(due, abs=0.01)


@pytest.mark.parametrize(("strobed", "ratio"), [(True, 1.1), (False, 1.0)])
def test_strobed_near_infrared_leaks_into_the_frames_that_expose_with_it(strobed: bool, ratio: float) -> None:
    """NIR exposes for half of every fourth exposure of HS."""
    pictured: dict[str, Any] = {"backend": "simulated", "width": 160, "height": 120}
    hs = {"serial": "a", "line": 0, "divisor": 1, "exposure_us": 4000, "simulated": {"nir_leak_percent": 20}}
    nir = {"serial": "b", "line": 1, "divisor": 4, "exposure_us": 2000, "simulated": {"spectrum": "near_infrared"}}
    of = Rig.model_validate(
        {
            "schema": 1,
            "name": "bare",
            "box": {"port": "sim://bare", "rate_hz": 100},
            "cameras": {"HS": pictured | hs, "NIR": pictured | nir},
            "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
            "simulation": {"seed": 3, "scene": "chart", "bridge": "ideal", "strobed_lamps": strobed},
        }
    )
    bare = Bare(of)
    bare.run(RUN, 2.0)
    light = np.array([picture[26:58, 100:155].mean() - BLACK for _, picture in bare.frames["HS"]])
    assert light[::4].mean() / light[1::4].mean() == pytest.approx(ratio, abs=0.005)
    assert light[2::4].mean() / light[1::4].mean() == pytest.approx(1, abs=0.002)

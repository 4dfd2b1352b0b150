"""The simulated cameras, measured as a lab measures real ones: from their pictures alone. And what they look like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rig.sim.expressions import Performance
from rig.trigger import wire
from tests.burnt_in import NO_PULSE, burnt_in_number
from tests.sim.optical import MS, NS, US, Eye, camera
from tests.sim.test_world import RUN, Bare, rig

FORMATS = ["Mono8", "Mono10", "Mono10p", "Mono12", "Mono12p", "BayerRG8", "BayerGB12", "RGB8"]
FORMATS += ["Mono10Packed", "Mono12Packed", "BayerBG10", "BayerGR10p", "BayerRG12p", "BayerGB12Packed", "BGR8"]
FORMATS += ["Mono14p", "Mono16", "BayerRG16", "RGB12", "BGR16"]
BITS = {name: int("".join(filter(str.isdecimal, name))) for name in FORMATS}
SLANT, STEPS = 0.0875, 8


def frames(count: int, every_ns: int = 10 * MS) -> range:
    return range(NS, NS + count * every_ns, every_ns)


# --- photon transfer


def transfer(eye: Eye, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and temporal variance of each grey step of the chart."""
    film = eye.film(frames(count))[:, 26 : eye.config.height // 2 - 2]
    steps = np.split(film, STEPS, axis=2)
    return np.array([step.mean() for step in steps]), np.array([step.var(axis=0, ddof=1).mean() for step in steps])


@pytest.mark.parametrize(  # noise of at least half a grey value: of less, samples of so few bits tell nothing
    ("pixel_format", "full_well_e"),
    [
        ("Mono8", 4000.0),
        ("Mono8", 10_000.0),
        ("RGB8", 4000.0),
        ("Mono10p", 10_000.0),
        ("Mono12", 40_000.0),
        ("Mono16", 40_000.0),
    ],
)
def test_gain_and_read_noise_follow_from_photon_transfer(pixel_format: str, full_well_e: float) -> None:
    """The variance of grey values grows by the gain with their mean; what it begins with is read noise and rounding."""
    sensor = {"full_well_e": full_well_e, "read_noise_e": 12.0, "black_level": 8.0}
    mean, variance = transfer(Eye(camera(pixel_format=pixel_format, simulated=sensor), "chart"), 30)
    scale = 2 ** BITS[pixel_format] / 256
    gain = (scale * 256 - 1 - 8 * scale) / full_well_e
    slope, at_0 = np.polyfit(mean, variance, 1, w=1 / variance)
    assert slope == pytest.approx(gain, rel=0.02)
    at_black = at_0 + slope * 8 * scale - 1 / 12
    assert at_black == pytest.approx((gain * 12) ** 2, rel=0.1, abs=0.01)


def test_noise_is_another_one_in_every_frame() -> None:
    film = Eye(camera(), "chart").film(frames(40))[:, 26:118]
    noise = (film - film.mean(axis=0)).reshape(40, -1)
    alike = np.corrcoef(noise) - np.eye(40)
    assert np.abs(alike + 1 / 39).max() < 6 / np.sqrt(noise.shape[1])


def test_twice_the_exposure_gives_twice_the_grey_until_pixels_are_full() -> None:
    grey = {}
    for exposure_us in (2000.0, 4000.0, 8000.0):
        eye = Eye(camera(exposure_us=exposure_us, simulated={"white_exposure_us": 4000.0, "black_level": 0}), "chart")
        grey[exposure_us] = transfer(eye, 10)[0]
    assert grey[4000.0] == pytest.approx(2 * grey[2000.0], rel=0.02)
    assert grey[8000.0] == pytest.approx(np.minimum(2 * grey[4000.0], 255), rel=0.02)
    assert grey[8000.0][-1] == 255


@pytest.mark.parametrize("scene", ["face", "chart"])
def test_an_exposure_that_lasts_longer_than_meant_is_as_much_brighter(scene: Any) -> None:
    eye = Eye(camera(simulated={"black_level": 0}), scene)
    usual, longer = (eye.take(NS, exposure_us=us)[30:100, 130:150].mean() for us in (4000, 6000))
    assert longer == pytest.approx(1.5 * usual, rel=0.02)


# --- time, by light


def sweep(exposure_us: float, **sensor: Any) -> tuple[np.ndarray, np.ndarray]:
    """LED A blinks slower than HS is exposed: when it went on and off after pulses, us, and what LED pixels read.

    Returns the times (n,) and shares (n, 8 rows), those of switching off counted as 1 - share.
    """
    blink_us = 20_020
    bare = Bare(rig(hs={"exposure_us": exposure_us, "start_delay_us": 517.0, "simulated": sensor}))
    blinking = {"mode": wire.Mode.TEST_FREE, "test_period_ticks": 2 * blink_us}
    bare.run(replace(RUN, body_groups=260, **blinking), 10.7)
    times, shares = [], []
    for _, picture in bare.frames["HS"]:
        pulse_us = burnt_in_number(picture) * 10_000
        share = (picture[52:60, 4:12].mean(axis=1) - 10) / 245
        for half, seen in ((0, share), (blink_us // 2, 1 - share)):  # it went on, or off, last before 10 ms
            times.append((10_000 - half + pulse_us) % blink_us)
            shares.append(seen)
    after_us = 10_000 - np.array(times)
    is_swept = (after_us > 0) & (after_us < 4000)
    return after_us[is_swept], np.array(shares)[is_swept]


def began_us(after_us: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """Start and length of an exposure: an edge t after the pulse leaves (end - t) / length of the light."""
    inside = (share > 0.05) & (share < 0.95)
    slope, at_0 = np.polyfit(after_us[inside], share[inside], 1)
    return (1 - at_0) / slope, -1 / slope


def test_the_start_of_an_exposure_is_found_by_an_led_sweep() -> None:
    after_us, shares = sweep(1000.0)
    start, length = began_us(after_us, shares.mean(axis=1))
    assert start == pytest.approx(517, abs=10)
    assert length == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("row_time_us", [12.0, 30.0])
def test_the_row_time_of_a_rolling_shutter_is_found_by_an_led_sweep(row_time_us: float) -> None:
    after_us, shares = sweep(1000.0, shutter="rolling", row_time_us=row_time_us)
    starts = [began_us(after_us, shares[:, row])[0] for row in range(8)]
    slope, first = np.polyfit(np.arange(52, 60), starts, 1)
    assert slope == pytest.approx(row_time_us, rel=0.01)
    assert first == pytest.approx(517, abs=10)  # of row 0


# --- motion


def bars(picture: np.ndarray) -> np.ndarray:
    """The lower half of the chart, from 0 dark to 1 bright."""
    rows = picture[len(picture) // 2 : -16]
    dark, bright = (np.median(rows[(rows > rows.mean()) == is_bright]) for is_bright in (False, True))
    return (rows - dark) / (bright - dark)


def edges(picture: np.ndarray) -> np.ndarray:
    """Where a bright bar ends in each row of the lower half of the chart: (rows,), px; by the light before the edge."""
    share = bars(picture)
    ends = int(np.flatnonzero((share[len(share) // 2, :-1] > 0.5) & (share[len(share) // 2, 1:] <= 0.5))[0])
    return ends - 29.5 + share[:, ends - 30 : ends + 30].sum(axis=1)


def middle(eye: Eye) -> int:
    """A moment at which an edge is in the middle of the chart."""
    times = frames(100)
    away = []
    for host_ns in times:
        row = eye.take(host_ns)[170]
        falls = np.flatnonzero((row[:-1] > 90) & (row[1:] <= 90))
        away.append(abs(falls[0] - 160) if len(falls) else 999)
    return times[int(np.argmin(away))]


def blur(picture: np.ndarray) -> float:
    """How far an edge moved while it was exposed, px: a ramp E of width w has an integral of E (1 - E) of w / 6."""
    rows, where = bars(picture), edges(picture)
    line = np.polyval(np.polyfit(np.arange(len(where)), where, 1), np.arange(len(where)))
    x = np.arange(rows.shape[1]) - line[:, np.newaxis]
    near = np.abs(x) < 25
    bins = np.floor((x[near] + 25) * 8).astype(int)
    ramp = np.bincount(bins, rows[near]) / np.bincount(bins)
    return 6 * float((ramp * (1 - ramp)).sum()) / 8


@pytest.mark.parametrize("exposure_us", [8000.0, 16_000.0, 24_000.0])
def test_motion_blurs_by_speed_times_exposure(exposure_us: float) -> None:
    eye = Eye(camera(exposure_us=exposure_us, pixel_format="Mono12"), "chart")
    at = middle(eye)
    first, later = (eye.film(range(begins, begins + 8)).mean(axis=0) for begins in (at, at + 20 * MS))
    speed = (edges(later) - edges(first)).mean() / 0.02  # px a second
    assert speed == pytest.approx(320, rel=0.01)
    assert blur(first) == pytest.approx(speed * exposure_us / 1e6, rel=0.1)


def test_what_moves_leans_by_the_row_time_of_a_rolling_shutter() -> None:
    lean = {}
    for row_time_us in (0.0, 100.0, 200.0):
        rolling = {"shutter": "rolling", "row_time_us": row_time_us} if row_time_us else {}
        eye = Eye(camera(simulated=rolling), "chart")
        where = edges(eye.film(range(middle(eye), middle(eye) + 20)).mean(axis=0))
        lean[row_time_us] = np.polyfit(np.arange(len(where)), where, 1)[0]
    assert lean[0.0] == pytest.approx(-SLANT, rel=0.01)
    for row_time_us in (100.0, 200.0):
        assert lean[row_time_us] - lean[0.0] == pytest.approx(320 * row_time_us / 1e6, rel=0.02)


# --- what it looks like


@pytest.mark.parametrize("scene", ["face", "chart"])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_every_pixel_format_holds_number_and_leds(pixel_format: str, scene: Any) -> None:
    eye = Eye(camera(pixel_format=pixel_format, width=97, height=67), scene)
    eye.leds.change(NS - US, 5)
    eye.leds.change(NS + 1000 * US, 2)
    white = 2 ** BITS[pixel_format] - 1
    for pulse in (NO_PULSE, 0, 12_345_678):
        samples = eye.take(NS, pulse)
        grey = samples if samples.ndim == 2 else samples[..., 1]
        assert (burnt_in_number(grey >> (BITS[pixel_format] - 8))) == pulse
        for left, share in ((4, 0.25), (20, 0.75), (36, 0.25)):
            assert (samples[55:63, left : left + 8] == round((10 + 245 * share) * white / 255)).all()


@pytest.mark.parametrize("packed", ["Mono10p", "Mono12p", "Mono10Packed", "Mono12Packed", "BayerBG12Packed", "Mono14p"])
def test_packed_pictures_are_the_same_without_gaps(packed: str) -> None:
    plain = packed.removesuffix("p").removesuffix("Packed")
    pictures = [Eye(camera(pixel_format=name, width=97, height=67)).take(NS) for name in (packed, plain)]
    np.testing.assert_array_equal(*pictures)


def test_blue_comes_first_where_the_format_says_so() -> None:
    red, blue = (Eye(camera(pixel_format=name)).film(frames(10)).mean(axis=0) for name in ("RGB8", "BGR8"))
    assert np.abs(red - blue[..., ::-1]).mean() < 1
    assert np.abs(red - blue).mean() > 5


@pytest.mark.parametrize("pixel_format", ["BayerRG8", "BayerGR8", "BayerGB8", "BayerBG8"])
def test_each_pixel_of_a_mosaic_sees_its_own_colour(pixel_format: str) -> None:
    colours = Eye(camera(pixel_format="RGB8")).film(frames(10)).mean(axis=0)
    mosaic = Eye(camera(pixel_format=pixel_format)).film(frames(10)).mean(axis=0)
    places = ((0, 0), (0, 1), (1, 0), (1, 1))
    first, second = pixel_format[5:7]
    pattern = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}[first + second]
    for (row, column), letter in zip(places, pattern, strict=True):
        own = mosaic[30 + row : 220 : 2, column::2]
        errors = [np.abs(own - colours[30 + row : 220 : 2, column::2, k]).mean() for k in range(3)]
        assert "RGB"[int(np.argmin(errors))] == letter
        assert min(errors) < 1


@pytest.mark.parametrize("pixel_format", ["BayerRG8", "BayerGB8"])
def test_what_moves_keeps_its_place_and_colours_in_a_mosaic(pixel_format: str) -> None:
    """Green in the middle of a blink, against that of the same one in colours."""
    (blink,) = {shown for t in range(NS, 3 * NS, 10 * MS) for shown in Performance(1).at(t)}
    moment, eyes = range(blink.apex_ns, blink.apex_ns + 16), (slice(112, 136), slice(110, 210))
    colours, mosaic = (Eye(camera(pixel_format=name)).film(moment).mean(axis=0) for name in ("RGB8", pixel_format))
    first = 0 if pixel_format[5] == "G" else 1  # column of the first green
    green, own = colours[eyes][::2, first::2, 1], mosaic[eyes][::2, first::2]
    before = Eye(camera(pixel_format=pixel_format)).film(range(NS, NS + 16)).mean(axis=0)[eyes][::2, first::2]
    assert np.abs(own - green).mean() < 2.5
    assert np.abs(before - green).mean() > 10


def test_near_infrared_has_bright_skin_and_pupils_and_does_not_see_the_screen() -> None:
    visible, infrared = Eye(camera()), Eye(camera(simulated={"spectrum": "near_infrared"}))
    seen, unseen = visible.take(NS).astype(float), infrared.take(NS).astype(float)
    eye, skin = (slice(119, 127), slice(126, 138)), (slice(140, 160), slice(118, 132))
    assert unseen[skin].mean() > 1.1 * seen[skin].mean()
    assert seen[eye].min() < 0.4 * seen[skin].mean()
    assert unseen[eye].min() > 0.5 * unseen[skin].mean()
    infrared.glow.change(0, 1.0)
    np.testing.assert_array_equal(infrared.take(NS), unseen)


def test_the_screen_lights_the_face_by_its_mean_over_the_exposure() -> None:
    eye = Eye(camera(simulated={"black_level": 0}))
    dark = eye.film(frames(5))[:, 30:220].mean()
    eye.glow.change(0, 1.0)
    bright = eye.film(frames(5))[:, 30:220].mean()
    assert bright == pytest.approx(1.1 * dark, rel=0.002)
    eye.glow.change(10 * NS + 3 * MS, 0.2)  # of 4 ms: 3 ms 1.0, 1 ms 0.2
    mixed = eye.take(10 * NS)[30:220].mean()
    eye.glow.change(13 * NS, 0.8)
    even = eye.take(13 * NS + 10 * MS)[30:220].mean()
    neighbour = Eye(camera(simulated={"black_level": 0}))
    moved = neighbour.take(10 * NS)[30:220].mean() / neighbour.take(13 * NS + 10 * MS)[30:220].mean()
    assert mixed == pytest.approx(even * moved, rel=0.002)


@pytest.mark.parametrize("scene", ["face", "chart"])
def test_the_same_seed_and_exposure_give_the_same_picture_whatever_was_taken_before(scene: Any) -> None:
    eye, other = Eye(camera(), scene), Eye(camera(), scene)
    wanted = other.take(NS)
    other.film(frames(20))
    np.testing.assert_array_equal(eye.take(NS), wanted)
    np.testing.assert_array_equal(other.take(NS), wanted)
    assert (Eye(camera(), scene, seed=2).take(NS) != wanted).mean() > 0.5
    assert (Eye(camera(line=1), scene).take(NS) != wanted).mean() > 0.5
    assert (eye.take(NS + 10 * MS) != wanted).mean() > 0.5

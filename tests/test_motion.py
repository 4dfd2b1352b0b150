"""What is left of two pictures of a head, its own motion taken out; against motions, faces and noise made here."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from skimage import data

from rig.motion import SAME, Motion, energy, registered_difference, registration

WIDTH, HEIGHT = 320, 240
MIDDLE = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
NOISE = 1.5  # standard deviation, steps of 8 bits
MOTIONS = [(0.3, -0.2, 0.0), (1.0, 0.5, 0.0), (2.0, -1.0, 0.2), (3.0, 2.0, 0.5), (-5.0, 3.0, -1.0), (8.0, -2.0, 2.0)]
LIP = (205, 141)  # a corner of the mouth in the photograph, px


@cache
def head(smile_px: float, *, colour: bool = False) -> np.ndarray:
    """The photographed face, twice as large as pictures; a corner of its mouth lifted by so many of its pixels."""
    photo = data.astronaut()[:195, 96:356].astype(np.float32)
    photo = photo if colour else cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    lift = smile_px * np.exp(-(((x - LIP[0] + 96) / 8) ** 2) - ((y - LIP[1]) / 6) ** 2)
    smiling = cv2.remap(photo, x, (y + lift).astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(smiling, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)


def taken(face: np.ndarray, motion: tuple[float, float, float], *, seed: int, bits: int = 8) -> np.ndarray:
    """A picture of it, moved right and down by px and turned by degrees, with noise."""
    dx, dy, degrees = motion
    matrix = cv2.getRotationMatrix2D((WIDTH - 0.5, HEIGHT - 0.5), degrees, 1)
    matrix[:, 2] += (2 * dx, 2 * dy)
    large = cv2.warpAffine(
        face, matrix, (2 * WIDTH, 2 * HEIGHT), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
    )
    picture = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    picture = (picture + np.random.default_rng(seed).normal(0, NOISE, picture.shape)) * 2 ** (bits - 8)
    return picture.round().clip(0, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)


def changed() -> np.ndarray:
    """Where the smile changes the picture of a head that did not move."""
    bare = [cv2.resize(head(smile), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for smile in (0.0, 2.4)]
    return np.abs(bare[1] - bare[0])


def beside_it() -> np.ndarray:
    """Pixels that all motions leave in view and the smile does not reach."""
    reached = cv2.dilate((changed() > 0.5).astype(np.uint8), np.ones((25, 25))) > 0
    inside = np.zeros_like(reached)
    inside[20:-20, 20:-20] = True
    return inside & ~reached


def apart(one: np.ndarray, other: np.ndarray | int) -> np.ndarray:
    return np.abs(one.astype(float) - other)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_heads_motion_is_taken_out_down_to_the_noise(motion: tuple[float, float, float]) -> None:
    """Between two noisy pictures of a still head 1.7 steps; of a head moved by 3 px and more 5 to 10 times as many."""
    reference, picture = taken(head(0.0), (0, 0, 0), seed=1), taken(head(2.4), motion, seed=2)
    mask = beside_it()
    of_noise = apart(taken(head(0.0), (0, 0, 0), seed=3), reference)[mask].mean()
    before, after = (
        apart(picture, reference)[mask].mean(),
        apart(registered_difference(reference, picture), SAME)[mask].mean(),
    )
    assert after <= 1.1 * of_noise
    assert before >= (5 * after if abs(motion[0]) >= 3 else 1.1 * after)


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_motion_found_is_that_of_the_head(motion: tuple[float, float, float]) -> None:
    found = registration(taken(head(0.0), (0, 0, 0), seed=1), taken(head(2.4), motion, seed=2))
    turned = np.radians(motion[2])
    turn = np.array(
        [[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]]
    )  # what a screen's y makes of it
    for place in np.array([(0, 0), (100, 0), (0, 80), (-60, -60)]):  # from the middle, in the reference
        seen = turn @ place + motion[:2]
        led_to = found.affine(WIDTH, HEIGHT) @ np.append(seen + MIDDLE, 1)
        assert np.abs(led_to - MIDDLE - place).max() < 0.15


@pytest.mark.parametrize("motion", [(0.0, 0.0, 0.0), *MOTIONS])
def test_the_expression_stays_and_where_it_is(motion: tuple[float, float, float]) -> None:
    difference = registered_difference(taken(head(0.0), (0, 0, 0), seed=1), taken(head(2.4), motion, seed=2))
    truth = taken(changed().repeat(2, 0).repeat(2, 1), motion, seed=4)
    strength = cv2.GaussianBlur(apart(difference, SAME)[20:-20, 20:-20], (0, 0), 3)
    due = cv2.GaussianBlur(truth[20:-20, 20:-20].astype(float), (0, 0), 3)
    places = [np.unravel_index(np.argmax(map_), map_.shape) for map_ in (strength, due)]
    assert np.abs(np.subtract(*places)).max() <= 4
    assert strength.max() >= 0.7 * due.max()


def test_without_motion_the_difference_is_the_plain_one() -> None:
    reference, picture = taken(head(0.0), (0, 0, 0), seed=1), taken(head(2.4), (0, 0, 0), seed=2)
    assert registration(reference, picture) == Motion()
    due = (picture.astype(int) - reference + SAME).clip(0, 255)
    assert np.array_equal(registered_difference(reference, picture), due)
    assert (registered_difference(picture, picture) == SAME).all()


def test_a_background_that_stands_still_does_not_hold_the_head() -> None:
    coarse = np.random.default_rng(5).normal(110, 25, (15, 20)).astype(np.float32)
    wall = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    oval = (12 - 10 * np.hypot((x - WIDTH / 2) / (WIDTH * 0.27), (y - HEIGHT * 0.5) / (HEIGHT * 0.48))).clip(0, 1)

    def before_the_wall(motion: tuple[float, float, float], seed: int) -> np.ndarray:
        moved = np.roll(oval, (round(motion[1]), round(motion[0])), (0, 1))
        return (taken(head(0.0), motion, seed=seed) * moved + wall * (1 - moved)).astype(np.uint8)

    reference, picture = before_the_wall((0, 0, 0), 1), before_the_wall((5, -3, 1), 2)
    inner = oval.copy()
    inner[:20] = 0
    within = inner >= 1
    after = apart(registered_difference(reference, picture), SAME)
    assert apart(picture, reference)[within].mean() > 4 * after[within].mean()


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_deeper_pictures_and_colours_differ_in_steps_of_8_bits(bits: int) -> None:
    motion, mask = (3.0, 2.0, 0.5), beside_it()
    pictures = [taken(head(0.0), (0, 0, 0), seed=1, bits=bits), taken(head(2.4), motion, seed=2, bits=bits)]
    assert apart(registered_difference(*pictures, bits), SAME)[mask].mean() < 2
    colours = [taken(head(0.0, colour=True), (0, 0, 0), seed=1), taken(head(0.0, colour=True), motion, seed=2)]
    assert apart(registered_difference(*colours), SAME)[mask].mean() < 2
    assert energy(pictures[0], pictures[0] + np.uint16(3 * 2 ** (bits - 8)), bits) == pytest.approx(3, abs=0.1)


def test_what_the_moved_reference_does_not_reach_is_shown_as_equal() -> None:
    difference = registered_difference(taken(head(0.0), (0, 0, 0), seed=1), taken(head(0.0), (8, 0, 0), seed=2))
    assert (difference[:, :7] == SAME).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3000, 2), (40, 60), (240, 320)])
def test_pictures_without_a_face_do_no_harm(shape: tuple[int, int]) -> None:
    blank, noise = np.zeros(shape, np.uint8), np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    for pair in ((blank, blank), (blank, noise), (noise, blank), (noise, noise[::-1])):
        assert registered_difference(*pair).shape == shape
        assert energy(*pair) >= 0
    assert registration(blank, noise) == Motion()


def test_pictures_of_two_sizes_are_refused() -> None:
    for compare in (registered_difference, registration, energy):
        with pytest.raises(ValueError, match="one size"):
            compare(np.zeros((20, 30), np.uint8), np.zeros((30, 20), np.uint8))


def test_energy_is_that_of_the_motion_not_of_the_noise() -> None:
    still, noisy, moved = (
        taken(head(0.0), motion, seed=seed) for motion, seed in (((0, 0, 0), 1), ((0, 0, 0), 2), ((2, 0, 0), 3))
    )
    assert energy(still, still) == 0
    assert energy(still, moved) > 3 * energy(still, noisy)

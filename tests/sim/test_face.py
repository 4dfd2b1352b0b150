"""The face moves when the truth says so: found in the pictures alone, against what the simulator tells."""

from __future__ import annotations

import numpy as np
import pytest

from rig.sim.expressions import Movement, Performance, Shown
from tests.sim.optical import MS, NS, Eye, camera

SWAY_NS = 3 * NS  # the head is where it was
FRAME_NS = 10 * MS
MINUTES = 5


@pytest.fixture(scope="module")
def told() -> list[Shown]:
    """What a camera tells of in some minutes, looked at every 50 ms."""
    eye = Eye(camera(width=96, height=64))
    for host_ns in range(NS, MINUTES * 60 * NS, 50 * MS):
        eye.stored(host_ns)
    return sorted(eye.shown, key=lambda shown: shown.onset_ns)


def test_several_micro_expressions_a_minute_each_of_11_to_58_frames(told: list[Shown]) -> None:
    expressions = [shown for shown in told if shown.kind is not Movement.BLINK]
    assert 8 * MINUTES <= len(expressions) <= 12 * MINUTES
    performance = Performance(1)
    two_hours = {shown for t in range(0, 7200 * NS, 100 * MS) for shown in performance.at(t)}
    lasts = [(s.offset_ns - s.onset_ns) / FRAME_NS for s in two_hours if s.kind is not Movement.BLINK]
    assert (min(lasts), max(lasts)) == (11, 58)
    assert all(shown.onset_ns < shown.apex_ns < shown.offset_ns for shown in told)
    assert {shown.kind for shown in told} == set(Movement)


def test_blinks_are_told_too(told: list[Shown]) -> None:
    blinks = [shown for shown in told if shown.kind is Movement.BLINK]
    assert 12 * MINUTES <= len(blinks) <= 16 * MINUTES


@pytest.mark.parametrize("is_blink", [True, False])
def test_the_program_comes_by_seed(is_blink: bool) -> None:
    def program(seed: int) -> set[Shown]:
        performance = Performance(seed)
        shown = {shown for t in range(NS, 60 * NS, 50 * MS) for shown in performance.at(t)}
        return {s for s in shown if (s.kind is Movement.BLINK) == is_blink}

    assert program(1) == program(1)
    assert not program(1) & program(2)


def test_a_movement_is_a_quarter_sine_up_and_a_quarter_cosine_down() -> None:
    shown = Shown(Movement.BROW_RAISE, 1000, 1200, 1600)
    due = {900: 0, 1000: 0, 1100: np.sqrt(0.5), 1200: 1, 1400: np.sqrt(0.5), 1600: 0, 1700: 0}
    assert {at: shown.strength(at) for at in due} == pytest.approx(due)


def amplitude(eye: Eye, shown: Shown, every_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """How far the face is from neutral in each frame around a movement, 1 where most; and the middles of exposures.

    Each frame is compared with one of the same head position, a whole number of sways later, when nothing moves.
    """
    first, last = ((at_ns // every_ns) * every_ns for at_ns in (shown.onset_ns - 300 * MS, shown.offset_ns + 300 * MS))
    begins = range(first, last, every_ns)
    change = _film(eye, begins, 0) - _neutral(eye, begins)
    pattern = change[np.argmax((change**2).sum(axis=(1, 2)))]
    strength = (change * pattern).sum(axis=(1, 2)) / (pattern**2).sum()
    return strength, np.array(begins) + round(eye.config.exposure_us * 500)


@pytest.fixture(scope="module")
def usual(told: list[Shown]) -> list[tuple[Shown, np.ndarray, np.ndarray]]:
    """One movement of each kind, and its amplitude as HS sees it."""
    eye = Eye(camera(width=640, height=480))
    return [(shown, *amplitude(eye, shown, FRAME_NS)) for shown in alone(told)]


def _film(eye: Eye, begins: range, sways: int) -> np.ndarray:
    return np.array([_middle(eye, t + sways * SWAY_NS) for t in begins])


def _neutral(eye: Eye, begins: range) -> np.ndarray:
    """A later film in which nothing moves: one of two that differ no more in any picture than in most of them."""
    films: list[np.ndarray] = []
    for sways in range(1, 40):
        film = _film(eye, begins, sways)
        for other in films:
            differ = ((film - other) ** 2).mean(axis=(1, 2))
            if differ.max() <= 1.1 * np.median(differ):
                return film
        films.append(film)
    raise AssertionError("something moves all the time")


def _middle(eye: Eye, host_ns: int) -> np.ndarray:
    """The part of a picture in which brows, eyes and mouth are."""
    return eye.take(host_ns)[180:400, 190:450].astype(np.float32)


def alone(told: list[Shown]) -> list[Shown]:
    """One movement of each kind with nothing else around it."""
    apart = [
        shown
        for shown in told
        if not any(
            other is not shown and other.onset_ns - 500 * MS < shown.offset_ns < other.offset_ns + 1200 * MS
            for other in told
        )
    ]
    return list({shown.kind: shown for shown in apart}.values())


@pytest.mark.parametrize(
    ("every_ns", "changes"),
    [
        (FRAME_NS, {"pixel_format": "BayerRG8"}),
        (4 * FRAME_NS, {"exposure_us": 8000.0, "simulated": {"spectrum": "near_infrared"}}),
    ],
)
def test_onset_and_offset_are_seen_within_a_frame_of_the_truth(
    every_ns: int, changes: dict[str, object], told: list[Shown]
) -> None:
    eye = Eye(camera(width=640, height=480, **changes))
    assert_seen([(shown, *amplitude(eye, shown, every_ns)) for shown in alone(told)], every_ns)


def assert_seen(movements: list[tuple[Shown, np.ndarray, np.ndarray]], every_ns: int) -> None:
    assert len(movements) == len(Movement)
    for shown, strength, middles in movements:
        noise = strength[middles < shown.onset_ns - 100 * MS].std()
        moving = np.flatnonzero(strength > max(5 * noise, 0.005))
        onset_ns, offset_ns = middles[moving[0]] - every_ns / 2, middles[moving[-1]] + every_ns / 2
        assert abs(onset_ns - shown.onset_ns) <= every_ns, shown
        assert abs(offset_ns - shown.offset_ns) <= every_ns, shown
        assert len(moving) == moving[-1] - moving[0] + 1


def test_a_movement_begins_and_ends_as_told_and_goes_to_its_apex_and_back(
    usual: list[tuple[Shown, np.ndarray, np.ndarray]],
) -> None:
    assert_seen(usual, FRAME_NS)
    for shown, strength, middles in usual:
        assert abs(middles[np.argmax(strength)] - shown.apex_ns) <= 4 * FRAME_NS
        rising = strength[(middles > shown.onset_ns) & (middles < shown.apex_ns - 2 * FRAME_NS)]
        assert (np.diff(rising) > 0).all()


def test_all_cameras_see_the_same_movement(told: list[Shown]) -> None:
    for changes in ({}, {"line": 1, "divisor": 4, "pixel_format": "RGB8"}, {"simulated": {"shutter": "rolling"}}):
        eye = Eye(camera(**changes))
        eye.take(told[0].apex_ns - 2 * MS)
        assert told[0] in eye.shown


def test_a_long_exposure_shows_the_mean_of_short_ones() -> None:
    """A second, in which the head moves by some px; whatever the photograph is."""
    performance = Performance(1)
    at_middle = range(SWAY_NS - NS // 2, 99 * NS, SWAY_NS)  # the head is fastest half-way
    begins = next(t for t in at_middle if not any(performance.at(t + k * MS) for k in range(1000)))
    long, short = (Eye(camera(width=640, height=480, exposure_us=us)) for us in (1e6, 1000.0))
    blurred = long.film(range(begins, begins + 16))
    moving = short.film(range(begins, begins + NS, 5 * MS))
    sharp = short.film(range(begins + NS // 2, begins + NS // 2 + 16))
    blurred_off, sharp_off = (
        np.abs(film.mean(axis=0) - moving.mean(axis=0))[60:420, 60:580].mean() for film in (blurred, sharp)
    )
    assert blurred_off < 0.4  # noise of 16 pictures
    assert sharp_off > 4 * blurred_off


def test_the_head_sways_on_a_line_and_is_back_after_3_s() -> None:
    """Found by shifting one picture over the other, to a pixel."""
    eye = Eye(camera(width=640, height=480))
    first, there, back = (eye.take(t).astype(float)[60:420, 60:580] for t in (NS, NS + SWAY_NS // 4, NS + SWAY_NS))

    def shift(other: np.ndarray) -> tuple[int, int]:
        spectrum = np.fft.rfft2(first - first.mean()) * np.conj(np.fft.rfft2(other - other.mean()))
        y, x = np.unravel_index(np.argmax(np.fft.irfft2(spectrum, first.shape)), first.shape)
        return (int(y) + 180) % 360 - 180, (int(x) + 260) % 520 - 260

    assert shift(back) == (0, 0)
    assert 3 <= np.hypot(*shift(there)) <= 10

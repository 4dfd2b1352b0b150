"""The light of the screen: its mean over an exposure, and what is seen of a screen in Xvfb's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rig
from rig.sim.light import ScreenLight
from rig.sim.photodiode import Photodiode, RoomLight, ScreenMemory
from tests.films import numbered
from tests.rigs import record, write_film_protocol, write_rig

SECOND, MS = 1_000_000_000, 1_000_000
LATENCY_NS = 12 * MS  # from a flip to its light
SHARE, BLACK = 0.75, 4  # of the screen, that a film at 4:3 covers; grey value of no light
WIDTH, HEIGHT, LINE, COLOURS = 100, 60, 416, 3  # a line of 100 px with 16 bytes more


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), max_size=20), st.integers(0, 500), st.data())
def test_the_mean_over_an_exposure_is_what_counting_its_nanoseconds_gives(
    steps: list[tuple[int, float]], begins: int, data: Any
) -> None:
    ends = begins + data.draw(st.integers(1, 500))
    light, counted = ScreenLight(), np.zeros(1001)
    for since, brightness in sorted(steps, key=lambda step: step[0]):
        light.change(since, brightness)
        counted[since:] = brightness
    assert light.mean(begins, ends) == pytest.approx(counted[begins:ends].mean())


def test_the_past_is_forgotten_only_beyond_the_longest_exposure() -> None:
    light = ScreenLight()
    for k in range(6001):  # a minute of a film that flickers at each refresh
        light.change(k * SECOND // 100, k % 2)
    assert light.mean(59 * SECOND, 60 * SECOND) == pytest.approx(0.5)
    assert len(light._changes) < 310


def window_dump(path: Path, green: np.ndarray) -> Path:
    """An X window dump as Xvfb -fbdir keeps it: header, name, colours, lines of blue, green, red, nothing."""
    header = np.zeros(25, ">u4")
    header[[0, 1, 2, 3, 4, 5, 11, 12, 19]] = [108, 7, 2, 24, WIDTH, HEIGHT, 32, LINE, COLOURS]
    lines = np.full((HEIGHT, LINE), 77, np.uint8)
    lines[:, 1 : 4 * WIDTH : 4] = green
    path.write_bytes(header.tobytes() + b"XSCREEN\0" + bytes(12 * COLOURS) + lines.tobytes())
    return path


def test_the_room_is_as_bright_as_the_mean_of_the_screen(tmp_path: Path) -> None:
    for name, left in (("dark", 0), ("half", 50), ("white", 100)):
        green = np.zeros((HEIGHT, WIDTH), np.uint8)
        green[:, :left] = 255
        screen = ScreenMemory(window_dump(tmp_path / name, green))
        assert RoomLight(screen).brightness() == pytest.approx(left / 100, abs=0.07)
        screen.close()


def test_the_photodiode_sees_its_own_pixel_change(tmp_path: Path) -> None:
    green = np.zeros((HEIGHT, WIDTH), np.uint8)
    screen = ScreenMemory(window_dump(tmp_path / "screen", green))
    diode = Photodiode(screen, 90, 50)
    assert not diode.is_bright()
    green[50, 90] = 255
    window_dump(tmp_path / "screen", green)
    assert diode.is_bright()
    green[50, 90], green[50, 89], green[49, 90] = 0, 255, 255
    window_dump(tmp_path / "screen", green)
    assert not diode.is_bright()
    screen.close()


def test_a_recorded_face_is_lit_by_the_film_that_is_shown(tmp_path: Path) -> None:
    """Each frame's grey, explained by the film picture of its exposure and by the sway of the head, every 3 s."""
    recorded = record(tmp_path, write_rig(tmp_path), write_film_protocol(tmp_path))
    with rig.open(recorded.path) as session:
        stream, flips = session.runs[0].streams["HS"], session.runs[0].flips
        arrived_ns = stream.frames["arrived_host_ns"].astype(np.int64)
        seen = np.array([stream.data[index][24:48].mean() for index in range(len(arrived_ns))])
    began, ended = (
        flips["film_frame"][np.searchsorted(flips["host_ns"], arrived_ns - LATENCY_NS - before_ns) - 1]
        for before_ns in (6 * MS, 0)  # an exposure of 4 ms, and what it takes to arrive
    )
    is_film = (began == ended) & (began >= 0)
    film = np.array([numbered(int(number), 160, 120).mean() for number in began[is_film]]) / 255
    sway = 2 * np.pi * arrived_ns[is_film] / (3 * SECOND)
    causes = np.stack([np.ones(len(film)), film, np.sin(sway), np.cos(sway)], axis=1)
    (lamps, screen, *_), *_ = np.linalg.lstsq(causes, seen[is_film] - BLACK)
    assert len(film) > 150
    around = 0.1 * (1 - SHARE) * 0.5  # the grey beside the film
    assert screen / lamps == pytest.approx(0.1 * SHARE / (1 + around), rel=0.05)

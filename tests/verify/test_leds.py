"""The place of the sync LEDs is found from the pictures alone, wherever the simulator was told to put them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.looks import looks
from rig.verify.pixels.blinking import Box
from rig.verify.pixels.leds import SAMPLE_FRAMES, LedPlace, find_leds, led_timing
from tests.rigs import record, write_protocol, write_rig
from tests.verify.led_light import HS, seen, window

SECONDS = 2.0
DRAWN = {"x": 4, "size_px": 8, "spacing_px": 16}  # where no place is said; 12 px above the lower edge
FAINT = {"x": 61, "y": 51, "size_px": 4, "spacing_px": 10}  # on the moving face
FORMATS = {
    "HS": "pixel_format: Mono8, width: 96, height: 64",
    "VIS": "pixel_format: BayerRG8, width: 200, height: 120, simulated: {shutter: rolling, row_time_us: 20}",
    "NIR": "pixel_format: Mono12p, width: 160, height: 100",
}
FAINT_LEDS = f"leds: {{{', '.join(f'{key}: {value}' for key, value in FAINT.items())}, contrast: 0.1}}"
FAINTS = {
    "HS": f"width: 160, height: 120, simulated: {{{FAINT_LEDS}}}",
    "VIS": f"pixel_format: RGB8, width: 161, height: 121, simulated: {{{FAINT_LEDS}}}",
    "NIR": "width: 160, height: 120, simulated: {leds: {in_view: false}}",
}


def _recorded(folder: Path, cameras: dict[str, str], *, slow_us: int = 8000) -> Path:
    rig = write_rig(folder)
    text = re.sub(r",\s+width: 96, height: 64", "", rig.read_text())
    text = text.replace("exposure_us: 8000", f"exposure_us: {slow_us}")
    for name, keys in cameras.items():
        text = text.replace(f"serial: SIM-{name},", f"serial: SIM-{name}, {keys},")
    rig.write_text(text)
    return record(folder, rig, write_protocol(folder, ("still", SECONDS, "all"))).path


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with Run(_recorded(tmp_path_factory.mktemp("formats"), FORMATS)) as run:
        yield run


@pytest.fixture(scope="module")
def faint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with Run(_recorded(tmp_path_factory.mktemp("faint"), FAINTS, slow_us=20_000)) as run:
        yield run


def _place(run: Run, stream: Stream, claims: np.ndarray | None) -> LedPlace | None:
    greys = (stream.grey(i) for i in range(min(SAMPLE_FRAMES, len(stream.frames))))
    return find_leds(greys, led_timing(run, stream), claims, row_us=stream.row_time_us)


def _drawn(keys: dict[str, int], top: int, led: int) -> tuple[int, int, int, int]:
    left = keys["x"] + led * keys["spacing_px"]
    return top, left, top + keys["size_px"], left + keys["size_px"]


def _share_within(box: Box, drawn: tuple[int, int, int, int]) -> float:
    """How much of a box lies on an LED as drawn."""
    down = max(0, min(box.bottom, drawn[2]) - max(box.top, drawn[0]))
    across = max(0, min(box.right, drawn[3]) - max(box.left, drawn[1]))
    return down * across / ((box.bottom - box.top) * (box.right - box.left))


@pytest.mark.parametrize("claims", ["right", "eight too high", "none"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_leds_are_found_where_they_are_drawn_whatever_pulses_the_frames_claim(
    formats: Run, name: str, claims: str
) -> None:
    stream = formats.streams[name]
    numbers = stream.pulse_numbers[:SAMPLE_FRAMES]
    place = _place(formats, stream, {"right": numbers, "eight too high": numbers + 8, "none": None}[claims])
    assert place
    leds = 3 if name == "HS" else 1  # B1 and B2 never change for every fourth pulse
    assert [box is not None for box in place.boxes] == [led < leds for led in range(3)]
    for led, box in enumerate(filter(None, place.boxes)):
        assert _share_within(box, _drawn(DRAWN, stream.height - 12, led)) == 1


@pytest.mark.parametrize("name", ["HS", "VIS"])
def test_leds_of_4_px_at_10_percent_contrast_on_a_moving_face_are_found_and_read(faint: Run, name: str) -> None:
    stream = faint.streams[name]
    seen_there = looks(faint, stream)
    assert seen_there.place
    assert seen_there.leds is not None
    box = seen_there.place.boxes[0]
    assert box
    assert _share_within(box, _drawn(FAINT, FAINT["y"], 0)) >= 0.5


def test_without_leds_in_view_none_are_found(faint: Run) -> None:
    assert _place(faint, faint.streams["NIR"], faint.streams["NIR"].pulse_numbers[:SAMPLE_FRAMES]) is None


@pytest.mark.parametrize("what", ["noise", "lamps that blink by chance", "LEDs of another code"])
def test_what_blinks_in_no_code_of_ours_is_no_led(what: str) -> None:
    rng = np.random.default_rng(5)
    pictures = rng.normal(0.4, 0.05, (SAMPLE_FRAMES, 60, 80)).astype(np.float32)
    if what == "lamps that blink by chance":
        pictures[:, 10:20, 10:20] += rng.integers(0, 2, (SAMPLE_FRAMES, 1, 1))
    if what == "LEDs of another code":
        pictures[:, 10:20, 10:20] += np.resize([1, 1, 0, 0], SAMPLE_FRAMES)[:, None, None]
    assert find_leds(pictures, HS, np.arange(SAMPLE_FRAMES)) is None
    assert find_leds(pictures, HS) is None


def test_a_lamp_that_is_like_the_code_in_five_of_six_frames_of_few_is_no_led() -> None:
    rng = np.random.default_rng(8)
    pulses = window(HS, rng, 0.48)
    light = seen(pulses, HS, rng, 50)[:, 0]
    is_other = np.arange(len(pulses)) % 6 == 5
    light[is_other] = light.max() + light.min() - light[is_other]
    pictures = np.repeat(np.repeat(light[:, None, None] / 300, 20, axis=1), 20, axis=2)
    assert find_leds(pictures, HS, pulses) is None


def test_leds_that_are_dark_where_the_code_says_lit_are_read_the_right_way_round() -> None:
    rng = np.random.default_rng(6)
    pulses = window(HS, rng, 1.6)
    light = 1 - seen(pulses, HS, rng, 50) / 300
    pictures = np.full((len(pulses), 40, 80), 0.3, np.float32)
    for led in range(3):
        pictures[:, 10:18, 10 + 16 * led : 18 + 16 * led] = light[:, led, None, None]
    place = find_leds(pictures, HS)
    assert place
    assert [(box.top, box.left, box.bottom, box.right) for box in place.boxes if box] == [
        (10, left, 18, left + 8) for left in (10, 26, 42)
    ]
    levels = np.array([place.levels(picture) for picture in pictures])
    for led in range(3):
        assert np.corrcoef(levels[:, led], light[:, led])[0, 1] < -0.99


def test_a_level_is_the_brightness_of_the_led_in_any_kind_of_picture() -> None:
    place = LedPlace((Box(0, 0, 1, 2), None, None), 4, np.array([0, 1]), np.array([[0.5, 0.5], [0, 0], [0, 0]]))
    grey = np.arange(8, dtype=np.uint8).reshape(2, 4)
    assert place.levels(grey).tolist() == [0.5, 0, 0]
    assert place.levels(np.stack([grey, grey + 3, grey + 6], axis=2)).tolist() == [3.5, 0, 0]


def test_too_few_pictures_are_no_reason_to_guess_and_a_few_damaged_ones_none_to_give_up() -> None:
    rng = np.random.default_rng(7)
    pulses = window(HS, rng, 1.6)
    pictures = np.repeat(np.repeat(seen(pulses, HS, rng, 50)[:, :1, None] / 300, 20, axis=1), 20, axis=2)
    assert find_leds(pictures[:20], HS, pulses[:20]) is None
    pictures[::40] = rng.random((4, 20, 20))
    assert find_leds(pictures, HS, np.full(len(pulses), NO_PULSE))

"""Pixel formats: what lies in the bytes, by GenICam's drawing of them and by a camera maker's own software."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.pixels import FORMATS, PixelFormat, grey, rgb, shown, unpack

PACKED = ("Mono10p", "Mono12p")
BAYER = [name for name in FORMATS if name.startswith("Bayer")]
# The first two rows of a sensor, as GenICam's names have them.
MOSAICS = {"RG": ("RG", "GB"), "GR": ("GR", "BG"), "GB": ("GB", "RG"), "BG": ("BG", "GR")}
PYLON = """\
import sys
from pypylon import pylon
image, converter = pylon.PylonImage(), pylon.ImageFormatConverter()
stored = memoryview(bytearray(sys.stdin.buffer.read()))
image.AttachMemoryView(stored, getattr(pylon, f"PixelType_{sys.argv[1]}"), 10, 6, 0)
converter.OutputPixelFormat = pylon.PixelType_Mono16
sys.stdout.buffer.write(converter.Convert(image).GetArray().tobytes())
"""
RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)


def packed(samples: list[int], bits: int) -> np.ndarray:
    """Samples one behind the other, lowest bit first, as one long number."""
    number = sum(sample << (place * bits) for place, sample in enumerate(samples))
    return np.frombuffer(number.to_bytes(-(-len(samples) * bits // 8), "little"), np.uint8)


def mosaic(form: PixelFormat, colours: np.ndarray) -> np.ndarray:
    """What a Bayer sensor of this format delivers of a picture of colours (height, width, 3), 0 or 1 each."""
    rows = MOSAICS[form.name[5:7]]
    top = 2**form.bits - 1
    picture = np.zeros(colours.shape[:2], form.dtype)
    for y, x in np.ndindex(picture.shape):
        picture[y, x] = top * colours[y, x]["RGB".index(rows[y % 2][x % 2])]
    return picture


def made(form: PixelFormat, seed: int, height: int, width: int) -> np.ndarray:
    """A stored picture of random samples."""
    rng = np.random.default_rng(seed)
    if form.is_packed:
        return packed([int(s) for s in rng.integers(0, 1 << form.bits, height * width)], form.bits)
    return rng.integers(0, 1 << form.bits, form.shape(height, width)).astype(form.dtype)


def test_sizes_of_all_formats() -> None:
    """640 x 480, by the bits of a sample; those that end within a byte fill it up."""
    bits = {"Mono8": 8, "Mono10": 16, "Mono10p": 10, "Mono12": 16, "Mono12p": 12, "RGB8": 24}
    for name, form in FORMATS.items():
        expected = bits.get(name, 8 if name.endswith("8") else 16)
        assert form.size(480, 640) == 480 * 640 * expected // 8, name
    assert FORMATS["Mono10p"].size(1, 3) == 4
    assert FORMATS["Mono12p"].size(3, 1) == 5


def test_packed_bytes_read_as_genicam_draws_them() -> None:
    """Mono12p: the low nibble of the middle byte ends the first sample. Mono10p: two bits of the second byte do."""
    twelve = np.array([0xAB, 0xCD, 0xEF], np.uint8)
    assert unpack(twelve, FORMATS["Mono12p"], 1, 2).tolist() == [[0xDAB, 0xEFC]]
    ten = np.array([0b1111_0000, 0b000001_10, 0b1010_0000, 0b11_110000, 0b0101_0101], np.uint8)
    expected = [[0b10_1111_0000, 0b0000_000001, 0b110000_1010, 0b0101_0101_11]]
    assert unpack(ten, FORMATS["Mono10p"], 2, 2).reshape(1, 4).tolist() == expected


@given(st.sampled_from(PACKED), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_unpacking_undoes_packing_at_any_size(name: str, height: int, width: int, seed: int) -> None:
    form = FORMATS[name]
    samples = np.random.default_rng(seed).integers(0, 1 << form.bits, (height, width))
    stored = packed([int(s) for s in samples.ravel()], form.bits)
    assert stored.shape == form.shape(height, width)
    assert np.array_equal(unpack(stored, form, height, width), samples)


@pytest.mark.parametrize("name", ["Mono10", "Mono10p", "Mono12", "Mono12p"])
def test_a_camera_makers_software_reads_the_same_samples(name: str) -> None:
    form = FORMATS[name]
    stored = made(form, 1, 6, 10)
    command = [sys.executable, "-c", PYLON, name]  # a process of its own: its import breaks where warnings are errors
    theirs = subprocess.run(command, input=stored.tobytes(), capture_output=True, check=True, timeout=30).stdout
    assert np.array_equal(np.frombuffer(theirs, "<u2").reshape(6, 10), unpack(stored, form, 6, 10))


@pytest.mark.parametrize("name", BAYER)
def test_each_patch_of_a_mosaic_has_its_own_colour(name: str) -> None:
    form, colours = FORMATS[name], np.zeros((17, 33, 3), int)
    for place, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        colours[:, 8 * place : 8 * place + 8] = colour
    colours[:, 32:] = WHITE
    picture = rgb(mosaic(form, colours), form, 17, 33)
    assert picture.shape == (17, 33, 3)
    assert picture.dtype == np.uint8
    for place, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        patch = picture[:, 8 * place + 2 : 8 * place + 6]
        assert (patch == np.array(colour) * 255).all(), (name, place)


@pytest.mark.parametrize("name", BAYER)
def test_grey_of_a_mosaic_is_the_mean_of_its_colours_and_linear(name: str) -> None:
    form = FORMATS[name]
    for colour in (RED, GREEN, BLUE):
        patch = mosaic(form, np.full((8, 8, 3), colour))
        assert grey(patch, form, 8, 8)[2:6, 2:6] == pytest.approx(1 / 3, abs=1e-6)
    ramp = (np.add.outer(np.arange(8), np.arange(8)) * 2**form.bits // 16).astype(form.dtype)
    got = grey(ramp, form, 8, 8)
    assert got.dtype == np.float32
    assert got[2:6, 2:6] == pytest.approx(ramp[2:6, 2:6] / (2**form.bits - 1), abs=1e-5)  # interpolation keeps a plane


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in BAYER])
def test_grey_is_linear_from_0_to_1(name: str) -> None:
    form = FORMATS[name]
    stored = made(form, 2, 5, 7)
    samples = unpack(stored, form, 5, 7).astype(float).reshape(5, 7, form.channels)
    got = grey(stored, form, 5, 7)
    assert (got.shape, got.dtype) == ((5, 7), np.float32)
    assert got == pytest.approx(samples.mean(axis=2) / (2**form.bits - 1), abs=1e-6)
    least, most = np.zeros_like(stored), np.full_like(stored, 255)
    if form.dtype.itemsize == 2:
        most[...] = 2**form.bits - 1
    assert (grey(least, form, 5, 7) == 0).all()
    assert (grey(most, form, 5, 7) == 1).all()


@pytest.mark.parametrize(("name", "step"), [("Mono8", 1), ("Mono10", 4), ("Mono12", 16)])
def test_people_see_the_upper_eight_bits(name: str, step: int) -> None:
    form = FORMATS[name]
    stored = (np.arange(256) * step + step - 1).astype(form.dtype).reshape(16, 16)
    expected = np.arange(256).reshape(16, 16)
    assert np.array_equal(shown(stored, form, 16, 16), expected)
    assert np.array_equal(rgb(stored, form, 16, 16), np.stack([expected] * 3, axis=2))


def test_rgb_is_shown_as_delivered() -> None:
    form = FORMATS["RGB8"]
    stored = made(form, 3, 4, 6)
    assert np.array_equal(rgb(stored, form, 4, 6), stored)
    assert np.array_equal(shown(stored, form, 4, 6), stored)

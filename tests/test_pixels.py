"""Pixel formats: what lies in the bytes, by GenICam's drawing of them and by a camera maker's own software."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.pixels import FORMATS, PixelFormat, grey, rgb, shown, unpack

PACKED = [name for name in FORMATS if name.endswith(("p", "Packed"))]
AT_BASLER = [name for name in FORMATS if "14" not in name and name != "BGR16"]  # of which the maker below has cameras
BAYER = [name for name in FORMATS if name.startswith("Bayer")]
COLOURS = [name for name in FORMATS if name.startswith(("RGB", "BGR"))]
# The first two rows of a sensor, as GenICam's names have them.
MOSAICS = {"RG": ("RG", "GB"), "GR": ("GR", "BG"), "GB": ("GB", "RG"), "BG": ("BG", "GR")}
# Converts pictures given as lines: their format, that which is wanted, height, width, bytes in hex.
PYLON = """\
import sys
from pypylon import pylon
types = {name[10:].lower(): getattr(pylon, name) for name in dir(pylon) if name.startswith("PixelType_")}
types |= {name.removesuffix("packed"): kind for name, kind in types.items() if name[:3] in ("rgb", "bgr")}
image, converter = pylon.PylonImage(), pylon.ImageFormatConverter()
for line in sys.stdin:
    name, wanted, height, width, stored = line.split()
    held = memoryview(bytearray.fromhex(stored))
    image.AttachMemoryView(held, types[name.lower()], int(width), int(height), 0)
    converter.OutputPixelFormat = types[wanted.lower()]
    print(converter.Convert(image).GetArray().tobytes().hex())
    image.Release()
"""
Picture = tuple[str, np.ndarray]  # a stored one, and the name of its format
RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)


def packed(samples: np.ndarray, name: str) -> np.ndarray:
    """What a camera delivers of samples in this format, uint8."""
    bits, flat = int(re.sub("[^0-9]", "", name)), [int(sample) for sample in samples.ravel()]
    whole = -(-len(flat) * (12 if name.endswith("Packed") else bits) // 8)
    if name.endswith("p"):  # one behind the other, lowest bit first, as one long number
        number = sum(sample << (place * bits) for place, sample in enumerate(flat))
        return np.frombuffer(number.to_bytes(whole, "little"), np.uint8)
    out, low = bytearray(), bits - 8
    for one, other in zip(flat[::2], [*flat[1::2], 0], strict=False):
        out += bytes([one >> low, (one % 2**low) + 16 * (other % 2**low), other >> low])
    return np.frombuffer(out, np.uint8)[:whole]


def delivered(samples: np.ndarray, form: PixelFormat) -> np.ndarray:
    return packed(samples, form.name) if form.name in PACKED else samples.astype(form.dtype)


def unpacked(name: str) -> str:
    """The format that has the same samples, an array element each."""
    return name.removesuffix("p").removesuffix("Packed")


def converted(pictures: list[Picture], wanted: str, dtype: str, height: int, width: int) -> list[np.ndarray]:
    """Pictures as the camera maker's software converts them, flat."""
    lines = [f"{name} {wanted} {height} {width} {stored.tobytes().hex()}" for name, stored in pictures]
    command = [sys.executable, "-c", PYLON]  # a process of its own: its import breaks where warnings are errors
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, check=True, timeout=60, text=True)
    return [np.frombuffer(bytes.fromhex(line), dtype) for line in done.stdout.split()]


def mosaic(form: PixelFormat, colours: np.ndarray) -> np.ndarray:
    """What a Bayer sensor of this format delivers of a picture of colours (height, width, 3), 0 or 1 each."""
    rows = MOSAICS[form.name[5:7]]
    top = 2**form.bits - 1
    picture = np.zeros(colours.shape[:2], int)
    for y, x in np.ndindex(picture.shape):
        picture[y, x] = top * colours[y, x]["RGB".index(rows[y % 2][x % 2])]
    return delivered(picture, form)


def made(form: PixelFormat, seed: int, height: int, width: int) -> np.ndarray:
    """A stored picture of random samples."""
    shape = (height, width, 3) if form.name in COLOURS else (height, width)
    return delivered(np.random.default_rng(seed).integers(0, 1 << form.bits, shape), form)


def test_the_formats_are_those_that_the_reference_lists() -> None:
    page = (Path(__file__).parents[1] / "docs/reference/session-file.md").read_text()
    rows = re.findall(r"^\| ((?:Mono|RGB|BGR)[^|]*) \|", page, re.MULTILINE)
    listed = [name for row in rows for name in row.split(", ")]
    assert set(FORMATS) == {name.replace("XX", pattern) for name in listed for pattern in MOSAICS}
    for name, form in FORMATS.items():
        assert (form.name, form.pattern) == (name, name[5:7] if name in BAYER else "")
        assert form.bits == int("".join(char for char in name if char.isdecimal()))


def test_sizes_of_all_formats() -> None:
    """640 x 480, by the bits that a pixel takes; those that end within a byte fill it up."""
    bits = {
        "8": 8,
        "10": 16,
        "10p": 10,
        "10Packed": 12,
        "12": 16,
        "12p": 12,
        "12Packed": 12,
        "14": 16,
        "14p": 14,
        "16": 16,
    }
    for name, form in FORMATS.items():
        expected = (
            3 * bits[name[3:]] if name in COLOURS else bits[name.removeprefix("Mono").removeprefix(f"Bayer{name[5:7]}")]
        )
        assert form.size(480, 640) == 480 * 640 * expected // 8, name
    assert FORMATS["Mono10p"].size(1, 3) == 4
    assert FORMATS["Mono14p"].size(1, 3) == 6
    for name in ("Mono12p", "Mono10Packed", "Mono12Packed"):
        assert FORMATS[name].size(3, 1) == 5


def test_packed_bytes_read_as_genicam_draws_them() -> None:
    """Mono12p: the low nibble of the middle byte ends the first sample. Mono10p: two bits of the second byte do."""
    twelve = np.array([0xAB, 0xCD, 0xEF], np.uint8)
    assert unpack(twelve, FORMATS["Mono12p"], 1, 2).tolist() == [[0xDAB, 0xEFC]]
    ten = np.array([0b1111_0000, 0b000001_10, 0b1010_0000, 0b11_110000, 0b0101_0101], np.uint8)
    expected = [[0b10_1111_0000, 0b0000_000001, 0b110000_1010, 0b0101_0101_11]]
    assert unpack(ten, FORMATS["Mono10p"], 2, 2).reshape(1, 4).tolist() == expected
    # of 14 bits the second and third sample lie in three bytes each
    fourteen = np.array([0x34, 0b11_110010, 0x0F, 0b0001_0000, 0x02, 0b000000_11, 0xFC], np.uint8)
    expected = [[0b110010_0011_0100, 0b0000_00001111_11, 0b11_00000010_0001, 0b11111100_000000]]
    assert unpack(fourteen, FORMATS["BayerGR14p"], 1, 4).tolist() == expected


@pytest.mark.parametrize("sensor", ["Mono", "BayerGB"])
def test_gige_visions_packed_bytes_have_the_low_bits_of_both_in_the_middle(sensor: str) -> None:
    three = np.array([0xAB, 0xCD, 0xEF], np.uint8)
    assert unpack(three, FORMATS[f"{sensor}12Packed"], 1, 2).tolist() == [[0xABD, 0xEFC]]
    ten = np.array([0b1010_1011, 0b00_10_00_01, 0b1110_1111, 0b0101_0101, 0b11], np.uint8)
    expected = [[0b1010_1011_01], [0b1110_1111_10], [0b0101_0101_11]]  # of the third one's pair there is no second
    assert unpack(ten, FORMATS["Mono10Packed"], 3, 1).tolist() == expected


@given(st.sampled_from(PACKED), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_unpacking_undoes_packing_at_any_size(name: str, height: int, width: int, seed: int) -> None:
    form = FORMATS[name]
    samples = np.random.default_rng(seed).integers(0, 1 << form.bits, (height, width))
    stored = packed(samples, name)
    assert stored.shape == form.shape(height, width)
    assert np.array_equal(unpack(stored, form, height, width), samples)


@pytest.mark.parametrize(("height", "width"), [(6, 10), (7, 9)])
def test_a_camera_makers_software_reads_the_same_samples(height: int, width: int) -> None:
    """Of a mosaic it tells no samples, only colours: those of the packed bytes are those of what is unpacked here."""
    deep = [name for name in AT_BASLER if name not in COLOURS and not name.endswith("8")]
    stored = [made(FORMATS[name], 1, height, width) for name in deep]
    ours = [unpack(picture, FORMATS[name], height, width) for name, picture in zip(deep, stored, strict=True)]
    theirs = converted(list(zip(deep, stored, strict=True)), "Mono16", "<u2", height, width)
    plain = converted(list(zip(map(unpacked, deep), ours, strict=True)), "Mono16", "<u2", height, width)
    for name, samples, read, expected in zip(deep, ours, theirs, plain, strict=True):
        assert np.array_equal(read, expected if name in BAYER else samples.ravel()), name
        assert len(np.unique(read)) > height * width // 2, name


def test_a_camera_makers_software_sees_the_same_colours() -> None:
    """Two broad patches beside each other, of each format that has colours."""
    colours = np.zeros((16, 48, 3), int)
    for place, colour in enumerate((RED, GREEN, BLUE)):
        colours[:, 16 * place : 16 * place + 16] = colour
    pictures = [(name, mosaic(FORMATS[name], colours)) for name in BAYER if name in AT_BASLER]
    pictures += [(name, made(FORMATS[name], 4, 16, 48)) for name in COLOURS if name in AT_BASLER]
    for (name, stored), theirs in zip(pictures, converted(pictures, "RGB8packed", "u1", 16, 48), strict=True):
        ours, theirs = rgb(stored, FORMATS[name], 16, 48), theirs.reshape(16, 48, 3)
        if name in BAYER:  # at the borders each one interpolates in its own way
            ours, theirs = (np.split(picture[2:14], 3, axis=1) for picture in (ours, theirs))
            ours, theirs = (np.stack(patches)[:, :, 2:14] for patches in (ours, theirs))
        assert np.array_equal(ours, theirs), name


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
    ramp = np.add.outer(np.arange(8), np.arange(8)) * 2**form.bits // 16
    got = grey(delivered(ramp, form), form, 8, 8)
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
    least, most = (delivered(np.full_like(samples, top, int), form) for top in (0, 2**form.bits - 1))
    least, most = least.reshape(stored.shape), most.reshape(stored.shape)
    assert (grey(least, form, 5, 7) == 0).all()
    assert (grey(most, form, 5, 7) == 1).all()


@pytest.mark.parametrize(
    ("name", "step"), [("Mono8", 1), ("Mono10", 4), ("Mono12", 16), ("Mono14", 64), ("Mono16", 256)]
)
def test_people_see_the_upper_eight_bits(name: str, step: int) -> None:
    form = FORMATS[name]
    stored = (np.arange(256) * step + step - 1).astype(form.dtype).reshape(16, 16)
    expected = np.arange(256).reshape(16, 16)
    assert np.array_equal(shown(stored, form, 16, 16), expected)
    assert np.array_equal(rgb(stored, form, 16, 16), np.stack([expected] * 3, axis=2))


@pytest.mark.parametrize(
    ("name", "order"), [("RGB8", [0, 1, 2]), ("BGR8", [2, 1, 0]), ("RGB12", [0, 1, 2]), ("BGR16", [2, 1, 0])]
)
def test_three_colours_are_shown_as_red_green_and_blue(name: str, order: list[int]) -> None:
    form = FORMATS[name]
    stored = made(form, 3, 4, 6)
    upper = stored[..., order] // 2 ** (form.bits - 8)
    assert np.array_equal(rgb(stored, form, 4, 6), upper)
    assert np.array_equal(shown(stored, form, 4, 6), upper)
    assert np.array_equal(unpack(stored, form, 4, 6), stored)

"""Pixel formats: how a picture lies in a camera's buffer and in the file, by its name in GenICam's PFNC.

    Mono8, BayerRG8     uint8 (height, width)        Mono10 ... Mono16, BayerRG10 ...       uint16 (height, width)
    RGB8, BGR8          uint8 (height, width, 3)     RGB10 ... BGR16                        uint16 (height, width, 3)
                                                     Mono10p, Mono12Packed, BayerRG14p      uint8 (bytes,): packed

Pictures are stored as delivered. What is looked at is made of them when it is asked for:

    stored --> unpack --> samples: uint8 or uint16 (height, width), with three colours (height, width, 3)
                 +------> grey     for measuring: linear, float32 (height, width), 0 to 1
                 +------> rgb      for people: uint8 (height, width, 3)

There are two ways to pack. Of two samples A and B of 12 bits, a letter being four of them and the highest the first:

    Mono12p       A2A3 B3A1 B1B2   one behind the other, lowest bit first
    Mono12Packed  A1A2 B3A3 B1B2   GigE Vision's own: the low bits of both in the middle; so Mono10Packed, of 10 bits
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

_SENSORS = ("Mono", "BayerRG", "BayerGR", "BayerGB", "BayerBG")
_DEPTHS = ("8", "10", "10p", "12", "12p", "12Packed", "14", "14p", "16")  # of each sensor
_COLOURS = ("RGB", "BGR")
_COLOUR_DEPTHS = ("8", "10", "12", "14", "16")
IN_WORDS = (
    f"{', '.join(_SENSORS[:-1])} or {_SENSORS[-1]}, followed by {', '.join(_DEPTHS[:-1])} or {_DEPTHS[-1]}, "
    f"such as Mono8; Mono10Packed; or {' or '.join(_COLOURS)}, followed by {', '.join(_COLOUR_DEPTHS[:-1])} or "
    f"{_COLOUR_DEPTHS[-1]} (older cameras say RGB8Packed, BGR8Packed)"
)
_PARTS = re.compile("(?:Mono|Bayer(?P<pattern>..)|(?P<colours>RGB|BGR))(?P<bits>[0-9]+)(?P<packing>.*)")


@dataclass(frozen=True)
class PixelFormat:
    """One format.

    `pattern`: the colours of the first two pixels of a Bayer sensor; empty for others. `is_blue_first`: as in BGR8.
    """

    name: str
    bits: int  # of one sample
    channels: int = 1
    packing: Literal["", "p", "Packed"] = ""
    pattern: str = ""
    is_blue_first: bool = False

    @property
    def is_packed(self) -> bool:
        """Whether samples share bytes."""
        return bool(self.packing)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array that holds a picture."""
        return np.dtype("u1" if self.is_packed or self.bits == 8 else "<u2")

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Of the array that holds a picture of this size."""
        if self.is_packed:
            stored_bits = 12 if self.packing == "Packed" else self.bits
            return (-(-height * width * stored_bits // 8),)
        return (height, width, self.channels) if self.channels > 1 else (height, width)

    def size(self, height: int, width: int) -> int:
        """Bytes of a picture of this size."""
        return int(np.prod(self.shape(height, width))) * self.dtype.itemsize


def _format(name: str) -> PixelFormat:
    parts = _PARTS.fullmatch(name)
    assert parts
    channels, packing = len(parts["colours"] or "1"), cast("Literal['', 'p', 'Packed']", parts["packing"])
    is_blue_first = parts["colours"] == "BGR"
    return PixelFormat(name, int(parts["bits"]), channels, packing, parts["pattern"] or "", is_blue_first)


_NAMES = (
    *(sensor + depth for sensor in _SENSORS for depth in _DEPTHS),
    "Mono10Packed",
    *(colours + depth for colours in _COLOURS for depth in _COLOUR_DEPTHS),
)
FORMATS = {name: _format(name) for name in _NAMES}
if TYPE_CHECKING:
    PixelFormatName = str
else:
    PixelFormatName = Literal[_NAMES]  # a literal type, so that models of files and their schemas list the names

Samples = NDArray[np.uint8 | np.uint16]
Grey = NDArray[np.float32]
Shown = NDArray[np.uint8]


@dataclass(frozen=True)
class Snapshot:
    """A picture as its camera delivered it, and how to read it."""

    picture: Samples  # of `form.shape`
    form: PixelFormat
    height: int
    width: int


FULL_BITS = 16  # samples are raised to so many before colours are mixed, so that rounding is below one of theirs


def unpack(stored: Samples, form: PixelFormat, height: int, width: int) -> Samples:
    """The samples of a stored picture, one array element each: (height, width), of three colours (height, width, 3).

    uint8 for 8 bits, else uint16 from 0 to 2 ** bits - 1. A Bayer picture stays a mosaic; colours keep their order.
    """
    if not form.is_packed:
        return stored
    return samples_at(stored, form, np.arange(height * width)).reshape(height, width)


def samples_at(stored: Samples, form: PixelFormat, index: NDArray[np.intp]) -> Samples:
    """Single samples of stored pictures, which lie along the last axis: (..., len(index)), as `unpack` has them.

    `index`: places in a picture as `unpack` makes it, flattened.
    """
    if not form.is_packed:
        return stored.take(index, axis=-1)
    read = _in_pairs if form.packing == "Packed" else _one_behind_the_other
    return read(stored, index, form.bits)


def _one_behind_the_other(data: Samples, index: NDArray[np.intp], bits: int) -> NDArray[np.uint16]:
    """Samples from bytes in which they lie without gaps, lowest bit first."""
    first_bits = index * bits
    byte, shift = first_bits >> 3, (first_bits & 7).astype(np.uint16)
    # A sample of 10 or 12 bits lies in two bytes, as it begins at an even bit; one of 14 may end in a third.
    samples = (_bytes(data, byte) | _bytes(data, byte + 1) << 8) >> shift
    if bits > 12:
        samples |= _bytes(data, (byte + 2).clip(max=data.shape[-1] - 1)) << (16 - shift)
    return np.asarray(samples & np.uint16((1 << bits) - 1))


def _in_pairs(data: Samples, index: NDArray[np.intp], bits: int) -> NDArray[np.uint16]:
    """Samples from groups of three bytes: the high bits of one, the low bits of both, the high bits of the other."""
    group, is_second = index // 2 * 3, (index & 1).astype(np.uint16)
    low = _bytes(data, group + 1) >> 4 * is_second & np.uint16((1 << bits - 8) - 1)
    return np.asarray(_bytes(data, group + 2 * is_second) << bits - 8 | low)


def _bytes(data: Samples, places: NDArray[np.intp]) -> NDArray[np.uint16]:
    return data.take(places, axis=-1).astype(np.uint16)


def grey(stored: Samples, form: PixelFormat, height: int, width: int) -> Grey:
    """A picture as linear grey, float32 (height, width): 0 to 1 of the highest value that a sample can have.

    Of colours it is the mean of red, green and blue with equal weights; those for a screen's colours mean nothing
    for a sensor's. The colours that a Bayer mosaic lacks are interpolated from the neighbours, linearly.
    """
    samples = unpack(stored, form, height, width)
    if form.pattern:
        top = ((1 << form.bits) - 1) << (FULL_BITS - form.bits)
        return np.asarray(_demosaiced(samples, form).mean(axis=2, dtype=np.float32) / np.float32(top))
    if form.channels > 1:
        samples = samples.mean(axis=2, dtype=np.float32)
    return np.asarray(samples / np.float32((1 << form.bits) - 1), np.float32)


def shown(stored: Samples, form: PixelFormat, height: int, width: int) -> Shown:
    """A picture for people: uint8 (height, width) without colours, (height, width, 3) with them.

    Of deeper samples the upper 8 bits; nothing else is changed.
    """
    samples = unpack(stored, form, height, width)
    if form.pattern:
        return (_demosaiced(samples, form) >> (FULL_BITS - 8)).astype(np.uint8)
    picture = (samples >> (form.bits - 8)).astype(np.uint8)
    return picture[..., ::-1] if form.is_blue_first else picture


def rgb(stored: Samples, form: PixelFormat, height: int, width: int) -> Shown:
    """A picture for people as red, green and blue, uint8 (height, width, 3); see `shown`."""
    picture = shown(stored, form, height, width)
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, np.newaxis], 3, axis=2)


def _demosaiced(samples: Samples, form: PixelFormat) -> NDArray[np.uint16]:
    """Red, green and blue of a mosaic, uint16 (height, width, 3), raised to FULL_BITS."""
    import cv2  # takes 0.2 s to load, and only colour cameras need it

    # OpenCV spells all four colours of a pattern; its older two-letter names mean other corners than GenICam's.
    pattern = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}[form.pattern]
    raised = samples.astype(np.uint16) << (FULL_BITS - form.bits)
    return np.asarray(cv2.cvtColor(raised, getattr(cv2, f"COLOR_Bayer{pattern}2RGB")), np.uint16)

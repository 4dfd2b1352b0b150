"""Pixel formats: how a picture lies in a camera's buffer and in the file, by its name in GenICam's PFNC.

    Mono8, BayerRG8         uint8 (height, width)           Mono10, Mono12, BayerRG12   uint16 (height, width)
    RGB8                    uint8 (height, width, 3)        Mono10p, Mono12p            uint8 (bytes,): packed

Pictures are stored as delivered. What is looked at is made of them when it is asked for:

    stored --> unpack --> samples: uint8 or uint16 (height, width), with three colours (height, width, 3)
                 +------> grey     for measuring: linear, float32 (height, width), 0 to 1
                 +------> rgb      for people: uint8 (height, width, 3)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

PixelFormatName = Literal[
    "Mono8", "Mono10", "Mono10p", "Mono12", "Mono12p",
    "BayerRG8", "BayerGR8", "BayerGB8", "BayerBG8",
    "BayerRG12", "BayerGR12", "BayerGB12", "BayerBG12",
    "RGB8",
]  # fmt: skip


@dataclass(frozen=True)
class PixelFormat:
    """One format. `pattern`: the colours of the first two pixels of a Bayer sensor; empty for others."""

    name: str
    bits: int  # of one sample
    channels: int = 1
    is_packed: bool = False  # samples follow each other without gaps, lowest bit first
    pattern: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array that holds a picture."""
        return np.dtype("u1" if self.is_packed or self.bits == 8 else "<u2")

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Of the array that holds a picture of this size."""
        if self.is_packed:
            return (-(-height * width * self.bits // 8),)
        return (height, width, self.channels) if self.channels > 1 else (height, width)

    def size(self, height: int, width: int) -> int:
        """Bytes of a picture of this size."""
        return int(np.prod(self.shape(height, width))) * self.dtype.itemsize


def _format(name: str) -> PixelFormat:
    if name == "RGB8":
        return PixelFormat(name, 8, channels=3)
    pattern = name[5:7] if name.startswith("Bayer") else ""
    bits = int(name.removeprefix("Mono").removeprefix(f"Bayer{pattern}").removesuffix("p"))
    return PixelFormat(name, bits, is_packed=name.endswith("p"), pattern=pattern)


FORMATS = {name: _format(name) for name in get_args(PixelFormatName)}

Samples = NDArray[np.uint8 | np.uint16]
Grey = NDArray[np.float32]
Shown = NDArray[np.uint8]

FULL_BITS = 16  # samples are raised to so many before colours are mixed, so that rounding is below one of theirs


def unpack(stored: Samples, form: PixelFormat, height: int, width: int) -> Samples:
    """The samples of a stored picture, one array element each: (height, width), of RGB8 (height, width, 3).

    uint8 for 8 bits, else uint16 from 0 to 2 ** bits - 1. A Bayer picture stays a mosaic.
    """
    if not form.is_packed:
        return stored
    first_bits = np.arange(height * width) * form.bits
    # Two bytes hold any sample: it has at most 12 bits and begins at an even bit. The last may end with the bytes.
    data = np.append(stored, np.uint8(0)).astype(np.uint16)
    byte, shift = first_bits >> 3, (first_bits & 7).astype(np.uint16)
    samples: Samples = (data[byte] | data[byte + 1] << 8) >> shift & np.uint16((1 << form.bits) - 1)
    return samples.reshape(height, width)


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
    return (samples >> (form.bits - 8)).astype(np.uint8)


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

"""Pixel formats: how a picture lies in a camera's buffer and in the file, by its name in GenICam's PFNC.

    Mono8, BayerRG8         uint8 (height, width)           Mono10, Mono12, BayerRG12   uint16 (height, width)
    RGB8                    uint8 (height, width, 3)        Mono10p, Mono12p            uint8 (bytes,): packed

Pictures are stored as delivered; `grey` and `rgb` make of them what people and programs look at.
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

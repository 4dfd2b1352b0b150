"""A photodiode on a virtual screen: it reads the patch's pixel from the memory that Xvfb draws into."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

XWD_HEADER = struct.Struct(">25I")  # X window dump: header size, ..., bytes per line, ..., number of colours
_HEADER_SIZE, _BYTES_PER_LINE, _COLOURS = 0, 12, 19
BYTES_PER_PIXEL, BYTES_PER_COLOUR = 4, 12
BRIGHT = 127


class Photodiode:
    """Tells whether the screen is bright at one pixel."""

    def __init__(self, framebuffer: Path, x: int, y: int) -> None:
        with framebuffer.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header = XWD_HEADER.unpack(self._memory[: XWD_HEADER.size])
        pixels = header[_HEADER_SIZE] + header[_COLOURS] * BYTES_PER_COLOUR
        self._offset = pixels + y * header[_BYTES_PER_LINE] + x * BYTES_PER_PIXEL

    def is_bright(self) -> bool:
        """The green of the pixel now; 2 us."""
        return bool(self._memory[self._offset + 1] > BRIGHT)

    def close(self) -> None:
        """Give the screen's memory back."""
        self._memory.close()

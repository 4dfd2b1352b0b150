"""What looks at a virtual screen, in the memory that Xvfb draws into: a photodiode on the patch, and the whole room.

Both read the green of pixels; 2 us for one, some 10 us for the whole screen.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

XWD_HEADER = struct.Struct(">25I")  # X window dump: header size, ..., width, height, ..., bytes per line, ..., colours
_HEADER_SIZE, _WIDTH, _HEIGHT, _BYTES_PER_LINE, _COLOURS = 0, 4, 5, 12, 19
BYTES_PER_PIXEL, BYTES_PER_COLOUR = 4, 12
BRIGHT = 127
GRID = 8  # points across and down at which the whole screen is looked at


class ScreenMemory:
    """The pixels of a virtual screen."""

    def __init__(self, framebuffer: Path) -> None:
        with framebuffer.open("rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._header = XWD_HEADER.unpack(self.memory[: XWD_HEADER.size])
        self.width, self.height = self._header[_WIDTH], self._header[_HEIGHT]

    def place(self, x: int, y: int) -> int:
        """Where the green of a pixel lies."""
        pixels = self._header[_HEADER_SIZE] + self._header[_COLOURS] * BYTES_PER_COLOUR
        return int(pixels + y * self._header[_BYTES_PER_LINE] + x * BYTES_PER_PIXEL + 1)

    def close(self) -> None:
        """Give the memory back."""
        self.memory.close()


class Photodiode:
    """Tells whether the screen is bright at one pixel."""

    def __init__(self, screen: ScreenMemory, x: int, y: int) -> None:
        self._memory, self._place = screen.memory, screen.place(x, y)

    def is_bright(self) -> bool:
        """Whether it is now."""
        return bool(self._memory[self._place] > BRIGHT)


class RoomLight:
    """Tells how bright the whole screen is, from GRID x GRID of its pixels."""

    def __init__(self, screen: ScreenMemory) -> None:
        self._memory = screen.memory
        across, down = (range(size // (2 * GRID), size, size // GRID) for size in (screen.width, screen.height))
        self._places = [screen.place(x, y) for y in down for x in across]

    def brightness(self) -> float:
        """The mean now: 0 black, 1 white."""
        memory = self._memory
        return sum([memory[place] for place in self._places]) / (255 * len(self._places))

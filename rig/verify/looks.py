"""One look at every picture of a stream: whether it is intact, and how bright, sharp and lit by the sync LEDs it is.

    pictures --> as delivered? --> a grid of samples: mean, saturated, dark, tiles    (sampling.py)
                            +----> levels of the sync LEDs                             (leds.py)
                            +----> blur of edges, of one frame in BLUR_PULSES pulses   (blur.py)

Each picture is read once, for all checks that need pixels. Blocks of them are read and looked at by one thread for each
core. What is kept takes 81 bytes a frame, and 24 more with LEDs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rig import host, pixels
from rig.errors import RigError, SessionError
from rig.session.run import Run, Stream
from rig.streams import Picture
from rig.verify.pictures.blur import blur_px
from rig.verify.pixels.leds import FEWEST_FRAMES, SAMPLE_FRAMES, LedPlace, find_leds, led_timing, stored_stretches
from rig.verify.sampling import TILES_ACROSS, TILES_DOWN, Grid

BLOCK_BYTES = 4 << 20  # of pictures, in the memory of each thread
MOST_BLOCK = 256  # pictures of a block
BLOCKS_AHEAD = 64  # given to the threads at a time; so much more is looked at after somebody breaks it off
MOST_THREADS = 4  # more only wait for the memory
BLUR_PULSES = 400  # one frame in so many pulses is looked at for blur, which takes as long as reading a hundred
LED_SEARCHES = (1 / 2, 1 / 8, 7 / 8)  # where in a stream the LEDs are looked for, until they are found
GLOW, NEIGHBOURS = 1, 4  # sizes of an LED around it: for its own glow; for others that were not seen to blink

Tell = Callable[[int], None]  # hears of bytes of pictures that were looked at
Box = tuple[int, int, int, int]  # top, left, bottom, right, px; the last two are the first outside


@dataclass(frozen=True, eq=False)
class Looks:
    """What was seen of n frames of one stream, in the order of its rows. Where not `is_good`, all else is nan."""

    is_good: NDArray[np.bool_]  # (n,) equals the checksum that was taken when it arrived
    mean: NDArray[np.float32]  # (n,) of the samples, 0 to 1 of full scale
    saturated: NDArray[np.float32]  # (n,) share of the samples at full scale, those near sync LEDs apart
    dark: NDArray[np.float32]  # (n,) share of the samples that are nearly black
    tiles: NDArray[np.float32]  # (n, TILES_DOWN, TILES_ACROSS) mean of each tile
    blur_px: NDArray[np.float32]  # (n,) standard deviation of the best edges' blur; nan where not looked at
    leds: NDArray[np.float64] | None  # (n, 3) levels of the sync LEDs, of full scale; None: no LED found
    place: LedPlace | None

    @classmethod
    def of_nothing(cls, count: int, place: LedPlace | None) -> Looks:
        """Room for `count` frames that nobody looked at yet."""
        per_frame = (np.full(count, np.nan, np.float32) for _ in range(4))
        mean, saturated, dark, blur = per_frame
        tiles = np.full((count, TILES_DOWN, TILES_ACROSS), np.nan, np.float32)
        leds = np.full((count, 3), np.nan) if place else None
        return cls(np.zeros(count, bool), mean, saturated, dark, tiles, blur, leds, place)


# A stream is not kept from being closed and forgotten by what was seen of it.
_SEEN: WeakKeyDictionary[Stream, Looks] = WeakKeyDictionary()


def looks(run: Run, stream: Stream) -> Looks:
    """What is seen of the pictures of a stream, also of one of the line walk; looked at once. Raises SessionError."""
    return _looked_at(run, stream, lambda _: None)


def look_at_all(run: Run, tell: Tell) -> None:
    """Look at all pictures of a run ahead of its checks, some streams at a time; never raises because of them.

    `tell` hears how it goes on, from several threads.
    """

    def look(stream: Stream) -> None:
        try:
            _looked_at(run, stream, tell)
        except Exception:  # the check that asks for them again says what is wrong
            return

    # While LEDs are looked for in one stream, which takes one core, another one is read.
    with ThreadPoolExecutor(min(MOST_THREADS, host.cores())) as pool:
        list(pool.map(look, [*run.streams.values(), *run.walk_streams.values()]))


def picture_bytes(run: Run) -> int:
    """All that `look_at_all` tells in the end, bytes; 0 when the run's rows cannot be read."""
    try:
        streams = [*run.streams.values(), *run.walk_streams.values()]
        return sum(len(each.frames) * each.pixel_format.size(each.height, each.width) for each in streams)
    except RigError:
        return 0


def _looked_at(run: Run, stream: Stream, tell: Tell) -> Looks:
    if stream not in _SEEN:
        is_walk = run.streams.get(stream.name) is not stream
        place = None if is_walk else _place(run, stream)
        _SEEN[stream] = _Looking(stream, place).look(tell)
    return _SEEN[stream]


class _Looking:
    """Looks at the pictures of one stream, block by block."""

    def __init__(self, stream: Stream, place: LedPlace | None) -> None:
        self._stream, self._place = stream, place
        self._grid = Grid(stream.pixel_format, stream.height, stream.width)
        boxes = _led_boxes(place, 0)
        self._is_scene = self._grid.is_outside(boxes) if boxes else None
        self._out = Looks.of_nothing(len(stream.frames), place)
        has_all = place is not None and all(place.boxes)
        self._beside_leds = _led_boxes(place, GLOW if has_all else NEIGHBOURS)
        self._blur_step = max(1, BLUR_PULSES // stream.divisor)

    def look(self, tell: Tell) -> Looks:
        shape, dtype = self._stream.data.shape[1:], self._stream.data.dtype
        size = prod(shape) * dtype.itemsize
        step = int(np.clip(BLOCK_BYTES // size, 1, MOST_BLOCK))
        firsts = range(0, len(self._out.mean), step)
        with ThreadPoolExecutor(min(MOST_THREADS, host.cores())) as pool:
            for k in range(0, len(firsts), BLOCKS_AHEAD):
                for count in pool.map(lambda first: self._block(first, step), firsts[k : k + BLOCKS_AHEAD]):
                    tell(count * size)
        return self._out

    def _block(self, first: int, step: int) -> int:
        """Look at up to `step` pictures from `first` on; returns how many there were."""
        stream, out = self._stream, self._out
        count = min(step, len(out.mean) - first)
        pictures = np.empty((count, *stream.data.shape[1:]), stream.data.dtype)
        is_good = stream.data.fill(pictures, first)
        out.is_good[first : first + count] = is_good
        seen = self._grid.look(pictures, self._is_scene)
        found: dict[str, NDArray[Any]] = {
            "mean": seen.mean,
            "saturated": seen.saturated,
            "dark": seen.dark,
            "tiles": seen.tiles,
        }
        if self._place is not None:
            found["leds"] = led_levels(self._place, pictures, stream.pixel_format)
        for name, values in found.items():
            getattr(out, name)[first : first + count][is_good] = values[is_good]
        for index in np.flatnonzero(is_good & (np.arange(first, first + count) % self._blur_step == 0)):
            out.blur_px[first + index] = self._blur(pictures[index])
        return count

    def _blur(self, picture: Picture) -> float:
        stream = self._stream
        seen = pixels.grey(picture, stream.pixel_format, stream.height, stream.width)
        return blur_px(seen, self._beside_leds)


def led_levels(place: LedPlace, pictures: NDArray[Any], form: pixels.PixelFormat) -> NDArray[np.float64]:
    """Levels of the sync LEDs in k stored pictures, float64 (k, 3), of full scale: LedPlace.levels of all of them."""
    channels = np.arange(form.channels)
    index = (place.index[:, np.newaxis] * form.channels + channels).reshape(-1)
    read = pixels.samples_at(pictures.reshape(len(pictures), -1), form, index)
    seen = read.reshape(len(pictures), -1, form.channels).mean(axis=2, dtype=np.float64)
    return np.asarray(seen @ place.weights.T / ((1 << form.bits) - 1))


def _place(run: Run, stream: Stream) -> LedPlace | None:
    """Where the LEDs are, looked for in some places of a stream."""
    longest = max(stored_stretches(run, stream), key=len)
    count = len(longest)
    if count < FEWEST_FRAMES:
        return None
    exposures, row_us = led_timing(run, stream), stream.row_time_us
    starts = (round(share * count - SAMPLE_FRAMES / 2) for share in LED_SEARCHES)
    for start in dict.fromkeys(max(0, min(count - SAMPLE_FRAMES, start)) for start in starts):
        first = int(longest[start])
        last = first + min(count, SAMPLE_FRAMES)
        found = find_leds(_greys(stream, first, last), exposures, stream.pulse_numbers[first:last], row_us=row_us)
        if found is not None:
            return found
    return None


def _greys(stream: Stream, first: int, last: int) -> Iterator[pixels.Grey]:
    """Pictures for finding LEDs, damaged ones as well: they are few, or nothing is found."""
    for index in range(first, last):
        try:
            picture = stream.data.read(index, check_sums=False)
        except SessionError:
            picture = np.zeros(stream.data.shape[1:], stream.data.dtype)
        yield pixels.grey(picture, stream.pixel_format, stream.height, stream.width)


def _led_boxes(place: LedPlace | None, sizes: int) -> list[Box]:
    """The LEDs that were found, with so many of their sizes around each."""
    if place is None:
        return []
    boxes = []
    for box in filter(None, place.boxes):
        down, across = sizes * (box.bottom - box.top), sizes * (box.right - box.left)
        boxes.append((box.top - down, box.left - across, box.bottom + down, box.right + across))
    return boxes

"""The pictures of a film clip, in the order in which they are shown.

Decoding from the first picture on is the truth about which picture has which number: headers, seek tables and
edit lists of real files disagree with each other, so nothing here seeks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import Interpolation

from rig.errors import ClipError
from rig.streams import Picture

Size = tuple[int, int]  # width, height in pixels


def fitted(size: Size, into: Size) -> Size:
    """The largest size of the same shape that fits `into`; (width, height), whole px, at least 1."""
    scale = min(into[0] / size[0], into[1] / size[1])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def texture_size(size: Size, screen: Size) -> Size:
    """The size at which a film is decoded: its own, or what is shown of it when that is smaller."""
    shown = fitted(size, screen)
    return shown if shown[0] < size[0] else size


def decoded(path: Path, first: int = 0, frames: int | None = None) -> Generator[Any, None, None]:
    """The film's frames as PyAV decodes them, oldest first (`av.VideoFrame`, still in the film's own format).

    `first`: film frames of the file left out before the first one given, `frames`: how many are given; those of a clip
    are `decoded(clip.path, clip.first, clip.frames)`. What is left out before is decoded as well.
    Blocks while it decodes, without holding the interpreter's lock. Raises ClipError when the file is no film or
    is damaged.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ClipError(str(path), "holds no pictures", allowed="a film with one video track")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield from islice(container.decode(stream), first, None if frames is None else first + frames)
    except (av.error.FFmpegError, OSError) as exc:
        raise ClipError(
            str(path), f"cannot be decoded: {exc.strerror}", hint="Copy the film anew, or encode it as H.264 in .mp4"
        ) from None


def due_s(path: Path, first: int = 0) -> float:
    """When film frame `first` is due on the clock of the file, s; 0 where the file does not say. Raises ClipError."""
    with closing(decoded(path, first, 1)) as frames:
        frame = next(frames, None)
    return float(frame.time) if frame is not None and frame.time is not None else 0.0


def scaled(frame: Any, size: Size, pixels: str) -> Any:
    """A decoded frame (`av.VideoFrame`) at `size` (width, height), as `pixels`, e.g. rgb24 or bgra."""
    return frame.reformat(*size, pixels, interpolation=Interpolation.BILINEAR)


def pictures(path: Path, size: Size | None = None) -> Iterator[Picture]:
    """The film's pictures in order: uint8 (height, width, 3) RGB, at `size` (width, height) or the film's own.

    Blocks while it decodes. Raises ClipError when the file is no film or is damaged.
    """
    for frame in decoded(path):
        yield scaled(frame, size or (frame.width, frame.height), "rgb24").to_ndarray()


def picture(path: Path, index: int) -> Picture:
    """Film frame `index` (from 0): uint8 (height, width, 3) RGB. Blocks while it decodes up to there.

    Raises ClipError when the film has no such frame, is no film, or is damaged.
    """
    for frame in islice(decoded(path), max(index, 0), None):
        if index < 0:
            break
        found: Picture = scaled(frame, (frame.width, frame.height), "rgb24").to_ndarray()
        return found
    raise ClipError(str(path), "is no film frame of it", value=str(index), allowed="a number from 0 to its last frame")

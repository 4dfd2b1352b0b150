"""The pictures of a film clip, in the order in which they are shown.

    when the clip's first picture is due is known --> a key frame before it --> decoded to the picture due then
                                             else --> every picture of the film from its start, counted

Decoding from the first picture on is the truth about which picture has which number: headers, seek tables and edit
lists of real files disagree with each other. A table is believed for finding a key frame, and no further; whether
decoding from there gives the same pictures is found out when a film is counted (counted.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import Interpolation

from rig.errors import ClipError
from rig.streams import Picture

Size = tuple[int, int]  # width, height in pixels
SAME_S = 1e-4  # times of one film frame, by two ways of reckoning
EARLY_S = (0.0, 2.0)  # how much before a picture its key frame is looked for: one shown before its own needs an earlier


def fitted(size: Size, into: Size) -> Size:
    """The largest size of the same shape that fits `into`; (width, height), whole px, at least 1."""
    scale = min(into[0] / size[0], into[1] / size[1])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def texture_size(size: Size, screen: Size) -> Size:
    """The size at which a film is decoded: its own, or what is shown of it when that is smaller."""
    shown = fitted(size, screen)
    return shown if shown[0] < size[0] else size


def opened(path: Path) -> Any:
    """A film open for reading (`av.container.InputContainer`). Raises av.error.FFmpegError, OSError.

    A name is never looked at for a protocol of FFmpeg's: `file:a.mp4` is a file of that name, not another one.
    """
    return av.open(str(path.absolute()))


def decoded(
    path: Path,
    first: int = 0,
    frames: int | None = None,
    at_s: float | None = None,
    is_left: Callable[[], bool] = lambda: False,
) -> Generator[Any, None, None]:
    """The film's frames as PyAV decodes them, oldest first (`av.VideoFrame`, still in the film's own format).

    `first`: film frames of the file left out before the first one given, `frames`: how many are given, `at_s`: when the
    first one is due, as `due_s`; those of a clip are `decoded(clip.path, clip.first, clip.frames, clip.at_s)`. Without
    `at_s`, or where it is not found by it, what is left out before is decoded as well, however long that takes; once
    `is_left` no more is. Blocks while it decodes, without holding the interpreter's lock. Raises ClipError when the
    file is no film or is damaged.
    """
    jump = [] if at_s is None else [jumped(path, at_s, is_left)]
    try:
        for found in (*jump, _counted(path, first, is_left)):
            with closing(found):
                if (head := next(found, None)) is not None:
                    yield head
                    yield from islice(found, None if frames is None else frames - 1)
                    return
    except (av.error.FFmpegError, OSError) as exc:
        raise ClipError(
            str(path), f"cannot be decoded: {exc.strerror}", hint="Copy the film anew, or encode it as H.264 in .mp4"
        ) from None


def _counted(path: Path, first: int, is_left: Callable[[], bool]) -> Generator[Any, None, None]:
    """From film frame `first` on, counted from the film's start."""
    with opened(path) as container:
        yield from islice(_from_here(path, container, is_left), first, None)


def jumped(path: Path, at_s: float, is_left: Callable[[], bool] = lambda: False) -> Generator[Any, None, None]:
    """From the film frame due at `at_s` on, by way of a key frame before it; nothing when it is not found so."""
    for early_s in EARLY_S:
        with opened(path) as container:
            frames = _from_here(path, container, is_left)
            head = _sought(container, frames, at_s, early_s)
            if head is not None:
                yield head
                yield from frames
                return


def _sought(container: Any, frames: Iterator[Any], at_s: float, early_s: float) -> Any | None:
    """The film frame due at `at_s`, from a key frame due `early_s` or more before it on; None when it is not there."""
    with suppress(av.error.FFmpegError, IndexError):  # a file without pictures is refused by who counts them
        stream = container.streams.video[0]
        container.seek(round((at_s - early_s) / stream.time_base), stream=stream)
        head = next((frame for frame in _whole(frames) if frame.time > at_s - SAME_S), None)
        return head if head is not None and head.time < at_s + SAME_S else None
    return None


def _from_here(path: Path, container: Any, is_left: Callable[[], bool]) -> Iterator[Any]:
    if not container.streams.video:
        raise ClipError(str(path), "holds no pictures", allowed="a film with one video track")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    for frame in container.decode(stream):
        if is_left():
            return
        yield frame


def _whole(frames: Iterator[Any]) -> Iterator[Any]:
    """Those with a time that are whole: what is shown before the first key frame is made of one before that, too."""
    is_whole = False
    for frame in frames:
        is_whole = is_whole or frame.key_frame
        if is_whole and not frame.is_corrupt and frame.time is not None:
            yield frame


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


def picture(path: Path, index: int, first: int = 0, at_s: float | None = None) -> Picture:
    """Film frame `index` (from 0) after `first`, which is due at `at_s`: uint8 (height, width, 3) RGB.

    Blocks while it decodes up to there. Raises ClipError when the film has no such frame, is no film, or is damaged.
    """
    with closing(decoded(path, first, at_s=at_s)) as frames:
        frame = next(islice(frames, index, None), None) if index >= 0 else None
    if frame is None:
        allowed = "a number from 0 to its last frame"
        raise ClipError(str(path), "is no film frame of it", value=str(first + index), allowed=allowed)
    found: Picture = scaled(frame, (frame.width, frame.height), "rgb24").to_ndarray()
    return found

"""Single film frames as JPEG, also backwards, and never a wrong one.

    film frame of the clip --> cached? --> the decoder is just before it --> go on
                                       --> a key frame before it --> decode to the frame whose time is the asked one's
                                       --> else count from the clip's film frame 0

The session knows the time of each film frame, as it was decoded for the participant. A frame behind a jump is the right
one only when its time says so; tables of the film file itself are believed for finding a key frame, and no further.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.errors import ClipError, RigError, UserError
from rig.session.timeline import Timeline

MOST_BYTES = 8 << 20  # of encoded film frames
MOST_WIDTH = 960  # px of what is sent
BACK = 8  # film frames before the asked one that are kept when somebody goes backwards
AHEAD = 50  # film frames that are rather decoded than jumped over
SAME_S = 1e-4  # times of one film frame, by two ways of reckoning
QUALITY = 90
Numbered = tuple[int, Any]  # a film frame's number in the clip, and the frame as decoded (av.VideoFrame)


class Films:
    """The film frames of a session's clips. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._jpegs: OrderedDict[tuple[Path, int, int], bytes] = OrderedDict()
        self._bytes, self._lock = 0, Lock()
        self._film: Film | None = None  # one alone is open: a decoder holds many pictures

    def jpeg(self, line: Timeline, clip: str, number: int) -> bytes:
        """Film frame `number` of a clip that the run of `line` played, at most 960 px wide.

        Blocks while it decodes. Raises ClipError when the film is not here, UserError for a number it has not.
        """
        with self._lock:
            film = self._opened(line, clip)
            if not 0 <= number < film.frames:
                allowed = f"0 to {film.frames - 1}"
                raise UserError(f"clip {clip}", "has no such film frame", value=str(number), allowed=allowed)
            if (*film.key, number) not in self._jpegs:
                for at, frame in film.frames_at(number):
                    self._keep((*film.key, at), _encoded(frame))
            self._jpegs.move_to_end((*film.key, number))
            return self._jpegs[*film.key, number]

    def _opened(self, line: Timeline, clip: str) -> Film:
        known, path = line.run.clip(clip), line.film_path(clip)
        first = int(known.get("first", 0))
        if self._film is None or self._film.key != (path, first):
            self.close()
            self._film = Film(path, first, known["pts"], known["jump_s"])
        return self._film

    def _keep(self, key: tuple[Path, int, int], jpeg: bytes) -> None:
        self._bytes += len(jpeg) - len(self._jpegs.get(key, b""))
        self._jpegs[key] = jpeg
        while self._bytes > MOST_BYTES and len(self._jpegs) > 1:
            self._bytes -= len(self._jpegs.popitem(last=False)[1])

    def close(self) -> None:
        """Give the film back; it is opened anew when it is needed."""
        if self._film is not None:
            self._film.close()
            self._film = None


class Film:
    """The part of a film file that is a clip, decoded where it is needed."""

    def __init__(self, path: Path, first: int, pts_s: NDArray[np.float64], at_s: float | None = None) -> None:
        """`first`: film frame of the file that is the clip's film frame 0; `pts_s` counts from there.

        `at_s`: when it is due on the file's clock, where it is found exactly by a jump there.
        """
        self.key, self.frames = (path, first), len(pts_s)
        self._path, self._first, self._pts_s = path, first, pts_s
        self._is_told_by_time = bool((np.diff(pts_s) > 2 * SAME_S).all())
        self._jump_s = self._start_s = at_s  # of the clip's film frame 0, on the file's clock
        self._jumping: Generator[Numbered, None, None] | None = None
        self._next, self._last_asked = 0, -1

    def close(self) -> None:
        """Give the file back."""
        if self._jumping is not None:
            self._jumping.close()
            self._jumping = None

    def frames_at(self, number: int) -> Iterator[Numbered]:
        """Film frame `number`, and some before it when the one asked for before came later. Raises ClipError.

        They come as they are decoded: one of 1280x720 is 1.4 MB. One may come again, when a quicker way broke off.
        """
        first = max(0, number - BACK) if number < self._last_asked else number
        self._last_asked = number
        for found in (*self._ways(first), self._counted()):
            if (yield from self._goes_to(first, number, found)):
                return
        raise ClipError(str(self._path), "has fewer film frames than the session says", value=str(self.frames))

    def _ways(self, first: int) -> Iterator[Generator[Numbered, None, None]]:
        """Quicker ways to film frame `first` than to count up to it."""
        if self._jumping is not None and self._next <= first <= self._next + AHEAD:
            yield self._jumping
        if self._is_told_by_time:
            yield self._from_key_frame(first)
            yield self._from_key_frame(max(0, first - AHEAD))  # when it comes before the key frame that it needs

    def _goes_to(
        self, first: int, number: int, frames: Generator[Numbered, None, None]
    ) -> Generator[Numbered, None, bool]:
        """Film frames `first` to `number`; whether the last is among `frames`, which are then left open behind it."""
        if frames is not self._jumping:
            self.close()
            self._jumping = frames
        for at, frame in frames:
            self._next = at + 1
            if first <= at <= number:
                yield at, frame
            if at >= number:
                return at == number
        self.close()
        return False

    def _counted(self) -> Generator[Numbered, None, None]:
        """From the clip's film frame 0: what its frames are is said by their count alone."""
        from rig.clips.decode import decoded

        with closing(decoded(self._path, self._first, self.frames, self._jump_s)) as frames:
            yield from enumerate(frames)

    def _from_key_frame(self, number: int) -> Generator[Numbered, None, None]:
        """From the last key frame at or before film frame `number` on, as far as their times tell which they are."""
        import av

        from rig.clips.decode import opened

        start_s = self._known_start_s()
        with suppress(av.error.FFmpegError, OSError), opened(self._path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # each, one a core by itself, would hold pictures of its own
            wanted_s = start_s + float(self._pts_s[number])
            container.seek(round(wanted_s / stream.time_base), stream=stream)
            yield from self._told(container.decode(stream), start_s)

    def _told(self, frames: Iterator[Any], start_s: float) -> Iterator[Numbered]:
        """Frames with their numbers; ends at one whose time is none of the clip's.

        What is shown before the first key frame was filmed after it: half of what it is made of is missing.
        """
        is_whole = False
        for frame in frames:
            is_whole = is_whole or frame.key_frame
            if not is_whole or frame.is_corrupt or frame.time is None or frame.time < start_s - SAME_S:
                continue
            number = int(np.abs(self._pts_s - (frame.time - start_s)).argmin())
            if abs(self._pts_s[number] - (frame.time - start_s)) > SAME_S:
                return
            yield number, frame

    def _known_start_s(self) -> float:
        from rig.clips.decode import due_s

        if self._start_s is None:
            self._start_s = due_s(self._path, self._first)
        return self._start_s


def _encoded(frame: Any) -> bytes:
    from rig.clips.decode import fitted, scaled

    size = (frame.width, frame.height)
    smaller = fitted(size, (min(MOST_WIDTH, frame.width), frame.height))
    return jpeg(scaled(frame, smaller, "bgr24").to_ndarray())


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 (height, width) grey or (height, width, 3) in blue, green, red, as JPEG."""
    import cv2

    is_made, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not is_made:
        raise RigError("picture", "cannot be made a JPEG")
    return bytes(data)

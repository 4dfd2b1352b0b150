"""A film counted by decoding it: how many pictures, of which size, and when each is due.

    every picture decoded --> those in [in_s, out_s) --> at even times --> Counted
                              the same from a key frame before in_s? --> that may be jumped to

A film is refused when it cannot be shown exactly as it was filmed: pictures at uneven times, changing size,
rotated by a header, not square in their pixels, or in half pictures (interlaced). Headers are not believed: they say
0 pictures, 1000 a second, or twice the true rate.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from rig.clips.decode import decoded, jumped, opened, scaled
from rig.clock import NS, HostClock
from rig.errors import ClipError

# What is counted of a film is kept (known.py) under this number. Raise it whenever `count` finds anything else in any
# film, or refuses one that it took: else what was kept before is still believed.
COUNTING = 2
LISTS = {"concat", "dash", "hls", "image2", "mlv", "rtsp", "sdp"}  # formats that lead to files no sha256 pins
# Containers round times to milliseconds, so intervals of a constant rate differ by up to 1 ms.
UNEVEN_S = 0.0015
NORMALISE = "`rig clips normalise` makes a film that can be shown of it"
ANEW = "Fetch the film anew"
TIMES = "in_s and out_s count from the film's first picture; mend them in the protocol"


@dataclass(frozen=True)
class Counted:
    """What is shown of a film, as it was decoded."""

    width: int  # px
    height: int  # px
    fps: float  # counted from the times of the pictures
    first: int  # film frame of the file that is shown first
    pts_s: tuple[float, ...]  # time of each picture shown, after the first one shown, s
    at_s: float  # when the first one shown is due on the clock of the file, s
    may_jump: bool  # whether decoding from a key frame before it gave the same pictures as decoding from the start
    ready_s: float | None = field(default=None, compare=False)  # what coming to it took, s; None: it was not measured


def count(path: Path, in_s: float | None = None, out_s: float | None = None) -> Counted:
    """Decode a film and count what lies in [in_s, out_s), s after its first picture; None: from its first, to its last.

    Times are compared in whole milliseconds, as containers keep them. Blocks while it decodes. Raises ClipError when
    it cannot be shown.
    """
    require_plain_track(path)
    with closing(_Jump(path)) as jump:
        shape, times = _decode(path, in_s, out_s, jump)
    first = _first(path, times, in_s)
    part = times[first:]
    if len(part) < 2:
        raise ClipError(str(path), f"has too few pictures: {len(part)}", allowed="at least 2", hint=NORMALISE)
    fps = _constant_rate(path, part, first)
    _require_end(path, times[-1] + 1 / fps, out_s)
    pts_s = tuple(time - part[0] for time in part)
    at_s = float(shape.time) + part[0]
    return Counted(shape.width, shape.height, fps, first, pts_s, at_s, jump.is_exact, jump.ready_s)


def require_plain_track(path: Path) -> None:
    """Raises ClipError unless the file is a film, in itself, of one track with square pixels."""
    try:
        with opened(path) as container:
            kinds = LISTS & set(container.format.name.split(","))
            tracks = len(container.streams.video)
            aspect = container.streams.video[0].sample_aspect_ratio if tracks else None
    except (av.error.FFmpegError, OSError) as exc:
        reason = exc.strerror or str(exc)
        raise ClipError(str(path), f"is no film: {reason}", allowed="a film such as H.264 in .mp4") from None
    if kinds:
        value, allowed = f"a list of other files ({', '.join(sorted(kinds))})", "one file that holds all of the film"
        raise ClipError(str(path), "is not allowed", value=value, allowed=allowed, hint=NORMALISE)
    if tracks != 1:
        value, hint = f"{tracks} video tracks", NORMALISE if tracks else ""
        raise ClipError(str(path), "is not allowed", value=value, allowed="one video track", hint=hint)
    if aspect not in (None, 0, 1):
        raise ClipError(
            str(path), "is not allowed", value=f"pixels of shape {aspect}", allowed="square ones", hint=NORMALISE
        )


def _decode(path: Path, in_s: float | None, out_s: float | None, jump: _Jump) -> tuple[Any, list[float]]:
    """The first frame of the file, and the time of each after it in s, to `out_s`; `jump` sees those from `in_s` on."""
    first: Any = None
    times: list[float] = []
    for index, frame in enumerate(decoded(path)):
        first = first or frame
        if out_s is not None and _ms(time_s(first, frame)) >= _ms(out_s):
            break
        for fault, hint in _faults(first, frame):
            raise ClipError(str(path), f"cannot be shown: {fault} at film frame {index}", hint=hint)
        times.append(time_s(first, frame))
        if in_s is not None and index and _ms(times[-1]) >= _ms(in_s):
            jump.compare(frame)
    if not times:
        raise ClipError(str(path), "has too few pictures: 0", allowed="at least 2", hint=NORMALISE)
    return first, times


class _Jump:
    """Whether the pictures behind a jump to the first one shown are those that come when every one is decoded.

    Sync marks of real files stand at pictures that need others before them, and times in a film that was cut together
    come twice: so each picture is compared. What each of the two ways takes is measured meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.is_exact = False
        self._path, self._clock = path, HostClock()
        self._began_ns = self._clock.now_ns()
        self._decoded_s = self._jumped_s = 0.0  # from the film's start, and by the jump, to the first one shown
        self._frames: Generator[Any, None, None] | None = None

    @property
    def ready_s(self) -> float:
        """How long it took to come to the first picture shown, on the way that is taken to show it, s."""
        return self._jumped_s if self.is_exact else self._decoded_s

    def compare(self, frame: Any) -> None:
        """The next picture of the part, decoded from the film's start."""
        if self._frames is None:
            self.is_exact = _are_same(frame, self._leap(frame))
        elif self.is_exact:
            self.is_exact = _are_same(frame, _next(self._frames))

    def _leap(self, frame: Any) -> Any | None:
        """The first picture behind the jump to `frame`."""
        there_ns = self._clock.now_ns()
        self._frames = jumped(self._path, float(frame.time))
        other = _next(self._frames)
        self._decoded_s = (there_ns - self._began_ns) / NS
        self._jumped_s = (self._clock.now_ns() - there_ns) / NS
        return other

    def close(self) -> None:
        """Give the file back."""
        if self._frames is not None:
            self._frames.close()


def _next(frames: Iterator[Any]) -> Any | None:
    with suppress(av.error.FFmpegError):
        return next(frames, None)
    return None


def _are_same(frame: Any, other: Any) -> bool:
    if other is None or frame.pts != other.pts or (frame.width, frame.height) != (other.width, other.height):
        return False
    return np.array_equal(_samples(frame), _samples(other))


def _samples(frame: Any) -> NDArray[np.uint8]:
    """All of a picture that is seen: of the format of nearly every film without converting it."""
    is_plain = frame.format.name == "yuv420p" and frame.width % 2 == frame.height % 2 == 0
    kept = frame if is_plain else scaled(frame, (frame.width, frame.height), "rgb24")
    samples: NDArray[np.uint8] = kept.to_ndarray()
    return samples


def time_s(first: Any, frame: Any) -> float:
    """When a picture is due, s after the first one; 0 for one that does not say it."""
    return 0.0 if frame.pts is None or first.pts is None else float((frame.pts - first.pts) * frame.time_base)


def _faults(first: Any, frame: Any) -> Iterator[tuple[str, str]]:
    """What would make the participant see something else than the film, and what to do."""
    yield from incurable(first, frame)
    if frame.rotation:
        yield f"rotated by {frame.rotation} degrees in its header", NORMALISE
    if frame.interlaced_frame:
        yield "interlaced pictures", NORMALISE


def incurable(first: Any, frame: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a picture of a film that begins with `first`, and would be so in any copy; what to do."""
    if frame.pts is None:
        yield "a picture without a time", "Put it into a container: ffmpeg -r RATE -i FILE -c copy NEW.mp4"
    if frame.is_corrupt:
        yield "a damaged picture", ANEW
    if (frame.width, frame.height) != (first.width, first.height):
        yield f"the size changes from {first.width}x{first.height} to {frame.width}x{frame.height}", ANEW


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _first(path: Path, times: list[float], in_s: float | None) -> int:
    """The first film frame at `in_s` or later."""
    wanted = _ms(in_s or 0)
    found = next((index for index, time in enumerate(times) if _ms(time) >= wanted), None)
    if found is None:
        allowed = f"before its last picture, at {times[-1]:.3f} s"
        raise ClipError(str(path), "is no time in it", value=f"in_s {in_s:g}", allowed=allowed, hint=TIMES)
    return found


def _require_end(path: Path, end_s: float, out_s: float | None) -> None:
    if out_s is not None and _ms(out_s) > _ms(end_s) + 1:
        allowed = f"at most its end, {end_s:.3f} s"
        raise ClipError(str(path), "is no time in it", value=f"out_s {out_s:g}", allowed=allowed, hint=TIMES)


def even_fps(times: Sequence[float]) -> float | None:
    """Pictures a second, of two or more at these times in s; None when they do not come evenly."""
    mean = (times[-1] - times[0]) / (len(times) - 1)
    is_even = mean > 0 and all(abs(after - before - mean) <= UNEVEN_S for before, after in pairwise(times))
    return 1 / mean if is_even else None


def _constant_rate(path: Path, times: list[float], first: int) -> float:
    """Frames a second. Raises ClipError naming the shortest and the longest interval and where they are."""
    fps = even_fps(times)
    if fps is None:
        raise uneven(path, times, first, hint=f"{NORMALISE}, at the --fps you choose")
    return fps


def uneven(path: Path, times: Sequence[float], first: int = 0, *, hint: str) -> ClipError:
    """What is wrong with a film of no constant rate. `times`: of its film frames from `first` on, s."""
    intervals = [round(after - before, 6) for before, after in pairwise(times)]
    places = [_place(intervals, interval, times, first) for interval in (min(intervals), max(intervals))]
    mean_s = (times[-1] - times[0]) / len(intervals)
    return ClipError(
        str(path),
        f"has no constant frame rate: its intervals are from {places[0]} to {places[1]}",
        allowed=f"every interval within {UNEVEN_S * 1000:g} ms of their mean ({mean_s * 1000:.1f} ms)",
        hint=hint,
    )


def _place(intervals: Sequence[float], interval: float, times: Sequence[float], first: int) -> str:
    index = intervals.index(interval)
    return f"{interval * 1000:.1f} ms (after film frame {first + index}, at {times[index]:.2f} s)"

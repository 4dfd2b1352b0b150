"""A video of one clip: all cameras and the film beside each other, from the clip's first flip to its last.

Each picture of the video is one base pulse, due when that pulse began its exposure: nothing is resampled, and a camera
that is slower shows its latest frame, with its pulse below. It is H.264 of 8 bits, near to lossless for the eye, to be
looked at and shown; what is measured is measured in the session.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from rig.clips.decode import Size, decoded, fitted, scaled
from rig.clips.encode import VideoFile, require_new
from rig.clock import NS
from rig.errors import ClipError, RigError, StorageError, UserError
from rig.export.contact_sheet import heading
from rig.export.tiles import Tiles, captioned
from rig.private import made
from rig.session.timeline import FilmView, Instant, Timeline
from rig.streams import Picture

if TYPE_CHECKING:
    from rig.session.reader import Session

TICKS_PER_S = {".mkv": 1000, ".mp4": 1_000_000}  # how finely a video of this ending can tell when a picture is due
LEAST_TILE, MOST_TILE = (320, 240), (640, 480)  # px
MOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Moment:
    """One picture of the video: a base pulse, or a stretch of which nobody knows which pulses were sent in it."""

    host_ns: int
    lacking: str = ""  # why nothing is known


def save_side_by_side(
    session: Session, clip: str, path: Path, on_progress: Callable[[int, int], None] = lambda _, __: None
) -> str:
    """Write the video of the step `clip`, in the last run that showed it, to `path`, for its owner only.

    Returns why frames of the film are not in it, "" when all are. `on_progress(done, all)` is called for each picture.
    `path` is new and ends in .mkv (due times to the ms) or .mp4 (to the us); it has its name only once it is whole.
    Raises UserError, StorageError.
    """
    require_new(f"--video {path}", path, TICKS_PER_S)
    line, _ = session.locate(0.0, clip)
    moments = _moments(line, clip)
    rate = Fraction(NS, _period_ns(moments))
    with closing(_Sheet(session, line, clip)) as sheet, _Video(path, sheet.size, rate) as video:
        for number, moment in enumerate(moments):
            on_progress(number, len(moments))
            video.add(sheet.drawn(moment), moment.host_ns - moments[0].host_ns)
        on_progress(len(moments), len(moments))
    return sheet.film_lacking


def _moments(line: Timeline, clip: str) -> list[Moment]:
    """The base pulses from the first to the last flip of a film, and the holes between them. Raises UserError."""
    flips = line.run.film_flips(line.clip_steps[clip])["host_ns"]
    exposed = line.exposed_host_ns
    places = np.flatnonzero((exposed >= flips[0]) & (exposed <= flips[-1]))
    if not len(places):
        raise UserError("--clip", "was shown while no camera was triggered", value=clip)
    moments: list[Moment] = []
    for place in places.tolist():
        if place > places[0]:
            moments += _hole(line, place)
        moments.append(Moment(int(exposed[place])))
    return moments


def _hole(line: Timeline, place: int) -> list[Moment]:
    """What stands for pulses of which nobody knows when they were sent, before the known one at `place`."""
    (before, after), (begin, end) = (
        line.pulse_numbers[place - 1 : place + 1],
        line.exposed_host_ns[place - 1 : place + 1],
    )
    if after == before + 1:
        return []
    lacking = f"no frame: the box's messages were lost between pulses {before} and {after}"
    return [Moment(begin + (end - begin) // (after - before), lacking)]


def _period_ns(moments: list[Moment]) -> int:
    """From one picture to the next, mostly; what a player is told before it has read when each is due."""
    return int(np.median(np.diff([moment.host_ns for moment in moments]))) if len(moments) > 1 else NS


class _Sheet:
    """The tiles of one moment after the other: each camera and then the film."""

    def __init__(self, session: Session, line: Timeline, clip: str) -> None:
        self._line, self._names = line, [*line.run.streams, "screen"]
        self._offset_ns = session.placed_timelines[line.run.number][1]
        columns = len(self._names) if len(self._names) <= MOST_IN_A_ROW else ceil(len(self._names) / 2)
        tile = _tile([(stream.width, stream.height) for stream in line.run.streams.values()])
        self._tiles = Tiles(tile, columns, ceil(len(self._names) / columns))
        self._tiles.head(f"{heading(session)}   {clip}")
        step = line.clip_steps[clip]
        self._film = _Film(line, str(step.clip), tile)

    @property
    def size(self) -> Size:
        """Width and height of the video, px, both even."""
        return self._tiles.image.size

    def drawn(self, moment: Moment) -> Picture:
        """The picture of a moment, uint8 (height, width, 3); moments are asked for in their order."""
        if moment.lacking:
            for place, name in enumerate(self._names):
                self._tiles.put(place, None, moment.lacking, name)
        else:
            self._show(self._line.cameras_at(moment.host_ns))
        return np.asarray(self._tiles.image)

    def _show(self, instant: Instant) -> None:
        at_s = instant.seconds + self._offset_ns / NS
        for place, view in enumerate(instant.views.values()):
            self._tiles.put(place, view.picture, view.reason, captioned(view, instant, at_s))
        picture, reason = self._film.shown(instant.film)
        self._tiles.put(len(instant.views), picture, reason, captioned(instant.film, instant, at_s))

    @property
    def film_lacking(self) -> str:
        """Why a frame of the film could not be drawn; "": all could."""
        return self._film.lacking

    def close(self) -> None:
        """Give the film back."""
        self._film.close()


def _tile(sizes: list[Size]) -> Size:
    """Room for the largest picture as it is, within limits."""
    width, height = (max(side) for side in zip(*sizes, strict=True))
    most = fitted((width, height), MOST_TILE) if width > MOST_TILE[0] or height > MOST_TILE[1] else (width, height)
    return max(most[0], LEAST_TILE[0]), max(most[1], LEAST_TILE[1])


class _Film:
    """The pictures of a film, decoded from end to end as they are asked for."""

    def __init__(self, line: Timeline, clip: str, tile: Size) -> None:
        self._line, self._clip, self._tile = line, clip, tile
        self.lacking = ""  # why a picture was not here, the last time
        self._frames: Generator[Any, None, None] | None = None
        self._number = -1
        self._picture: Picture = np.zeros((1, 1, 3), np.uint8)  # of `_number`, decoded last

    def shown(self, view: FilmView) -> tuple[Picture | None, str]:
        """The picture of what the screen showed, or the reason why there is none."""
        if view.clip is None:
            return None, view.reason
        try:
            if view.film_frame != self._number:
                self._picture, self._number = self._decoded(view.film_frame), view.film_frame
        except RigError as exc:
            self.lacking = f"film not here: {exc}"
            return None, self.lacking
        return self._picture, ""

    def _decoded(self, number: int) -> Picture:
        """Film frame `number`, which lies behind the last one; else it is looked for anew from the beginning."""
        if self._frames is None or number < self._number:
            self.close()
            known, path = self._line.run.clip(self._clip), self._line.film_path(self._clip)
            self._frames = decoded(path, int(known.get("first", 0)), at_s=known["jump_s"])
            self._number = -1
        frame = next(islice(self._frames, number - self._number - 1, None), None)
        if frame is None:
            raise ClipError(self._clip, "ends before this film frame", value=str(number))
        picture: Picture = scaled(frame, fitted((frame.width, frame.height), self._tile), "rgb24").to_ndarray()
        return picture

    def close(self) -> None:
        """Give the file back."""
        if self._frames is not None:
            self._frames.close()


class _Video(VideoFile):
    """A video that is being written, its pictures due at any time."""

    def __init__(self, path: Path, size: Size, rate: Fraction) -> None:
        self._per_s, self._due = TICKS_PER_S[path.suffix.lower()], -1
        super().__init__(path, size, rate, Fraction(1, self._per_s))
        codec = self._video.codec_context
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG

    def _make(self, part: Path) -> None:
        """For its owner only."""
        with made(part):
            pass

    def _refused(self, problem: str) -> StorageError:
        return StorageError(str(self.path), problem, hint="Check the disk")

    def add(self, picture: Picture, after_ns: int) -> None:
        """The next picture, uint8 (height, width, 3), due so long after the first."""
        made = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame = made.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        self._due = max(self._due + 1, round(Fraction(after_ns * self._per_s, NS)))
        frame.pts, frame.time_base = self._due, Fraction(1, self._per_s)
        with self._writing():
            self._out.mux(self._video.encode(frame))

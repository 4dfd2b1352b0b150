"""Writes film files that every part of the rig can show: H.264 and AAC in .mp4, upright, at a constant rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from rig import host
from rig.errors import ClipError, RigError, UserError

SUFFIX = ".mp4"
AUDIO_HZ = 48_000
AUDIO_BITS_S = 192_000  # AAC of two channels
# x264's constant quality, of which 18 is held to be visually without loss; a clip is small beside a session, so that
# what a quick preset costs in bytes is nothing.
QUALITY = {"crf": "16", "preset": "veryfast"}


class VideoFile(ABC):
    """A video that is being written. It has its name only once it is whole; use it in a `with` statement."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction, tick_s: Fraction) -> None:
        """`size`: width and height, px, both even; `rate`: pictures a second; `tick_s`: in which times are told."""
        self.path, self._part = path, path.with_name(f".{path.stem}.part{path.suffix}")
        with self._writing():
            self._make(self._part)
            self._out = av.open(str(self._part.absolute()), "w")
        self._video = self._out.add_stream("libx264", rate=rate, options=QUALITY)
        self._video.width, self._video.height = size
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.time_base = tick_s

    def _make(self, part: Path) -> None:  # noqa: B027  most need not be there before they are written
        """Before anything is in it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file and give it its name; after an error nothing is left of it."""
        try:
            with self._writing():
                if error is None:
                    self._finish()
                self._out.close()
                if error is None:
                    host.rename(self._part, self.path)
        finally:
            with suppress(OSError):
                host.remove(self._part)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What disk or folder refuses becomes an error of its kind."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as exc:
            raise self._refused(f"cannot be written: {getattr(exc, 'strerror', None) or exc}") from None

    @abstractmethod
    def _refused(self, problem: str) -> RigError:
        """The error about a video that could not be written."""

    @property
    def _tracks(self) -> list[Any]:
        return [self._video]

    def _finish(self) -> None:
        for track in self._tracks:
            self._out.mux(track.encode(None))


class FilmFile(VideoFile):
    """A film that is being written, at a constant rate."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction, *, with_sound: bool) -> None:
        """`size`: width and height, px, both even; `rate`: pictures a second. Raises UserError, ClipError."""
        require_new_film(path)
        super().__init__(path, size, rate, 1 / rate)
        self.frames = 0  # pictures written
        self._rate = rate
        self._audio = self._sound_track() if with_sound else None

    def _sound_track(self) -> Any:
        track = self._out.add_stream("aac", rate=AUDIO_HZ)
        track.layout, track.bit_rate = "stereo", AUDIO_BITS_S
        return track

    @property
    def _tracks(self) -> list[Any]:
        return [track for track in (self._video, self._audio) if track is not None]

    def _refused(self, problem: str) -> ClipError:
        return ClipError(str(self.path), problem, hint="Check disk and name")

    def add_picture(self, frame: Any) -> None:
        """The next picture (`av.VideoFrame`), whatever time it says."""
        if self.frames == 0:
            self._keep_colours(frame)
        frame.pts, frame.time_base = self.frames, 1 / self._rate
        frame.pict_type = 0  # the encoder chooses its own key pictures
        with self._writing():
            self._out.mux(self._video.encode(frame))
        self.frames += 1

    def _keep_colours(self, frame: Any) -> None:
        """Say in the file how its colours are meant, as the film did that they come from."""
        codec = self._video.codec_context
        codec.colorspace, codec.color_range = int(frame.colorspace), int(frame.color_range)

    def add_sound(self, frame: Any) -> None:
        """The next piece of sound (`av.AudioFrame`, planar float, 48 kHz, two channels), at its time."""
        if self._audio is not None:
            with self._writing():
                self._out.mux(self._audio.encode(frame))


def require_new_film(path: Path) -> None:
    """Raises UserError unless a film may be written there."""
    require_new(f"film {path}", path, (SUFFIX,))


def require_new(subject: str, path: Path, endings: Collection[str]) -> None:
    """Raises UserError about `subject` unless a video may be written there: a new file in a folder that is there."""
    if path.suffix.lower() not in endings:
        allowed = f"a name that ends in {' or '.join(endings)}"
        problem = "has another ending" if path.suffix else "has no ending that says which kind of video it is to be"
        raise UserError(subject, problem, value=path.suffix, allowed=allowed)
    if path.exists() or path.is_symlink():
        raise UserError(subject, "is there already", hint="Nothing is overwritten: choose another name")
    if not path.parent.is_dir():
        raise UserError(subject, "has no folder to lie in", hint=f"Make {path.parent} first")

"""The sound of a film: how long it is beside the pictures, and how loud (EBU R128)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log10
from pathlib import Path
from typing import Any

import av
from av.filter import Graph

from rig.clips.decode import due_s, opened
from rig.errors import ClipError

LOUDNESS_LUFS = -23.0  # EBU R 128: the loudness of a programme
SILENCE_LUFS = -70.0  # ITU-R BS.1770: what is below counts as no sound; the filter gives this for nothing
# Sound and pictures that begin or end so near to each other do so together; AAC comes in pieces of 0.02 s.
ENDS_WITH_S = 0.05


@dataclass(frozen=True)
class Sound:
    """The first sound track of a film, or what of it lies beside a clip's pictures."""

    codec: str
    rate_hz: int
    channels: int
    begins_s: float  # after the film's first picture; below 0: before it
    seconds: float
    loudness_lufs: float  # integrated; -inf when it is silent
    peak_dbtp: float  # true peak; -inf when it is silent

    @property
    def ends_s(self) -> float:
        """Its end, after the film's first picture, s."""
        return self.begins_s + self.seconds


def sound_of(path: Path, from_s: float = 0.0, until_s: float = inf) -> Sound | None:
    """The film's sound; its loudness in [from_s, until_s), s after the first picture. None when it has none.

    Begin and length are those of the whole track. Blocks while it decodes. Raises ClipError.
    """
    try:
        with opened(path) as container:
            if not container.streams.audio:
                return None
            origin_s = due_s(path)
            return _sound(container, origin_s, (origin_s + from_s, origin_s + until_s))
    except (av.error.FFmpegError, OSError) as exc:
        raise ClipError(str(path), f"its sound cannot be decoded: {exc.strerror}", hint="Encode it as AAC") from None


def has_sound(path: Path) -> bool:
    """Whether a film has a sound track, as its header says. Raises ClipError."""
    try:
        with opened(path) as container:
            return bool(container.streams.audio)
    except (av.error.FFmpegError, OSError) as exc:
        raise ClipError(str(path), f"cannot be read: {exc.strerror}") from None


def _sound(container: Any, origin_s: float, part: tuple[float, float]) -> Sound | None:
    stream = container.streams.audio[0]
    meter = _Meter(stream)
    begins_s = ends_s = None
    for frame in (frame for frame in container.decode(stream) if frame.pts is not None):
        at_s = float(frame.pts * frame.time_base)
        begins_s = at_s if begins_s is None else begins_s
        ends_s = at_s + frame.samples / frame.sample_rate
        if part[0] <= at_s < part[1]:
            meter.hear(frame)
    if begins_s is None or ends_s is None:
        return None
    codec = stream.codec_context
    loudness, peak = meter.read()
    return Sound(codec.name, codec.sample_rate, codec.channels, begins_s - origin_s, ends_s - begins_s, loudness, peak)


class _Meter:
    """FFmpeg's meter of loudness, after all channels were mixed to the two that are played."""

    def __init__(self, stream: Any) -> None:
        self._graph = Graph()
        two = self._graph.add("aformat", "channel_layouts=stereo")
        meter = self._graph.add("ebur128", "metadata=1:peak=true")
        self._graph.link_nodes(self._graph.add_abuffer(template=stream), two, meter, self._graph.add("abuffersink"))
        self._graph.configure()
        self._said: dict[str, str] = {}

    def hear(self, frame: Any) -> None:
        self._graph.push(frame)
        self._take()

    def read(self) -> tuple[float, float]:
        """Integrated loudness in LUFS, true peak in dBTP."""
        self._graph.push(None)
        self._take()
        loudness, peak = float(self._said.get("lavfi.r128.I", "-70")), float(self._said.get("lavfi.r128.true_peak", 0))
        return (loudness if loudness > SILENCE_LUFS else -inf), (20 * log10(peak) if peak > 0 else -inf)

    def _take(self) -> None:
        for frame in pulled(self._graph):
            self._said = frame.metadata or self._said


def pulled(graph: Any) -> Iterator[Any]:
    """What a filter graph has ready."""
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def spelled_loudness(lufs: float) -> str:
    """A loudness in words."""
    return f"{lufs:.1f} LUFS" if lufs > -inf else "silent"

"""Makes a film that can be shown of one that cannot, or not well: `rig clips normalise`.

    first pass    every picture counted, the loudness of the sound measured
    second pass   pictures --> whole (not interlaced) --> upright --> square pixels, at most 1920x1080 --> H.264
                  sound ----> cut to the pictures --> -23 LUFS, two channels -----------------------> AAC

The frame rate stays what it is, unless another one is asked for; then film frames are left out or shown again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite
from pathlib import Path
from typing import Any

import av
from av.filter import Graph

from rig.clips.counted import Counted, even_fps, incurable, time_s, uneven
from rig.clips.decode import decoded, fitted, opened
from rig.clips.encode import AUDIO_HZ, FilmFile, require_new_film
from rig.clips.known import counted_once, sha256_of
from rig.clips.manifest import require_film
from rig.clips.sound import LOUDNESS_LUFS, Sound, pulled, sound_of, spelled_loudness
from rig.errors import ClipError

LARGEST = (1920, 1080)  # px
PEAK_DBTP = -1.0  # EBU R 128: the highest true peak
ROUNDED_S = 0.001  # that two times in a film, each in whole milliseconds, may be off together
RATE_OFF = 0.0005  # of a rate: what rounding leaves of it in a second of film; 24 and 23.976 differ by twice as much
TURNED = {90: "transpose=cclock", -90: "transpose=clock", 180: "hflip,vflip", -180: "hflip,vflip"}


@dataclass(frozen=True)
class Normalised:
    """What became of a film."""

    path: Path
    film: Counted
    sound: Sound | None
    frames_in: int  # pictures of the film, of the part that was asked for
    changes: tuple[str, ...]  # what is different now


@dataclass(frozen=True)
class _Film:
    """What the first pass found."""

    path: Path
    times_s: tuple[float, ...]  # of each picture in the part, after the film's first one
    first: Any  # the first picture (`av.VideoFrame`)
    is_interlaced: bool
    from_s: float
    until_s: float  # inf: to its end
    sound: Sound | None
    codec: str
    shape: Fraction | None  # of its pixels, as the file says it

    @property
    def aspect(self) -> Fraction:
        """Shape of its pixels, width by height."""
        return Fraction(self.shape or 1)

    def at_s(self, frame: Any) -> float:
        """When a picture is due, after the film's first one, s."""
        return float(frame.pts * frame.time_base - self.first.pts * self.first.time_base)


def normalise(
    path: Path, out: Path, *, fps: Fraction | None = None, in_s: float | None = None, out_s: float | None = None
) -> Normalised:
    """Write a film, or the part in [in_s, out_s) s after its first picture, as one that can be shown.

    `fps`: another frame rate. Blocks while it decodes twice and encodes once. Raises UserError when `out` is there
    already, ClipError when the film is no file, damaged, changes its size, or has no constant rate and none is given.
    """
    require_film(str(path), path)  # a pipe would be waited for without an end
    require_new_film(out)
    film = _look(path, in_s or 0.0, inf if out_s is None else out_s)
    rate = fps or _rate(film)
    size = _size(film)
    with FilmFile(out, size, rate, with_sound=film.sound is not None) as file:
        _convert(film, file, size, rate, is_new_rate=fps is not None)
    made, sound = counted_once(out, sha256_of(out)), sound_of(out)
    return Normalised(out, made, sound, len(film.times_s), tuple(_changes(film, size, made, sound)))


def _look(path: Path, from_s: float, until_s: float) -> _Film:
    first, times, is_interlaced = None, [], False
    for index, frame in enumerate(decoded(path)):
        first = first or frame
        at_s = time_s(first, frame)
        if round(at_s, 3) >= until_s:
            break
        _require_whole(path, index, first, frame)
        if round(at_s, 3) >= from_s:
            times.append(at_s)
        is_interlaced = is_interlaced or frame.interlaced_frame
    if len(times) < 2:
        raise ClipError(str(path), f"has too few pictures there: {len(times)}", allowed="at least 2")
    sound = sound_of(path, from_s, until_s)
    return _Film(path, tuple(times), first, is_interlaced, from_s, until_s, sound, *_codec_and_shape(path))


def _codec_and_shape(path: Path) -> tuple[str, Fraction | None]:
    with opened(path) as container:
        track = container.streams.video[0]
        return str(track.codec_context.name), track.sample_aspect_ratio


def _require_whole(path: Path, index: int, first: Any, frame: Any) -> None:
    for fault, hint in incurable(first, frame):
        raise ClipError(str(path), f"cannot be mended: {fault} at film frame {index}", hint=hint)


def _rate(film: _Film) -> Fraction:
    """The film's own rate, as people write it: 24000/1001 rather than 23.976. Raises ClipError when it has none."""
    fps = even_fps(film.times_s)
    if fps is None:
        hint = "Choose a rate with --fps: film frames are left out or shown again then, and it is said how many"
        raise uneven(film.path, film.times_s, hint=hint)
    return _written_rate(fps, film.times_s)


def _written_rate(fps: float, times: Sequence[float]) -> Fraction:
    """A whole number, or that by 1.001, as television has it, where the times fit one as far as they are written."""
    named = [Fraction(round(fps)), Fraction(round(fps * 1.001) * 1000, 1001)]
    off, nearest = min((max(abs(time - times[0] - k / rate) for k, time in enumerate(times)), rate) for rate in named)
    return nearest if off <= ROUNDED_S else Fraction(fps).limit_denominator(1001)


def _size(film: _Film) -> tuple[int, int]:
    """Upright, with square pixels, no larger than LARGEST; both even, as H.264 needs."""
    size = (round(film.first.width * film.aspect), film.first.height)
    width, height = size[::-1] if abs(film.first.rotation) == 90 else size
    if width > LARGEST[0] or height > LARGEST[1]:
        width, height = fitted((width, height), LARGEST)
    return max(width // 2 * 2, 2), max(height // 2 * 2, 2)


def _picture_steps(film: _Film, size: tuple[int, int], fps: Fraction | None) -> list[str]:
    """The filters that pictures go through, as FFmpeg writes them."""
    steps = ["bwdif=mode=send_frame"] if film.is_interlaced else []
    steps += TURNED[film.first.rotation].split(",") if film.first.rotation else []
    steps += [f"scale={size[0]}:{size[1]}:flags=lanczos", "setsar=1", "format=yuv420p"]
    return steps + ([f"fps={fps}"] if fps else [])


def _sound_steps(film: _Film, sound: Sound, seconds: float) -> list[str]:
    """The filters that the sound goes through: cut to the pictures, begun with them, and as loud as it should be."""
    begins_s = float(film.first.pts * film.first.time_base) + film.times_s[0]
    gain_db = LOUDNESS_LUFS - sound.loudness_lufs if isfinite(sound.loudness_lufs) else 0.0
    steps = [f"atrim={begins_s:.6f}:{begins_s + seconds:.6f}", f"asetpts=PTS-{begins_s:.6f}/TB"]
    steps += [f"aresample={AUDIO_HZ}:async=1:first_pts=0", f"atrim=0:{seconds:.6f}"]
    steps += ["aformat=sample_fmts=fltp:channel_layouts=stereo", f"volume={gain_db:.2f}dB"]
    if _is_limited(sound):
        steps.append(f"alimiter=limit={10 ** (PEAK_DBTP / 20):.4f}:level=false:latency=true")
    return steps


def _is_limited(sound: Sound) -> bool:
    return isfinite(sound.loudness_lufs) and sound.peak_dbtp + LOUDNESS_LUFS - sound.loudness_lufs > PEAK_DBTP


def _convert(film: _Film, file: FilmFile, size: tuple[int, int], rate: Fraction, *, is_new_rate: bool) -> None:
    """Decode pictures and sound side by side, as they lie in the file, and write what becomes of them."""
    seconds = film.times_s[-1] - film.times_s[0] + float(1 / rate)
    with opened(film.path) as container:
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        pictures = _graph(video, _picture_steps(film, size, rate if is_new_rate else None))
        ways: dict[str, tuple[Graph, Callable[[Any], None]]] = {"video": (pictures, file.add_picture)}
        tracks = [video]
        if film.sound is not None:
            tracks.append(container.streams.audio[0])
            ways["audio"] = (_graph(tracks[1], _sound_steps(film, film.sound, seconds)), file.add_sound)
        for packet in container.demux(tracks):
            graph, write = ways[packet.stream.type]
            for frame in packet.decode():
                if _is_wanted(film, frame):
                    _pass(frame, graph, write)
    for graph, write in ways.values():
        _pass(None, graph, write)


def _graph(track: Any, steps: list[str]) -> Graph:
    """A chain of filters behind a track of a film."""
    graph = Graph()
    is_video = track.type == "video"
    source = graph.add_buffer(template=track) if is_video else graph.add_abuffer(template=track)
    nodes = [graph.add(*step.split("=", 1)) for step in steps]
    graph.link_nodes(source, *nodes, graph.add("buffersink" if is_video else "abuffersink"))
    graph.configure()
    return graph


def _is_wanted(film: _Film, frame: Any) -> bool:
    """Pictures of the part, and all sound that has a time: the filters cut it."""
    if frame.pts is None:
        return False
    return isinstance(frame, av.AudioFrame) or film.from_s <= round(film.at_s(frame), 3) < film.until_s


def _pass(frame: Any, graph: Graph, write: Callable[[Any], None]) -> None:
    """Through the filters into the file; None: what is left in them."""
    try:
        graph.push(frame)
    except av.error.EOFError:
        return  # sound behind the last picture
    for made in pulled(graph):
        write(made)


def _changes(film: _Film, size: tuple[int, int], made: Counted, sound: Sound | None) -> Iterator[str]:
    """What is different now, for people."""
    first = film.first
    yield f"{film.codec} {first.width}x{first.height} -> h264 {size[0]}x{size[1]}"
    if film.is_interlaced:
        yield "half pictures -> whole ones (interlaced before)"
    if first.rotation:
        yield f"turned upright, by {abs(first.rotation)} degrees"
    if film.aspect != 1:
        yield f"pixels of shape {film.aspect} -> square"
    yield from _rate_changes(film, made)
    if film.sound is not None and sound is not None:
        limited = ", its highest peaks made lower" if _is_limited(film.sound) else ""
        loudness = [spelled_loudness(each.loudness_lufs) for each in (film.sound, sound)]
        yield f"sound: {loudness[0]} -> {loudness[1]}{limited}; cut to the pictures"


def _rate_changes(film: _Film, made: Counted) -> Iterator[str]:
    frames = len(film.times_s), len(made.pts_s)
    mean = (film.times_s[-1] - film.times_s[0]) / (len(film.times_s) - 1)
    if abs(made.fps * mean - 1) > RATE_OFF or frames[0] != frames[1]:
        yield f"{1 / mean:.3f} -> {made.fps:.3f} film frames a second"
    more = frames[1] - frames[0]
    said = f", {more} more than before" if more > 0 else f", {-more} fewer than before" if more < 0 else ""
    yield f"{frames[0]} film frames in, {frames[1]} out{said}"

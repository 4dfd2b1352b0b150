"""Small films for tests: every picture carries its own number in white and black blocks, so that it can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from rig.clips.manifest import FilmClip, find_clip
from rig.streams import Picture

BITS = 8
DEMO_BITS, DEMO_Y = 16, 12 / 360  # cells of the demo clips' code, and where its middle is, of the height
NO_NUMBER = -1


def numbered(number: int, width: int, height: int) -> Picture:
    """Grey, with `number` in eight blocks along the top: white 1, black 0, the highest bit left."""
    picture = np.full((height, width, 3), 128, np.uint8)
    for bit in range(BITS):
        level = 235 if number >> (BITS - 1 - bit) & 1 else 16
        picture[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = level
    return picture


def number_of(picture: Picture) -> int:
    """The number in a picture, whatever its size."""
    return coded(picture[len(picture) // 4])


def demo_number_of(picture: Picture) -> int:
    """The number in a picture of a demo clip, whatever its size: written apart from what draws it."""
    return coded(picture[int(len(picture) * DEMO_Y)], DEMO_BITS)


def coded(line: NDArray[np.uint8], bits: int = BITS, *, black: float = 128, white: float = 128) -> int:
    """The number in a line of pixels, (width,) or (width, 3): blocks side by side, white 1, black 0, the highest left.

    A block up to the grey level `black` is black, one above `white` white; NO_NUMBER when one lies between.
    """
    levels = line[(2 * np.arange(bits) + 1) * len(line) // (2 * bits)].reshape(bits, -1).mean(axis=1)
    if ((levels > black) & (levels <= white)).any():
        return NO_NUMBER
    return sum(int(level > white) << (bits - 1 - bit) for bit, level in enumerate(levels))


def make_film(
    path: Path,
    frames: int = 25,
    *,
    fps: int | Fraction = 25,
    size: tuple[int, int] = (160, 120),
    times_ms: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    sound: tuple[float, float] | None = None,
    peak: float = 0.1,
    bang: float = 0.0,
) -> Path:
    """Encode a film; `times_ms`: when each picture is due, instead of evenly.

    `sound`: when a tone of 1 kHz begins and how long it lasts, s; `peak` of full scale, on both channels,
    that of its first ms `bang` if given.
    """
    codec = "ffv1" if size[0] % 2 or size[1] % 2 else "libx264"  # H.264 has no odd sizes
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000) if times_ms else 1 / Fraction(fps)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        packets = []
        if sound:
            track = out.add_stream("aac", rate=48_000)
            track.layout = "stereo"
            packets = _tone(track, *sound, peak, bang or peak)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(index, *size), "rgb24")
            frame.pts = times_ms[index] if times_ms else index
            frame.time_base = stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        for packet in packets:
            out.mux(packet)
    return path


def _tone(track: Any, begins_s: float, seconds: float, peak: float, bang: float) -> list[Any]:
    at = np.arange(round(seconds * 48_000))
    wave = (np.where(at < 48, bang, peak) * np.sin(2 * np.pi * 1000 * at / 48_000)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
    frame.rate, frame.pts, frame.time_base = 48_000, round(begins_s * 48_000), Fraction(1, 48_000)
    return [*track.encode(frame), *track.encode(None)]


def turned(path: Path, *, clockwise: bool = True) -> Path:
    """Say in the header of an .mp4 film that it lies on its side, as telephones do; its pictures stay as they are."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # version 0: 4 type, 4 flags, 32 fields, 4 volume
    one = 0x10000 if clockwise else -0x10000
    rows = [0, one, 0, -one, 0, 0, 0, 0, 0x40000000]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
    path.write_bytes(data)
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def clip_of(path: Path, name: str = "film") -> FilmClip:
    return find_clip(name, path.name, sha256_of(path), path.parent)

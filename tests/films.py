"""Small films for tests: every picture carries its own number in white and black blocks, so that it can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rig.clips.manifest import FilmClip, find_clip
from rig.streams import Picture

BITS = 8


def numbered(number: int, width: int, height: int) -> Picture:
    """Grey, with `number` in eight blocks along the top: white 1, black 0, the highest bit left."""
    picture = np.full((height, width, 3), 128, np.uint8)
    for bit in range(BITS):
        level = 235 if number >> (BITS - 1 - bit) & 1 else 16
        picture[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = level
    return picture


def number_of(picture: Picture) -> int:
    """The number in a picture, whatever its size."""
    height, width = picture.shape[:2]
    levels = [picture[height // 4, (2 * bit + 1) * width // (2 * BITS)].mean() for bit in range(BITS)]
    return sum((level > 128) << (BITS - 1 - bit) for bit, level in enumerate(levels))


def make_film(
    path: Path,
    frames: int = 25,
    *,
    fps: int = 25,
    size: tuple[int, int] = (160, 120),
    times_ms: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode a film; `times_ms`: when each picture is due, instead of evenly."""
    codec = "ffv1" if size[0] % 2 or size[1] % 2 else "libx264"  # H.264 has no odd sizes
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000) if times_ms else Fraction(1, fps)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(index, *size), "rgb24")
            frame.pts = times_ms[index] if times_ms else index
            frame.time_base = stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def clip_of(path: Path, name: str = "film") -> FilmClip:
    return find_clip(name, path.name, sha256_of(path), path.parent)

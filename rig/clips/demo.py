"""Synthetic film clips, free to be used by anybody for anything: for tests, the tutorial, and trying a rig out.

    code       16 cells along the top edge, white 1, black 0, the highest bit left: the film frame, from 0
    number     the same in digits
    pattern    moving, another one for each clip
    sound      a tone of its own pitch for each clip, with a click at the first picture and once a second after it

All is computed. The digits are Pillow's own font, Aileron, which is in the public domain (CC0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from math import cos, sin
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rig.clips.encode import AUDIO_HZ, FilmFile
from rig.errors import UserError
from rig.streams import Picture

LICENCE = "CC0 1.0"
WIDTH, HEIGHT = 640, 360  # px
FPS, SECONDS = 25, 3
BITS, CODE_PX = 16, 24  # cells of the code, and their height
BLACK, WHITE = 16, 235  # as films have them
TONE_PEAK = 0.071  # of full scale: near -23 LUFS on two channels
CLICK_SAMPLES = 240  # 5 ms

_Floats = NDArray[np.floating[Any]]


def make_demo(folder: Path, clips: int = 4) -> list[Path]:
    """Write `demo-01.mp4` and so on into a folder, which is made if it is not there. Nothing is overwritten.

    640x360 px, 25 fps, 3 s each, with sound. Raises UserError when one is there already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UserError(f"folder {folder}", f"cannot be made: {exc.strerror}", hint="Choose another") from None
    paths = [folder / f"demo-{number:02d}.mp4" for number in range(1, clips + 1)]
    for number, path in enumerate(paths):
        make_clip(path, number)
    return paths


def make_clip(path: Path, number: int, *, frames: int = FPS * SECONDS, fps: Fraction = Fraction(FPS)) -> None:
    """Write the demo clip `number`, from 0: with its own pattern and tone. Raises UserError, ClipError."""
    with FilmFile(path, (WIDTH, HEIGHT), fps, with_sound=True) as film:
        for index in range(frames):
            film.add_picture(av.VideoFrame.from_ndarray(picture(number, index), "rgb24").reformat(format="yuv420p"))
        for sound in _sound(number, round(frames / fps * AUDIO_HZ)):
            film.add_sound(sound)


def picture(number: int, film_frame: int) -> Picture:
    """A picture of the demo clip `number`: uint8 (360, 640, 3) RGB."""
    pattern = _PATTERNS[number % len(_PATTERNS)]
    level = pattern(*_places(), film_frame / FPS)
    out = np.repeat((BLACK + level * (WHITE - BLACK)).astype(np.uint8)[..., None], 3, axis=2)
    out[..., number % 3] //= 2  # a tint, so that clips are told apart at a glance
    _write_code(out, film_frame)
    return _with_digits(out, f"{number + 1}  {film_frame}")


@cache
def _places() -> tuple[_Floats, _Floats]:
    """How far each pixel lies to the right of the middle and below it, px."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return x - WIDTH / 2, y - HEIGHT / 2


def _write_code(out: Picture, film_frame: int) -> None:
    for bit in range(BITS):
        cell = slice(bit * WIDTH // BITS, (bit + 1) * WIDTH // BITS)
        out[:CODE_PX, cell] = WHITE if film_frame >> (BITS - 1 - bit) & 1 else BLACK


def _with_digits(out: Picture, text: str) -> Picture:
    image = Image.fromarray(out)
    font = ImageFont.load_default(size=HEIGHT / 8)
    draw = ImageDraw.Draw(image)
    draw.text((WIDTH / 2, HEIGHT * 0.9), text, (WHITE,) * 3, font, "mm", stroke_width=3, stroke_fill=(BLACK,) * 3)
    return np.asarray(image)


def _grating(x: _Floats, y: _Floats, at_s: float) -> _Floats:
    return 0.5 + 0.4 * np.sin((x + y / 2) / 20 - 4 * at_s)


def _rings(x: _Floats, y: _Floats, at_s: float) -> _Floats:
    return 0.5 + 0.4 * np.sin(np.hypot(x, y) / 12 - 6 * at_s)


def _ball(x: _Floats, y: _Floats, at_s: float) -> _Floats:
    far: _Floats = np.hypot(x - 200 * sin(2 * at_s), y - 60 * cos(5 * at_s))
    return np.where(far < 50, np.float32(0.9), np.float32(0.2))


def _squares(x: _Floats, y: _Floats, at_s: float) -> _Floats:
    return 0.3 + 0.4 * (((x + 60 * at_s) // 40 + y // 40) % 2)


_PATTERNS: tuple[Callable[[_Floats, _Floats, float], _Floats], ...] = (_grating, _rings, _ball, _squares)


def _sound(number: int, samples: int) -> Iterator[Any]:
    """The tone, a semitone higher for each clip, in seconds."""
    at = np.arange(samples)
    tone = TONE_PEAK * np.sin(2 * np.pi * 440 * 2 ** (number / 12) * at / AUDIO_HZ)
    tone[at % AUDIO_HZ < CLICK_SAMPLES] *= 4
    for first in range(0, samples, AUDIO_HZ):
        part = tone[first : first + AUDIO_HZ].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([part, part]), "fltp", "stereo")
        frame.rate, frame.pts, frame.time_base = AUDIO_HZ, first, Fraction(1, AUDIO_HZ)
        yield frame

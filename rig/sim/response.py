"""What a simulated sensor makes of light: electrons, noise, grey values, and the samples of a pixel format.

    light 0..1 --> electrons e (1: full well) --> + photon noise, read noise --> grey = gain e + black, rounded, cut off

Noise of photons is alike everywhere in the square root of the electrons (Anscombe). So pictures are kept as roots,
`sqrt(gain (e + read noise^2))`; adding noise of one strength and squaring gives grey values of the variance
`gain (grey - black) + (gain read noise)^2`, at the cost of one addition and one multiplication a pixel.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from rig.config.rig import SimulatedSensor
from rig.pixels import PixelFormat
from rig.streams import Picture

Light = NDArray[np.float32]  # 0 to 1: what fills a pixel in the exposure; (height, width), with colours (..., 3)
Roots = NDArray[np.float32]
SPARE_BITS = 17  # 2 ** 17 places at which a frame may begin in the noise
GOLDEN = 0x9E3779B97F4A7C15  # 2 ** 64 over the golden ratio: spreads any times evenly
SQUARED_E2 = 1 / 8  # variance that squaring the noise adds, electrons squared
_COLOURS = {"RG": (0, 1, 1, 2), "GR": (1, 0, 2, 1), "GB": (1, 2, 0, 1), "BG": (2, 1, 1, 0)}  # of two rows of two


class Response:
    """One sensor with one pixel format."""

    def __init__(self, sensor: SimulatedSensor, form: PixelFormat) -> None:
        self.white = (1 << form.bits) - 1
        black = sensor.black_level * (self.white + 1) / 256
        self.gain = (self.white - black) / sensor.full_well_e  # grey values per electron
        self._form, self._full_well = form, sensor.full_well_e
        self._dark_e = max(0.0, sensor.read_noise_e**2 - SQUARED_E2)  # as many photons make as much noise as reading
        self.noise = sqrt(self.gain) / 2  # standard deviation of a root
        self._offset = black - self.gain * self._dark_e - self.noise**2 + 0.5  # rounds, as samples are cut off

    def roots(self, light: Light) -> Roots:
        """The roots of what each pixel gets, its colour filter applied: (height, width), of three colours (..., 3)."""
        squares = self.gain * (filtered(light, self._form) * self._full_well + self._dark_e)
        roots: Roots = np.sqrt(squares, dtype=np.float32)
        return roots

    def develop(self, roots: Roots, out: Picture) -> None:
        """Grey values of noisy roots into `out`; the roots are lost."""
        np.multiply(roots, roots, out=roots)
        np.add(roots, np.float32(self._offset), out=roots)
        np.clip(roots, 0, self.white + 0.5, out=roots)
        out[...] = roots


class Noise:
    """Noise for every frame from one pre-made stretch of it: drawing it afresh would cost half a core."""

    def __init__(self, shape: tuple[int, ...], deviation: float, rng: np.random.Generator) -> None:
        """`deviation`: standard deviation; the mean is 0."""
        self._shape, self._size = shape, int(np.prod(shape))
        made = rng.standard_normal(self._size + (1 << SPARE_BITS), np.float32)
        made -= made.mean(dtype=np.float64)
        made *= deviation / made.std(dtype=np.float64)
        self._made: Roots = made

    def at(self, host_ns: int) -> Roots:
        """The noise of the frame of this moment: the same for the same one, as good as independent for others."""
        first = (host_ns * GOLDEN & (1 << 64) - 1) >> (64 - SPARE_BITS)
        return self._made[first : first + self._size].reshape(self._shape)


def filtered(light: Light, form: PixelFormat) -> Light:
    """What is left of light behind the colour filters of a sensor. Grey light passes all of them alike."""
    if form.channels > 1:
        colours = light if light.ndim == 3 else np.repeat(light[..., np.newaxis], form.channels, axis=2)
        return colours[..., ::-1] if form.is_blue_first else colours
    if light.ndim == 2:
        return light
    out = np.empty(light.shape[:2], np.float32)
    for place, colour in enumerate(_COLOURS[form.pattern]):
        row, column = divmod(place, 2)
        out[row::2, column::2] = light[row::2, column::2, colour]
    return out


def packed(samples: Picture, form: PixelFormat) -> NDArray[np.uint8]:
    """Samples of 10 to 14 bits, uint16, as the format packs them; zeros fill the last byte."""
    bits, flat = form.bits, samples.reshape(-1)
    group = 2 if form.packing == "Packed" else {10: 4, 12: 2, 14: 4}[bits]  # so many samples fill whole bytes
    groups = np.zeros((-(-flat.size // group), group), np.uint16)
    groups.reshape(-1)[: flat.size] = flat
    out = _low_bits_between(groups, bits) if form.packing == "Packed" else _without_gaps(groups, bits)
    return out.reshape(-1)[: form.size(1, flat.size)]


def _without_gaps(groups: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """One sample behind the other, the lowest bit first."""
    out = np.empty((len(groups), groups.shape[1] * bits // 8), np.uint8)
    for byte in range(out.shape[1]):
        first, skipped = divmod(byte * 8, bits)  # the sample that it begins in, and how many of its bits lie before
        held = groups[:, first] >> skipped
        if skipped + 8 > bits:
            held = held | groups[:, first + 1] << (bits - skipped)
        out[:, byte] = held  # its lowest 8 bits
    return out


def _low_bits_between(pairs: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Three bytes a pair: the upper 8 bits of one, the rest of both, the upper 8 bits of the other."""
    upper, rest = pairs >> (bits - 8), pairs & ((1 << (bits - 8)) - 1)
    return np.stack([upper[:, 0], rest[:, 0] | rest[:, 1] << 4, upper[:, 1]], axis=1).astype(np.uint8)

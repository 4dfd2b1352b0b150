"""One picture of a camera, to aim and focus it: saved as PNG with its histogram, and what its grey values say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rig.export.pictures import private_folder, save_picture
from rig.figures import BLUE, RED, new_figure, plain, png_of
from rig.pixels import Snapshot, grey, shown, unpack
from rig.private import write_private

# Detail between these two blurs (standard deviations, px) counts as sharp: finer is mostly noise, coarser is the scene.
FINE_PX, COARSE_PX = 1.0, 2.0


@dataclass(frozen=True)
class GreyValues:
    """What the samples of a picture say about its light and its focus."""

    darkest: int
    mean: float
    brightest: int
    full: int  # the highest value that a sample can have
    saturated: float  # share of samples that have it, 0 to 1
    focus: float  # variance of fine detail over the mean squared; higher is sharper, of the same scene only


@dataclass(frozen=True)
class Saved:
    """The files of a snapshot, and what it shows."""

    picture: Path
    histogram: Path
    values: GreyValues


def grey_values(snapshot: Snapshot) -> GreyValues:
    """Light and focus of a picture, from its samples as they are."""
    samples = unpack(snapshot.picture, snapshot.form, snapshot.height, snapshot.width)
    full = (1 << snapshot.form.bits) - 1
    light = grey(snapshot.picture, snapshot.form, snapshot.height, snapshot.width)
    return GreyValues(
        darkest=int(samples.min()),
        mean=float(samples.mean()),
        brightest=int(samples.max()),
        full=full,
        saturated=float((samples == full).mean()),
        focus=_focus(light),
    )


def _focus(light: Any) -> float:
    """How much there is of detail a pixel or two wide, whatever the brightness; 0 for a black picture."""
    import cv2  # takes 0.2 s to load

    detail = cv2.GaussianBlur(light, (0, 0), FINE_PX) - cv2.GaussianBlur(light, (0, 0), COARSE_PX)
    mean = float(light.mean())
    return float(detail.var()) / mean**2 if mean else 0.0


def save_snapshot(snapshot: Snapshot, name: str, folder: Path) -> Saved:
    """Save picture and histogram as `NAME-N.png` and `NAME-N_histogram.png` with the first N that is free.

    `name`: a stream, or a serial number. For the owner only, as a face may be on it; `folder` is made if it is missing.
    Raises StorageError.
    """
    private_folder(folder)
    stem = _free_stem(folder, name)
    values = grey_values(snapshot)
    pixels = shown(snapshot.picture, snapshot.form, snapshot.height, snapshot.width)
    picture = save_picture(Image.fromarray(np.ascontiguousarray(pixels)), folder / f"{stem}.png")
    histogram = folder / f"{stem}_histogram.png"
    write_private(histogram, _draw_histogram(snapshot, values, stem))
    return Saved(picture, histogram, values)


def _free_stem(folder: Path, name: str) -> str:
    """A name that no file has yet."""
    taken = {path.name.removesuffix(".png").removesuffix("_histogram") for path in folder.iterdir()}
    number = 1
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _draw_histogram(snapshot: Snapshot, values: GreyValues, title: str) -> bytes:
    """How many samples have which value, as PNG bytes."""
    samples = unpack(snapshot.picture, snapshot.form, snapshot.height, snapshot.width)
    figure = new_figure(8, 4)
    axes = figure.subplots()
    counts, edges = np.histogram(samples, bins=256, range=(0, values.full + 1))
    axes.stairs(counts, edges, fill=True, color=BLUE)
    axes.axvline(values.full, color=RED, linewidth=1)
    axes.set(yscale="symlog", xlim=(0, values.full * 1.02), xlabel="grey value", ylabel="samples")
    axes.yaxis.set_major_formatter("{x:g}")  # powers would be drawn as formulae, whose fonts stay open
    axes.set_title(plain(f"{title}   {described(values)}"), fontsize=10)
    return png_of(figure)


def described(values: GreyValues) -> str:
    """Grey values in one line."""
    light = f"{values.darkest} to {values.brightest} of {values.full}, mean {values.mean:.1f}"
    return f"{light}, {values.saturated:.2%} saturated, focus {values.focus:.5f}"

"""One picture of a camera, to aim and focus it: saved as PNG with its histogram, and what its grey values say."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rig.export.pictures import private_folder, save_picture
from rig.pixels import PixelFormat, grey, shown, unpack
from rig.session.folder import write_private
from rig.streams import Picture

# Detail between these two blurs (standard deviations, px) counts as sharp: finer is mostly noise, coarser is the scene.
FINE_PX, COARSE_PX = 1.0, 2.0
BLUE, RED = "#1f5fa8", "#c62828"


@dataclass(frozen=True)
class Snapshot:
    """A picture as delivered, and how to read it."""

    name: str  # of its files: a stream, or a serial number
    picture: Picture
    form: PixelFormat
    height: int
    width: int


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


def save_snapshot(snapshot: Snapshot, folder: Path) -> Saved:
    """Save picture and histogram as `NAME-N.png` and `NAME-N_histogram.png` with the first N that is free.

    For the owner only, as a face may be on it; `folder` is made if it is missing. Raises StorageError.
    """
    private_folder(folder)
    stem = _free_stem(folder, snapshot.name)
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
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    samples = unpack(snapshot.picture, snapshot.form, snapshot.height, snapshot.width)
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    counts, edges = np.histogram(samples, bins=256, range=(0, values.full + 1))
    axes.stairs(counts, edges, fill=True, color=BLUE)
    axes.axvline(values.full, color=RED, linewidth=1)
    axes.set(yscale="symlog", xlim=(0, values.full * 1.02), xlabel="grey value", ylabel="samples")
    axes.yaxis.set_major_formatter("{x:g}")  # powers would be drawn as formulae, whose fonts stay open
    # A dollar sign would start a formula in the figure.
    axes.set_title(f"{title}   {described(values)}".replace("$", r"\$"), fontsize=10)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    # matplotlib's cache would keep the font files open for as long as this process runs.
    font_manager._get_font.cache_clear()  # type: ignore[attr-defined]
    return out.getvalue()


def described(values: GreyValues) -> str:
    """Grey values in one line."""
    light = f"{values.darkest} to {values.brightest} of {values.full}, mean {values.mean:.1f}"
    return f"{light}, {values.saturated:.2%} saturated, focus {values.focus:.5f}"

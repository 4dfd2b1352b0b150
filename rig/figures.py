"""What every figure of ours needs of matplotlib, which is loaded when the first one is drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, RED, ORANGE, GREY = "#1f5fa8", "#c62828", "#e07b00", "#777777"


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that needs no screen; inches, of 110 px."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Figure) -> bytes:
    """A figure as PNG bytes, which depend on what is drawn alone."""
    from matplotlib import font_manager

    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    # matplotlib's cache would keep the font files open for as long as this process runs.
    font_manager._get_font.cache_clear()  # type: ignore[attr-defined]
    return out.getvalue()


def plain(text: str) -> str:
    """A text for a figure as it is: a dollar sign would start a formula."""
    return text.replace("$", r"\$")

"""Runs a notebook of these documents and writes its outputs into it; needs no Jupyter.

    python docs/notebook.py [NOTEBOOK]

Without a name it is docs/how-to/motion-energy.ipynb. It is run in its own folder, as Jupyter does: the session that it
opens, sessions/sub-001/ses-01 of a checkout, must be there. A figure that a cell leaves open becomes its picture.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt
from PIL import Image

NOTEBOOK = Path(__file__).parent / "how-to/motion-energy.ipynb"
DPI, COLOURS = 72, 96  # small: the picture lies in the repository


def main() -> None:
    """Run the notebook named on the command line."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK
    written = json.loads(path.read_text())
    with contextlib.chdir(path.parent):
        run([cell for cell in written["cells"] if cell["cell_type"] == "code"])
    path.write_text(json.dumps(written, indent=1, ensure_ascii=False) + os.linesep)


def run(cells: list[dict[str, Any]]) -> None:
    """Run code cells, one after another, and replace their outputs."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
        cell["execution_count"], cell["outputs"] = number, [*text(said.getvalue()), *figures()]


def text(said: str) -> list[dict[str, Any]]:
    return [{"name": "stdout", "output_type": "stream", "text": said.splitlines(keepends=True)}] if said else []


def figures() -> list[dict[str, Any]]:
    """The open figures as outputs; they are closed."""
    shown = []
    for number in plt.get_fignums():
        drawn, png = io.BytesIO(), io.BytesIO()
        plt.figure(number).savefig(drawn, format="png", dpi=DPI)
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(png, "PNG", optimize=True)
        data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": ["<Figure>"]}
        shown.append({"data": data, "metadata": {}, "output_type": "display_data"})
    plt.close("all")
    return shown


if __name__ == "__main__":
    main()

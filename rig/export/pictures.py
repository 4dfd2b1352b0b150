"""Saves pictures so that only their owner can read them: one moment as PNG files, or a picture as a whole."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from rig import host
from rig.config.find import look_up
from rig.errors import StorageError
from rig.private import write_private
from rig.session.timeline import Instant


def save_picture(image: Image.Image, path: Path) -> Path:
    """Write `image` as PNG, at once or not at all, readable by the owner only. Raises StorageError."""
    out = io.BytesIO()
    image.save(out, "PNG")
    write_private(path, out.getvalue())
    return path


def private_folder(folder: Path) -> Path:
    """`folder`, made for the owner only if it is missing. Raises StorageError when it cannot be."""
    try:
        if look_up("", folder, StorageError) is None:
            folder.mkdir(parents=True)
            host.make_private(folder)
    except OSError as exc:
        raise StorageError(str(folder), f"cannot be made: {exc.strerror}") from None
    return folder


def save_instant(instant: Instant, folder: Path, stem: str) -> dict[str, Path]:
    """Write each camera's picture and the film's of one moment; {stream or "film": file}.

    Names: `<stem>_run-RR_HS_pulse-NNN.png`, `<stem>_run-RR_film_<step>_frame-NNN.png`. What has no picture has no file.
    """
    private_folder(folder)
    stem = f"{stem}_run-{instant.run:02d}"
    files: dict[str, Path] = {}
    for name, view in instant.views.items():
        if view.picture is not None:
            image = Image.fromarray(np.ascontiguousarray(view.picture))
            files[name] = save_picture(image, folder / f"{stem}_{name}_pulse-{view.pulse}.png")
    film = instant.film
    if film.picture is not None and film.step is not None:
        image = Image.fromarray(np.ascontiguousarray(film.picture))
        files["film"] = save_picture(image, folder / f"{stem}_film_{film.step.name}_frame-{film.film_frame}.png")
    return files

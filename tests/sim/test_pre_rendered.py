"""Pictures drawn beforehand come in turn, each with the marks of its own exposure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rig.config.rig import read_rig
from rig.pixels import FORMATS, shown
from rig.sim.optics import STEP_NS, Exposure, Optics
from rig.sim.world import World
from tests.burnt_in import burnt_in_number
from tests.rigs import write_rig

BEYOND_MARKS = np.s_[24:48]


def optics(folder: Path, count: int, pixel_format: str) -> Optics:
    """Those of a camera that shows so many pictures in turn."""
    path = write_rig(folder)
    keys = f"pixel_format: {pixel_format}, simulated: {{pre_rendered: {count}}}, backend"
    path.write_text(path.read_text().replace("HS: {backend", f"HS: {{{keys}"))
    return World(read_rig(path).rig, 0, None).sensors["HS"]._optics


def seen(eye: Optics, pixel_format: str, pulse: int) -> np.ndarray:
    form = FORMATS[pixel_format]
    out = np.zeros(form.shape(64, 96), form.dtype)
    eye.expose(out, Exposure(pulse * STEP_NS, 4_000_000, pulse))
    return shown(out, form, 64, 96)


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono12p", "RGB8"])
def test_they_come_in_turn_and_each_shows_its_own_pulse(tmp_path, pixel_format):
    eye = optics(tmp_path, 5, pixel_format)
    pictures = [seen(eye, pixel_format, pulse) for pulse in range(12)]
    for pulse, picture in enumerate(pictures):
        assert burnt_in_number(picture if picture.ndim == 2 else picture[..., 0]) == pulse
    rest = [picture[BEYOND_MARKS] for picture in pictures]
    for pulse in range(7):
        np.testing.assert_array_equal(rest[pulse], rest[pulse + 5])
    assert all((rest[0] != rest[pulse]).mean() > 0.1 for pulse in range(1, 5))


def test_without_them_each_exposure_has_a_picture_of_its_own(tmp_path):
    eye = optics(tmp_path, 0, "Mono8")
    rest = [seen(eye, "Mono8", pulse)[BEYOND_MARKS] for pulse in range(12)]
    assert all((rest[0] != other).mean() > 0.1 for other in rest[1:])

"""Sessions to look at, small and quickly made, and what their files hold: read by h5py alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from rig.config.rig import read_rig
from tests import handmade, rigs

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
FORMATS = {"HS": "Mono8", "VIS": "RGB8", "NIR": "Mono12"}
HOSTILE = "<img src=x onerror='window.hacked=1'>\"'&</script><script>window.hacked=1</script>"
RUN_FILE = "sub-001_ses-01_run-01_session.h5"
LOST = {"HS": {40, 41, 42, 43, 44}, "VIS": {60}}  # of `troubled`
NOT_STORED = ("NIR", 100, 140)
DAMAGED = 120  # of HS


def coloured(folder: Path) -> Path:
    """A recorded session of two seconds of a film, its cameras grey, in colour and of 12 bits; the film beside it."""
    text = rigs.RIG.format(seed=1, faults="")
    for stream, pixel_format in FORMATS.items():
        text = text.replace(f"SIM-{stream}, line", f"SIM-{stream}, pixel_format: {pixel_format}, line")
    rig_path = folder / "rig.yaml"
    rig_path.write_text(text)
    assert {name: camera.pixel_format for name, camera in read_rig(rig_path).rig.cameras.items()} == FORMATS
    return rigs.record(folder, rig_path, rigs.write_film_protocol(folder)).path


def troubled(folder: Path) -> Path:
    """Two runs made by hand, in which much is wrong; texts of people are hostile."""
    protocol = f"name: {HOSTILE!r}\n{handmade.REQUIRED}"
    plan = handmade.Plan(lost=LOST, not_stored=[NOT_STORED], damaged={"HS": {DAMAGED}}, ghosts={"HS": [30]},
                         alarm=HOSTILE, protocol_text=protocol)  # fmt: skip
    handmade.make_run(folder, plan)
    later = {"host_0": handmade.HOST_0 + 20_000_000_000, "created_utc": "2026-03-01T10:00:20+00:00"}
    second = handmade.Plan(run=2, body_groups=20, **later)
    return handmade.make_run(folder, second).parent


@dataclass(frozen=True)
class Stored:
    """The pictures of one stream, by pulse."""

    pictures: np.ndarray
    pulses: np.ndarray

    def on_screen(self, pulse: int) -> np.ndarray:
        """What a screen shows of a pulse's frame: uint8 (height, width, 4)."""
        [at] = np.flatnonzero(self.pulses == pulse)
        picture = self.pictures[at]
        grey = (picture >> 4 if picture.dtype == np.uint16 else picture).astype(np.uint8)
        colours = grey if grey.ndim == 3 else np.repeat(grey[:, :, np.newaxis], 3, axis=2)
        return np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])


def stored(path: Path) -> dict[str, Stored]:
    """Every stream of a run file."""
    with h5py.File(path, locking=False) as file:
        groups = {name: file[f"acquisition/{name}"] for name in STREAMS}
        return {name: Stored(group["data"][:], group["frames"]["pulse_number"]) for name, group in groups.items()}

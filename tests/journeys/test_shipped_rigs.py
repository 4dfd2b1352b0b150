"""The rigs that come with the program: each is in order, and SMIC-sub's one camera makes a session of its own."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
from PIL import Image

import rig
from rig.config.find import find_rig
from rig.config.rig import Rig, read_rig
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol

ROOT = Path(__file__).parents[2]
RIGS = sorted(path.parent.name for path in ROOT.glob("calibration/*/rig.yaml"))
SIMULATED = {
    "backend: basler": "backend: simulated",
    "backend: psychopy": "backend: simulated",
    "/dev/rig-box": "sim://smic-sub",
}


def simulated(name: str, folder: Path) -> Path:
    """A shipped rig with simulated devices in place of its own; nothing else of it is changed."""
    text = find_rig(name).read_text()
    for real, other in SIMULATED.items():
        assert real in text
        text = text.replace(real, other)
    path = folder / "rig.yaml"
    path.write_text(text + "simulation: {seed: 1}\n")
    return path


def rig_of(name: str) -> Rig:
    return read_rig(find_rig(name)).rig


@pytest.mark.parametrize("name", RIGS)
def test_a_shipped_rig_is_in_order(tmp_path: Path, name: str) -> None:
    done = commands.run("check", "demo", "--rig", name, "--no-devices", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_rigs_of_the_data_sets_have_their_cameras() -> None:
    """SMIC: HS at 100, VIS and NIR at 25 frames a second; SMIC-sub: HS alone. All 640x480."""
    found = {}
    for name in ("smic", "smic-sub"):
        own = rig_of(name)
        found[name] = {s: (own.box.rate_hz / c.divisor, c.width, c.height) for s, c in own.cameras.items()}
    assert found["smic"] == {"HS": (100, 640, 480), "VIS": (25, 640, 480), "NIR": (25, 640, 480)}
    assert found["smic-sub"] == {"HS": (100, 640, 480)}


def test_a_session_of_one_camera_is_recorded_verified_and_shown(tmp_path: Path) -> None:
    done = record(tmp_path, simulated("smic-sub", tmp_path), write_protocol(tmp_path, ("still", 1.0, "all")))
    judged = commands.run("verify", done.path, cwd=tmp_path)
    assert judged.returncode == 0, judged.stdout
    with h5py.File(done.path) as run:
        assert sorted(name for name, what in run["acquisition"].items() if isinstance(what, h5py.Group)) == ["HS"]
        frames = len(run["acquisition/HS/frames"])
    with rig.open(done.path) as session:
        stream = session.streams["HS"]
        assert stream.pulse_numbers.tolist() == list(range(frames)) == session.pulses["pulse_number"].tolist()
        assert [burnt_in_number(stream.data[i]) for i in range(0, frames, 9)] == list(range(0, frames, 9))
    shown = commands.run("replay", done.path, "--contact-sheet", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    (sheet,) = done.path.parent.glob("*contact-sheet.png")
    with Image.open(sheet) as picture:
        assert picture.width > 2 * 320

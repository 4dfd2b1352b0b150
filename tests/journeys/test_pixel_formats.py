"""A session with a packed, a colour and a deep camera, from its pictures in the file to what people see of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rig
from rig.session.reader import Session
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig

FORMATS = {"HS": "Mono12p", "VIS": "BayerRG8", "NIR": "Mono16"}
SIZES = {"HS": (96, 64), "VIS": (96, 64), "NIR": (641, 481)}  # width, height
STORED = {"HS": r"U8LE .* \( \d+, 9216 \)", "VIS": r"U8LE .* \( \d+, 64, 96 \)", "NIR": r"U16LE .* \( \d+, 481, 641 \)"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    path = write_rig(folder)
    text = path.read_text()
    for name, form in FORMATS.items():
        text = text.replace(f"serial: SIM-{name}", f"serial: SIM-{name}, pixel_format: {form}")
    nir = text.index("NIR:")
    text = text[:nir] + text[nir:].replace("width: 96, height: 64", "width: 641, height: 481, offset_x: 3", 1)
    path.write_text(text)
    return record(folder, path, write_protocol(folder, ("still", 1.0, "all"))).path


@pytest.fixture
def session(recorded: Path):
    with rig.open(recorded) as opened:
        yield opened


def test_every_picture_shows_the_number_of_its_pulse(session: Session) -> None:
    for name, stream in session.streams.items():
        greys = [stream.grey(i) for i in range(len(stream.data))]
        assert [burnt_in_number(grey * 255) for grey in greys] == stream.pulse_numbers.tolist(), name
        assert {grey.shape for grey in greys} == {SIZES[name][::-1]}
        assert np.ptp(greys[0]) > 0.5


def test_such_a_session_is_complete_and_described(recorded: Path, tmp_path: Path) -> None:
    judged = commands.run("verify", recorded, cwd=tmp_path)
    assert judged.returncode == 0, judged.stdout
    said = json.loads(commands.run("info", recorded, "--json", cwd=tmp_path).stdout)["runs"][0]["streams"]
    assert {name: stream["pixel_format"] for name, stream in said.items()} == FORMATS
    assert {name: (stream["width"], stream["height"]) for name, stream in said.items()} == SIZES
    assert "frames 641x481 Mono16, one in 4 pulses" in commands.run("info", recorded, cwd=tmp_path).stdout


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_lie_in_the_file_as_delivered(recorded: Path, name: str) -> None:
    command = ["h5dump", "-H", "-d", f"/acquisition/{name}/data", str(recorded)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(STORED[name], " ".join(said.split())), said


def test_people_see_pictures_of_every_camera(recorded: Path, tmp_path: Path) -> None:
    shown = commands.run("replay", recorded, "--at", 0.5, "--out", tmp_path, "--contact-sheet", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    modes = {}
    for name in FORMATS:
        (path,) = tmp_path.glob(f"*_{name}_pulse-*.png")
        with Image.open(path) as picture:
            assert picture.size == SIZES[name]
            modes[name] = picture.mode
            brightest = np.asarray(picture).max()
        assert 128 < brightest <= 255, name  # samples of 10 and 12 bits are scaled, not cut off
    assert modes == {"HS": "L", "VIS": "RGB", "NIR": "L"}
    (sheet,) = tmp_path.glob("*contact-sheet.png")
    with Image.open(sheet) as picture:
        assert picture.width > 4 * 320

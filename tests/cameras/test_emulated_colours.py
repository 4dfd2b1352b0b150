"""Colours end to end: cameras that pylon emulates look at a photograph; what the session shows must be its colours.

The emulation is the maker's own, converts the photograph by itself, and knows RGB8 and BGR8 only by their older names.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rig
from rig.cameras.basler.device import pylon
from rig.cameras.basler.emulation import EmulatedBaslerCamera
from rig.clock import HostClock
from tests import commands
from tests.cameras.emulated import config_of
from tests.rigs import record, write_protocol

FORMATS = {"HS": "RGB8", "VIS": "BGR8", "NIR": "BayerGB10"}
RIG = """\
schema: 1
name: colours
box: {port: sim://colours, rate_hz: 40}
cameras:
CAMERASscreen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
"""
CAMERA = """\
  NAME: {backend: basler-emulation, serial: 0815-000LINE, line: LINE, divisor: 1, exposure_us: 2000, width: 96,
    height: 64, trigger_source: Software, pixel_format: FORMAT,
    features: {AcquisitionFrameRateEnable: false, TestImageSelector: "Off", ImageFilename: PHOTOGRAPH,
      ImageFileMode: "On"}}
"""
PATCHES = np.array([(200, 30, 10), (20, 180, 40), (5, 60, 220)], np.uint8)  # 32 columns each


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    photograph, cameras = folder / "photograph.png", ""
    Image.fromarray(np.tile(np.repeat(PATCHES, 32, axis=0), (64, 1, 1))).save(photograph)
    for line, (name, form) in enumerate(FORMATS.items()):
        one = CAMERA.replace("NAME: {", f"{name}: {{").replace("LINE", str(line)).replace("FORMAT", form)
        cameras += one.replace("PHOTOGRAPH", str(photograph))
    path = folder / "rig.yaml"
    path.write_text(RIG.replace("CAMERAS", cameras))
    return path


@pytest.fixture(scope="module")
def recorded(written: Path) -> Path:
    protocol = write_protocol(written.parent, ("still", 1, "all"))
    return record(written.parent, written, protocol, virtual=False).path


def test_the_cameras_know_only_the_older_names() -> None:
    camera = EmulatedBaslerCamera("HS", config_of(pixel_format="RGB8"), HostClock(), buffers=1)
    try:
        node = camera._device.camera.PixelFormat
        assert {"RGB8", "BGR8"}.isdisjoint(node.Symbolics)
        assert node.IntValue == pylon.PixelType_RGB8packed
        assert camera.describe().pixel_format == "RGB8"
        (state,) = (each for each in camera.describe().features if each.name == "PixelFormat")
        assert (state.asked, state.got, state.problem) == ("RGB8", "RGB8", "")
        assert {"Mono8", "RGB8", "BGR8"} < set(state.allowed.split(", "))
    finally:
        camera.close()


def test_check_finds_every_format_as_asked(written: Path, tmp_path: Path) -> None:
    done = commands.run("check", "--rig", written, "--no-speed", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"PixelFormat +(\S+) +(\S+)", done.stdout) == [(form, form) for form in FORMATS.values()]


def test_pictures_lie_in_the_file_as_delivered(recorded: Path) -> None:
    for name, (kind, shape) in {
        "HS": ("U8", "64, 96, 3"),
        "VIS": ("U8", "64, 96, 3"),
        "NIR": ("U16", "64, 96"),
    }.items():
        command = ["h5dump", "-H", "-d", f"/acquisition/{name}/data", str(recorded)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"H5T_STD_{kind}LE" in said
        assert f", {shape} )" in said
    with rig.open(recorded) as session:
        assert (session.streams["HS"].data[0][5, [5, 40, 70]] == PATCHES).all()
        assert (session.streams["VIS"].data[0][5, [5, 40, 70]] == PATCHES[:, ::-1]).all()


@pytest.mark.parametrize("name", FORMATS)
def test_every_picture_shows_the_colours_of_the_photograph(recorded: Path, name: str) -> None:
    with rig.open(recorded) as session:
        stream = session.streams[name]
        assert (stream.pixel_format.name, len(stream.data) > 20) == (FORMATS[name], True)
        for index in range(len(stream.data)):
            picture = stream.rgb(index).reshape(64, 3, 32, 3)[2:-2, :, 2:-2]
            assert (np.abs(picture - PATCHES[:, np.newaxis].astype(int)) <= (2 if name == "NIR" else 0)).all()
            grey = stream.grey(index).reshape(64, 3, 32)[2:-2, :, 2:-2]
            assert (np.abs(grey - PATCHES.mean(axis=1)[:, np.newaxis] / 255) <= 0.01).all()


def test_the_session_says_which_formats(recorded: Path, tmp_path: Path) -> None:
    said = json.loads(commands.run("info", recorded, "--json", cwd=tmp_path).stdout)["runs"][0]["streams"]
    assert {name: stream["pixel_format"] for name, stream in said.items()} == FORMATS

"""`rig init` writes a rig.yaml that is right as it stands, from what is there, and never over one that is there."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

from rig import wiring
from rig.cameras.found import FeatureRow, FoundCamera
from rig.check import first
from rig.cli.app import app
from rig.config.rig import read_rig
from rig.errors import RigError, UserError
from tests import commands
from tests.trigger.pty_box import Thermometer, pty_box, simulated, that_is

SCHEMA = Path(__file__).parents[2] / "docs/reference/schema/rig.schema.json"


def test_a_simulated_rig_is_ready_at_once(tmp_path: Path) -> None:
    done = commands.run("init", "mylab", "--simulated", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wrote calibration/mylab/rig.yaml" in done.stdout
    assert "rig record demo --rig mylab --subject 001" in done.stdout
    checked = commands.run("check", "no-film", "--rig", "mylab", "--no-speed", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.endswith("ready\n")
    options = "--rig", "mylab", "--subject", "001", "--speed", "max", "--participant", "scripted"
    recorded = commands.run("record", "no-film", *options, cwd=tmp_path)
    assert recorded.returncode == 0, recorded.stderr


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "calibration/mylab/rig.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    said = commands.refused("init", "mylab", "--simulated", cwd=tmp_path)
    assert said == "rig: calibration/mylab/rig.yaml: is there already. Edit it, or choose another name\n"
    assert path.read_text() == "mine"
    assert list(path.parent.iterdir()) == [path]


def test_a_rig_that_somebody_else_has_just_written_is_not_overwritten(tmp_path: Path) -> None:
    cameras = first.simulated_cameras()
    path = first.write_rig(tmp_path, "mylab", first.FoundBox("sim://mylab", "theirs"), cameras)
    with pytest.raises(UserError, match="cannot be written: File exists"):
        first.write_rig(tmp_path, "mylab", first.FoundBox("sim://mylab", "mine"), cameras)
    assert "theirs" in path.read_text()


@pytest.mark.parametrize("room", [0, 300, 6000])
def test_a_full_disk_leaves_nothing_that_blocks_the_next_try(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond `room` bytes: neither fits, neither fits whole, rig.yaml fits and the schema does not."""
    monkeypatch.chdir(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        said = refused("mylab", "--simulated")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    hint = "Nothing was written: check the disk and the permissions, then do it again"
    assert said == f"calibration/mylab/rig.yaml: cannot be written: File too large. {hint}"
    assert list(tmp_path.iterdir()) == []
    app(["init", "mylab", "--simulated"], standalone_mode=False)
    assert 300 < (tmp_path / "calibration/mylab/rig.yaml").stat().st_size < 6000  # what `room` was chosen by
    assert sorted(path.name for path in (tmp_path / "calibration/mylab").iterdir()) == ["rig.schema.json", "rig.yaml"]


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x/y", "ä", "x" * 65])
def test_what_is_no_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "NAME: " in refused("--simulated", "--", name)
    assert list(tmp_path.iterdir()) == []


def test_without_any_camera_nothing_is_written(tmp_path: Path) -> None:
    said = commands.refused("init", "mylab", cwd=tmp_path)
    assert said == "rig: cameras: none answers. Plug them in, or make a rig of simulated ones with --simulated\n"
    assert list(tmp_path.iterdir()) == []


def test_emulated_cameras_make_a_rig_that_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "2")
    done = commands.run("init", "emulated", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rig = read_rig(tmp_path / "calibration/emulated/rig.yaml").rig
    assert {name: c.serial for name, c in rig.cameras.items()} == {"HS": "0815-0000", "VIS": "0815-0001"}
    checked = commands.run("check", "--rig", "emulated", "--no-speed", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_an_editor_finds_the_schema_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app(["init", "mylab", "--simulated"], standalone_mode=False)
    head = (tmp_path / "calibration/mylab/rig.yaml").read_text().splitlines()[0]
    assert head.startswith("# yaml-language-server: $schema=")
    beside = tmp_path / "calibration/mylab" / head.split("=")[1]
    assert json.loads(beside.read_text()) == json.loads(SCHEMA.read_text())


def refused(*arguments: str) -> str:
    with pytest.raises(RigError) as raised:
        app(["init", *arguments], standalone_mode=False)
    return str(raised.value)


def plug_in(monkeypatch: pytest.MonkeyPatch, ports: list[str], cameras: int) -> None:
    """Serial ports, and so many cameras in the state in which they leave the factory."""
    there = [SimpleNamespace(device=port, description="a device") for port in ports]
    monkeypatch.setattr("rig.trigger.port.comports", lambda: there)
    who = "basler", "Basler", "acA640-120um"
    found = [FoundCamera(*who, f"2281{number}", "", "usb", is_simulated=False) for number in range(cameras)]
    monkeypatch.setattr(wiring, "find_cameras", lambda: found)
    rows = [
        FeatureRow("AcquisitionFrameRateEnable", True, "true or false", is_writable=True),
        FeatureRow("ExposureAuto", "Continuous", "Off, Once, Continuous", is_writable=True),
        FeatureRow("ExposureTime", 59_000.0, "20 to 1e+07", is_writable=True),
        FeatureRow("Gain", 3.0, "0 to 24", is_writable=True),
        FeatureRow("Height", 512, "1 to 512", is_writable=True),
        FeatureRow("PixelFormat", "Mono12", "Mono8, Mono12", is_writable=True),
        FeatureRow("Width", 672, "1 to 672", is_writable=True),
    ]
    monkeypatch.setattr(wiring, "dump_features", lambda found: rows)


@pytest.mark.parametrize("cameras", [1, 3])
def test_real_cameras_and_the_first_box_that_answers_are_written(
    cameras: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thermometer at another port is asked and left alone."""
    monkeypatch.chdir(tmp_path)
    with pty_box(that_is(Thermometer)) as other, pty_box(simulated(seed=7)) as port:
        plug_in(monkeypatch, [other, port], cameras)
        app(["init", "mylab"], standalone_mode=False)
    path = tmp_path / "calibration/mylab/rig.yaml"
    rig = read_rig(path).rig
    assert rig.box.port == port
    assert "simulated box, serial SIM7" in path.read_text()
    assert list(rig.cameras) == ["HS", "VIS", "NIR"][:cameras]
    assert [camera.line for camera in rig.cameras.values()] == list(range(cameras))
    hs = rig.cameras["HS"]
    assert (hs.serial, hs.divisor, hs.width, hs.height, hs.pixel_format) == ("22810", 1, 672, 512, "Mono12")
    assert hs.exposure_us == 4000  # what it was set to does not fit between two pulses
    assert hs.features == {"AcquisitionFrameRateEnable": False, "ExposureAuto": "Off"}


def test_cameras_beyond_the_lines_of_the_box_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pty_box(simulated(seed=7)) as port:
        plug_in(monkeypatch, [port], 5)
        app(["init", "mylab"], standalone_mode=False)
    rig = read_rig(tmp_path / "calibration/mylab/rig.yaml").rig
    assert [camera.serial for camera in rig.cameras.values()] == ["22810", "22811", "22812"]
    left = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert left == [f"left out: Basler acA640-120um, serial 2281{n}, as the box has 3 trigger lines" for n in (3, 4)]


def test_of_more_cameras_than_a_rig_can_have_the_first_eight_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plug_in(monkeypatch, [], 9)
    app(["init", "mylab"], standalone_mode=False)
    rig = read_rig(tmp_path / "calibration/mylab/rig.yaml").rig
    assert [camera.serial for camera in rig.cameras.values()] == [f"2281{n}" for n in range(8)]
    assert list(rig.cameras)[3:] == [f"CAM{n}" for n in range(4, 9)]
    assert "left out: Basler acA640-120um, serial 22818, as a rig has room for 8 cameras\n" in capsys.readouterr().out


def test_where_no_box_answers_its_usual_name_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plug_in(monkeypatch, [], 1)
    app(["init", "mylab"], standalone_mode=False)
    path = tmp_path / "calibration/mylab/rig.yaml"
    assert read_rig(path).rig.box.port == first.BOX_PORT
    assert "no trigger box answered" in path.read_text()

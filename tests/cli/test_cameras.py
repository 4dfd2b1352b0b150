"""`rig cameras` as one types it, with simulated cameras and with those that pylon emulates."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rig import wiring
from rig.cameras.found import FeatureRow, FoundCamera
from rig.cameras.part import part_of
from rig.config.rig import Camera, read_rig
from rig.config.written import Scalar, first_rig, scalar, spelled_part
from rig.config.yaml import read_document
from rig.errors import ConfigError, RigError
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.cli.virtual import Run, run_virtually
from tests.rigs import write_rig

__all__ = ["run_virtually"]

REAL = FoundCamera("basler", "Basler", "acA640-120um", "22812345", "", "usb", is_simulated=False)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two emulated cameras answer, as if they were plugged in."""
    monkeypatch.setenv("PYLON_CAMEMU", "2")


def test_cameras_of_a_rig_are_listed_with_what_they_took(tmp_path: Path) -> None:
    done = commands.run("cameras", "list", "--rig", write_rig(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[-1] for row in rows[1:4]] == ["SIMULATED"] * 3
    for name in ("SIM-HS", "SIM-VIS", "SIM-NIR"):
        assert sum(name in row for row in rows) == 1
    assert ["ExposureTime", "4000", "4000"] in [row[:3] for row in rows]
    assert ["ExposureTime", "8000", "8000"] in [row[:3] for row in rows]


def test_a_snapshot_is_a_picture_that_the_box_triggered_and_the_next_one_lies_beside_it(
    tmp_path: Path, run_virtually: Run
) -> None:
    rig = write_rig(tmp_path)
    rig.write_text(rig.read_text().replace("width: 96, height: 64", "width: 160, height: 120"))
    for number in (1, 2):
        done = run_virtually("cameras", "list", "--rig", rig, "--snapshot", "aim")
        assert done.exit_code == 0, done.output
        for name, divisor in (("HS", 1), ("VIS", 4), ("NIR", 4)):
            assert f"aim/{name}-{number}.png" in done.stdout
            with Image.open(tmp_path / f"aim/{name}-{number}.png") as image:
                picture = np.asarray(image)
            assert picture.shape == (120, 160)
            assert burnt_in_number(picture) % divisor == 0  # of a pulse, and no ghost
            assert (tmp_path / f"aim/{name}-{number}_histogram.png").is_file()
    assert len(list((tmp_path / "aim").iterdir())) == 12
    assert done.stdout.count("saturated, focus") == 3


@pytest.mark.parametrize("where", ["afile", "afile/below"])
def test_where_no_picture_can_lie_no_camera_is_opened(where: str, tmp_path: Path) -> None:
    (tmp_path / "afile").write_text("mine")
    rig = write_rig(tmp_path, faults="dead_line: VIS")  # which would be told, had the box been started
    said = commands.refused("cameras", "list", "--rig", rig, "--snapshot", where, cwd=tmp_path)
    assert said == "rig: afile: is not a folder. Choose another place with --snapshot\n"
    assert (tmp_path / "afile").read_text() == "mine"


def test_a_camera_that_gives_no_picture_is_named(tmp_path: Path, run_virtually: Run) -> None:
    rig = write_rig(tmp_path, faults="dead_line: VIS")
    said = run_virtually("cameras", "list", "--rig", rig, "--snapshot", "aim").exception
    assert isinstance(said, RigError)
    assert str(said).startswith("camera VIS: no picture came within 3 s. Find out by: rig box selftest --cameras")
    assert not (tmp_path / "aim").exists()


def test_without_a_rig_the_cameras_that_answer_are_listed_and_pictured(emulated: None, tmp_path: Path) -> None:
    done = commands.run("cameras", "list", "--snapshot", "aim", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    for serial in ("0815-0000", "0815-0001"):
        assert [serial, "Basler", "Emulation", "emulation", "basler-emulation", "SIMULATED"] in rows
        assert (tmp_path / f"aim/{serial}-1.png").is_file()


def test_no_camera_at_all_is_said(tmp_path: Path) -> None:
    done = commands.run("cameras", "list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no camera answers; those of a simulated rig are listed with --rig\n")


def test_what_is_dumped_of_a_camera_is_a_part_of_rig_yaml(emulated: None, tmp_path: Path) -> None:
    dumped, again = (commands.run("cameras", "dump", "0815-0001", cwd=tmp_path) for _ in range(2))
    assert dumped.returncode == 0, dumped.stderr
    assert dumped.stdout == again.stdout
    camera = read_part(tmp_path, dumped.stdout)
    assert (camera.serial, camera.backend, camera.trigger_source) == ("0815-0001", "basler-emulation", "Software")
    assert (camera.width, camera.height) == (1024, 1040)
    assert camera.features["ExposureMode"] == "Timed"
    names = list(camera.features)
    selectors = [name for name in names if name.endswith("Selector")]
    assert names == selectors + sorted(set(names) - set(selectors))
    assert "DeviceSerialNumber" not in names  # it is not writable
    assert not {"ExposureTimeRaw", "GainRaw", "PayloadSize", "WidthMax", "DeviceUserID"} & set(names)
    assert not {"ForceFailedBufferCount", "TestImageSelector", "ImageFilename", "ChunkModeActive"} & set(names)
    assert {"Gain", "Gamma", "BinningHorizontal", "LineInverter", "DeviceLinkThroughputLimit"} <= set(names)
    assert "ExposureMode: Timed  # Timed, TriggerWidth, TriggerControlled\n" in dumped.stdout


def test_another_make_adds_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed, pictured and dumped by what that line names."""
    acme = FoundCamera("acme", "Acme", "A1", "4711", "", "usb", is_simulated=False)
    snapshot, rows = object(), [row("Gain", 1.0)]
    module = SimpleNamespace(find=lambda: [acme], snapshot={"4711": snapshot}.get, dump={"4711": rows}.get)
    monkeypatch.setitem(sys.modules, "rig.cameras.acme_discovery", module)
    monkeypatch.setattr(wiring.drivers, "DISCOVERIES", {"acme": "rig.cameras.acme_discovery"})  # asks no other
    assert wiring.find_cameras() == [acme]
    assert wiring.snapshot(acme) is snapshot
    assert wiring.dump_features(acme) is rows


def test_a_camera_that_is_not_there_is_answered_with_those_that_are(emulated: None, tmp_path: Path) -> None:
    said = commands.refused("cameras", "dump", "77", cwd=tmp_path)
    assert "77: is not there" in said
    assert "0815-0000" in said


@pytest.mark.parametrize(
    ("serial", "message"),
    [
        ("", "rig: camera '': is not there; found: no camera\n"),
        ("4711", "rig: camera 4711: is not there; found: no camera\n"),
        (
            "0815-0000",
            "rig: camera 0815-0000: is not there; found: no camera. So many cameras as PYLON_CAMEMU says are emulated: "
            "set it in the environment, e.g. PYLON_CAMEMU=1\n",
        ),
    ],
)
def test_without_cameras_it_is_said_which_one_is_not_there_and_how_an_emulated_one_would_be(
    serial: str, message: str, tmp_path: Path
) -> None:
    assert commands.refused("cameras", "dump", serial, cwd=tmp_path) == message


def read_part(folder: Path, cameras: str) -> Camera:
    """The one camera of a dump, put into a rig.yaml and read from there."""
    whole = first_rig("dumped", "sim://dumped" if "emulation" in cameras else "/dev/rig-box", "", [])
    path = folder / "rig.yaml"
    whole = whole.replace("rate_hz: 100", "led_phase_us: 15000\n  rate_hz: 50")  # as it comes it exposes for 10 ms
    path.write_text(whole.replace("cameras:\n", cameras).replace("HS: 0, VIS: 1, NIR: 2, ", "").replace(", , ", ", "))
    (camera,) = read_rig(path).rig.cameras.values()
    return camera


def row(name: str, value: Scalar, allowed: str = "", *, is_writable: bool = True) -> FeatureRow:
    return FeatureRow(name, value, allowed, is_writable)


def test_each_feature_stands_where_rig_yaml_wants_it(tmp_path: Path) -> None:
    rows = [
        row("ExposureTime", 5000.0, "20 to 1000000"),
        row("ExposureTimeAbs", 4000.0),  # the same register by its older name
        row("ExposureTimeRaw", 250),  # and in another unit
        row("Gain", 1.5, "0 to 24"),
        row("GainSelector", "All", "All, Red"),
        row("DeviceTemperature", 41.0, is_writable=False),
        row("TriggerMode", "Off", "Off, On"),
        row("TriggerSource", "Line3", "Line1, Line3"),
        row("Width", 320, "16 to 640"),
        row("WithEscapes", "\x1b[31m"),  # no text of rig.yaml
        row("Whole", 2**64),  # nor does a number of so many digits fit
    ]
    text = spelled_part(part_of("CAM", REAL, rows, line=0, divisor=1))
    camera = read_part(tmp_path, f"cameras:\n{text}")
    assert (camera.exposure_us, camera.width, camera.height, camera.trigger_source) == (5000.0, 320, 480, "Line3")
    assert list(camera.features.items()) == [("GainSelector", "All"), ("Gain", 1.5)]
    assert "    exposure_us: 5000.0  # 20 to 1000000\n" in text


def test_an_older_camera_s_features_are_written_by_their_present_names(tmp_path: Path) -> None:
    rows = [row("ExposureTimeAbs", 5000.0), row("ExposureTimeRaw", 250), row("GainRaw", 3)]
    rows += [row("LineDebouncerTimeAbs", 5.0)]
    camera = read_part(tmp_path, "cameras:\n" + spelled_part(part_of("CAM", REAL, rows, line=0, divisor=1)))
    assert camera.exposure_us == 5000.0
    assert camera.features == {"GainRaw": 3, "LineDebouncerTime": 5.0}  # it has no other Gain


def test_a_pixel_format_that_is_not_recorded_is_said(tmp_path: Path) -> None:
    text = spelled_part(part_of("CAM", REAL, [row("PixelFormat", "YCbCr422_8")], line=0, divisor=1))
    assert "    pixel_format: Mono8  # it is YCbCr422_8 now, which is not recorded\n" in text


ODD = ["", "no", "on", "null", "true", "~", "007", "1e3", "0x10", ".inf", "a: b", "a #b", "- a", "[a", "ä", '"', "'"]
TEXTS = st.one_of(st.sampled_from(ODD), st.text().filter(str.isprintable))


@given(value=st.one_of(TEXTS, st.integers(-(10**17), 10**17), st.booleans(), st.floats(-1e17, 1e17)))
def test_every_value_is_read_as_it_was_written(value: Scalar, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "value.yaml"
    path.write_text(f"value: {scalar(value)}  # comment\n", encoding="utf-8")
    read = read_document(path, ConfigError).data["value"]
    assert read == value
    assert type(read) is type(value)

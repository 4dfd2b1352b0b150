"""Cameras that no rig.yaml names yet, found by pylon: here those that it emulates."""

from __future__ import annotations

import os

import numpy as np
import pytest

from rig import wiring
from rig.cameras.basler.emulation import EMULATED_CAMERAS
from rig.cameras.found import FoundCamera
from rig.errors import DeviceNotFound
from rig.pixels import FORMATS

SERIAL = "0815-0001"


@pytest.fixture(autouse=True)
def two_emulated_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, EMULATED_CAMERAS, "2")


def emulated() -> list[FoundCamera]:
    return [found for found in wiring.find_cameras() if found.is_simulated]


def test_all_cameras_that_answer_are_found() -> None:
    assert emulated() == [
        FoundCamera("basler-emulation", "Basler", "Emulation", f"0815-000{n}", "", "emulation", is_simulated=True)
        for n in range(2)
    ]


def test_a_snapshot_is_one_picture_with_the_present_features_which_stay() -> None:
    camera = emulated()[1]
    before = wiring.dump_features(camera)
    taken = wiring.snapshot(camera)
    assert (taken.form, taken.height, taken.width) == (FORMATS["Mono8"], 1040, 1024)
    assert taken.picture.shape == (1040, 1024)
    assert len(np.unique(taken.picture)) == 256  # the emulation's test picture is a ramp
    assert wiring.dump_features(camera) == before


def test_features_are_dumped_by_name_with_value_range_and_whether_they_can_be_written() -> None:
    rows = wiring.dump_features(wiring.find_camera(SERIAL))
    assert [row.name for row in rows] == sorted(row.name for row in rows)
    found = {row.name: (row.value, row.allowed, row.is_writable) for row in rows}
    assert found["ExposureTime"] == (10_000.0, "1 to 10000000", True)
    assert found["Width"] == (1024, "1 to 4096", True)
    assert found["TriggerMode"] == ("Off", "Off, On", True)
    assert found["AcquisitionFrameRateEnable"] == (True, "true or false", True)
    assert found["DeviceVendorName"] == ("Basler", "", False)
    assert "AcquisitionStart" not in found  # a command has no value


def test_a_camera_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(DeviceNotFound) as missing:
        wiring.find_camera("22812345")
    assert missing.value.subject == "camera 22812345"
    assert "0815-0000, 0815-0001" in missing.value.allowed

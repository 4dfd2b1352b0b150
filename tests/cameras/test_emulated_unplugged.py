"""A camera that is unplugged in mid-session and comes back, through pylon: named, taken up again, its loss counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.cameras.basler import camera as driver
from rig.cameras.basler.emulation import EmulatedBaslerCamera
from rig.cameras.basler.pylon import devices
from rig.session.layout import Outcome
from rig.session.run import Run
from tests.cameras.test_emulated_session import DIVISORS, RIG
from tests.rigs import record, write_protocol

SERIAL, GONE_AT, AWAY = "0815-0001", 20, 20  # VIS; triggers of the recording run


class Cable:
    """Pulls the cable of VIS at one trigger and puts it back some triggers later, past the driver."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch, self._triggers = patch, 0
        trigger = EmulatedBaslerCamera.trigger

        def watched(camera: EmulatedBaslerCamera) -> None:
            if camera.name == "VIS" and self._triggers + (camera._is_armed and camera._epoch == 1):
                self._count(camera)
            if not (camera.name == "VIS" and self.is_out):
                trigger(camera)

        patch.setattr(EmulatedBaslerCamera, "trigger", watched)

    @property
    def is_out(self) -> bool:
        return GONE_AT <= self._triggers < GONE_AT + AWAY

    def _count(self, camera: EmulatedBaslerCamera) -> None:
        self._triggers += 1
        if self._triggers == GONE_AT:
            self._patch.setattr(driver, "devices", lambda: [d for d in devices() if d.GetSerialNumber() != SERIAL])
            camera._device._removal.OnCameraDeviceRemoved(None)
        elif self._triggers == GONE_AT + AWAY:
            self._patch.setattr(driver, "devices", devices)


def test_an_unplugged_camera_is_named_and_taken_up_again_and_the_others_go_on(tmp_path: Path) -> None:
    rig, protocol = tmp_path / "rig.yaml", write_protocol(tmp_path, ("still", 6, "all"))
    rig.write_text(RIG)
    with pytest.MonkeyPatch.context() as patch:
        Cable(patch)
        recorded = record(tmp_path, rig, protocol, virtual=False)
    assert recorded.outcome is Outcome.FINISHED
    with Run(recorded.path) as run:
        told = [entry["text"] for entry in run.log if entry.get("stream") == "VIS" and entry["kind"] == "alarm"]
        assert f"camera VIS ({SERIAL}): is gone" in told[0]
        epochs = {name: set(stream.frames["epoch"].tolist()) for name, stream in run.streams.items()}
        assert epochs == {"HS": {1}, "VIS": {1, 2}}
        for name, divisor in DIVISORS.items():
            stream = run.streams[name]
            assert stream.gaps["missing"].sum() == -(-len(run.pulses) // divisor) - len(stream.frames)
        assert run.streams["VIS"].gaps["missing"].sum() >= AWAY

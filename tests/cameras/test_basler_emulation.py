"""The driver of Basler cameras on the cameras that pylon emulates: the contract, events, and what is left behind."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import pytest

from rig import wiring
from rig.cameras.basler import family
from rig.cameras.basler.emulation import EMULATED_CAMERAS
from rig.cameras.nodes import Nodes
from rig.streams import CameraEvent, CameraEventKind
from rig.testing.camera import Bench, CameraContract
from tests.cameras.emulated import NAME, contract_bench, emulated


class TestEmulatedBaslerCamera(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return contract_bench()


@pytest.mark.parametrize("asked", [None, "1", "3"])
def test_only_who_asks_for_emulated_cameras_finds_them(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if asked is None:
        monkeypatch.delenv(EMULATED_CAMERAS, raising=False)
    else:
        monkeypatch.setenv(EMULATED_CAMERAS, asked)
    with emulated():  # the second camera that pylon emulates
        assert os.environ.get(EMULATED_CAMERAS) == asked
        assert len([found for found in wiring.find_cameras() if found.is_simulated]) == int(asked or 0)


def test_the_heartbeat_is_set_on_the_connection_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GigE camera's, which pylon does not emulate."""
    asked: list[Nodes] = []
    monkeypatch.setattr(family, "set_heartbeat", lambda transport: asked.append(transport) or 950)
    with emulated() as bench:
        assert bench.camera.describe().capabilities["heartbeat_ms"] == 950
        assert [node.is_there("Width") for node in asked] == [False]  # it is not the camera's own node map


def test_the_cameras_own_events_come_beside_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that pylon emulates are a test event and the end of an exposure."""
    monkeypatch.setitem(family.EVENTS, "Test", CameraEventKind.OTHER)
    monkeypatch.setitem(family.EVENTS, "ExposureEnd", CameraEventKind.OVERRUN)
    with emulated() as bench:
        assert bench.camera.describe().capabilities["events"] == "ExposureEnd, Test"
        bench.camera.arm(0)
        bench.camera._nodes.execute("TestEventGenerate")
        bench.send([15_000_000])
        bench.settle()
        came = [bench.camera.grab(0.1) for _ in range(4)]
        told = {(event.stream, event.kind, event.text) for event in came if isinstance(event, CameraEvent)}
        assert told == {(NAME, CameraEventKind.OTHER, "Test"), (NAME, CameraEventKind.OVERRUN, "ExposureEnd")}
        bench.camera.stop()

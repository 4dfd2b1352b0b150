"""The contract on a real Basler camera, fired by its software trigger: `pytest --hardware tests/cameras`.

It shows all but the trigger line itself; docs/reference/cameras.md lists what to check with a box and a scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from rig import wiring
from rig.cameras.basler.camera import BaslerCamera
from rig.clock import HostClock
from rig.config.rig import Camera
from rig.testing.camera import Bench, CameraContract, OnWire

PERIOD_NS, BUFFERS = 100_000_000, 16


@contextmanager
def first_camera() -> Iterator[Bench]:
    found = next(found for found in wiring.find_cameras() if not found.is_simulated)
    serial, size = found.serial, {row.name: row.value for row in wiring.dump_features(found)}
    config = Camera.model_validate(
        {
            "backend": "basler",
            "serial": serial,
            "line": 0,
            "divisor": 1,
            "exposure_us": 2000,
            "width": size["Width"],
            "height": size["Height"],
            "trigger_source": "Software",
        }
    )
    clock, sent = HostClock(), 0
    camera = BaslerCamera("HS", config, clock, buffers=BUFFERS)

    def send(gaps_ns: Sequence[int]) -> list[OnWire]:
        nonlocal sent
        edges = []
        for gap_ns in gaps_ns:
            clock.sleep_until(clock.now_ns() + gap_ns)
            edges.append(OnWire(sent, clock.now_ns()))
            sent += 1
            camera._nodes.execute("TriggerSoftware")
        return edges

    try:
        yield Bench(
            camera,
            clock,
            send,
            serial,
            is_simulated=False,
            period_ns=PERIOD_NS,
            buffers=BUFFERS,
            settle=lambda: clock.sleep_until(clock.now_ns() + 3 * PERIOD_NS),
            tick_tolerance_ns=5e6,  # of the software trigger's own way to the camera
            read_only="DeviceModelName",
        )
    finally:
        camera.close()


@pytest.mark.hardware
class TestBaslerCamera(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return first_camera()
